// SPDX-License-Identifier: Apache-2.0
#include "sync/hopeless.h"

#include <algorithm>
#include <array>

#include "base/log.h"

namespace wherry::sync {
namespace {

constexpr std::array<std::string_view, 6> kHopeless = {"FILE_NOT_FOUND",  "PERMISSION_DENIED",
                                                       "QUOTA_EXCEEDED",  "NO_SPACE_LEFT",
                                                       "NOT_A_DIRECTORY", "IS_A_DIRECTORY"};
constexpr std::size_t kEventsSeen = 20;

}  // namespace

bool is_hopeless(const tasks::Event& event) {
  return event.is_error &&
         std::find(kHopeless.begin(), kHopeless.end(), event.code) != kHopeless.end();
}

Result<void> end_if_hopeless(tasks::TransferService& service, const tasks::TaskId& id) {
  // What cannot be seen now is looked for the next time.
  const auto unless_away = [](const Error& error) {
    return error.retry == Retry::kLater ? Result<void>() : Result<void>(error);
  };
  const auto task = service.task(id);
  if (!task) return unless_away(task.error());
  // Events stay; a task that is well has got over them (or skipped what they are about).
  const std::string& now = task->nice_status;
  if (task->state != tasks::TaskState::kActive || now.empty() || now == "OK" || now == "Queued")
    return {};
  const auto events = service.events(id, kEventsSeen, 0);
  if (!events) return unless_away(events.error());
  const auto found = std::find_if(events->begin(), events->end(), is_hopeless);
  if (found == events->end()) return {};
  log_warning("task {} is cancelled, it would only be tried again: {} {}", id, found->code,
              found->description);
  const auto cancelled = service.cancel(id);
  if (cancelled || cancelled.error().code == Code::kConflict) return {};
  return unless_away(cancelled.error());
}

}  // namespace wherry::sync
