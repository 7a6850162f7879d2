// SPDX-License-Identifier: Apache-2.0
#include "server/timer_schedule.h"

#include <algorithm>

namespace wherry::server {

std::optional<TimePoint> run_after(const api::TimerSchedule& schedule, TimePoint due,
                                   std::uint64_t runs, TimePoint now) {
  using std::chrono::seconds;
  if (!schedule.is_recurring() || runs >= schedule.end_runs.value_or(runs + 1)) return std::nullopt;
  // In seconds: the time since a start of centuries ago does not fit in nanoseconds.
  const auto start = std::chrono::floor<seconds>(schedule.start);
  const auto interval = std::chrono::floor<seconds>(schedule.interval);
  const auto last = std::chrono::floor<seconds>(std::max(due, now));
  const auto next = start + ((last - start) / interval + 1) * interval;
  if (next > schedule.end_time.value_or(TimePoint::max())) return std::nullopt;
  return next;
}

}  // namespace wherry::server
