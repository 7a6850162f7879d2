// SPDX-License-Identifier: Apache-2.0
// The bounded queue between the plan and the workers. Workers take small operations in batches;
// operations that are to be tried again wait aside until they are due, without a worker waiting
// with them. At most one operation per target path is in the run at a time, so that two items that
// name the same target cannot write to the same temporary.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/thread_annotations.h"
#include "engine/types.h"

namespace wherry::engine {

struct Work {
  Operation operation;
  int attempts = 0;       // so far
  std::uint64_t key = 0;  // of its target path; set by push()
};

class WorkQueue {
 public:
  struct Options {
    std::size_t limit = 256;
    std::size_t workers = 2;
    // Called without locks when every worker has nothing to do, though more may come.
    std::function<void()> on_idle;
  };
  // Lent: `clock`. `halted` ends every wait.
  WorkQueue(const Options& options, Clock& clock, std::stop_token halted);

  // Blocks while the queue is full, many retries are due, or the target is still in the run. False
  // when halted; the work is dropped then.
  bool push(Work work);
  // Puts aside what pop() gave, to come again after `delay`. Never blocks.
  void push_later(Work work, Duration delay);
  // Fills `batch` with the next work; blocks until there is some. False when nothing will come
  // again. A worker that calls it has dealt with its last batch, which was in `batch`.
  bool pop(std::vector<Work>& batch);
  // These have their outcome, and leave the run.
  void settle(std::span<const std::uint64_t> keys);
  // Once everything has been pushed: blocks until it is settled. False when halted.
  bool wait_settled();
  // How much no worker has begun, once everything has been pushed; nothing before.
  std::optional<std::size_t> last_left();
  // Workers may go when all is settled.
  void close();

 private:
  struct Delayed {
    Duration due;
    Work work;
  };
  void collect_due() REQUIRES_LOCK(mutex_);
  void take_batch(std::vector<Work>& batch) REQUIRES_LOCK(mutex_);
  void sleep_until_due(std::unique_lock<std::mutex>& lock) REQUIRES_LOCK(mutex_);
  void wake_sleeper() REQUIRES_LOCK(mutex_);

  const Options options_;
  Clock& clock_;
  std::stop_token halted_;
  std::mutex mutex_;
  std::condition_variable work_arrived_;
  std::condition_variable room_made_;  // or operations were settled
  std::deque<Work> ready_ GUARDED_BY(mutex_);
  std::vector<Delayed> delayed_ GUARDED_BY(mutex_);  // a heap, the next one due in front
  std::unordered_set<std::uint64_t> in_run_ GUARDED_BY(mutex_);
  std::size_t busy_ GUARDED_BY(mutex_) = 0;  // workers
  std::size_t waiting_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
  bool all_pushed_ GUARDED_BY(mutex_) = false;
  // One worker without work sleeps until the next retry is due; this wakes it sooner.
  std::optional<std::stop_source> sleeper_ GUARDED_BY(mutex_);
  std::stop_callback<std::function<void()>> on_halt_;
};

}  // namespace wherry::engine
