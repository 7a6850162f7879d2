// SPDX-License-Identifier: Apache-2.0
#include "base/back_off.h"

#include <gtest/gtest.h>

#include <limits>

namespace wherry {
namespace {

using std::chrono::seconds;

TEST(BackOff, PausesDoubleUpToTheLongest) {
  EXPECT_EQ(growing_pause(seconds(30), 1, seconds(100)), seconds(30));
  EXPECT_EQ(growing_pause(seconds(30), 2, seconds(100)), seconds(60));
  EXPECT_EQ(growing_pause(seconds(30), 3, seconds(100)), seconds(100));
}

TEST(BackOff, EndlessFailuresDoNotOverflow) {
  EXPECT_EQ(growing_pause(seconds(1), std::numeric_limits<int>::max(), std::chrono::hours(24)),
            std::chrono::hours(24));
}

}  // namespace
}  // namespace wherry
