// SPDX-License-Identifier: Apache-2.0
#include "tasks/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace wherry::tasks {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

SchedulerTask waiting(const std::string& id, const std::string& owner, int requested,
                      const std::string& source = "", const std::string& target = "") {
  // Endpoints of their own, unless it matters.
  return {id, owner, source.empty() ? "source of " + id : source,
          target.empty() ? "target of " + id : target, TimePoint(std::chrono::seconds(requested))};
}

constexpr SchedulerLimits kRoomy{.tasks = 100, .tasks_per_endpoint = 100};

TEST(Scheduler, OfOneOwnerTheOldestIsFirst) {
  const SchedulerTask tasks[] = {waiting("b", "ada", 2), waiting("a", "ada", 1),
                                 waiting("c", "ada", 3)};
  EXPECT_THAT(choose_tasks(tasks, {}, kRoomy), ElementsAre("a", "b", "c"));
}

TEST(Scheduler, OwnersTakeTurns) {
  const SchedulerTask tasks[] = {waiting("a1", "ada", 1), waiting("a2", "ada", 2),
                                 waiting("a3", "ada", 3), waiting("b1", "bob", 4),
                                 waiting("b2", "bob", 5)};
  EXPECT_THAT(choose_tasks(tasks, {}, kRoomy), ElementsAre("a1", "b1", "a2", "b2", "a3"));
}

TEST(Scheduler, WhoHasTasksUnderWayIsBehindWhoHasNone) {
  const SchedulerTask tasks[] = {waiting("a2", "ada", 2), waiting("b1", "bob", 9)};
  const SchedulerTask running[] = {waiting("a1", "ada", 1)};
  EXPECT_THAT(choose_tasks(tasks, running, {.tasks = 2, .tasks_per_endpoint = 9}),
              ElementsAre("b1"));
}

TEST(Scheduler, AnIdentityHasNoMoreOfAKindUnderWayThanItIsOwed) {
  const std::string ada = "0f0b7cbb-3a59-4a3c-9d5c-0d1f6b1f2a01";
  SchedulerTask deletion = waiting("d", ada, 4);
  deletion.target_endpoint.clear();
  const SchedulerTask tasks[] = {waiting("a1", ada, 1), waiting("a2", ada, 2), deletion,
                                 waiting("r1", "root", 5), waiting("r2", "root", 6)};
  const SchedulerTask running[] = {waiting("a0", ada, 0)};
  SchedulerLimits limits = kRoomy;
  limits.transfers_per_identity = 2;
  limits.deletes_per_identity = 1;
  EXPECT_THAT(choose_tasks(tasks, running, limits), ElementsAre("r1", "a1", "r2", "d"));
}

TEST(Scheduler, NoMoreStartThanThereIsRoomFor) {
  const SchedulerTask tasks[] = {waiting("a", "ada", 1), waiting("b", "ada", 2)};
  const SchedulerTask running[] = {waiting("r", "ada", 0)};
  EXPECT_THAT(choose_tasks(tasks, running, {.tasks = 2, .tasks_per_endpoint = 9}),
              ElementsAre("a"));
  EXPECT_THAT(choose_tasks(tasks, running, {.tasks = 1, .tasks_per_endpoint = 9}), IsEmpty());
}

TEST(Scheduler, AFullEndpointHoldsBackItsTasksAndNoOthers) {
  const SchedulerTask tasks[] = {waiting("a", "ada", 1, "lab", "tape"),
                                 waiting("b", "ada", 2, "lab", "tape"),
                                 waiting("c", "ada", 3, "home", "disk")};
  EXPECT_THAT(choose_tasks(tasks, {}, {.tasks = 9, .tasks_per_endpoint = 1}),
              ElementsAre("a", "c"));
}

TEST(Scheduler, AnEndpointIsFullAsSourceAndAsTarget) {
  const SchedulerTask tasks[] = {waiting("a", "ada", 1, "lab", "home")};
  const SchedulerTask running[] = {waiting("r", "bob", 0, "tape", "lab")};
  EXPECT_THAT(choose_tasks(tasks, running, {.tasks = 9, .tasks_per_endpoint = 1}), IsEmpty());
}

TEST(Scheduler, ATransferWithinAnEndpointCountsOnce) {
  const SchedulerTask tasks[] = {waiting("a", "ada", 1, "lab", "lab"),
                                 waiting("b", "ada", 2, "lab", "lab")};
  EXPECT_THAT(choose_tasks(tasks, {}, {.tasks = 9, .tasks_per_endpoint = 2}),
              ElementsAre("a", "b"));
}

TEST(Scheduler, AnOwnerWhoseEndpointsAreFullDoesNotKeepOthersWaiting) {
  const SchedulerTask tasks[] = {waiting("a", "ada", 1, "lab", "tape"),
                                 waiting("b", "bob", 2, "home", "disk")};
  const SchedulerTask running[] = {waiting("r", "bob", 0, "lab", "tape")};
  EXPECT_THAT(choose_tasks(tasks, running, {.tasks = 9, .tasks_per_endpoint = 1}),
              ElementsAre("b"));
}

TEST(SchedulerLoop, BeatsWhenWokenAndNotAfterItsEnd) {
  std::atomic<int> beats = 0;
  SchedulerLoop loop([&] {
    ++beats;
    beats.notify_all();
    return Duration(std::chrono::hours(1));
  });
  EXPECT_EQ(beats, 0);
  loop.wake();
  beats.wait(0);
  loop.wake();
  beats.wait(1);
  loop.stop();
  const int at_end = beats;
  loop.wake();
  EXPECT_EQ(beats, at_end);
}

}  // namespace
}  // namespace wherry::tasks
