// SPDX-License-Identifier: Apache-2.0
// The embedded TransferService: tasks in the state database, run by this process with the engine.
// Several processes may share the database; a task is run by the one that holds its claim.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "endpoints/endpoint.h"
#include "endpoints/pause_rules.h"
#include "engine/runner.h"
#include "tasks/transfer_service.h"

namespace wherry::tasks {

struct LocalServiceOptions {
  std::size_t active_tasks = 4;  // run at once by this process
  std::size_t active_tasks_per_endpoint = 2;
  engine::RunLimits limits;
  // For each identity of the service; not for local users. 0: no bound.
  std::size_t active_transfers_per_identity = 0;
  std::size_t active_deletes_per_identity = 0;
  std::size_t pending_per_identity = 0;  // that have not ended; more are refused (kConflict)
  Duration history = std::chrono::hours(24 * 30);  // how long ended tasks are kept; 0: for ever
};

// Who runs the tasks that are submitted.
enum class Execution {
  kNone,       // nobody here: store them for another process (`--detach`)
  kOnlyNamed,  // this process runs tasks given to run() (one-shot commands)
  kAll,        // this process runs every runnable task (watch, serve)
};

class LocalService : public TransferService {
 public:
  // The database is migrated with task_migrations() and endpoint_migrations(). All outlive it.
  struct Parts {
    Database& database;
    endpoints::Endpoints& endpoints;
    Clock& clock;
    Random& random;
  };
  static std::unique_ptr<LocalService> create(const Parts& parts,
                                              const LocalServiceOptions& options,
                                              Execution execution);

  // What submit() would find wrong with the request; whether its owner may is not asked here.
  virtual Result<void> check(const TransferRequest& request) = 0;
  // Claims and runs one task in the calling thread until it ends, is interrupted through `stop`
  // (then it is INACTIVE and can be resumed) or needs a person. Waits while the task is paused.
  // kConflict if another live process holds it: the message names its pid and since when.
  virtual Result<Task> run(const TaskId& id, std::stop_token stop) = 0;
  // Ends the claim of a process on another host, which the caller knows to be dead: then the task
  // can be run here. kConflict if a live process of this host holds it.
  virtual Result<void> take_over(const TaskId& id) = 0;
  // What this process has done since it began, by the endpoint that was written to or deleted from.
  struct Moved {
    std::uint64_t files = 0;
    ByteCount bytes = 0;  // repeats count again
    std::uint64_t faults = 0;
    std::size_t running = 0;  // tasks, now
  };
  virtual std::map<EndpointId, Moved> moved() = 0;
  // How many tasks the filter lets pass, whatever its limit and offset.
  virtual Result<std::uint64_t> count_tasks(const TaskFilter& filter) = 0;
  // Live counters of a task that this process runs; null otherwise. Valid while held.
  virtual std::shared_ptr<const engine::Progress> progress(const TaskId& id) = 0;
  // Starts every runnable task there is room for, without waiting (the scheduler's step, for tests
  // and the simulation). Returns how many were started.
  virtual Result<std::size_t> step() = 0;
  // What those who look after an endpoint do with a task of somebody else. kConflict if it has
  // ended; whether the caller may is not asked here.
  virtual Result<void> pause_by_admin(const TaskId& id, const std::string& message) = 0;
  virtual Result<void> resume_by_admin(const TaskId& id) = 0;
  virtual Result<void> cancel_by_admin(const TaskId& id, AdminSide side,
                                       const std::string& message) = 0;
  virtual endpoints::PauseRules& pause_rules() = 0;
  // The pause rules in force that hold the task.
  virtual Result<std::vector<endpoints::PauseRule>> pause_rules_of(const Task& task) = 0;
  // Deletes what is older than the history option. Returns the number of tasks.
  virtual Result<std::size_t> purge_history() = 0;
};

std::span<const Migration> task_migrations();

// The contract's code for an error on one side of a file operation ("FILE_NOT_FOUND", …).
std::string_view error_code(const Error& error);

}  // namespace wherry::tasks
