// SPDX-License-Identifier: Apache-2.0
// The contract of storage.h as tests, which every storage and every decorator passes:
// names, lists, reading, directories, attributes. What is written is in
// conformance_writing_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/conformance_fixture.h"

namespace wherry::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::literals;

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

INSTANTIATE_TEST_SUITE_P(EveryStorage, Conformance, testing::ValuesIn(kCandidates),
                         [](const auto& candidate) { return std::string(candidate.param.name); });

}  // namespace
}  // namespace wherry::storage
