// SPDX-License-Identifier: Apache-2.0
// Sessions: who holds which jobs. A launcher opens one, takes runnable jobs, ticks, reports what
// came of them, and closes it. The jobs of one that does not tick become RUN_TIMEOUT.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "jobs/types.h"

namespace wherry::jobs {

struct Acquire {
  std::size_t max_jobs = 1;   // at most kMaxAcquire
  int max_nodes_per_job = 1;  // jobs that need more are left
  int max_wall_time_min = 0;  // 0: any; else jobs that say they need longer are left
  // Of each of their nodes; missing: any. Jobs that need more are left.
  std::optional<std::size_t> max_gpus_per_node = {};
  TextMap filter_tags;           // all must be there
  std::vector<AppId> apps;       // empty: any
  std::vector<JobState> states;  // empty: the runnable ones
  // Of the oldest ones, so many are looked at; those that it refuses are left. Empty: none is.
  std::function<bool(const Resources&)> fits = {};
};
inline constexpr std::size_t kMaxLookedAt = 1'000;
inline constexpr std::size_t kMaxAcquire = 2'048;

// What a launcher needs of a job.
struct AcquiredJob {
  Job job;
  App app;
};

// How a run ended.
struct RunEnd {
  JobId job = 0;
  JobState state =
      JobState::kRunDone;  // kRunDone, kRunError, kRunTimeout, or kRestartReady: not run
  std::optional<int> return_code;
  std::string message;
};

// Safe for concurrent calls. The database is migrated with job_migrations(); it and the clock
// outlive this.
class Sessions {
 public:
  Sessions(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  Result<Session> open(SiteId site, std::optional<BatchJobId> batch_job, std::string_view holder);
  Result<Session> get(SessionId id);
  Result<std::vector<Session>> list(std::span<const SiteId> sites);
  // Jobs become RUNNING under this session when started(); until then they are held in their state.
  // Oldest first. kNotFound: the session has expired, and what it held is not its own any more.
  Result<std::vector<AcquiredJob>> acquire(SessionId id, const Acquire& what);
  // One that could run but asks for more GPUs than `most` on a node, if there is any.
  Result<std::optional<Job>> with_more_gpus(SiteId site, std::size_t most);
  // Those that are not its own any more, which are not to be run.
  Result<std::vector<JobId>> started(SessionId id, std::span<const JobId> jobs);
  // `running` is all that the session runs or holds. Answers what of it is not its own any more
  // (cancelled, deleted, taken): that is to be ended. One that was cancelled is run by nobody else,
  // should it be retried, before a call without it.
  // kNotFound: the session has expired, and none is.
  Result<std::vector<JobId>> tick(SessionId id, std::span<const JobId> running);
  // Jobs that are not its own any more are left as they are.
  Result<void> ended(SessionId id, std::span<const RunEnd> ends);
  // What it still holds is RUN_TIMEOUT if it ran, and free if not. Nothing if it has expired.
  Result<void> close(SessionId id);
  // Closes those without a heartbeat for kSessionLease, and those whose batch job has ended.
  // Answers how many.
  Result<std::size_t> expire();

 private:
  Database& database_;
  Clock& clock_;
};

class BatchJobs {
 public:
  BatchJobs(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  Result<BatchJob> create(const BatchJob& batch_job);  // kInvalid
  Result<BatchJob> get(BatchJobId id);
  Result<Listing<BatchJob>> list(const BatchJobFilter& filter);
  struct Change {
    std::optional<BatchJobState> state;
    std::optional<std::string> scheduler_id;
    std::optional<std::string> status_info;
    std::optional<TimePoint> started;
    std::optional<TimePoint> ended;
  };
  Result<BatchJob> modify(BatchJobId id, const Change& change);
  struct Numbered {
    BatchJobId id = 0;
    Change change;
  };
  // All or none; at most kMaxBulk.
  Result<void> modify(std::span<const Numbered> changes);
  Result<void> remove(BatchJobId id);  // kConflict while it is queued or runs

 private:
  Database& database_;
  Clock& clock_;
};

}  // namespace wherry::jobs
