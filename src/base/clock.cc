// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

namespace wherry {
namespace {

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
    never.wait_for(lock, stop, duration, [] { return false; });
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
  std::unique_lock lock(mutex_);
  if (sleepers_ == Sleepers::kAdvance) {
    wall_ += duration;
    monotonic_ += duration;
    return !stop.stop_requested();
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
