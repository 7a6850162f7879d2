// SPDX-License-Identifier: Apache-2.0
// A few threads that run work from a bounded queue: the only place that starts threads for work
// (loops with a life of their own are listed in docs/architecture.md). Each is started when work
// comes for which none of the others is free.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/thread_annotations.h"

namespace wherry {

class WorkerPool {
 public:
  struct Options {
    std::size_t threads = 2;       // at most
    std::size_t queue_limit = 64;  // submit() blocks while this much work waits
  };

  explicit WorkerPool(const Options& options);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  // Waits for all work that was submitted. Work that should end early watches a stop token.
  ~WorkerPool();

  // Queues `work`; blocks while the queue is full. Must not be called from work of this pool.
  void submit(std::function<void()> work);
  // As submit, but returns false at once, without keeping `work`, while the queue is full. For
  // callers that must not wait, work of this pool among them.
  [[nodiscard]] bool try_submit(std::function<void()> work);
  // How much work waits for a thread.
  std::size_t queued();
  // Blocks until nothing is queued or running. Must not be called from work of this pool.
  void wait_idle();

 private:
  void enqueue(std::function<void()> work) REQUIRES_LOCK(mutex_);
  void run();

  const Options options_;
  std::mutex mutex_;
  std::condition_variable work_arrived_;  // or the pool is closing
  std::condition_variable room_made_;
  std::condition_variable became_idle_;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mutex_);
  std::size_t busy_ GUARDED_BY(mutex_) = 0;
  bool closing_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);  // grows until the pool is closing
};

}  // namespace wherry
