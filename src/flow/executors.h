// SPDX-License-Identifier: Apache-2.0
// The executors that settings name, in the section `executors:` of settings.yml with the keys that
// Chiltepin's resources have:
//
//   executors:
//     big:
//       provider: slurm
//       partition: compute
//       account: physics
//       walltime: "01:00:00"
//       environment: [module load python]
//
// `local` is always there.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "base/yaml.h"
#include "flow/executor.h"

namespace wherry::flow {

struct ExecutorSettings {
  enum class Provider { kLocalhost, kSlurm } provider = Provider::kLocalhost;
  std::size_t max_commands = 0;  // at once; 0: one for each processor, or 100 in Slurm
  std::optional<Duration> walltime = {};
  std::vector<std::string> environment = {};  // lines of sh before each command
  // Of Slurm.
  std::string partition = {};
  std::string queue = {};  // a quality of service, as Chiltepin has it
  std::string account = {};
  int nodes = 1;
  int processors = 0;   // of each node: for the command, or ranks of it; 0: as Slurm has it
  bool is_mpi = false;  // `processors` are ranks
  bool is_exclusive = false;
  std::string submit_arguments = {};  // lines of options for sbatch
};
using ExecutorMap = std::map<std::string, ExecutorSettings, std::less<>>;

// The section, with `local` if it has none; null: `local` alone. Errors (kInvalid) name line, key
// and what is allowed.
Result<ExecutorMap> parse_executors(const YamlNode* section);
// "10m", or as Slurm and Chiltepin write it: "HH:MM:SS", "D-HH:MM:SS".
Result<Duration> parse_walltime(std::string_view text);
// Each key with its meaning, in Markdown, for docs/reference/options.md.
std::string executors_reference();

// Opens executors when they are first asked for. Safe for concurrent calls.
class Executors {
 public:
  struct Options {
    ExecutorMap settings;
    std::string directory;  // of the state: what Slurm's commands say at their end is below it
    std::string bin_directory = {};  // of Slurm's commands; empty: found in PATH
  };
  Executors(Clock& clock, Options options);

  // Lives as long as this object. kNotFound lists the names that there are.
  Result<Executor*> find(std::string_view name);
  // One of those names, each in its turn; "all" stands for all there are. What is asked for after a
  // crash must be what was picked before it: remember the name.
  Result<std::string> pick(std::span<const std::string> names);
  std::vector<std::string> names() const;

 private:
  Result<void> check(std::string_view name) const;
  std::unique_ptr<Executor> open(const std::string& name, const ExecutorSettings& settings) const;

  Clock& clock_;
  const Options options_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Executor>, std::less<>> opened_ GUARDED_BY(mutex_);
  std::size_t turn_ GUARDED_BY(mutex_) = 0;
};

}  // namespace wherry::flow
