// SPDX-License-Identifier: Apache-2.0
// Daily byte quotas: what would exceed the day's share of an endpoint waits for the next day (UTC),
// oldest task first.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/database.h"
#include "base/result.h"
#include "endpoints/endpoint.h"

namespace wherry::endpoints {

// Safe for concurrent calls, also of several processes on one database.
class QuotaLedger {
 public:
  QuotaLedger(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  struct Decision {
    bool granted = false;
    TimePoint next_try;  // when not granted: the start of the next day
  };
  // Books `bytes` against today's share of `endpoint`, or says when to come again. A file larger
  // than the whole quota is granted on a day on which nothing else was booked. `task_age_order` is
  // the request time of the asking task: while an older one waits on this endpoint, a younger is
  // refused.
  struct Request {
    ByteCount bytes = 0;
    TimePoint task_requested;
    std::string task_id;
  };
  Result<Decision> book(const Endpoint& endpoint, const Request& request);
  // Gives back what was booked and not moved.
  Result<void> release(const Endpoint& endpoint, ByteCount bytes);
  // The task waits no longer (ended or cancelled).
  Result<void> forget(const std::string& task_id);
  Result<ByteCount> used_today(const Endpoint& endpoint);

 private:
  Database& database_;
  Clock& clock_;
};

}  // namespace wherry::endpoints
