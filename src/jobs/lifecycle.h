// SPDX-License-Identifier: Apache-2.0
// What follows from a change of state: the only code that writes the state of a job or an item. All
// of it happens in the caller's transaction: the change, its event, and whatever it sets off —
// STAGED_IN when the last input is done, the items of a job that is POSTPROCESSED, JOB_FINISHED
// behind STAGED_OUT, the children of a finished parent, FAILED of a job whose required item failed.
//
// Items go with their job. An input waits (awaiting_job) while its job waits for parents, because
// they may make it; an output waits until its job is POSTPROCESSED. What has not been moved when a
// job is FAILED is in error, with the code kJobFailed, and nobody carries it any more; when the job
// goes on from there, those items do too.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "jobs/types.h"

namespace soci {
class session;
class statement;
}  // namespace soci

namespace wherry::jobs {

// The code of an item's error whose own doing it was not.
inline constexpr std::string_view kJobFailed = "JOB_FAILED";

// What becomes of the job of a required item that is in error.
enum class OfJob { kFails, kStays };

// One per transaction.
class Lifecycle {
 public:
  Lifecycle(soci::session& sql, TimePoint now);
  ~Lifecycle();

  // kConflict if the table does not allow it (it names both states and what is allowed), or an item
  // or parent is in the way; kNotFound. Frees the job from its session unless the new state is
  // RUNNING. Counts a retry when a job becomes RESTART_READY after RUN_ERROR or RUN_TIMEOUT.
  Result<void> move_job(JobId job, JobState to, std::string_view message);
  // From FAILED to where it can go on, with its count of retries at 0 again; kConflict elsewhere.
  Result<void> retry_job(JobId job, std::string_view message);
  // `error` is stored with kError, and with kPending after a failed attempt.
  Result<void> move_item(ItemId item, ItemState to, std::string_view message,
                         const std::optional<tasks::TaskError>& error = std::nullopt,
                         OfJob of_job = OfJob::kFails);
  // A job that was just inserted as CREATED, with its items and parents: AWAITING_PARENTS, READY or
  // STAGED_IN.
  Result<void> enter(JobId job);
  // Whether a parent of the job is there and not finished.
  bool waits_for_parents(JobId job);
  // The event of a job or item that was just inserted.
  void created(JobId job, SiteId site, std::optional<ItemId> item, std::string_view state);

 private:
  struct Statements;
  struct JobNow;
  struct ItemNow;

  Result<JobNow> load_job(JobId job);
  Result<ItemNow> load_item(ItemId item);
  Result<void> refuse_too_early(const JobNow& job, JobState to);
  Result<void> refuse_too_early(const ItemNow& item, ItemState to);
  void change_job(const JobNow& job, JobState to, std::string_view message);
  void after_job(const JobNow& job, JobState to);
  void change_item(const ItemNow& item, ItemState to, std::string_view message,
                   const std::optional<tasks::TaskError>& error);
  void arrange_items(JobId job, JobState state);
  void give_up_items(JobId job);
  void release_children(JobId parent);
  void advance_if_staged(JobId job);
  void leave_parents(const JobNow& job, std::string_view message);
  void fail_job_of(const ItemNow& item, std::string_view message);
  std::vector<std::int64_t> numbers(soci::statement& statement, JobId job);
  bool has_open_items(JobId job, Direction direction);
  void insert_event(JobId job, std::optional<ItemId> item, SiteId site, std::string_view from,
                    std::string_view to, std::string_view message);

  soci::session& sql_;
  std::unique_ptr<Statements> statements_;
};

}  // namespace wherry::jobs
