// SPDX-License-Identifier: Apache-2.0
// The whole process of a site, with the machine's clock.
#include "jobs/site_process.h"

#include <gtest/gtest.h>
#include <soci/soci.h>

#include <atomic>
#include <mutex>

#include "base/worker_pool.h"
#include "jobs/test_site.h"
#include "tasks/claim.h"

namespace wherry::jobs {
namespace {

using namespace std::chrono_literals;

class RunSiteTest : public SiteFixture {
 protected:
  RunSiteTest() {
    live_database_ = Database::open({.path = scratch_.file("wherry.db"),
                                     .sessions = 4,
                                     .busy_timeout_ms = 30'000,
                                     .fault = {}})
                         .value();
    live_endpoints_ =
        std::make_unique<endpoints::Endpoints>(*live_database_, system_clock(), system_random());
    live_ = tasks::LocalService::create(
        {*live_database_, *live_endpoints_, system_clock(), system_random()}, {},
        tasks::Execution::kAll);
  }
  ~RunSiteTest() override { stop_.request_stop(); }

  SiteProcessParts parts() {
    return {
        [this](const std::string& name) -> Result<tasks::TransferService*> {
          if (failing_services_-- > 0)
            return make_error(Code::kUnavailable, "service '{}' is away", name);
          return live_.get();
        },
        *live_database_,
        system_clock(),
        system_random(),
        [](const std::string&, const SiteSettings&) -> schedulers::Scheduler* { return nullptr; },
        "true",
        [this](std::string_view line) {
          const std::lock_guard lock(mutex_);
          notes_.emplace_back(line);
        }};
  }
  // Runs a process of the site until `stop`.
  void run(std::stop_token stop) {
    pool_.submit([this, stop] {
      const auto ended = run_site(parts(), site_.id, stop);
      EXPECT_TRUE(ended) << ended.error().message;
      ++ended_;
    });
  }
  bool noted(std::string_view text) {
    const std::lock_guard lock(mutex_);
    for (const std::string& note : notes_) {
      if (note.find(text) != std::string::npos) return true;
    }
    return false;
  }
  template <class Condition>
  void wait_until(Condition holds) {
    const Duration end = system_clock().monotonic() + 60s;
    while (!holds()) {
      ASSERT_LT(system_clock().monotonic(), end);
      ASSERT_TRUE(system_clock().sleep(10ms, {}));
    }
  }

  std::unique_ptr<Database> live_database_;
  std::unique_ptr<endpoints::Endpoints> live_endpoints_;
  std::unique_ptr<tasks::LocalService> live_;
  std::atomic<int> failing_services_ = 0;
  std::atomic<int> ended_ = 0;
  std::mutex mutex_;
  std::vector<std::string> notes_;
  std::stop_source stop_;
  WorkerPool pool_{{2, 2}};  // ends first
};

TEST_F(RunSiteTest, AJobGoesFromItsInputToItsResult) {
  App made;
  made.site = site_.id;
  made.name = "double";
  made.command = "cat input input > result";
  made.transfers = {{"data", in("input")}, {"result", out("result")}};
  ASSERT_TRUE(stores_->apps.put(made));
  run(stop_.get_token());
  std::vector<NewJob> jobs;
  for (int i = 0; i < 5; ++i) {
    write("lab", fmt::format("{}", i), fmt::format("{};", i));
    jobs.push_back(new_job("double", fmt::format("w{}", i),
                           {{"data", {"lab", fmt::format("/{}", i)}},
                            {"result", {"far", fmt::format("/out/{}", i)}}}));
  }
  const auto ids = create(jobs);
  wait_until([&] { return states()[JobState::kJobFinished] == 5; });
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(read("far", fmt::format("out/{}", i)), fmt::format("{};{};", i, i));
  wait_until([&] { return stores_->sites.get(site_.id)->last_progress.has_value(); });
  EXPECT_EQ(stores_->sites.get(site_.id)->alert, "");
  // That its task ended a job knows sooner than by the looks of every service_period, of 5 s.
  EventFilter filter;
  filter.to = "STAGED_IN";
  const auto staged = stores_->jobs.events(filter).value();
  ASSERT_EQ(staged.rows.size(), 5u);
  for (const JobEvent& event : staged.rows) {
    const auto task = live_->task(item_of(event.job, "data").task_id).value();
    EXPECT_LT(event.time - task.completed.value(), 4s);
  }
}

// B7: one failure ended the service, and the site was shown as active all the same.
TEST_F(RunSiteTest, APartThatFailsIsStartedAgainAndTheSiteSaysSo) {
  create_with_inputs(1);
  failing_services_ = 2;
  run(stop_.get_token());
  Site troubled;
  wait_until([&] {
    troubled = stores_->sites.get(site_.id).value();
    return troubled.alert.find("service 'local' is away") != std::string::npos;
  });
  EXPECT_TRUE(troubled.last_refresh);
  EXPECT_FALSE(troubled.last_progress) << "it lives, and nothing goes on";
  wait_until([&] { return states()[JobState::kReady] == 0; });
  wait_until([&] {
    const Site well = stores_->sites.get(site_.id).value();
    return well.alert.empty() && well.last_progress.has_value();
  });
}

// Scenario 6.
TEST_F(RunSiteTest, ASecondProcessOfOneSiteWaitsAndTakesOver) {
  std::stop_source first;
  run(first.get_token());
  wait_until([&] { return stores_->sites.get(site_.id)->last_refresh.has_value(); });
  run(stop_.get_token());
  wait_until([&] { return noted("waiting: "); });
  create_with_inputs(10);
  wait_until([&] { return states()[JobState::kReady] == 0; });
  EXPECT_EQ(live_->tasks({})->size(), 1u);
  first.request_stop();
  wait_until([&] { return ended_ == 1; });
  app("more", {{"data", in("input")}});
  create({new_job("more", "later", {{"data", {"lab", "/in/1"}}})});
  wait_until([&] { return states()[JobState::kReady] == 0; });
  EXPECT_EQ(read("site", "later/input"), "content 1");
}

// B17: a process that had died elsewhere held the site for ever.
using TakeOverTest = SiteFixture;

TEST_F(TakeOverTest, ASilentProcessOnAnotherHostLosesTheSiteAfterAMinute) {
  FakeClock clock(system_clock().now(), FakeClock::Sleepers::kAdvance);
  tasks::Claims claims(*database_, clock);
  const auto claim = claims.acquire(kSiteClaim, site_claim_id(site_.id));
  ASSERT_TRUE(claim);
  ASSERT_TRUE(database_->write([](soci::session& sql) -> Result<void> {
    sql << "update claim set host = 'elsewhere'";
    return {};
  }));
  std::stop_source stop;
  std::optional<Duration> taken_after;
  const Duration begin = clock.monotonic();
  const SiteProcessParts parts{
      [this](const std::string&) -> Result<tasks::TransferService*> { return service_.get(); },
      *database_,
      clock,
      random_,
      [](const std::string&, const SiteSettings&) -> schedulers::Scheduler* { return nullptr; },
      "true",
      [&](std::string_view line) {
        if (line.find("taken over") == std::string_view::npos) return;
        taken_after = clock.monotonic() - begin;
        stop.request_stop();
      }};
  ASSERT_TRUE(run_site(parts, site_.id, stop.get_token()));
  ASSERT_TRUE(taken_after);
  EXPECT_GE(*taken_after, 60s);
  EXPECT_LE(*taken_after, 70s);
}

TEST_F(RunSiteTest, ChangedSettingsAreInForceWithoutARestart) {
  const std::string all = site_.settings;
  const std::string without = all.substr(0, all.find("    far:"));
  app("app", {{"data", in("input")}});
  write("far", "x", "1");
  const auto jobs = create({new_job("app", "w", {{"data", {"far", "/x"}}})});
  ASSERT_TRUE(stores_->sites.set_settings(site_.id, without));
  run(stop_.get_token());
  wait_until([&] {
    return stores_->sites.get(site_.id)->alert.find("wherry site sync") != std::string::npos;
  });
  EXPECT_EQ(state(jobs[0]), JobState::kReady);
  ASSERT_TRUE(stores_->sites.set_settings(site_.id, all));
  wait_until([&] { return state(jobs[0]) != JobState::kReady; });
  wait_until([&] { return stores_->sites.get(site_.id)->alert.empty(); });
}

TEST_F(RunSiteTest, WhatIsMadeAfterTheSettingsChangedIsMovedAsTheySay) {
  app("app", {{"data", in("input")}});
  write("lab", "x", "of lab");
  write("far", "x", "of far");
  const std::string far = site_.settings;
  std::string lab = far;
  lab.replace(lab.find("wherry://far"), 12, "wherry://lab");
  run(stop_.get_token());
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(stores_->sites.set_settings(site_.id, round % 2 == 0 ? lab : far));
    const std::string workdir = fmt::format("w{}", round);
    const auto made = create({new_job("app", workdir, {{"data", {"far", "/x"}}})});
    wait_until([&] { return state(made[0]) != JobState::kReady; });
    EXPECT_EQ(read("site", workdir + "/input"), round % 2 == 0 ? "of lab" : "of far");
  }
}

}  // namespace
}  // namespace wherry::jobs
