// SPDX-License-Identifier: Apache-2.0
#include "cli/schedule_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(SystemdUnit, StartsTheProgramAndQuotesWhatNeedsIt) {
  const std::string unit =
      systemd_unit({"wherry-sync", "d", "exec"}, {"/usr/bin/wherry",
                                                  {"sync", "watch", "a b", "100%$x\""},
                                                  {{"WHERRY_STATE_DIR", "/var/lib/my $1 5%"}}});
  EXPECT_THAT(unit, HasSubstr("ExecStart=/usr/bin/wherry sync watch \"a b\" \"100%%$$x\\\"\"\n"));
  EXPECT_THAT(unit, HasSubstr("Environment=\"WHERRY_STATE_DIR=/var/lib/my $1 5%%\"\n"));
}

TEST(CrontabLine, QuotesForTheShellAndForCron) {
  EXPECT_EQ(crontab_line("*/15 * * * *", {"/usr/bin/wherry", {"sync", "run", "it's 5%"}}),
            "*/15 * * * * /usr/bin/wherry sync run 'it'\\''s 5'\\%''\n");
  EXPECT_EQ(crontab_line("0 * * * *", {"/w", {"x"}, {{"WHERRY_STATE_DIR", "/s d"}}}),
            "0 * * * * WHERRY_STATE_DIR='/s d' /w x\n");
}

TEST(CronSchedule, SaysWhatCronCanSay) {
  EXPECT_EQ(cron_schedule(1min).value(), "* * * * *");
  EXPECT_EQ(cron_schedule(15min).value(), "*/15 * * * *");
  EXPECT_EQ(cron_schedule(1h).value(), "0 * * * *");
  EXPECT_EQ(cron_schedule(6h).value(), "0 */6 * * *");
  EXPECT_EQ(cron_schedule(24h).value(), "0 0 * * *");
}

TEST(CronSchedule, RefusesWhatCronCannotSay) {
  for (const Duration every : {Duration(0), Duration(30s), Duration(90s), Duration(7min),
                               Duration(5h), Duration(90min), Duration(48h)})
    EXPECT_EQ(cron_schedule(every).error().code, Code::kInvalid) << every.count();
}

}  // namespace
}  // namespace wherry::cli
