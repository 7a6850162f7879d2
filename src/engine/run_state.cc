// SPDX-License-Identifier: Apache-2.0
#include "engine/run_state.h"

#include <algorithm>

#include "base/back_off.h"

namespace wherry::engine {

std::string Progress::current_file() const {
  const std::lock_guard lock(mutex_);
  return current_file_;
}

void Progress::set_current_file(std::string_view path) {
  const std::lock_guard lock(mutex_);
  current_file_ = path;
}

RunState::RunState(const RunContext& context, RunObserver& observer, Progress& progress,
                   bool skip_source_errors)
    : context_(context),
      observer_(observer),
      progress_(progress),
      skip_source_errors_(skip_source_errors),
      on_stop_(context.stop, [this] { halt(RunEnd::kStopped, std::nullopt); }) {}

void RunState::halt(RunEnd end, std::optional<Error> error) {
  CHECK(end != RunEnd::kCompleted);
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    report_.end = end;
    if (error) report_.error = std::move(error);
  }
  halt_.request_stop();
}

bool RunState::check_deadline() {
  if (is_halted()) return true;
  if (context_.deadline == TimePoint::max() || context_.clock.now() < context_.deadline)
    return false;
  halt(RunEnd::kDeadline, std::nullopt);
  return true;
}

Verdict RunState::judge(const Operation& operation, Side side, const Error& error, int attempts) {
  if (is_halted()) return Verdict::kAbandon;
  const RunLimits& limits = context_.limits;
  bool again = error.retry == Retry::kLater &&
               (limits.retry_attempts == 0 || attempts < limits.retry_attempts);
  // What read back wrong may have been damaged on the way, once; a medium that keeps doing it is
  // reported.
  if (error.code == Code::kCorrupt && side == Side::kTarget)
    again = attempts < limits.changed_source_attempts;
  const bool full = error.code == Code::kNoSpace && side == Side::kTarget;
  if (again || full) {
    progress_.faults.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(observer_mutex_);
    observer_.fault(operation, side, error);
  }
  if (full) {
    halt(RunEnd::kNoSpace, error);
    return Verdict::kAbandon;
  }
  if (again) return Verdict::kRetry;
  const bool skippable = skip_source_errors_ && side == Side::kSource &&
                         (error.code == Code::kNotFound || error.code == Code::kDenied);
  return skippable ? Verdict::kSkipped : Verdict::kFinal;
}

bool RunState::try_again(const Operation& operation, Side side, const Error& error, int attempts) {
  if (check_deadline()) return false;
  if (error.retry != Retry::kLater) return false;
  if (judge(operation, side, error, attempts) != Verdict::kRetry) return false;
  return context_.clock.sleep(backoff(attempts), halted()) && !check_deadline();
}

// base, 2·base, 4·base …, at most the longest, each with up to half as much again, so that the
// workers of many tasks do not knock all at once.
Duration RunState::backoff(int attempts) {
  const RunLimits& limits = context_.limits;
  Duration pause = growing_pause(limits.retry_base, attempts, limits.retry_longest);
  const auto half = static_cast<std::uint64_t>(std::max<Duration::rep>(pause.count() / 2, 1));
  pause += Duration(static_cast<Duration::rep>(context_.random.below(half)));
  if (context_.deadline == TimePoint::max()) return pause;
  const Duration left = context_.deadline - context_.clock.now();
  return std::min(pause, std::max(left, Duration(0)));
}

wherry::Result<void> RunState::record(std::span<const Outcome> outcomes) {
  {
    const std::lock_guard lock(observer_mutex_);
    auto recorded = observer_.record(outcomes);
    if (!recorded) {
      deaf_ = true;
      halt(RunEnd::kFatal, recorded.error());
      return recorded;
    }
  }
  for (const Outcome& outcome : outcomes) count(outcome);
  return {};
}

wherry::Result<bool> RunState::is_done(const Operation& operation) {
  const std::lock_guard lock(observer_mutex_);
  return observer_.is_done(operation.item, operation.below);
}

void RunState::count(const Outcome& outcome) {
  const auto add = [](auto& counter, auto amount) {
    counter.fetch_add(amount, std::memory_order_relaxed);
  };
  const bool directory = outcome.kind == OperationKind::kMakeDirectory;
  switch (outcome.result) {
    case Outcome::Result::kDone:
      if (outcome.kind == OperationKind::kRemove) add(progress_.removed, 1u);
      if (outcome.kind == OperationKind::kCopyFile) {
        add(progress_.files_done, 1u);
        add(progress_.bytes_done, outcome.bytes);
      }
      return;
    case Outcome::Result::kUpToDate:
    case Outcome::Result::kIgnored:
      if (!directory) add(progress_.files_skipped, 1u);
      return;
    case Outcome::Result::kSkippedError:
      add(progress_.skipped_errors, 1u);
      return;
    case Outcome::Result::kFailed: {
      add(progress_.files_failed, 1u);
      const std::lock_guard lock(mutex_);
      ++report_.failed;
      if (!report_.error) report_.error = outcome.error;
      return;
    }
  }
}

RunReport RunState::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

Outcome outcome_of(const Operation& operation, Outcome::Result result) {
  Outcome outcome;
  outcome.result = result;
  outcome.kind = operation.kind;
  outcome.item = operation.item;
  outcome.below = operation.below;
  outcome.source = operation.source;
  outcome.target = operation.target;
  return outcome;
}

Outcome failure_of(const Operation& operation, Verdict verdict, Side side, Error error,
                   int attempts) {
  CHECK(verdict == Verdict::kFinal || verdict == Verdict::kSkipped);
  Outcome outcome =
      outcome_of(operation, verdict == Verdict::kFinal ? Outcome::Result::kFailed
                                                       : Outcome::Result::kSkippedError);
  outcome.error = std::move(error);
  outcome.side = side;
  outcome.attempts = attempts;
  return outcome;
}

}  // namespace wherry::engine
