// SPDX-License-Identifier: Apache-2.0
#include "server/timer_schedule.h"

#include <gtest/gtest.h>

#include "base/units.h"

namespace wherry::server {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const TimePoint kStart = parse_time("2021-09-02T18:00:00Z").value();

api::TimerSchedule hourly() { return {.start = kStart, .interval = hours(1)}; }

TEST(TimerSchedule, ATimerWithoutIntervalRunsOnce) {
  EXPECT_EQ(run_after({.start = kStart}, kStart, 1, kStart), std::nullopt);
}

TEST(TimerSchedule, RunsKeepToTheGridOfTheirStart) {
  EXPECT_EQ(run_after(hourly(), kStart, 1, kStart + minutes(3)), kStart + hours(1));
  EXPECT_EQ(run_after(hourly(), kStart + hours(1), 2, kStart + minutes(61)), kStart + hours(2));
}

TEST(TimerSchedule, ARunThatIsDueNowIsNotMissed) {
  EXPECT_EQ(run_after(hourly(), kStart, 1, kStart + hours(1) - seconds(1)), kStart + hours(1));
}

TEST(TimerSchedule, AfterADownTimeMissedRunsDoNotPileUp) {
  const TimePoint now = kStart + hours(100) + minutes(20);
  EXPECT_EQ(run_after(hourly(), kStart + hours(2), 3, now), kStart + hours(101));
}

TEST(TimerSchedule, AClockThatGoesBackGivesNoTimeTwice) {
  EXPECT_EQ(run_after(hourly(), kStart + hours(5), 6, kStart - hours(3)), kStart + hours(6));
}

TEST(TimerSchedule, EndsAfterItsNumberOfRuns) {
  api::TimerSchedule schedule = hourly();
  schedule.end_runs = 2;
  EXPECT_EQ(run_after(schedule, kStart, 1, kStart), kStart + hours(1));
  EXPECT_EQ(run_after(schedule, kStart + hours(1), 2, kStart + hours(1)), std::nullopt);
}

TEST(TimerSchedule, TheRunAtTheEndTimeIsTheLast) {
  api::TimerSchedule schedule = hourly();
  schedule.end_time = kStart + hours(1);
  EXPECT_EQ(run_after(schedule, kStart, 1, kStart), kStart + hours(1));
  EXPECT_EQ(run_after(schedule, kStart + hours(1), 2, kStart + hours(1)), std::nullopt);
}

TEST(TimerSchedule, AStartCenturiesAgoDoesNotOverflow) {
  api::TimerSchedule schedule = hourly();
  schedule.start = parse_time("1680-01-01").value();
  EXPECT_EQ(run_after(schedule, schedule.start, 1, kStart + minutes(1)), kStart + hours(1));
}

}  // namespace
}  // namespace wherry::server
