// SPDX-License-Identifier: Apache-2.0
// Timers in the state database: what is to be submitted when, for whom, and what came of it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/timer_documents.h"
#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "base/result.h"

namespace wherry::server {

using api::Timer;

struct TimerFilter {
  std::vector<api::TimerStatus> statuses;  // none: all
  std::string name;                        // a part of it, in either case; empty: all
};

// Of one owner.
inline constexpr std::size_t kMaxTimers = 500;
inline constexpr std::size_t kMaxTimerBytes = std::size_t{32} << 20;  // of their bodies
// Kept of each timer.
inline constexpr std::size_t kMaxTimerResults = 20;

std::span<const Migration> timer_migrations();

// Safe for concurrent calls, in several processes. To somebody else than its owner a timer does not
// exist (kNotFound).
class Timers {
 public:
  struct Parts {
    Database& database;  // all three outlive this object
    Clock& clock;
    Random& random;
  };
  explicit Timers(const Parts& parts) : parts_(parts) {}

  // kConflict if the owner has too many.
  Result<Timer> create(const std::string& owner, const api::TimerCreation& creation);
  Result<Timer> get(const std::string& owner, std::string_view id);
  // In the order of their creation.
  Result<std::vector<Timer>> list(const std::string& owner, const TimerFilter& filter);
  Result<Timer> rename(const std::string& owner, std::string_view id, const std::string& name);
  // Answers what it was. What it submitted goes on.
  Result<Timer> remove(const std::string& owner, std::string_view id);
  // kConflict if it has ended. Again is as once.
  Result<void> pause(const std::string& owner, std::string_view id);
  // A run that was missed meanwhile is due at once, and one only.
  Result<void> resume(const std::string& owner, std::string_view id);

  // ---- for the loop that runs them

  // What is new, or has a run to begin or to try again, the longest due first; at most `limit`.
  Result<std::vector<std::string>> due(std::size_t limit);
  // Stores, durably, the submission id of the run that is due, before anything is submitted. A run
  // that was begun and has no end, because the process died, is begun again with the id it had.
  // Nothing if no run is due (any more).
  Result<std::optional<Timer>> begin(const std::string& id);
  // How the run of that submission ended, and when the next one is due. Both do nothing if the
  // timer is gone.
  Result<void> succeed(const std::string& id, const Timer::Attempt& attempt,
                       const std::string& task_id);
  Result<void> fail(const std::string& id, const Timer::Attempt& attempt, const std::string& error);
  // The run is tried again after a while, longer after each time.
  Result<void> try_later(const std::string& id, const Timer::Attempt& attempt);
  // Nothing happens until its owner resumes it.
  Result<void> deactivate(const std::string& id, const std::string& cause);

 private:
  Result<void> end_run(const std::string& id, const api::TimerRun& run);

  Parts parts_;
};

}  // namespace wherry::server
