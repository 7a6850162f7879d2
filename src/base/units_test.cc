// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry {
namespace {

using namespace std::chrono_literals;
using namespace literals;
using testing::HasSubstr;

TEST(ParseBytes, ReadsBinaryAndDecimalUnits) {
  EXPECT_EQ(parse_bytes("0").value(), 0u);
  EXPECT_EQ(parse_bytes("4096").value(), 4096u);
  EXPECT_EQ(parse_bytes("820 B").value(), 820u);
  EXPECT_EQ(parse_bytes("64MiB").value(), 64_MiB);
  EXPECT_EQ(parse_bytes("64 mib").value(), 64_MiB);
  EXPECT_EQ(parse_bytes("750GB").value(), 750'000'000'000u);
  EXPECT_EQ(parse_bytes("1.5GiB").value(), 1536_MiB);
  EXPECT_EQ(parse_bytes("0.3KB").value(), 300u);
  EXPECT_EQ(parse_bytes("18446744073709551615").value(), UINT64_MAX);
}

TEST(ParseBytes, RefusesWhatIsNoNumberOfBytes) {
  for (const char* text : {"", " ", "GiB", "-1", "+1", "1.", ".5GiB", "1.2.3GiB", "64M", "64 Mi B",
                           "64MiB ", " 64MiB", "1e3", "0x10", "18446744073709551616", "16384PiB"}) {
    const auto parsed = parse_bytes(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::kInvalid);
    EXPECT_THAT(parsed.error().message, HasSubstr("64MiB (1024s), 750GB (1000s)"));
  }
}

TEST(ParseDuration, ReadsUnitsAndSumsOfThem) {
  EXPECT_EQ(parse_duration("0").value(), 0s);
  EXPECT_EQ(parse_duration("10s").value(), 10s);
  EXPECT_EQ(parse_duration("15m").value(), 15min);
  EXPECT_EQ(parse_duration("1.5h").value(), 90min);
  EXPECT_EQ(parse_duration("2d").value(), 48h);
  EXPECT_EQ(parse_duration("1w").value(), 168h);
  EXPECT_EQ(parse_duration("250 ms").value(), 250ms);
  EXPECT_EQ(parse_duration("7us").value(), 7us);
  EXPECT_EQ(parse_duration("9ns").value(), 9ns);
  EXPECT_EQ(parse_duration("1h30m").value(), 90min);
  EXPECT_EQ(parse_duration("2h 5m").value(), 125min);
}

TEST(ParseDuration, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "10", "s", "-5s", "5x", "5 minutes", "1h30", "1000000w", "1h,5m"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr("is no duration; write one like 10s"));
  }
}

TEST(ParseSwitch, ReadsTheUsualWords) {
  for (const char* text : {"true", "Yes", "ON", "1"}) EXPECT_TRUE(parse_switch(text).value());
  for (const char* text : {"false", "No", "OFF", "0"}) EXPECT_FALSE(parse_switch(text).value());
  for (const char* text : {"", "2", "y", "enabled"}) EXPECT_FALSE(parse_switch(text)) << text;
}

TEST(ParsePercent, ReadsSharesOfAHundred) {
  EXPECT_DOUBLE_EQ(parse_percent("50%").value(), 50.0);
  EXPECT_DOUBLE_EQ(parse_percent("0%").value(), 0.0);
  EXPECT_DOUBLE_EQ(parse_percent("100%").value(), 100.0);
  EXPECT_DOUBLE_EQ(parse_percent("12.5%").value(), 12.5);
  for (const char* text : {"", "%", "50", "0.5", "101%", "100.1%", "-1%", "50%%", "half"})
    EXPECT_FALSE(parse_percent(text)) << text;
}

TEST(ParseTime, ReadsDatesTimesFractionsAndOffsets) {
  const TimePoint noon(1893585600s);  // 2030-01-02T12:00:00Z
  EXPECT_EQ(parse_time("2030-01-02").value(), noon - 12h);
  EXPECT_EQ(parse_time("2030-01-02 12:00:00").value(), noon);
  EXPECT_EQ(parse_time("2030-01-02T12:00:00").value(), noon);
  EXPECT_EQ(parse_time("2030-01-02T12:00:00Z").value(), noon);
  EXPECT_EQ(parse_time("2030-01-02T14:00:00+02:00").value(), noon);
  EXPECT_EQ(parse_time("2030-01-02T06:30:00-05:30").value(), noon);
  EXPECT_EQ(parse_time("2030-01-02T12:00:00.25Z").value(), noon + 250ms);
  EXPECT_EQ(parse_time("2030-01-02T12:00:00.000000001").value(), noon + 1ns);
  EXPECT_EQ(parse_time("1969-12-31T23:59:59Z").value(), TimePoint(-1s));
}

TEST(ParseTime, KnowsLeapYears) {
  EXPECT_TRUE(parse_time("2028-02-29"));
  EXPECT_TRUE(parse_time("2000-02-29"));
  EXPECT_FALSE(parse_time("2030-02-29"));
  EXPECT_FALSE(parse_time("2100-02-29"));
}

TEST(ParseTime, RefusesWhatIsNoTime) {
  for (const char* text : {"",
                           "tomorrow",
                           "2030",
                           "2030-1-2",
                           "2030-13-01",
                           "2030-00-01",
                           "2030-04-31",
                           "2030-01-32",
                           "2030-01-02T",
                           "2030-01-02 ",
                           " 2030-01-02",
                           "2030-01-02T12:00",
                           "2030-01-02T24:00:00",
                           "2030-01-02T12:60:00",
                           "2030-01-02T12:00:60",
                           "2030-01-02t12:00:00",
                           "2030-01-02T12:00:00z",
                           "2030-01-02T12:00:00+2",
                           "2030-01-02T12:00:00+0200",
                           "2030-01-02T12:00:00+24:00",
                           "2030-01-02T12:00:00 +02:00",
                           "2030-01-02T12:00:00.",
                           "2030-01-02T12:00:00.1234567890",
                           "2030-01-02T12:00:00Zjunk",
                           "2030/01/02",
                           "20300102",
                           "+030-01-02",
                           "2030-01-02Z"}) {
    const auto parsed = parse_time(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr("is no time; write one like 2030-01-31")) << text;
  }
}

TEST(ParseTime, RefusesYearsThatNanosecondsCannotReach) {
  EXPECT_TRUE(parse_time("1678-01-01T00:00:00+23:59"));
  EXPECT_TRUE(parse_time("2261-12-31T23:59:59-23:59"));
  EXPECT_THAT(parse_time("1677-12-31").error().message, HasSubstr("from 1678 to 2261"));
  EXPECT_THAT(parse_time("9999-12-31").error().message, HasSubstr("from 1678 to 2261"));
}

TEST(FormatTime, WritesWholeSecondsInUtc) {
  EXPECT_EQ(format_time(TimePoint(1539601563s)), "2018-10-15T11:06:03+00:00");
  EXPECT_EQ(format_time(TimePoint(1539601563s) + 999ms), "2018-10-15T11:06:03+00:00");
  EXPECT_EQ(format_time(TimePoint(-1ms)), "1969-12-31T23:59:59+00:00");
  EXPECT_EQ(parse_time(format_time(TimePoint(951782400s))).value(), TimePoint(951782400s));
}

TEST(FormatBytes, PicksTheUnit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(820), "820 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1 KiB");
  EXPECT_EQ(format_bytes(1536_MiB), "1.5 GiB");
  EXPECT_EQ(format_bytes(1_MiB - 1), "1 MiB") << "not 1024 KiB";
  EXPECT_EQ(format_bytes(UINT64_MAX), "16 EiB");
}

TEST(FormatDuration, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(format_duration(0s), "0 s");
  EXPECT_EQ(format_duration(30ns), "30 ns");
  EXPECT_EQ(format_duration(12ms), "12 ms");
  EXPECT_EQ(format_duration(400ms), "0.4 s");
  EXPECT_EQ(format_duration(3s), "3 s");
  EXPECT_EQ(format_duration(59'960ms), "1m 0s");
  EXPECT_EQ(format_duration(90s), "1m 30s");
  EXPECT_EQ(format_duration(2h + 5min + 50s), "2h 5m");
  EXPECT_EQ(format_duration(76h), "3d 4h");
  EXPECT_EQ(format_duration(-90s), "-1m 30s");
  EXPECT_TRUE(format_duration(Duration::min()).starts_with("-106751d"));
}

TEST(FormatDuration, IsReadBackWhereNothingWasRounded) {
  for (const Duration duration : {Duration(90s), Duration(125min), Duration(76h), Duration(400ms)})
    EXPECT_EQ(parse_duration(format_duration(duration)).value(), duration);
}

}  // namespace
}  // namespace wherry
