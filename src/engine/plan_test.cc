// SPDX-License-Identifier: Apache-2.0
#include "engine/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/scratch_directory.h"
#include "engine/test_support.h"

namespace wherry::engine {
namespace {

using storage::open_memory;
using storage::Storage;
using testing::ElementsAre;
using testing::IsEmpty;
using Lines = std::vector<std::string>;
using StorageOperation = storage::Operation;

std::string shown(const Operation& operation) {
  std::string line;
  switch (operation.kind) {
    case OperationKind::kCopyFile:
      line = "copy";
      break;
    case OperationKind::kMakeDirectory:
      line = "mkdir";
      break;
    case OperationKind::kMakeSymlink:
      line = "link";
      break;
    case OperationKind::kRemove:
      line = "remove";
      break;
  }
  line += ' ' + operation.target.text();
  switch (operation.settled) {
    case Operation::Settled::kNo:
      break;
    case Operation::Settled::kUpToDate:
      return line + ": up to date";
    case Operation::Settled::kIgnored:
      return line + ": ignored";
    case Operation::Settled::kFailed:
      return line + ": " + std::string(to_string(operation.error->code));
  }
  if (operation.if_same == Operation::IfSame::kUpToDate) line += " unless same";
  if (operation.if_same == Operation::IfSame::kDone) line += " unless moved before";
  return line;
}

class PlanTest : public testing::Test {
 protected:
  Lines plan(std::vector<TransferItem> items = {item("s", "t")}) {
    return plan(*source_, *target_, std::move(items));
  }
  Lines plan(Storage& source, Storage& target, std::vector<TransferItem> items) {
    ItemList<TransferItem> list(std::move(items));
    Plan stream({source, target, list, options_, "task", recovering_,
                 [](const Error&, Side, int) { return false; }});
    Lines lines;
    while (auto operation = stream.next().value()) {
      lines.push_back(shown(*operation));
      if (pruned_ == operation->target.text()) stream.prune();
    }
    return lines;
  }

  const std::unique_ptr<Storage> source_ = open_memory();
  const std::unique_ptr<Storage> target_ = open_memory();
  TransferOptions options_;
  bool recovering_ = false;
  std::string pruned_ = "nothing";
};

TEST_F(PlanTest, DirectoryComesBeforeItsFilesAndTheseBeforeItsDirectories) {
  put_file(*source_, "s/m", "1");
  put_file(*source_, "s/a/x", "1");
  put_file(*source_, "s/z", "1");
  put_directory(*source_, "s/b/empty");
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "copy t/m", "copy t/z", "mkdir t/a", "copy t/a/x",
                                  "mkdir t/b", "mkdir t/b/empty"));
}

TEST_F(PlanTest, ThousandEmptyDirectoriesAreAllPlanned) {
  for (int i = 0; i < 1000; ++i) put_directory(*source_, fmt::format("s/{}", i));
  EXPECT_EQ(plan().size(), 1001u);
}

TEST_F(PlanTest, NothingIsPlannedBelowADirectoryThatCouldNotBeMade) {
  put_file(*source_, "s/a/b/x", "1");
  put_file(*source_, "s/c", "1");
  pruned_ = "t/a";
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "copy t/c", "mkdir t/a"));
}

TEST_F(PlanTest, RootsCanBeCopied) {
  put_file(*source_, "f", "1");
  EXPECT_THAT(plan({item("", "")}), ElementsAre("mkdir ", "copy f"));
}

TEST_F(PlanTest, RecursionFlagMustFitWhatIsThere) {
  put_file(*source_, "file", "1");
  put_directory(*source_, "directory");
  const auto with = [&](std::string_view name, TransferItem::Recursion recursion) {
    TransferItem one = item(name, "t");
    one.recursion = recursion;
    return plan({one}).at(0);
  };
  using Recursion = TransferItem::Recursion;
  EXPECT_EQ(with("file", Recursion::kDetect), "copy t");
  EXPECT_EQ(with("file", Recursion::kNo), "copy t");
  EXPECT_EQ(with("file", Recursion::kYes), "copy t: invalid");
  EXPECT_EQ(with("directory", Recursion::kDetect), "mkdir t");
  EXPECT_EQ(with("directory", Recursion::kYes), "mkdir t");
  EXPECT_EQ(with("directory", Recursion::kNo), "mkdir t: invalid");
}

TEST_F(PlanTest, MissingItemFailsAndTheNextGoesOn) {
  put_file(*source_, "here", "1");
  EXPECT_THAT(plan({item("gone", "a"), item("here", "b")}),
              ElementsAre("copy a: not found", "copy b"));
}

TEST_F(PlanTest, TreeIsNotCopiedIntoItself) {
  put_file(*source_, "s/a", "1");
  EXPECT_THAT(plan(*source_, *source_, {item("s", "s/deeper")}),
              ElementsAre("mkdir s/deeper: invalid"));
  EXPECT_THAT(plan(*source_, *source_, {item("", "anywhere")}),
              ElementsAre("mkdir anywhere: invalid"));
  EXPECT_THAT(plan(*source_, *source_, {item("s", "s")}), ElementsAre("mkdir s: invalid"));
  EXPECT_THAT(plan(*source_, *source_, {item("s/a", "s/a")}), ElementsAre("copy s/a: invalid"));
  EXPECT_THAT(plan(*source_, *source_, {item("s", "s2")}), ElementsAre("mkdir s2", "copy s2/a"));
}

TEST_F(PlanTest, TreeIsNotCopiedIntoItselfThroughAnotherStorage) {
  const ScratchDirectory root;
  const auto whole = storage::open_posix(root.path()).value();
  put_file(*whole, "s/a", "1");
  const auto part = storage::open_posix(root.file("s")).value();
  EXPECT_THAT(plan(*whole, *part, {item("s", "deeper")}), ElementsAre("mkdir deeper: invalid"));
  EXPECT_THAT(plan(*part, *whole, {item("a", "s/a")}), ElementsAre("copy s/a: invalid"));
  EXPECT_THAT(plan(*part, *whole, {item("a", "a")}), ElementsAre("copy a"));
}

TEST_F(PlanTest, NamesThatTheTargetTakesForOneDoNotReplaceEachOther) {
  put_file(*source_, "s/Run", "1");
  put_file(*source_, "s/run", "2");
  HookedStorage target(*target_);
  target.mutable_traits().case_sensitive = false;
  EXPECT_THAT(plan(*source_, target, {item("s", "t")}),
              ElementsAre("mkdir t", "copy t/Run", "copy t/run: already exists"));
}

TEST_F(PlanTest, TemporariesInTheSourceAreNoData) {
  put_file(*source_, "s/" + storage::temporary_name("other", path("s/x")), "half");
  EXPECT_THAT(plan(), ElementsAre("mkdir t"));
}

// Sync levels ------------------------------------------------------------------------------------

class SyncLevels : public PlanTest {
 protected:
  void SetUp() override {
    set("equal", "same", 10, "same", 10);
    set("longer", "more", 10, "mor", 20);
    set("newer", "same", 20, "same", 10);
    set("older", "same", 10, "same", 20);
    put_file(*source_, "s/missing", "1");
  }
  void set(const std::string& name, std::string_view source, int source_time,
           std::string_view target, int target_time) {
    put_file(*source_, "s/" + name, source);
    put_file(*target_, "t/" + name, target);
    const auto time = [](int seconds) { return TimePoint(std::chrono::seconds(seconds)); };
    source_->set_attributes(path("s/" + name), {std::nullopt, time(source_time)}).value();
    target_->set_attributes(path("t/" + name), {std::nullopt, time(target_time)}).value();
  }
};

TEST_F(SyncLevels, AlwaysCopiesEverything) {
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "copy t/equal", "copy t/longer", "copy t/missing",
                                  "copy t/newer", "copy t/older"));
}

TEST_F(SyncLevels, MissingCopiesOnlyWhatIsNotThere) {
  options_.sync_level = SyncLevel::kMissing;
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "copy t/equal: up to date",
                                  "copy t/longer: up to date", "copy t/missing",
                                  "copy t/newer: up to date", "copy t/older: up to date"));
}

TEST_F(SyncLevels, SizeCopiesWhatDiffersInSize) {
  options_.sync_level = SyncLevel::kSize;
  EXPECT_THAT(plan(),
              ElementsAre("mkdir t", "copy t/equal: up to date", "copy t/longer", "copy t/missing",
                          "copy t/newer: up to date", "copy t/older: up to date"));
}

TEST_F(SyncLevels, NewerCopiesWhatIsLaterAtTheSource) {
  options_.sync_level = SyncLevel::kNewer;
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "copy t/equal: up to date", "copy t/longer",
                                  "copy t/missing", "copy t/newer", "copy t/older: up to date"));
}

TEST_F(SyncLevels, NewerForgivesATargetThatKeepsCoarserTimes) {
  options_.sync_level = SyncLevel::kNewer;
  const TimePoint fine(std::chrono::nanoseconds(10'999'999'999));
  source_->set_attributes(path("s/equal"), {std::nullopt, fine}).value();
  HookedStorage coarse(*target_);
  coarse.mutable_traits().mtime_precision = std::chrono::seconds(2);
  EXPECT_EQ(plan(*source_, coarse, {item("s/equal", "t/equal")}).at(0), "copy t/equal: up to date");
  EXPECT_EQ(plan(*source_, *target_, {item("s/equal", "t/equal")}).at(0), "copy t/equal");
}

TEST_F(SyncLevels, ChecksumLeavesTheComparisonToTheWorkers) {
  options_.sync_level = SyncLevel::kChecksum;
  EXPECT_THAT(plan(),
              ElementsAre("mkdir t", "copy t/equal unless same", "copy t/longer", "copy t/missing",
                          "copy t/newer unless same", "copy t/older unless same"));
}

TEST_F(SyncLevels, SymlinkAtTheTargetIsNeverTakenForAFile) {
  put_symlink(*target_, "t/missing", "equal");
  options_.sync_level = SyncLevel::kSize;
  EXPECT_EQ(plan({item("s/missing", "t/missing")}).at(0), "copy t/missing");
}

// Filters ----------------------------------------------------------------------------------------

TEST_F(PlanTest, ExcludedDirectoryIsNotEntered) {
  put_file(*source_, "s/keep/x.tif", "1");
  put_file(*source_, "s/raw/x.tif", "1");
  put_file(*source_, "s/notes", "1");
  using Method = FilterRule::Method;
  options_.filters = {{Method::kExclude, "raw", {}},
                      {Method::kInclude, "*.tif", {}},
                      {Method::kExclude, "*", FilterRule::Applies::kFiles}};
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "mkdir t/keep", "copy t/keep/x.tif"));
}

// Symlinks ---------------------------------------------------------------------------------------

class Symlinks : public PlanTest {
 protected:
  void SetUp() override {
    put_file(*source_, "s/d/file", "1");
    put_symlink(*source_, "s/to_file", "d/file");
    put_symlink(*source_, "s/to_directory", "d");
    put_symlink(*source_, "s/dangling", "nowhere");
    put_symlink(*source_, "s/escape", "../../../etc/passwd");
    put_symlink(*source_, "s/d/loop", "..");
    put_symlink(*source_, "s/round1", "round2");
    put_symlink(*source_, "s/round2", "round1");
  }
};

TEST_F(Symlinks, IgnoredOnesAreReportedOneByOne) {
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "link t/dangling: ignored", "link t/escape: ignored",
                                  "link t/round1: ignored", "link t/round2: ignored",
                                  "link t/to_directory: ignored", "link t/to_file: ignored",
                                  "mkdir t/d", "copy t/d/file", "link t/d/loop: ignored"));
}

TEST_F(Symlinks, KeptOnesAreMadeAgainWhereverTheyLead) {
  options_.symlinks = SymlinkPolicy::kKeep;
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "link t/dangling", "link t/escape", "link t/round1",
                                  "link t/round2", "link t/to_directory", "link t/to_file",
                                  "mkdir t/d", "copy t/d/file", "link t/d/loop"));
}

TEST_F(Symlinks, CopiedOnesThatLeadNowhereOutsideOrInCirclesFailAlone) {
  options_.symlinks = SymlinkPolicy::kCopy;
  const Lines lines = plan();
  EXPECT_THAT(lines, testing::Contains("copy t/dangling: not found"));
  EXPECT_THAT(lines, testing::Contains("copy t/escape: denied"));
  EXPECT_THAT(lines, testing::Contains(testing::StartsWith("copy t/round1: ")));
  EXPECT_THAT(lines, testing::Contains("mkdir t/d/loop: invalid"));
  EXPECT_THAT(lines, testing::Contains("copy t/to_file"));
  EXPECT_THAT(lines, testing::Contains("mkdir t/to_directory"));
  EXPECT_THAT(lines, testing::Contains("copy t/to_directory/file"));
}

TEST_F(Symlinks, LoopsEndAlsoWhereTheStorageHasNoInodes) {
  HookedStorage source(*source_);
  source.mutable_traits().inodes = false;
  options_.symlinks = SymlinkPolicy::kCopy;
  const Lines lines = plan(source, *target_, {item("s/d", "t")});
  EXPECT_LT(lines.size(), 1000u);
  EXPECT_THAT(lines, testing::Contains(testing::EndsWith(": invalid")));
}

TEST_F(Symlinks, ItemThatIsOneIsFollowed) {
  EXPECT_THAT(plan({item("s/to_file", "t")}), ElementsAre("copy t"));
}

TEST_F(Symlinks, SymlinkItemMakesTheLinkItself) {
  TransferItem one = item("s/to_file", "t");
  one.kind = TransferItem::Kind::kSymlink;
  EXPECT_THAT(plan({one}), ElementsAre("link t"));
  one.source = path("s/d/file");
  EXPECT_THAT(plan({one}), ElementsAre("link t: invalid"));
}

TEST_F(PlanTest, SymlinkWithTheSameTargetIsUpToDate) {
  put_symlink(*source_, "s/a", "x");
  put_symlink(*source_, "s/b", "x");
  put_symlink(*target_, "t/a", "x");
  put_symlink(*target_, "t/b", "y");
  options_.symlinks = SymlinkPolicy::kKeep;
  options_.sync_level = SyncLevel::kSize;
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "link t/a: up to date", "link t/b"));
}

// Removal ----------------------------------------------------------------------------------------

class DeleteExtra : public PlanTest {
 protected:
  void SetUp() override { options_.delete_extra = true; }
};

TEST_F(DeleteExtra, WhatTheSourceLacksIsRemovedBottomUp) {
  put_file(*source_, "s/b", "1");
  put_file(*target_, "t/a/deep/x", "1");
  put_symlink(*target_, "t/a/link", "/");
  put_file(*target_, "t/b", "1");
  put_file(*target_, "t/c", "1");
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "remove t/a/deep/x", "remove t/a/deep",
                                  "remove t/a/link", "remove t/a", "copy t/b", "remove t/c"));
}

TEST_F(DeleteExtra, ExcludedNamesAndTemporariesAreLeftAlone) {
  put_directory(*source_, "s");
  put_file(*target_, "t/notes.txt", "1");
  put_file(*target_, "t/extra", "1");
  put_file(*target_, "t/" + storage::temporary_name("other", path("t/x")), "1");
  options_.filters = {{FilterRule::Method::kExclude, "*.txt", {}}};
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "remove t/extra"));
}

// They went with the directory that held them, if the source had none of its name.
TEST_F(DeleteExtra, ExcludedNamesAreLeftAloneAtAnyDepthAndSoIsWhatHoldsThem) {
  put_directory(*source_, "s");
  for (const char* name : {"t/notes/deep/keep.txt", "t/notes/deep/x.tif", "t/notes/other/x.tif",
                           "t/notes/raw/x.tif", "t/plain/x.tif"})
    put_file(*target_, name, "1");
  using Method = FilterRule::Method;
  options_.filters = {{Method::kExclude, "raw", FilterRule::Applies::kDirectories},
                      {Method::kInclude, "*.tif", {}},
                      {Method::kExclude, "*", FilterRule::Applies::kFiles}};
  EXPECT_THAT(plan(),
              ElementsAre("mkdir t", "remove t/notes/deep/x.tif", "remove t/notes/other/x.tif",
                          "remove t/notes/other", "remove t/plain/x.tif", "remove t/plain"));
}

TEST_F(DeleteExtra, TemporariesAreLeftAloneAtAnyDepth) {
  put_directory(*source_, "s");
  put_file(*target_, "t/a/b/" + storage::temporary_name("other", path("t/a/b/x")), "half");
  put_file(*target_, "t/a/b/y", "1");
  put_file(*target_, "t/a/c/y", "1");
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "remove t/a/b/y", "remove t/a/c/y", "remove t/a/c"));
}

TEST_F(DeleteExtra, OwnTemporariesOfADeadRunGoWithTheDirectoryThatHoldsThem) {
  put_directory(*source_, "s");
  const std::string stale = "t/a/" + storage::temporary_name("task", path("t/a/x"));
  put_file(*target_, stale, "half");
  EXPECT_THAT(plan(), ElementsAre("mkdir t"));
  recovering_ = true;
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "remove " + stale, "remove t/a"));
}

TEST_F(DeleteExtra, UnreadableSourceDirectoryFailsAloneAndNothingOfItIsRemoved) {
  put_directory(*source_, "s/a");
  put_file(*source_, "s/b/x", "1");
  put_file(*target_, "t/a/precious", "1");
  put_file(*target_, "t/b/extra", "1");
  HookedStorage source(*source_);
  int lists = 0;
  source.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation == StorageOperation::kList && ++lists == 2)
      return make_error(Code::kDenied, "no");
    return {};
  });
  EXPECT_THAT(
      plan(source, *target_, {item("s", "t")}),
      ElementsAre("mkdir t", "mkdir t/a: denied", "mkdir t/b", "remove t/b/extra", "copy t/b/x"));
}

TEST_F(DeleteExtra, UnreadableTargetDirectoryFailsAlone) {
  put_file(*source_, "s/a/x", "1");
  put_file(*source_, "s/b/x", "1");
  put_directory(*target_, "t/a");
  put_directory(*target_, "t/b");
  HookedStorage target(*target_);
  int lists = 0;
  target.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation == StorageOperation::kList && ++lists == 2)
      return make_error(Code::kDenied, "no");
    return {};
  });
  EXPECT_THAT(plan(*source_, target, {item("s", "t")}),
              ElementsAre("mkdir t", "mkdir t/a: denied", "mkdir t/b", "copy t/b/x"));
}

TEST_F(DeleteExtra, DirectoryGivesWayToAFile) {
  put_file(*source_, "s/x", "1");
  put_file(*target_, "t/x/inner", "1");
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "remove t/x/inner", "remove t/x", "copy t/x"));
}

TEST_F(DeleteExtra, DirectoryGivesWayToASymlinkAtEverySyncLevel) {
  put_symlink(*source_, "s/x", "nowhere");
  put_file(*target_, "t/x/inner", "1");
  options_.symlinks = SymlinkPolicy::kKeep;
  for (const SyncLevel level : {SyncLevel::kAlways, SyncLevel::kMissing, SyncLevel::kSize}) {
    options_.sync_level = level;
    EXPECT_THAT(plan(), ElementsAre("mkdir t", "remove t/x/inner", "remove t/x", "link t/x"));
  }
}

TEST_F(DeleteExtra, DirectoryThatHoldsAnExcludedNameGivesNoWayAndTheFileFails) {
  put_file(*source_, "s/x", "1");
  put_file(*source_, "s/y", "1");
  put_file(*target_, "t/x/inner", "1");
  put_file(*target_, "t/x/keep.txt", "kept");
  options_.filters = {{FilterRule::Method::kExclude, "*.txt", {}}};
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "remove t/x/inner", "copy t/x", "copy t/y"));
  TestRun run;
  run.options = options_;
  const RunReport report = run.transfer(*source_, *target_, {item("s", "t")});
  EXPECT_EQ(report.end, RunEnd::kCompleted);
  EXPECT_EQ(report.failed, 1u);
  EXPECT_EQ(run.observer.of(0, "x").error->code, Code::kAlreadyExists);
  EXPECT_EQ(tree_of(*target_, "t").size(), 3u);  // x, x/keep.txt, y
  EXPECT_EQ(content_of(*target_, "t/x/keep.txt"), "kept");
  EXPECT_EQ(content_of(*target_, "t/y"), "1");
}

TEST_F(DeleteExtra, SymlinkFailsWhereADirectoryHoldsAnExcludedName) {
  put_symlink(*source_, "s/x", "nowhere");
  put_file(*target_, "t/x/keep.txt", "kept");
  TestRun run;
  run.options = options_;
  run.options.symlinks = SymlinkPolicy::kKeep;
  run.options.filters = {{FilterRule::Method::kExclude, "*.txt", {}}};
  const RunReport report = run.transfer(*source_, *target_, {item("s", "t")});
  EXPECT_EQ(report.end, RunEnd::kCompleted);
  EXPECT_EQ(run.observer.of(0, "x").error->code, Code::kAlreadyExists);
  EXPECT_EQ(content_of(*target_, "t/x/keep.txt"), "kept");
}

TEST_F(DeleteExtra, ExcludedFileGivesNoWayToADirectory) {
  put_file(*source_, "s/x.txt/inner", "1");
  put_file(*source_, "s/y/inner", "1");
  put_file(*target_, "t/x.txt", "kept");
  put_file(*target_, "t/y", "1");
  TestRun run;
  run.options = options_;
  run.options.filters = {{FilterRule::Method::kExclude, "*.txt", FilterRule::Applies::kFiles}};
  EXPECT_EQ(run.transfer(*source_, *target_, {item("s", "t")}).end, RunEnd::kCompleted);
  EXPECT_EQ(run.observer.of(0, "x.txt").error->code, Code::kAlreadyExists);
  EXPECT_EQ(content_of(*target_, "t/x.txt"), "kept");
  EXPECT_EQ(content_of(*target_, "t/y/inner"), "1");
}

TEST_F(DeleteExtra, ExcludedDirectoryGivesNoWayToAFile) {
  put_file(*source_, "s/x", "1");
  put_file(*target_, "t/x/inner", "1");
  options_.filters = {{FilterRule::Method::kExclude, "x", FilterRule::Applies::kDirectories}};
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "copy t/x: already exists"));
}

TEST_F(PlanTest, DirectoryInPlaceOfAFileIsAnErrorWithoutLeaveToRemove) {
  put_file(*source_, "s/x", "1");
  put_file(*target_, "t/x/inner", "1");
  options_.sync_level = SyncLevel::kSize;
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "copy t/x: already exists"));
}

TEST_F(DeleteExtra, NothingIsRemovedThroughASymlinkAtTheTarget) {
  put_directory(*source_, "s/d");
  put_file(*target_, "elsewhere/precious", "1");
  put_symlink(*target_, "t/d", "../elsewhere");
  EXPECT_THAT(plan(), ElementsAre("mkdir t", "mkdir t/d"));
}

TEST_F(DeleteExtra, NamesThatDifferInCaseAreTheSameWhereTheTargetIsBlindToIt) {
  put_file(*source_, "s/Run", "1");
  put_file(*target_, "t/RUN", "1");
  put_file(*target_, "t/extra", "1");
  HookedStorage target(*target_);
  target.mutable_traits().case_sensitive = false;
  EXPECT_THAT(plan(*source_, target, {item("s", "t")}),
              ElementsAre("mkdir t", "copy t/Run", "remove t/extra"));
}

TEST_F(DeleteExtra, SingleFilesRemoveNothing) {
  put_file(*source_, "s/x", "1");
  put_file(*target_, "t/y", "1");
  EXPECT_THAT(plan({item("s/x", "t/x")}), ElementsAre("copy t/x"));
}

// Recovery ---------------------------------------------------------------------------------------

TEST_F(PlanTest, RecoveryRemovesOurTemporariesThatNoFileWants) {
  put_file(*source_, "s/wanted", "1");
  const std::string wanted = "t/" + storage::temporary_name("task", path("t/wanted"));
  const std::string stale = "t/" + storage::temporary_name("task", path("t/renamed"));
  const std::string foreign = "t/" + storage::temporary_name("other", path("t/renamed"));
  for (const std::string& name : {wanted, stale, foreign}) put_file(*target_, name, "half");
  plan();
  EXPECT_TRUE(exists(*target_, stale));
  recovering_ = true;
  plan();
  EXPECT_FALSE(exists(*target_, stale));
  EXPECT_TRUE(exists(*target_, wanted));
  EXPECT_TRUE(exists(*target_, foreign));
}

TEST_F(PlanTest, RecoveryComparesBeforeItMovesAgain) {
  put_file(*source_, "s/same_size", "12");
  put_file(*source_, "s/other_size", "123");
  put_file(*target_, "t/same_size", "34");
  put_file(*target_, "t/other_size", "34");
  recovering_ = true;
  EXPECT_THAT(plan(),
              ElementsAre("mkdir t", "copy t/other_size", "copy t/same_size unless moved before"));
}

}  // namespace
}  // namespace wherry::engine
