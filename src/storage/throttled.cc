// SPDX-License-Identifier: Apache-2.0
// Bounds what a storage is asked for: bytes and operations per second.
#include <mutex>
#include <utility>

#include "base/rate.h"
#include "base/thread_annotations.h"
#include "storage/backends.h"
#include "storage/decorator.h"

namespace wherry::storage {
namespace {

// It may be overdrawn, so that one request can be larger than what is saved up; who comes next then
// waits longer. Safe for concurrent calls.
class TokenBucket {
 public:
  TokenBucket(std::uint64_t per_second, Clock& clock)
      : rate_{static_cast<double>(per_second), kBurst},
        clock_(clock),
        paid_until_(clock.monotonic()) {}

  // Takes `count` and waits until they are paid for, but no longer than until `stop`.
  void take(std::uint64_t count, const std::stop_token& stop) {
    if (rate_.per_second <= 0 || count == 0) return;
    Duration wait{0};
    {
      const std::lock_guard lock(mutex_);
      const Duration now = clock_.monotonic();
      paid_until_ = rate_.paid_until(paid_until_, now, static_cast<double>(count));
      wait = paid_until_ - now;
    }
    if (wait > Duration{0}) (void)clock_.sleep(wait, stop);
  }

 private:
  // Short, so that a bound per second also holds over most seconds.
  static constexpr Duration kBurst = std::chrono::milliseconds(100);

  const Rate rate_;
  Clock& clock_;
  std::mutex mutex_;
  Duration paid_until_ GUARDED_BY(mutex_);
};

}  // namespace

class Throttle {
 public:
  Throttle(const ThrottlePolicy& policy, Clock& clock)
      : bytes(policy.bytes_per_second, clock), operations(policy.operations_per_second, clock) {}

  TokenBucket bytes;
  TokenBucket operations;
};

namespace {

class ThrottledStorage : public Decorator {
 public:
  ThrottledStorage(std::shared_ptr<Storage> inner, std::shared_ptr<Throttle> throttle,
                   std::stop_token stop)
      : Decorator(*inner),
        shared_(std::move(inner)),
        throttle_(std::move(throttle)),
        stop_(std::move(stop)) {}

  Result<std::unique_ptr<Storage>> subdirectory(const RelPath& directory) override {
    TRY_ASSIGN(std::shared_ptr<Storage> below, inner().subdirectory(directory));
    return make_throttled(std::move(below), throttle_, stop_);
  }

 protected:
  // Bytes are paid for afterwards: how many a read brings is not known before.
  Result<void> around(Call& call, const std::function<Result<void>()>& body) override {
    throttle_->operations.take(1, stop_);
    auto done = body();
    if (done) throttle_->bytes.take(call.bytes, stop_);
    return done;
  }

 private:
  const std::shared_ptr<Storage> shared_;
  const std::shared_ptr<Throttle> throttle_;
  const std::stop_token stop_;
};

}  // namespace

std::shared_ptr<Throttle> make_throttle(const ThrottlePolicy& policy, Clock& clock) {
  return std::make_shared<Throttle>(policy, clock);
}

std::unique_ptr<Storage> make_throttled(std::shared_ptr<Storage> inner,
                                        std::shared_ptr<Throttle> throttle, std::stop_token stop) {
  return std::make_unique<ThrottledStorage>(std::move(inner), std::move(throttle), std::move(stop));
}

}  // namespace wherry::storage
