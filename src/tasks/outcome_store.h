// SPDX-License-Identifier: Apache-2.0
// What the operations of a task came to: files moved, errors, events.
//
// Written in batches, one transaction each, together with the counters. A success keeps the item,
// the path below it, the size and the checksum; full paths are put together when they are read.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "engine/types.h"
#include "tasks/store.h"

namespace wherry::tasks {

inline constexpr std::size_t kOutcomePageRows = 10'000;
inline constexpr std::size_t kMaxFaultEvents = 1'000;  // of one task; more are only counted

// Appends to the task's events, within a transaction.
void insert_events(soci::session& sql, TaskKey task, std::span<const Event> events);

// Safe for concurrent calls. The database and the clock outlive it.
class OutcomeStore {
 public:
  OutcomeStore(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  struct Batch {
    std::span<const engine::Outcome> outcomes;
    std::span<const Event> faults;  // beyond kMaxFaultEvents of a task they are dropped
  };
  // Durable when it returns; `tally` already counts the outcomes. The first failure of the task
  // becomes its fatal error, should it end as FAILED.
  Result<void> record(TaskKey task, const Batch& batch, const Tally& tally);
  Result<void> add_event(TaskKey task, const Event& event);

  // Before a task is run again: an index of what is done, on disk, for is_done(). Errors of earlier
  // runs are forgotten by Store::start, because their operations are tried again.
  Result<void> begin_recovery(TaskKey task);
  Result<bool> is_done(TaskKey task, std::uint64_t item, const RelPath& below);
  Result<void> end_recovery(TaskKey task);

  Result<Page<SuccessfulTransfer>> successes(TaskKey task, std::uint64_t marker);
  Result<Page<ItemError>> errors(TaskKey task, std::uint64_t marker);
  // Newest first.
  Result<std::vector<Event>> events(TaskKey task, std::size_t limit, std::size_t offset);

 private:
  Database& database_;
  Clock& clock_;
};

}  // namespace wherry::tasks
