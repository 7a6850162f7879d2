// SPDX-License-Identifier: Apache-2.0
// Acceptance scenarios of staging that are about more than one decision of the stager. Those that
// have a full size are tried small; at full size, which takes minutes, with WHERRY_FULL_SIZE=1 in
// the environment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "jobs/test_site.h"
#include "storage/backends.h"
#include "storage/decorator.h"

namespace wherry::jobs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

// ---- Many jobs.

class ManyJobsTest : public SiteFixture {
 protected:
  std::size_t active_tasks() {
    const auto all = service_->all_tasks();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(),
        [](const tasks::Task& task) { return task.state == tasks::TaskState::kActive; }));
  }
};

// Scenario 1. How soon a job learns that its data has arrived is measured by bench/run
// (site-latency).
TEST_F(ManyJobsTest, TravelInAsFewTasksAsTheirItemsFillAndEachItemOnce) {
  const std::size_t count = is_full_size() ? kMaxBulk : 500;
  const std::size_t in_task = settings_.transfers.transfer_batch_size;
  const auto jobs = create_with_inputs(count);
  std::size_t calls = 0;
  service_->fault = [&](std::string_view, const std::string&) -> Result<void> {
    ++calls;
    return {};
  };
  for (int steps = 0; states()[JobState::kReady] > 0; ++steps) {
    ASSERT_LT(steps, 100);
    step();
    EXPECT_LE(active_tasks(), settings_.transfers.max_concurrent_transfers);
    service_->run_tasks();
  }
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kStagedIn, count)));
  ASSERT_EQ(service_->accepted.size(), count / in_task);
  std::set<std::string> targets;
  for (const tasks::TransferRequest& request : service_->accepted) {
    EXPECT_EQ(request.items.size(), in_task);
    for (const auto& item : request.items) targets.insert(item.target.text());
  }
  EXPECT_EQ(targets.size(), count);
  EXPECT_EQ(item_of(jobs.back(), "data").attempts, 1);
  EXPECT_LE(calls, 6 * service_->accepted.size()) << "few calls for a task, however many items";
}

// ---- Crashes. Scenario 5, B6: what was submitted and not recorded was submitted twice.

class StagerCrashTest : public SiteFixture {
 protected:
  // Ends a step when it reaches a point for the `n`th time in all.
  void crash_at(int n) {
    points_ = 0;
    fault_ = [this, n](std::string_view point) -> Result<void> {
      if (points_++ < n) return {};
      return make_error(Code::kUnavailable, "crash at '{}'", point);
    };
  }
  int points_ = 0;
};

TEST_F(StagerCrashTest, ASiteThatDiesAnywhereGoesOnWithNothingLostOrSentTwice) {
  const std::size_t count = is_full_size() ? 1'000 : 8;
  settings_.transfers.transfer_batch_size = count / 2;
  std::size_t made = 0;
  bool died = true;
  app("with-input", {{"data", in("input")}});
  for (int n = 0; died; ++n) {
    ASSERT_LT(n, 200);
    SCOPED_TRACE(fmt::format("crash {}", n));
    std::vector<NewJob> jobs;
    for (std::size_t i = 0; i < count; ++i, ++made) {
      write("lab", fmt::format("in/{}", made), fmt::format("content {}", made));
      jobs.push_back(new_job("with-input", fmt::format("job{}", made),
                             {{"data", {"lab", fmt::format("/in/{}", made)}}}));
    }
    const auto ids = create(jobs);
    fs::remove(at("lab", fmt::format("in/{}", made - 1)));
    start_stager();
    service_->accepted.clear();
    crash_at(n);
    died = false;
    for (int round = 0; round < 4 && !died; ++round) {
      died = !stager_->step({});
      service_->run_tasks();
    }
    fault_ = nullptr;
    start_stager();
    settle();
    for (std::size_t i = 0; i < ids.size(); ++i)
      EXPECT_EQ(state(ids[i]), i + 1 == count ? JobState::kFailed : JobState::kPreprocessed) << i;
    EXPECT_EQ(service_->accepted.size(), 2u) << "each batch is one task";
    EXPECT_EQ(item_of(ids[0], "data").attempts, 1);
    if (HasFailure()) return;
  }
  EXPECT_GT(points_, 10);
}

TEST_F(StagerCrashTest, WhatWasToBeSentIsSentAsItWasWhateverHasChangedSince) {
  app("makes", {{"all", out("*.dat")}});
  create({new_job("makes", "work", {{"all", {"far", "/r"}}})});
  process();
  write("site", "work/a.dat", "1");
  run_jobs(1);
  process();
  fault_ = [](std::string_view point) -> Result<void> {
    if (point == "submitted") return make_error(Code::kUnavailable, "killed");
    return {};
  };
  EXPECT_FALSE(stager_->step({}));
  fault_ = nullptr;
  write("site", "work/b.dat", "2");
  settings_.transfers.globus_endpoint_site_path = "/elsewhere";
  start_stager();
  settle();
  EXPECT_EQ(service_->duplicates, 1u);
  ASSERT_EQ(service_->accepted.size(), 1u);
  EXPECT_EQ(service_->accepted[0].items.size(), 1u);
  EXPECT_EQ(read("far", "r/a.dat"), "1");
  EXPECT_EQ(read("far", "r/b.dat"), "<missing>");
}

TEST_F(StagerCrashTest, AJobThatIsDeletedBetweenSubmissionAndRecordLeavesNoOrphan) {
  const auto jobs = create_with_inputs(1);
  fault_ = [](std::string_view point) -> Result<void> {
    if (point == "submitted") return make_error(Code::kUnavailable, "killed");
    return {};
  };
  EXPECT_FALSE(stager_->step({}));
  fault_ = nullptr;
  JobFilter filter;
  filter.ids = {jobs[0]};
  ASSERT_TRUE(stores_->jobs.remove(filter));
  start_stager();
  step();
  EXPECT_EQ(service_->cancelled.size(), 1u);
  EXPECT_THAT(stores_->items.open_tasks(site_.id).value(), IsEmpty());
}

// ---- Cancelling.

// Scenario 18, of results on their way.
TEST_F(StagerCrashTest, AJobThatIsDeletedWhileItsResultsLeaveEndsTheirTask) {
  app("makes", {{"result", out("result")}});
  const JobId job = create({new_job("makes", "work", {{"result", {"far", "/r"}}})}).at(0);
  process();
  write("site", "work/result", "1");
  run_jobs(1);
  process();
  step();
  ASSERT_EQ(service_->accepted.size(), 1u);
  JobFilter filter;
  filter.ids = {job};
  ASSERT_TRUE(stores_->jobs.remove(filter));
  start_stager();
  step();
  EXPECT_THAT(service_->cancelled, ElementsAre(service_->all_tasks().at(0).id));
  EXPECT_THAT(stores_->items.open_tasks(site_.id).value(), IsEmpty());
}

// ---- Sources that change. Scenario 12.

// A place where somebody writes while it is read.
class BusyStorage : public storage::Decorator {
 public:
  using Decorator::Decorator;
  using Meddle = std::function<void(const std::string& path)>;
  Meddle before_open, after_open;

  Result<std::unique_ptr<storage::ReadFile>> open_read(const RelPath& path) override {
    if (before_open) before_open(path.text());
    auto opened = Decorator::open_read(path);
    if (after_open) after_open(path.text());
    return opened;
  }

 protected:
  Result<void> around(Call& /*call*/, const std::function<Result<void>()>& body) override {
    return body();
  }
};

class BusySourceTest : public SiteFixture {
 protected:
  BusySourceTest()
      : lab_(std::make_shared<BusyStorage>(storage::open_posix(scratch_.file("lab")).value())) {
    endpoints_->substitute(endpoint_ids_["lab"], lab_);
  }
  std::shared_ptr<BusyStorage> lab_;
};

TEST_F(BusySourceTest, AFileThatIsRewrittenUnderTheCopyArrivesAsItIsThen) {
  const auto jobs = create_with_inputs(3);
  std::set<std::string> changed;
  lab_->after_open = [&](const std::string& path) {
    if (!changed.insert(path).second) return;
    if (path == "in/0") write("lab", path, "rewritten, and longer than it was");
    if (path == "in/1") write("lab", path, "cut");
  };
  settle();
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kPreprocessed, 3u)));
  EXPECT_EQ(read("site", "job0/input"), "rewritten, and longer than it was");
  EXPECT_EQ(read("site", "job1/input"), "cut");
  EXPECT_EQ(read("site", "job2/input"), "content 2");
}

TEST_F(BusySourceTest, AFileThatVanishesUnderTheCopyFailsItsOwnJobAlone) {
  const auto jobs = create_with_inputs(3);
  lab_->before_open = [&](const std::string& path) {
    if (path == "in/1") fs::remove(at("lab", path));
  };
  settle();
  EXPECT_THAT(states(),
              ElementsAre(Pair(JobState::kPreprocessed, 2u), Pair(JobState::kFailed, 1u)));
  EXPECT_EQ(item_of(jobs[1], "data").error.value().code, "FILE_NOT_FOUND");
  EXPECT_EQ(read("site", "job1/input"), "<missing>");
}

TEST_F(BusySourceTest, AFileThatNeverStandsStillIsNeverTakenForArrivedAndComesLater) {
  const auto jobs = create_with_inputs(2);
  std::string content = "x";
  lab_->after_open = [&](const std::string& path) {
    if (path == "in/0") write("lab", path, content += "x");
  };
  settle();
  EXPECT_EQ(state(jobs[1]), JobState::kPreprocessed);
  EXPECT_EQ(state(jobs[0]), JobState::kReady);
  EXPECT_EQ(item_of(jobs[0], "data").error.value().code, "FILE_SIZE_CHANGED");
  EXPECT_EQ(read("site", "job0/input"), "<missing>");
  lab_->after_open = nullptr;
  clock_.advance(1min);
  settle();
  EXPECT_EQ(state(jobs[0]), JobState::kPreprocessed);
  EXPECT_EQ(read("site", "job0/input"), content);
}

// ---- What a service says.

class AnswersTest : public SiteFixture {};

// B8: what a service had refused for good was asked of it for half an hour, as if it were away.
TEST_F(AnswersTest, ARefusalIsFinalAndNothingIsAskedTwice) {
  const auto jobs = create_with_inputs(1);
  service_->refuses = [](const tasks::TransferRequest&) { return true; };
  const TimePoint begun = clock_.now();
  settle();
  EXPECT_EQ(clock_.now(), begun);
  EXPECT_EQ(service_->submits, 1u);
  EXPECT_EQ(state(jobs[0]), JobState::kFailed);
  EXPECT_EQ(item_of(jobs[0], "data").error.value().code, "REFUSED");
}

// B15: the text of an error was run as a program, to see whether it spoke of a consent.
TEST_F(AnswersTest, WhatAnErrorSaysIsOnlyShownAndItsCodeDecides) {
  const auto jobs = create_with_inputs(1);
  const std::string text = "{'code': 'ConsentRequired', 'x': __import__('os').abort()}";
  service_->fault = [&](std::string_view call, const std::string&) -> Result<void> {
    if (call != "submit") return {};
    return make_error(Code::kUnavailable, "{}", text);
  };
  const Stager::Step held = step();
  ASSERT_EQ(held.alerts.size(), 1u);
  EXPECT_THAT(held.alerts[0].message, HasSubstr(text));
  EXPECT_EQ(state(jobs[0]), JobState::kReady);
  service_->fault = nullptr;
  clock_.advance(30s);
  settle();
  EXPECT_EQ(state(jobs[0]), JobState::kPreprocessed);
}

}  // namespace
}  // namespace wherry::jobs
