// SPDX-License-Identifier: Apache-2.0
#include "globus/retry.h"

#include <gtest/gtest.h>

namespace wherry::globus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Result<HttpAnswer> answered(unsigned status, std::string body = "{}") {
  return HttpAnswer{status, std::move(body), std::nullopt};
}

bool is_repeated(const Result<HttpAnswer>& outcome) {
  SeededRandom random(1);
  return wait_before_retry({}, 1, outcome, random).has_value();
}

TEST(Retry, WhatMayPassIsAskedAgain) {
  EXPECT_TRUE(is_repeated(make_error(Code::kUnavailable, "reset")));
  EXPECT_TRUE(is_repeated(make_error(Code::kTimeout, "silence")));
  for (const unsigned status : {408u, 429u, 500u, 502u, 503u, 504u})
    EXPECT_TRUE(is_repeated(answered(status))) << status;
  EXPECT_TRUE(is_repeated(answered(502, "<html>bad gateway</html>")));
  EXPECT_TRUE(is_repeated(answered(503, R"({"code":"ExternalError.X"})")));
}

// B8: a request that was refused was repeated for half an hour.
TEST(Retry, WhatIsFinalIsNot) {
  EXPECT_FALSE(is_repeated(make_error(Code::kCancelled, "stop")));
  EXPECT_FALSE(is_repeated(make_error(Code::kInvalid, "no URL")));
  for (const unsigned status : {200u, 202u, 302u, 400u, 401u, 403u, 404u, 409u, 501u})
    EXPECT_FALSE(is_repeated(answered(status))) << status;
  EXPECT_FALSE(is_repeated(answered(502, R"({"code":"ExternalError.DirListingFailed"})")));
  EXPECT_FALSE(is_repeated(answered(500, R"({"code":"EndpointError"})")));
}

TEST(Retry, EndsAfterTheLastAttempt) {
  SeededRandom random(1);
  RetryPolicy policy;
  policy.attempts = 3;
  EXPECT_TRUE(wait_before_retry(policy, 2, answered(503), random));
  EXPECT_FALSE(wait_before_retry(policy, 3, answered(503), random));
}

TEST(Retry, WaitsDoubleUpToABoundAndAreSpread) {
  SeededRandom random(1);
  RetryPolicy policy;
  policy.attempts = 100;
  policy.first_wait = milliseconds(100);
  policy.longest_wait = seconds(1);
  const milliseconds middle[] = {milliseconds(100), milliseconds(200),  milliseconds(400),
                                 milliseconds(800), milliseconds(1000), milliseconds(1000)};
  for (int attempt = 1; attempt <= 6; ++attempt) {
    Duration least = Duration::max(), most{0};
    for (int i = 0; i < 200; ++i) {
      const Duration wait = *wait_before_retry(policy, attempt, answered(503), random);
      least = std::min(least, wait);
      most = std::max(most, wait);
    }
    EXPECT_GE(least, middle[attempt - 1] / 2);
    EXPECT_LE(most, middle[attempt - 1] * 3 / 2);
    EXPECT_GT(most - least, middle[attempt - 1] / 2) << "no jitter";
  }
  EXPECT_LE(*wait_before_retry(policy, 99, answered(503), random), milliseconds(1500));
}

TEST(Retry, ARetryAfterIsTheLeastThatIsWaited) {
  SeededRandom random(1);
  auto busy = answered(429);
  busy->retry_after = seconds(10);
  EXPECT_GE(*wait_before_retry({}, 1, busy, random), seconds(10));
  EXPECT_LE(*wait_before_retry({}, 1, busy, random), seconds(11));
  busy->retry_after = std::chrono::hours(5);
  EXPECT_LE(*wait_before_retry({}, 1, busy, random), seconds(45));
}

}  // namespace
}  // namespace wherry::globus
