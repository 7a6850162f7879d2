// SPDX-License-Identifier: Apache-2.0
// The peak resident set of this process, in KiB, with file-backed pages. VmHWM of the kernel, since
// ru_maxrss begins with what the process had that started this one.
#pragma once

#include <fstream>
#include <string>

#include "base/check.h"

namespace wherry {

inline long peak_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
  CHECK(false);
  return 0;
}

}  // namespace wherry
