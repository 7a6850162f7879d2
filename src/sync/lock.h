// SPDX-License-Identifier: Apache-2.0
// One pass at a time: an exclusive lock on a file beside the catalog, which the kernel gives up
// with the process that holds it, however that ends.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace wherry::sync {

class SyncLock {
 public:
  // kConflict, naming the process that holds it and since when, if another pass of it runs, in this
  // process or another.
  static Result<SyncLock> take(const std::string& path, std::string_view sync, const Clock& clock);
  // Who holds it now ("process 12 on host since ..."), if anybody does. Asking takes nothing, so
  // that it gets in nobody's way.
  static Result<std::optional<std::string>> holder(const std::string& path);

 private:
  explicit SyncLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace wherry::sync
