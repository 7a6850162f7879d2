// SPDX-License-Identifier: Apache-2.0
// Where the commands of flows run: as processes of this machine, or as jobs of Slurm. A command is
// a future; what it costs while it waits is an entry in a list.
//
// The future ends with how the command ended; an exit code other than 0 is no error of it. Errors,
// whose messages begin with the command's name:
//   kInvalid      the command makes no sense, or the scheduler refused it
//   kNotFound     its directory, or the directory of its output, does not exist
//   kTimeout      its walltime was over: it was ended
//   kCancelled    cancel() ended it, or somebody did in the scheduler, or the executor was closed
//   kUnavailable  no room for another process; the scheduler does not answer, or lost it
//   kDenied …     as the system or the scheduler told
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "base/types.h"
#include "flow/future.h"
#include "schedulers/scheduler.h"

namespace wherry::flow {

struct Command {
  std::string name;       // for people
  std::string script;     // for /bin/sh -c
  std::string directory;  // absolute; must exist
  // Beside those of this process.
  std::vector<std::pair<std::string, std::string>> environment = {};
  // From when it runs; waiting for its turn does not count. Missing: as the executor has it.
  std::optional<Duration> walltime = {};
  // Absolute, in directories that exist; what it writes is appended. Empty: thrown away, and
  // standard error goes where the output goes.
  std::string output_file = {};
  std::string error_file = {};
};

struct CommandEnd {
  int exit_code = 0;  // 128 + n if signal n ended it

  friend bool operator==(const CommandEnd&, const CommandEnd&) = default;
};

// Safe for concurrent calls, which never block for the command or the scheduler. Must not be
// destroyed by a callback of its futures.
class Executor {
 public:
  virtual ~Executor() = default;
  // `key` is this attempt's alone, of all executors, state directories and times: 1 to
  // 1000 characters. cancel() of the future ends the command with all that it started.
  virtual Future<CommandEnd> start(const Command& command, const std::string& key) = 0;
  // After a crash: takes up what was started with that key, or starts it if nothing was.
  virtual Future<CommandEnd> reattach_or_start(const Command& command, const std::string& key) = 0;
  // Whether what was started goes on when this program ends, so that it can be taken up again.
  virtual bool outlives_program() const = 0;
};

// For programs that need no crash safety: with a key that nobody knows.
Future<CommandEnd> command(Executor& executor, const Command& command,
                           Random& random = system_random());

// ---- executors there are

struct LocalExecutorOptions {
  std::size_t max_processes = 0;              // at once, the rest waits; 0: one for each processor
  std::optional<Duration> walltime = {};      // of commands that have none
  std::vector<std::string> environment = {};  // lines of sh before each script
  Duration grace = std::chrono::seconds(5);   // between SIGTERM and SIGKILL
};
// Its processes end with this program, however that ends.
std::unique_ptr<Executor> open_local_executor(Clock& clock, const LocalExecutorOptions& options);

struct SlurmExecutorOptions {
  // For the files by which commands tell how they ended: of this user and executor, on a file
  // system that the nodes see under the same name. Made if it is missing.
  std::string directory;
  std::size_t max_jobs = 100;  // in Slurm at once, the rest waits
  // For each command, beside what it asks for itself; name, script and files are not used.
  schedulers::BatchScript resources = {};
  std::vector<std::string> environment = {};  // lines of sh before each script
};
// A command is a job of its own. What was submitted goes on when the executor is closed.
std::unique_ptr<Executor> open_slurm_executor(Clock& clock,
                                              std::unique_ptr<schedulers::Scheduler> scheduler,
                                              const SlurmExecutorOptions& options);

}  // namespace wherry::flow
