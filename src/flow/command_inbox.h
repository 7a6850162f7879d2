// SPDX-License-Identifier: Apache-2.0
// How the callers of an executor reach its loop, which is one thread: what they want started, that
// something is to be cancelled, that it is closed. Whatever they do wakes the loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/thread_annotations.h"
#include "flow/executor.h"

namespace wherry::flow {

// A command on its way through a loop.
struct WantedCommand {
  Command command;
  std::string key;
  enum class How { kStart, kReattachOrStart } how = How::kStart;
  Promise<CommandEnd> promise;
  std::shared_ptr<std::atomic<bool>> is_cancelled = std::make_shared<std::atomic<bool>>(false);

  void fail(Error error) {
    promise.set(std::move(error).with_context("command '" + command.name + "'"));
  }
};

// Safe for concurrent calls. Shared with the futures, which may outlive the executor.
class CommandInbox : public std::enable_shared_from_this<CommandInbox> {
 public:
  // A command that makes no sense becomes a future that has failed already.
  Future<CommandEnd> add(const Command& command, const std::string& key, WantedCommand::How how);
  void close();

  // For the loop: takes what was added, in order. The token is stopped by whatever happens next, or
  // has happened already once it is closed.
  struct Taken {
    std::deque<WantedCommand> commands;
    std::stop_token next;
    bool has_cancels = false;  // since the last time
    bool is_closed = false;
  };
  Taken take();
  // Blocks until that token is stopped.
  void wait(std::stop_token next);

 private:
  void cancelled();
  void wake();

  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::deque<WantedCommand> added_ GUARDED_BY(mutex_);
  std::stop_source next_ GUARDED_BY(mutex_);
  bool has_cancels_ GUARDED_BY(mutex_) = false;
  bool is_closed_ GUARDED_BY(mutex_) = false;
};

// The thread of a loop, which no signal interrupts. Joined at its end.
class LoopThread {
 public:
  explicit LoopThread(std::function<void()> loop);
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread() { thread_.join(); }

 private:
  std::thread thread_;
};

// kInvalid says what is wrong with a command, before anybody tries to run it.
Result<void> check_command(const Command& command, const std::string& key);
// The script of a command behind an executor's lines.
std::string script_with(const std::vector<std::string>& environment, const std::string& script);

}  // namespace wherry::flow
