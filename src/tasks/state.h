// SPDX-License-Identifier: Apache-2.0
// The states of a task and the one table of who may move it from where to where.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace wherry::tasks {

enum class TaskState {
  kActive,     // queued or running (set by submit, and by resume)
  kInactive,   // waits for a person: interrupted, or the target is full (set by the service)
  kSucceeded,  // every operation is done, up to date, or skipped as asked (set by the service)
  kFailed,     // ended without that: failed, cancelled or expired; fatal_error says which
};

struct Transition {
  TaskState from;
  TaskState to;
  std::string_view why;
};
std::span<const Transition> transitions();
bool may_move(TaskState from, TaskState to);
bool is_final(TaskState state);

std::string_view to_string(TaskState state);  // "ACTIVE", …
Result<TaskState> parse_task_state(std::string_view text);

}  // namespace wherry::tasks
