// SPDX-License-Identifier: Apache-2.0
#include "base/rate.h"

#include <gtest/gtest.h>

namespace wherry {
namespace {

using namespace std::chrono_literals;

TEST(Rate, WhatIsTakenIsPaidForByTime) {
  const Rate rate{.per_second = 10, .saved = 0ms};
  const Duration once = rate.paid_until(0s, 100s, 5);
  EXPECT_EQ(once, 100s + 500ms);
  EXPECT_EQ(rate.paid_until(once, 100s, 5), 101s) << "who takes again before that pays on top";
}

TEST(Rate, OfUnusedTimeALimitedPartCounts) {
  const Rate rate{.per_second = 10, .saved = 300ms};
  EXPECT_EQ(rate.paid_until(0s, 100s, 3), 100s);
  EXPECT_EQ(rate.paid_until(0s, 100s, 4), 100s + 100ms);
}

TEST(Rate, NoAmountOverflows) {
  const Rate rate{.per_second = 1e-6, .saved = 0ms};
  EXPECT_GT(rate.paid_until(0s, 1s, 1e18), 1s);
}

}  // namespace
}  // namespace wherry
