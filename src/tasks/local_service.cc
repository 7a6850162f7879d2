// SPDX-License-Identifier: Apache-2.0
// Puts the parts together: requests go through validation into the store; runs come out of it, by
// name or as the scheduler chooses; one loop looks after the runs, one watcher after who waits.
#include "tasks/local_service.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/log.h"
#include "base/text.h"
#include "base/thread_annotations.h"
#include "base/worker_pool.h"
#include "endpoints/permissions.h"
#include "tasks/access_check.h"
#include "tasks/file_operations.h"
#include "tasks/outcome_store.h"
#include "tasks/pauses.h"
#include "tasks/scheduler.h"
#include "tasks/store.h"
#include "tasks/task_run.h"
#include "tasks/validate.h"
#include "tasks/watcher.h"

namespace wherry::tasks {
namespace {

constexpr Duration kDefaultDeadline = std::chrono::hours(24);
// To an endpoint with a daily quota: a large transfer waits for the next day many times.
constexpr Duration kDefaultDeadlineWithQuota = std::chrono::hours(24 * 30);
constexpr Duration kTickInterval = std::chrono::milliseconds(500);
constexpr Duration kStepInterval = std::chrono::seconds(1);
constexpr Duration kPausedInterval = std::chrono::seconds(1);
constexpr Duration kPurgeInterval = std::chrono::hours(1);
constexpr Duration kIdle = std::chrono::hours(24);  // until woken
// A task whose run the database failed is not begun again before this.
constexpr Duration kPauseAfterError = std::chrono::seconds(10);

const EndpointId& written_endpoint(const Task& task) {
  return task.type == TaskType::kDelete ? task.source_endpoint : task.target_endpoint;
}

void add_moved(std::map<EndpointId, LocalService::Moved>& all, const TaskRun& run) {
  LocalService::Moved& moved = all[written_endpoint(run.task())];
  moved.files += run.progress().files_done + run.progress().removed;
  moved.bytes += run.progress().bytes_moved;
  moved.faults += run.progress().faults;
}

class Service : public LocalService {
 public:
  Service(const Parts& parts, const LocalServiceOptions& options, Execution execution)
      : parts_(parts),
        options_(options),
        execution_(execution),
        store_(parts.database, parts.clock),
        outcomes_(parts.database, parts.clock),
        quota_(parts.database, parts.clock),
        pause_rules_({parts.database, parts.clock, parts.random}),
        pauses_({parts.database, parts.endpoints, pause_rules_, parts.clock}),
        permissions_(parts.database, parts.endpoints, parts.clock, parts.random),
        watcher_(store_, parts.clock),
        loop_([this] { return beat(); }) {
    if (execution_ == Execution::kAll) loop_.wake();
  }
  ~Service() override;

  Result<SubmissionId> new_submission_id() override { return new_uuid(parts_.random); }
  Result<Submitted> submit(const TransferRequest& request) override;
  Result<Submitted> submit(const DeleteRequest& request) override;
  Result<Task> task(const TaskId& id) override;
  Result<std::vector<Task>> tasks(const TaskFilter& filter) override;
  Result<std::uint64_t> count_tasks(const TaskFilter& filter) override {
    return store_.count(filter);
  }
  Result<void> cancel(const TaskId& id) override;
  Result<void> resume(const TaskId& id) override;
  Result<void> update(const TaskId& id, const TaskChange& change) override;
  Result<std::vector<Event>> events(const TaskId& id, std::size_t limit,
                                    std::size_t offset) override;
  Result<Page<SuccessfulTransfer>> successful_transfers(const TaskId& id,
                                                        std::uint64_t marker) override;
  Result<Page<ItemError>> item_errors(const TaskId& id, std::uint64_t marker) override;
  Result<Task> wait(const TaskId& id, Duration timeout, std::stop_token stop) override;

  Result<endpoints::Endpoint> endpoint(std::string_view name_or_id) override {
    return parts_.endpoints.resolve(name_or_id);
  }
  Result<std::vector<endpoints::Endpoint>> search_endpoints(std::string_view text,
                                                            std::size_t limit,
                                                            std::size_t offset) override {
    return parts_.endpoints.search(text, limit, offset);
  }
  Result<std::vector<FileInfo>> list(const EndpointId& endpoint, const RelPath& path) override {
    TRY_ASSIGN(const OpenEndpoint opened, open_endpoint(parts_.endpoints, endpoint));
    return list_files(opened, path);
  }
  Result<FileInfo> stat(const EndpointId& endpoint, const RelPath& path) override {
    TRY_ASSIGN(const OpenEndpoint opened, open_endpoint(parts_.endpoints, endpoint));
    return stat_file(opened, path);
  }
  Result<void> make_directory(const EndpointId& endpoint, const RelPath& path) override {
    TRY_ASSIGN(const OpenEndpoint opened, open_endpoint(parts_.endpoints, endpoint));
    return tasks::make_directory(opened, path);
  }
  Result<void> rename(const EndpointId& endpoint, const RelPath& from, const RelPath& to) override {
    TRY_ASSIGN(const OpenEndpoint opened, open_endpoint(parts_.endpoints, endpoint));
    return rename_file(opened, from, to);
  }
  Result<void> make_symlink(const EndpointId& endpoint, const RelPath& path,
                            std::string_view target) override {
    TRY_ASSIGN(const OpenEndpoint opened, open_endpoint(parts_.endpoints, endpoint));
    return tasks::make_symlink(opened, path, target);
  }
  Result<std::optional<std::string>> host_directory(const EndpointId& endpoint) override;

  std::map<EndpointId, Moved> moved() override;
  Result<void> check(const TransferRequest& request) override {
    return validate(request, parts_.endpoints, parts_.database.path(), parts_.clock.now());
  }
  Result<Task> run(const TaskId& id, std::stop_token stop) override;
  Result<void> take_over(const TaskId& id) override { return store_.take_over(id); }
  std::shared_ptr<const engine::Progress> progress(const TaskId& id) override;
  Result<std::size_t> step() override;
  Result<void> pause_by_admin(const TaskId& id, const std::string& message) override {
    return pauses_.pause(id, message);
  }
  Result<void> resume_by_admin(const TaskId& id) override { return pauses_.resume(id); }
  Result<void> cancel_by_admin(const TaskId& id, AdminSide side,
                               const std::string& message) override;
  endpoints::PauseRules& pause_rules() override { return pause_rules_; }
  Result<std::vector<endpoints::PauseRule>> pause_rules_of(const Task& task) override {
    return pauses_.rules_of(task);
  }
  Result<std::size_t> purge_history() override;

 private:
  template <class Request>
  Result<Submitted> submit_valid(const Request& request, Task task);
  Result<void> refuse_too_many(const std::string& owner);
  Result<Duration> usual_time(const Task& task);
  std::vector<std::shared_ptr<TaskRun>> runs();
  Result<std::shared_ptr<TaskRun>> begin(const TaskId& id);
  Result<void> conduct(const std::shared_ptr<TaskRun>& run, std::stop_token stop,
                       TaskRun::WhenStopped when_stopped);
  void start(const std::shared_ptr<TaskRun>& run);
  Duration beat();
  void purge_now_and_then();

  const Parts parts_;
  const LocalServiceOptions options_;
  const Execution execution_;
  Store store_;
  OutcomeStore outcomes_;
  endpoints::QuotaLedger quota_;
  endpoints::PauseRules pause_rules_;
  Pauses pauses_;
  endpoints::Permissions permissions_;
  std::mutex mutex_;
  std::map<TaskId, std::shared_ptr<TaskRun>> runs_ GUARDED_BY(mutex_);
  std::map<TaskId, Duration> not_before_ GUARDED_BY(mutex_);  // monotonic
  std::map<EndpointId, Moved> moved_ GUARDED_BY(mutex_);      // by runs that have ended
  std::optional<Duration> purged_;                            // of the loop's thread
  std::mutex step_mutex_;                                     // one step at a time
  std::stop_source stop_;  // of the tasks that the scheduler started
  Watcher watcher_;
  std::unique_ptr<WorkerPool> pool_ GUARDED_BY(step_mutex_);
  SchedulerLoop loop_;
};

Service::~Service() {
  loop_.stop();
  stop_.request_stop();
  pool_.reset();  // waits for what was started
}

// Submission --------------------------------------------------------------------------------------

template <class Request>
Result<Submitted> Service::submit_valid(const Request& request, Task task) {
  TRY(validate_submission_id(request.submission_id));
  const SubmissionId submission = lower_case(request.submission_id);
  // First of all: a repeated request is answered as before, whatever has changed since.
  TRY_ASSIGN(const auto known, store_.find_submission(request.owner, submission));
  if (known) return Submitted{*known, Submitted::Kind::kDuplicate};
  const TimePoint now = parts_.clock.now();
  // Before what would tell a stranger about the endpoints.
  TRY(check_access(request, parts_.endpoints, permissions_));
  TRY(validate(request, parts_.endpoints, parts_.database.path(), now));
  TRY(refuse_too_many(request.owner));
  task.id = new_uuid(parts_.random);
  task.state = TaskState::kActive;
  task.owner = request.owner;
  task.submission_id = submission;
  task.label = request.label;
  task.requested = now;
  if (request.deadline) {
    task.deadline = *request.deadline;
  } else {
    TRY_ASSIGN(const Duration usual, usual_time(task));
    task.deadline = now + usual;
  }
  task.item_count = request.items.size();
  task.nice_status = "Queued";
  TRY_ASSIGN(const Submitted submitted, store_.add(task, std::span(request.items)),
             "store the task");
  if (execution_ == Execution::kAll) loop_.wake();
  return submitted;
}

Result<void> Service::refuse_too_many(const std::string& owner) {
  if (options_.pending_per_identity == 0 || !is_uuid(owner)) return {};
  TaskFilter filter;
  filter.owner = owner;
  filter.states = {TaskState::kActive};
  TRY_ASSIGN(const std::uint64_t pending, store_.count(filter));
  if (pending < options_.pending_per_identity) return {};
  return make_error(
      Code::kConflict,
      "you have {} tasks that have not ended, which is the most; wait for one of them", pending);
}

// How long a task may take whose request does not say.
Result<Duration> Service::usual_time(const Task& task) {
  if (task.type == TaskType::kDelete) return kDefaultDeadline;
  TRY_ASSIGN(const endpoints::Endpoint target, parts_.endpoints.get(task.target_endpoint));
  return target.daily_quota > 0 ? kDefaultDeadlineWithQuota : kDefaultDeadline;
}

Result<Submitted> Service::submit(const TransferRequest& request) {
  Task task;
  task.type = TaskType::kTransfer;
  task.source_endpoint = request.source_endpoint;
  task.target_endpoint = request.target_endpoint;
  task.transfer_options = request.options;
  return submit_valid(request, std::move(task));
}

Result<Submitted> Service::submit(const DeleteRequest& request) {
  Task task;
  task.type = TaskType::kDelete;
  task.source_endpoint = request.endpoint;
  task.delete_options = request.options;
  return submit_valid(request, std::move(task));
}

// Looking and changing ----------------------------------------------------------------------------

Result<Task> Service::task(const TaskId& id) { return store_.task(id); }

Result<std::vector<Task>> Service::tasks(const TaskFilter& filter) { return store_.tasks(filter); }

Result<void> Service::cancel(const TaskId& id) {
  TRY_ASSIGN(const bool ended, store_.cancel(id));
  if (ended) {
    watcher_.notify(id);
    return {};
  }
  for (const auto& run : runs()) {
    if (run->task().id == id) run->cancel();
  }
  return {};
}

Result<void> Service::cancel_by_admin(const TaskId& id, AdminSide side,
                                      const std::string& message) {
  TRY(store_.note_admin_cancel(id, side, message));
  return cancel(id);
}

Result<void> Service::resume(const TaskId& id) {
  TRY(store_.resume(id));
  if (execution_ == Execution::kAll) loop_.wake();
  return {};
}

Result<void> Service::update(const TaskId& id, const TaskChange& change) {
  TRY(validate(change, parts_.clock.now()));
  return store_.update(id, change);
}

Result<std::vector<Event>> Service::events(const TaskId& id, std::size_t limit,
                                           std::size_t offset) {
  TRY_ASSIGN(const TaskKey key, store_.key(id));
  return outcomes_.events(key, limit, offset);
}

Result<Page<SuccessfulTransfer>> Service::successful_transfers(const TaskId& id,
                                                               std::uint64_t marker) {
  TRY_ASSIGN(const TaskKey key, store_.key(id));
  return outcomes_.successes(key, marker);
}

Result<Page<ItemError>> Service::item_errors(const TaskId& id, std::uint64_t marker) {
  TRY_ASSIGN(const TaskKey key, store_.key(id));
  return outcomes_.errors(key, marker);
}

Result<Task> Service::wait(const TaskId& id, Duration timeout, std::stop_token stop) {
  TRY_ASSIGN(const Task task, store_.task(id));
  if (task.state != TaskState::kActive) return task;
  TRY(watcher_.wait(id, timeout, std::move(stop)));
  return store_.task(id);
}

Result<std::optional<std::string>> Service::host_directory(const EndpointId& id) {
  TRY_ASSIGN(const endpoints::Endpoint endpoint, parts_.endpoints.get(id));
  TRY_ASSIGN(const auto storage, parts_.endpoints.open(endpoint), "open endpoint {}",
             endpoints::place_of(endpoint));
  return storage->host_directory();
}

Result<std::size_t> Service::purge_history() {
  if (options_.history <= Duration(0)) return std::size_t{0};
  return store_.purge(parts_.clock.now() - options_.history);
}

// Running -----------------------------------------------------------------------------------------

std::vector<std::shared_ptr<TaskRun>> Service::runs() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<TaskRun>> runs;
  for (const auto& [id, run] : runs_) runs.push_back(run);
  return runs;
}

std::map<EndpointId, LocalService::Moved> Service::moved() {
  const std::lock_guard lock(mutex_);
  auto moved = moved_;
  for (const auto& [id, run] : runs_) {
    add_moved(moved, *run);
    ++moved[written_endpoint(run->task())].running;
  }
  return moved;
}

std::shared_ptr<const engine::Progress> Service::progress(const TaskId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find(id);
  if (found == runs_.end()) return nullptr;
  return {found->second, &found->second->progress()};
}

Result<std::shared_ptr<TaskRun>> Service::begin(const TaskId& id) {
  TRY_ASSIGN(Store::Start start, store_.start(id));
  const auto run = std::make_shared<TaskRun>(
      TaskRun::Parts{parts_.database, store_, outcomes_, parts_.endpoints, permissions_, quota_,
                     parts_.clock, parts_.random, options_.limits},
      std::move(start));
  {
    const std::lock_guard lock(mutex_);
    CHECK(runs_.emplace(id, run).second);  // the claim is exclusive
  }
  loop_.wake();
  return run;
}

Result<void> Service::conduct(const std::shared_ptr<TaskRun>& run, std::stop_token stop,
                              TaskRun::WhenStopped when_stopped) {
  auto done = run->execute(std::move(stop), when_stopped);
  const TaskId& id = run->task().id;
  {
    const std::lock_guard lock(mutex_);
    add_moved(moved_, *run);
    runs_.erase(id);
    if (!done) not_before_[id] = parts_.clock.monotonic() + kPauseAfterError;
  }
  watcher_.notify(id);
  if (execution_ == Execution::kAll) loop_.wake();  // there is room for another
  return done;
}

Result<Task> Service::run(const TaskId& id, std::stop_token stop) {
  for (;;) {
    TRY(pauses_.refresh());
    TRY_ASSIGN(const Task task, store_.task(id));
    if (task.state != TaskState::kActive) return task;
    if (task.is_paused) {
      if (!parts_.clock.sleep(kPausedInterval, stop)) return task;
      continue;
    }
    TRY_ASSIGN(const auto run, begin(id));
    TRY(conduct(run, stop, TaskRun::WhenStopped::kInactive), "task {}", id);
    // Where only such commands run there is no loop that would do it.
    if (const auto purged = purge_history(); !purged)
      log_warning("purge the history: {}", purged.error().message);
  }
}

void Service::start(const std::shared_ptr<TaskRun>& run) {
  if (!pool_) {
    const std::size_t threads = std::max<std::size_t>(options_.active_tasks, 1);
    pool_ = std::make_unique<WorkerPool>(WorkerPool::Options{threads, threads});
  }
  pool_->submit([this, run] {
    const auto done = conduct(run, stop_.get_token(), TaskRun::WhenStopped::kLeaveActive);
    if (!done) log_error("task {}: {}", run->task().id, done.error().message);
  });
}

Result<std::size_t> Service::step() {
  const std::lock_guard one_at_a_time(step_mutex_);
  TRY(pauses_.refresh());
  TRY_ASSIGN(const std::vector<TaskId> expired, store_.expire());
  for (const TaskId& id : expired) watcher_.notify(id);
  TRY_ASSIGN(const std::vector<Task> found, store_.runnable(options_.active_tasks));
  std::vector<SchedulerTask> waiting, running;
  {
    const std::lock_guard lock(mutex_);
    const Duration now = parts_.clock.monotonic();
    std::erase_if(not_before_, [&](const auto& entry) { return entry.second <= now; });
    for (const Task& task : found) {
      if (not_before_.count(task.id) == 0) waiting.push_back(scheduler_task(task));
    }
    for (const auto& [id, run] : runs_) running.push_back(scheduler_task(run->task()));
  }
  std::size_t started = 0;
  for (const TaskId& id : choose_tasks(
           waiting, running,
           {options_.active_tasks, options_.active_tasks_per_endpoint,
            options_.active_transfers_per_identity, options_.active_deletes_per_identity})) {
    auto run = begin(id);
    if (run) {
      start(*run);
      ++started;
    } else if (run.error().code != Code::kConflict) {  // that: another process was quicker
      return std::move(run).error();
    }
  }
  return started;
}

// The loop's call: looks after the runs, and, if this process runs everything, starts more.
Duration Service::beat() {
  if (!runs().empty()) {
    if (const auto noted = pauses_.refresh(); !noted)
      log_warning("look for pause rules: {}", noted.error().message);
  }
  const auto under_way = runs();
  for (const auto& run : under_way) run->tick();
  if (execution_ != Execution::kAll) return under_way.empty() ? kIdle : kTickInterval;
  if (const auto stepped = step(); !stepped)
    log_warning("start tasks: {}", stepped.error().message);
  purge_now_and_then();
  return under_way.empty() ? kStepInterval : kTickInterval;
}

void Service::purge_now_and_then() {
  const Duration now = parts_.clock.monotonic();
  if (purged_ && now - *purged_ < kPurgeInterval) return;
  purged_ = now;
  if (const auto purged = purge_history(); !purged)
    log_warning("purge the history: {}", purged.error().message);
}

}  // namespace

std::unique_ptr<LocalService> LocalService::create(const Parts& parts,
                                                   const LocalServiceOptions& options,
                                                   Execution execution) {
  return std::make_unique<Service>(parts, options, execution);
}

}  // namespace wherry::tasks
