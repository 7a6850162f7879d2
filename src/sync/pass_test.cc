// SPDX-License-Identifier: Apache-2.0
#include "sync/pass.h"

#include <gmock/gmock.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sync/test_fixture.h"

namespace wherry::sync {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class PassTest : public SyncFixture {};

// Takes from this thread, and those that it starts, the right to read everything, which root has.
class WithoutPrivileges {
 public:
  WithoutPrivileges() {
    CHECK(::syscall(SYS_capget, &header_, before_) == 0);
    __user_cap_data_struct less[2] = {before_[0], before_[1]};
    less[0].effective &= ~((1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH));
    CHECK(::syscall(SYS_capset, &header_, less) == 0);
  }
  ~WithoutPrivileges() { CHECK(::syscall(SYS_capset, &header_, before_) == 0); }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2]{};
};

TEST_F(PassTest, TheFirstPassBringsEverythingAndTheSecondNothing) {
  write("a.txt", "alpha");
  write("sub/deep/b.txt", "beta");
  write("sub/c.txt", "");
  make_directory("empty/below");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
  EXPECT_EQ(report.counts.added, 3u);
  EXPECT_EQ(report.counts.bytes, 9u);
  expect_mirrored();
  expect_nothing_due();
  EXPECT_TRUE(catalog()->check());
}

TEST_F(PassTest, AnEmptySourceMakesAnEmptyTarget) {
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, APassWithoutChangesWritesNoCatalog) {
  write("a", "1");
  run();
  const std::string before = catalog_bytes();
  run();
  EXPECT_EQ(catalog_bytes(), before);
}

TEST_F(PassTest, OnlyWhatChangedIsSent) {
  for (int i = 0; i < 20; ++i) write(fmt::format("d{}/f{}", i % 4, i), fmt::format("{}", i));
  run();
  service_.forget();
  write("d1/f5", "changed");
  write("d3/new", "new");
  const PassReport report = run();
  EXPECT_EQ(report.counts.modified, 1u);
  EXPECT_EQ(report.counts.added, 1u);
  EXPECT_THAT(service_.copied, ElementsAre("d1/f5", "d3/new"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, TransfersAreCutIntoLabelledBatchesOfTheGivenSize) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  clock_.jump(TimePoint(std::chrono::seconds(1539601563)) - clock_.now());
  definition_.batch_size = 4;
  definition_.settle = Duration(0);
  for (int i = 0; i < 10; ++i) write(fmt::format("f{}", i), "x");
  run();
  ASSERT_EQ(service_.transfers.size(), 3u);
  EXPECT_EQ(service_.transfers[0].items.size(), 4u);
  EXPECT_EQ(service_.transfers[2].items.size(), 2u);
  EXPECT_EQ(service_.transfers[0].label, "AUTO_2018-10-15_110603");
  EXPECT_TRUE(service_.transfers[0].options.skip_source_errors);
  EXPECT_TRUE(service_.transfers[0].options.preserve_mtime);
  expect_mirrored();
}

TEST_F(PassTest, AFileYoungerThanTheSettleTimeIsLeftForLater) {
  write("old", "1");
  run();
  definition_.settle = std::chrono::hours(2);
  write("old", "2");
  write("new", "3");
  const PassReport report = run();
  EXPECT_EQ(report.counts.not_quiet, 2u);
  EXPECT_EQ(report.end, PassEnd::kDone);
  ASSERT_TRUE(report.quiet_at.has_value());
  EXPECT_GT(*report.quiet_at, clock_.now());
  EXPECT_THAT(tree(target_), UnorderedElementsAre(testing::Pair("old", "1")));
  clock_.advance(std::chrono::hours(2));
  EXPECT_EQ(run().counts.not_quiet, 0u);
  expect_mirrored();
}

TEST_F(PassTest, ModificationTimesInThePastAndFutureDoNotMatterToQuiet) {
  write("past", "1");
  set_mtime("past", TimePoint(std::chrono::seconds(1)));
  write("future", "2");
  set_mtime("future", clock_.now() + std::chrono::hours(24));
  write("same second", "3");
  set_mtime("same second", TimePoint(Duration(1'539'601'563'000'000'001)));
  run();
  expect_mirrored();
  set_mtime("same second", TimePoint(Duration(1'539'601'563'000'000'002)));
  service_.forget();
  run();
  EXPECT_THAT(service_.copied, ElementsAre("same second"));
  expect_nothing_due();
}

TEST_F(PassTest, AClockThatWasTurnedBackHoldsNothingBack) {
  clock_.jump(-std::chrono::hours(2));  // all change times lie an hour ahead
  write("a", "1");
  const PassReport report = run();
  EXPECT_EQ(report.counts.not_quiet, 0u);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, ARewriteThatRestoresSizeAndTimeIsFoundByItsChangeTime) {
  write("a", "one");
  set_mtime("a", TimePoint(std::chrono::seconds(1000)));
  run();
  write("a", "two");
  set_mtime("a", TimePoint(std::chrono::seconds(1000)));
  service_.forget();
  const PassReport report = run();
  EXPECT_EQ(report.counts.attributes, 1u);
  ASSERT_EQ(service_.transfers.size(), 1u);
  EXPECT_EQ(service_.transfers[0].options.sync_level, engine::SyncLevel::kChecksum);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, AnAttributeChangeSendsNoBytesAndIsSettledInOnePass) {
  write("a", "one");
  run();
  service_.forget();
  ASSERT_EQ(::chmod(at_source("a").c_str(), 0600), 0);
  EXPECT_EQ(run().counts.attributes, 1u);
  EXPECT_THAT(service_.copied, IsEmpty());
  expect_nothing_due();
}

TEST_F(PassTest, AFailedTaskLeavesItsFilesDue) {
  for (int i = 0; i < 50; ++i) write(fmt::format("f{}", i), "x");
  service_.fail_tasks = true;
  const PassReport failed = run();
  EXPECT_EQ(failed.end, PassEnd::kIncomplete);
  EXPECT_EQ(failed.counts.failed, 50u);
  service_.fail_tasks = false;
  EXPECT_EQ(run().counts.added, 50u);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, OneFailingFileHoldsBackNoOther) {
  write("a", "1");
  write("b", "2");
  write("c", "3");
  service_.failing_targets = {"b"};
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kIncomplete);
  EXPECT_EQ(report.counts.failed, 1u);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].path, "b");
  EXPECT_TRUE(fs::exists(at_target("a")));
  EXPECT_TRUE(fs::exists(at_target("c")));
  service_.forget();
  service_.failing_targets.clear();
  run();
  EXPECT_THAT(service_.copied, ElementsAre("b"));
  EXPECT_THAT(store_->failures("mirror").value(), IsEmpty());
  expect_nothing_due();
}

// Symlinks are not listed with the files that a task has moved.
TEST_F(PassTest, OneFailingFileHoldsBackNoSymlink) {
  definition_.symlinks = engine::SymlinkPolicy::kKeep;
  write("bad", "1");
  fs::create_symlink("bad", at_source("link"));
  service_.failing_targets = {"bad"};
  const PassReport report = run();
  EXPECT_EQ(report.counts.failed, 1u);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].path, "bad");
  service_.forget();
  service_.failing_targets.clear();
  run();
  EXPECT_THAT(service_.copied, ElementsAre("bad"));
}

TEST_F(PassTest, AFileThatKeepsFailingWaitsLongerAndLonger) {
  write("bad", "1");
  write("good", "2");
  service_.failing_targets = {"bad"};
  run();
  run();  // the second try comes with the next pass
  EXPECT_EQ(store_->failures("mirror").value().at(0).attempts, 2);
  EXPECT_EQ(run().counts.delayed, 1u);
  clock_.advance(std::chrono::minutes(2));
  EXPECT_EQ(run().counts.delayed, 0u);
  EXPECT_EQ(store_->failures("mirror").value().at(0).attempts, 3);
  EXPECT_EQ(run().counts.delayed, 1u);
  PassOptions full;
  full.full = true;
  service_.failing_targets.clear();
  EXPECT_EQ(run(full).counts.delayed, 0u);
  expect_mirrored();
}

TEST_F(PassTest, AFileThatVanishesDuringThePassIsNoFailureOfTheNext) {
  write("a", "1");
  write("b", "2");
  service_.before_task = [&] { remove("b"); };
  EXPECT_EQ(run().counts.failed, 1u);
  service_.before_task = nullptr;
  expect_nothing_due();
  EXPECT_THAT(store_->failures("mirror").value(), IsEmpty());
}

TEST_F(PassTest, AFileRewrittenDuringThePassIsSentAgainInTheNext) {
  write("a", "1");
  service_.before_task = [&] { write("a", "longer"); };
  run();
  service_.before_task = nullptr;
  service_.forget();
  run();
  EXPECT_THAT(service_.copied, ElementsAre("a"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, DeletedFilesStayByDefault) {
  write("a", "1");
  write("b", "2");
  run();
  remove("b");
  run();
  EXPECT_TRUE(fs::exists(at_target("b")));
  expect_nothing_due();
}

TEST_F(PassTest, DeletionsArePropagatedWhenAsked) {
  definition_.deletions = Deletions::kPropagate;
  for (int i = 0; i < 10; ++i) write(fmt::format("f{}", i), "x");
  write("sub/x", "1");
  write("sub/deep/y", "1");
  run();
  remove("f3");
  remove("sub");
  const PassReport report = run();
  EXPECT_EQ(report.counts.removed, 3u);
  EXPECT_THAT(service_.deleted, ElementsAre("f3", "sub"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, DeletedFilesAreArchivedUnderTheLabelOfThePass) {
  definition_.deletions = Deletions::kArchive;
  for (int i = 0; i < 10; ++i) write(fmt::format("f{}", i), "x");
  write("sub/x", "1");
  run();
  remove("f3");
  remove("sub");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
  const std::string place = fmt::format("{}/{}/", kArchiveDirectory, report.label);
  EXPECT_TRUE(fs::exists(at_target(place + "f3")));
  EXPECT_TRUE(fs::exists(at_target(place + "sub/x")));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, AnEmptyRootStopsThePassAndDeletesNothing) {
  definition_.deletions = Deletions::kPropagate;
  definition_.max_delete = 100;
  write("a", "1");
  write("b", "2");
  run();
  remove("a");
  remove("b");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kStopped);
  EXPECT_THAT(report.message, HasSubstr("the source 'lab:/' is empty"));
  EXPECT_THAT(report.message, HasSubstr("--allow-deletions"));
  EXPECT_EQ(tree(target_).size(), 2u);
  PassOptions allow;
  allow.allow_deletions = true;
  EXPECT_EQ(run(allow).end, PassEnd::kDone);
  expect_mirrored();
}

TEST_F(PassTest, AVanishedRootStopsThePass) {
  definition_.deletions = Deletions::kPropagate;
  write("a", "1");
  run();
  fs::rename(source_, source_ + ".away");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kStopped);
  EXPECT_THAT(report.message, HasSubstr("vanished"));
  EXPECT_TRUE(fs::exists(at_target("a")));
}

TEST_F(PassTest, WhatIsKeptAtTheTargetMayAllGoAtTheSource) {
  for (int i = 0; i < 10; ++i) write(fmt::format("old/f{}", i), fmt::format("{}", i));
  run();
  remove("old");
  write("new", "1");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
  EXPECT_EQ(report.counts.removed, 10u);
  EXPECT_TRUE(fs::exists(at_target("new")));
  EXPECT_TRUE(fs::exists(at_target("old/f9")));
}

TEST_F(PassTest, AFileInPlaceOfADirectoryOfManyStopsAlsoAPassThatKeeps) {
  for (int i = 0; i < 10; ++i) write(fmt::format("old/f{}", i), fmt::format("{}", i));
  write("other", "1");
  run();
  remove("old");
  write("old", "a file");
  EXPECT_EQ(run().end, PassEnd::kStopped);
  EXPECT_TRUE(fs::exists(at_target("old/f9")));
}

TEST_F(PassTest, TooManyDeletionsStopThePassAndFewDoNot) {
  definition_.deletions = Deletions::kPropagate;
  for (int i = 0; i < 100; ++i) write(fmt::format("d{}/f{}", i % 10, i), fmt::format("{}", i));
  run();
  for (int i = 0; i < 6; ++i) remove(fmt::format("d{}", i));
  const PassReport stopped = run();
  EXPECT_EQ(stopped.end, PassEnd::kStopped);
  EXPECT_EQ(store_->history("mirror", 1).value().at(0).report.end, PassEnd::kStopped);
  EXPECT_EQ(stopped.counts.removed, 60u);
  EXPECT_EQ(tree(target_).size(), 110u);
  PassOptions more;
  more.max_delete = 60;
  EXPECT_EQ(run(more).end, PassEnd::kDone);
  expect_mirrored();
  remove("d6/f6");
  EXPECT_THAT(dry_run(), ElementsAre("removed d6/f6"));
  EXPECT_EQ(run().counts.removed, 1u);
  EXPECT_THAT(service_.deleted.back(), "d6/f6");
  expect_mirrored();
}

TEST_F(PassTest, ADryRunTellsTheChangesAndDoesNothing) {
  write("a", "1");
  write("sub/b", "2");
  EXPECT_THAT(dry_run(), ElementsAre("added a", "added sub", "added sub/b"));
  EXPECT_TRUE(tree(target_).empty());
  EXPECT_THAT(service_.transfers, IsEmpty());
  EXPECT_THAT(store_->history("mirror", 10).value(), IsEmpty());
  EXPECT_FALSE(fs::exists(scratch_.file("mirror.catalog")));
  EXPECT_FALSE(fs::exists(scratch_.file("mirror.journal.tmp")));
}

// Nothing in them tells that they are missing at the target.
TEST_F(PassTest, EmptyDirectoriesThatAFailedDeletionMayHaveTakenAreMadeAgain) {
  definition_.deletions = Deletions::kPropagate;
  definition_.trust_directories = true;
  make_directory("d/empty/below");
  write("other", "3");
  run();
  rename("d", "../aside");
  service_.failing_deletes = {"d"};
  PassOptions anything;
  anything.allow_deletions = true;
  EXPECT_EQ(run(anything).end, PassEnd::kIncomplete);
  service_.failing_deletes.clear();
  EXPECT_FALSE(fs::exists(at_target("d/empty")));
  rename("../aside", "d");
  std::vector<std::string> told;
  PassOptions look;
  look.dry_run = true;
  look.on_change = [&](const Change& change) {
    EXPECT_EQ(change.kind, ChangeKind::kAdded);
    told.push_back(change.path);
  };
  run(look);
  EXPECT_EQ(told, (std::vector<std::string>{"d", "d/empty", "d/empty/below"}));
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, ADirectoryWhoseNameCouldNotBeMadeDurableIsNotBelieved) {
  make_directory("a/b/c");
  service_.failing_flushes = {"a"};
  EXPECT_EQ(run().end, PassEnd::kIncomplete);
  EXPECT_TRUE(fs::exists(at_target("a/b/c")));
  EXPECT_FALSE(catalog()->find("a").value().has_value());
  service_.failing_flushes.clear();
  run();
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, AThousandEmptyDirectoriesAreMadeOnce) {
  for (int i = 0; i < 1000; ++i) make_directory(fmt::format("{}/{}", i % 10, i));
  run();
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, AnUnreadableDirectoryIsAnErrorOfItsSubtreeAndNotADeletion) {
  const WithoutPrivileges as_anybody;
  definition_.deletions = Deletions::kPropagate;
  write("closed/a", "1");
  write("closed/sub/b", "2");
  write("open/c", "3");
  run();
  write("open/d", "4");
  fs::permissions(at_source("closed"), fs::perms::none);
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kIncomplete);
  EXPECT_EQ(report.counts.unreadable, 1u);
  EXPECT_THAT(service_.deleted, IsEmpty());
  EXPECT_TRUE(fs::exists(at_target("closed/sub/b")));
  EXPECT_TRUE(fs::exists(at_target("open/d")));
  fs::permissions(at_source("closed"), fs::perms::owner_all);
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
}

TEST_F(PassTest, NamesAreBytes) {
  const std::vector<std::string> names = {
      "not\xffutf8", "new\nline", "tab\tname", "per%cent", std::string(255, 'n'), "e\xcc\x81",
      "\xc3\xa9",    "CASE",      "case",      "-leading", "back\\slash",         "*?[glob]"};
  for (const std::string& name : names) {
    write(name, name);
    write("dir " + name.substr(0, 200) + "/f", name);
  }
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
  service_.failing_targets = {"not\xffutf8"};
  write("not\xffutf8", "changed");
  run();
  EXPECT_EQ(store_->failures("mirror").value().at(0).path, "not\xffutf8");
}

TEST_F(PassTest, SymlinksAreIgnoredAndCounted) {
  write("a", "1");
  link("l", "a");
  link("dangling", "nowhere");
  link("loop", "loop");
  const PassReport report = run();
  EXPECT_EQ(report.counts.links_skipped, 3u);
  EXPECT_EQ(tree(target_).size(), 1u);
  expect_nothing_due();
}

TEST_F(PassTest, SymlinksAreKeptAsLinks) {
  definition_.symlinks = engine::SymlinkPolicy::kKeep;
  write("a", "1");
  link("l", "a");
  link("dangling", "nowhere");
  link("out", "/etc/passwd");
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
  remove("l");
  link("l", "dangling");
  run();
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, SymlinksAreFollowedWithinTheEndpointOnly) {
  definition_.symlinks = engine::SymlinkPolicy::kCopy;
  write("real/file", "content");
  link("to_file", "real/file");
  link("to_directory", "real");
  link("absolute", at_source("real/file"));
  link("absolute_directory", at_source("other"));
  write("other/deep/file", "deep");
  link("dangling", "nowhere");
  link("real/up", "..");
  link("a", "b");
  link("b", "a");
  link("escape", "/etc/hostname");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kIncomplete);
  std::vector<std::string> refused;
  for (const Problem& problem : report.problems) refused.push_back(problem.path);
  EXPECT_THAT(refused,
              UnorderedElementsAre("a", "b", "dangling", "escape", "real/up", "to_directory/up"));
  using testing::Pair;
  EXPECT_THAT(
      tree(target_),
      UnorderedElementsAre(
          Pair("absolute", "content"), Pair("absolute_directory", "<directory>"),
          Pair("absolute_directory/deep", "<directory>"),
          Pair("absolute_directory/deep/file", "deep"), Pair("other", "<directory>"),
          Pair("other/deep", "<directory>"), Pair("other/deep/file", "deep"),
          Pair("real", "<directory>"), Pair("real/file", "content"), Pair("to_file", "content"),
          Pair("to_directory", "<directory>"), Pair("to_directory/file", "content")));
  service_.forget();
  run();
  EXPECT_THAT(service_.copied, IsEmpty());
}

TEST_F(PassTest, FiltersLeaveNamesOutAndAChangeOfFiltersDeletesNothing) {
  definition_.deletions = Deletions::kPropagate;
  definition_.max_delete = 100;
  write("a.tif", "1");
  write("a.log", "2");
  write("skip/b.tif", "3");
  run();
  using Method = engine::FilterRule::Method;
  using Applies = engine::FilterRule::Applies;
  definition_.filters = {{Method::kExclude, "skip", Applies::kDirectories},
                         {Method::kInclude, "*.tif", Applies::kFiles},
                         {Method::kExclude, "*", Applies::kFiles}};
  write("c.tif", "4");
  write("c.log", "5");
  service_.forget();
  run();
  EXPECT_THAT(service_.copied, ElementsAre("c.tif"));
  EXPECT_THAT(service_.deleted, IsEmpty());
  EXPECT_TRUE(fs::exists(at_target("skip/b.tif")));
  expect_nothing_due();
  definition_.filters.clear();
  run();
  expect_mirrored();
}

TEST_F(PassTest, ARemoteSourceIsListedThroughTheService) {
  service_.is_remote = true;
  definition_.deletions = Deletions::kPropagate;
  write("a", "1");
  write("sub/b", "2");
  write("sub/c", "3");
  make_directory("empty");
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
  remove("sub/b");
  write("a", "changed");
  run();
  expect_mirrored();
}

TEST_F(PassTest, TrustedDirectoriesAreNotLookedIntoButForAFullPass) {
  definition_.trust_directories = true;
  write("sub/a", "1");
  run();
  run();
  write("sub/a", "2");  // in place: the directory's times stay
  service_.forget();
  run();
  EXPECT_THAT(service_.copied, IsEmpty());
  write("sub/b", "new");
  run();
  EXPECT_THAT(service_.copied, ElementsAre("sub/a", "sub/b"));
  write("sub/a", "3");
  service_.forget();
  clock_.advance(definition_.full_every);
  run();
  EXPECT_THAT(service_.copied, ElementsAre("sub/a"));
  expect_mirrored();
}

TEST_F(PassTest, AClockThatWasAheadPutsNothingOff) {
  constexpr Duration kAhead = std::chrono::hours(24 * 3650);
  definition_.trust_directories = true;
  write("sub/a", "1");
  write("sub/b", "2");
  clock_.jump(kAhead);
  service_.failing_targets = {"sub/b"};
  for (int i = 0; i < 3; ++i) run();
  service_.failing_targets.clear();
  clock_.jump(-kAhead);
  write("sub/a", "3");  // in place: the directory has not changed
  run();
  expect_mirrored();
}

TEST_F(PassTest, TrustedDirectoriesAreCountedAndLedThroughAllTheSame) {
  definition_.trust_directories = true;
  definition_.deletions = Deletions::kPropagate;
  write("top", "1");
  write("sub/a", "2");
  write("sub/deep/b", "3");
  write("sub/deep/c", "4");
  make_directory("empty");
  run();
  run();
  const PassReport quick = run();
  EXPECT_EQ(quick.counts.files, 4u);
  EXPECT_EQ(quick.counts.directories, 4u);
  write("sub/deep/d", "new");
  remove("sub/deep/b");
  const PassReport changed = run();  // finds its way through directories that have not changed
  EXPECT_EQ(changed.counts.added, 1u);
  EXPECT_EQ(changed.counts.removed, 1u);
  EXPECT_EQ(changed.counts.files, 4u);
  expect_mirrored();
}

TEST_F(PassTest, AYoungDirectoryIsNotTrusted) {
  definition_.trust_directories = true;
  definition_.settle = Duration(0);
  clock_.jump(system_clock().now() - clock_.now());  // directories are as young as they can be
  write("sub/a", "1");
  run();
  run();
  write("sub/a", "2");
  run();
  expect_mirrored();
}

TEST_F(PassTest, APartialPassLooksOnlyIntoTheGivenDirectories) {
  write("a/x", "1");
  write("b/y", "2");
  run();
  write("a/x", "changed");
  write("a/new/deep/z", "3");
  write("b/y", "changed");
  const std::vector<RelPath> dirty = {RelPath::from_normal("a"), RelPath::from_normal("a/new")};
  PassOptions partial;
  partial.only_directories = &dirty;
  service_.forget();
  run(partial);
  EXPECT_THAT(service_.copied, ElementsAre("a/x", "a/new/deep/z"));
  run();
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, ALockedSyncNamesWhoRunsIt) {
  write("a", "1");
  const auto claim = claims_->acquire(kSyncClaim, "mirror").value();
  const auto report = try_run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kConflict);
  EXPECT_THAT(report.error().message, HasSubstr(fmt::format("process {}", ::getpid())));
}

TEST_F(PassTest, HistoryTellsWhatPassesDid) {
  write("a", "1");
  run();
  run();
  const auto history = store_->history("mirror", 10).value();
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[1].report.counts.added, 1u);
  EXPECT_EQ(history[1].report.counts.bytes, 1u);
  EXPECT_EQ(history[0].report.counts.added, 0u);
  EXPECT_EQ(history[0].report.number, 2u);
  EXPECT_TRUE(history[0].ended.has_value());
  EXPECT_EQ(history[0].report.end, PassEnd::kDone);
}

}  // namespace
}  // namespace wherry::sync
