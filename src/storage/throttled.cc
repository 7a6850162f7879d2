// SPDX-License-Identifier: Apache-2.0
// Bounds what a storage is asked for: bytes and operations per second.
#include <algorithm>
#include <mutex>

#include "base/thread_annotations.h"
#include "storage/backends.h"
#include "storage/decorator.h"

namespace wherry::storage {
namespace {

// A token bucket, kept as the moment at which it is full again less what it holds: what was taken
// is paid for by time. It may be overdrawn, so that one request can be larger than the bucket; who
// comes next then waits longer. Safe for concurrent calls.
class TokenBucket {
 public:
  TokenBucket(std::uint64_t per_second, Clock& clock)
      : per_second_(per_second), clock_(clock), paid_until_(clock.monotonic()) {}

  // Takes `count` and waits until they are paid for, but for what the bucket holds.
  void take(std::uint64_t count) {
    if (per_second_ == 0 || count == 0) return;
    Duration wait{0};
    {
      const std::lock_guard lock(mutex_);
      const Duration now = clock_.monotonic();
      // Time that nobody used is saved, but never more than the burst.
      paid_until_ = std::max(paid_until_, now - kBurst);
      paid_until_ += Duration(static_cast<Duration::rep>(static_cast<double>(count) * 1e9 /
                                                         static_cast<double>(per_second_)));
      wait = paid_until_ - now;
    }
    if (wait > Duration{0}) (void)clock_.sleep(wait, {});
  }

 private:
  // Short, so that a bound per second also holds over most seconds.
  static constexpr Duration kBurst = std::chrono::milliseconds(100);

  const std::uint64_t per_second_;
  Clock& clock_;
  std::mutex mutex_;
  Duration paid_until_ GUARDED_BY(mutex_);
};

class ThrottledStorage : public Decorator {
 public:
  // Shared with the storages of subdirectories: the bound is of all together.
  struct Buckets {
    TokenBucket bytes;
    TokenBucket operations;
  };

  ThrottledStorage(std::unique_ptr<Storage> inner, std::shared_ptr<Buckets> buckets)
      : Decorator(std::move(inner)), buckets_(std::move(buckets)) {}

  Result<std::unique_ptr<Storage>> subdirectory(const RelPath& directory) override {
    TRY_ASSIGN(auto below, inner().subdirectory(directory));
    return std::make_unique<ThrottledStorage>(std::move(below), buckets_);
  }

 protected:
  // Bytes are paid for afterwards: how many a read brings is not known before.
  Result<void> around(Call& call, const std::function<Result<void>()>& body) override {
    buckets_->operations.take(1);
    auto done = body();
    if (done) buckets_->bytes.take(call.bytes);
    return done;
  }

 private:
  const std::shared_ptr<Buckets> buckets_;
};

}  // namespace

std::unique_ptr<Storage> make_throttled(std::unique_ptr<Storage> inner,
                                        const ThrottlePolicy& policy, Clock& clock) {
  using Buckets = ThrottledStorage::Buckets;
  const std::shared_ptr<Buckets> buckets(
      new Buckets{TokenBucket(policy.bytes_per_second, clock),
                  TokenBucket(policy.operations_per_second, clock)});
  return std::make_unique<ThrottledStorage>(std::move(inner), buckets);
}

}  // namespace wherry::storage
