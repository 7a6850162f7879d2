// SPDX-License-Identifier: Apache-2.0
#include "tasks/item_fates.h"

#include <algorithm>
#include <optional>

namespace wherry::tasks {
namespace {

using FateKind = ItemFates::Verdict::Kind;

std::string absolute_path(const RelPath& path) { return "/" + path.text(); }

bool is_at_or_above(const std::string& path, const std::string& other) {
  if (!other.starts_with(path)) return false;
  return other.size() == path.size() || path.ends_with('/') || other[path.size()] == '/';
}

// Whether asking again can bring an answer; else the service has none to give.
bool may_pass(const Error& error) {
  return error.retry == Retry::kLater || error.code == Code::kLoginNeeded ||
         error.code == Code::kCancelled;
}

bool had_every_outcome(const Task& task) {
  if (task.state == TaskState::kSucceeded) return true;
  return task.state == TaskState::kFailed && !task.cut_short;
}

}  // namespace

ItemFates::ItemFates(std::span<const engine::TransferItem> items, Skipped skipped)
    : skipped_(skipped), arrived_(items.size()), moved_(items.size()) {
  is_single_.reserve(items.size());
  for (const engine::TransferItem& item : items) {
    index_.add(absolute_path(item.source), absolute_path(item.target));
    is_single_.push_back(item.recursion == engine::TransferItem::Recursion::kNo);
  }
}

Result<void> ItemFates::read(TransferService& service, const Task& task) {
  TRY(read_successes(service, task), "what task {} has moved", task.id);
  TRY(read_errors(service, task), "what task {} could not move", task.id);
  return {};
}

Result<void> ItemFates::unless_silent(const Error& error, const Task& task) {
  if (may_pass(error)) return error;
  if (task.state == TaskState::kActive) is_told_early_ = false;
  return {};
}

Result<void> ItemFates::read_successes(TransferService& service, const Task& task) {
  for (;;) {
    const auto page = service.successful_transfers(task.id, marker_);
    if (!page) return unless_silent(page.error(), task);
    for (std::size_t at = seen_on_page_; at < page->rows.size(); ++at) {
      const SuccessfulTransfer& row = page->rows[at];
      const std::uint64_t item = row.item < index_.size() ? row.item : index_.find(row);
      if (item >= index_.size()) continue;
      ++moved_[item].files;
      moved_[item].bytes += row.size;
      // Of a directory one file has arrived; when all have, only the end of the task tells.
      if (is_single_[item]) arrived_[item] = true;
    }
    // A last page is read again when there may be more of it.
    seen_on_page_ = page->next ? 0 : std::max(seen_on_page_, page->rows.size());
    if (!page->next) return {};
    marker_ = *page->next;
  }
}

// From the first on: a task that was resumed has forgotten those of before.
Result<void> ItemFates::read_errors(TransferService& service, const Task& task) {
  failures_.clear();
  is_any_unplaced_ = false;
  are_errors_known_ = false;
  for (std::optional<std::uint64_t> marker = 0; marker;) {
    const auto page = service.item_errors(task.id, *marker);
    if (!page) return unless_silent(page.error(), task);
    for (const ItemError& row : page->rows) {
      if (!row.skipped || skipped_ == Skipped::kIsFailure) note(row);
    }
    marker = page->next;
  }
  are_errors_known_ = true;
  return {};
}

bool ItemFates::is_named(std::uint64_t item, const ItemError& row) const {
  if (row.item == item) return true;
  return is_at_or_above(index_.target_path(item), row.target_path) ||
         is_at_or_above(index_.source_path(item), row.source_path) ||
         is_at_or_above(index_.target_path(item), row.source_path);
}

void ItemFates::note(const ItemError& row) {
  std::vector<std::uint64_t> items{row.item};
  if (row.item >= index_.size()) items = index_.find(row);
  if (items.empty()) is_any_unplaced_ = true;
  for (const std::uint64_t item : items) {
    const Failure failure{{row.code, row.details.empty() ? row.code : row.details},
                          is_named(item, row)};
    const auto known = failures_.emplace(item, failure);
    if (!known.second && failure.is_named && !known.first->second.is_named)
      known.first->second = failure;
  }
}

bool ItemFates::is_complete() const {
  for (std::uint64_t item = 0; item < arrived_.size(); ++item) {
    if (!arrived_[item] && !failures_.contains(item)) return false;
  }
  return true;
}

ItemFates::Verdict ItemFates::verdict(std::uint64_t item, const Task& task) const {
  if (arrived_[item]) return {FateKind::kArrived, {}};  // whatever became of its source afterwards
  const auto failure = failures_.find(item);
  const bool is_failed = failure != failures_.end();
  if (is_failed && failure->second.is_named) return {FateKind::kFailed, failure->second.error};
  if (!is_final(task.state)) return {};
  if (is_failed) return {FateKind::kHeldBack, failure->second.error};
  if (had_every_outcome(task) && are_errors_known_ && !is_any_unplaced_)
    return {FateKind::kArrived, {}};
  if (task.fatal_error) return {FateKind::kHeldBack, *task.fatal_error};
  return {FateKind::kHeldBack, {"UNKNOWN", "its task ended without telling what became of it"}};
}

}  // namespace wherry::tasks
