// SPDX-License-Identifier: Apache-2.0
#include "sync/cron.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include "base/units.h"

namespace wherry::sync {
namespace {

using testing::HasSubstr;

class CronTest : public testing::Test {
 protected:
  CronTest() { use_zone("UTC"); }
  ~CronTest() override { use_zone("UTC"); }
  static void use_zone(const char* zone) {
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
};

struct Case {
  const char* line;
  const char* after;
  const char* next;
};

TEST_F(CronTest, TheNextTimeFollowsFromTheFields) {
  const Case cases[] = {
      {"*/15 * * * *", "2018-10-15 11:06:03", "2018-10-15 11:15:00"},
      {"*/15 * * * *", "2018-10-15 11:15:00", "2018-10-15 11:30:00"},
      {"* * * * *", "2018-12-31 23:59:59", "2019-01-01 00:00:00"},
      {"5 4 * * *", "2018-10-15 11:06:03", "2018-10-16 04:05:00"},
      {"0 0 1 * *", "2018-10-15 11:06:03", "2018-11-01 00:00:00"},
      {"0 22 * * mon-fri", "2018-10-19 23:00:00", "2018-10-22 22:00:00"},  // a Friday
      {"0 0 * * 7", "2018-10-15 11:06:03", "2018-10-21 00:00:00"},
      {"0 0 * * SUN", "2018-10-15 11:06:03", "2018-10-21 00:00:00"},
      {"10-20/5 3,9 * jan,Jul *", "2018-10-15 11:06:03", "2019-01-01 03:10:00"},
      {"30/10 * * * *", "2018-10-15 11:31:00", "2018-10-15 11:40:00"},
      {"0 12 29 feb *", "2018-10-15 11:06:03", "2020-02-29 12:00:00"},
      {"0 12 29 2 *", "2096-03-01 00:00:00", "2104-02-29 12:00:00"},
      // Both day fields restricted: the 13th, or any Friday.
      {"0 0 13 * 5", "2018-10-15 11:06:03", "2018-10-19 00:00:00"},
      {"0 0 31 2 1", "2018-10-15 11:06:03", "2019-02-04 00:00:00"},
      {"@hourly", "2018-10-15 11:06:03", "2018-10-15 12:00:00"},
      {"@monthly", "2018-10-15 11:06:03", "2018-11-01 00:00:00"},
      {"  0\t0 *  * * ", "2018-10-15 11:06:03", "2018-10-16 00:00:00"},
  };
  for (const Case& c : cases) {
    const auto schedule = CronSchedule::parse(c.line);
    ASSERT_TRUE(schedule) << c.line << ": " << schedule.error().message;
    EXPECT_EQ(format_time(schedule->next_after(parse_time(c.after).value())),
              format_time(parse_time(c.next).value()))
        << c.line;
  }
}

TEST_F(CronTest, BadLinesAreRefusedWithTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "five are needed"},
      {"* * * *", "five are needed"},
      {"* * * * * *", "five are needed"},
      {"60 * * * *", "minute"},
      {"* 24 * * *", "hour"},
      {"* * 0 * *", "day of month"},
      {"* * 32 * *", "day of month"},
      {"* * * 13 *", "month"},
      {"* * * * 8", "day of week"},
      {"*/0 * * * *", "minute"},
      {"5-1 * * * *", "minute"},
      {"a * * * *", "minute"},
      {"1, * * * *", "minute"},
      {"* * * foo *", "month"},
      {"-1 * * * *", "minute"},
      {"0 0 31 2 *", "never fires"},
      {"0 0 30,31 feb *", "never fires"},
      {"0 0 31 4,6,9,11 *", "never fires"},
      {"@never", "five are needed"},
  };
  for (const auto& [line, part] : cases) {
    const auto schedule = CronSchedule::parse(line);
    ASSERT_FALSE(schedule) << line;
    EXPECT_EQ(schedule.error().code, Code::kInvalid);
    EXPECT_THAT(schedule.error().message, HasSubstr(part)) << line;
  }
}

TEST_F(CronTest, TimesAreLocal) {
  use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
  const auto schedule = CronSchedule::parse("30 2 * * *").value();
  EXPECT_EQ(format_time(schedule.next_after(parse_time("2018-10-15T00:00:00Z").value())),
            "2018-10-15T00:30:00+00:00");
  // 02:30 does not exist on 25 March 2018: it fires when the clock has gone on.
  EXPECT_EQ(format_time(schedule.next_after(parse_time("2018-03-24T12:00:00Z").value())),
            "2018-03-25T01:30:00+00:00");
}

}  // namespace
}  // namespace wherry::sync
