// SPDX-License-Identifier: Apache-2.0
// How fast something may go on. All that there is to remember of somebody who uses a rate is one
// moment: until when what was taken is paid for by the time that passes.
#pragma once

#include <algorithm>

#include "base/types.h"

namespace wherry {

struct Rate {
  double per_second = 0;  // more than 0
  Duration saved{0};      // of the time that nobody used, so much counts

  // That moment, once `count` more are taken at `now`; as `now`, by a monotonic clock. Whoever has
  // taken nothing yet is paid up until any moment before `now - saved`.
  Duration paid_until(Duration before, Duration now, double count) const {
    constexpr double kLongest = 1e17;  // nanoseconds: three years, far from any overflow
    const double cost = std::min(count * 1e9 / per_second, kLongest);
    return std::max(before, now - saved) + Duration(static_cast<Duration::rep>(cost));
  }
};

}  // namespace wherry
