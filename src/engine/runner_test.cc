// SPDX-License-Identifier: Apache-2.0
#include "engine/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/scratch_directory.h"
#include "engine/test_support.h"
#include "storage/testing/faulty.h"

namespace wherry::engine {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using storage::Fault;
using storage::Faults;
using storage::open_memory;
using storage::open_posix;
using storage::Storage;
using Done = Outcome::Result;
using StorageOperation = storage::Operation;

class Runner : public testing::Test {
 protected:
  void put_files(int count) {
    for (int i = 0; i < count; ++i)
      put_file(*source_, fmt::format("s/{}/{:04}", i % 3, i), random_bytes(100, 1));
  }
  // Whether it came true before long.
  template <class Condition>
  static bool wait_for(const Condition& condition) {
    for (int i = 0; i < 10'000'000 && !condition(); ++i) std::this_thread::yield();
    return condition();
  }
  RunReport transfer() { return run_.transfer(*source_, *target_, {item("s", "t")}); }

  const std::unique_ptr<Storage> source_ = open_memory();
  const std::unique_ptr<Storage> target_ = open_memory();
  TestRun run_;
};

TEST_F(Runner, CopiesOneFileVerifiedAndDurable) {
  put_file(*source_, "a/data", "twelve bytes", 0640);
  const RunReport report = run_.transfer(*source_, *target_, {item("a/data", "b/c/data")});
  EXPECT_EQ(report.end, RunEnd::kCompleted);
  EXPECT_FALSE(report.error);
  storage::lose_power(*target_);
  EXPECT_EQ(tree_of(*target_),
            (std::map<std::string, std::string>{
                {"b", "d 755"}, {"b/c", "d 755"}, {"b/c/data", "f 640 twelve bytes"}}));
  const Outcome& outcome = run_.observer.of(0, "");
  EXPECT_EQ(outcome.result, Done::kDone);
  EXPECT_EQ(outcome.bytes, 12u);
  EXPECT_EQ(outcome.attempts, 1);
  EXPECT_EQ(run_.progress->files_done, 1u);
  EXPECT_EQ(run_.progress->bytes_done, 12u);
  EXPECT_TRUE(run_.progress->plan_complete);
}

// Both kinds of storage, in all pairs: what comes out is what went in.
TEST_F(Runner, TreeEqualsItsSourceForRandomTrees) {
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    const ScratchDirectory from;
    const ScratchDirectory to;
    const auto source = seed % 2 == 0 ? open_memory() : open_posix(from.path()).value();
    const auto target = seed % 4 < 2 ? open_memory() : open_posix(to.path()).value();
    put_random_tree(*source, "tree", seed);
    TestRun run;
    run.options.symlinks = SymlinkPolicy::kKeep;
    run.limits.range_bytes = 1 << 20;
    run.limits.queue = 1 + seed % 5;
    run.limits.workers = 1 + seed % 3;
    run.limits.group_files = 1 + seed;
    const RunReport report = run.transfer(*source, *target, {item("tree", "copy")});
    EXPECT_EQ(report.end, RunEnd::kCompleted) << "seed " << seed;
    EXPECT_EQ(report.failed, 0u) << "seed " << seed;
    if (seed % 4 < 2) storage::lose_power(*target);
    EXPECT_EQ(tree_of(*source, "tree"), tree_of(*target, "copy")) << "seed " << seed;
    EXPECT_EQ(run.observer.outcomes.size(),
              run.progress->files_found + run.progress->directories + run.progress->symlinks);
  }
}

TEST_F(Runner, SecondRunOverAnEqualTreeMovesNothing) {
  put_random_tree(*source_, "s", 5);
  run_.options.symlinks = SymlinkPolicy::kKeep;
  transfer();
  TestRun again;
  again.options = run_.options;
  again.options.sync_level = SyncLevel::kNewer;
  again.options.delete_extra = true;
  EXPECT_EQ(again.transfer(*source_, *target_, {item("s", "t")}).failed, 0u);
  EXPECT_EQ(again.observer.count(Done::kUpToDate), again.observer.outcomes.size());
  EXPECT_EQ(again.progress->bytes_moved, 0u);
}

// Another task was killed when it had made the directories, and flushed none.
TEST_F(Runner, WhatIsDoneLastsAsDoTheDirectoriesThatWereFoundAboveIt) {
  put_file(*source_, "a/data", "twelve bytes");
  for (const char* directory : {"b", "b/c"})
    ASSERT_TRUE(target_->make_directory(path(directory), 0755));
  EXPECT_EQ(run_.transfer(*source_, *target_, {item("a/data", "b/c/data")}).failed, 0u);
  storage::lose_power(*target_);
  EXPECT_EQ(content_of(*target_, "b/c/data"), "twelve bytes");
}

// As with the directories of an automounter.
TEST_F(Runner, ADirectoryAboveThatCannotBeFlushedIsNoFailure) {
  put_file(*source_, "a/data", "twelve bytes");
  put_directory(*target_, "b");
  put_directory(*target_, "b/c");
  Faults faults;
  // All together, the root, and "b"; "b/c" has a new name and can be flushed.
  faults.on(StorageOperation::kFlushDirectories, {.code = Code::kInvalid}, 3);
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  EXPECT_EQ(run_.transfer(*source_, *faulty, {item("a/data", "b/c/data")}).failed, 0u);
  EXPECT_EQ(faults.struck(), 3u);
  storage::lose_power(*target_);
  EXPECT_EQ(content_of(*target_, "b/c/data"), "twelve bytes");
}

TEST_F(Runner, MirrorFollowsWhateverTheSourceBecomes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto source = open_memory();
    const auto target = open_memory();
    put_random_tree(*source, "s", seed);
    put_random_tree(*target, "t", seed + 1000);
    TestRun run;
    run.options.symlinks = SymlinkPolicy::kKeep;
    run.options.sync_level = SyncLevel::kChecksum;
    run.options.delete_extra = true;
    EXPECT_EQ(run.transfer(*source, *target, {item("s", "t")}).failed, 0u) << "seed " << seed;
    storage::lose_power(*target);
    EXPECT_EQ(tree_of(*source, "s"), tree_of(*target, "t")) << "seed " << seed;
  }
}

TEST_F(Runner, FileWhereADirectoryMustBeGivesWayOnlyToWhoMayRemove) {
  put_file(*source_, "s/d/x", "1");
  put_file(*source_, "s/y", "2");
  put_file(*target_, "t/d", "a file");
  EXPECT_GT(transfer().failed, 0u);
  EXPECT_EQ(content_of(*target_, "t/d"), "a file");
  EXPECT_EQ(content_of(*target_, "t/y"), "2");
  TestRun again;
  again.options.delete_extra = true;
  EXPECT_EQ(again.transfer(*source_, *target_, {item("s", "t")}).failed, 0u);
  EXPECT_EQ(content_of(*target_, "t/d/x"), "1");
}

TEST_F(Runner, AStatThatFailsForAMomentTakesNoDirectoryForAFileInTheWay) {
  put_file(*source_, "s/d/x", "1");
  for (std::uint64_t skip = 0;; ++skip) {
    ASSERT_LT(skip, 100u);
    const auto target = open_memory();
    put_directory(*target, "t");
    put_directory(*target, "t/d");
    Faults faults;
    faults.on(StorageOperation::kStat, {}, 1, skip);
    const auto faulty = make_faulty(*target, faults, run_.clock);
    TestRun run;
    EXPECT_EQ(run.transfer(*source_, *faulty, {item("s", "t")}).failed, 0u) << skip;
    EXPECT_EQ(content_of(*target, "t/d/x"), "1");
    if (faults.struck() == 0) break;
  }
}

TEST_F(Runner, DirectoriesWithoutOwnerWriteGetTheirModeAfterTheirContent) {
  const ScratchDirectory to;
  const auto posix = open_posix(to.path()).value();
  put_file(*source_, "s/closed/inner/x", "1");
  source_->set_attributes(path("s/closed/inner"), {0500, std::nullopt}).value();
  source_->set_attributes(path("s/closed"), {0555, std::nullopt}).value();
  EXPECT_EQ(run_.transfer(*source_, *posix, {item("s", "t")}).failed, 0u);
  const auto mode = [&](std::string_view at) {
    return posix->stat(path(at), Storage::Follow::kNo).value().attributes.mode;
  };
  EXPECT_EQ(mode("t/closed"), 0555u);
  EXPECT_EQ(mode("t/closed/inner"), 0500u);
  // A later run finds them closed and gets by.
  put_file(*source_, "s/closed/inner/y", "2");
  TestRun again;
  EXPECT_EQ(again.transfer(*source_, *posix, {item("s", "t")}).failed, 0u);
  EXPECT_EQ(mode("t/closed/inner"), 0500u);
  posix->set_attributes(path("t/closed"), {0755, std::nullopt}).value();
  posix->set_attributes(path("t/closed/inner"), {0755, std::nullopt}).value();
}

// Groups -----------------------------------------------------------------------------------------

TEST_F(Runner, ThousandFilesShareFewFlushesAndRecords) {
  put_files(1000);
  Faults faults;
  const auto counted = make_faulty(*target_, faults, run_.clock);
  HookedStorage source(*source_);
  run_.transfer(source, *counted, {item("s", "t")});
  EXPECT_EQ(faults.count(StorageOperation::kCommit), 1000u);
  EXPECT_LT(faults.count(StorageOperation::kFlush), 200u);
  EXPECT_LT(run_.observer.records.size(), 200u);
}

// Small files do not wait for the large one that is under way.
TEST_F(Runner, GroupThatIsOldClosesWhileALargeFileIsCopied) {
  put_file(*source_, "s/a_small", "1");
  put_file(*source_, "s/b_large", random_bytes(20 << 20, 1));
  run_.limits.workers = 1;
  HookedStorage source(*source_);
  bool small_first = false;
  int reads = 0;
  source.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation != StorageOperation::kRead) return {};
    run_.clock.advance(std::chrono::milliseconds(100));
    // The second half of the large file waits until the small one is recorded.
    if (++reads < 12) return {};
    for (int i = 0; i < 10'000'000 && run_.progress->files_done == 0; ++i)
      std::this_thread::yield();
    small_first = run_.progress->files_done == 1;
    return {};
  });
  run_.transfer(source, *target_, {item("s", "t")});
  EXPECT_TRUE(small_first);
}

TEST_F(Runner, GroupsCloseByTheirLimits) {
  put_files(100);
  run_.limits.group_files = 10;
  transfer();
  EXPECT_EQ(run_.observer.outcomes.size(), 104u);
  for (const std::size_t size : run_.observer.records) EXPECT_LE(size, 2 * 10u + 2 * 16u);
  EXPECT_GE(run_.observer.records.size(), 3u);
}

// While one group waits for the disk the next gets its names, but is recorded after it.
TEST_F(Runner, GroupsAreCommittedTwoAtATimeAndRecordedInTheirOrder) {
  put_file(*source_, "a", "1");
  put_file(*source_, "b", "2");
  run_.limits.workers = 1;
  run_.limits.group_files = 1;
  std::atomic<int> flushes = 0;
  std::atomic<int> commits = 0;
  HookedStorage source(*source_);
  source.set_hook([&, reads = 0](StorageOperation operation) mutable -> Result<void> {
    if (operation == StorageOperation::kRead && ++reads == 2) wait_for([&] { return flushes > 0; });
    return {};
  });
  HookedStorage target(*target_);
  bool second_is_named = false;
  target.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation == StorageOperation::kCommit) ++commits;
    if (operation == StorageOperation::kFlush && ++flushes == 1)
      second_is_named = wait_for([&] { return commits > 0; });
    return {};
  });
  std::vector<std::string> recorded;
  run_.observer.on_record = [&](std::span<const Outcome> outcomes) -> Result<void> {
    for (const Outcome& outcome : outcomes) recorded.push_back(outcome.target.text());
    return {};
  };
  run_.transfer(source, target, {item("a", "a"), item("b", "b")});
  EXPECT_TRUE(second_is_named);
  EXPECT_THAT(recorded, testing::ElementsAre("a", "b"));
}

// Little is left to commit when the last file has been copied.
TEST_F(Runner, LastGroupsAreSmaller) {
  put_files(1000);
  run_.limits.workers = 1;
  run_.limits.group_files = 2000;
  HookedStorage source(*source_);
  bool some_before_the_end = false;
  int reads = 0;
  source.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation != StorageOperation::kRead) return {};
    if (++reads == 1) wait_for([&] { return run_.progress->plan_complete.load(); });
    if (reads == 900) some_before_the_end = wait_for([&] { return run_.progress->files_done > 0; });
    return {};
  });
  run_.transfer(source, *target_, {item("s", "t")});
  EXPECT_EQ(run_.progress->files_done, 1000u);
  EXPECT_TRUE(some_before_the_end);
}

TEST_F(Runner, NothingIsFlushedWhenTheTaskSaysSo) {
  put_files(10);
  run_.options.durability = Durability::kNoFlush;
  Faults faults;
  const auto counted = make_faulty(*target_, faults, run_.clock);
  run_.transfer(*source_, *counted, {item("s", "t")});
  EXPECT_EQ(faults.count(StorageOperation::kFlush), 0u);
  EXPECT_EQ(faults.count(StorageOperation::kFlushDirectories), 0u);
  EXPECT_EQ(tree_of(*source_, "s"), tree_of(*target_, "t"));
}

TEST_F(Runner, OutcomesAreRecordedOnlyOfWhatSurvivesAPowerCut) {
  put_random_tree(*source_, "s", 11);
  run_.options.symlinks = SymlinkPolicy::kKeep;
  run_.limits.group_files = 7;
  std::map<std::string, std::string> want = tree_of(*source_, "s");
  std::vector<std::string> missing;
  run_.observer.on_record = [&](std::span<const Outcome> outcomes) -> Result<void> {
    for (const Outcome& outcome : outcomes) {
      if (outcome.kind != OperationKind::kCopyFile || outcome.result != Done::kDone) continue;
      if (!exists(*target_, outcome.target.text())) missing.push_back(outcome.target.text());
    }
    return {};
  };
  transfer();
  EXPECT_THAT(missing, testing::IsEmpty());
  EXPECT_EQ(tree_of(*target_, "t"), want);
}

TEST_F(Runner, FailedFlushOfAGroupIsTriedFileByFile) {
  put_files(50);
  run_.limits.workers = 1;
  Faults faults;
  faults.on(StorageOperation::kFlush, {.code = Code::kConflict});
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  EXPECT_EQ(run_.transfer(*source_, *faulty, {item("s", "t")}).failed, 0u);
  storage::lose_power(*target_);
  EXPECT_EQ(tree_of(*source_, "s"), tree_of(*target_, "t"));
}

TEST_F(Runner, FailedCommitFailsOneFile) {
  put_files(100);
  Faults faults;
  faults.on(StorageOperation::kCommit, {.code = Code::kDenied}, 1, 42);
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  const RunReport report = run_.transfer(*source_, *faulty, {item("s", "t")});
  EXPECT_EQ(report.end, RunEnd::kCompleted);
  EXPECT_EQ(report.failed, 1u);
  EXPECT_EQ(report.error->code, Code::kDenied);
  EXPECT_EQ(run_.progress->files_done, 99u);
  EXPECT_EQ(tree_of(*target_, "t").size(), tree_of(*source_, "s").size() - 1);
}

TEST_F(Runner, ObserverThatCannotRecordEndsTheRun) {
  put_files(300);
  run_.limits.group_files = 10;
  run_.observer.on_record = [&](std::span<const Outcome>) -> Result<void> {
    return make_error(Code::kUnavailable, "the database is gone");
  };
  const RunReport report = transfer();
  EXPECT_EQ(report.end, RunEnd::kFatal);
  EXPECT_EQ(report.error->message, "the database is gone");
  EXPECT_EQ(run_.progress->files_done, 0u);
}

// Failures of single files -----------------------------------------------------------------------

TEST_F(Runner, OneBadFileInAHundredFailsAlone) {
  put_files(100);
  Faults faults;
  faults.on(StorageOperation::kOpenRead, {.code = Code::kDenied}, 1, 50);
  const auto faulty = make_faulty(*source_, faults, run_.clock);
  const RunReport report = run_.transfer(*faulty, *target_, {item("s", "t")});
  EXPECT_EQ(report.end, RunEnd::kCompleted);
  EXPECT_EQ(report.failed, 1u);
  EXPECT_EQ(run_.progress->files_done, 99u);
  EXPECT_EQ(run_.observer.count(Done::kFailed), 1u);
  EXPECT_TRUE(run_.observer.faults.empty());  // final at once, never tried again
}

TEST_F(Runner, SourceErrorsAreSkippedWhenAsked) {
  put_files(10);
  run_.options.skip_source_errors = true;
  Faults faults;
  faults.on(StorageOperation::kOpenRead, {.code = Code::kDenied});
  const auto faulty = make_faulty(*source_, faults, run_.clock);
  const RunReport report = run_.transfer(*faulty, *target_, {item("s", "t"), item("gone", "g")});
  EXPECT_EQ(report.failed, 0u);
  EXPECT_EQ(run_.observer.of(1, "").result, Done::kSkippedError);
  EXPECT_EQ(run_.observer.count(Done::kSkippedError), 2u);
  EXPECT_EQ(run_.progress->skipped_errors, 2u);
}

TEST_F(Runner, TargetErrorsAreNeverSkipped) {
  put_files(10);
  run_.options.skip_source_errors = true;
  Faults faults;
  faults.on(StorageOperation::kCreateTemporary, {.code = Code::kDenied});
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  EXPECT_EQ(run_.transfer(*source_, *faulty, {item("s", "t")}).failed, 1u);
}

TEST_F(Runner, DeniedTargetDirectoryFailsAndItsSiblingsAreDone) {
  put_files(9);
  Faults faults;
  faults.on(StorageOperation::kMakeDirectory, {.code = Code::kDenied}, 1, 2);  // t, t/0, t/1
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  EXPECT_EQ(run_.transfer(*source_, *faulty, {item("s", "t")}).failed, 1u);
  EXPECT_EQ(run_.observer.of(0, "1").side, Side::kTarget);
  EXPECT_EQ(run_.progress->files_done, 6u);
  EXPECT_FALSE(run_.observer.outcomes.contains("0:1/0001"));
}

TEST_F(Runner, WhatMayPassIsTriedAgainWithGrowingPauses) {
  put_file(*source_, "s", "1");
  Faults faults;
  faults.on(StorageOperation::kOpenRead, {}, 4);
  const auto faulty = make_faulty(*source_, faults, run_.clock);
  const Duration begun = run_.clock.monotonic();
  EXPECT_EQ(run_.transfer(*faulty, *target_, {item("s", "t")}).failed, 0u);
  EXPECT_EQ(run_.observer.of(0, "").attempts, 5);
  EXPECT_EQ(run_.observer.faults.size(), 4u);
  EXPECT_EQ(run_.progress->faults, 4u);
  // 0.2 + 0.4 + 0.8 + 1.6 seconds, each with up to half as much again.
  EXPECT_GE(run_.clock.monotonic() - begun, std::chrono::milliseconds(3000));
  EXPECT_LE(run_.clock.monotonic() - begun, std::chrono::milliseconds(4500));
}

TEST_F(Runner, RetriesEndAtTheirNumber) {
  put_file(*source_, "s", "1");
  run_.limits.retry_attempts = 3;
  Faults faults;
  faults.on(StorageOperation::kOpenRead, {}, 1000);
  const auto faulty = make_faulty(*source_, faults, run_.clock);
  EXPECT_EQ(run_.transfer(*faulty, *target_, {item("s", "t")}).failed, 1u);
  EXPECT_EQ(run_.observer.of(0, "").attempts, 3);
}

TEST_F(Runner, ManyRetriesAtOnceAllComeThrough) {
  put_files(600);
  run_.limits.queue = 16;
  Faults faults;
  faults.on(StorageOperation::kCreateTemporary, {}, 400);
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  EXPECT_EQ(run_.transfer(*source_, *faulty, {item("s", "t")}).failed, 0u);
  EXPECT_EQ(run_.progress->files_done, 600u);
  EXPECT_EQ(run_.progress->faults, 400u);
}

// Two items for one target must never write to the same temporary at the same time.
TEST_F(Runner, LastOfTwoItemsForOneTargetWins) {
  for (int round = 0; round < 20; ++round) {
    put_file(*source_, "a", random_bytes(200'000, 1));
    put_file(*source_, "b", random_bytes(200'000, 2));
    HookedStorage source(*source_);
    TestRun run;
    run.transfer(source, *target_, {item("a", "x"), item("b", "x")});
    EXPECT_EQ(run.observer.of(0, "").result, Done::kDone);
    EXPECT_EQ(run.observer.of(1, "").result, Done::kDone);
    EXPECT_TRUE(content_of(*target_, "x") == content_of(*source_, "b"));
  }
}

TEST_F(Runner, SingleFileIntoAFileThatPosesAsDirectoryFails) {
  put_file(*source_, "s", "1");
  put_file(*target_, "t", "a file");
  run_.transfer(*source_, *target_, {item("s", "t/x/y")});
  EXPECT_EQ(run_.observer.of(0, "").result, Done::kFailed);
  EXPECT_EQ(content_of(*target_, "t"), "a file");
}

// Ends -------------------------------------------------------------------------------------------

TEST_F(Runner, DeadlineEndsWhatIsTriedAgainAndAgain) {
  put_files(10);
  run_.deadline = run_.clock.now() + hours(1);
  Faults faults;
  faults.on(StorageOperation::kOpenRead, {}, 1'000'000);
  const auto faulty = make_faulty(*source_, faults, run_.clock);
  const RunReport report = run_.transfer(*faulty, *target_, {item("s", "t")});
  EXPECT_EQ(report.end, RunEnd::kDeadline);
  EXPECT_EQ(run_.clock.now(), run_.deadline);
  EXPECT_EQ(run_.progress->files_done, 0u);
}

TEST_F(Runner, DeadlineInThePastBeginsNothing) {
  put_files(10);
  run_.deadline = run_.clock.now() - seconds(1);
  EXPECT_EQ(transfer().end, RunEnd::kDeadline);
  EXPECT_TRUE(tree_of(*target_).empty());
}

TEST_F(Runner, FullTargetEndsTheRunKeepsWhatIsDoneAndResumesWithTheRest) {
  put_files(100);
  const auto small = open_memory({.capacity = 6000});
  HookedStorage source(*source_);
  run_.limits.group_files = 5;
  const RunReport report = run_.transfer(source, *small, {item("s", "t")});
  EXPECT_EQ(report.end, RunEnd::kNoSpace);
  EXPECT_EQ(report.error->code, Code::kNoSpace);
  EXPECT_EQ(report.failed, 0u);
  const std::uint64_t done = run_.progress->files_done;
  EXPECT_GT(done, 40u);
  EXPECT_LE(done, 60u);
  for (const auto& [name, content] : tree_of(*small, "t"))
    EXPECT_EQ(content, tree_of(*source_, "s").at(name));
}

TEST_F(Runner, StoppedRunIsFinishedByTheNextWithoutDoingAnythingTwice) {
  put_files(300);
  run_.limits.queue = 16;
  run_.limits.group_files = 16;
  HookedStorage source(*source_);
  std::atomic<int> opened = 0;
  source.set_hook([&](StorageOperation operation) -> Result<void> {
    if (operation == StorageOperation::kOpenRead && ++opened == 150) run_.stop.request_stop();
    return {};
  });
  EXPECT_EQ(run_.transfer(source, *target_, {item("s", "t")}).end, RunEnd::kStopped);
  EXPECT_FALSE(run_.progress->plan_complete);
  const std::uint64_t done = run_.progress->files_done;
  EXPECT_GT(done, 100u);
  EXPECT_LT(done, 300u);
  run_.stop = std::stop_source();
  run_.recovering = true;
  EXPECT_EQ(run_.transfer(source, *target_, {item("s", "t")}).end, RunEnd::kCompleted);
  EXPECT_EQ(run_.progress->files_done, 300u);
  EXPECT_EQ(tree_of(*source_, "s"), tree_of(*target_, "t"));
}

// Killed before any operation, with and without a power cut: what was recorded is there, what is
// there is whole, and the next run finishes the work and leaves no litter.
TEST_F(Runner, RunKilledAnywhereIsFinishedByTheNext) {
  for (int i = 0; i < 6; ++i) put_file(*source_, fmt::format("s/d{}/f", i % 2 + i), "content");
  put_file(*source_, "s/large", random_bytes(3 << 20, 4));
  put_symlink(*source_, "s/link", "large");
  HookedStorage source(*source_);
  constexpr std::uint64_t kPoints = 120;  // more than the longest of these runs has
  std::uint64_t killed = 0;
  for (std::uint64_t point = 1; point <= kPoints; ++point) {
    const auto target = open_memory();
    put_directory(*target, "t");
    TestRun run;
    run.options.symlinks = SymlinkPolicy::kKeep;
    run.limits.range_bytes = 1 << 20;
    run.limits.group_files = 3;
    run.limits.retry_attempts = 1;
    Faults faults;
    faults.at(point, {.kind = Fault::Kind::kDie});
    const auto faulty = make_faulty(*target, faults, run.clock);
    // Nothing is recorded after death.
    run.observer.on_record = [&](std::span<const Outcome>) -> Result<void> {
      if (faults.dead()) return make_error(Code::kUnavailable, "dead");
      return {};
    };
    run.transfer(source, *faulty, {item("s", "t")});
    killed += faults.dead() ? 1 : 0;
    if (point % 2 == 0) storage::lose_power(*target);
    const auto left = tree_of(*target, "t");
    for (const auto& [key, outcome] : run.observer.outcomes) {
      if (outcome.result == Done::kDone && outcome.kind == OperationKind::kCopyFile) {
        EXPECT_TRUE(left.contains(outcome.below.text())) << key << " after point " << point;
      }
    }
    TestRun next;
    next.options = run.options;
    next.limits = run.limits;
    next.recovering = true;
    next.observer.outcomes = run.observer.outcomes;
    EXPECT_EQ(next.transfer(source, *target, {item("s", "t")}).failed, 0u) << "point " << point;
    EXPECT_EQ(tree_of(*source_, "s"), tree_of(*target, "t")) << "point " << point;
  }
  EXPECT_GT(killed, 40u);
  EXPECT_LT(killed, kPoints);
}

TEST_F(Runner, LeftoverOfAFileThatSomebodyElseHasCopiedMeanwhileIsRemoved) {
  put_file(*source_, "s", "content");
  put_file(*target_, "t", "content");
  run_.recovering = true;
  const std::string leftover = storage::temporary_name(run_.context().owner, path("t"));
  put_file(*target_, leftover, "con");
  EXPECT_EQ(run_.transfer(*source_, *target_, {item("s", "t")}).failed, 0u);
  EXPECT_EQ(content_of(*target_, "t"), "content");
  EXPECT_FALSE(exists(*target_, leftover));
}

TEST_F(Runner, LeftoverOfAFileThatIsSomethingElseByNowIsRemoved) {
  put_file(*source_, "s/directory/f", "1");
  put_symlink(*source_, "s/link", "directory");
  put_directory(*target_, "t");
  run_.recovering = true;
  for (const std::string_view name : {"t/directory", "t/link", "t/single"})
    put_file(*target_, "t/" + storage::temporary_name(run_.context().owner, path(name)), "begun");
  TransferItem single = item("s/directory", "t/single");
  single.recursion = TransferItem::Recursion::kNo;
  EXPECT_EQ(run_.transfer(*source_, *target_, {item("s", "t"), single}).failed, 1u);
  EXPECT_EQ(tree_of(*target_, "t").size(), 2u);  // the directory and its file
}

// Failures at random, then a power cut: what is recorded as done is there, and what is there is
// whole. (No flipped bits: one in a write and one in reading it back can make up for each other.)
TEST_F(Runner, RandomFaultsTearAndLoseNothing) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto source = open_memory();
    const auto target = open_memory();
    for (int i = 0; i < 40; ++i)
      put_file(*source, fmt::format("s/{}/{}", i % 3, i), random_bytes(200, seed + 7));
    TestRun run;
    run.limits.group_files = 8;
    run.limits.retry_attempts = 4;
    Faults faults;
    faults.randomly(seed, 0.1,
                    {{.kind = Fault::Kind::kFail},
                     {.kind = Fault::Kind::kFailAfter},
                     {.kind = Fault::Kind::kTruncate}});
    const auto faulty = make_faulty(*target, faults, run.clock);
    HookedStorage plain(*source);  // cannot be cloned
    EXPECT_EQ(run.transfer(plain, *faulty, {item("s", "t")}).end, RunEnd::kCompleted);
    storage::lose_power(*target);
    const auto want = tree_of(*source, "s");
    const auto have = exists(*target, "t") ? tree_of(*target, "t") : decltype(want)();
    for (const auto& [key, outcome] : run.observer.outcomes) {
      const std::string below = outcome.below.text();
      if (outcome.result != Done::kDone || below.empty()) continue;
      EXPECT_TRUE(have.contains(below)) << key << " is lost with seed " << seed;
    }
    for (const auto& [name, shown] : have) {
      if (storage::is_temporary_name(path(name).name(), "")) continue;
      EXPECT_EQ(shown, want.at(name)) << "seed " << seed;
    }
  }
}

// A directory that lasts only in memory takes everything below it along.
TEST_F(Runner, NothingIsDoneBelowADirectoryWhoseNameIsNotDurable) {
  put_files(60);
  run_.limits.group_files = 10;
  run_.limits.retry_attempts = 1;
  Faults faults;
  faults.on(StorageOperation::kFlushDirectories, {.code = Code::kDenied}, 1'000'000);
  const auto faulty = make_faulty(*target_, faults, run_.clock);
  run_.transfer(*source_, *faulty, {item("s", "t")});
  EXPECT_EQ(run_.observer.count(Done::kDone), 0u);
  EXPECT_EQ(run_.progress->files_done, 0u);
}

TEST_F(Runner, DirectoryThatAFailedCallMadeIsDurableToo) {
  for (std::uint64_t skip = 0; skip < 8; ++skip) {
    const auto target = open_memory();
    put_file(*source_, "s/d/x", "1");
    TestRun run;
    Faults faults;
    faults.on(StorageOperation::kMakeDirectory, {.kind = Fault::Kind::kFailAfter}, 1, skip);
    const auto faulty = make_faulty(*target, faults, run.clock);
    EXPECT_EQ(run.transfer(*source_, *faulty, {item("s", "a/t"), item("s/d/x", "b/c/x")}).failed,
              0u);
    storage::lose_power(*target);
    EXPECT_TRUE(exists(*target, "a/t/d/x")) << skip;
    EXPECT_TRUE(exists(*target, "b/c/x")) << skip;
  }
}

TEST_F(Runner, DirectoryThatADeadRunMadeIsDurableToo) {
  for (std::uint64_t skip = 0; skip < 4; ++skip) {
    const auto target = open_memory();
    put_file(*source_, "s/d/x", "1");
    TestRun run;
    run.limits.retry_attempts = 1;
    Faults faults;
    faults.on(StorageOperation::kFlushDirectories, {.kind = Fault::Kind::kDie}, 1, skip);
    const auto faulty = make_faulty(*target, faults, run.clock);
    const std::vector<TransferItem> items = {item("s", "a/b/t"), item("s/d/x", "c/d/x")};
    run.transfer(*source_, *faulty, items);
    TestRun next;
    next.recovering = true;
    EXPECT_EQ(next.transfer(*source_, *target, items).failed, 0u);
    storage::lose_power(*target);
    EXPECT_TRUE(exists(*target, "a/b/t/d/x")) << skip;
    EXPECT_TRUE(exists(*target, "c/d/x")) << skip;
  }
}

// Admission --------------------------------------------------------------------------------------

TEST_F(Runner, EveryFileIsAdmittedWithItsSize) {
  put_file(*source_, "s/a", "12345");
  put_file(*source_, "s/b", "1");
  std::vector<ByteCount> asked;
  run_.admit = [&](ByteCount bytes, std::stop_token) -> Result<void> {
    asked.push_back(bytes);
    return {};
  };
  transfer();
  EXPECT_THAT(asked, testing::ElementsAre(5, 1));
}

TEST_F(Runner, StopReachesWhoWaitsForAdmission) {
  put_file(*source_, "s", "1");
  run_.admit = [&](ByteCount, std::stop_token stop) -> Result<void> {
    run_.stop.request_stop();
    EXPECT_TRUE(stop.stop_requested());
    return make_error(Code::kCancelled, "stopped");
  };
  EXPECT_EQ(transfer().end, RunEnd::kStopped);
  EXPECT_TRUE(run_.observer.outcomes.empty());
}

TEST_F(Runner, OwnerThatCannotNameTemporariesIsRefused) {
  ItemList<TransferItem> items({});
  RunContext context = run_.context();
  context.owner = "a/b";
  EXPECT_EQ(
      run_transfer(*source_, *target_, items, run_.options, context, run_.observer, *run_.progress)
          .error()
          .code,
      Code::kInvalid);
}

}  // namespace
}  // namespace wherry::engine
