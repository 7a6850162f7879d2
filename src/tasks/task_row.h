// SPDX-License-Identifier: Apache-2.0
// A row of the table `task`, as SOCI reads and writes it, and what it means.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "tasks/claim.h"
#include "tasks/types.h"

namespace wherry::tasks {

// The task's number in the database: what the rows of its items and outcomes refer to.
using TaskKey = long long;

inline constexpr std::string_view kTaskClaim = "task";  // the kind of claim

struct TaskRow {
  TaskKey number = 0;
  std::string id, type, state, owner, submission_id, label, source_endpoint, target_endpoint,
      options;
  long long requested = 0, deadline = 0, completed = 0, item_count = 0;
  long long files = 0, directories = 0, symlinks = 0, files_transferred = 0, files_skipped = 0,
            skipped_errors = 0, files_failed = 0, removed = 0, bytes = 0, bytes_transferred = 0,
            bytes_checksummed = 0, faults = 0;
  long long runs = 0, worked = 0;
  std::string nice_status, nice_status_details, error_code, error_description;
  int cut_short = 0, cancel_requested = 0;
  std::string current_file;
  int is_held = 0, is_held_by_admin = 0;
  std::string hold_message, admin_message, canceled_by_admin;
  // Of the claim; pid 0 if there is none.
  long long pid = 0, start_time = 0, since = 0, serial = 0;
  std::string host, boot_id;
};

// Reads rows of `task t left join claim c`, whose text after the joins is `rest`. Text of users may
// not stand in it, but may be bound to :owner.
class TaskQuery {
 public:
  TaskQuery(soci::session& sql, const std::string& rest, const std::string& owner = {});
  ~TaskQuery();
  // The next row, valid until the next call; null after the last.
  const TaskRow* next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

TaskRow to_row(const Task& task);
// kCorrupt if the row holds what this program cannot have written.
Result<Task> to_task(const TaskRow& row);

std::string encode_options(const engine::TransferOptions& options);
std::string encode_options(const engine::DeleteOptions& options);
Result<engine::TransferOptions> decode_transfer_options(std::string_view text);
Result<engine::DeleteOptions> decode_delete_options(std::string_view text);

std::string_view to_string(TaskType type);  // "TRANSFER", "DELETE"

inline long long to_stored(TimePoint time) { return time.time_since_epoch().count(); }
inline TimePoint from_stored(long long time) { return TimePoint(Duration(time)); }

}  // namespace wherry::tasks
