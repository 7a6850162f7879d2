// SPDX-License-Identifier: Apache-2.0
#include "endpoints/quota.h"

#include <gtest/gtest.h>

#include <deque>

#include "endpoints/endpoint_fixture.h"

namespace wherry::endpoints {
namespace {

using namespace std::chrono_literals;

class QuotaTest : public EndpointFixture {
 protected:
  void SetUp() override {
    drive_.id = "drive";
    drive_.daily_quota = 750;
  }

  QuotaLedger::Decision book(ByteCount bytes, const std::string& task = "a", Duration age = 0s) {
    return ledger().book(drive_, {bytes, start_ - age, task}).value();
  }
  QuotaLedger ledger() { return {*database_, clock_}; }

  TimePoint start_ = clock_.now();
  Endpoint drive_;
};

TEST_F(QuotaTest, EndpointWithoutQuotaGrantsEverything) {
  drive_.daily_quota = 0;
  EXPECT_TRUE(book(UINT32_MAX).granted);
}

TEST_F(QuotaTest, WhatWouldExceedTheQuotaWaitsUntilTheFirstBytesAreADayOld) {
  EXPECT_TRUE(book(700).granted);
  const auto refused = book(51);
  EXPECT_FALSE(refused.granted);
  EXPECT_GE(refused.next_try, clock_.now() + 24h);
  EXPECT_LE(refused.next_try, clock_.now() + 25h);
  clock_.advance(refused.next_try - clock_.now());
  EXPECT_TRUE(book(51).granted);
}

TEST_F(QuotaTest, NoTwentyFourHoursEverExceedTheQuota) {
  std::deque<std::pair<TimePoint, ByteCount>> granted;
  SeededRandom random(3);
  for (int step = 0; step < 600; ++step) {
    const ByteCount bytes = 1 + random.below(120);
    if (book(bytes).granted) granted.emplace_back(clock_.now(), bytes);
    ByteCount window = 0;
    for (const auto& [time, count] : granted) {
      if (time > clock_.now() - 24h) window += count;
    }
    ASSERT_LE(window, drive_.daily_quota) << "at step " << step;
    clock_.advance(std::chrono::minutes(random.below(90)));
  }
  EXPECT_GT(granted.size(), 50u);
}

TEST_F(QuotaTest, FileLargerThanTheQuotaGoesWhenNothingElseIsBooked) {
  EXPECT_TRUE(book(2000).granted);
  EXPECT_FALSE(book(1).granted);
}

TEST_F(QuotaTest, OlderTaskGoesFirst) {
  EXPECT_TRUE(book(700, "young").granted);
  EXPECT_FALSE(book(100, "old", 1h).granted);
  EXPECT_FALSE(book(10, "young").granted) << "would fit, but the older task waits";
  clock_.advance(26h);
  EXPECT_FALSE(book(10, "young").granted);
  EXPECT_TRUE(book(100, "old", 1h).granted);
  EXPECT_TRUE(book(10, "young").granted);
}

TEST_F(QuotaTest, ForgottenTaskHoldsNobodyBack) {
  EXPECT_TRUE(book(700, "young").granted);
  EXPECT_FALSE(book(100, "old", 1h).granted);
  ASSERT_TRUE(ledger().forget("old"));
  EXPECT_TRUE(book(10, "young").granted);
}

TEST_F(QuotaTest, AnOlderTaskHoldsOthersBackOnlyWhileItWaits) {
  EXPECT_TRUE(book(700, "young").granted);
  EXPECT_FALSE(book(100, "old", 1h).granted);
  bool waits = true;
  std::string asked;
  QuotaLedger::Request request{10, start_, "young", {}};
  request.still_waits = [&](soci::session&, const std::string& task) {
    asked = task;
    return waits;
  };
  EXPECT_FALSE(ledger().book(drive_, request)->granted);
  EXPECT_EQ(asked, "old");
  waits = false;
  EXPECT_TRUE(ledger().book(drive_, request)->granted);
  EXPECT_TRUE(book(10, "young").granted) << "the older one is forgotten";
}

TEST_F(QuotaTest, ReleasedBytesCanBeBookedAgain) {
  EXPECT_TRUE(book(750).granted);
  ASSERT_TRUE(ledger().release(drive_, 100));
  EXPECT_EQ(ledger().used(drive_).value(), 650u);
  EXPECT_TRUE(book(100).granted);
}

TEST_F(QuotaTest, WhatIsReleasedInALaterHourHidesNothingThatIsBookedThen) {
  EXPECT_TRUE(book(100).granted);
  clock_.advance(1h);
  ASSERT_TRUE(ledger().release(drive_, 100));
  EXPECT_TRUE(book(100).granted);
  EXPECT_EQ(ledger().used(drive_).value(), 200u);
}

TEST_F(QuotaTest, MoreThanWasBookedInTheHourIsNotReleased) {
  EXPECT_TRUE(book(100).granted);
  ASSERT_TRUE(ledger().release(drive_, 300));
  EXPECT_EQ(ledger().used(drive_).value(), 0u);
  EXPECT_TRUE(book(50).granted);
  EXPECT_EQ(ledger().used(drive_).value(), 50u);
}

}  // namespace
}  // namespace wherry::endpoints
