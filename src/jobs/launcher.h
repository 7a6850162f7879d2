// SPDX-License-Identifier: Apache-2.0
// Runs jobs: takes runnable ones from a site into a session, starts their commands as child
// processes, as many as fit, and reports how they ended. The same launcher runs on this machine,
// within an allocation of a scheduler, and for one from outside.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "jobs/session_store.h"
#include "jobs/types.h"

namespace wherry::jobs {

// A node on which jobs run; of the local launcher, this machine.
struct Node {
  std::string name;
  std::size_t processors = 1;
  std::vector<std::string> gpus = {};  // ids, as CUDA_VISIBLE_DEVICES has them
};

struct LauncherOptions {
  SiteId site = 0;
  std::string site_path;
  std::optional<BatchJobId> batch_job;
  std::vector<Node> nodes;  // empty: this machine with its processors
  std::size_t processes_per_node =
      0;                          // at most, at once; 0: as node_packing_count and processors say
  std::optional<TimePoint> ends;  // of the allocation: no job is begun that would outlast it, and
                                  // what still runs shortly before is ended as RUN_TIMEOUT
  Duration idle_time = std::chrono::minutes(1);  // ends after it without a job; 0: never
  TextMap filter_tags;
  JobMode mode = JobMode::kSerial;  // kMpi: `srun` spreads the ranks of one job over its nodes
  // The scheduler's id of an allocation that this process is not in: every node is reached by srun.
  // Empty: the first of `nodes` is this machine.
  std::string outside_of = {};
  // Whether the nodes are still there; asked when something that srun started has failed, or a job
  // was killed, which is how the loss of a node looks. Empty: they are.
  std::function<bool()> has_nodes = {};
  // A file to write to while the launcher lives, and to remove when it ends. Empty: none.
  std::string sign_of_life = {};
  // How long a job that has no room is passed by later ones that have (jobs/line.h).
  Duration patience = std::chrono::minutes(2);
  // Of each node, of those that it has and no other launcher of this state directory holds;
  // missing: all of them. Of nodes without a list of GPUs, those of this machine count.
  std::optional<std::size_t> gpus_per_node = {};
  // Told, whenever it changes, why jobs that could run are left to other launchers; empty: none
  // are. May be empty.
  std::function<void(const std::string& why)> on_left = {};
};

struct LauncherParts {
  Database& database;  // migrated with task_migrations() and job_migrations()
  Clock& clock;
};

struct LauncherReport {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t cut_off = 0;
};

// Runs until there has been nothing to do for idle_time, the allocation ends, or a stop is
// requested: then what runs is ended (SIGTERM, SIGKILL after a while) and is RUN_TIMEOUT. Output of
// a job goes to job.out in its work directory. Errors: the database, a session that was lost;
// kConflict: the batch job has a launcher already.
Result<LauncherReport> launch(const LauncherParts& parts, const LauncherOptions& options,
                              std::stop_token stop);

}  // namespace wherry::jobs
