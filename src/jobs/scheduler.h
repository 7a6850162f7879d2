// SPDX-License-Identifier: Apache-2.0
// Batch schedulers of clusters, as far as launchers need them: submit a script, ask what became of
// it, cancel it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "jobs/types.h"

namespace wherry::jobs {

struct SchedulerState {
  std::string scheduler_id;
  enum class Phase { kQueued, kRunning, kEnded } phase = Phase::kQueued;
  std::string info;  // the scheduler's own word: "PENDING (Resources)", "NODE_FAIL", …
  std::optional<TimePoint> started;
  std::optional<TimePoint> ended;
};

// Safe for concurrent calls, each of which runs a command of the scheduler and waits for it.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  // `script` is what the allocation runs on its first node. The name is how find() knows it again
  // after a crash between submission and record. Answers the scheduler's id. kInvalid or kDenied:
  // it refused (its words are in the message); kUnavailable: it does not answer.
  virtual Result<std::string> submit(const BatchJob& batch_job, std::string_view name,
                                     std::string_view script, std::string_view directory) = 0;
  virtual Result<std::optional<std::string>> find(std::string_view name) = 0;
  // In one call, in any order; one that the scheduler does not know any more has ended.
  virtual Result<std::vector<SchedulerState>> states(std::span<const std::string> ids) = 0;
  virtual Result<void> cancel(std::string_view id) = 0;  // also when it has ended
};

struct SlurmOptions {
  std::string submit_arguments;  // lines of options for sbatch
  std::string bin_directory;     // of sbatch, squeue, scancel, scontrol; empty: found in PATH
};
std::unique_ptr<Scheduler> open_slurm(const SlurmOptions& options);

// From the environment of an allocation (SLURM_JOB_NODELIST, SLURM_JOB_END_TIME, …).
struct Allocation {
  std::vector<std::string> nodes;
  std::size_t processors_per_node = 1;
  std::optional<TimePoint> ends;
};
Result<Allocation> slurm_allocation();
// The same of a job that runs, asked from outside of it; kConflict if it does not run.
Result<Allocation> slurm_allocation(const std::string& id);

}  // namespace wherry::jobs
