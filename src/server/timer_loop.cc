// SPDX-License-Identifier: Apache-2.0
#include "server/timer_loop.h"

#include <boost/json/object.hpp>

#include "base/log.h"

namespace wherry::server {
namespace {

constexpr Duration kBeat = std::chrono::seconds(1);
constexpr std::size_t kTogether = 100;  // of one round; the next follows after a beat

}  // namespace

TimerLoop::TimerLoop(Parts parts)
    : parts_(std::move(parts)),
      claims_(parts_.database, parts_.clock),
      loop_([this] { return beat(); }) {}

Duration TimerLoop::beat() {
  if (const auto stepped = step(); !stepped) log_warning("timers: {}", stepped.error().message);
  return kBeat;
}

Result<std::size_t> TimerLoop::step() {
  TRY_ASSIGN(const std::vector<std::string> due, parts_.timers.due(kTogether));
  std::size_t submitted = 0;
  for (const std::string& id : due) {
    const auto done = run(id);
    // One timer whose run fails holds back no other.
    if (!done) log_warning("timer {}: {}", id, done.error().message);
    if (done && *done) ++submitted;
  }
  return submitted;
}

// True if a transfer was submitted.
Result<bool> TimerLoop::run(const std::string& id) {
  auto claim = claims_.acquire("timer", id);
  if (!claim && claim.error().code == Code::kConflict) return false;  // another process is at it
  if (!claim) return std::move(claim).error();
  TRY_ASSIGN(const auto timer, parts_.timers.begin(id));
  if (!timer) return false;
  const auto owner = parts_.find_owner(timer->owner);
  if (!owner && owner.error().code == Code::kNotFound) {
    TRY(parts_.timers.deactivate(id, "globus_auth_requirements"));
    return false;
  }
  if (!owner) return Result<bool>(owner.error());
  const auto task = submit(*timer);
  if (task) {
    TRY(parts_.timers.succeed(id, *timer->attempt, *task));
    return true;
  }
  // A full disk is ours: nothing of it has to do with the request.
  if (task.error().retry == Retry::kLater || task.error().code == Code::kNoSpace)
    TRY(parts_.timers.try_later(id, *timer->attempt));
  else
    TRY(parts_.timers.fail(id, *timer->attempt, task.error().message));
  return false;
}

Result<tasks::TaskId> TimerLoop::submit(const Timer& timer) {
  TRY_ASSIGN(const auto document, api::timer_submission(timer, timer.attempt->submission_id));
  TRY_ASSIGN(const tasks::TransferRequest request,
             timer_request(document, timer.owner, parts_.find_endpoint));
  TRY_ASSIGN(const tasks::Submitted submitted, parts_.service.submit(request));
  return submitted.task_id;
}

}  // namespace wherry::server
