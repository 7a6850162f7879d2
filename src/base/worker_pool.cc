// SPDX-License-Identifier: Apache-2.0
#include "base/worker_pool.h"

#include <utility>

#include "base/check.h"

namespace wherry {
namespace {

// The pool whose work this thread runs; waiting for that pool would wait for oneself.
thread_local const WorkerPool* current_pool = nullptr;

}  // namespace

WorkerPool::WorkerPool(const Options& options) : queue_limit_(options.queue_limit) {
  CHECK(options.threads > 0);
  CHECK(options.queue_limit > 0);
  threads_.reserve(options.threads);
  for (std::size_t i = 0; i < options.threads; ++i) threads_.emplace_back([this] { run(); });
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_arrived_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  CHECK(queue_.empty() && busy_ == 0);
}

void WorkerPool::submit(std::function<void()> work) {
  CHECK(work != nullptr);
  CHECK(current_pool != this);
  {
    std::unique_lock lock(mutex_);
    room_made_.wait(lock, [this] { return queue_.size() < queue_limit_; });
    CHECK(!closing_);
    queue_.push_back(std::move(work));
  }
  work_arrived_.notify_one();
}

bool WorkerPool::try_submit(std::function<void()> work) {
  CHECK(work != nullptr);
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= queue_limit_) return false;
    CHECK(!closing_ || current_pool == this);
    queue_.push_back(std::move(work));
  }
  work_arrived_.notify_one();
  return true;
}

std::size_t WorkerPool::queued() {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void WorkerPool::wait_idle() {
  CHECK(current_pool != this);
  std::unique_lock lock(mutex_);
  became_idle_.wait(lock, [this] { return queue_.empty() && busy_ == 0; });
}

// An exception that leaves `work` ends the process (std::terminate): work reports by Result.
void WorkerPool::run() {
  current_pool = this;
  std::unique_lock lock(mutex_);
  for (;;) {
    work_arrived_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    lock.unlock();
    room_made_.notify_one();
    work();
    work = nullptr;  // what it captured is released before the pool counts as idle
    lock.lock();
    --busy_;
    if (queue_.empty() && busy_ == 0) became_idle_.notify_all();
  }
}

}  // namespace wherry
