// SPDX-License-Identifier: Apache-2.0
// The contract of storage.h as tests, which every storage and every decorator passes. A new one is
// a line in the list at the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "base/scratch_directory.h"
#include "base/worker_pool.h"
#include "storage/backends.h"
#include "storage/testing/content.h"
#include "storage/testing/faulty.h"

namespace wherry::storage {
namespace {

using Follow = Storage::Follow;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::literals;

// What a storage under test may need around it.
struct World {
  ScratchDirectory scratch;
  FakeClock clock{TimePoint(1539601563s), FakeClock::Sleepers::kAdvance};
  SeededRandom random{1};
  Faults faults;
};

struct Candidate {
  const char* name;
  std::function<std::unique_ptr<Storage>(World&)> open;
};

class Conformance : public testing::TestWithParam<Candidate> {
 protected:
  World world_;
  std::unique_ptr<Storage> storage_ = GetParam().open(world_);

  CreateTemporary request(std::string_view target) {
    CreateTemporary request;
    request.target = path_of(target);
    request.temporary_name = temporary_name("task", request.target);
    request.mode = 0640;
    return request;
  }
  std::unique_ptr<TemporaryFile> create(std::string_view target) {
    return storage_->create_temporary(request(target)).value();
  }
  std::unique_ptr<TemporaryFile> finished(std::string_view target, std::string_view content) {
    auto file = create(target);
    file->write(0, content).value();
    file->finish({.size = content.size(), .mode = {}, .mtime = {}}).value();
    return file;
  }
  void make_directory(std::string_view path) {
    storage_->make_directory(path_of(path), 0755).value();
  }
  void make_symlink(std::string_view path, std::string_view target) {
    storage_->make_symlink(path_of(path), target, Replace::kNo).value();
  }
  Attributes attributes(std::string_view path) {
    return storage_->stat(path_of(path), Follow::kNo).value().attributes;
  }
};

template <class T>
Code code_of(const Result<T>& result) {
  return result.error().code;
}

Visit go_on(const Entry&) { return Visit::kContinue; }

// --- list ---

TEST_P(Conformance, ListsAnEmptyDirectoryWithoutACall) {
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre());
}

TEST_P(Conformance, ListsEntriesSortedByTheBytesOfTheirNames) {
  for (const char* name : {"b", "a", "B", "a.", "\xff", "10", "9", "\xc3\xa4"})
    put_file(*storage_, name, "x");
  EXPECT_THAT(names_in(*storage_, ""),
              ElementsAre("10", "9", "B", "a", "a.", "b", "\xc3\xa4", "\xff"));
}

TEST_P(Conformance, ListsWithTheAttributesOfEachEntry) {
  make_directory("directory");
  put_file(*storage_, "file", "12345", 0600);
  make_symlink("link", "file");
  std::vector<Entry> entries;
  storage_
      ->list(RelPath(),
             [&](const Entry& entry) {
               entries.push_back(entry);
               return Visit::kContinue;
             })
      .value();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].attributes.type, EntryType::kDirectory);
  EXPECT_EQ(entries[0].attributes.mode, 0755U);
  EXPECT_EQ(entries[0].attributes.size, 0U);
  EXPECT_EQ(entries[1].attributes.type, EntryType::kFile);
  EXPECT_EQ(entries[1].attributes.size, 5U);
  EXPECT_EQ(entries[1].attributes.mode, 0600U);
  EXPECT_EQ(entries[1].symlink_target, "");
  EXPECT_EQ(entries[2].attributes.type, EntryType::kSymlink);
  EXPECT_EQ(entries[2].attributes.size, 4U);
  EXPECT_EQ(entries[2].symlink_target, "file");
  EXPECT_EQ(entries[1], storage_->stat(path_of("file"), Follow::kNo).value());
}

TEST_P(Conformance, ListStopsWhenTheVisitorHasEnough) {
  put_file(*storage_, "a", "");
  put_file(*storage_, "b", "");
  int calls = 0;
  storage_
      ->list(RelPath(),
             [&](const Entry&) {
               ++calls;
               return Visit::kStop;
             })
      .value();
  EXPECT_EQ(calls, 1);
}

TEST_P(Conformance, AVisitorMayChangeTheDirectoryThatItVisits) {
  put_file(*storage_, "a", "");
  put_file(*storage_, "b", "");
  storage_
      ->list(RelPath(),
             [&](const Entry& entry) {
               storage_->remove_file(path_of(entry.name)).value();
               return Visit::kContinue;
             })
      .value();
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre());
}

TEST_P(Conformance, ListTellsWhatCannotBeListed) {
  put_file(*storage_, "file", "");
  EXPECT_EQ(code_of(storage_->list(path_of("none"), go_on)), Code::kNotFound);
  EXPECT_EQ(code_of(storage_->list(path_of("file"), go_on)), Code::kInvalid);
  EXPECT_THAT(storage_->list(path_of("none"), go_on).error().message, HasSubstr("'none'"));
}

TEST_P(Conformance, ListFollowsASymlinkToADirectory) {
  make_directory("d");
  put_file(*storage_, "d/f", "");
  make_symlink("link", "d");
  EXPECT_THAT(names_in(*storage_, "link"), ElementsAre("f"));
}

// --- names ---

TEST_P(Conformance, NamesAreBytes) {
  const std::string names[] = {"newline\nin it",
                               "\xff\xfe not utf-8",
                               " leading space",
                               std::string(255, 'n'),
                               "*?[]",
                               "back\\slash",
                               "\x01"};
  for (const std::string& name : names) {
    put_file(*storage_, name, name);
    EXPECT_EQ(get_file(*storage_, name), name);
    EXPECT_EQ(storage_->stat(path_of(name), Follow::kNo).value().name, name);
  }
  EXPECT_EQ(names_in(*storage_, "").size(), std::size(names));
}

TEST_P(Conformance, NamesThatLookAlikeAreDifferent) {
  put_file(*storage_, "\xc3\xa4", "composed");
  put_file(*storage_, "a\xcc\x88", "decomposed");
  put_file(*storage_, "case", "lower");
  put_file(*storage_, "CASE", "upper");
  EXPECT_EQ(get_file(*storage_, "\xc3\xa4"), "composed");
  EXPECT_EQ(get_file(*storage_, "a\xcc\x88"), "decomposed");
  EXPECT_EQ(get_file(*storage_, "case"), "lower");
  EXPECT_EQ(get_file(*storage_, "CASE"), "upper");
}

TEST_P(Conformance, ANameThatIsTooLongIsInvalid) {
  const RelPath path = RelPath::from_normal(std::string(256, 'n'));
  EXPECT_EQ(code_of(storage_->stat(path, Follow::kNo)), Code::kInvalid);
  EXPECT_EQ(code_of(storage_->make_directory(path, 0755)), Code::kInvalid);
}

// --- stat ---

TEST_P(Conformance, StatKnowsTheRoot) {
  const Entry root = storage_->stat(RelPath(), Follow::kNo).value();
  EXPECT_EQ(root.attributes.type, EntryType::kDirectory);
  EXPECT_EQ(root.name, "");
}

TEST_P(Conformance, StatFollowsTheLastSymlinkOnlyWhenTold) {
  put_file(*storage_, "file", "123");
  make_symlink("link", "file");
  make_symlink("dangling", "nowhere");
  const Entry link = storage_->stat(path_of("link"), Follow::kNo).value();
  EXPECT_EQ(link.attributes.type, EntryType::kSymlink);
  EXPECT_EQ(link.symlink_target, "file");
  const Entry file = storage_->stat(path_of("link"), Follow::kYes).value();
  EXPECT_EQ(file.attributes.type, EntryType::kFile);
  EXPECT_EQ(file.attributes.size, 3U);
  EXPECT_EQ(file.name, "link");
  EXPECT_TRUE(storage_->stat(path_of("dangling"), Follow::kNo));
  EXPECT_EQ(code_of(storage_->stat(path_of("dangling"), Follow::kYes)), Code::kNotFound);
}

TEST_P(Conformance, AFileOnTheWayIsInvalidAndAMissingDirectoryNotFound) {
  put_file(*storage_, "file", "");
  EXPECT_EQ(code_of(storage_->stat(path_of("file/x"), Follow::kNo)), Code::kInvalid);
  EXPECT_EQ(code_of(storage_->stat(path_of("none/x"), Follow::kNo)), Code::kNotFound);
  EXPECT_EQ(code_of(storage_->stat(path_of("none"), Follow::kNo)), Code::kNotFound);
}

TEST_P(Conformance, InodesTellFilesApartAndSurviveRenaming) {
  if (!storage_->traits().inodes) GTEST_SKIP();
  put_file(*storage_, "a", "");
  put_file(*storage_, "b", "");
  const std::uint64_t inode = attributes("a").inode;
  EXPECT_NE(inode, attributes("b").inode);
  storage_->rename(path_of("a"), path_of("c"), Replace::kNo).value();
  EXPECT_EQ(attributes("c").inode, inode);
}

// --- reading ---

TEST_P(Conformance, ReadsAnyRangeAndIsShortOnlyAtTheEnd) {
  put_file(*storage_, "f", "0123456789");
  const auto file = storage_->open_read(path_of("f")).value();
  std::string buffer(4, '.');
  EXPECT_EQ(file->read(3, buffer).value(), 4U);
  EXPECT_EQ(buffer, "3456");
  EXPECT_EQ(file->read(8, buffer).value(), 2U);
  EXPECT_EQ(buffer.substr(0, 2), "89");
  EXPECT_EQ(file->read(10, buffer).value(), 0U);
  EXPECT_EQ(file->read(1000, buffer).value(), 0U);
  EXPECT_EQ(file->attributes().value(), attributes("f"));
}

TEST_P(Conformance, ReadingFollowsSymlinks) {
  make_directory("d");
  put_file(*storage_, "d/f", "content");
  make_symlink("to_file", "d/f");
  make_symlink("to_directory", "d");
  make_symlink("d/up", "../d/f");
  EXPECT_EQ(get_file(*storage_, "to_file"), "content");
  EXPECT_EQ(get_file(*storage_, "to_directory/f"), "content");
  EXPECT_EQ(get_file(*storage_, "d/up"), "content");
}

TEST_P(Conformance, OnlyARegularFileCanBeRead) {
  make_directory("d");
  EXPECT_EQ(code_of(storage_->open_read(path_of("d"))), Code::kInvalid);
  EXPECT_EQ(code_of(storage_->open_read(RelPath())), Code::kInvalid);
  EXPECT_EQ(code_of(storage_->open_read(path_of("none"))), Code::kNotFound);
}

TEST_P(Conformance, AnOpenFileKeepsItsContentWhenTheNameIsReplaced) {
  put_file(*storage_, "f", "old");
  const auto file = storage_->open_read(path_of("f")).value();
  put_file(*storage_, "f", "new");
  std::string buffer(3, '.');
  EXPECT_EQ(file->read(0, buffer).value(), 3U);
  EXPECT_EQ(buffer, "old");
  storage_->remove_file(path_of("f")).value();
  EXPECT_EQ(file->read(0, buffer).value(), 3U);
  EXPECT_EQ(buffer, "old");
}

TEST_P(Conformance, SymlinksThatLeaveAreDenied) {
  make_symlink("up", "..");
  make_symlink("far", "../../../../../../etc");
  make_symlink("absolute", "/etc");
  for (const char* path : {"up/x", "far/passwd", "absolute/passwd"}) {
    EXPECT_EQ(code_of(storage_->stat(path_of(path), Follow::kNo)), Code::kDenied) << path;
    EXPECT_EQ(code_of(storage_->open_read(path_of(path))), Code::kDenied) << path;
    EXPECT_EQ(code_of(storage_->make_directory(path_of(path), 0755)), Code::kDenied) << path;
    EXPECT_EQ(code_of(storage_->remove_file(path_of(path))), Code::kDenied) << path;
    EXPECT_EQ(code_of(storage_->create_temporary(request(path))), Code::kDenied) << path;
  }
  EXPECT_EQ(code_of(storage_->list(path_of("absolute"), go_on)), Code::kDenied);
  EXPECT_TRUE(exists(*storage_, "absolute"));
}

TEST_P(Conformance, SymlinksInACircleAreInvalid) {
  make_symlink("a", "b");
  make_symlink("b", "a");
  EXPECT_EQ(code_of(storage_->open_read(path_of("a"))), Code::kInvalid);
  EXPECT_EQ(code_of(storage_->stat(path_of("a/x"), Follow::kNo)), Code::kInvalid);
}

// --- holes ---

TEST_P(Conformance, FindsDataAndHoles) {
  constexpr ByteCount kFar = 8 << 20;
  const auto file = create("sparse");
  const std::string block(4096, 'd');
  file->write(0, block).value();
  file->write(kFar, block).value();
  const ByteCount size = kFar + (8 << 20);
  file->finish({.size = size, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();

  const auto reader = storage_->open_read(path_of("sparse")).value();
  EXPECT_EQ(reader->attributes().value().size, size);
  std::string buffer(16, '.');
  EXPECT_EQ(reader->read(kFar / 2, buffer).value(), 16U);
  EXPECT_EQ(buffer, std::string(16, '\0'));
  // Every byte of data is in some run, whatever the storage knows of holes.
  ByteCount data = 0;
  ByteCount offset = 0;
  bool met_far_block = false;
  while (const auto run = reader->next_data(offset).value()) {
    ASSERT_GE(run->offset, offset);
    ASSERT_GT(run->length, 0U);
    data += run->length;
    offset = run->offset + run->length;
    met_far_block |= run->offset <= kFar && kFar + 4096 <= offset;
  }
  EXPECT_TRUE(met_far_block);
  EXPECT_LE(offset, size);
  if (storage_->traits().sparse) {
    EXPECT_LT(data, size / 2);
  }
}

TEST_P(Conformance, ADenseFileIsOneRun) {
  put_file(*storage_, "f", "0123456789");
  put_file(*storage_, "empty", "");
  const auto file = storage_->open_read(path_of("f")).value();
  const auto run = file->next_data(3).value();
  ASSERT_TRUE(run);
  EXPECT_EQ(run->offset, 3U);
  EXPECT_GE(run->length, 7U);
  EXPECT_FALSE(file->next_data(10).value());
  EXPECT_FALSE(storage_->open_read(path_of("empty")).value()->next_data(0).value());
}

// --- writing ---

TEST_P(Conformance, NothingHasTheFinalNameBeforeCommit) {
  const auto file = finished("f", "content");
  TemporaryFile* const files[] = {file.get()};
  storage_->flush(files).value();
  EXPECT_FALSE(exists(*storage_, "f"));
  storage_->commit(*file).value();
  EXPECT_EQ(get_file(*storage_, "f"), "content");
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre("f"));
}

TEST_P(Conformance, ATemporaryHasItsNameBesideItsTarget) {
  make_directory("d");
  const auto file = create("d/f");
  EXPECT_EQ(file->target(), path_of("d/f"));
  EXPECT_THAT(names_in(*storage_, "d"), ElementsAre(temporary_name("task", path_of("d/f"))));
}

TEST_P(Conformance, ADestroyedTemporaryIsGone) {
  { const auto writing = create("f"); }
  { const auto complete = finished("g", "x"); }
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre());
}

TEST_P(Conformance, ACommittedFileStaysWhenItsTemporaryIsDestroyed) {
  storage_->commit(*finished("f", "x")).value();
  EXPECT_EQ(get_file(*storage_, "f"), "x");
}

TEST_P(Conformance, ReadsBackWhatWasWritten) {
  const auto file = create("f");
  file->write(0, "hello"sv).value();
  std::string buffer(10, '.');
  EXPECT_EQ(file->read(1, buffer).value(), 4U);
  EXPECT_EQ(buffer.substr(0, 4), "ello");
}

TEST_P(Conformance, WritesInAnyOrderAndLeavesHoles) {
  const auto file = create("f");
  file->write(6, "world"sv).value();
  file->write(0, "hello"sv).value();
  file->finish({.size = 11, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(get_file(*storage_, "f"), "hello\0world"s);
}

TEST_P(Conformance, FinishCutsOrExtends) {
  const auto cut = create("cut");
  cut->write(0, "0123456789"sv).value();
  cut->finish({.size = 4, .mode = {}, .mtime = {}}).value();
  storage_->commit(*cut).value();
  EXPECT_EQ(get_file(*storage_, "cut"), "0123");
  const auto extended = create("extended");
  extended->write(0, "01"sv).value();
  extended->finish({.size = 4, .mode = {}, .mtime = {}}).value();
  storage_->commit(*extended).value();
  EXPECT_EQ(get_file(*storage_, "extended"), "01\0\0"s);
}

TEST_P(Conformance, SetsModeAndMtimeToTheNanosecond) {
  const TimePoint mtime(1234567890s + 123456789ns);
  const auto file = create("f");
  file->write(0, "x"sv).value();
  file->finish({.size = 1, .mode = 0751, .mtime = mtime}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(attributes("f").mode, 0751U);
  EXPECT_LT(mtime - attributes("f").mtime, storage_->traits().mtime_precision);
  EXPECT_GE(mtime, attributes("f").mtime);
}

TEST_P(Conformance, KeepsTimesBefore1970) {
  const TimePoint mtime(-1s + 5ns);
  const auto file = create("f");
  file->finish({.size = 0, .mode = {}, .mtime = mtime}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(attributes("f").mtime, mtime);
}

TEST_P(Conformance, ANewFileHasExactlyTheModeOfItsRequest) {
  for (const std::uint32_t mode : {0666U, 0644U, 0400U, 0000U, 0777U}) {
    CreateTemporary wanted = request("f");
    wanted.mode = mode;
    const auto file = storage_->create_temporary(wanted).value();
    file->write(0, "x"sv).value();
    file->finish({.size = 1, .mode = {}, .mtime = {}}).value();
    TemporaryFile* const files[] = {file.get()};
    storage_->flush(files).value();
    storage_->commit(*file).value();
    EXPECT_EQ(attributes("f").mode, mode);
  }
}

TEST_P(Conformance, CommitReplacesAFileAndASymlinkButNoDirectory) {
  put_file(*storage_, "file", "old");
  put_file(*storage_, "pointed_at", "untouched");
  make_symlink("link", "pointed_at");
  make_directory("directory");
  storage_->commit(*finished("file", "new")).value();
  EXPECT_EQ(get_file(*storage_, "file"), "new");
  storage_->commit(*finished("link", "new")).value();
  EXPECT_EQ(attributes("link").type, EntryType::kFile);
  EXPECT_EQ(get_file(*storage_, "pointed_at"), "untouched");
  {
    const auto file = finished("directory", "new");
    EXPECT_EQ(code_of(storage_->commit(*file)), Code::kAlreadyExists);
  }
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre("directory", "file", "link", "pointed_at"));
}

TEST_P(Conformance, ATemporaryNeedsItsDirectory) {
  put_file(*storage_, "file", "");
  EXPECT_EQ(code_of(storage_->create_temporary(request("none/f"))), Code::kNotFound);
  EXPECT_EQ(code_of(storage_->create_temporary(request("file/f"))), Code::kInvalid);
  EXPECT_EQ(code_of(storage_->create_temporary([&] {
              CreateTemporary root = request("x");
              root.target = RelPath();
              return root;
            }())),
            Code::kInvalid);
}

TEST_P(Conformance, WritesThroughASymlinkToADirectory) {
  make_directory("d");
  make_symlink("link", "d");
  put_file(*storage_, "link/f", "content");
  EXPECT_EQ(get_file(*storage_, "d/f"), "content");
}

TEST_P(Conformance, AKeptTemporaryIsResumed) {
  {
    const auto file = create("f");
    file->write(0, "first "sv).value();
    file->keep();
  }
  EXPECT_EQ(names_in(*storage_, "").size(), 1U);
  CreateTemporary again = request("f");
  again.existing = CreateTemporary::Existing::kResume;
  const auto file = storage_->create_temporary(again).value();
  EXPECT_EQ(file->existing_size(), 6U);
  std::string buffer(6, '.');
  EXPECT_EQ(file->read(0, buffer).value(), 6U);
  EXPECT_EQ(buffer, "first ");
  file->write(6, "second"sv).value();
  file->finish({.size = 12, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(get_file(*storage_, "f"), "first second");
  EXPECT_EQ(attributes("f").mode, 0640U);
}

TEST_P(Conformance, AResumedTemporaryCanBeCutShorter) {
  {
    const auto file = create("f");
    file->write(0, "too long"sv).value();
    file->keep();
  }
  CreateTemporary again = request("f");
  again.existing = CreateTemporary::Existing::kResume;
  const auto file = storage_->create_temporary(again).value();
  file->finish({.size = 3, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(get_file(*storage_, "f"), "too");
}

TEST_P(Conformance, ATemporaryOfAReadOnlyFileCanBeResumed) {
  CreateTemporary wanted = request("f");
  wanted.mode = 0444;
  {
    const auto file = storage_->create_temporary(wanted).value();
    file->write(0, "abc"sv).value();
    file->keep();
  }
  wanted.existing = CreateTemporary::Existing::kResume;
  const auto file = storage_->create_temporary(wanted).value();
  EXPECT_EQ(file->existing_size(), 3U);
  file->finish({.size = 3, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(attributes("f").mode, 0444U);
}

TEST_P(Conformance, WithoutResumeAKeptTemporaryStartsAnew) {
  {
    const auto file = create("f");
    file->write(0, "left by somebody"sv).value();
    file->keep();
  }
  const auto file = create("f");
  EXPECT_EQ(file->existing_size(), 0U);
  file->write(0, "new"sv).value();
  file->finish({.size = 3, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(get_file(*storage_, "f"), "new");
}

TEST_P(Conformance, ResumingWithNothingLeftStartsEmpty) {
  CreateTemporary fresh = request("f");
  fresh.existing = CreateTemporary::Existing::kResume;
  EXPECT_EQ(storage_->create_temporary(fresh).value()->existing_size(), 0U);
}

TEST_P(Conformance, ASymlinkInThePlaceOfATemporaryIsNeverWrittenThrough) {
  put_file(*storage_, "victim", "untouched");
  for (const auto existing :
       {CreateTemporary::Existing::kTruncate, CreateTemporary::Existing::kResume}) {
    CreateTemporary wanted = request("f");
    wanted.existing = existing;
    make_symlink(wanted.temporary_name, "victim");
    const auto file = storage_->create_temporary(wanted).value();
    EXPECT_EQ(file->existing_size(), 0U);
    file->write(0, "harm"sv).value();
    EXPECT_EQ(get_file(*storage_, "victim"), "untouched");
  }
}

TEST_P(Conformance, LargeFilesSurviveAnyAlignmentOfBuffersAndOffsets) {
  constexpr std::size_t kSize = (3 << 20) + 12345;
  std::string content(kSize, '\0');
  SeededRandom random(7);
  for (char& c : content) c = static_cast<char>(random.next());
  struct Shape {
    std::size_t chunk;
    std::size_t address;  // offset of the buffer from alignment
  };
  for (const Shape shape : {Shape{1 << 20, 0}, Shape{1 << 20, 1}, Shape{65536, 0}, Shape{100001, 0},
                            Shape{(1 << 20) + 512, 0}}) {
    CreateTemporary wanted = request("f");
    wanted.expected_size = kSize;
    const auto file = storage_->create_temporary(wanted).value();
    const std::unique_ptr<char, void (*)(void*)> memory(
        static_cast<char*>(std::aligned_alloc(4096, 2 << 20)), &std::free);
    char* const buffer = memory.get() + shape.address;
    for (std::size_t offset = 0; offset < kSize; offset += shape.chunk) {
      const std::size_t count = std::min(shape.chunk, kSize - offset);
      std::copy_n(content.data() + offset, count, buffer);
      file->write(offset, std::span(buffer, count)).value();
    }
    std::string back;
    for (std::size_t offset = 0; offset < kSize; offset += 1 << 20) {
      const std::size_t count = file->read(offset, std::span(buffer, 1 << 20)).value();
      back.append(buffer, count);
    }
    EXPECT_TRUE(back == content) << "read back, chunk " << shape.chunk;
    file->finish({.size = kSize, .mode = {}, .mtime = {}}).value();
    storage_->commit(*file).value();
    EXPECT_TRUE(get_file(*storage_, "f") == content) << "chunk " << shape.chunk;
  }
}

TEST_P(Conformance, ThreadsWriteDisjointRanges) {
  constexpr std::size_t kRange = 1 << 18;
  CreateTemporary wanted = request("f");
  wanted.expected_size = 8 * kRange;
  const auto file = storage_->create_temporary(wanted).value();
  {
    WorkerPool pool({.threads = 4, .queue_limit = 8});
    for (std::size_t i = 0; i < 8; ++i) {
      pool.submit([&, i] {
        file->write(i * kRange, std::string(kRange, static_cast<char>('a' + i))).value();
      });
    }
  }
  file->finish({.size = 8 * kRange, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();
  const std::string content = get_file(*storage_, "f");
  ASSERT_EQ(content.size(), 8 * kRange);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(content.substr(i * kRange, kRange), std::string(kRange, static_cast<char>('a' + i)));
  }
}

TEST_P(Conformance, FlushesFewAndManyTemporariesOfSeveralDirectories) {
  for (const int count : {0, 1, 40}) {
    std::vector<std::unique_ptr<TemporaryFile>> owned;
    std::vector<TemporaryFile*> files;
    std::vector<RelPath> directories;
    for (int i = 0; i < count; ++i) {
      const std::string directory = fmt::format("d{}_{}", count, i);
      make_directory(directory);
      directories.push_back(path_of(directory));
      owned.push_back(finished(directory + "/f", directory));
      files.push_back(owned.back().get());
    }
    storage_->flush(files).value();
    for (TemporaryFile* file : files) storage_->commit(*file).value();
    storage_->flush_directories(directories).value();
    for (const RelPath& directory : directories)
      EXPECT_EQ(get_file(*storage_, directory.text() + "/f"), directory.text());
  }
}

TEST_P(Conformance, FlushingAMissingDirectoryIsAnError) {
  const RelPath directories[] = {path_of("none")};
  EXPECT_EQ(code_of(storage_->flush_directories(directories)), Code::kNotFound);
}

// --- removing, making, renaming ---

TEST_P(Conformance, RemovesFilesAndSymlinksButNoDirectories) {
  put_file(*storage_, "f", "");
  make_symlink("link", "f");
  make_directory("d");
  storage_->remove_file(path_of("link")).value();
  EXPECT_TRUE(exists(*storage_, "f"));
  storage_->remove_file(path_of("f")).value();
  EXPECT_FALSE(exists(*storage_, "f"));
  EXPECT_EQ(code_of(storage_->remove_file(path_of("f"))), Code::kNotFound);
  EXPECT_EQ(code_of(storage_->remove_file(path_of("d"))), Code::kInvalid);
  EXPECT_EQ(code_of(storage_->remove_file(RelPath())), Code::kInvalid);
}

TEST_P(Conformance, RemovesOnlyEmptyDirectories) {
  make_directory("d");
  make_directory("d/e");
  put_file(*storage_, "f", "");
  make_symlink("link", "d");
  EXPECT_EQ(code_of(storage_->remove_directory(path_of("d"))), Code::kAlreadyExists);
  EXPECT_EQ(code_of(storage_->remove_directory(path_of("f"))), Code::kInvalid);
  EXPECT_EQ(code_of(storage_->remove_directory(path_of("link"))), Code::kInvalid);
  EXPECT_EQ(code_of(storage_->remove_directory(path_of("none"))), Code::kNotFound);
  EXPECT_EQ(code_of(storage_->remove_directory(RelPath())), Code::kInvalid);
  storage_->remove_directory(path_of("d/e")).value();
  storage_->remove_directory(path_of("d")).value();
  EXPECT_FALSE(exists(*storage_, "d"));
}

TEST_P(Conformance, MakesADirectoryWithExactlyItsMode) {
  for (const std::uint32_t mode : {0777U, 0700U, 0555U, 01777U}) {
    const RelPath path = path_of(fmt::format("d{:o}", mode));
    storage_->make_directory(path, mode).value();
    EXPECT_EQ(attributes(path.text()).mode, mode);
  }
}

TEST_P(Conformance, MakesNoDirectoryWhereANameIsTakenOrTheParentIsMissing) {
  put_file(*storage_, "f", "");
  make_directory("d");
  make_symlink("dangling", "nowhere");
  for (const char* taken : {"f", "d", "dangling"})
    EXPECT_EQ(code_of(storage_->make_directory(path_of(taken), 0755)), Code::kAlreadyExists);
  EXPECT_EQ(code_of(storage_->make_directory(RelPath(), 0755)), Code::kAlreadyExists);
  EXPECT_EQ(code_of(storage_->make_directory(path_of("none/d"), 0755)), Code::kNotFound);
  EXPECT_EQ(code_of(storage_->make_directory(path_of("f/d"), 0755)), Code::kInvalid);
}

TEST_P(Conformance, RenamesFilesDirectoriesAndSymlinks) {
  make_directory("d");
  put_file(*storage_, "d/f", "content");
  make_symlink("link", "d/f");
  storage_->rename(path_of("d/f"), path_of("g"), Replace::kNo).value();
  storage_->rename(path_of("g"), path_of("d/h"), Replace::kNo).value();
  storage_->rename(path_of("d"), path_of("e"), Replace::kNo).value();
  storage_->rename(path_of("link"), path_of("e/link"), Replace::kYes).value();
  EXPECT_EQ(get_file(*storage_, "e/h"), "content");
  EXPECT_EQ(storage_->stat(path_of("e/link"), Follow::kNo).value().symlink_target, "d/f");
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre("e"));
}

TEST_P(Conformance, RenameReplacesOnlyWhenTold) {
  put_file(*storage_, "a", "a");
  put_file(*storage_, "b", "b");
  EXPECT_EQ(code_of(storage_->rename(path_of("a"), path_of("b"), Replace::kNo)),
            Code::kAlreadyExists);
  EXPECT_EQ(get_file(*storage_, "b"), "b");
  storage_->rename(path_of("a"), path_of("b"), Replace::kYes).value();
  EXPECT_EQ(get_file(*storage_, "b"), "a");
  EXPECT_FALSE(exists(*storage_, "a"));
}

TEST_P(Conformance, RenameReplacesDirectoriesOnlyWhenEmpty) {
  make_directory("d");
  make_directory("empty");
  make_directory("full");
  put_file(*storage_, "full/f", "");
  put_file(*storage_, "file", "");
  const auto rename = [&](const char* from, const char* to) {
    return storage_->rename(path_of(from), path_of(to), Replace::kYes);
  };
  EXPECT_EQ(code_of(rename("d", "full")), Code::kAlreadyExists);
  EXPECT_EQ(code_of(rename("d", "file")), Code::kAlreadyExists);
  EXPECT_EQ(code_of(rename("file", "empty")), Code::kAlreadyExists);
  rename("d", "empty").value();
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre("empty", "file", "full"));
}

TEST_P(Conformance, RenameRefusesWhatMakesNoSense) {
  make_directory("d");
  const auto rename = [&](const char* from, const char* to) {
    return storage_->rename(path_of(from), path_of(to), Replace::kNo);
  };
  EXPECT_EQ(code_of(rename("none", "x")), Code::kNotFound);
  EXPECT_EQ(code_of(rename("d", "none/x")), Code::kNotFound);
  EXPECT_EQ(code_of(rename("d", "d/x")), Code::kInvalid);
  EXPECT_EQ(code_of(rename("", "x")), Code::kInvalid);
  EXPECT_EQ(code_of(rename("d", "")), Code::kInvalid);
}

TEST_P(Conformance, MakesSymlinksWithAnyTarget) {
  const std::string far = std::string(4000, 'x');
  for (const std::string& target : {"plain"s, "/etc/passwd"s, "../../up"s, "\xff\n"s, far}) {
    const RelPath path = path_of("link");
    storage_->make_symlink(path, target, Replace::kYes).value();
    EXPECT_EQ(storage_->stat(path, Follow::kNo).value().symlink_target, target);
    EXPECT_EQ(attributes("link").size, target.size());
  }
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre("link"));
}

TEST_P(Conformance, ASymlinkReplacesFilesAndSymlinksOnlyWhenToldAndNeverDirectories) {
  put_file(*storage_, "f", "");
  make_directory("d");
  const auto make = [&](const char* path, Replace replace) {
    return storage_->make_symlink(path_of(path), "target", replace);
  };
  EXPECT_EQ(code_of(make("f", Replace::kNo)), Code::kAlreadyExists);
  EXPECT_EQ(code_of(make("d", Replace::kYes)), Code::kAlreadyExists);
  make("f", Replace::kYes).value();
  EXPECT_EQ(attributes("f").type, EntryType::kSymlink);
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre("d", "f"));
}

// --- the rest ---

TEST_P(Conformance, SetsAttributesOfFilesAndDirectories) {
  put_file(*storage_, "f", "");
  make_directory("d");
  const TimePoint mtime(1500000000s + 1ns);
  for (const char* path : {"f", "d", ""}) {
    storage_->set_attributes(path_of(path), {.mode = 0711, .mtime = mtime}).value();
    EXPECT_EQ(attributes(path).mode, 0711U) << path;
    EXPECT_EQ(attributes(path).mtime, mtime) << path;
  }
  storage_->set_attributes(path_of("f"), {.mode = 0600, .mtime = {}}).value();
  EXPECT_EQ(attributes("f").mode, 0600U);
  EXPECT_EQ(attributes("f").mtime, mtime);
  EXPECT_EQ(code_of(storage_->set_attributes(path_of("none"), {.mode = 0600, .mtime = {}})),
            Code::kNotFound);
}

TEST_P(Conformance, SetsTheMtimeOfASymlinkItself) {
  put_file(*storage_, "f", "");
  make_symlink("link", "f");
  const Attributes file = attributes("f");
  const TimePoint mtime(1500000000s);
  storage_->set_attributes(path_of("link"), {.mode = {}, .mtime = mtime}).value();
  EXPECT_EQ(attributes("link").mtime, mtime);
  EXPECT_EQ(attributes("f"), file);
  EXPECT_EQ(code_of(storage_->set_attributes(path_of("link"), {.mode = 0600, .mtime = {}})),
            Code::kUnsupported);
}

TEST_P(Conformance, KnowsItsSpace) {
  const auto space = storage_->space().value();
  EXPECT_GT(space.total, 0U);
  EXPECT_LE(space.free, space.total);
}

TEST_P(Conformance, ChecksumsAgreeWithTheContent) {
  const std::string content(3'000'001, 'c');
  put_file(*storage_, "f", content);
  make_directory("d");
  for (const HashAlgorithm algorithm : {HashAlgorithm::kXxh3_128, HashAlgorithm::kMd5}) {
    const auto sum = storage_->checksum(path_of("f"), algorithm);
    if (!sum && code_of(sum) == Code::kUnsupported) GTEST_SKIP();
    EXPECT_EQ(sum.value(), hash_bytes(algorithm, content));
    EXPECT_EQ(code_of(storage_->checksum(path_of("none"), algorithm)), Code::kNotFound);
    EXPECT_EQ(code_of(storage_->checksum(path_of("d"), algorithm)), Code::kInvalid);
  }
}

TEST_P(Conformance, ACloneIsTheSameContentOrUnsupported) {
  put_file(*storage_, "source", "content");
  const auto file = create("target");
  const auto cloned = storage_->clone_from(*storage_, path_of("source"), *file);
  if (!cloned) {
    EXPECT_EQ(code_of(cloned), Code::kUnsupported);
    return;
  }
  file->finish({.size = 7, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(get_file(*storage_, "target"), "content");
}

const Candidate kCandidates[] = {
    {"Posix", [](World& w) { return open_posix(w.scratch.path()).value(); }},
    {"Memory", [](World& w) { return open_memory({.clock = &w.clock}); }},
    {"RetryingMemory",
     [](World& w) { return make_retrying(open_memory(), {}, w.clock, w.random); }},
    {"ThrottledMemory",
     [](World& w) {
       return make_throttled(
           open_memory(),
           make_throttle({.bytes_per_second = 1 << 20, .operations_per_second = 100}, w.clock));
     }},
    {"FaultyPosixWithoutFaults",
     [](World& w) { return make_faulty(open_posix(w.scratch.path()).value(), w.faults, w.clock); }},
};
INSTANTIATE_TEST_SUITE_P(EveryStorage, Conformance, testing::ValuesIn(kCandidates),
                         [](const auto& candidate) { return std::string(candidate.param.name); });

}  // namespace
}  // namespace wherry::storage
