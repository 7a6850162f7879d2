// SPDX-License-Identifier: Apache-2.0
// The half of the stager that follows what was sent: asks for all open tasks at once, and gives
// each item its own outcome.
#include <algorithm>
#include <set>

#include "base/back_off.h"
#include "base/log.h"
#include "jobs/stager_state.h"
#include "jobs/work_directory.h"
#include "tasks/hopeless.h"

namespace wherry::jobs {
namespace {

using tasks::Task;
using tasks::TaskState;
using Outcomes = std::vector<ItemOutcome>;
using OutcomeKind = ItemOutcome::Kind;
using VerdictKind = StageFates::Verdict::Kind;

constexpr std::size_t kTasksAtOnce = 50;  // asked for in one call
constexpr Duration kLongestRetryDelay = std::chrono::hours(1);
constexpr Duration kBetweenHopelessLooks = std::chrono::seconds(3);
constexpr Duration kFirstResume = std::chrono::seconds(1);
constexpr Duration kLongestResume = std::chrono::minutes(10);

// What waits for space, a quota or a login: a person or time helps, another task right away does
// not.
bool is_of_whole_location(std::string_view code) {
  static const std::set<std::string_view> kCodes = {
      "QUOTA_EXCEEDED",   "NO_SPACE_LEFT", "NO_CREDENTIAL",      "CONNECT_FAILED",
      "ENDPOINT_ERROR",   "TIMEOUT",       "GC_NOT_CONNECTED",   "GC_PAUSED",
      "CONNECTION_RESET", "AUTH",          "CREDENTIAL_EXPIRED", "ENDPOINT_TOO_BUSY"};
  return kCodes.contains(code);
}

bool can_never_succeed(std::string_view code) {
  return code == "INVALID_PATH" || (tasks::is_hopeless(code) && !is_of_whole_location(code));
}

// Whether this task carries it still, and no later one.
bool is_under_way(const TransferItem& item, const StageTask& stage) {
  return (item.state == ItemState::kActive || item.state == ItemState::kInactive) &&
         item.task_id == stage.task_id;
}

bool same_progress(const tasks::Counts& a, const tasks::Counts& b) {
  return a.files_transferred == b.files_transferred && a.files_skipped == b.files_skipped &&
         a.skipped_errors == b.skipped_errors && a.files_failed == b.files_failed &&
         a.faults == b.faults;
}

}  // namespace

Result<void> Stager::State::follow(const std::vector<StageTask>& open) {
  std::map<tasks::TaskId, const StageTask*> by_id;
  for (const StageTask& stage : open) {
    if (!stage.task_id.empty()) by_id[stage.task_id] = &stage;
  }
  std::map<tasks::TaskId, Task> known;
  for (auto at = by_id.begin(); at != by_id.end();) {
    tasks::TaskFilter filter;
    for (; at != by_id.end() && filter.ids.size() < kTasksAtOnce; ++at)
      filter.ids.push_back(at->first);
    filter.limit = filter.ids.size();
    auto found = service().tasks(filter);
    if (!found) {
      if (!is_stopped()) trouble.add("", found.error().message);
      return {};
    }
    for (Task& task : *found) known.emplace(task.id, std::move(task));
  }
  trouble.clear("");
  TRY(reach("asked"));
  for (const auto& [id, stage] : by_id) {
    if (is_stopped()) return {};
    const auto task = known.find(id);
    TRY(task == known.end() ? follow_unknown(*stage) : follow_one(*stage, task->second));
  }
  return {};
}

// A task that the service did not list: purged, somebody else's, or only not listed yet.
Result<void> Stager::State::follow_unknown(const StageTask& stage) {
  const auto task = service().task(stage.task_id);
  if (task) return follow_one(stage, *task);
  const Code code = task.error().code;
  if (code != Code::kNotFound && code != Code::kDenied) {
    if (!is_stopped()) trouble.add(stage.key.location_alias, task.error().message);
    return {};
  }
  return send_again(stage, "the service knows nothing of its task any more");
}

Result<void> Stager::State::send_again(const StageTask& stage, const std::string& why) {
  log_warning("site {}: what task {} carried is sent again: {}", site.name, stage.task_id, why);
  TRY_ASSIGN(const auto carried, items.carried(stage.id));
  Outcomes outcomes;
  for (const StageItem& one : carried) {
    if (!is_under_way(one.item, stage)) continue;
    // A service that forgets whatever it is sent is not asked for ever.
    const bool goes_at_once = one.item.attempts < settings.transfers.max_attempts;
    outcomes.push_back(goes_at_once ? again(one.item, {"UNKNOWN", why}, Duration(0))
                                    : failed(one.item, {"UNKNOWN", why}));
  }
  return apply(stage, outcomes, Items::Task::kSettled);
}

Result<Followed*> Stager::State::followed_of(const StageTask& stage) {
  auto at = followed.find(stage.id);
  if (at == followed.end()) {
    TRY_ASSIGN(StageRequest request, decode_stage_request(stage.request));
    at = followed.emplace(stage.id, Followed(std::move(request))).first;
  }
  return &at->second;
}

// Reads what the task has moved and could not move, if that can have changed. `known`: all that
// there is to know now.
Result<void> Stager::State::read_rows(const StageTask& stage, Followed& of, const Task& task,
                                      bool& known) {
  known = true;
  const bool is_same = of.seen && same_progress(*of.seen, task.counts);
  if (is_same && task.state == TaskState::kActive) return {};
  const auto read = of.fates.read(service(), task);
  if (read) {
    of.seen = task.counts;
    return {};
  }
  known = false;
  if (!is_stopped()) trouble.add(stage.key.location_alias, read.error().message);
  return {};
}

Result<void> Stager::State::follow_one(const StageTask& stage, const Task& task) {
  const auto found = followed_of(stage);
  if (!found) {
    // Nothing can be said of its items but that they must go again.
    (void)service().cancel(task.id);
    return send_again(stage, found.error().message);
  }
  Followed& of = **found;
  TRY_ASSIGN(std::vector<StageItem> live, items.carried(stage.id));
  std::erase_if(live, [&](const StageItem& one) { return !is_under_way(one.item, stage); });
  const bool has_ended = task.state == TaskState::kSucceeded || task.state == TaskState::kFailed;
  of.is_inactive = task.state == TaskState::kInactive;
  bool is_known = true;
  if (!live.empty() || !has_ended) TRY(read_rows(stage, of, task, is_known));
  if (has_ended && !is_known) return {};
  if (live.empty() && !has_ended && !of.fates.is_complete()) return abandon(stage, task);

  Outcomes outcomes;
  for (const StageItem& one : live) judge(one, of.fates, task, outcomes);
  if (of.is_inactive) TRY(wait_for_person(stage, of, task, live, outcomes));
  if (has_ended) note_end(stage, of.fates, task);
  TRY(apply(stage, outcomes, has_ended ? Items::Task::kSettled : Items::Task::kGoesOn));
  if (task.state == TaskState::kActive) look_for_hopeless(of, task);
  return {};
}

// Ends a task that only repeats what cannot succeed. One that still gets on with others is left
// alone.
void Stager::State::look_for_hopeless(Followed& of, const Task& task) {
  const Duration now = parts.clock.monotonic();
  if (!tasks::is_in_trouble(task)) {
    of.stuck_at.reset();
    return;
  }
  add_until(kBetweenHopelessLooks);
  if (now < of.next_hopeless_look) return;
  of.next_hopeless_look = now + kBetweenHopelessLooks;
  const auto done = std::pair(task.counts.files_transferred, task.counts.bytes_transferred);
  if (of.stuck_at != done) {
    of.stuck_at = done;
    return;
  }
  if (const auto looked = tasks::end_if_hopeless(service(), task); !looked)
    log_warning("site {}: task {}: {}", site.name, task.id, looked.error().message);
}

// Nobody wants what the task carries any more: its jobs were cancelled or deleted.
Result<void> Stager::State::abandon(const StageTask& stage, const Task& task) {
  const auto cancelled = service().cancel(task.id);
  const bool is_over = cancelled || cancelled.error().code == Code::kConflict ||
                       cancelled.error().code == Code::kNotFound;
  if (!is_over) {
    if (!is_stopped()) trouble.add(stage.key.location_alias, cancelled.error().message);
    return {};
  }
  TRY(reach("cancelled"));
  log_info("site {}: task {} was cancelled, nobody needs what it carries", site.name, task.id);
  return apply(stage, {}, Items::Task::kSettled);
}

// What became of one item, if it is known.
void Stager::State::judge(const StageItem& item, const StageFates& fates, const Task& task,
                          Outcomes& outcomes) {
  const StageFates::Verdict verdict = fates.verdict(item.item.id, task);
  switch (verdict.kind) {
    case VerdictKind::kOpen:
      if (item.item.state == ItemState::kInactive && task.state == TaskState::kActive) {
        outcomes.emplace_back();
        outcomes.back().item = item.item.id;
        outcomes.back().kind = OutcomeKind::kActive;
        outcomes.back().message = fmt::format("task {} goes on", task.id);
      }
      return;
    case VerdictKind::kArrived:
      outcomes.push_back(arrived(item, fates));
      return;
    case VerdictKind::kFailed:
      outcomes.push_back(failed(item.item, verdict.error));
      return;
    case VerdictKind::kHeldBack:
      break;
  }
  // What a directory refuses one it may refuse all: whoever was told so often enough believes it.
  const bool is_refused_too = fates.is_somebodys_fault() && can_never_succeed(verdict.error.code) &&
                              item.item.attempts >= settings.transfers.max_attempts;
  if (!is_refused_too && (fates.is_somebodys_fault() || is_one_of_many(fates, verdict.error))) {
    // Another one of its task was to blame, and that task is over.
    outcomes.push_back(again(item.item, verdict.error, Duration(0)));
  } else {
    outcomes.push_back(failed(item.item, verdict.error));
  }
}

ItemOutcome Stager::State::arrived(const StageItem& item, const StageFates& fates) {
  const StageRequest& request = fates.request();
  if (!request.shared_files.empty()) {
    const auto piece = std::find_if(request.pieces.begin(), request.pieces.end(),
                                    [&](const Piece& one) { return one.item == item.item.id; });
    const auto file = input_file(site, item);
    const bool links = settings.transfers.share_inputs != TransferSettings::Share::kCopy;
    const auto placed = file ? place_file(request.shared_files[piece->line], *file,
                                          links ? Place::kLink : Place::kCopy)
                             : Result<void>(file.error());
    if (!placed) return failed(item.item, {"LOCAL_ERROR", placed.error().message});
  }
  ItemOutcome outcome;
  outcome.item = item.item.id;
  outcome.kind = OutcomeKind::kDone;
  outcome.message = "moved and verified";
  return outcome;
}

ItemOutcome Stager::State::again(const TransferItem& item, const tasks::TaskError& error,
                                 Duration after) const {
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.kind = OutcomeKind::kRetry;
  outcome.error = error;
  outcome.next_try = parts.clock.now() + LocationTrouble::spread(after, parts.random);
  outcome.message = fmt::format("to be sent again: {}: {}", error.code, error.description);
  return outcome;
}

ItemOutcome Stager::State::failed(const TransferItem& item, const tasks::TaskError& error) const {
  const TransferSettings& transfers = settings.transfers;
  if (!can_never_succeed(error.code) && item.attempts < transfers.max_attempts) {
    return again(
        item, error,
        growing_pause(transfers.retry_delay, std::max(item.attempts, 1), kLongestRetryDelay));
  }
  ItemOutcome outcome;
  outcome.item = item.id;
  outcome.kind = OutcomeKind::kError;
  outcome.error = error;
  outcome.job = transfers.on_error == OnError::kFail ? ItemOutcome::OfJob::kFails
                                                     : ItemOutcome::OfJob::kStays;
  outcome.message = fmt::format("{}: {}", error.code, error.description);
  return outcome;
}

// An inactive task takes up no room. It is told to go on now and then, in case that helps already.
Result<void> Stager::State::wait_for_person(const StageTask& stage, Followed& of, const Task& task,
                                            const std::vector<StageItem>& live,
                                            Outcomes& outcomes) {
  waiting[stage.key.location_alias] =
      fmt::format("task {} waits: {} {}; when that is settled: wherry task resume {}", task.id,
                  task.nice_status, task.nice_status_details, task.id);
  for (const StageItem& one : live) {
    const bool is_settled = std::any_of(outcomes.begin(), outcomes.end(), [&](const auto& outcome) {
      return outcome.item == one.item.id;
    });
    if (is_settled || one.item.state == ItemState::kInactive) continue;
    outcomes.emplace_back();
    outcomes.back().item = one.item.id;
    outcomes.back().kind = OutcomeKind::kInactive;
    outcomes.back().message = fmt::format("task {} waits: {}", task.id, task.nice_status);
  }
  if (parts.clock.monotonic() < of.next_resume) {
    add_until(of.next_resume - parts.clock.monotonic());
    return {};
  }
  const auto resumed = service().resume(task.id);
  const Duration pause =
      resumed || resumed.error().code != Code::kUnsupported
          ? LocationTrouble::spread(growing_pause(kFirstResume, ++of.resumes, kLongestResume),
                                    parts.random)
          : kLongestResume;
  of.next_resume = parts.clock.monotonic() + pause;
  add_until(pause);
  return {};
}

// Whether an error that some single file must have may be that of any file of the task: then
// smaller tasks find out whose it is (note_end()).
bool Stager::State::is_one_of_many(const StageFates& fates, const tasks::TaskError& error) {
  return can_never_succeed(error.code) && !fates.is_somebodys_fault() &&
         fates.request().lines.size() > 1;
}

// What the end of a task says of its location.
void Stager::State::note_end(const StageTask& stage, const StageFates& fates, const Task& task) {
  const std::string& alias = stage.key.location_alias;
  quotas.note_end(alias);
  if (task.state == TaskState::kSucceeded) {
    trouble.clear(alias);
    const auto smaller = batch_sizes.find(alias);
    if (smaller == batch_sizes.end()) return;
    smaller->second *= 2;
    if (smaller->second >= settings.transfers.transfer_batch_size) batch_sizes.erase(smaller);
    return;
  }
  if (!task.fatal_error) return;
  if (is_one_of_many(fates, *task.fatal_error))
    batch_sizes[alias] = (fates.request().lines.size() + 1) / 2;
  if (!is_of_whole_location(task.fatal_error->code)) return;
  if (fates.is_somebodys_fault() && !tasks::is_hopeless(task.fatal_error->code)) return;
  trouble.add(alias, fmt::format("task {} failed: {}: {}; see: wherry task show {}", task.id,
                                 task.fatal_error->code, task.fatal_error->description, task.id));
}

}  // namespace wherry::jobs
