// SPDX-License-Identifier: Apache-2.0
#include "tasks/watcher.h"

#include <algorithm>

namespace wherry::tasks {
namespace {

constexpr Duration kShortestInterval = std::chrono::milliseconds(100);
constexpr Duration kLongestInterval = std::chrono::seconds(1);
constexpr Duration kLongestWait = std::chrono::hours(24 * 365);  // more would overflow

}  // namespace

Watcher::Watcher(Store& store, Clock& clock)
    : store_(store), clock_(clock), interval_(kShortestInterval) {}

Watcher::~Watcher() {
  stop_.request_stop();
  if (thread_.joinable()) thread_.join();
}

Result<void> Watcher::outcome(const Waiter& waiter, std::stop_token stop) const {
  switch (waiter.state) {
    case Waiter::State::kSettled:
      return {};
    case Waiter::State::kFailed:
      return *waiter.error;
    case Waiter::State::kTimedOut:
      return make_error(Code::kTimeout, "task {} is still ACTIVE", waiter.id);
    case Waiter::State::kWaiting:
      break;
  }
  CHECK(stop.stop_requested());
  return make_error(Code::kCancelled, "waiting for task {} was stopped", waiter.id);
}

Result<void> Watcher::wait(const TaskId& id, Duration timeout, std::stop_token stop) {
  const Duration until = clock_.monotonic() + std::clamp(timeout, Duration(0), kLongestWait);
  std::unique_lock lock(mutex_);
  waiters_.push_back({id, until, Waiter::State::kWaiting, {}});
  const auto waiter = std::prev(waiters_.end());
  ++arrivals_;
  interval_ = kShortestInterval;
  start_thread();
  changed_.notify_all();
  changed_.wait(lock, stop, [&] { return waiter->state != Waiter::State::kWaiting; });
  auto result = outcome(*waiter, stop);
  waiters_.erase(waiter);
  return result;
}

void Watcher::notify(const TaskId& id) {
  const std::lock_guard lock(mutex_);
  for (Waiter& waiter : waiters_) {
    if (waiter.id == id && waiter.state == Waiter::State::kWaiting)
      waiter.state = Waiter::State::kSettled;
  }
  changed_.notify_all();
}

void Watcher::start_thread() {
  if (!thread_.joinable()) thread_ = std::thread([this] { run(stop_.get_token()); });
}

// Until the next question to the database, or the first time-out.
Duration Watcher::pause() {
  Duration pause = interval_;
  interval_ = std::min(interval_ * 3 / 2, kLongestInterval);
  for (const Waiter& waiter : waiters_)
    pause = std::min(pause, std::max(waiter.until - clock_.monotonic(), Duration(0)));
  return pause;
}

bool Watcher::anybody_waits() const {
  return std::any_of(waiters_.begin(), waiters_.end(),
                     [](const Waiter& waiter) { return waiter.state == Waiter::State::kWaiting; });
}

void Watcher::run(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const std::size_t seen = arrivals_;
    poll(lock);
    const auto somebody_came = [&] { return arrivals_ != seen; };
    if (anybody_waits()) {
      changed_.wait_for(lock, stop, pause(), somebody_came);
    } else {
      changed_.wait(lock, stop, somebody_came);
    }
  }
}

// Asks without the lock, so that notify() never waits for the database.
void Watcher::poll(std::unique_lock<std::mutex>& lock) {
  std::vector<TaskId> ids;
  for (const Waiter& waiter : waiters_) {
    if (waiter.state == Waiter::State::kWaiting) ids.push_back(waiter.id);
  }
  if (ids.empty()) return;
  lock.unlock();
  const auto settled = store_.settled(ids);
  const Duration now = clock_.monotonic();
  lock.lock();
  for (Waiter& waiter : waiters_) {
    if (waiter.state != Waiter::State::kWaiting) continue;
    if (!settled && settled.error().retry != Retry::kLater) {
      waiter.state = Waiter::State::kFailed;
      waiter.error = settled.error();
    } else if (settled && std::count(settled->begin(), settled->end(), waiter.id) != 0) {
      waiter.state = Waiter::State::kSettled;
    } else if (now >= waiter.until) {
      waiter.state = Waiter::State::kTimedOut;
    }
  }
  changed_.notify_all();
}

}  // namespace wherry::tasks
