// SPDX-License-Identifier: Apache-2.0
#include "jobs/stage_fates.h"

#include <optional>

namespace wherry::jobs {
namespace {

using Kind = StageFates::Verdict::Kind;

}  // namespace

StageFates::StageFates(StageRequest request)
    : request_(std::move(request)), fates_(request_.lines) {
  for (const Piece& piece : request_.pieces) lines_of_[piece.item].push_back(piece.line);
}

// An item has arrived when all of its lines have; one that failed is enough for it to fail.
StageFates::Verdict StageFates::verdict(ItemId item, const tasks::Task& task) const {
  const auto lines = lines_of_.find(item);
  if (lines == lines_of_.end()) {
    if (!tasks::is_final(task.state)) return {};
    return {Kind::kHeldBack, {"UNKNOWN", "its task did not carry it"}};
  }
  std::optional<Verdict> held_back;
  bool is_open = false;
  for (const std::uint64_t line : lines->second) {
    const Verdict verdict = fates_.verdict(line, task);
    if (verdict.kind == Kind::kFailed) return verdict;
    is_open = is_open || verdict.kind == Kind::kOpen;
    // What is said of a line tells more than what is said of the whole task.
    if (verdict.kind == Kind::kHeldBack && (!held_back || held_back->error == task.fatal_error))
      held_back = verdict;
  }
  if (is_open) return {};
  if (held_back) return *held_back;
  return {Kind::kArrived, {}};
}

}  // namespace wherry::jobs
