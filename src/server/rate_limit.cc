// SPDX-License-Identifier: Apache-2.0
#include "server/rate_limit.h"

#include "base/rate.h"

namespace wherry::server {

std::optional<Duration> RateLimit::take(std::string_view who) {
  if (options_.per_second <= 0) return std::nullopt;
  const Duration saved(static_cast<Duration::rep>(options_.burst * 1e9 / options_.per_second));
  const Rate rate{options_.per_second, saved};
  const std::lock_guard lock(mutex_);
  const Duration now = clock_.monotonic();
  auto found = paid_until_.find(who);
  if (found == paid_until_.end()) {
    if (paid_until_.size() >= options_.remembered) forget_rested(now - saved);
    const bool has_room = paid_until_.size() < options_.remembered;
    found = paid_until_.emplace(has_room ? std::string(who) : std::string(), now - saved).first;
  }
  const Duration paid = rate.paid_until(found->second, now, 1);
  if (paid > now) return paid - now;
  found->second = paid;
  return std::nullopt;
}

void RateLimit::forget_rested(Duration rested_since) {
  std::erase_if(paid_until_,
                [rested_since](const auto& entry) { return entry.second <= rested_since; });
}

}  // namespace wherry::server
