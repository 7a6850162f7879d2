// SPDX-License-Identifier: Apache-2.0
// Transfer items, and the transfer tasks that carry them. The stager's memory: what is to be moved,
// under which submission id it was sent, and what has come of each item.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "jobs/batch.h"
#include "jobs/types.h"

namespace wherry::jobs {

// A transfer task of the site. Stored, with what it carries, before it is submitted: after a crash
// the same request goes out under the same id.
struct StageTask {
  StageTaskId id = 0;
  SiteId site = 0;
  BatchKey key;
  tasks::SubmissionId submission_id;
  tasks::TaskId task_id;  // empty until the service has answered
  TimePoint created;
  std::vector<ItemId> items;  // in the order of the request; also those whose job is gone
  // What is sent, as the stager wrote it down (stage_request.h); empty before it did.
  std::string request;
};

// What is known of an item in a task. Items whose outcome is not named stay as they are.
struct ItemOutcome {
  ItemId item = 0;
  enum class Kind {
    kDone,
    kInactive,  // its task waits for a person
    kActive,    // again, after kInactive
    kRetry,     // pending again, from next_try on
    kError,     // `error` and its job by `job`
  } kind = Kind::kDone;
  std::optional<tasks::TaskError> error;
  TimePoint next_try;  // of kRetry
  enum class OfJob { kFails, kStays } job = OfJob::kFails;
  std::string message;
};

// An item with what the stager must know of its job to build a request.
struct StageItem {
  TransferItem item;
  std::string workdir;
  JobState job_state = JobState::kReady;
};

// Safe for concurrent calls. The database is migrated with job_migrations(); it and the clock
// outlive this.
class Items {
 public:
  Items(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  Result<TransferItem> get(ItemId id);
  Result<Listing<TransferItem>> list(const ItemFilter& filter);
  Result<std::map<ItemState, std::uint64_t>> count_by_state(const ItemFilter& filter);
  // Items in error become pending, and their FAILED jobs go back to where they wait for them;
  // others are left alone. Answers how many.
  Result<std::uint64_t> retry(const ItemFilter& filter);
  // What a client may set of an item (PATCH /v1/transfers): a state by the table.
  struct Change {
    ItemId id = 0;
    std::optional<ItemState> state;
    std::optional<tasks::TaskId> task_id;
    std::optional<tasks::TaskError> error;
  };
  Result<void> modify(std::span<const Change> changes);  // all or none; at most kMaxBulk

  // ---- for the stager

  // Pending items of the site that may be tried now and that no stage task carries: of each group
  // the oldest, `limit` in all, shared evenly.
  Result<std::vector<PendingItem>> pending(SiteId site, std::size_t limit, TimePoint now);
  // When the next item that waits for its next_try may be tried.
  Result<std::optional<TimePoint>> next_try(SiteId site);
  // When a task of each group was last submitted.
  Result<std::map<BatchKey, TimePoint>> last_served(SiteId site);

  // Stores the intent. Items that are not pending any more are left out; nothing if none is left.
  Result<std::optional<StageTask>> assign(SiteId site, const Batch& batch,
                                          const tasks::SubmissionId& submission_id);
  // The tasks of the site that have not been settled, oldest first.
  Result<std::vector<StageTask>> open_tasks(SiteId site);
  // What it carries, in the order of the request. Items that are gone are left out.
  Result<std::vector<StageItem>> carried(StageTaskId task);
  // Keeps the request that is about to be sent: after a crash it goes out again as it was, and
  // outcomes are matched with what was sent, whatever has become of files and settings since.
  Result<void> record(StageTaskId task, std::string_view request);
  // The service has the task: its items are active.
  Result<void> accepted(StageTaskId task, const tasks::TaskId& task_id);
  // In one transaction, with all that follows (lifecycle.h). `settled`: the task is over, every
  // item has its outcome, and it is forgotten but for its task_id at the items.
  enum class Task { kGoesOn, kSettled };
  Result<void> apply(StageTaskId task, std::span<const ItemOutcome> outcomes, Task end);

 private:
  Database& database_;
  Clock& clock_;
};

}  // namespace wherry::jobs
