// SPDX-License-Identifier: Apache-2.0
// How long to wait before trying again what failed and may pass by itself.
#pragma once

#include <algorithm>

#include "base/types.h"

namespace wherry {

// `first` after the first failure, then 2·first, 4·first …, at most `longest`. `failures` counts
// those one after another. Where many wait for the same thing, the caller adds jitter.
constexpr Duration growing_pause(Duration first, int failures, Duration longest) {
  Duration pause = first;
  for (int i = 1; i < failures && pause < longest; ++i) pause *= 2;
  return std::min(pause, longest);
}

}  // namespace wherry
