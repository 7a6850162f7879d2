// SPDX-License-Identifier: Apache-2.0
#include "tasks/task_run.h"

#include <algorithm>

#include "base/back_off.h"
#include "base/log.h"
#include "base/path.h"
#include "base/units.h"
#include "tasks/items.h"
#include "tasks/local_service.h"
#include "tasks/overlap.h"

namespace wherry::tasks {

using engine::OperationKind;
using engine::Outcome;
using engine::RunEnd;
using engine::RunReport;

namespace {

// An endpoint that is not connected is looked for after a second, then after twice as long each
// time.
constexpr Duration kFirstLook = std::chrono::seconds(1);
constexpr Duration kLookEvery = std::chrono::minutes(1);
// PROGRESS events: after a minute, then after twice as long each time.
constexpr Duration kFirstProgressEvent = std::chrono::minutes(1);

void count(Counts& counts, const Outcome& outcome) {
  const bool directory = outcome.kind == OperationKind::kMakeDirectory;
  switch (outcome.result) {
    case Outcome::Result::kDone:
      if (outcome.kind == OperationKind::kRemove) ++counts.removed;
      if (outcome.kind == OperationKind::kCopyFile) {
        ++counts.files_transferred;
        counts.bytes_transferred += outcome.bytes;
      }
      return;
    case Outcome::Result::kUpToDate:
    case Outcome::Result::kIgnored:
      if (!directory) ++counts.files_skipped;
      return;
    case Outcome::Result::kSkippedError:
      ++counts.skipped_errors;
      return;
    case Outcome::Result::kFailed:
      ++counts.files_failed;
      return;
  }
}

// A path in the words of JSON; bytes that it cannot hold are escaped as everywhere.
std::string json_path(const RelPath& path) {
  std::string text = "\"/";
  for (const char c : escape_bytes(path.text())) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

// By these events a client finds the files that made a task fail; no other list has them.
Event failure_event(const Outcome& outcome, TimePoint now) {
  const bool at_source = outcome.side == engine::Side::kSource;
  const RelPath& path = at_source ? outcome.source : outcome.target;
  return {now, std::string(error_code(*outcome.error)), outcome.error->message,
          fmt::format(R"({{"context":[{{"path":{}}}]}})", json_path(path)), true};
}

bool same(const Tally& a, const Tally& b) {
  const auto key = [](const Tally& tally) {
    const Counts& counts = tally.counts;
    return std::tie(counts.files, counts.directories, counts.symlinks, counts.files_transferred,
                    counts.files_skipped, counts.skipped_errors, counts.files_failed,
                    counts.removed, counts.bytes, counts.bytes_transferred,
                    counts.bytes_checksummed, counts.faults, tally.current_file);
  };
  return key(a) == key(b);
}

Ending failed(TimePoint now, std::string_view code, const std::string& description) {
  Ending ending;
  ending.state = TaskState::kFailed;
  ending.error = TaskError{std::string(code), description};
  ending.cut_short = true;
  ending.event = Event{now, std::string(code), description, "", true};
  return ending;
}

}  // namespace

// Tells a store that cannot be read from a storage that cannot: the first is no failure of the
// task.
template <class Item>
class TaskRun::CheckedItems : public engine::ItemSource<Item> {
 public:
  using Numbered = typename engine::ItemSource<Item>::Numbered;
  CheckedItems(TaskRun& run, std::unique_ptr<engine::ItemSource<Item>> items)
      : run_(run), items_(std::move(items)) {}
  Result<std::optional<Numbered>> next() override {
    auto item = items_->next();
    if (!item) run_.note_store_error(item.error());
    return item;
  }

 private:
  TaskRun& run_;
  std::unique_ptr<engine::ItemSource<Item>> items_;
};

TaskRun::TaskRun(const Parts& parts, Store::Start start)
    : parts_(parts),
      start_(std::move(start)),
      began_(parts.clock.monotonic()),
      counts_(start_.tally.counts),
      saved_(start_.tally),
      next_event_(kFirstProgressEvent) {}

TaskRun::~TaskRun() = default;

// What the engine tells -----------------------------------------------------------------------

Result<void> TaskRun::record(std::span<const Outcome> outcomes) {
  const std::lock_guard lock(mutex_);
  const Counts before = counts_;
  std::vector<Event> events = faults_;
  for (const Outcome& outcome : outcomes) {
    count(counts_, outcome);
    if (outcome.result == Outcome::Result::kFailed && events.size() < kMaxFaultEvents)
      events.push_back(failure_event(outcome, parts_.clock.now()));
  }
  const Tally now = tally();
  auto recorded = parts_.outcomes.record(start_.key, {outcomes, events}, now);
  if (!recorded) {
    counts_ = before;
    store_error_ = recorded.error();
    return recorded;
  }
  moved_ += counts_.bytes_transferred - before.bytes_transferred;
  faults_.clear();
  saved_ = now;
  return {};
}

void TaskRun::fault(const engine::Operation& operation, engine::Side side, const Error& error) {
  const std::lock_guard lock(mutex_);
  if (faults_.size() >= kMaxFaultEvents) return;
  const bool at_source = side == engine::Side::kSource;
  const RelPath& path = at_source ? operation.source : operation.target;
  faults_.push_back(
      {parts_.clock.now(), std::string(error_code(error)), error.message,
       fmt::format("{} '/{}'", at_source ? "source" : "target", escape_bytes(path.text())), true});
}

Result<bool> TaskRun::is_done(std::uint64_t item, const RelPath& below) {
  auto done = parts_.outcomes.is_done(start_.key, item, below);
  if (!done) note_store_error(done.error());
  return done;
}

void TaskRun::note_store_error(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!store_error_) store_error_ = error;
}

std::optional<Error> TaskRun::store_error() {
  const std::lock_guard lock(mutex_);
  return store_error_;
}

// Running ---------------------------------------------------------------------------------------

Result<endpoints::Endpoint> TaskRun::open(const EndpointId& id,
                                          std::shared_ptr<storage::Storage>& storage) {
  TRY_ASSIGN(endpoints::Endpoint endpoint, parts_.endpoints.get(id));
  // As far as the owner may use it, at every file: rules may change while the task waits or runs.
  const endpoints::Principal owner{start_.task.owner, {}};
  auto opened = parts_.permissions.open(owner, endpoint, stop_.get_token());
  if (!opened) {
    Error error = std::move(opened).error();
    if (!endpoints::is_local_user(owner)) return error;
    return std::move(error).with_context("open endpoint " + endpoints::place_of(endpoint));
  }
  storage = std::move(opened).value();
  return endpoint;
}

void TaskRun::open_gate(const endpoints::Endpoint& target) {
  if (target.daily_quota == 0) return;
  gate_.emplace(QuotaGate::Parts{parts_.quota, parts_.clock, target, start_.task.id,
                                 start_.task.requested, start_.task.deadline,
                                 start_.task.transfer_options.fail_on_quota_errors,
                                 [this](std::optional<TimePoint> until) { note_waiting(until); }});
}

void TaskRun::note_waiting(std::optional<TimePoint> until) {
  if (!until) return set_nice_status("OK", "");
  set_nice_status(
      "QUOTA_EXCEEDED",
      fmt::format("the daily quota is used up; goes on by itself at {}", format_time(*until)));
}

void TaskRun::set_nice_status(const std::string& status, const std::string& details) {
  const auto noted = parts_.store.set_nice_status(start_.key, status, details);
  if (!noted) log_warning("task {}: {}", start_.task.id, noted.error().message);
}

void TaskRun::note_away(const Error& error) {
  progress_.faults.fetch_add(1, std::memory_order_relaxed);
  if (std::exchange(away_, true)) return;
  constexpr const char* kCode = "GC_NOT_CONNECTED";
  log_warning("task {} waits: {}", start_.task.id, error.message);
  set_nice_status(kCode, error.message);
  const std::lock_guard lock(mutex_);
  if (faults_.size() < kMaxFaultEvents)
    faults_.push_back({parts_.clock.now(), kCode, error.message, "", true});
}

void TaskRun::note_connected() {
  if (std::exchange(away_, false)) set_nice_status("OK", "");
}

void TaskRun::close_gate() {
  if (!gate_) return;
  ByteCount moved = 0;
  {
    const std::lock_guard lock(mutex_);
    moved = std::exchange(moved_, 0);
  }
  const auto closed = gate_->close(moved);
  if (!closed) log_warning("task {}: {}", start_.task.id, closed.error().message);
  gate_.reset();
}

// An endpoint that is not connected is a fault as that of a file: it is tried again until the
// deadline.
Result<RunReport> TaskRun::run_when_connected() {
  for (int attempts = 1;; ++attempts) {
    auto report = run_engine();
    if (report || report.error().code != Code::kUnavailable || store_error()) return report;
    if (!wait_for_endpoint(report.error(), attempts)) {
      const bool is_stopped = stop_.stop_requested();
      return RunReport{is_stopped ? RunEnd::kStopped : RunEnd::kDeadline, {}, 0, {}};
    }
  }
}

// False if that is not to be waited for any longer.
bool TaskRun::wait_for_endpoint(const Error& error, int attempts) {
  note_away(error);
  const Duration left = start_.task.deadline - parts_.clock.now();
  const Duration pause = std::min(growing_pause(kFirstLook, attempts, kLookEvery), left);
  return pause > Duration(0) && parts_.clock.sleep(pause, stop_.get_token());
}

Result<RunReport> TaskRun::run_engine() {
  engine::RunContext context{.owner = start_.task.id,
                             .recovering = start_.recovering,
                             .deadline = start_.task.deadline,
                             .limits = parts_.limits,
                             .clock = parts_.clock,
                             .random = parts_.random,
                             .stop = stop_.get_token(),
                             .admit = {}};
  return start_.task.type == TaskType::kTransfer ? run_transfer(context) : run_delete(context);
}

Result<RunReport> TaskRun::run_transfer(const engine::RunContext& given) {
  std::shared_ptr<storage::Storage> source, target;
  TRY_ASSIGN(const endpoints::Endpoint from, open(start_.task.source_endpoint, source));
  TRY_ASSIGN(const endpoints::Endpoint to, open(start_.task.target_endpoint, target));
  TRY(check_overlap(from, to));
  if (start_.task.source_endpoint == start_.task.target_endpoint) source = target;
  note_connected();
  open_gate(to);
  engine::RunContext context = given;
  if (gate_) {
    context.admit = [this](ByteCount bytes, std::stop_token stop) {
      return gate_->admit(bytes, std::move(stop));
    };
  }
  CheckedItems<engine::TransferItem> items(*this, read_transfer_items(parts_.database, start_.key));
  auto report = engine::run_transfer(*source, *target, items, start_.task.transfer_options, context,
                                     *this, progress_);
  close_gate();
  if (report) kept_.insert(kept_.end(), report->kept.begin(), report->kept.end());
  target_ = std::move(target);
  return report;
}

// As at the submission: then an endpoint may not have been connected, and symlinks change.
Result<void> TaskRun::check_overlap(const endpoints::Endpoint& from,
                                    const endpoints::Endpoint& to) {
  TRY_ASSIGN(const auto source, parts_.endpoints.open(from));
  TRY_ASSIGN(const auto target, parts_.endpoints.open(to));
  OverlapCheck overlap({from.id, to.id, source->host_directory(), target->host_directory(),
                        start_.task.transfer_options.delete_extra});
  if (!overlap.is_possible()) return {};
  CheckedItems<engine::TransferItem> items(*this, read_transfer_items(parts_.database, start_.key));
  for (;;) {
    TRY_ASSIGN(const auto next, items.next());
    if (!next) return {};
    TRY(overlap.check(next->item));
  }
}

Result<RunReport> TaskRun::run_delete(const engine::RunContext& context) {
  std::shared_ptr<storage::Storage> storage;
  TRY(open(start_.task.source_endpoint, storage));
  note_connected();
  CheckedItems<engine::DeleteItem> items(*this, read_delete_items(parts_.database, start_.key));
  return engine::run_delete(*storage, items, start_.task.delete_options, context, *this, progress_);
}

Result<void> TaskRun::execute(std::stop_token stop, WhenStopped when_stopped) {
  auto done = execute_to_end(std::move(stop), when_stopped);
  // A tick that comes late must not write what this run believed over what is stored.
  const std::lock_guard lock(mutex_);
  ended_ = true;
  return done;
}

Result<void> TaskRun::execute_to_end(std::stop_token stop, WhenStopped when_stopped) {
  const std::stop_callback forward(stop, [this] { stop_.request_stop(); });
  if (start_.task.cancel_requested) stop_.request_stop();
  for (;;) {
    if (start_.recovering) TRY(parts_.outcomes.begin_recovery(start_.key));
    Result<RunReport> report =
        stop_.stop_requested() ? RunReport{RunEnd::kStopped, {}, 0, {}} : run_when_connected();
    if (const auto error = store_error()) return *error;
    TRY_ASSIGN(const std::optional<Ending> ending, judge(report, when_stopped));
    const bool again = !ending && report && report->end == RunEnd::kDeadline;
    if (!again) return finish(ending);
    start_.recovering = true;
  }
}

// How it ends -----------------------------------------------------------------------------------

Result<std::optional<Ending>> TaskRun::judge(const Result<RunReport>& report,
                                             WhenStopped when_stopped) {
  const TimePoint now = parts_.clock.now();
  if (!report)
    return std::optional(failed(now, error_code(report.error()), report.error().message));
  TRY_ASSIGN(const Store::Wishes wishes, parts_.store.wishes(start_.key));
  const bool has_ended = report->end == RunEnd::kCompleted || report->end == RunEnd::kFatal;
  if (wishes.cancel && !has_ended) return std::optional(failed(now, "CANCELED", "canceled"));
  switch (report->end) {
    case RunEnd::kCompleted:
      return std::optional(completed());
    case RunEnd::kDeadline:
    case RunEnd::kStopped:
      if (wishes.deadline <= now)
        return std::optional(failed(now, "EXPIRED", "the deadline has passed"));
      start_.task.deadline = wishes.deadline;
      if (report->end == RunEnd::kDeadline || when_stopped == WhenStopped::kLeaveActive || pausing_)
        return std::optional<Ending>();
      return std::optional(
          Ending{TaskState::kInactive, std::nullopt, "PAUSED",
                 fmt::format("it was interrupted; `wherry task resume {}` goes on", start_.task.id),
                 Event{now, "PAUSED", "interrupted", "", false}});
    case RunEnd::kNoSpace:
      CHECK(report->error.has_value());
      return std::optional(out_of_space(*report->error));
    case RunEnd::kFatal:
      CHECK(report->error.has_value());
      return std::optional(failed(now, error_code(*report->error), report->error->message));
  }
  CHECK(false && "a run that did not end");
  return std::optional<Ending>();
}

Ending TaskRun::completed() {
  const std::lock_guard lock(mutex_);
  const TimePoint now = parts_.clock.now();
  Ending ending;
  if (counts_.files_failed > 0) {  // the first failure was stored as the error with its outcome
    ending.state = TaskState::kFailed;
    ending.event = Event{now, "FAILED", fmt::format("{} operations failed", counts_.files_failed),
                         fmt::format("{{\"files_failed\":{}}}", counts_.files_failed), true};
    return ending;
  }
  ending.state = TaskState::kSucceeded;
  ending.event = Event{now, "SUCCEEDED", "succeeded",
                       fmt::format("{{\"files_succeeded\":{}}}", counts_.files_transferred), false};
  return ending;
}

Ending TaskRun::out_of_space(const Error& error) {
  const std::string_view code = error_code(error);
  if (start_.task.transfer_options.fail_on_quota_errors)
    return failed(parts_.clock.now(), code, error.message);
  Ending ending;
  ending.state = TaskState::kInactive;
  ending.nice_status = code;
  ending.nice_status_details = error.message;
  return ending;
}

// Nobody will go on with them. One that cannot be removed is as harmless as one that a crash left.
void TaskRun::remove_kept() {
  for (const RelPath& temporary : kept_) {
    const auto removed = target_->remove_file(temporary);
    if (removed || removed.error().code == Code::kNotFound) continue;
    log_warning("task {}: {}", start_.task.id, removed.error().message);
  }
  kept_.clear();
}

Result<void> TaskRun::finish(const std::optional<Ending>& ending) {
  if (ending && ending->state != TaskState::kInactive) remove_kept();
  if (start_.recovering) {
    const auto cleaned = parts_.outcomes.end_recovery(start_.key);
    if (!cleaned) log_warning("task {}: {}", start_.task.id, cleaned.error().message);
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  if (!faults_.empty()) TRY(parts_.outcomes.record(start_.key, {{}, faults_}, tally()));
  Tally last = tally();
  last.current_file.clear();
  return ending ? parts_.store.end(start_, last, *ending) : parts_.store.hand_back(start_, last);
}

// Progress --------------------------------------------------------------------------------------

Tally TaskRun::tally() {
  Tally tally;
  tally.counts = counts_;
  // A run that goes on begins to find anew; until it has found all, what an earlier one had found
  // is the better number. What a delete removed is not found again.
  const Counts& before = start_.tally.counts;
  const bool exact = progress_.plan_complete && start_.task.type == TaskType::kTransfer;
  const auto found = [&](const auto& counter, std::uint64_t earlier) {
    const std::uint64_t here = counter.load(std::memory_order_relaxed);
    return exact ? here : std::max(here, earlier);
  };
  tally.counts.files = found(progress_.files_found, before.files);
  tally.counts.directories = found(progress_.directories, before.directories);
  tally.counts.symlinks = found(progress_.symlinks, before.symlinks);
  tally.counts.bytes = found(progress_.bytes_found, before.bytes);
  tally.counts.bytes_checksummed = before.bytes_checksummed + progress_.bytes_checksummed;
  tally.counts.faults = before.faults + progress_.faults;
  tally.worked = start_.tally.worked + (parts_.clock.monotonic() - began_);
  tally.current_file = progress_.current_file();
  return tally;
}

void TaskRun::save_progress() {
  const Tally now = tally();
  if (!same(now, saved_) || !faults_.empty()) {
    const auto saved = parts_.outcomes.record(start_.key, {{}, faults_}, now);
    if (!saved) return;  // the next tick tries again, and what matters is stored with outcomes
    saved_ = now;
    faults_.clear();
  }
  const Duration worked = parts_.clock.monotonic() - began_;
  if (worked < next_event_) return;
  next_event_ *= 2;
  const double seconds = std::chrono::duration<double>(worked).count();
  const double megabits = static_cast<double>(moved_) * 8e-6 / seconds;
  (void)parts_.outcomes.add_event(
      start_.key, {parts_.clock.now(), "PROGRESS", "progress",
                   fmt::format("{{\"bytes_transferred\":{},\"duration\":{:.1f},\"mbps\":{:.2f}}}",
                               now.counts.bytes_transferred, seconds, megabits),
                   false});
}

void TaskRun::tick() {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  const auto wishes = parts_.store.wishes(start_.key);
  if (wishes && wishes->pause) pausing_ = true;
  if (wishes && (wishes->cancel || wishes->pause || wishes->deadline <= parts_.clock.now()))
    stop_.request_stop();
  save_progress();
}

}  // namespace wherry::tasks
