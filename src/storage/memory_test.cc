// SPDX-License-Identifier: Apache-2.0
// What only the memory storage promises: a bounded size, a clock of its choice, a power switch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/backends.h"
#include "storage/testing/content.h"

namespace wherry::storage {
namespace {

using Follow = Storage::Follow;
using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::literals;

std::unique_ptr<TemporaryFile> finished(Storage& storage, std::string_view target,
                                        std::string_view content) {
  CreateTemporary request;
  request.target = path_of(target);
  request.temporary_name = temporary_name("task", request.target);
  auto file = storage.create_temporary(request).value();
  file->write(0, content).value();
  file->finish({.size = content.size(), .mode = {}, .mtime = {}}).value();
  return file;
}

void flush(Storage& storage, TemporaryFile& file) {
  TemporaryFile* const files[] = {&file};
  storage.flush(files).value();
}

void flush_directory(Storage& storage, std::string_view directory) {
  const RelPath directories[] = {path_of(directory)};
  storage.flush_directories(directories).value();
}

TEST(Memory, APowerCutKeepsWhatWentThroughTheWholeProtocol) {
  const auto storage = open_memory();
  put_file(*storage, "f", "content");
  lose_power(*storage);
  EXPECT_EQ(get_file(*storage, "f"), "content");
}

TEST(Memory, APowerCutTakesNamesWhoseDirectoryWasNotFlushed) {
  const auto storage = open_memory();
  put_file(*storage, "f", "old");
  const auto file = finished(*storage, "f", "new");
  flush(*storage, *file);
  storage->commit(*file).value();
  EXPECT_EQ(get_file(*storage, "f"), "new");
  lose_power(*storage);
  EXPECT_EQ(get_file(*storage, "f"), "old");
}

TEST(Memory, APowerCutTearsAFileThatWasNotFlushed) {
  const auto storage = open_memory();
  const auto file = finished(*storage, "f", "content");
  storage->commit(*file).value();
  flush_directory(*storage, "");
  lose_power(*storage);
  EXPECT_EQ(get_file(*storage, "f"), "");
}

TEST(Memory, APowerCutUndoesRemovalsAndRenamesThatWereNotFlushed) {
  const auto storage = open_memory();
  put_file(*storage, "a", "a");
  put_file(*storage, "b", "b");
  storage->remove_file(path_of("a")).value();
  storage->rename(path_of("b"), path_of("c"), Replace::kNo).value();
  lose_power(*storage);
  EXPECT_THAT(names_in(*storage, ""), ElementsAre("a", "b"));
}

TEST(Memory, APowerCutTakesADirectoryWhoseParentWasNotFlushed) {
  const auto storage = open_memory();
  storage->make_directory(path_of("d"), 0755).value();
  put_file(*storage, "d/f", "content");  // flushes d, and nobody the root
  lose_power(*storage);
  EXPECT_THAT(names_in(*storage, ""), IsEmpty());
}

TEST(Memory, APowerCutDuringMovesBetweenDirectoriesEnds) {
  const auto storage = open_memory();
  for (const char* name : {"a", "b"}) storage->make_directory(path_of(name), 0755).value();
  flush_directory(*storage, "");
  storage->rename(path_of("a"), path_of("b/a"), Replace::kNo).value();
  flush_directory(*storage, "b");
  storage->rename(path_of("b/a"), path_of("a"), Replace::kNo).value();
  storage->rename(path_of("b"), path_of("a/b"), Replace::kNo).value();
  flush_directory(*storage, "a");
  lose_power(*storage);  // each is durable inside of the other, and both in the root
  EXPECT_THAT(names_in(*storage, ""), ElementsAre("a", "b"));
}

TEST(Memory, AfterAPowerCutOldTemporariesAreDead) {
  const auto storage = open_memory();
  {
    const auto file = finished(*storage, "f", "content");
    flush(*storage, *file);
    flush_directory(*storage, "");
    lose_power(*storage);
    EXPECT_EQ(storage->commit(*file).error().code, Code::kUnavailable);
  }
  // The temporary itself was durable: a dead process removes nothing.
  EXPECT_THAT(names_in(*storage, ""), ElementsAre(temporary_name("task", path_of("f"))));
}

TEST(Memory, WritingAfterAFlushLeavesTheFlushedContentDurable) {
  const auto storage = open_memory();
  put_file(*storage, "f", "first");
  CreateTemporary request;
  request.target = path_of("f");
  request.temporary_name = "f";  // the file itself, as if it were its own temporary
  request.existing = CreateTemporary::Existing::kResume;
  const auto file = storage->create_temporary(request).value();
  file->write(0, "FIRST"sv).value();
  EXPECT_EQ(get_file(*storage, "f"), "FIRST");
  lose_power(*storage);
  EXPECT_EQ(get_file(*storage, "f"), "first");
}

TEST(Memory, HasNoSpaceBeyondItsCapacity) {
  const auto storage = open_memory({.capacity = 100});
  put_file(*storage, "f", std::string(60, 'x'));
  EXPECT_EQ(storage->space().value().free, 40U);
  CreateTemporary request;
  request.target = path_of("g");
  request.temporary_name = temporary_name("task", request.target);
  const auto file = storage->create_temporary(request).value();
  file->write(0, std::string(40, 'x')).value();
  EXPECT_EQ(file->write(40, "x"sv).error().code, Code::kNoSpace);
  file->write(0, std::string(40, 'y')).value();  // in place is no growth
  storage->remove_file(path_of("f")).value();
  file->write(40, "x"sv).value();
}

TEST(Memory, StampsTimesByTheClockThatItWasGiven) {
  FakeClock clock;
  const auto storage = open_memory({.clock = &clock});
  put_file(*storage, "f", "");
  const TimePoint made = clock.now();
  EXPECT_EQ(storage->stat(path_of("f"), Follow::kNo).value().attributes.mtime, made);
  clock.advance(5s);
  storage->set_attributes(path_of("f"), {.mode = 0600, .mtime = {}}).value();
  const Attributes after = storage->stat(path_of("f"), Follow::kNo).value().attributes;
  EXPECT_EQ(after.mtime, made);
  EXPECT_EQ(after.ctime, made + 5s);
}

TEST(Memory, ClonesBetweenStorages) {
  const auto source = open_memory();
  const auto target = open_memory({.capacity = 10});
  put_file(*source, "f", "content");
  put_file(*source, "large", std::string(11, 'x'));
  CreateTemporary request;
  request.target = path_of("f");
  request.temporary_name = temporary_name("task", request.target);
  const auto file = target->create_temporary(request).value();
  EXPECT_EQ(target->clone_from(*source, path_of("large"), *file).error().code, Code::kNoSpace);
  target->clone_from(*source, path_of("f"), *file).value();
  file->write(0, "C"sv).value();
  file->finish({.size = 7, .mode = {}, .mtime = {}}).value();
  target->commit(*file).value();
  EXPECT_EQ(get_file(*target, "f"), "Content");
  EXPECT_EQ(get_file(*source, "f"), "content");
}

}  // namespace
}  // namespace wherry::storage
