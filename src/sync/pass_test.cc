// SPDX-License-Identifier: Apache-2.0
#include "sync/pass.h"

#include <gmock/gmock.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
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

TEST_F(PassTest, TooManyDeletionsStopThePassAndFewDoNot) {
  definition_.deletions = Deletions::kPropagate;
  for (int i = 0; i < 100; ++i) write(fmt::format("d{}/f{}", i % 10, i), fmt::format("{}", i));
  run();
  for (int i = 0; i < 6; ++i) remove(fmt::format("d{}", i));
  const PassReport stopped = run();
  EXPECT_EQ(stopped.end, PassEnd::kStopped);
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

TEST_F(PassTest, ARenamedDirectoryIsOneOperationAndNoBytes) {
  definition_.deletions = Deletions::kPropagate;
  for (int i = 0; i < 200; ++i) write(fmt::format("run/f{}", i), fmt::format("{}", i));
  write("run/sub/x", "x");
  write("other", "o");
  run();
  service_.forget();
  rename("run", "results/2018");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
  EXPECT_EQ(report.counts.renamed, 1u);
  EXPECT_EQ(report.counts.removed, 0u);
  EXPECT_THAT(service_.renamed, ElementsAre("run -> results/2018"));
  EXPECT_THAT(service_.copied, IsEmpty());
  EXPECT_THAT(service_.deleted, IsEmpty());
  expect_mirrored();
  expect_nothing_due();
  EXPECT_TRUE(catalog()->check());
}

TEST_F(PassTest, ChangesInsideARenamedDirectoryAreSentAlone) {
  definition_.deletions = Deletions::kPropagate;
  for (int i = 0; i < 20; ++i) write(fmt::format("run/f{:02}", i), fmt::format("{}", i));
  write("run/sub/x", "x");
  write("run/gone/y", "y");
  run();
  service_.forget();
  rename("run", "moved");
  write("moved/f03", "changed");
  write("moved/new", "new");
  remove("moved/f04");
  remove("moved/gone");
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
  EXPECT_THAT(service_.copied, ElementsAre("moved/f03", "moved/new"));
  EXPECT_THAT(service_.deleted, ElementsAre("moved/f04", "moved/gone"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, AMovedFileIsRenamedAtTheTarget) {
  definition_.deletions = Deletions::kPropagate;
  write("a/one", "1");
  write("a/two", "22");
  write("b/three", "333");
  run();
  service_.forget();
  rename("a/two", "b/zwei");
  EXPECT_THAT(dry_run(), ElementsAre("renamed b/zwei from a/two"));
  run();
  EXPECT_THAT(service_.renamed, ElementsAre("a/two -> b/zwei"));
  EXPECT_THAT(service_.copied, IsEmpty());
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, AFileMovedOutOfARemovedDirectoryIsRenamed) {
  definition_.deletions = Deletions::kPropagate;
  write("a/one", "1");
  write("a/two", "22");
  write("a/three", "333");
  for (int i = 0; i < 5; ++i) write(fmt::format("b/{}", i), "x");
  run();
  service_.forget();
  rename("a/two", "b/two");
  remove("a");
  const PassReport report = run();
  EXPECT_EQ(report.counts.removed, 2u);
  EXPECT_THAT(service_.renamed, ElementsAre("a/two -> b/two"));
  EXPECT_THAT(service_.deleted, ElementsAre("a"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, ARenameThatTheTargetDoesNotConfirmIsCopied) {
  definition_.deletions = Deletions::kPropagate;
  write("a", "first");
  write("b", "second");
  write("c", "third");
  run();
  service_.forget();
  fs::remove(at_target("a"));  // somebody meddled
  rename("a", "moved");
  run();
  EXPECT_THAT(service_.renamed, IsEmpty());
  EXPECT_THAT(service_.copied, ElementsAre("moved"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, AnEndpointThatCannotRenameGetsACopyInTheEnd) {
  definition_.deletions = Deletions::kPropagate;
  definition_.renames = false;
  write("a/one", "1");
  write("b", "2");
  write("c", "3");
  run();
  service_.forget();
  rename("a", "z");
  run();
  EXPECT_THAT(service_.copied, ElementsAre("z/one"));
  EXPECT_THAT(service_.deleted, ElementsAre("a"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, ARenameThatFailsIsNotRecordedAndIsCopiedInTheNextPass) {
  definition_.deletions = Deletions::kPropagate;
  for (const char* name : {"run/one", "run/two", "x", "y", "z"}) write(name, name);
  run();
  service_.can_rename = false;
  rename("run", "moved");
  EXPECT_EQ(run().end, PassEnd::kIncomplete);
  EXPECT_TRUE(catalog()->find("run").value().has_value());
  EXPECT_FALSE(catalog()->find("moved").value().has_value());
  service_.forget();
  EXPECT_EQ(run().end, PassEnd::kDone);
  EXPECT_THAT(service_.copied, ElementsAre("moved/one", "moved/two"));
  EXPECT_THAT(service_.deleted, ElementsAre("run"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, AHardLinkIsAFileOfItsOwn) {
  write("a", "shared");
  run();
  fs::create_hard_link(at_source("a"), at_source("b"));
  service_.forget();
  run();
  EXPECT_THAT(service_.renamed, IsEmpty());
  EXPECT_THAT(service_.copied, ElementsAre("b"));
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, RotatedNamesKeepTheirContents) {
  definition_.deletions = Deletions::kPropagate;
  write("log", "newest");
  write("log.1", "older");
  write("log.2", "oldest!");
  run();
  remove("log.2");
  rename("log.1", "log.2");
  rename("log", "log.1");
  write("log", "fresh");
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, SwappedDirectoriesKeepTheirContents) {
  definition_.deletions = Deletions::kPropagate;
  write("a/x", "in a");
  write("b/x", "in b!");
  write("b/only b", "");
  run();
  rename("a", "t");
  rename("b", "a");
  rename("t", "b");
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(PassTest, TypeChangesReplaceWhatWasThere) {
  for (const Deletions deletions : {Deletions::kPropagate, Deletions::kArchive, Deletions::kKeep}) {
    definition_.deletions = deletions;
    definition_.max_delete = 100;
    remove("x");
    remove("y");
    write("x", "a file");
    write("y/inside", "a directory");
    write("anchor", "stays");
    ASSERT_EQ(run().end, PassEnd::kDone);
    remove("x");
    remove("y");
    write("x/inside", "now a directory");
    write("y", "now a file");
    const PassReport report = run();
    EXPECT_EQ(report.end, PassEnd::kDone) << report.message;
    expect_mirrored();
    expect_nothing_due();
  }
}

// Left by a pass whose source changed under it, say.
TEST_F(PassTest, AnUnknownSymlinkInThePlaceOfANewDirectoryIsNotWrittenThrough) {
  write("b/f", "1");
  run();
  fs::create_symlink("b", at_target("a"));
  write("a/f", "2");
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
}

TEST_F(PassTest, WhatChangesItsTypeInARenamedDirectoryIsReplacedInOnePass) {
  for (const Deletions deletions : {Deletions::kKeep, Deletions::kPropagate, Deletions::kArchive}) {
    definition_.deletions = deletions;
    write("d/x/f", "1");
    write("d/y", "2");
    write("d/z", "3");
    ASSERT_EQ(run().end, PassEnd::kDone);
    rename("d", "e");
    remove("e/x");
    write("e/x", "a file");
    PassOptions anything;
    anything.allow_deletions = true;
    const PassReport report = run(anything);
    EXPECT_EQ(report.end, PassEnd::kDone) << to_string(deletions);
    EXPECT_EQ(report.counts.renamed, 1u);
    expect_mirrored();
    remove("e");
    fs::remove_all(at_target("e"));
    run(anything);
  }
}

// What was cleared for something that then failed is not at the target any more, whatever the
// catalog knew: the source may go back to it.
TEST_F(PassTest, WhatGaveWayToSomethingThatFailedIsSentAgain) {
  for (const Deletions deletions : {Deletions::kKeep, Deletions::kPropagate, Deletions::kArchive}) {
    definition_.deletions = deletions;
    write("d/f", "1");
    write("other", "2");
    ASSERT_EQ(run().end, PassEnd::kDone);
    rename("d", "aside");
    write("d", "a file");
    service_.failing_targets = {"d"};
    PassOptions anything;
    anything.allow_deletions = true;
    EXPECT_EQ(run(anything).end, PassEnd::kIncomplete);
    service_.failing_targets.clear();
    remove("d");
    rename("aside", "d");
    EXPECT_EQ(run(anything).end, PassEnd::kDone);
    EXPECT_TRUE(fs::exists(at_target("d/f"))) << to_string(deletions);
    remove("d");
    run(anything);
  }
}

TEST_F(PassTest, WhatAFailedDeletionHasLeftIsNotBelieved) {
  definition_.deletions = Deletions::kPropagate;
  write("d/f", "1");
  write("d/g", "2");
  write("other", "3");
  run();
  rename("d", "../aside");
  service_.failing_deletes = {"d"};
  PassOptions anything;
  anything.allow_deletions = true;
  EXPECT_EQ(run(anything).end, PassEnd::kIncomplete);
  service_.failing_deletes.clear();
  rename("../aside", "d");
  EXPECT_EQ(run().end, PassEnd::kDone);
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
  EXPECT_THAT(tree(target_), UnorderedElementsAre(testing::Pair("absolute", "content"),
                                                  testing::Pair("real", "<directory>"),
                                                  testing::Pair("real/file", "content"),
                                                  testing::Pair("to_file", "content"),
                                                  testing::Pair("to_directory", "<directory>"),
                                                  testing::Pair("to_directory/file", "content")));
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

// --- Crashes: the pass ends at each point in turn, and the next one must converge. ---

class CrashTest : public PassTest {
 protected:
  // Ends the pass when it reaches a point for the `n`th time in all; counts in points_.
  void crash_at(int n) {
    points_ = 0;
    fault_ = [this, n](std::string_view point) -> Result<void> {
      if (points_++ < n) return {};
      return make_error(Code::kUnavailable, "crash at '{}'", point);
    };
  }
  void change_everything() {
    write("new/one", "1");
    write("new/two", "2");
    write("kept/modified", "changed");
    rename("run", "renamed");
    rename("kept/moved", "kept/elsewhere");
    remove("kept/removed");
    remove("type");
    write("type/inside", "x");
    make_directory("empty/below");
  }
  void fill() {
    for (const char* name : {"modified", "moved", "removed", "same"})
      write(std::string("kept/") + name, name);
    for (int i = 0; i < 10; ++i) write(fmt::format("run/f{}", i), fmt::format("{}", i));
    write("type", "a file");
  }
  int points_ = 0;
};

TEST_F(CrashTest, APassThatDiesAnywhereIsFinishedByTheNextWithNothingSentTwice) {
  for (const Deletions deletions : {Deletions::kPropagate, Deletions::kArchive}) {
    definition_.deletions = deletions;
    definition_.batch_size = 2;
    bool died = true;
    for (int n = 0; died; ++n) {
      ASSERT_LT(n, 100);
      SCOPED_TRACE(fmt::format("{} crash {}", to_string(deletions), n));
      for (const char* top : {"new", "kept", "run", "renamed", "type", "empty"}) remove(top);
      fill();
      fault_ = nullptr;
      PassOptions anything;
      anything.allow_deletions = true;
      ASSERT_EQ(run(anything).end, PassEnd::kDone);
      expect_mirrored();
      change_everything();
      service_.forget();
      crash_at(n);
      died = !try_run();
      fault_ = nullptr;
      ASSERT_EQ(run().end, PassEnd::kDone);
      expect_mirrored();
      std::vector<std::string> copied = service_.copied;
      std::sort(copied.begin(), copied.end());
      EXPECT_EQ(std::unique(copied.begin(), copied.end()), copied.end());
      expect_nothing_due();
      EXPECT_FALSE(fs::exists(scratch_.file("mirror.journal")));
      EXPECT_TRUE(catalog()->check());
    }
  }
}

TEST_F(CrashTest, ASubmissionThatWasNotRecordedIsNotMadeTwice) {
  write("a", "1");
  fault_ = [](std::string_view point) -> Result<void> {
    if (point != "after submit") return {};
    return make_error(Code::kUnavailable, "crash");
  };
  EXPECT_FALSE(try_run());
  fault_ = nullptr;
  run();
  EXPECT_EQ(service_.transfers.size(), 1u);
  EXPECT_EQ(service_.duplicates, 1u);
  EXPECT_THAT(service_.copied, ElementsAre("a"));
  expect_mirrored();
}

TEST_F(CrashTest, AJournalOfAnotherCatalogIsNotApplied) {
  write("a", "1");
  run();
  write("b", "2");
  fault_ = [](std::string_view point) -> Result<void> {
    return point == "sealed" ? make_error(Code::kUnavailable, "crash") : Result<void>();
  };
  EXPECT_FALSE(try_run());
  fault_ = nullptr;
  fs::remove(scratch_.file("mirror.catalog"));
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(CrashTest, ARenameThatFailedIsNotTakenForDoneWhenItsFilesWereCopied) {
  definition_.deletions = Deletions::kPropagate;
  for (const char* name : {"run/one", "run/two", "x", "y", "z"}) write(name, name);
  run();
  rename("run", "moved");
  write("moved/two", "changed");
  service_.can_rename = false;
  fault_ = [](std::string_view point) -> Result<void> {
    return point == "transferred" ? make_error(Code::kUnavailable, "crash") : Result<void>();
  };
  EXPECT_FALSE(try_run());
  EXPECT_TRUE(fs::exists(at_target("moved/two")));
  fault_ = nullptr;
  run();
  run();
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(CrashTest, WhatTookThePlaceOfSomethingIsNotArchivedWhenThePassIsFinished) {
  definition_.deletions = Deletions::kArchive;
  for (const char* name : {"b/one", "b/two", "b/three", "x", "y", "z"}) write(name, name);
  run();
  // The target lost the file that is to be put aside: the first run finds nothing to archive.
  fs::remove(at_target("x"));
  remove("x");
  write("x/inside", "1");
  fault_ = [](std::string_view point) -> Result<void> {
    return point == "transferred" ? make_error(Code::kUnavailable, "crash") : Result<void>();
  };
  EXPECT_FALSE(try_run());
  EXPECT_TRUE(fs::exists(at_target("x/inside")));
  fault_ = nullptr;
  run();
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(CrashTest, ADamagedJournalIsPutAside) {
  write("a", "1");
  fault_ = [](std::string_view point) -> Result<void> {
    return point == "sealed" ? make_error(Code::kUnavailable, "crash") : Result<void>();
  };
  EXPECT_FALSE(try_run());
  fault_ = nullptr;
  std::string bytes = read_file(scratch_.file("mirror.journal"), UINT64_MAX).value();
  bytes[bytes.size() / 2] ^= 1;
  durable_write_file(scratch_.file("mirror.journal"), bytes, 0600).value();
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
}

TEST_F(CrashTest, AStopLeavesAPassThatTheNextFinishes) {
  write("a", "1");
  std::stop_source stop;
  const PassParts parts{service_,
                        *store_,
                        *claims_,
                        clock_,
                        {scratch_.path()},
                        "user",
                        [&](std::string_view point) -> Result<void> {
                          if (point == "after submit") stop.request_stop();
                          return {};
                        }};
  const auto report = run_pass(parts, definition_, {}, stop.get_token());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kCancelled);
  EXPECT_EQ(run().end, PassEnd::kDone);
  EXPECT_THAT(service_.copied, ElementsAre("a"));
  const auto history = store_->history("mirror", 10).value();
  EXPECT_TRUE(history.back().report.resumed);
}

}  // namespace
}  // namespace wherry::sync
