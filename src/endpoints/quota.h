// SPDX-License-Identifier: Apache-2.0
// Daily byte quotas: what would exceed an endpoint's share of any 24 hours waits until enough of
// them have passed, oldest task first.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/database.h"
#include "base/result.h"
#include "endpoints/endpoint.h"

namespace wherry::endpoints {

// Safe for concurrent calls, also of several processes on one database. The database is migrated
// with endpoint_migrations(); it and the clock outlive the ledger.
class QuotaLedger {
 public:
  QuotaLedger(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  struct Request {
    ByteCount bytes = 0;
    TimePoint task_requested;
    std::string task_id;
    // Asked within the transaction whether an older task that is in the way still waits. One that
    // does not is forgotten. Empty: all of them wait.
    std::function<bool(soci::session&, const std::string& task_id)> still_waits = {};
  };
  struct Decision {
    bool granted = false;
    TimePoint next_try;  // when not granted
  };
  // Books `bytes` against the last 24 hours' share of `endpoint` (counted by the hour, rounded so
  // that no 24 hours ever exceed it), or says when to come again. A file larger than the whole
  // quota is granted when nothing else is booked. While an older task waits for this endpoint, a
  // younger one is refused.
  Result<Decision> book(const Endpoint& endpoint, const Request& request);
  // Gives back what was booked and not moved, out of what is booked in this hour.
  Result<void> release(const Endpoint& endpoint, ByteCount bytes);
  // The task waits no longer (ended or cancelled).
  Result<void> forget(const std::string& task_id);
  // Booked in the last 24 hours.
  Result<ByteCount> used(const Endpoint& endpoint);

 private:
  Database& database_;
  Clock& clock_;
};

// What QuotaLedger::forget does, within the transaction that ends the task.
void forget_waiter(soci::session& sql, const std::string& task_id);

}  // namespace wherry::endpoints
