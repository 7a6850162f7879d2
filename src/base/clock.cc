// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <algorithm>

namespace wherry {
namespace {

// Longer waits would overflow when they are added to the present; nobody sits them out.
constexpr Duration kLongestSleep = std::chrono::hours(24 * 365);

class SystemClock : public Clock {
 public:
  TimePoint now() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  }
  Duration monotonic() const override {
    return std::chrono::steady_clock::now().time_since_epoch();
  }
  bool sleep(Duration duration, std::stop_token stop) override {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, std::min(duration, kLongestSleep), [] { return false; });
    return !stop.stop_requested();
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

FakeClock::FakeClock(TimePoint start, Sleepers sleepers) : wall_(start), sleepers_(sleepers) {}

TimePoint FakeClock::now() const {
  const std::lock_guard lock(mutex_);
  return wall_;
}

Duration FakeClock::monotonic() const {
  const std::lock_guard lock(mutex_);
  return monotonic_;
}

bool FakeClock::sleep(Duration duration, std::stop_token stop) {
  if (stop.stop_requested()) return false;
  duration = std::clamp(duration, Duration(0), kLongestSleep);
  std::unique_lock lock(mutex_);
  if (sleepers_ == Sleepers::kAdvance) {
    wall_ += duration;
    monotonic_ += duration;
    return true;
  }
  const Duration until = monotonic_ + duration;
  return advanced_.wait(lock, stop, [&] { return monotonic_ >= until; });
}

void FakeClock::advance(Duration duration) {
  {
    const std::lock_guard lock(mutex_);
    wall_ += duration;
    monotonic_ += duration;
  }
  advanced_.notify_all();
}

void FakeClock::jump(Duration duration) {
  const std::lock_guard lock(mutex_);
  wall_ += duration;
}

}  // namespace wherry
