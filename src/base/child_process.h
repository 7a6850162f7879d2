// SPDX-License-Identifier: Apache-2.0
// Other programs as child processes: many at once that are waited for together (Children), or one
// whose answer is wanted (run_command). Works beside whatever else the process does: no SIGCHLD
// handler, nobody else's children are waited for.
#pragma once

#include <sys/types.h>

#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace wherry {

// A program is started with empty standard input, every signal at its default, and as the leader of
// a process group of its own, so that ctrl-C at a terminal reaches it only through its parent.
struct ChildCommand {
  // The program, found in PATH unless it has a slash, and its arguments.
  std::vector<std::string> words = {};
  std::string directory = {};  // empty: that of this process
  // Beside that of this process.
  std::vector<std::pair<std::string, std::string>> environment = {};
  // Standard output and error are appended to it; it is made if it is missing, and a symlink is
  // refused. Empty: thrown away.
  std::string output_file = {};
  // Of standard error alone, likewise. Empty: it goes where the output goes.
  std::string error_file = {};
};

using ChildId = pid_t;

struct ChildEnd {
  ChildId id = 0;
  int exit_code = 0;  // 128 + n if signal n ended it
};

// A bounded set of children. None of them outlives this object or this process, however that ends:
// a small process of its own (the keeper) sees the end of this one and kills what is left. To be
// used by one thread, which must live as long as the children.
class Children {
 public:
  static Result<std::unique_ptr<Children>> open(std::size_t most);
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  // Kills what still runs, and waits for it.
  ~Children();

  // Returns when the program has been started. At most `most` run at once (CHECKed). kNotFound:
  // no such program or directory; kDenied; kUnavailable: no room for another process.
  Result<ChildId> start(const ChildCommand& command);
  // To the whole process group. Nothing happens if it has ended.
  void signal(ChildId id, int signal_number);
  // Waits until one has ended, `timeout` has passed, or a stop is requested; answers all that have
  // ended. What such a child has left running in its process group is killed.
  std::vector<ChildEnd> wait(Duration timeout, std::stop_token stop);
  std::size_t running() const;

 private:
  struct State;
  explicit Children(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct RunOptions {
  std::string input = {};  // on standard input
  Duration timeout = std::chrono::seconds(60);
  ByteCount output_limit = ByteCount{16} << 20;  // of each of its two outputs
  std::stop_token stop = {};
};

struct CommandOutput {
  int exit_code = 0;  // 128 + n if signal n ended it
  std::string output;
  std::string errors;
};

// Runs a command to its end; its files are not used. An exit code other than 0 is no error
// here. Errors: those of Children::start(); kTimeout and kCancelled, the process group having been
// killed; kInvalid: it wrote more than the limit.
Result<CommandOutput> run_command(const ChildCommand& command, const RunOptions& options);

// Starts a command that outlives this process, in a session of its own; nothing more is heard of
// it. Errors: as of Children::start().
Result<void> start_detached(const ChildCommand& command);

}  // namespace wherry
