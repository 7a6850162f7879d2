// SPDX-License-Identifier: Apache-2.0
// Tries again what may work later. Storages themselves never retry, so that there is one place
// that decides how often, and so that retries do not multiply.
#include <algorithm>

#include "base/check.h"
#include "storage/backends.h"
#include "storage/decorator.h"

namespace wherry::storage {
namespace {

class RetryingStorage : public Decorator {
 public:
  RetryingStorage(std::unique_ptr<Storage> inner, const RetryPolicy& policy, Clock& clock,
                  Random& random)
      : Decorator(std::move(inner)), policy_(policy), clock_(clock), random_(random) {
    CHECK(policy.attempts >= 1 && policy.base.count() >= 0);
  }

 protected:
  Result<void> around(Call&, const std::function<Result<void>()>& body) override {
    Duration wait = policy_.base;
    for (int attempt = 1;; ++attempt) {
      auto done = body();
      if (done || done.error().retry != Retry::kLater) return done;
      if (attempt == policy_.attempts) {
        if (attempt == 1) return done;
        return std::move(done).error().with_context(fmt::format("tried {} times", attempt));
      }
      const auto half = static_cast<std::uint64_t>(wait.count() / 2);
      const Duration jitter(static_cast<Duration::rep>(random_.below(half + 1)));
      (void)clock_.sleep(std::min(wait + jitter, policy_.longest), {});
      wait = std::min(2 * wait, policy_.longest);
    }
  }

 private:
  const RetryPolicy policy_;
  Clock& clock_;
  Random& random_;
};

}  // namespace

std::unique_ptr<Storage> make_retrying(std::unique_ptr<Storage> inner, const RetryPolicy& policy,
                                       Clock& clock, Random& random) {
  return std::make_unique<RetryingStorage>(std::move(inner), policy, clock, random);
}

}  // namespace wherry::storage
