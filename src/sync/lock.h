// SPDX-License-Identifier: Apache-2.0
// One pass at a time: an exclusive lock on a file beside the catalog, which the kernel gives up
// with the process that holds it, however that ends.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace wherry::sync {

class SyncLock {
 public:
  // kConflict, naming the process that holds it and since when, if another pass of it runs, in this
  // process or another.
  static Result<SyncLock> take(const std::string& path, std::string_view sync, const Clock& clock);

 private:
  explicit SyncLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace wherry::sync
