// SPDX-License-Identifier: Apache-2.0
// The contract of storage.h as tests, which every storage and every decorator passes:
// files that are written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/worker_pool.h"
#include "storage/conformance_fixture.h"

namespace wherry::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::literals;

class ConformanceOfWriting : public Conformance {};

TEST_P(ConformanceOfWriting, NothingHasTheFinalNameBeforeCommit) {
  const auto file = finished("f", "content");
  TemporaryFile* const files[] = {file.get()};
  storage_->flush(files).value();
  EXPECT_FALSE(exists(*storage_, "f"));
  storage_->commit(*file).value();
  EXPECT_EQ(get_file(*storage_, "f"), "content");
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre("f"));
}

TEST_P(ConformanceOfWriting, ATemporaryHasItsNameBesideItsTarget) {
  make_directory("d");
  const auto file = create("d/f");
  EXPECT_EQ(file->target(), path_of("d/f"));
  EXPECT_THAT(names_in(*storage_, "d"), ElementsAre(temporary_name("task", path_of("d/f"))));
}

TEST_P(ConformanceOfWriting, ADestroyedTemporaryIsGone) {
  { const auto writing = create("f"); }
  { const auto complete = finished("g", "x"); }
  EXPECT_THAT(names_in(*storage_, ""), ElementsAre());
}

TEST_P(ConformanceOfWriting, ACommittedFileStaysWhenItsTemporaryIsDestroyed) {
  storage_->commit(*finished("f", "x")).value();
  EXPECT_EQ(get_file(*storage_, "f"), "x");
}

TEST_P(ConformanceOfWriting, ReadsBackWhatWasWritten) {
  const auto file = create("f");
  file->write(0, "hello"sv).value();
  std::string buffer(10, '.');
  EXPECT_EQ(file->read(1, buffer).value(), 4U);
  EXPECT_EQ(buffer.substr(0, 4), "ello");
}

TEST_P(ConformanceOfWriting, WritesInAnyOrderAndLeavesHoles) {
  const auto file = create("f");
  file->write(6, "world"sv).value();
  file->write(0, "hello"sv).value();
  file->finish({.size = 11, .mode = {}, .mtime = {}}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(get_file(*storage_, "f"), "hello\0world"s);
}

TEST_P(ConformanceOfWriting, FinishCutsOrExtends) {
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

TEST_P(ConformanceOfWriting, SetsModeAndMtimeToTheNanosecond) {
  const TimePoint mtime(1234567890s + 123456789ns);
  const auto file = create("f");
  file->write(0, "x"sv).value();
  file->finish({.size = 1, .mode = 0751, .mtime = mtime}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(attributes("f").mode, 0751U);
  EXPECT_LT(mtime - attributes("f").mtime, storage_->traits().mtime_precision);
  EXPECT_GE(mtime, attributes("f").mtime);
}

TEST_P(ConformanceOfWriting, KeepsTimesBefore1970) {
  const TimePoint mtime(-1s + 5ns);
  const auto file = create("f");
  file->finish({.size = 0, .mode = {}, .mtime = mtime}).value();
  storage_->commit(*file).value();
  EXPECT_EQ(attributes("f").mtime, mtime);
}

TEST_P(ConformanceOfWriting, ANewFileHasExactlyTheModeOfItsRequest) {
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

TEST_P(ConformanceOfWriting, CommitReplacesAFileAndASymlinkButNoDirectory) {
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

TEST_P(ConformanceOfWriting, ATemporaryNeedsItsDirectory) {
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

TEST_P(ConformanceOfWriting, WritesThroughASymlinkToADirectory) {
  make_directory("d");
  make_symlink("link", "d");
  put_file(*storage_, "link/f", "content");
  EXPECT_EQ(get_file(*storage_, "d/f"), "content");
}

TEST_P(ConformanceOfWriting, AKeptTemporaryIsResumed) {
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

TEST_P(ConformanceOfWriting, AResumedTemporaryCanBeCutShorter) {
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

TEST_P(ConformanceOfWriting, ATemporaryOfAReadOnlyFileCanBeResumed) {
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

TEST_P(ConformanceOfWriting, WithoutResumeAKeptTemporaryStartsAnew) {
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

TEST_P(ConformanceOfWriting, ResumingWithNothingLeftStartsEmpty) {
  CreateTemporary fresh = request("f");
  fresh.existing = CreateTemporary::Existing::kResume;
  EXPECT_EQ(storage_->create_temporary(fresh).value()->existing_size(), 0U);
}

TEST_P(ConformanceOfWriting, ASymlinkInThePlaceOfATemporaryIsNeverWrittenThrough) {
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

TEST_P(ConformanceOfWriting, LargeFilesSurviveAnyAlignmentOfBuffersAndOffsets) {
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

TEST_P(ConformanceOfWriting, ThreadsWriteDisjointRanges) {
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

TEST_P(ConformanceOfWriting, FlushesFewAndManyTemporariesOfSeveralDirectories) {
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

TEST_P(ConformanceOfWriting, FlushingAMissingDirectoryIsAnError) {
  const RelPath directories[] = {path_of("none")};
  EXPECT_EQ(code_of(storage_->flush_directories(directories)), Code::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(EveryStorage, ConformanceOfWriting, testing::ValuesIn(kCandidates),
                         [](const auto& candidate) { return std::string(candidate.param.name); });

}  // namespace
}  // namespace wherry::storage
