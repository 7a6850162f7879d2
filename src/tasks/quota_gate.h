// SPDX-License-Identifier: Apache-2.0
// Asks an endpoint's daily quota before each file of a task, and waits for it.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>

#include "base/thread_annotations.h"
#include "endpoints/quota.h"
#include "tasks/types.h"

namespace wherry::tasks {

// Safe for concurrent calls. Everything referred to outlives it.
class QuotaGate {
 public:
  struct Parts {
    endpoints::QuotaLedger& ledger;
    Clock& clock;
    endpoints::Endpoint endpoint;
    TaskId task;
    TimePoint requested;
    TimePoint deadline;
    bool fail_at_once = false;  // instead of waiting
    // Called when waiting begins or its end moves, and with nothing when it is over.
    std::function<void(std::optional<TimePoint> until)> on_wait;
  };
  explicit QuotaGate(Parts parts) : parts_(std::move(parts)) {}

  // Returns when `bytes` more may be written. kNoSpace when they may not and waiting is not wanted,
  // kCancelled on a stop, kTimeout at the deadline.
  Result<void> admit(ByteCount bytes, std::stop_token stop);
  // Gives back what was booked beyond `moved`, which were written in the end.
  Result<void> close(ByteCount moved);

 private:
  Result<endpoints::QuotaLedger::Decision> book(ByteCount bytes) REQUIRES_LOCK(mutex_);
  Result<void> wait_until(TimePoint next, ByteCount bytes, std::stop_token stop);

  const Parts parts_;
  std::mutex mutex_;
  ByteCount booked_ GUARDED_BY(mutex_) = 0;
  ByteCount admitted_ GUARDED_BY(mutex_) = 0;
};

}  // namespace wherry::tasks
