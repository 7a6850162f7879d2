// SPDX-License-Identifier: Apache-2.0
// Time as a constructor argument. Product code never asks the system for the time itself, so that
// tests and the simulation can hold it, move it and turn it back.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/types.h"

namespace wherry {

// Safe for concurrent calls. The owner outlives every user.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall-clock time in UTC. May jump in either direction.
  virtual TimePoint now() const = 0;
  // Time since an arbitrary start; never goes back. For durations and back-off.
  virtual Duration monotonic() const = 0;
  // Waits until `duration` (at most a year) has passed or a stop is requested. Returns false when
  // a stop was requested.
  virtual bool sleep(Duration duration, std::stop_token stop) = 0;
};

// The machine's clock; lives for ever.
Clock& system_clock();

// Stands still until told to advance. sleep() blocks until somebody advances far enough, or, with
// Sleepers::kAdvance, moves the clock itself and returns at once (for single-threaded simulations).
class FakeClock : public Clock {
 public:
  enum class Sleepers { kBlock, kAdvance };
  // The default start is 2018-10-15 11:06:03 UTC.
  explicit FakeClock(TimePoint start = TimePoint(std::chrono::seconds(1539601563)),
                     Sleepers sleepers = Sleepers::kBlock);

  TimePoint now() const override;
  Duration monotonic() const override;
  bool sleep(Duration duration, std::stop_token stop) override;

  void advance(Duration duration);
  // Moves the wall clock only, as an administrator or NTP does.
  void jump(Duration duration);

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any advanced_;
  TimePoint wall_;
  Duration monotonic_{0};
  Sleepers sleepers_;
};

}  // namespace wherry
