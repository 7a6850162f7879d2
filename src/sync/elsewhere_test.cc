// SPDX-License-Identifier: Apache-2.0
// Syncs whose endpoints are at a service on another machine.
#include <gmock/gmock.h>

#include <atomic>

#include "sync/test_fixture.h"

namespace wherry::sync {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ElsewhereTest : public SyncFixture {
 protected:
  ElsewhereTest() {
    definition_.service = "elsewhere";
    service_.is_remote = true;
    service_.tells_items = false;
  }
};

TEST_F(ElsewhereTest, OutcomesAreKnownByTheirPaths) {
  write("a", "1");
  write("b/c", "2");
  service_.failing_sources = {"a"};
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kIncomplete);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].path, "a");
  service_.failing_sources.clear();
  service_.forget();
  clock_.advance(std::chrono::hours(25));  // what failed is due again
  EXPECT_EQ(run().end, PassEnd::kDone);
  EXPECT_THAT(service_.copied, ElementsAre("a"));
  expect_mirrored();
}

TEST_F(ElsewhereTest, TheSourceIsReadHereIfItIsHere) {
  write("deep/a", "1");
  definition_.source.path = RelPath::from_normal("deep");
  definition_.source.host = at_source("deep");
  service_.is_remote = true;
  EXPECT_EQ(run().end, PassEnd::kDone);
  EXPECT_THAT(service_.copied, ElementsAre("deep/a"));
  // With inodes, which list() does not tell, a rename is seen.
  rename("deep/a", "deep/b");
  service_.forget();
  EXPECT_EQ(run().counts.renamed, 1u);
  EXPECT_THAT(service_.copied, IsEmpty());
}

TEST_F(ElsewhereTest, WhatWillNeverWorkEndsAtOnceAndHoldsUpNothingElse) {
  write("good/a", "1");
  write("locked/x", "2");
  write("locked/y", "3");
  service_.stuck_targets = {"locked/x", "locked/y"};
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kIncomplete);
  EXPECT_THAT(service_.copied, ElementsAre("good/a"));
  EXPECT_EQ(report.counts.failed, 2u);  // the directory, of which one file was named
  service_.forget();
  EXPECT_EQ(run().counts.failed, 2u);  // tried once more with the next pass
  EXPECT_EQ(run().counts.delayed, 2u) << "now they have to wait";
  EXPECT_THAT(service_.copied, IsEmpty());
  service_.stuck_targets.clear();
  clock_.advance(std::chrono::hours(25));
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
}

TEST_F(ElsewhereTest, ADirectoryThatTheEndpointRefusesHoldsUpNothingElse) {
  write("good/a", "1");
  make_directory("bad");
  make_directory("other");
  service_.refused_directories = {"bad"};
  const PassReport report = run();
  EXPECT_EQ(report.end, PassEnd::kIncomplete);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].path, "bad");
  EXPECT_THAT(service_.copied, ElementsAre("good/a"));
  service_.refused_directories.clear();
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
}

TEST_F(ElsewhereTest, FullDisksAndQuotasEndTasks) {
  write("a", "1");
  ASSERT_EQ(run().end, PassEnd::kDone);
  ASSERT_EQ(service_.transfers.size(), 1u);
  EXPECT_TRUE(service_.transfers[0].options.fail_on_quota_errors);
}

TEST_F(ElsewhereTest, AServiceThatNobodyKnowsIsSaidToBeOne) {
  definition_.service = "nowhere";
  const auto report = try_run();
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("nowhere"));
}

TEST_F(ElsewhereTest, AListingThatWasStoppedIsNoDirectoryThatCannotBeRead) {
  write("a", "1");
  write("sub/b", "2");
  std::stop_source stop;
  service_.before_list = [&](const RelPath& path) -> Result<void> {
    if (path.name() != "sub") return {};
    stop.request_stop();
    return make_error(Code::kCancelled, "the request was stopped");
  };
  const PassParts parts{
      service_,          *store_, *claims_, clock_,
      {scratch_.path()}, "user",  {},       [&](const std::string&) { return &service_; }};
  const auto report = run_pass(parts, definition_, {}, stop.get_token());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kCancelled);
  EXPECT_THAT(service_.copied, IsEmpty());
  EXPECT_THAT(store_->history("mirror", 10).value(), IsEmpty());
  service_.before_list = nullptr;
  EXPECT_EQ(run().end, PassEnd::kDone);
  expect_mirrored();
}

TEST_F(ElsewhereTest, AServiceThatGoesAwayEndsTheScanAndDeletesNothing) {
  definition_.deletions = Deletions::kPropagate;
  for (const char* path : {"a/1", "b/2", "c/3", "d/4", "e/5"}) write(path, "content");
  ASSERT_EQ(run().end, PassEnd::kDone);
  std::atomic<int> asked = 0;
  service_.before_list = [&](const RelPath& path) -> Result<void> {
    if (path.is_root()) return {};
    ++asked;
    return make_error(Code::kUnavailable, "the service answered 503");
  };
  const auto report = try_run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().retry, Retry::kLater);
  EXPECT_LE(asked.load(), 2) << "one for each thread";
  service_.before_list = nullptr;
  expect_nothing_due();
}

TEST_F(ElsewhereTest, TheStoreKeepsServiceAndHostDirectory) {
  definition_.name = "kept";
  definition_.source.host = "/data/\xff";
  ASSERT_TRUE(store_->add(definition_));
  EXPECT_EQ(store_->get("kept").value(), definition_);
}

}  // namespace
}  // namespace wherry::sync
