// SPDX-License-Identifier: Apache-2.0
// One thread that serves everybody who waits for tasks of a service: it asks for all of them
// together, often at first and then less so. While nobody waits, it sleeps.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "tasks/types.h"

namespace wherry::globus {

// Safe for concurrent calls. Nobody waits any more when it ends.
class TaskWatcher {
 public:
  static constexpr std::size_t kTasksAtOnce = 50;  // asked for in one request
  // Between two rounds of requests: a twentieth of the time that the latest comer has waited,
  // within these bounds. A service near by is asked more often at first, since its tasks may be
  // short.
  static constexpr Duration kShortestInterval = std::chrono::milliseconds(500);
  static constexpr Duration kShortestIntervalNearBy = std::chrono::milliseconds(10);
  static constexpr Duration kLongestInterval = std::chrono::seconds(15);

  // The tasks of these ids (at most kTasksAtOnce) that there are.
  using Ask = std::function<Result<std::vector<tasks::Task>>(const std::vector<tasks::TaskId>& ids,
                                                             std::stop_token stop)>;
  TaskWatcher(Ask ask, Clock& clock, Duration shortest_interval = kShortestInterval);
  TaskWatcher(const TaskWatcher&) = delete;
  TaskWatcher& operator=(const TaskWatcher&) = delete;
  ~TaskWatcher();

  // Blocks until the task is not ACTIVE: kTimeout, kCancelled, kNotFound. A service that is away
  // for a time is waited for; any other trouble ends the waiting.
  Result<tasks::Task> wait(const tasks::TaskId& id, Duration timeout, std::stop_token stop);

 private:
  struct Waiter {
    tasks::TaskId id;
    Duration until;  // monotonic
    std::optional<Result<tasks::Task>> outcome;
  };
  void run(std::stop_token stop);
  void poll(const std::stop_token& stop);
  void settle(const std::vector<tasks::TaskId>& asked,
              const Result<std::vector<tasks::Task>>& found) REQUIRES_LOCK(mutex_);
  void end_timed_out() REQUIRES_LOCK(mutex_);
  Duration interval() const REQUIRES_LOCK(mutex_);
  std::vector<tasks::TaskId> awaited() REQUIRES_LOCK(mutex_);
  void rest(const std::stop_token& stop);

  const Ask ask_;
  Clock& clock_;
  const Duration shortest_interval_;
  std::mutex mutex_;
  std::condition_variable_any changed_;  // a waiter came or was settled, or the watcher ends
  std::list<Waiter> waiters_ GUARDED_BY(mutex_);
  std::set<tasks::TaskId> known_ GUARDED_BY(mutex_);  // that were waited for and have not ended
  Duration latest_came_ GUARDED_BY(mutex_){0};        // monotonic
  std::size_t requests_ GUARDED_BY(mutex_) = 0;       // of the last round
  std::stop_source stop_;
  std::thread thread_;  // from the first wait() on
};

}  // namespace wherry::globus
