// SPDX-License-Identifier: Apache-2.0
#include "flow/look_pace.h"

#include <gtest/gtest.h>

#include <vector>

namespace wherry::flow {
namespace {

using namespace std::chrono_literals;

// When looks come until `end`.
std::vector<Duration> looks(LookPace& pace, Duration end) {
  std::vector<Duration> at;
  for (Duration now = pace.next(); now < end; now = pace.next()) {
    at.push_back(now);
    pace.asked(1, now);
  }
  return at;
}

TEST(LookPace, LooksSoonAtFirstAndThenAtItsRate) {
  LookPace pace(2, 0s);
  pace.submitted(0s);
  const auto at = looks(pace, 60s);
  ASSERT_GT(at.size(), 20u);
  EXPECT_EQ(at[0], Duration(5ms));
  EXPECT_LT(at[5], Duration(50ms));
  EXPECT_LE(at.size(), 60 * 2 + LookPace::kBurst + 1);
  for (std::size_t i = 0; i + 1 < at.size(); ++i)
    EXPECT_LE(at[i + 1] - at[i], std::max<Duration>(500ms, at[i] / 2)) << i;
  EXPECT_GE(at.back() - at[at.size() - 2], Duration(499ms));
}

TEST(LookPace, HoweverMuchIsSubmittedTheRateHoldsInTheLongRun) {
  LookPace pace(2, 0s);
  double requests = 0;
  for (Duration now{0}; now < 100s; now += 10ms) {
    pace.submitted(now);
    if (now < pace.next()) continue;
    pace.asked(3, now);
    requests += 3;
  }
  EXPECT_LE(requests, 2 * 100 + LookPace::kBurst + 3);
  EXPECT_GE(requests, 2 * 100 - 3);
}

TEST(LookPace, WithoutABoundEachOfManyIsLookedForSoonAndWhatIsLongIsNot) {
  LookPace pace(0, 0s);
  Duration now{0};
  for (int i = 0; i < 1000; ++i, now += 20ms) {
    pace.submitted(now);
    ASSERT_EQ(pace.next(), now + 5ms) << i;
    pace.asked(3, pace.next());
  }
  const auto at = looks(pace, now + 60s);
  EXPECT_LE(at.size(), 60 * 2 + LookPace::kBurst + 1);
  EXPECT_GE(at.back() - at[at.size() - 2], Duration(499ms));
}

TEST(LookPace, AfterALongRestItIsSoonAgain) {
  LookPace pace(0.5, 0s);
  looks(pace, 100s);
  pace.submitted(200s);
  EXPECT_EQ(pace.next(), Duration(200s + 5ms));
}

}  // namespace
}  // namespace wherry::flow
