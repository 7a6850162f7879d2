// SPDX-License-Identifier: Apache-2.0
// Tasks in the state database: submission, state, who runs them. What their operations came to is
// in outcome_store.h. Every change of state is one transaction, checked against the table of
// state.h.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/read_cache.h"
#include "tasks/claim.h"
#include "tasks/task_row.h"
#include "tasks/types.h"

namespace wherry::tasks {

// What a run has come to so far; stored together with the outcomes that it counts.
struct Tally {
  Counts counts;
  Duration worked{0};  // also by earlier runs
  std::string current_file;
};

// Within a transaction.
void write_tally(soci::session& sql, TaskKey task, const Tally& tally);

// How a task leaves the state ACTIVE.
struct Ending {
  TaskState state = TaskState::kFailed;
  std::optional<TaskError> error;   // of kFailed, unless the first failed operation gave one
  std::string nice_status;          // of kInactive
  std::string nice_status_details;  // of kInactive
  std::optional<Event> event;
  bool cut_short = false;  // of kFailed: before every operation had its outcome
};

// Safe for concurrent calls. The database, migrated with task_migrations() and
// endpoint_migrations(), and the clock outlive it.
class Store {
 public:
  Store(Database& database, Clock& clock);

  // The task that `owner` submitted with this id.
  Result<std::optional<TaskId>> find_submission(const std::string& owner,
                                                const SubmissionId& submission_id);
  // Stores a valid task with its items, durably, unless the submission is known.
  Result<Submitted> add(const Task& task, std::span<const engine::TransferItem> items);
  Result<Submitted> add(const Task& task, std::span<const engine::DeleteItem> items);

  Result<Task> task(const TaskId& id);
  Result<TaskKey> key(const TaskId& id);
  Result<std::vector<Task>> tasks(const TaskFilter& filter);
  // How many tasks the filter lets pass, whatever its limit and offset.
  Result<std::uint64_t> count(const TaskFilter& filter);

  struct Start {
    Claim claim;
    TaskKey key = 0;
    Task task;
    Tally tally;
    bool recovering = false;  // it was begun before
  };
  // Claims an ACTIVE task for this process. kConflict if another live one runs it, or it is not
  // ACTIVE or is paused.
  Result<Start> start(const TaskId& id);
  // What others want of a task that runs.
  struct Wishes {
    bool cancel = false;
    bool pause = false;  // see pauses.h
    TimePoint deadline;
  };
  Result<Wishes> wishes(TaskKey key);
  // While it runs: why it waits, or "OK".
  Result<void> set_nice_status(TaskKey key, const std::string& status, const std::string& details);
  // Ends the run: state, tally and claim in one transaction. A task that would wait for a person,
  // or be handed back, is CANCELED instead if that was asked for meanwhile.
  Result<void> end(Start& start, const Tally& tally, const Ending& ending);
  // Ends the run and leaves the task ACTIVE, for whoever runs tasks next.
  Result<void> hand_back(Start& start, const Tally& tally);

  // Notes the wish, durably. True if the task has ended by that, because nobody runs it.
  Result<bool> cancel(const TaskId& id);
  // Who cancels it, before cancel(). kConflict if it has ended.
  Result<void> note_admin_cancel(const TaskId& id, AdminSide side, const std::string& message);
  Result<void> resume(const TaskId& id);
  // See Claims::take_from_other_host; kNotFound if there is no such task.
  Result<void> take_over(const TaskId& id);
  Result<void> update(const TaskId& id, const TaskChange& change);
  // Ends as EXPIRED what is past its deadline and run by nobody. Returns the tasks.
  Result<std::vector<TaskId>> expire();

  // ACTIVE tasks that nobody runs and nothing holds back: the oldest `per_group` of each owner and
  // pair of endpoints.
  Result<std::vector<Task>> runnable(std::size_t per_group);
  // Which of `ids` are not ACTIVE (or gone).
  Result<std::vector<TaskId>> settled(const std::vector<TaskId>& ids);
  // Deletes tasks that ended before `before`. Returns how many.
  Result<std::size_t> purge(TimePoint before);

 private:
  template <class Item>
  Result<Submitted> add_task(const Task& task, std::span<const Item> items);
  // Moves a task that nobody runs from one state to another.
  Result<void> change_unheld(const TaskId& id, const Claim::Also& change);
  Result<bool> purge_task(const TaskId& id, TimePoint before);

  Database& database_;
  Clock& clock_;
  Claims claims_;
  ReadCache<TaskRow> rows_;
};

}  // namespace wherry::tasks
