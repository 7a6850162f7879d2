// SPDX-License-Identifier: Apache-2.0
// One thread that serves everybody who waits for a task to leave the state ACTIVE. What this
// process ends is told at once; what another process ends is seen by asking the database, often at
// first and then less so. While nobody waits, the thread sleeps.
#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/clock.h"
#include "base/thread_annotations.h"
#include "tasks/store.h"

namespace wherry::tasks {

// Safe for concurrent calls. Store and clock outlive it; nobody waits any more when it ends.
class Watcher {
 public:
  Watcher(Store& store, Clock& clock);
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  ~Watcher();

  // Blocks until the task is not ACTIVE; kTimeout, kCancelled.
  Result<void> wait(const TaskId& id, Duration timeout, std::stop_token stop);
  // The task has left ACTIVE.
  void notify(const TaskId& id);

 private:
  struct Waiter {
    TaskId id;
    Duration until;  // monotonic
    enum class State { kWaiting, kSettled, kTimedOut, kFailed } state = State::kWaiting;
    std::optional<Error> error;
  };
  Result<void> outcome(const Waiter& waiter, std::stop_token stop) const;
  void start_thread() REQUIRES_LOCK(mutex_);
  void run(std::stop_token stop);
  void poll(std::unique_lock<std::mutex>& lock);
  bool anybody_waits() const REQUIRES_LOCK(mutex_);
  Duration pause() REQUIRES_LOCK(mutex_);

  Store& store_;
  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any changed_;  // a waiter came, was settled, or the watcher ends
  std::list<Waiter> waiters_ GUARDED_BY(mutex_);
  std::size_t arrivals_ GUARDED_BY(mutex_) = 0;
  Duration interval_ GUARDED_BY(mutex_);
  std::stop_source stop_;
  std::thread thread_;  // from the first wait() on
};

}  // namespace wherry::tasks
