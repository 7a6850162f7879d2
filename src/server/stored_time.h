// SPDX-License-Identifier: Apache-2.0
// Times in the tables of the service: nanoseconds since 1970; 0 for one that is missing.
#pragma once

#include <optional>

#include "base/types.h"

namespace wherry::server {

inline long long stored(TimePoint time) { return time.time_since_epoch().count(); }
inline long long stored(const std::optional<TimePoint>& time) { return time ? stored(*time) : 0; }
inline TimePoint restored(long long time) { return TimePoint(Duration(time)); }

}  // namespace wherry::server
