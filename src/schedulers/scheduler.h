// SPDX-License-Identifier: Apache-2.0
// Batch schedulers of clusters, as far as launchers and flows need them: submit a script, ask what
// became of it, cancel it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace wherry::schedulers {

// A script, and the allocation that is wanted for it.
struct BatchScript {
  // How find() knows it again after a crash between submission and record: of all times, one alone.
  std::string name;
  std::string script;     // run on the first node, in `directory`
  std::string directory;  // absolute
  // What it writes; in both, `%` begins a pattern of the scheduler (%j: its id, %%: a `%`).
  std::string output_file;
  std::string error_file = {};  // empty: with its output
  int num_nodes = 1;
  // Of whoever runs processes on them as it sees fit, unless `options` ask for parts.
  enum class Nodes { kWhole, kShared } nodes = Nodes::kWhole;
  Duration walltime{0};  // rounded up to minutes; 0: as the queue has it
  std::string queue = {};
  std::string project = {};
  std::map<std::string, std::string, std::less<>> options = {};  // of the scheduler, without dashes
};

// `path` for a file of a BatchScript, without patterns.
std::string without_patterns(std::string_view path);

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
  // Answers the scheduler's id. kInvalid or kDenied: it refused (its words are in the message);
  // kUnavailable: it does not answer, and may have taken it.
  virtual Result<std::string> submit(const BatchScript& script) = 0;
  virtual Result<std::optional<std::string>> find(std::string_view name) = 0;
  // In one call, in any order; one that the scheduler does not know any more has ended.
  virtual Result<std::vector<SchedulerState>> states(std::span<const std::string> ids) = 0;
  virtual Result<void> cancel(std::string_view id) = 0;  // also when it has ended
};

struct SlurmOptions {
  std::string submit_arguments = {};  // lines of options for sbatch
  std::string bin_directory = {};     // of sbatch, squeue, scancel, scontrol; empty: found in PATH
};
std::unique_ptr<Scheduler> open_slurm(const SlurmOptions& options);
// kInvalid: no option of sbatch ("gres", "G"), or one that Wherry itself gives, by which it knows
// its allocations.
Result<void> check_slurm_option(std::string_view name);

// From the environment of an allocation (SLURM_JOB_NODELIST, SLURM_JOB_END_TIME, …).
struct Allocation {
  std::vector<std::string> nodes;
  std::size_t processors_per_node = 1;
  std::optional<TimePoint> ends;
};
Result<Allocation> slurm_allocation();
// The same of a job that runs, asked from outside of it; kConflict if it does not run.
Result<Allocation> slurm_allocation(const std::string& id);

}  // namespace wherry::schedulers
