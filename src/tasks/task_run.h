// SPDX-License-Identifier: Apache-2.0
// One run of one task in this process: has the engine move its items, records what comes of them,
// and decides from how the run ended what becomes of the task.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/thread_annotations.h"
#include "endpoints/endpoint.h"
#include "endpoints/permissions.h"
#include "endpoints/quota.h"
#include "engine/runner.h"
#include "tasks/outcome_store.h"
#include "tasks/quota_gate.h"
#include "tasks/store.h"

namespace wherry::tasks {

class TaskRun : private engine::RunObserver {
 public:
  // All outlive the run.
  struct Parts {
    Database& database;
    Store& store;
    OutcomeStore& outcomes;
    endpoints::Endpoints& endpoints;
    endpoints::Permissions& permissions;
    endpoints::QuotaLedger& quota;
    Clock& clock;
    Random& random;
    engine::RunLimits limits;
  };
  // Holds the task's claim until the run ends.
  TaskRun(const Parts& parts, Store::Start start);
  TaskRun(const TaskRun&) = delete;
  TaskRun& operator=(const TaskRun&) = delete;
  ~TaskRun() override;

  enum class WhenStopped {
    kInactive,    // somebody interrupted it, and will say when to go on
    kLeaveActive  // this process ends; the next one goes on by itself
  };
  // Runs in the calling thread until the task has ended, or `stop`. Called once. An error means
  // that the state database could not be used: the task is still ACTIVE, and can be recovered.
  Result<void> execute(std::stop_token stop, WhenStopped when_stopped);

  // Looks for what others want (cancel, pause, another deadline) and stores the counters. Called
  // now and then by another thread, before and after the end as well.
  void tick();
  // The task is to be cancelled; at once instead of at the next tick.
  void cancel() { stop_.request_stop(); }

  const Task& task() const { return start_.task; }
  const engine::Progress& progress() const { return progress_; }

 private:
  template <class Item>
  class CheckedItems;

  Result<void> record(std::span<const engine::Outcome> outcomes) override;
  void fault(const engine::Operation& operation, engine::Side side, const Error& error) override;
  Result<bool> is_done(std::uint64_t item, const RelPath& below) override;

  Result<void> execute_to_end(std::stop_token stop, WhenStopped when_stopped);
  Result<engine::RunReport> run_when_connected();
  bool wait_for_endpoint(const Error& error, int attempts);
  Result<engine::RunReport> run_engine();
  Result<engine::RunReport> run_transfer(const engine::RunContext& context);
  Result<void> check_overlap(const endpoints::Endpoint& from, const endpoints::Endpoint& to);
  Result<engine::RunReport> run_delete(const engine::RunContext& context);
  Result<endpoints::Endpoint> open(const EndpointId& id,
                                   std::shared_ptr<storage::Storage>& storage);
  void open_gate(const endpoints::Endpoint& target);
  void close_gate();
  void note_waiting(std::optional<TimePoint> until);
  void note_away(const Error& error);
  void note_connected();
  void set_nice_status(const std::string& status, const std::string& details);

  // Nothing: to be run again, because the deadline was put off.
  Result<std::optional<Ending>> judge(const Result<engine::RunReport>& report,
                                      WhenStopped when_stopped);
  Ending completed();
  Ending out_of_space(const Error& error);
  void remove_kept();
  Result<void> finish(const std::optional<Ending>& ending);
  void note_store_error(const Error& error);
  std::optional<Error> store_error();

  Tally tally() REQUIRES_LOCK(mutex_);
  void save_progress() REQUIRES_LOCK(mutex_);

  const Parts parts_;
  Store::Start start_;
  std::optional<QuotaGate> gate_;
  std::shared_ptr<storage::Storage> target_;  // of a transfer that has run
  std::vector<RelPath> kept_;                 // temporaries there, for a run that goes on with them
  engine::Progress progress_;
  std::stop_source stop_;
  std::atomic<bool> pausing_ = false;  // it stops to wait until it is paused no longer
  bool away_ = false;                  // an endpoint of it is, and that was told
  Duration began_;                     // monotonic

  std::mutex mutex_;
  bool ended_ GUARDED_BY(mutex_) = false;
  Counts counts_ GUARDED_BY(mutex_);        // of recorded outcomes; the rest is in progress_
  ByteCount moved_ GUARDED_BY(mutex_) = 0;  // by this run
  std::vector<Event> faults_ GUARDED_BY(mutex_);
  Tally saved_ GUARDED_BY(mutex_);
  Duration next_event_ GUARDED_BY(mutex_);  // when to tell of progress, after began_
  std::optional<Error> store_error_ GUARDED_BY(mutex_);
};

}  // namespace wherry::tasks
