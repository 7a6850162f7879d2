// SPDX-License-Identifier: Apache-2.0
// Passes that end at each point in turn: the next one must converge.
#include <gmock/gmock.h>

#include "base/file.h"
#include "sync/pass.h"
#include "sync/test_fixture.h"

namespace wherry::sync {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class CrashTest : public SyncFixture {
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

TEST_F(CrashTest, WhatCouldNotBeArchivedIsNotTakenForGoneWhenThePassIsFinished) {
  definition_.deletions = Deletions::kArchive;
  for (const char* name : {"x/inside", "y", "z"}) write(name, name);
  run();
  remove("x");
  write("x", "a file");
  service_.can_rename = false;
  fault_ = [](std::string_view point) -> Result<void> {
    return point == "prepared" ? make_error(Code::kUnavailable, "crash") : Result<void>();
  };
  EXPECT_FALSE(try_run());
  fault_ = nullptr;
  service_.can_rename = true;
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
  expect_nothing_due();
}

TEST_F(CrashTest, WhatCouldNotBeArchivedIsNotTakenForGoneWhenItsDirectoryWasRenamedSince) {
  definition_.deletions = Deletions::kArchive;
  for (const char* name : {"a/x/inside", "a/one", "a/two", "c/moved", "y", "z"}) write(name, name);
  run();
  rename("a", "b");
  remove("b/x");
  write("b/x", "a file");
  rename("c/moved", "c/elsewhere");
  int renames = 0;
  fault_ = [&](std::string_view point) -> Result<void> {
    service_.can_rename = point != "before archive";
    if (point != "before rename" || ++renames < 2) return {};
    return make_error(Code::kUnavailable, "crash");
  };
  EXPECT_FALSE(try_run());
  EXPECT_TRUE(fs::exists(at_target("b/x/inside")));
  fault_ = nullptr;
  service_.can_rename = true;
  run();
  run();
  expect_mirrored();
  expect_nothing_due();
}

// A power cut in a rename may leave both names.
TEST_F(CrashTest, AnArchivingThatAPowerCutHasTakenBackByHalfIsDoneAgain) {
  definition_.deletions = Deletions::kArchive;
  definition_.symlinks = engine::SymlinkPolicy::kKeep;
  definition_.max_delete = 100;
  for (const char* name : {"file", "first", "last", "other/inside", "moved"}) write(name, name);
  link("link", "other");
  run();
  for (const char* name : {"file", "link", "first", "last"}) remove(name);
  write("file/inside", "1");
  write("link/inside", "2");
  rename("moved", "renamed");
  std::string archive;
  const auto take_back = [&](const std::string& name) {
    if (archive.empty())
      archive = fs::directory_iterator(at_target(std::string(kArchiveDirectory)))->path().string();
    fs::rename(archive + "/" + name, at_target(name));
    if (fs::is_symlink(at_target(name)))
      fs::copy_symlink(at_target(name), archive + "/" + name);
    else
      fs::create_hard_link(at_target(name), archive + "/" + name);
  };
  fault_ = [](std::string_view point) -> Result<void> {
    return point == "before rename" ? make_error(Code::kUnavailable, "crash") : Result<void>();
  };
  EXPECT_FALSE(try_run());
  take_back("file");
  take_back("link");
  int archived = 0;
  fault_ = [&](std::string_view point) -> Result<void> {
    if (point != "before archive" || ++archived < 4) return {};
    return make_error(Code::kUnavailable, "crash");
  };
  EXPECT_FALSE(try_run());
  take_back("first");
  fault_ = nullptr;
  EXPECT_EQ(run().end, PassEnd::kDone);
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
