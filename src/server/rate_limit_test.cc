// SPDX-License-Identifier: Apache-2.0
#include "server/rate_limit.h"

#include <gtest/gtest.h>

namespace wherry::server {
namespace {

using namespace std::chrono_literals;

class RateLimitTest : public testing::Test {
 protected:
  FakeClock clock_;
  RateLimit limit_{{.per_second = 2, .burst = 3, .remembered = 4}, clock_};
};

TEST_F(RateLimitTest, AfterARestABurstMayComeAndThenOneAtATime) {
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limit_.take("ada")) << i;
  EXPECT_EQ(limit_.take("ada"), 500ms);
  clock_.advance(499ms);
  EXPECT_EQ(limit_.take("ada"), 1ms);
  clock_.advance(1ms);
  EXPECT_FALSE(limit_.take("ada"));
  EXPECT_EQ(limit_.take("ada"), 500ms);
}

TEST_F(RateLimitTest, WhoIsRefusedPaysNothingForIt) {
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limit_.take("ada"));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(limit_.take("ada"), 500ms);
}

TEST_F(RateLimitTest, OneDoesNotUseUpWhatAnotherMay) {
  for (int i = 0; i < 4; ++i) (void)limit_.take("ada");
  EXPECT_FALSE(limit_.take("bob"));
}

TEST_F(RateLimitTest, ManyAtOnceShareOneAllowanceBeyondThoseRemembered) {
  for (const char* who : {"a", "b", "c", "d"}) EXPECT_FALSE(limit_.take(who));
  for (const char* who : {"e", "f", "g"}) EXPECT_FALSE(limit_.take(who));
  EXPECT_TRUE(limit_.take("h"));
  clock_.advance(2s);  // all have rested
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limit_.take("h"));
}

TEST_F(RateLimitTest, ZeroIsNoLimit) {
  RateLimit open({.per_second = 0}, clock_);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(open.take("ada"));
}

}  // namespace
}  // namespace wherry::server
