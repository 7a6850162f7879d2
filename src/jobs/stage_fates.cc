// SPDX-License-Identifier: Apache-2.0
#include "jobs/stage_fates.h"

#include <algorithm>

namespace wherry::jobs {
namespace {

using Kind = StageFates::Verdict::Kind;
using Recursion = engine::TransferItem::Recursion;

std::string absolute(const RelPath& path) { return "/" + path.text(); }

bool is_at_or_above(const std::string& path, const std::string& other) {
  if (!other.starts_with(path)) return false;
  return other.size() == path.size() || path.ends_with('/') || other[path.size()] == '/';
}

// Whether asking again can bring an answer; else the service has none to give.
bool may_pass(const Error& error) {
  return error.retry == Retry::kLater || error.code == Code::kLoginNeeded ||
         error.code == Code::kCancelled;
}

bool had_every_outcome(const tasks::Task& task) {
  if (task.state == tasks::TaskState::kSucceeded) return true;
  return task.state == tasks::TaskState::kFailed && !task.cut_short;
}

}  // namespace

StageFates::StageFates(StageRequest request)
    : request_(std::move(request)), arrived_(request_.lines.size()) {
  for (const auto& line : request_.lines) index_.add(absolute(line.source), absolute(line.target));
  for (const Piece& piece : request_.pieces) lines_of_[piece.item].push_back(piece.line);
}

Result<void> StageFates::read(tasks::TransferService& service, const tasks::Task& task) {
  TRY(read_successes(service, task.id), "what task {} has moved", task.id);
  TRY(read_errors(service, task.id), "what task {} could not move", task.id);
  return {};
}

Result<void> StageFates::read_successes(tasks::TransferService& service, const tasks::TaskId& id) {
  for (;;) {
    const auto page = service.successful_transfers(id, marker_);
    if (!page) return may_pass(page.error()) ? Result<void>(page.error()) : Result<void>();
    for (const tasks::SuccessfulTransfer& row : page->rows) {
      const std::uint64_t line = row.item < request_.lines.size() ? row.item : index_.find(row);
      // Of a directory one file has arrived; when all have, only the end of the task tells.
      if (line < arrived_.size() && request_.lines[line].recursion == Recursion::kNo)
        arrived_[line] = true;
    }
    if (!page->next) return {};
    marker_ = *page->next;
  }
}

// From the first on: a task that was resumed has forgotten those of before.
Result<void> StageFates::read_errors(tasks::TransferService& service, const tasks::TaskId& id) {
  failures_.clear();
  is_any_unplaced_ = false;
  are_errors_known_ = false;
  for (std::optional<std::uint64_t> marker = 0; marker;) {
    const auto page = service.item_errors(id, *marker);
    if (!page) return may_pass(page.error()) ? Result<void>(page.error()) : Result<void>();
    for (const tasks::ItemError& row : page->rows) note(row);
    marker = page->next;
  }
  are_errors_known_ = true;
  return {};
}

bool StageFates::is_named(std::uint64_t line, const tasks::ItemError& row) const {
  if (row.item == line) return true;
  const auto& request = request_.lines[line];
  return is_at_or_above(absolute(request.target), row.target_path) ||
         is_at_or_above(absolute(request.source), row.source_path) ||
         is_at_or_above(absolute(request.target), row.source_path);
}

void StageFates::note(const tasks::ItemError& row) {
  std::vector<std::uint64_t> lines{row.item};
  if (row.item >= request_.lines.size()) lines = index_.find(row);
  if (lines.empty()) is_any_unplaced_ = true;
  for (const std::uint64_t line : lines) {
    const Failure failure{{row.code, row.details.empty() ? row.code : row.details},
                          is_named(line, row)};
    const auto known = failures_.emplace(line, failure);
    if (!known.second && failure.is_named && !known.first->second.is_named)
      known.first->second = failure;
  }
}

bool StageFates::is_complete() const {
  for (std::uint64_t line = 0; line < arrived_.size(); ++line) {
    if (!arrived_[line] && !failures_.contains(line)) return false;
  }
  return true;
}

StageFates::Verdict StageFates::verdict(ItemId item, const tasks::Task& task) const {
  const bool has_ended =
      task.state == tasks::TaskState::kSucceeded || task.state == tasks::TaskState::kFailed;
  const auto lines = lines_of_.find(item);
  if (lines == lines_of_.end()) {
    if (!has_ended) return {};
    return {Kind::kHeldBack, {"UNKNOWN", "its task did not carry it"}};
  }
  std::optional<Verdict> bad;
  bool all_arrived = true;
  for (const std::uint64_t line : lines->second) {
    if (arrived_[line]) continue;  // whatever became of its source afterwards
    all_arrived = false;
    const auto failure = failures_.find(line);
    if (failure == failures_.end()) continue;
    if (failure->second.is_named) return {Kind::kFailed, failure->second.error};
    bad = {Kind::kHeldBack, failure->second.error};
  }
  if (all_arrived) return {Kind::kArrived, {}};
  if (!has_ended) return {};
  if (bad) return *bad;
  if (had_every_outcome(task) && are_errors_known_ && !is_any_unplaced_)
    return {Kind::kArrived, {}};
  if (task.fatal_error) return {Kind::kHeldBack, *task.fatal_error};
  return {Kind::kHeldBack, {"UNKNOWN", "its task ended without telling what became of it"}};
}

}  // namespace wherry::jobs
