// SPDX-License-Identifier: Apache-2.0
#include "base/worker_pool.h"

#include <utility>

#include "base/check.h"

namespace wherry {
namespace {

// The pool whose work this thread runs; waiting for that pool would wait for oneself.
thread_local const WorkerPool* current_pool = nullptr;

}  // namespace

WorkerPool::WorkerPool(const Options& options) : options_(options) {
  CHECK(options.threads > 0);
  CHECK(options.queue_limit > 0);
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

void WorkerPool::enqueue(std::function<void()> work) {
  queue_.push_back(std::move(work));
  const std::size_t free = threads_.size() - busy_;  // those that are on their way to it included
  if (queue_.size() > free && threads_.size() < options_.threads && !closing_)
    threads_.emplace_back([this] { run(); });
}

void WorkerPool::submit(std::function<void()> work) {
  CHECK(work != nullptr);
  CHECK(current_pool != this);
  {
    std::unique_lock lock(mutex_);
    room_made_.wait(lock, [this] { return queue_.size() < options_.queue_limit; });
    CHECK(!closing_);
    enqueue(std::move(work));
  }
  work_arrived_.notify_one();
}

bool WorkerPool::try_submit(std::function<void()> work) {
  CHECK(work != nullptr);
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= options_.queue_limit) return false;
    CHECK(!closing_ || current_pool == this);
    enqueue(std::move(work));
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
