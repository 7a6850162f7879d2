// SPDX-License-Identifier: Apache-2.0
// Runs a flow: starts what is ready, side by side, and takes what fails for what needs it. What is
// to be done is stored first, so that a run whose program was killed at any instruction is taken up
// where it was: transfers and deletions with the submission ids that they had, commands of
// executors that outlive the program by their keys. Commands of other executors, which died with
// the program, are started again.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "base/result.h"
#include "flow/data_tasks.h"
#include "flow/executors.h"
#include "flow/flow_file.h"
#include "flow/store.h"
#include "tasks/transfer_service.h"

namespace wherry::flow {

struct RunParts {
  tasks::TransferService& service;  // all outlive the run
  Executors& executors;
  Database& database;
  Clock& clock;
  Random& random;
  std::string owner;  // as of tasks
  std::string files;  // the directory for what commands write; made if it is missing
  DataTasks::Options data = {};
  // Called by the thread that runs, when a node has changed its state. May be empty.
  std::function<void(const Node&)> on_change = {};
  // How long a run that is cancelled waits for what it has asked to end.
  Duration cancel_patience = std::chrono::minutes(2);
};

// How far one node is.
struct NodeView {
  Node node;  // without its request
  WorkKind kind = WorkKind::kCommand;
  // Of the task that a transfer travels in, maybe with others.
  std::uint64_t files = 0, files_found = 0;
  ByteCount bytes = 0, bytes_found = 0;
};

struct NewRun {
  std::string text;  // of the file
  std::string file;
  std::string name;                     // of the flow if the text does not say
  std::string directory;                // of the file
  std::vector<std::string> parameters;  // "name=value"
  std::string service = "local";
};
// Stores a run that nobody runs yet. kInvalid: the file, or the parameters.
Result<RunRecord> create_run(Store& store, Clock& clock, Random& random, const NewRun& wanted);

enum class RunEnd {
  kSucceeded,
  kFailed,
  kCancelled,
  kInterrupted,  // by the stop token: it can be resumed
};

// One run, by one call of run() or cancel(). view() is safe for concurrent calls.
class FlowRun {
 public:
  FlowRun(RunParts parts, RunId id);
  FlowRun(const FlowRun&) = delete;
  FlowRun& operator=(const FlowRun&) = delete;
  ~FlowRun();

  // Runs it until everything has ended that can. `text` is the file as it is now, for a run that is
  // taken up: what has succeeded stays so, what failed, was blocked, skipped or cancelled is tried
  // again. kConflict: another process runs it (which, since when), or it succeeded.
  Result<RunEnd> run(const std::optional<std::string>& text, std::stop_token stop);
  // Ends a run that no process runs, with whatever goes on without one. kUnavailable, as of run():
  // the run is cancelled, and something that it began was not heard to end.
  Result<RunEnd> cancel(std::stop_token stop);

  std::vector<NodeView> view() const;

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace wherry::flow
