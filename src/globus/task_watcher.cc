// SPDX-License-Identifier: Apache-2.0
#include "globus/task_watcher.h"

#include <algorithm>

#include "base/log.h"

namespace wherry::globus {
namespace {

constexpr Duration kLongestWait = std::chrono::hours(24 * 365);  // more would overflow

}  // namespace

TaskWatcher::TaskWatcher(Ask ask, Clock& clock, Duration shortest_interval)
    : ask_(std::move(ask)), clock_(clock), shortest_interval_(shortest_interval) {}

TaskWatcher::~TaskWatcher() {
  stop_.request_stop();
  if (thread_.joinable()) thread_.join();
}

Result<tasks::Task> TaskWatcher::wait(const tasks::TaskId& id, Duration timeout,
                                      std::stop_token stop) {
  const Duration until = clock_.monotonic() + std::clamp(timeout, Duration(0), kLongestWait);
  std::unique_lock lock(mutex_);
  waiters_.push_back({id, until, {}});
  const auto waiter = std::prev(waiters_.end());
  // Who comes back to a task after a time-out is no newcomer.
  if (known_.insert(id).second) latest_came_ = clock_.monotonic();
  if (!thread_.joinable()) thread_ = std::thread([this] { run(stop_.get_token()); });
  changed_.notify_all();
  changed_.wait(lock, stop, [&] { return waiter->outcome.has_value(); });
  std::optional<Result<tasks::Task>> outcome = std::move(waiter->outcome);
  waiters_.erase(waiter);
  if (outcome) return *std::move(outcome);
  return make_error(Code::kCancelled, "waiting for task {} was stopped", id);
}

void TaskWatcher::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return !awaited().empty(); });
    }
    if (stop.stop_requested()) return;
    poll(stop);
    rest(stop);
  }
}

std::vector<tasks::TaskId> TaskWatcher::awaited() {
  std::set<tasks::TaskId> ids;
  for (const Waiter& waiter : waiters_) {
    if (!waiter.outcome) ids.insert(waiter.id);
  }
  return {ids.begin(), ids.end()};
}

// Asks without the lock.
void TaskWatcher::poll(const std::stop_token& stop) {
  std::vector<tasks::TaskId> ids;
  {
    const std::lock_guard lock(mutex_);
    ids = awaited();
    requests_ = (ids.size() + kTasksAtOnce - 1) / kTasksAtOnce;
  }
  for (std::size_t at = 0; at < ids.size() && !stop.stop_requested(); at += kTasksAtOnce) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = std::min(kTasksAtOnce, ids.size() - at);
    const std::vector<tasks::TaskId> some(begin, begin + static_cast<std::ptrdiff_t>(count));
    const auto found = ask_(some, stop);
    const std::lock_guard lock(mutex_);
    settle(some, found);
    changed_.notify_all();
  }
}

void TaskWatcher::settle(const std::vector<tasks::TaskId>& asked,
                         const Result<std::vector<tasks::Task>>& found) {
  const bool is_away =
      !found && (found.error().retry == Retry::kLater || found.error().code == Code::kCancelled);
  if (is_away) {
    log_info("tasks cannot be watched for the moment: {}", found.error().message);
    return;
  }
  for (Waiter& waiter : waiters_) {
    if (waiter.outcome || !std::binary_search(asked.begin(), asked.end(), waiter.id)) continue;
    if (!found) {
      waiter.outcome = found.error();
      known_.erase(waiter.id);
      continue;
    }
    const auto task = std::find_if(found->begin(), found->end(),
                                   [&](const tasks::Task& one) { return one.id == waiter.id; });
    if (task == found->end()) {
      waiter.outcome = make_error(Code::kNotFound, "the service knows no task {}", waiter.id);
    } else if (task->state != tasks::TaskState::kActive) {
      waiter.outcome = *task;
    }
    if (waiter.outcome) known_.erase(waiter.id);
  }
}

void TaskWatcher::end_timed_out() {
  const Duration now = clock_.monotonic();
  for (Waiter& waiter : waiters_) {
    if (!waiter.outcome && now >= waiter.until)
      waiter.outcome = make_error(Code::kTimeout, "task {} is still ACTIVE", waiter.id);
  }
  changed_.notify_all();
}

// The more requests a round takes the longer, so that many tasks lead to no more than two requests
// in a second.
Duration TaskWatcher::interval() const {
  const Duration waited = clock_.monotonic() - latest_came_;
  const Duration usual = std::clamp(waited / 20, shortest_interval_, kLongestInterval);
  if (requests_ <= 1) return usual;
  return std::max(usual, kShortestInterval * static_cast<Duration::rep>(requests_));
}

// Until the next round; who comes meanwhile makes it short again.
void TaskWatcher::rest(const std::stop_token& stop) {
  for (Duration slept{0};;) {
    {
      const std::lock_guard lock(mutex_);
      end_timed_out();
      if (slept >= interval() || awaited().empty()) return;
    }
    if (!clock_.sleep(shortest_interval_, stop)) return;
    slept += shortest_interval_;
  }
}

}  // namespace wherry::globus
