// SPDX-License-Identifier: Apache-2.0
#include "server/timer_loop.h"

#include "server/timer_fixture.h"

namespace wherry::server {
namespace {

using api::TimerStatus;
using std::chrono::hours;
using std::chrono::minutes;

class TimerLoopTest : public TimerFixture {};

TEST_F(TimerLoopTest, WhatIsDueIsSubmittedInItsOwnersName) {
  const Timer timer = create();
  EXPECT_EQ(loop_->step().value(), 1u);
  const auto submitted = tasks();
  ASSERT_EQ(submitted.size(), 1u);
  EXPECT_EQ(submitted[0].owner, kAda);
  EXPECT_EQ(submitted[0].label, "nightly, run 1");
  const Timer after = look(timer);
  EXPECT_EQ(after.status, TimerStatus::kEnded);
  EXPECT_EQ(after.runs, 1u);
  EXPECT_EQ(after.last_ran, world_.clock.now());
  ASSERT_EQ(after.results.size(), 1u);
  EXPECT_EQ(after.results[0].task_id, submitted[0].id);
}

TEST_F(TimerLoopTest, ANewTimerIsLoadedAndWaitsForItsTime) {
  const Timer timer = timers_
                          ->create(kAda, {.name = "later",
                                          .schedule = {.start = world_.clock.now() + hours(1)},
                                          .body = boost::json::serialize(body())})
                          .value();
  EXPECT_EQ(timer.status, TimerStatus::kNew);
  EXPECT_EQ(loop_->step().value(), 0u);
  EXPECT_EQ(look(timer).status, TimerStatus::kLoaded);
  world_.clock.advance(hours(1));
  EXPECT_EQ(loop_->step().value(), 1u);
}

TEST_F(TimerLoopTest, ARecurringTimerRunsOncePerInterval) {
  const Timer timer = create(hours(1));
  EXPECT_EQ(loop_->step().value(), 1u);
  EXPECT_EQ(loop_->step().value(), 0u);
  world_.clock.advance(hours(1));
  EXPECT_EQ(loop_->step().value(), 1u);
  EXPECT_EQ(look(timer).runs, 2u);
  EXPECT_EQ(look(timer).next_run, timer.schedule.start + hours(2));
  EXPECT_EQ(tasks().size(), 2u);
}

TEST_F(TimerLoopTest, AfterADownTimeOneRunMakesUpForAll) {
  const Timer timer = create(hours(1));
  EXPECT_EQ(loop_->step().value(), 1u);
  world_.clock.advance(hours(10) + minutes(5));
  restart();
  EXPECT_EQ(loop_->step().value(), 1u);
  EXPECT_EQ(loop_->step().value(), 0u);
  EXPECT_EQ(look(timer).next_run, timer.schedule.start + hours(11));
}

TEST_F(TimerLoopTest, APausedTimerRunsNotAndMakesUpForItOnceWhenResumed) {
  const Timer timer = create(hours(1));
  EXPECT_EQ(loop_->step().value(), 1u);
  ASSERT_TRUE(timers_->pause(kAda, timer.id));
  world_.clock.advance(hours(5));
  EXPECT_EQ(loop_->step().value(), 0u);
  EXPECT_EQ(look(timer).status, TimerStatus::kInactive);
  ASSERT_TRUE(timers_->resume(kAda, timer.id));
  EXPECT_EQ(loop_->step().value(), 1u);
  EXPECT_EQ(loop_->step().value(), 0u);
}

// Whatever write fails, as if the process had died there: in the end there is one transfer, and it
// is recorded.
TEST_F(TimerLoopTest, ACrashAtAnyWriteSubmitsNothingTwice) {
  int faults = 0;
  for (int fault = 1;; ++fault) {
    const Timer timer = create();
    const std::size_t before = tasks().size();
    int points = 0;
    world_.fault = [&](std::string_view) -> Result<void> {
      if (++points < fault) return {};
      return make_error(Code::kUnavailable, "died");
    };
    (void)loop_->step();
    world_.fault = {};
    if (points < fault) break;  // there was nothing left to fail
    ++faults;
    restart();
    world_.clock.advance(minutes(11));
    (void)loop_->step().value();
    EXPECT_EQ(tasks().size(), before + 1) << "fault " << fault;
    const Timer after = look(timer);
    EXPECT_EQ(after.runs, 1u) << "fault " << fault;
    ASSERT_EQ(after.results.size(), 1u) << "fault " << fault;
    EXPECT_FALSE(after.results[0].task_id.empty()) << "fault " << fault;
  }
  EXPECT_GT(faults, 10);
}

TEST_F(TimerLoopTest, WhatAnotherProcessRunsIsLeftToIt) {
  const Timer timer = create();
  const auto other = world_.open_database();
  tasks::Claims claims(*other, world_.clock);
  {
    const auto claim = claims.acquire("timer", timer.id).value();
    EXPECT_EQ(loop_->step().value(), 0u);
  }
  EXPECT_EQ(loop_->step().value(), 1u);
}

TEST_F(TimerLoopTest, ARunThatCannotBeSubmittedIsAnErrorAndTheNextOneIsTried) {
  const Timer timer = create(hours(1));
  ASSERT_TRUE(world_.endpoints->remove(world_.target));
  EXPECT_EQ(loop_->step().value(), 0u);
  const Timer after = look(timer);
  EXPECT_EQ(after.status, TimerStatus::kLoaded);
  EXPECT_EQ(after.runs, 1u);
  EXPECT_EQ(after.errors, 1u);
  ASSERT_EQ(after.results.size(), 1u);
  EXPECT_NE(after.results[0].error.find(world_.target), std::string::npos);
  EXPECT_EQ(after.next_run, timer.schedule.start + hours(1));
}

TEST_F(TimerLoopTest, ARunReachesOnlyEndpointsThatExistForTheOwner) {
  ASSERT_TRUE(timers_->create("bob", {.name = "curious",
                                      .schedule = {.start = world_.clock.now()},
                                      .body = boost::json::serialize(body())}));
  EXPECT_EQ(loop_->step().value(), 0u);
  EXPECT_TRUE(tasks().empty());
}

TEST_F(TimerLoopTest, OneBadTimerHoldsBackNoOther) {
  const Timer bad = create();
  boost::json::object elsewhere = body();
  elsewhere["source_endpoint"] = "11111111-0000-4000-8000-000000000009";
  ASSERT_TRUE(timers_->create(kAda, {.name = "bad",
                                     .schedule = {.start = world_.clock.now()},
                                     .body = boost::json::serialize(elsewhere)}));
  const Timer good = create();
  EXPECT_EQ(loop_->step().value(), 2u);
  EXPECT_EQ(look(good).errors, 0u);
}

TEST_F(TimerLoopTest, WhenItsOwnerIsGoneATimerIsInactive) {
  const Timer timer = create(hours(1));
  owner_is_gone_ = true;
  EXPECT_EQ(loop_->step().value(), 0u);
  EXPECT_EQ(loop_->step().value(), 0u);
  EXPECT_EQ(look(timer).status, TimerStatus::kInactive);
  EXPECT_EQ(look(timer).inactive_cause, "globus_auth_requirements");
  EXPECT_TRUE(tasks().empty());
}

TEST_F(TimerLoopTest, ATimerThatIsDeletedWhileItRunsStaysDeleted) {
  const Timer timer = create(hours(1));
  const auto begun = timers_->begin(timer.id).value();
  ASSERT_TRUE(begun && begun->attempt);
  ASSERT_TRUE(timers_->remove(kAda, timer.id));
  EXPECT_TRUE(timers_->succeed(timer.id, *begun->attempt, "task"));
  EXPECT_EQ(timers_->get(kAda, timer.id).error().code, Code::kNotFound);
}

TEST_F(TimerLoopTest, OnlyTheLastResultsAreKept) {
  const Timer timer = create(hours(1));
  for (std::size_t i = 0; i < kMaxTimerResults + 3; ++i) {
    ASSERT_EQ(loop_->step().value(), 1u);
    world_.clock.advance(hours(1));
  }
  const Timer after = look(timer);
  EXPECT_EQ(after.runs, kMaxTimerResults + 3);
  ASSERT_EQ(after.results.size(), kMaxTimerResults);
  EXPECT_EQ(after.results.front().number, kMaxTimerResults + 3);
}

}  // namespace
}  // namespace wherry::server
