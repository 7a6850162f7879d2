// SPDX-License-Identifier: Apache-2.0
// When to ask a service for what waits: soon after something was submitted, because it may be
// short, and then less and less often. However much is submitted, requests stay below a rate in the
// long run; some may come one after another before that holds. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/types.h"

namespace wherry::flow {

class LookPace {
 public:
  static constexpr double kBurst = 20;  // requests beyond the rate
  static constexpr Duration kShortest = std::chrono::milliseconds(5);

  // `per_second` 0: requests cost so little that only the pauses between them grow.
  LookPace(double per_second, Duration now)
      : is_bounded_(per_second > 0),
        per_second_(is_bounded_ ? std::clamp(per_second, 0.01, 20.0) : kUnhurried),
        newest_(now),
        last_(now) {}

  void submitted(Duration now) {
    newest_ = now;
    if (!unseen_) unseen_ = now;
  }
  void asked(unsigned requests, Duration now) {
    left_ = std::min(kBurst, left_ + seconds(now - last_) * per_second_) - requests;
    last_ = now;
    unseen_.reset();
  }
  // The moment of the next request: when the newest has waited a quarter longer than at the last
  // one, at the latest as the rate says.
  Duration next() const {
    const Duration longest = time_of(1);
    const Duration shortest = std::min(kShortest, longest);
    const Duration next = unseen_ ? std::max(last_, *unseen_) + shortest
                                  : last_ + std::clamp((last_ - newest_) / 4, shortest, longest);
    return is_bounded_ ? std::max(next, last_ + time_of(1 - left_)) : next;
  }

 private:
  static constexpr double kUnhurried = 2;  // of what has waited for long, where nothing is bounded
  static double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
  }
  Duration time_of(double requests) const {
    const std::chrono::duration<double> time(std::max(requests, 0.0) / per_second_);
    return std::chrono::duration_cast<Duration>(time);
  }

  const bool is_bounded_;
  const double per_second_;
  double left_ = kBurst;
  Duration newest_;
  std::optional<Duration> unseen_;  // the first that was submitted after the last request
  Duration last_;
};

}  // namespace wherry::flow
