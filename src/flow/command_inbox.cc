// SPDX-License-Identifier: Apache-2.0
#include "flow/command_inbox.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "base/path.h"

namespace wherry::flow {
namespace {

constexpr std::size_t kLongestCommandKey = 1000;

bool is_variable_name(std::string_view name) {
  const auto may_follow = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
         std::all_of(name.begin(), name.end(), may_follow);
}

Result<void> check_command_text(std::string_view what, std::string_view text) {
  if (text.find('\0') == text.npos) return {};
  return make_error(Code::kInvalid, "its {} has a null byte", what);
}

Result<void> check_command_path(std::string_view what, std::string_view path) {
  TRY(check_command_text(what, path));
  if (path.starts_with('/')) return {};
  return make_error(Code::kInvalid, "its {} '{}' does not begin with '/'", what,
                    escape_bytes(path));
}

}  // namespace

Result<void> check_command(const Command& command, const std::string& key) {
  if (key.empty() || key.size() > kLongestCommandKey)
    return make_error(Code::kInvalid, "its key has {} characters, not 1 to {}", key.size(),
                      kLongestCommandKey);
  TRY(check_command_text("key", key));
  TRY(check_command_text("script", command.script));
  TRY(check_command_path("directory", command.directory));
  if (!command.output_file.empty()) TRY(check_command_path("output file", command.output_file));
  if (!command.error_file.empty()) TRY(check_command_path("error file", command.error_file));
  for (const auto& [name, value] : command.environment) {
    if (!is_variable_name(name))
      return make_error(Code::kInvalid,
                        "'{}' is no name of a variable: letters, digits and '_', no digit first",
                        escape_bytes(name));
    TRY(check_command_text("variable " + name, value));
  }
  if (command.walltime && *command.walltime <= Duration(0))
    return make_error(Code::kInvalid, "its walltime is not above 0");
  return {};
}

std::string script_with(const std::vector<std::string>& environment, const std::string& script) {
  std::string text;
  for (const std::string& line : environment) text += line + '\n';
  return text + script;
}

Future<CommandEnd> CommandInbox::add(const Command& command, const std::string& key,
                                     WantedCommand::How how) {
  WantedCommand wanted;
  wanted.command = command;
  wanted.key = key;
  wanted.how = how;
  auto future = wanted.promise.future();
  if (auto checked = check_command(command, key); !checked) {
    wanted.fail(std::move(checked).error());
    return future;
  }
  wanted.promise.on_cancel([inbox = shared_from_this(), is_cancelled = wanted.is_cancelled] {
    *is_cancelled = true;
    inbox->cancelled();
  });
  {
    const std::lock_guard lock(mutex_);
    added_.push_back(std::move(wanted));
  }
  wake();
  return future;
}

void CommandInbox::cancelled() {
  {
    const std::lock_guard lock(mutex_);
    has_cancels_ = true;
  }
  wake();
}

void CommandInbox::close() {
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  wake();
}

CommandInbox::Taken CommandInbox::take() {
  Taken taken;
  const std::lock_guard lock(mutex_);
  taken.commands.swap(added_);
  taken.has_cancels = std::exchange(has_cancels_, false);
  taken.is_closed = is_closed_;
  // A token that was stopped stays so: each round has its own.
  if (!is_closed_) next_ = std::stop_source();
  taken.next = next_.get_token();
  return taken;
}

void CommandInbox::wait(std::stop_token next) {
  std::unique_lock lock(mutex_);
  woken_.wait(lock, next, [&] { return next.stop_requested(); });
}

void CommandInbox::wake() {
  std::stop_source next;
  {
    const std::lock_guard lock(mutex_);
    next = next_;
  }
  // Without the lock: it calls back into the wait of the loop.
  next.request_stop();
}

LoopThread::LoopThread(std::function<void()> loop) {
  // A thread takes the mask of who starts it. ctrl-C is for the thread that waits for it.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  CHECK(::pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
  thread_ = std::thread(std::move(loop));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace wherry::flow
