// SPDX-License-Identifier: Apache-2.0
#include "tasks/hopeless.h"

#include <algorithm>
#include <array>

#include "base/log.h"

namespace wherry::tasks {
namespace {

constexpr std::array<std::string_view, 6> kHopeless = {"FILE_NOT_FOUND",  "PERMISSION_DENIED",
                                                       "QUOTA_EXCEEDED",  "NO_SPACE_LEFT",
                                                       "NOT_A_DIRECTORY", "IS_A_DIRECTORY"};
constexpr std::size_t kEventsSeen = 20;

// What cannot be seen now is looked for the next time.
Result<bool> unless_away(const Error& error) {
  return error.retry == Retry::kLater ? Result<bool>(false) : Result<bool>(error);
}

}  // namespace

bool is_hopeless(std::string_view code) {
  return std::find(kHopeless.begin(), kHopeless.end(), code) != kHopeless.end();
}

bool is_hopeless(const Event& event) { return event.is_error && is_hopeless(event.code); }

bool is_in_trouble(const Task& task) {
  const std::string& now = task.nice_status;
  return task.state == TaskState::kActive && !now.empty() && now != "OK" && now != "Queued";
}

Result<std::optional<TaskError>> hopeless_trouble(TransferService& service, const Task& task) {
  const std::optional<TaskError> none;
  // Events stay; a task that is well has got over them (or skipped what they are about).
  if (!is_in_trouble(task)) return none;
  TRY_ASSIGN(const auto events, service.events(task.id, kEventsSeen, 0));
  const auto found = std::find_if(events.begin(), events.end(),
                                  [](const Event& event) { return is_hopeless(event); });
  if (found == events.end()) return none;
  log_warning("task {} is cancelled, it would only be tried again: {} {}", task.id, found->code,
              found->description);
  return std::optional<TaskError>({found->code, found->description});
}

Result<bool> end_if_hopeless(TransferService& service, const Task& task) {
  const auto trouble = hopeless_trouble(service, task);
  if (!trouble) return unless_away(trouble.error());
  if (!*trouble) return false;
  const auto cancelled = service.cancel(task.id);
  if (cancelled || cancelled.error().code == Code::kConflict) return true;
  return unless_away(cancelled.error());
}

Result<bool> end_if_hopeless(TransferService& service, const TaskId& id) {
  const auto task = service.task(id);
  if (!task) return unless_away(task.error());
  return end_if_hopeless(service, *task);
}

}  // namespace wherry::tasks
