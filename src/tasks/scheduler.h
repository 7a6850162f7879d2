// SPDX-License-Identifier: Apache-2.0
// Which of the waiting tasks start now: a pure decision, made anew whenever a task comes or ends;
// and the loop that has it made.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_annotations.h"
#include "tasks/types.h"

namespace wherry::tasks {

struct SchedulerLimits {
  std::size_t tasks = 4;
  std::size_t tasks_per_endpoint = 2;
  // Of each identity of the service; local users have no such bound. 0: none.
  std::size_t transfers_per_identity = 0;
  std::size_t deletes_per_identity = 0;
};

// What the decision depends on, of a task that waits or runs.
struct SchedulerTask {
  TaskId id;
  std::string owner;
  EndpointId source_endpoint;
  EndpointId target_endpoint;  // empty for a delete
  TimePoint requested;
};

SchedulerTask scheduler_task(const Task& task);

// The tasks of `waiting` to start, in that order. Owners take turns: the one with the fewest tasks
// under way is next, and of an owner's tasks the oldest whose endpoints have room.
std::vector<TaskId> choose_tasks(std::span<const SchedulerTask> waiting,
                                 std::span<const SchedulerTask> running,
                                 const SchedulerLimits& limits);

// A thread that calls `beat` again and again: after as long as the last call answered, or when
// woken. It measures by the machine's own time, because what it looks for, other processes' wishes,
// does not wait for a clock that stands still.
class SchedulerLoop {
 public:
  explicit SchedulerLoop(std::function<Duration()> beat);
  SchedulerLoop(const SchedulerLoop&) = delete;
  SchedulerLoop& operator=(const SchedulerLoop&) = delete;
  ~SchedulerLoop() { stop(); }

  // Begins with the first call.
  void wake();
  // Returns when no call is under way, and none follows.
  void stop();

 private:
  void run(std::stop_token stop);

  const std::function<Duration()> beat_;
  std::mutex mutex_;
  std::condition_variable_any woken_;
  bool wake_ GUARDED_BY(mutex_) = false;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace wherry::tasks
