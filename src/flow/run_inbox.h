// SPDX-License-Identifier: Apache-2.0
// How futures reach the thread that runs a flow: what has ended, and that nothing may go on because
// the state cannot be stored. Shared with the futures, which may outlive the run.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/thread_annotations.h"
#include "flow/data_tasks.h"
#include "flow/executor.h"

namespace wherry::flow {

// The end of what was started for one attempt of a node.
struct RunEnding {
  std::size_t node = 0;
  int attempt = 0;
  // Of a transfer or removal, of a command, of the proof that comes before a removal.
  std::variant<Result<Done>, Result<CommandEnd>, Result<void>> result;
};

class RunInbox {
 public:
  void put(RunEnding ending) {
    const std::lock_guard lock(mutex_);
    endings_.push_back(std::move(ending));
    changed_.notify_all();
  }
  // The first one counts.
  void fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
    changed_.notify_all();
  }

  Result<std::vector<RunEnding>> take() {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    return std::exchange(endings_, {});
  }
  // Until there is something to take, the time is up, or a stop is requested.
  void wait(Duration timeout, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, timeout, [this] { return !endings_.empty() || failure_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<RunEnding> endings_ GUARDED_BY(mutex_);
  std::optional<Error> failure_ GUARDED_BY(mutex_);
};

}  // namespace wherry::flow
