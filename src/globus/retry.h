// SPDX-License-Identifier: Apache-2.0
// Which answers are worth asking again for, and when: pure, so that tests need no network and no
// time.
#pragma once

#include <optional>

#include "base/random.h"
#include "base/result.h"
#include "globus/http_client.h"

namespace wherry::globus {

struct RetryPolicy {
  int attempts = 6;  // in all
  Duration first_wait = std::chrono::milliseconds(500);
  Duration longest_wait = std::chrono::seconds(30);  // also of a Retry-After
};

// How long to wait before the next attempt when attempt number `attempt` (from 1) ended so; nothing
// if its outcome is final. Repeated are: no answer, 408, 429, 503, and other 5xx unless their code
// says that it was the endpoint that failed (ExternalError, EndpointError). Waits double, and are
// spread between the half and one and a half of that; a Retry-After is the least that is waited.
std::optional<Duration> wait_before_retry(const RetryPolicy& policy, int attempt,
                                          const Result<HttpAnswer>& outcome, Random& random);

}  // namespace wherry::globus
