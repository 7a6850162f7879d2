// SPDX-License-Identifier: Apache-2.0
#include "tasks/state.h"

#include <algorithm>

namespace wherry::tasks {
namespace {

constexpr Transition kTransitions[] = {
    {TaskState::kActive, TaskState::kInactive, "it was interrupted, or needs a person"},
    {TaskState::kActive, TaskState::kSucceeded, "every operation is done or was to be skipped"},
    {TaskState::kActive, TaskState::kFailed, "an operation failed, or it was cancelled or expired"},
    {TaskState::kInactive, TaskState::kActive, "somebody resumed it"},
    {TaskState::kInactive, TaskState::kFailed, "it was cancelled or expired while it waited"},
    {TaskState::kFailed, TaskState::kActive, "somebody resumed it, to do what is not done"},
};

}  // namespace

std::span<const Transition> transitions() { return kTransitions; }

bool may_move(TaskState from, TaskState to) {
  return std::any_of(std::begin(kTransitions), std::end(kTransitions),
                     [&](const Transition& row) { return row.from == from && row.to == to; });
}

bool is_final(TaskState state) {
  return state == TaskState::kSucceeded || state == TaskState::kFailed;
}

std::string_view to_string(TaskState state) {
  switch (state) {
    case TaskState::kActive:
      return "ACTIVE";
    case TaskState::kInactive:
      return "INACTIVE";
    case TaskState::kSucceeded:
      return "SUCCEEDED";
    case TaskState::kFailed:
      return "FAILED";
  }
  CHECK(false && "a state without a name");
  return "";
}

Result<TaskState> parse_task_state(std::string_view text) {
  for (const TaskState state :
       {TaskState::kActive, TaskState::kInactive, TaskState::kSucceeded, TaskState::kFailed}) {
    if (to_string(state) == text) return state;
  }
  return make_error(Code::kInvalid,
                    "'{}' is no task state; they are ACTIVE, INACTIVE, SUCCEEDED and FAILED", text);
}

}  // namespace wherry::tasks
