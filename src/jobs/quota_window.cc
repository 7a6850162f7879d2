// SPDX-License-Identifier: Apache-2.0
#include "jobs/quota_window.h"

#include <algorithm>

#include "base/units.h"

namespace wherry::jobs {
namespace {

constexpr Duration kWindow = std::chrono::hours(24);
constexpr Duration kBetweenLooks = std::chrono::minutes(1);
constexpr std::size_t kMostTasks = 10'000;

}  // namespace

void QuotaWindow::look(tasks::TransferService& service, const std::string& location,
                       const Location& place, const EndpointOf& endpoint) {
  if (!place.daily_quota || *place.daily_quota == 0) {
    looks_.erase(location);
    return;
  }
  const auto known = looks_.find(location);
  if (known != looks_.end() && clock_.monotonic() - known->second.at < kBetweenLooks) return;
  const auto id = endpoint();
  if (!id) return;
  tasks::TaskFilter filter;
  filter.endpoints = {*id};
  // A task may have begun long before it moved what counts now.
  filter.requested_after = clock_.now() - 2 * kWindow;
  filter.limit = kMostTasks;
  const auto found = service.tasks(filter);
  if (!found) return;
  Look look;
  look.at = clock_.monotonic();
  look.quota = *place.daily_quota;
  for (const tasks::Task& task : *found) {
    if (!task.completed || clock_.now() - *task.completed < kWindow)
      look.used += task.counts.bytes_transferred;
  }
  looks_[location] = look;
}

bool QuotaWindow::is_used_up(const std::string& location) const {
  const auto known = looks_.find(location);
  return known != looks_.end() && known->second.used >= known->second.quota;
}

std::vector<Alert> QuotaWindow::alerts() const {
  std::vector<Alert> alerts;
  for (const auto& [location, look] : looks_) {
    if (look.used < look.quota) continue;
    alerts.push_back({location, fmt::format("{} of the daily quota of {} are used; it goes on by "
                                            "itself within a day",
                                            format_bytes(look.used), format_bytes(look.quota))});
  }
  return alerts;
}

std::optional<Duration> QuotaWindow::next_look() const {
  const bool is_any_used_up = std::any_of(looks_.begin(), looks_.end(), [](const auto& entry) {
    return entry.second.used >= entry.second.quota;
  });
  return is_any_used_up ? std::optional<Duration>(kBetweenLooks) : std::nullopt;
}

}  // namespace wherry::jobs
