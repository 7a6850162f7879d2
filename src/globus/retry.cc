// SPDX-License-Identifier: Apache-2.0
#include "globus/retry.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/json.h"

namespace wherry::globus {
namespace {

bool is_endpoints_failure(const std::string& body) {
  const auto document = api::parse_object(body);
  if (!document) return false;
  std::string code;
  if (!api::Members(*document).get("code", code)) return false;
  return code.find("ExternalError") != code.npos || code.find("EndpointError") != code.npos;
}

bool is_worth_repeating(const Result<HttpAnswer>& outcome) {
  if (!outcome) return outcome.error().retry == Retry::kLater;
  switch (outcome->status) {
    case 408:
    case 429:
    case 503:
      return true;
    default:
      return outcome->status >= 500 && outcome->status != 501 &&
             !is_endpoints_failure(outcome->body);
  }
}

}  // namespace

std::optional<Duration> wait_before_retry(const RetryPolicy& policy, int attempt,
                                          const Result<HttpAnswer>& outcome, Random& random) {
  if (attempt >= policy.attempts || !is_worth_repeating(outcome)) return std::nullopt;
  Duration wait = policy.first_wait;
  for (int i = 1; i < attempt && wait < policy.longest_wait; ++i) wait *= 2;
  wait = std::min(wait, policy.longest_wait);
  wait = wait / 2 + Duration(static_cast<Duration::rep>(
                        random.below(static_cast<std::uint64_t>(wait.count()) + 1)));
  if (outcome && outcome->retry_after)
    wait = std::max(wait, std::min(*outcome->retry_after, policy.longest_wait) + wait / 4);
  return wait;
}

}  // namespace wherry::globus
