// SPDX-License-Identifier: Apache-2.0
#include "jobs/location_trouble.h"

#include <algorithm>

#include "base/back_off.h"

namespace wherry::jobs {

Duration LocationTrouble::spread(Duration pause, Random& random) {
  if (pause <= Duration(0)) return Duration(0);
  const auto all = static_cast<std::uint64_t>(pause.count());
  return pause / 2 + Duration(static_cast<Duration::rep>(random.below(all)));
}

void LocationTrouble::add(std::string_view location, std::string message) {
  Trouble& trouble = troubles_[std::string(location)];
  // Several tasks of one location fail together: that is one failure.
  if (trouble.failures == 0 || clock_.monotonic() >= trouble.until) ++trouble.failures;
  const Duration pause = growing_pause(kFirstPause, trouble.failures, kLongestPause);
  trouble.until = clock_.monotonic() + spread(pause, random_);
  trouble.message = std::move(message);
}

bool LocationTrouble::is_held(std::string_view location) const {
  const auto found = troubles_.find(location);
  return found != troubles_.end() && clock_.monotonic() < found->second.until;
}

std::vector<Alert> LocationTrouble::alerts() const {
  std::vector<Alert> alerts;
  for (const auto& [location, trouble] : troubles_) alerts.push_back({location, trouble.message});
  return alerts;
}

std::optional<Duration> LocationTrouble::next_try() const {
  std::optional<Duration> next;
  for (const auto& entry : troubles_) {
    const Duration left = entry.second.until - clock_.monotonic();
    if (left > Duration(0) && (!next || left < *next)) next = left;
  }
  return next;
}

}  // namespace wherry::jobs
