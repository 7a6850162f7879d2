// SPDX-License-Identifier: Apache-2.0
// From what a scan found to what is to be done: recognises renames, decides about each entry of the
// journal, counts. Asks the target only whether a rename is safe; changes nothing there.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/reader.h"
#include "sync/journal.h"
#include "sync/store.h"
#include "sync/types.h"
#include "tasks/transfer_service.h"

namespace wherry::sync {

struct PlanRequest {
  const SyncDefinition& definition;
  const catalog::Reader* catalog = nullptr;  // null: nothing is known
  tasks::TransferService& service;
  std::span<const Failure> failures;
  bool ignore_back_off = false;
  TimePoint now;
};

// Between two tries of what failed again and again.
inline constexpr Duration kLongestBackOff = std::chrono::hours(6);
// Renames that are sent in one pass; what was renamed beyond that is copied and removed.
inline constexpr std::size_t kMaxRenames = 20'000;

// The journal with all decisions made. `writer` must hold something.
Result<std::unique_ptr<Journal>> make_plan(const PlanRequest& request, JournalWriter& writer);

// What the decisions amount to: added, modified, attributes, renamed, removed, delayed, bytes.
// `gone` counts files that the catalog has and the source has no more, renamed ones left out.
struct Tally {
  Counts counts;
  std::uint64_t gone = 0;
  std::uint64_t replaced =
      0;  // of those: in directories that something else has taken the place of
};
// Tells `on_change` (may be empty) each change in the order of paths.
Result<Tally> tally(const Journal& journal, const catalog::Reader* catalog,
                    const std::function<void(const Change&)>& on_change);

// "<directory>/<name>" for paths relative to the source.
std::string join(std::string_view directory, std::string_view name);
// Where the target has `path` until the journal's directories have been renamed.
std::string before_renames(const Journal& journal, const std::string& path);

// Calls visit(position, directory) -> Result<void> for the catalog's directory `path` and all
// below.
Result<void> for_subtree(
    const catalog::Reader& catalog, std::string_view path,
    const std::function<Result<void>(std::uint64_t, const catalog::Directory&)>& visit);

}  // namespace wherry::sync
