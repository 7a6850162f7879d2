// SPDX-License-Identifier: Apache-2.0
// How often somebody may ask.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/thread_annotations.h"

namespace wherry::server {

// Safe for concurrent calls. Memory is bounded: it remembers who asked lately, and those only up to
// a number; when more ask at once, the rest share one allowance.
class RateLimit {
 public:
  struct Options {
    double per_second = 0;  // 0: no limit
    double burst = 1;       // that may come at once after a rest
    std::size_t remembered = 10'000;
  };
  RateLimit(const Options& options, Clock& clock) : options_(options), clock_(clock) {}

  // Nothing if `who` may ask now; otherwise when to come again.
  std::optional<Duration> take(std::string_view who);

 private:
  void forget_rested(Duration rested_since) REQUIRES_LOCK(mutex_);

  const Options options_;
  Clock& clock_;
  std::mutex mutex_;
  // Until when what was taken is paid for, in monotonic time.
  std::map<std::string, Duration, std::less<>> paid_until_ GUARDED_BY(mutex_);
};

}  // namespace wherry::server
