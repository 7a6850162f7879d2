// SPDX-License-Identifier: Apache-2.0
// The part of a site's process that asks a scheduler for allocations and follows them.
#include <unistd.h>

#include "base/child_process.h"
#include "base/file.h"
#include "base/path.h"
#include "base/process.h"
#include "base/shell.h"
#include "jobs/session_store.h"
#include "jobs/site_process.h"
#include "tasks/claim.h"

namespace wherry::jobs {
namespace {

using schedulers::BatchScript;
using schedulers::Scheduler;
using schedulers::SchedulerState;

// What the scheduler calls a batch job. Of all sites and state directories of one user, and of all
// times, one alone.
std::string name_of(const Site& site, const BatchJob& batch_job) {
  return fmt::format("wherry-{}-{}-{:x}", site.id, batch_job.id,
                     batch_job.created.time_since_epoch().count());
}

class Follower {
 public:
  Follower(const SiteProcessParts& parts, const Site& site, Scheduler& scheduler)
      : parts_(parts),
        site_(site),
        scheduler_(scheduler),
        batch_jobs_(parts.database, parts.clock) {}

  Result<bool> follow(const std::vector<BatchJob>& batch_jobs) {
    // One that fails holds back no other; what is wrong with the scheduler is told at the end.
    Result<void> trouble;
    std::vector<BatchJob> submitted;
    for (const BatchJob& batch_job : batch_jobs) {
      auto known = submit_or_find(batch_job);
      if (!known) {
        TRY(note(batch_job, known.error()));
        trouble = std::move(known).error();
      } else if (*known) {
        submitted.push_back(**std::move(known));
      }
    }
    if (auto watched = watch(submitted); !watched) trouble = std::move(watched);
    if (ended_) TRY(Sessions(parts_.database, parts_.clock).expire());
    TRY(trouble);
    return changed_;
  }

 private:
  using Known = std::optional<BatchJob>;

  Result<BatchJob> modify(const BatchJob& batch_job, const BatchJobs::Change& change) {
    TRY_ASSIGN(BatchJob modified, batch_jobs_.modify(batch_job.id, change), "batch job {}",
               batch_job.id);
    changed_ = true;
    return modified;
  }

  // Why it is not submitted yet.
  Result<void> note(const BatchJob& batch_job, const Error& error) {
    if (batch_job.status_info == error.message) return {};
    BatchJobs::Change change;
    change.status_info = error.message;
    TRY(modify(batch_job, change));
    return {};
  }

  // The batch job with the scheduler's id, if it has one now.
  Result<Known> submit_or_find(const BatchJob& batch_job) {
    if (!batch_job.scheduler_id.empty()) return Known(batch_job);
    // It may have been submitted just before a process died, or a time-out.
    TRY_ASSIGN(const std::optional<std::string> found, scheduler_.find(name_of(site_, batch_job)));
    if (batch_job.state == BatchJobState::kPendingDeletion && !found) {
      TRY(finish(batch_job, "deleted before it was submitted", std::nullopt));
      return Known();
    }
    BatchJobs::Change change;
    if (found) {
      change.scheduler_id = *found;
    } else {
      auto submitted = submit(batch_job);
      if (!submitted) return refused(batch_job, submitted.error());
      change.scheduler_id = *std::move(submitted);
    }
    if (batch_job.state == BatchJobState::kPendingSubmission) change.state = BatchJobState::kQueued;
    change.status_info = "";
    TRY_ASSIGN(BatchJob modified, modify(batch_job, change));
    return Known(std::move(modified));
  }

  Result<std::string> submit(const BatchJob& batch_job) {
    const std::string directory = site_.path + "/log";
    TRY(make_directories(directory, 0777));
    BatchScript wanted;
    wanted.name = name_of(site_, batch_job);
    wanted.script = script_of(batch_job);
    wanted.directory = directory;
    wanted.output_file = schedulers::without_patterns(directory) + "/launcher-%j.out";
    wanted.num_nodes = batch_job.num_nodes;
    wanted.walltime = std::chrono::minutes(batch_job.wall_time_min);
    wanted.queue = batch_job.queue;
    wanted.project = batch_job.project;
    wanted.options = batch_job.optional_params;
    return scheduler_.submit(wanted);
  }

  // What the site's process, and a node that must not open its database, know each other by.
  std::string hold_file(const BatchJob& batch_job) const {
    return fmt::format("{}/log/batch-job-{}.held", site_.path, batch_job.id);
  }

  std::string launcher(const BatchJob& batch_job) const {
    return fmt::format("{} --site {} --batch-job {} --only-on {}", parts_.launcher_command,
                       site_.id, batch_job.id, shell_quote(this_process().host));
  }

  // Where the node is not the host of the site's process, it only holds the allocation: the
  // launcher runs here and reaches the nodes by srun. It writes to the file while it lives and
  // removes it when it ends; three minutes without either, which is less than the lease of its
  // jobs, end the allocation, and with it all that still runs there.
  std::string script_of(const BatchJob& batch_job) const {
    return fmt::format(R"sh(#!/bin/sh
if [ "$(uname -n)" = {} ]; then
  exec {}
fi
file={}
echo held > "$file" || exit 1
seen=
rounds=0
while [ -e "$file" ] && [ $rounds -lt 36 ]; do
  sleep 5
  now=$(cat "$file" 2>/dev/null)
  rounds=$((rounds + 1))
  [ "$now" = "$seen" ] || rounds=0
  seen=$now
done
)sh",
                       shell_quote(this_process().host), launcher(batch_job),
                       shell_quote(hold_file(batch_job)));
  }

  // The launcher of an allocation that is held for one, unless it has one.
  Result<void> launch_from_here(const BatchJob& batch_job) {
    if (::access(hold_file(batch_job).c_str(), W_OK) != 0) return {};
    TRY_ASSIGN(const auto holder, tasks::Claims(parts_.database, parts_.clock)
                                      .holder("launcher", std::to_string(batch_job.id)));
    if (holder) return {};
    const std::string command =
        fmt::format("exec {} --outside-of {} --sign-of-life {}", launcher(batch_job),
                    batch_job.scheduler_id, shell_quote(hold_file(batch_job)));
    return start_detached(
        {.words = {"sh", "-c", command},
         .output_file = fmt::format("{}/log/launcher-{}.out", site_.path, batch_job.scheduler_id)});
  }

  Result<Known> refused(const BatchJob& batch_job, const Error& error) {
    if (error.retry == Retry::kLater) return error;
    BatchJobs::Change change;
    change.state = BatchJobState::kSubmitFailed;
    change.status_info = error.message;
    TRY(modify(batch_job, change));
    return Known();
  }

  Result<void> finish(const BatchJob& batch_job, const std::string& info,
                      std::optional<TimePoint> ended) {
    BatchJobs::Change change;
    change.state = BatchJobState::kFinished;
    change.status_info = info;
    change.ended = ended.value_or(parts_.clock.now());
    TRY(modify(batch_job, change));
    ::unlink(hold_file(batch_job).c_str());
    ended_ = true;
    return {};
  }

  Result<void> watch(const std::vector<BatchJob>& submitted) {
    Result<void> trouble;
    std::vector<std::string> ids;
    for (const BatchJob& batch_job : submitted) {
      if (batch_job.state == BatchJobState::kPendingDeletion) {
        if (auto done = scheduler_.cancel(batch_job.scheduler_id); !done)
          trouble = std::move(done).error().with_context(
              fmt::format("cancel batch job {}", batch_job.id));
      }
      ids.push_back(batch_job.scheduler_id);
    }
    if (ids.empty()) return trouble;
    TRY_ASSIGN(const std::vector<SchedulerState> states, scheduler_.states(ids));
    for (const SchedulerState& state : states) {
      for (const BatchJob& batch_job : submitted) {
        if (batch_job.scheduler_id == state.scheduler_id) TRY(take_over(batch_job, state));
      }
    }
    return trouble;
  }

  Result<void> take_over(const BatchJob& batch_job, const SchedulerState& state) {
    if (state.phase == SchedulerState::Phase::kEnded) {
      if (state.started && !batch_job.started) {
        BatchJobs::Change began;
        began.started = state.started;
        TRY(modify(batch_job, began));
      }
      return finish(batch_job, state.info, state.ended);
    }
    BatchJobs::Change change;
    const bool runs = state.phase == SchedulerState::Phase::kRunning;
    if (runs && batch_job.state == BatchJobState::kRunning)
      TRY(launch_from_here(batch_job), "launcher of batch job {}", batch_job.id);
    if (runs && batch_job.state == BatchJobState::kQueued) change.state = BatchJobState::kRunning;
    if (!runs && batch_job.state == BatchJobState::kRunning) change.state = BatchJobState::kQueued;
    if (runs && !batch_job.started) change.started = state.started.value_or(parts_.clock.now());
    if (batch_job.status_info != state.info) change.status_info = state.info;
    if (!change.state && !change.started && !change.status_info) return {};
    TRY(modify(batch_job, change));
    return {};
  }

  const SiteProcessParts& parts_;
  const Site& site_;
  Scheduler& scheduler_;
  BatchJobs batch_jobs_;
  bool changed_ = false;
  bool ended_ = false;
};

Result<bool> fail_all(const SiteProcessParts& parts, const std::vector<BatchJob>& batch_jobs,
                      const std::string& name) {
  BatchJobs store(parts.database, parts.clock);
  bool changed = false;
  for (const BatchJob& batch_job : batch_jobs) {
    if (batch_job.state != BatchJobState::kPendingSubmission) continue;
    BatchJobs::Change change;
    change.state = BatchJobState::kSubmitFailed;
    change.status_info =
        fmt::format("there is no scheduler '{}'; see launcher.scheduler of the site's settings.yml",
                    escape_bytes(name));
    TRY(store.modify(batch_job.id, change));
    changed = true;
  }
  return changed;
}

}  // namespace

Result<bool> follow_batch_jobs(const SiteProcessParts& parts, const Site& site,
                               const std::function<Result<SiteSettings>()>& settings_in_force) {
  BatchJobFilter filter;
  filter.sites = {site.id};
  filter.states = {BatchJobState::kPendingSubmission, BatchJobState::kQueued,
                   BatchJobState::kRunning, BatchJobState::kPendingDeletion};
  TRY_ASSIGN(const Listing<BatchJob> open, BatchJobs(parts.database, parts.clock).list(filter));
  if (open.rows.empty()) return false;
  TRY_ASSIGN(const SiteSettings settings, settings_in_force());
  Scheduler* const scheduler = parts.scheduler_of(settings.launcher.scheduler, settings);
  if (scheduler == nullptr) return fail_all(parts, open.rows, settings.launcher.scheduler);
  return Follower(parts, site, *scheduler).follow(open.rows);
}

}  // namespace wherry::jobs
