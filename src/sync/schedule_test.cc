// SPDX-License-Identifier: Apache-2.0
#include "sync/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/units.h"

namespace wherry::sync {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class ScheduleTest : public testing::Test {
 protected:
  ScheduleTest() { definition_.settle = 10s; }
  SyncSchedule make(bool has_events = true) {
    return SyncSchedule(definition_, has_events, now_, wall());
  }
  // A schedule whose first full scan is done.
  SyncSchedule running_schedule() {
    SyncSchedule schedule = make();
    EXPECT_TRUE(schedule.take(now_, wall())->full);
    schedule.ended(report_, now_, wall());
    now_ += 1s;
    return schedule;
  }
  TimePoint wall() const { return parse_time("2018-10-15 11:06:03").value() + (now_ - 100s); }
  static std::vector<std::string> names(const SyncSchedule::Due& due) {
    std::vector<std::string> found;
    for (const RelPath& path : due.directories) found.push_back(path.text());
    return found;
  }

  SyncDefinition definition_;
  Duration now_ = 100s;
  PassReport report_;
};

TEST_F(ScheduleTest, EverythingIsLookedAtFirstAndThenAtAnInterval) {
  SyncSchedule schedule = make();
  EXPECT_EQ(schedule.wait(now_, wall()), Duration(0));
  const auto due = schedule.take(now_, wall());
  ASSERT_TRUE(due);
  EXPECT_TRUE(due->full);
  EXPECT_FALSE(schedule.wait(now_, wall()));
  EXPECT_FALSE(schedule.take(now_, wall()));
  schedule.ended(report_, now_, wall());
  EXPECT_EQ(schedule.wait(now_, wall()), Duration(kFullScanWatched));
  now_ += kFullScanWatched;
  EXPECT_TRUE(schedule.take(now_, wall())->full);
}

TEST_F(ScheduleTest, WithoutEventsScansComeMoreOften) {
  SyncSchedule schedule = make(false);
  schedule.take(now_, wall());
  schedule.ended(report_, now_, wall());
  EXPECT_EQ(schedule.wait(now_, wall()), Duration(kFullScanUnwatched));
}

TEST_F(ScheduleTest, WhatLiesBehindFollowedSymlinksIsLookedForMoreOften) {
  definition_.symlinks = engine::SymlinkPolicy::kCopy;
  EXPECT_EQ(running_schedule().wait(now_, wall()), Duration(kFullScanUnwatched) - 1s);
}

TEST_F(ScheduleTest, WhereEventsBeginOrEndEverythingIsLookedAtOnce) {
  SyncSchedule schedule = make(false);
  const auto runs_once = [&] {
    const auto due = schedule.take(now_, wall());
    ASSERT_TRUE(due);
    EXPECT_TRUE(due->full);
    schedule.ended(report_, now_, wall());
    now_ += 1s;
    EXPECT_FALSE(schedule.take(now_, wall()));
  };
  runs_once();
  schedule.set_events(false);
  EXPECT_FALSE(schedule.take(now_, wall()));
  schedule.set_events(true);
  runs_once();
  EXPECT_EQ(schedule.wait(now_, wall()), Duration(kFullScanWatched) - 1s);
  schedule.set_events(false);
  runs_once();
  EXPECT_EQ(schedule.wait(now_, wall()), Duration(kFullScanUnwatched) - 1s);
  // A source that was away does not wait for the pause after failures.
  now_ += kFullScanUnwatched;
  ASSERT_TRUE(schedule.take(now_, wall()));
  schedule.failed(now_);
  EXPECT_FALSE(schedule.take(now_, wall()));
  schedule.set_events(true);
  runs_once();
}

TEST_F(ScheduleTest, TheDefinitionsIntervalCounts) {
  definition_.every = 15min;
  SyncSchedule schedule = make();
  schedule.take(now_, wall());
  schedule.ended(report_, now_, wall());
  EXPECT_EQ(schedule.wait(now_, wall()), Duration(15min));
}

TEST_F(ScheduleTest, ACronLineCountsByTheWallClock) {
  definition_.cron = "*/15 * * * *";
  SyncSchedule schedule = make();
  schedule.take(now_, wall());
  schedule.ended(report_, now_, wall());
  EXPECT_EQ(schedule.wait(now_, wall()), Duration(8min + 57s));
  now_ += 8min + 57s;
  EXPECT_TRUE(schedule.take(now_, wall())->full);
}

TEST_F(ScheduleTest, AClockThatIsSetBackHoldsNoCronLineBack) {
  definition_.cron = "*/15 * * * *";
  SyncSchedule schedule = make();
  schedule.take(now_, wall());
  schedule.ended(report_, now_, wall());
  const TimePoint last_year = wall() - std::chrono::hours(24 * 365);
  EXPECT_FALSE(schedule.take(now_, last_year));
  EXPECT_EQ(schedule.wait(now_, last_year), Duration(8min + 57s));
}

TEST_F(ScheduleTest, ADirectoryIsDueWhenItsFirstFileIsQuiet) {
  SyncSchedule schedule = running_schedule();
  schedule.touch({"a"}, now_);
  now_ += 4s;
  schedule.touch({"a", "b"}, now_);  // more in `a` does not hold back what came first
  EXPECT_EQ(schedule.wait(now_, wall()), Duration(6s));
  EXPECT_FALSE(schedule.take(now_, wall()));
  now_ += 6s;
  const auto due = schedule.take(now_, wall());
  ASSERT_TRUE(due);
  EXPECT_FALSE(due->full);
  EXPECT_THAT(names(*due), ElementsAre("a"));
  schedule.ended(report_, now_, wall());
  now_ += 4s;
  EXPECT_THAT(names(*schedule.take(now_, wall())), ElementsAre("b"));
}

TEST_F(ScheduleTest, WhatHappensDuringAPassIsDueAfterIt) {
  SyncSchedule schedule = running_schedule();
  schedule.touch({"a"}, now_);
  now_ += 10s;
  ASSERT_TRUE(schedule.take(now_, wall()));
  schedule.touch({"a"}, now_);
  EXPECT_FALSE(schedule.take(now_ + 1min, wall()));
  schedule.ended(report_, now_, wall());
  now_ += 10s;
  EXPECT_THAT(names(*schedule.take(now_, wall())), ElementsAre("a"));
}

TEST_F(ScheduleTest, WhatWasNotQuietIsDueWhenItIs) {
  SyncSchedule schedule = running_schedule();
  schedule.touch({"a"}, now_);
  now_ += 10s;
  ASSERT_TRUE(schedule.take(now_, wall()));
  report_.quiet_at = wall() + 7s;
  report_.unquiet_directories = {RelPath::from_normal("a")};
  schedule.ended(report_, now_, wall());
  EXPECT_EQ(schedule.wait(now_, wall()), Duration(7s));
}

TEST_F(ScheduleTest, LostEventsMeanAFullScan) {
  SyncSchedule schedule = running_schedule();
  schedule.touch({"a"}, now_);
  schedule.need_full();
  EXPECT_TRUE(schedule.take(now_, wall())->full);
  schedule.ended(report_, now_, wall());
  EXPECT_GT(*schedule.wait(now_, wall()), Duration(10min));  // `a` was among everything
}

TEST_F(ScheduleTest, TooManyDirtyDirectoriesMeanAFullScan) {
  SyncSchedule schedule = running_schedule();
  std::vector<std::string> many;
  for (int i = 0; i < 20'000; ++i) many.push_back(std::to_string(i));
  schedule.touch(many, now_);
  now_ += 10s;
  EXPECT_TRUE(schedule.take(now_, wall())->full);
}

TEST_F(ScheduleTest, FailuresAreRetriedAtGrowingIntervals) {
  SyncSchedule schedule = running_schedule();
  schedule.need_full();
  ASSERT_TRUE(schedule.take(now_, wall()));
  schedule.failed(now_);
  const Duration first = *schedule.wait(now_, wall());
  now_ += first;
  ASSERT_TRUE(schedule.take(now_, wall())->full);
  schedule.failed(now_);
  EXPECT_EQ(*schedule.wait(now_, wall()), 2 * first);
}

TEST_F(ScheduleTest, TheBrakeHoldsBackPartialPasses) {
  SyncSchedule schedule = running_schedule();
  schedule.need_full();
  ASSERT_TRUE(schedule.take(now_, wall()));
  report_.end = PassEnd::kStopped;
  schedule.ended(report_, now_, wall());
  schedule.touch({"a"}, now_);
  EXPECT_GT(*schedule.wait(now_, wall()), Duration(10min));
  now_ += kFullScanWatched;
  ASSERT_TRUE(schedule.take(now_, wall())->full);
  report_.end = PassEnd::kDone;
  schedule.ended(report_, now_, wall());
  schedule.touch({"a"}, now_);
  EXPECT_EQ(*schedule.wait(now_, wall()), Duration(10s));
}

TEST_F(ScheduleTest, DeletionsInSmallStepsAddUp) {
  SyncSchedule schedule = running_schedule();
  report_.counts.removed = 40;
  for (const std::uint64_t before : {0u, 40u, 80u}) {
    schedule.touch({"a"}, now_);
    now_ += 10s;
    const auto due = schedule.take(now_, wall());
    ASSERT_TRUE(due);
    EXPECT_EQ(due->gone_before, before);
    schedule.ended(report_, now_, wall());
  }
  schedule.need_full();
  now_ += 1s;
  EXPECT_EQ(schedule.take(now_, wall())->gone_before, 0u);
}

}  // namespace
}  // namespace wherry::sync
