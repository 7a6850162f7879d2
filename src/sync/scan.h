// SPDX-License-Identifier: Apache-2.0
// Finds what differs between a source and its catalog. One queue of directories, a few threads;
// each directory is compared with what the catalog has of it, and only differences are written
// down. Nothing is kept of what is the same, so memory grows with neither files nor directories
// (but for the queue, and the largest single directory).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "catalog/reader.h"
#include "sync/journal.h"
#include "sync/source_tree.h"
#include "sync/types.h"

namespace wherry::sync {

struct ScanRequest {
  SourceTree& tree;
  const Rules& rules;
  const catalog::Reader* catalog = nullptr;  // null: nothing is known
  Trust trust = Trust::kNames;
  Duration settle{0};
  std::size_t threads = 2;
  const std::vector<RelPath>* only_directories = nullptr;  // see PassOptions
  const Clock& clock;
  std::stop_token stop;
};

struct ScanResult {
  Counts counts;  // directories, files, not_quiet, links_skipped, specials_skipped, unreadable
  std::uint64_t names_in_root = 0;
  std::vector<Problem> problems;
  std::optional<TimePoint> quiet_at;
  std::vector<RelPath> unquiet_directories;
};

// A directory whose times are younger than this when it is listed may change again without showing
// it: clocks of file systems tick slowly. It is not trusted until a later pass.
inline constexpr Duration kTimesMargin = std::chrono::seconds(2);

// An error is a root that cannot be read, a damaged catalog, a full disk or a requested stop. A
// directory below the root that cannot be read is recorded as such and counted.
Result<ScanResult> scan(const ScanRequest& request, JournalWriter& journal);

}  // namespace wherry::sync
