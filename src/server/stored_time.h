// SPDX-License-Identifier: Apache-2.0
// Times in the tables of the service: nanoseconds since 1970.
#pragma once

#include "base/types.h"

namespace wherry::server {

inline long long stored(TimePoint time) { return time.time_since_epoch().count(); }
inline TimePoint restored(long long time) { return TimePoint(Duration(time)); }

}  // namespace wherry::server
