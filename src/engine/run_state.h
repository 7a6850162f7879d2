// SPDX-License-Identifier: Apache-2.0
// What the threads of one run share: why and whether it ends early, what becomes of an error, and
// the caller's observer.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>

#include "base/thread_annotations.h"
#include "engine/runner.h"
#include "engine/types.h"

namespace wherry::engine {

// What becomes of an operation that failed.
enum class Verdict {
  kRetry,    // later, after RunState::backoff()
  kFinal,    // its outcome is kFailed
  kSkipped,  // its outcome is kSkippedError
  kAbandon,  // the run ends early; the operation has no outcome and a later run does it
};

// Safe for concurrent calls.
class RunState {
 public:
  // Lent: all of them.
  RunState(const RunContext& context, RunObserver& observer, Progress& progress,
           bool skip_source_errors);

  // Requested when the run ends early, for whatever reason.
  std::stop_token halted() const { return halt_.get_token(); }
  bool is_halted() const { return halt_.stop_requested(); }
  // The observer cannot record: nothing may be committed any more.
  bool is_deaf() const { return deaf_; }
  // Ends the run early. The first reason stands.
  void halt(RunEnd end, std::optional<Error> error);
  // Ends the run if its deadline has passed. Returns whether it has ended.
  bool check_deadline();

  // Decides and counts; tells the observer of what is tried again and ends the run when the target
  // is full. `attempts` counts this failure.
  Verdict judge(const Operation& operation, Side side, const Error& error, int attempts);
  // For calls of the planning thread: true after the pause when the call is worth repeating.
  bool try_again(const Operation& operation, Side side, const Error& error, int attempts);
  // How long to wait after this many attempts; never beyond the deadline.
  Duration backoff(int attempts);

  // Hands outcomes to the observer, then counts them. An error halts the run.
  wherry::Result<void> record(std::span<const Outcome> outcomes);
  wherry::Result<bool> is_done(const Operation& operation);

  RunReport report() const;
  const RunContext& context() const { return context_; }
  Progress& progress() { return progress_; }

 private:
  void count(const Outcome& outcome);

  const RunContext& context_;
  RunObserver& observer_;
  Progress& progress_;
  const bool skip_source_errors_;
  std::stop_source halt_;
  std::atomic<bool> deaf_{false};
  std::mutex observer_mutex_;  // its calls come one at a time
  mutable std::mutex mutex_;
  RunReport report_ GUARDED_BY(mutex_);
  bool ended_ GUARDED_BY(mutex_) = false;
  std::stop_callback<std::function<void()>> on_stop_;
};

// The outcome of an operation that needs no more than its own words.
Outcome outcome_of(const Operation& operation, Outcome::Result result);
Outcome failure_of(const Operation& operation, Verdict verdict, Side side, Error error,
                   int attempts);

}  // namespace wherry::engine
