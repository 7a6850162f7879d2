// SPDX-License-Identifier: Apache-2.0
#include "engine/delete_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "base/scratch_directory.h"
#include "engine/test_support.h"
#include "storage/testing/faulty.h"

namespace wherry::engine {
namespace {

using storage::open_memory;
using storage::Storage;
using Done = Outcome::Result;
using StorageOperation = storage::Operation;

class DeleteTree : public testing::Test {
 protected:
  DeleteTree() {
    run_.delete_options.recursive = true;
    run_.limits.retry_attempts = 2;
  }
  const std::unique_ptr<Storage> storage_ = open_memory();
  TestRun run_;
};

TEST_F(DeleteTree, RemovesEverythingDurably) {
  put_random_tree(*storage_, "tree", 3);
  put_file(*storage_, "other", "stays");
  const RunReport report = run_.remove(*storage_, {"tree"});
  EXPECT_EQ(report.end, RunEnd::kCompleted);
  EXPECT_EQ(report.failed, 0u);
  storage::lose_power(*storage_);
  EXPECT_EQ(tree_of(*storage_).size(), 1u);
  EXPECT_EQ(run_.progress->removed, run_.observer.outcomes.size());
}

TEST_F(DeleteTree, RootIsRefused) {
  put_file(*storage_, "a", "1");
  const RunReport report = run_.remove(*storage_, {"", "/", "."});
  EXPECT_EQ(report.failed, 3u);
  EXPECT_EQ(run_.observer.of(0, "").error->code, Code::kInvalid);
  EXPECT_TRUE(exists(*storage_, "a"));
}

TEST_F(DeleteTree, DirectoryNeedsTheRecursiveOption) {
  run_.delete_options.recursive = false;
  put_file(*storage_, "d/a", "1");
  put_file(*storage_, "f", "1");
  run_.remove(*storage_, {"d", "f"});
  EXPECT_EQ(run_.observer.of(0, "").error->code, Code::kInvalid);
  EXPECT_EQ(run_.observer.of(1, "").result, Done::kDone);
  EXPECT_TRUE(exists(*storage_, "d/a"));
  EXPECT_FALSE(exists(*storage_, "f"));
}

TEST_F(DeleteTree, SymlinksAreRemovedNotFollowed) {
  put_file(*storage_, "precious/a", "1");
  put_symlink(*storage_, "d/link", "../precious");
  put_symlink(*storage_, "top", "precious");
  EXPECT_EQ(run_.remove(*storage_, {"d", "top"}).failed, 0u);
  EXPECT_TRUE(exists(*storage_, "precious/a"));
  EXPECT_FALSE(exists(*storage_, "d"));
  EXPECT_FALSE(exists(*storage_, "top"));
}

// It came when the directory above had been listed, and the files that it led to were removed.
TEST_F(DeleteTree, SymlinkThatTakesTheirPlaceMeanwhileIsRemovedNotFollowed) {
  put_file(*storage_, "precious/x", "1");
  put_file(*storage_, "d/0", "1");
  put_directory(*storage_, "d/a");
  HookedStorage hooked(*storage_);
  bool swapped = false;
  hooked.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation != StorageOperation::kRemoveFile || std::exchange(swapped, true)) return {};
    storage_->remove_directory(path("d/a")).value();
    put_symlink(*storage_, "d/a", "../precious");
    return {};
  });
  EXPECT_EQ(run_.remove(hooked, {"d"}).failed, 0u);
  EXPECT_TRUE(swapped);
  EXPECT_TRUE(exists(*storage_, "precious/x"));
  EXPECT_FALSE(exists(*storage_, "d"));
}

TEST_F(DeleteTree, DirectoryThatIsGoneMeanwhileCountsAsRemoved) {
  put_file(*storage_, "d/0", "1");
  put_directory(*storage_, "d/a");
  HookedStorage hooked(*storage_);
  bool removed = false;
  hooked.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation == StorageOperation::kRemoveFile && !std::exchange(removed, true))
      storage_->remove_directory(path("d/a")).value();
    return {};
  });
  EXPECT_EQ(run_.remove(hooked, {"d"}).failed, 0u);
  EXPECT_EQ(run_.observer.of(0, "a").result, Done::kDone);
  EXPECT_FALSE(exists(*storage_, "d"));
}

TEST_F(DeleteTree, MissingPathIsAnErrorUnlessIgnored) {
  run_.remove(*storage_, {"gone"});
  EXPECT_EQ(run_.observer.of(0, "").error->code, Code::kNotFound);
  TestRun forgiving;
  forgiving.delete_options.ignore_missing = true;
  EXPECT_EQ(forgiving.remove(*storage_, {"gone"}).failed, 0u);
  EXPECT_EQ(forgiving.observer.of(0, "").result, Done::kIgnored);
}

TEST_F(DeleteTree, GlobTakesTheLastComponentOnlyAndNoHiddenNames) {
  for (const auto* name : {"d/a.tif", "d/b.tif", "d/c.txt", "d/.hidden.tif", "e/a.tif"})
    put_file(*storage_, name, "1");
  run_.delete_options.interpret_globs = true;
  run_.remove(*storage_, {"d/*.tif", "*/a.tif"});
  EXPECT_THAT(tree_of(*storage_, "d"),
              testing::ElementsAre(testing::Key(".hidden.tif"), testing::Key("c.txt")));
  EXPECT_TRUE(exists(*storage_, "e/a.tif"));
  EXPECT_EQ(run_.observer.of(0, "a.tif").result, Done::kDone);
  EXPECT_EQ(run_.observer.of(0, "b.tif").result, Done::kDone);
  EXPECT_EQ(run_.observer.of(1, "").error->code, Code::kNotFound);
}

TEST_F(DeleteTree, GlobBytesStandForThemselvesWithoutTheOptionOrEscaped) {
  put_file(*storage_, "a*", "1");
  put_file(*storage_, "ab", "1");
  run_.remove(*storage_, {"a*"});
  EXPECT_TRUE(exists(*storage_, "ab"));
  EXPECT_FALSE(exists(*storage_, "a*"));
  put_file(*storage_, "a*", "1");
  TestRun with_globs;
  with_globs.delete_options.interpret_globs = true;
  with_globs.remove(*storage_, {"a\\*"});
  EXPECT_TRUE(exists(*storage_, "ab"));
  EXPECT_FALSE(exists(*storage_, "a*"));
}

TEST_F(DeleteTree, OneEntryThatCannotGoStopsNothingElse) {
  for (int i = 0; i < 20; ++i) put_file(*storage_, fmt::format("d/{:02}", i), "1");
  storage::Faults faults;
  faults.on(StorageOperation::kRemoveFile, {.code = Code::kDenied}, 1, 7);
  const auto faulty = make_faulty(*storage_, faults, run_.clock);
  const RunReport report = run_.remove(*faulty, {"d"});
  EXPECT_EQ(report.end, RunEnd::kCompleted);
  EXPECT_EQ(run_.observer.of(0, "07").result, Done::kFailed);
  // The directory that still holds it says so.
  EXPECT_EQ(run_.observer.of(0, "").error->code, Code::kAlreadyExists);
  EXPECT_EQ(run_.observer.count(Done::kDone), 19u);
}

TEST_F(DeleteTree, UnreadableDirectoryFailsAndItsNeighboursGo) {
  put_file(*storage_, "d/a/x", "1");
  put_file(*storage_, "d/b/x", "1");
  storage::Faults faults;
  faults.on(StorageOperation::kList, {.code = Code::kDenied}, 1, 1);
  const auto faulty = make_faulty(*storage_, faults, run_.clock);
  run_.remove(*faulty, {"d"});
  EXPECT_EQ(run_.observer.of(0, "a").error->code, Code::kDenied);
  EXPECT_TRUE(exists(*storage_, "d/a/x"));
  EXPECT_FALSE(exists(*storage_, "d/b"));
}

TEST_F(DeleteTree, StorageThatIsAwayForAMomentIsAskedAgain) {
  put_file(*storage_, "d/x", "1");
  storage::Faults faults;
  faults.on(StorageOperation::kList, {});
  faults.on(StorageOperation::kRemoveFile, {});
  const auto faulty = make_faulty(*storage_, faults, run_.clock);
  EXPECT_EQ(run_.remove(*faulty, {"d"}).failed, 0u);
  EXPECT_EQ(run_.observer.faults.size(), 2u);
  EXPECT_FALSE(exists(*storage_, "d"));
}

TEST_F(DeleteTree, DirectoryThatCannotBeLookedAtForAMomentIsLookedAtAgain) {
  put_file(*storage_, "d/a/x", "1");
  storage::Faults faults;
  faults.on(StorageOperation::kStat, {}, 1, 2);  // of "d" for the item and the walk, then of "d/a"
  const auto faulty = make_faulty(*storage_, faults, run_.clock);
  EXPECT_EQ(run_.remove(*faulty, {"d"}).failed, 0u);
  EXPECT_EQ(run_.observer.faults.size(), 1u);
  EXPECT_FALSE(exists(*storage_, "d"));
}

TEST_F(DeleteTree, WhatADeadRunRemovedIsNoErrorOfTheNext) {
  run_.recovering = true;
  run_.delete_options.interpret_globs = true;
  EXPECT_EQ(run_.remove(*storage_, {"gone", "also*"}).failed, 0u);
  EXPECT_EQ(run_.observer.count(Done::kUpToDate), 2u);
}

TEST_F(DeleteTree, StopEndsBetweenEntries) {
  for (int i = 0; i < 20; ++i) put_file(*storage_, fmt::format("d/{:02}", i), "1");
  HookedStorage hooked(*storage_);
  int removed = 0;
  hooked.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation == StorageOperation::kRemoveFile && ++removed == 5) run_.stop.request_stop();
    return {};
  });
  EXPECT_EQ(run_.remove(hooked, {"d"}).end, RunEnd::kStopped);
  EXPECT_EQ(run_.observer.count(Done::kDone), 5u);
  EXPECT_EQ(tree_of(*storage_, "d").size(), 15u);
}

}  // namespace
}  // namespace wherry::engine
