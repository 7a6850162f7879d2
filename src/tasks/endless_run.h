// SPDX-License-Identifier: Apache-2.0
// For tests of what happens to a task while it runs.
#pragma once

#include <optional>
#include <stop_token>
#include <thread>

#include "base/worker_pool.h"
#include "tasks/test_world.h"

namespace wherry::tasks {

// A run in another thread that cannot end by itself: its source is away, the clock stands still.
class EndlessRun {
 public:
  explicit EndlessRun(TestWorld& world) : world_(world) {
    world_.add_source_file("run/a", "a");
    world_.source_faults.on(storage::Operation::kOpenRead, {.code = Code::kUnavailable}, 1u << 30);
    id = world_.submit(world_.transfer("run", "copy"));
    thread_.emplace(WorkerPool::Options{1, 1});
    thread_->submit([this] { ended = world_.service->run(id, stop.get_token()); });
    while (world_.source_faults.count(storage::Operation::kOpenRead) == 0)
      std::this_thread::yield();
  }
  ~EndlessRun() {
    stop.request_stop();
    thread_.reset();
  }
  Task join() {
    thread_.reset();  // waits for it
    return ended->value();
  }

  TaskId id;
  std::stop_source stop;
  std::optional<Result<Task>> ended;

 private:
  TestWorld& world_;
  std::optional<WorkerPool> thread_;
};

}  // namespace wherry::tasks
