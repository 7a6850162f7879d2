// SPDX-License-Identifier: Apache-2.0
// Commands as processes of this machine: one loop on one thread, which alone starts them, sees
// their ends and ends them.
#include <signal.h>

#include <algorithm>
#include <deque>
#include <map>
#include <thread>

#include "base/child_process.h"
#include "base/units.h"
#include "flow/command_inbox.h"

namespace wherry::flow {
namespace {

// While something has an end: how often the clock is looked at, which may be another than that by
// which a process is waited for.
constexpr Duration kLocalLookEvery = std::chrono::seconds(1);
constexpr Duration kLongestLocalWait = std::chrono::hours(24);  // until something happens

class LocalExecutor : public Executor {
 public:
  LocalExecutor(Clock& clock, const LocalExecutorOptions& options)
      : clock_(clock),
        options_(options),
        most_(options.max_processes > 0 ? options.max_processes
                                        : std::max(1U, std::thread::hardware_concurrency())),
        thread_([this] { run(); }) {}
  LocalExecutor(const LocalExecutor&) = delete;
  LocalExecutor& operator=(const LocalExecutor&) = delete;
  ~LocalExecutor() override { inbox_->close(); }

  Future<CommandEnd> start(const Command& command, const std::string& key) override {
    return inbox_->add(command, key, WantedCommand::How::kStart);
  }
  Future<CommandEnd> reattach_or_start(const Command& command, const std::string& key) override {
    return start(command, key);  // what an earlier program started ended with it
  }
  bool outlives_program() const override { return false; }

 private:
  struct Running {
    WantedCommand wanted;
    std::optional<Duration> ends;    // monotonic: its walltime is over
    std::optional<Error> reason;     // why it was told to end
    std::optional<Duration> killed;  // monotonic: when it is made to
  };

  void run();
  void start_queued();
  bool start_process(WantedCommand& wanted);
  void end_queued();
  void end_running();
  void tell_to_end(ChildId id, Running& running, Error reason);
  void on_end(const ChildEnd& end);
  void abandon_all();
  std::optional<Duration> walltime_of(const Command& command) const {
    return command.walltime ? command.walltime : options_.walltime;
  }
  Duration until_next() const;

  Clock& clock_;
  const LocalExecutorOptions options_;
  const std::size_t most_;
  const std::shared_ptr<CommandInbox> inbox_ = std::make_shared<CommandInbox>();
  // Of the loop alone.
  std::unique_ptr<Children> children_;
  std::deque<WantedCommand> queue_;
  std::map<ChildId, Running> running_;
  bool is_full_ = false;  // the system has no room for another process until one has ended
  LoopThread thread_;     // last: it uses the others
};

void LocalExecutor::run() {
  while (true) {
    CommandInbox::Taken taken = inbox_->take();
    for (WantedCommand& wanted : taken.commands) queue_.push_back(std::move(wanted));
    if (taken.is_closed) return abandon_all();
    if (taken.has_cancels) end_queued();
    end_running();
    start_queued();
    if (!children_) {
      inbox_->wait(taken.next);
      continue;
    }
    for (const ChildEnd& end : children_->wait(until_next(), taken.next)) on_end(end);
  }
}

void LocalExecutor::start_queued() {
  if (queue_.empty()) return;
  if (!children_) {
    auto children = Children::open(most_);
    if (!children) {
      for (WantedCommand& wanted : queue_) wanted.fail(children.error());
      queue_.clear();
      return;
    }
    children_ = std::move(children).value();
  }
  while (!queue_.empty() && !is_full_ && running_.size() < most_) {
    if (!start_process(queue_.front())) return;
    queue_.pop_front();
  }
}

// False: it has to wait until another one has ended.
bool LocalExecutor::start_process(WantedCommand& wanted) {
  const Command& command = wanted.command;
  const Duration begun = clock_.monotonic();
  auto id = children_->start(
      {.words = {"/bin/sh", "-c", script_with(options_.environment, command.script)},
       .directory = command.directory,
       .environment = command.environment,
       .output_file = command.output_file,
       .error_file = command.error_file});
  if (!id && id.error().code == Code::kUnavailable && !running_.empty()) {
    is_full_ = true;
    return false;
  }
  if (!id) {
    wanted.fail(std::move(id).error());
    return true;
  }
  Running running;
  if (const auto walltime = walltime_of(command)) running.ends = begun + *walltime;
  running.wanted = std::move(wanted);
  running_.emplace(*id, std::move(running));
  return true;
}

// Those that were cancelled before their turn.
void LocalExecutor::end_queued() {
  for (WantedCommand& wanted : queue_) {
    if (*wanted.is_cancelled)
      wanted.fail(make_error(Code::kCancelled, "cancelled before it was started"));
  }
  std::erase_if(queue_, [](const WantedCommand& wanted) { return bool{*wanted.is_cancelled}; });
}

void LocalExecutor::end_running() {
  const Duration now = clock_.monotonic();
  for (auto& [id, running] : running_) {
    if (*running.wanted.is_cancelled) {
      tell_to_end(id, running, make_error(Code::kCancelled, "cancelled while it ran"));
    } else if (running.ends && now >= *running.ends) {
      tell_to_end(id, running,
                  make_error(Code::kTimeout, "ended when its walltime of {} was over",
                             format_duration(*walltime_of(running.wanted.command))));
    }
    if (running.killed && now >= *running.killed) {
      children_->signal(id, SIGKILL);
      running.killed.reset();
    }
  }
}

void LocalExecutor::tell_to_end(ChildId id, Running& running, Error reason) {
  if (running.reason) return;
  running.reason = std::move(reason);
  running.killed = clock_.monotonic() + options_.grace;
  children_->signal(id, SIGTERM);
  children_->signal(id, SIGCONT);  // one that is stopped would not hear it
}

void LocalExecutor::on_end(const ChildEnd& end) {
  const auto found = running_.find(end.id);
  Running running = std::move(found->second);
  running_.erase(found);
  is_full_ = false;
  if (running.reason) {
    running.wanted.fail(*std::move(running.reason));
  } else {
    running.wanted.promise.set(CommandEnd{end.exit_code});
  }
}

void LocalExecutor::abandon_all() {
  children_.reset();  // kills them
  const auto abandon = [](WantedCommand& wanted) {
    wanted.fail(make_error(Code::kCancelled, "ended with the program that had started it"));
  };
  for (auto& [id, running] : running_) abandon(running.wanted);
  for (WantedCommand& wanted : queue_) abandon(wanted);
}

Duration LocalExecutor::until_next() const {
  const Duration now = clock_.monotonic();
  Duration next = kLongestLocalWait;
  const auto at = [&](const std::optional<Duration>& time) {
    if (time) next = std::min({next, std::max(*time - now, Duration(0)), kLocalLookEvery});
  };
  for (const auto& [id, running] : running_) {
    if (!running.reason) at(running.ends);
    at(running.killed);
  }
  return next;
}

}  // namespace

std::unique_ptr<Executor> open_local_executor(Clock& clock, const LocalExecutorOptions& options) {
  return std::make_unique<LocalExecutor>(clock, options);
}

}  // namespace wherry::flow
