// SPDX-License-Identifier: Apache-2.0
#include "tasks/pauses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tasks/endless_run.h"

namespace wherry::tasks {
namespace {

using endpoints::Pausable;
using endpoints::PauseRule;
using testing::ElementsAre;

class PausesTest : public testing::Test {
 protected:
  PausesTest() : rules_({*world_.database, world_.clock, world_.random}) {
    world_.add_source_file("a.txt", "alpha");
  }
  PauseRule hold(const EndpointId& endpoint, Pausable what) {
    PauseRule rule{.id = {}, .endpoint = endpoint, .message = "the disk is replaced"};
    rule.holds.set(static_cast<std::size_t>(what));
    return rules_.create(rule).value();
  }
  Task look(const TaskId& id) { return world_.service->task(id).value(); }

  TestWorld world_;
  endpoints::PauseRules rules_;
};

TEST_F(PausesTest, ATaskThatARuleHoldsBackStaysActiveAndSaysSo) {
  hold(world_.target, Pausable::kWrite);
  const TaskId id = world_.submit(world_.transfer("a.txt", "b.txt"));
  EXPECT_EQ(world_.service->step().value(), 0u);
  const Task task = look(id);
  EXPECT_EQ(task.state, TaskState::kActive);
  EXPECT_TRUE(task.is_paused);
  EXPECT_EQ(task.nice_status, "PAUSED");
  EXPECT_EQ(task.nice_status_details, "the disk is replaced");
  EXPECT_THAT(world_.event_codes(id), ElementsAre("PAUSED"));
  ASSERT_EQ(world_.service->pause_rules_of(task).value().size(), 1u);
}

TEST_F(PausesTest, WhenTheRuleIsGoneItGoesOn) {
  const PauseRule rule = hold(world_.target, Pausable::kWrite);
  const TaskId id = world_.submit(world_.transfer("a.txt", "b.txt"));
  EXPECT_EQ(world_.service->step().value(), 0u);
  ASSERT_TRUE(rules_.remove(rule.id));
  EXPECT_EQ(world_.run(id).state, TaskState::kSucceeded);
  EXPECT_THAT(world_.event_codes(id), ElementsAre("PAUSED", "UNPAUSED", "STARTED", "SUCCEEDED"));
}

TEST_F(PausesTest, TheEventsAreToldOnce) {
  hold(world_.target, Pausable::kWrite);
  const TaskId id = world_.submit(world_.transfer("a.txt", "b.txt"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world_.service->step().value(), 0u);
  EXPECT_THAT(world_.event_codes(id), ElementsAre("PAUSED"));
}

TEST_F(PausesTest, ARuleHoldsBackItsSideOnly) {
  hold(world_.source, Pausable::kWrite);
  hold(world_.target, Pausable::kRead);
  hold(world_.target, Pausable::kDelete);
  EXPECT_EQ(world_.run(world_.transfer("a.txt", "b.txt")).state, TaskState::kSucceeded);
}

TEST_F(PausesTest, ARuleForAnotherIdentityHoldsNothingOfOurs) {
  PauseRule rule{.id = {}, .endpoint = world_.target, .message = "no", .identity = "bob"};
  rule.holds.set();
  ASSERT_TRUE(rules_.create(rule));
  EXPECT_EQ(world_.run(world_.transfer("a.txt", "b.txt")).state, TaskState::kSucceeded);
}

TEST_F(PausesTest, ADeleteWaitsForARuleAboutDeletes) {
  const PauseRule rule = hold(world_.source, Pausable::kDelete);
  DeleteRequest request;
  request.submission_id = new_uuid(world_.random);
  request.owner = "ada";
  request.endpoint = world_.source;
  request.items = {{RelPath::parse("a.txt").value()}};
  const TaskId id = world_.service->submit(request)->task_id;
  EXPECT_EQ(world_.service->step().value(), 0u);
  EXPECT_TRUE(look(id).is_paused);
  ASSERT_TRUE(rules_.remove(rule.id));
  EXPECT_EQ(world_.run(id).state, TaskState::kSucceeded);
}

TEST_F(PausesTest, ATaskThatRunsStopsInOrderAndGoesOnAfterwards) {
  EndlessRun run(world_);
  const PauseRule rule = hold(world_.source, Pausable::kRead);
  while (!look(run.id).is_paused || look(run.id).holder) std::this_thread::yield();
  EXPECT_EQ(look(run.id).state, TaskState::kActive);
  world_.source_faults.clear();
  ASSERT_TRUE(rules_.remove(rule.id));
  // It looks again and again, by the clock, whether it may.
  while (look(run.id).state == TaskState::kActive) {
    world_.clock.advance(std::chrono::milliseconds(10));
    std::this_thread::yield();
  }
  EXPECT_EQ(run.join().state, TaskState::kSucceeded);
  EXPECT_EQ(world_.target_file("copy/a"), "a");
  const auto codes = world_.event_codes(run.id);
  EXPECT_EQ(std::count(codes.begin(), codes.end(), "PAUSED"), 1);
  EXPECT_EQ(std::count(codes.begin(), codes.end(), "UNPAUSED"), 1);
}

TEST_F(PausesTest, WaitingForTheEndOfAPauseCanBeInterrupted) {
  hold(world_.target, Pausable::kWrite);
  const TaskId id = world_.submit(world_.transfer("a.txt", "b.txt"));
  std::stop_source stop;
  stop.request_stop();
  const Task task = world_.service->run(id, stop.get_token()).value();
  EXPECT_EQ(task.state, TaskState::kActive);
  EXPECT_TRUE(task.is_paused);
}

TEST_F(PausesTest, ATaskThatAnAdministratorPausedWaitsForHim) {
  const TaskId id = world_.submit(world_.transfer("a.txt", "b.txt"));
  ASSERT_TRUE(world_.service->pause_by_admin(id, "too much"));
  EXPECT_EQ(world_.service->step().value(), 0u);
  EXPECT_EQ(look(id).nice_status_details, "too much");
  EXPECT_TRUE(look(id).is_paused);
  ASSERT_TRUE(world_.service->resume_by_admin(id));
  ASSERT_TRUE(world_.service->resume_by_admin(id));
  EXPECT_EQ(world_.run(id).state, TaskState::kSucceeded);
  EXPECT_THAT(world_.event_codes(id),
              ElementsAre("PAUSED_BY_ADMIN", "UNPAUSED", "STARTED", "SUCCEEDED"));
  EXPECT_EQ(world_.service->pause_by_admin(id, "late").error().code, Code::kConflict);
}

TEST_F(PausesTest, APausedTaskCanBeCancelledAndExpires) {
  hold(world_.target, Pausable::kWrite);
  const TaskId cancelled = world_.submit(world_.transfer("a.txt", "b.txt"));
  const TaskId late = world_.submit(world_.transfer("a.txt", "c.txt"));
  EXPECT_EQ(world_.service->step().value(), 0u);
  ASSERT_TRUE(world_.service->cancel_by_admin(cancelled, AdminSide::kTarget, "not here"));
  EXPECT_EQ(look(cancelled).fatal_error->code, "CANCELED");
  EXPECT_EQ(look(cancelled).canceled_by_admin, AdminSide::kTarget);
  EXPECT_EQ(look(cancelled).admin_message, "not here");
  EXPECT_FALSE(look(cancelled).is_paused);
  world_.clock.advance(std::chrono::hours(25));
  EXPECT_EQ(world_.service->step().value(), 0u);
  EXPECT_EQ(look(late).fatal_error->code, "EXPIRED");
}

}  // namespace
}  // namespace wherry::tasks
