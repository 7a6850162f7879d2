// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace wherry::internal {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(
      stderr,
      "wherry: internal error: %s:%d: CHECK(%s) failed. Nothing recorded as transferred is "
      "affected; please report this with the lines above it.\n",
      file, line, condition);
  std::abort();
}

}  // namespace wherry::internal
