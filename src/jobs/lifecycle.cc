// SPDX-License-Identifier: Apache-2.0
#include "jobs/lifecycle.h"

#include <soci/soci.h>

#include <vector>

#include "base/path.h"
#include "jobs/query.h"

namespace wherry::jobs {
namespace {

using soci::into;
using soci::use;

template <class State>
Error forbidden(std::string_view what, std::int64_t id, State from, State to,
                std::span<const Transition<State>> table) {
  std::string allowed;
  for (const Transition<State>& row : table) {
    if (row.from != from) continue;
    allowed += allowed.empty() ? "" : ", ";
    allowed += to_string(row.to);
  }
  return make_error(Code::kConflict,
                    "{} {} is {} and cannot become {}; from there it can become {}", what, id,
                    to_string(from), to_string(to), allowed.empty() ? "nothing" : allowed);
}

// From where a job goes on that failed in `failed_from`.
JobState resumed_state(JobState failed_from) {
  switch (failed_from) {
    case JobState::kCreated:
    case JobState::kAwaitingParents:
    case JobState::kReady:
      return JobState::kReady;
    case JobState::kStagedIn:
    case JobState::kPreprocessed:
      return JobState::kStagedIn;
    case JobState::kRunning:
    case JobState::kRunError:
    case JobState::kRunTimeout:
    case JobState::kRestartReady:
      return JobState::kRestartReady;
    case JobState::kRunDone:
      return JobState::kRunDone;
    case JobState::kPostprocessed:
    case JobState::kStagedOut:
    case JobState::kJobFinished:
      return JobState::kPostprocessed;
    case JobState::kFailed:
      break;
  }
  CHECK(false && "a job that failed from FAILED");
  return JobState::kReady;
}

// The state that an item takes when its job enters `job`; its own if it stays.
ItemState state_beside(JobState job, Direction direction, ItemState item) {
  const bool is_in = direction == Direction::kIn;
  const bool is_left = item == ItemState::kAwaitingJob || item == ItemState::kError;
  if (job == (is_in ? JobState::kReady : JobState::kPostprocessed))
    return is_left ? ItemState::kPending : item;
  if (is_in) {
    const bool waits_again = job == JobState::kAwaitingParents && item == ItemState::kError;
    return waits_again ? ItemState::kAwaitingJob : item;
  }
  // An output of a job that is to run (again) is made anew.
  return item == ItemState::kDone || item == ItemState::kError ? ItemState::kAwaitingJob : item;
}

}  // namespace

struct Lifecycle::JobNow {
  JobId id = 0;
  SiteId site = 0;
  JobState state = JobState::kCreated;
};

struct Lifecycle::ItemNow {
  ItemId id = 0;
  JobId job = 0;
  SiteId site = 0;
  Direction direction = Direction::kIn;
  ItemState state = ItemState::kPending;
  bool required = true;
};

// Prepared once, because bulk calls run them thousands of times. The variables are bound for good;
// each use sets what it needs just before.
struct Lifecycle::Statements {
  explicit Statements(soci::session& sql)
      : select_job((sql.prepare << "select site, state, failed_from from job where id = :job",
                    use(job), into(site), into(state), into(failed_from))),
        update_job(
            (sql.prepare
                 << "update job set state = :state, failed_from = :from,"
                    " last_update = :now, session = case :keeps when 1 then session else 0 "
                    "end, lost_by = case when :cancelled = 1 and session > 0 then session else"
                    " lost_by end, error_retries = case :reset when 1 then 0 else error_retries end"
                    " + :errors, timeout_retries = case :reset_too when 1 then 0 else"
                    " timeout_retries end + :timeouts where id = :job",
             use(state), use(failed_from), use(now), use(keeps_session), use(is_cancelled),
             use(reset), use(errors), use(reset), use(timeouts), use(job))),
        select_item((sql.prepare << "select job, site, direction, state, required"
                                    " from transfer_item where id = :item",
                     use(item), into(job), into(site), into(direction), into(state),
                     into(required))),
        update_item(
            (sql.prepare << "update transfer_item set state = :state, last_update = :now,"
                            " attempts = case :reset when 1 then 0 else attempts end + :errors,"
                            " since = case :keeps when 1 then since else :since end, next_try = 0,"
                            " error_code = :code, error_description = :description"
                            " where id = :item",
             use(state), use(now), use(reset), use(errors), use(keeps_since), use(now), use(code),
             use(description), use(item))),
        insert_event((sql.prepare << "insert into job_event"
                                     " (job, item, site, time, from_state, to_state, message)"
                                     " values (:job, :item, :site, :now, :from, :to, :message)",
                      use(job), use(item), use(site), use(now), use(from), use(state),
                      use(message))),
        open_items((sql.prepare << "select exists (select 1 from transfer_item where job = :job"
                                   " and direction = :direction and state <> 'done'"
                                   " and (state <> 'error' or required = 1))",
                    use(job), use(direction), into(found))),
        open_parents((sql.prepare << "select exists (select 1 from job_parent p"
                                     " join job q on q.id = p.parent"
                                     " where p.job = :job and q.state <> 'JOB_FINISHED')",
                      use(job), into(found))),
        items_of((sql.prepare << "select id from transfer_item where job = :job order by id",
                  use(job), into(number))),
        children_of((sql.prepare << "select job from job_parent where parent = :job order by job",
                     use(job), into(number))) {}

  long long job = 0, item = 0, site = 0, now = 0, number = 0;
  int keeps_session = 0, is_cancelled = 0, keeps_since = 0, reset = 0, errors = 0, timeouts = 0,
      required = 0, found = 0;
  std::string state, failed_from, direction, from, code, description, message;
  soci::statement select_job, update_job, select_item, update_item, insert_event, open_items,
      open_parents, items_of, children_of;
};

Lifecycle::Lifecycle(soci::session& sql, TimePoint now)
    : sql_(sql), statements_(std::make_unique<Statements>(sql)) {
  statements_->now = to_stored(now);
}

Lifecycle::~Lifecycle() = default;

// Reading -----------------------------------------------------------------------------------------

Result<Lifecycle::JobNow> Lifecycle::load_job(JobId id) {
  Statements& s = *statements_;
  s.job = id;
  if (!s.select_job.execute(true)) return no_such_job(id);
  TRY_ASSIGN(const JobState state, parse_job_state(s.state));
  return JobNow{id, s.site, state};
}

Result<Lifecycle::ItemNow> Lifecycle::load_item(ItemId id) {
  Statements& s = *statements_;
  s.item = id;
  if (!s.select_item.execute(true)) return no_such_item(id);
  TRY_ASSIGN(const ItemState state, parse_item_state(s.state));
  TRY_ASSIGN(const Direction direction, parse_direction(s.direction));
  return ItemNow{id, s.job, s.site, direction, state, s.required != 0};
}

bool Lifecycle::has_open_items(JobId job, Direction direction) {
  Statements& s = *statements_;
  s.job = job;
  s.direction = to_string(direction);
  CHECK(s.open_items.execute(true));
  return s.found != 0;
}

bool Lifecycle::waits_for_parents(JobId job) {
  Statements& s = *statements_;
  s.job = job;
  CHECK(s.open_parents.execute(true));
  return s.found != 0;
}

// All at once: what is done for each runs other statements, this one among them.
std::vector<std::int64_t> Lifecycle::numbers(soci::statement& statement, JobId job) {
  std::vector<std::int64_t> found;
  statements_->job = job;
  statement.execute();
  while (statement.fetch()) found.push_back(statements_->number);
  return found;
}

// Writing -----------------------------------------------------------------------------------------

void Lifecycle::insert_event(JobId job, std::optional<ItemId> item, SiteId site,
                             std::string_view from, std::string_view to, std::string_view message) {
  Statements& s = *statements_;
  s.job = job;
  s.item = item.value_or(0);
  s.site = site;
  s.from = from;
  s.state = to;
  s.message = message;
  s.insert_event.execute(true);
}

void Lifecycle::created(JobId job, SiteId site, std::optional<ItemId> item,
                        std::string_view state) {
  insert_event(job, item, site, "", state, "");
}

void Lifecycle::change_job(const JobNow& job, JobState to, std::string_view message) {
  CHECK(may_move(job.state, to));
  Statements& s = *statements_;
  const bool runs_again = to == JobState::kRestartReady;
  s.job = job.id;
  s.state = to_string(to);
  s.failed_from = to == JobState::kFailed ? to_string(job.state) : "";
  s.keeps_session = to == JobState::kRunning ? 1 : 0;
  s.is_cancelled = to == JobState::kFailed ? 1 : 0;
  s.reset = job.state == JobState::kFailed ? 1 : 0;
  s.errors = runs_again && job.state == JobState::kRunError ? 1 : 0;
  s.timeouts = runs_again && job.state == JobState::kRunTimeout ? 1 : 0;
  s.update_job.execute(true);
  insert_event(job.id, std::nullopt, job.site, to_string(job.state), to_string(to), message);
  after_job(job, to);
}

void Lifecycle::change_item(const ItemNow& item, ItemState to, std::string_view message,
                            const std::optional<tasks::TaskError>& error) {
  CHECK(may_move(item.state, to));
  Statements& s = *statements_;
  s.item = item.id;
  s.state = to_string(to);
  s.reset = item.state == ItemState::kError ? 1 : 0;  // a new start, with all its attempts
  s.errors = item.state == ItemState::kPending && to == ItemState::kActive ? 1 : 0;
  s.keeps_since = to == ItemState::kPending ? 0 : 1;
  s.code = error ? error->code : "";
  s.description = error ? error->description : "";
  s.update_item.execute(true);
  insert_event(item.job, item.id, item.site, to_string(item.state), to_string(to), message);
}

Result<void> Lifecycle::move_job(JobId id, JobState to, std::string_view message) {
  TRY_ASSIGN(const JobNow job, load_job(id));
  if (!may_move(job.state, to)) return forbidden("job", id, job.state, to, job_transitions());
  TRY(refuse_too_early(job, to));
  change_job(job, to, message);
  return {};
}

Result<void> Lifecycle::retry_job(JobId id, std::string_view message) {
  TRY_ASSIGN(const JobNow job, load_job(id));
  if (job.state != JobState::kFailed) {
    return make_error(Code::kConflict, "job {} is {}; only one that is FAILED can be retried", id,
                      to_string(job.state));
  }
  TRY_ASSIGN(const JobState failed_from, parse_job_state(statements_->failed_from));
  JobState to = resumed_state(failed_from);
  if (waits_for_parents(id))
    to = JobState::kAwaitingParents;
  else if (has_open_items(id, Direction::kIn))
    to = JobState::kReady;
  change_job(job, to, message);
  return {};
}

Result<void> Lifecycle::move_item(ItemId id, ItemState to, std::string_view message,
                                  const std::optional<tasks::TaskError>& error, OfJob of_job) {
  TRY_ASSIGN(const ItemNow item, load_item(id));
  if (!may_move(item.state, to))
    return forbidden("transfer item", id, item.state, to, item_transitions());
  TRY(refuse_too_early(item, to));
  change_item(item, to, message, error);
  if (to == ItemState::kError && item.required) {
    if (of_job == OfJob::kFails) fail_job_of(item, message);
  } else if (is_final(to)) {
    advance_if_staged(item.job);
  }
  return {};
}

Result<void> Lifecycle::enter(JobId id) {
  TRY_ASSIGN(const JobNow job, load_job(id));
  CHECK(job.state == JobState::kCreated);
  if (waits_for_parents(id))
    change_job(job, JobState::kAwaitingParents, "");
  else
    leave_parents(job, "");
  return {};
}

// Nobody gets a job past a parent or an input that it waits for, whatever the table allows.
Result<void> Lifecycle::refuse_too_early(const JobNow& job, JobState to) {
  if (to == JobState::kFailed || to == JobState::kAwaitingParents) return {};
  const bool has_parents_behind = job.state != JobState::kCreated &&
                                  job.state != JobState::kAwaitingParents &&
                                  job.state != JobState::kFailed;
  const bool has_inputs = has_parents_behind && job.state != JobState::kReady;
  if (!has_parents_behind && waits_for_parents(job.id)) {
    return make_error(Code::kConflict, "job {} cannot become {}: a parent of it is not finished",
                      job.id, to_string(to));
  }
  if (!has_inputs && to != JobState::kReady && has_open_items(job.id, Direction::kIn)) {
    return make_error(Code::kConflict,
                      "job {} cannot become {}: an input has not arrived; `wherry transfer-item ls "
                      "--job {}` shows them",
                      job.id, to_string(to), job.id);
  }
  if (to == JobState::kStagedOut && has_open_items(job.id, Direction::kOut)) {
    return make_error(Code::kConflict, "job {} cannot become {}: an output has not arrived", job.id,
                      to_string(to));
  }
  return {};
}

// Nobody has an item carried that its job does not wait for: of an output, there may be nothing
// yet.
Result<void> Lifecycle::refuse_too_early(const ItemNow& item, ItemState to) {
  if (to != ItemState::kPending && to != ItemState::kActive) return {};
  TRY_ASSIGN(const JobNow job, load_job(item.job));
  const JobState waits =
      item.direction == Direction::kIn ? JobState::kReady : JobState::kPostprocessed;
  if (job.state == waits) return {};
  return make_error(Code::kConflict, "transfer item {} cannot become {}: its job {} is {}, not {}",
                    item.id, to_string(to), item.job, to_string(job.state), to_string(waits));
}

// What follows ------------------------------------------------------------------------------------

void Lifecycle::after_job(const JobNow& job, JobState to) {
  switch (to) {
    case JobState::kReady:
    case JobState::kPostprocessed:
      arrange_items(job.id, to);
      return advance_if_staged(job.id);
    case JobState::kAwaitingParents:
    case JobState::kStagedIn:
    case JobState::kRunDone:
    case JobState::kRestartReady:
      if (job.state == JobState::kFailed) arrange_items(job.id, to);
      return;
    case JobState::kStagedOut:
      return change_job({job.id, job.site, to}, JobState::kJobFinished, "");
    case JobState::kJobFinished:
      return release_children(job.id);
    case JobState::kFailed:
      return give_up_items(job.id);
    case JobState::kCreated:
    case JobState::kPreprocessed:
    case JobState::kRunning:
    case JobState::kRunError:
    case JobState::kRunTimeout:
      return;
  }
}

void Lifecycle::arrange_items(JobId job, JobState state) {
  for (const ItemId id : numbers(statements_->items_of, job)) {
    const auto item = load_item(id);
    CHECK(item);
    const ItemState to = state_beside(state, item->direction, item->state);
    if (to != item->state) change_item(*item, to, "", std::nullopt);
  }
}

void Lifecycle::give_up_items(JobId job) {
  const tasks::TaskError error{std::string(kJobFailed), "its job has failed"};
  for (const ItemId id : numbers(statements_->items_of, job)) {
    const auto item = load_item(id);
    CHECK(item);
    if (!is_final(item->state)) change_item(*item, ItemState::kError, error.description, error);
  }
}

void Lifecycle::leave_parents(const JobNow& job, std::string_view message) {
  const bool has_inputs = has_open_items(job.id, Direction::kIn);
  change_job(job, has_inputs ? JobState::kReady : JobState::kStagedIn, message);
}

void Lifecycle::fail_job_of(const ItemNow& item, std::string_view message) {
  const auto job = load_job(item.job);
  CHECK(job);
  if (!may_move(job->state, JobState::kFailed)) return;
  std::string slot, alias, path;
  const long long id = item.id;
  sql_ << "select slot, location_alias, remote_path from transfer_item where id = :item", use(id),
      into(slot), into(alias), into(path);
  change_job(
      *job, JobState::kFailed,
      fmt::format("{} '{}', '{}:{}': {}", item.direction == Direction::kIn ? "input" : "output",
                  slot, alias, escape_bytes(path), message));
}

void Lifecycle::release_children(JobId parent) {
  for (const JobId id : numbers(statements_->children_of, parent)) {
    const auto child = load_job(id);
    CHECK(child);
    if (child->state == JobState::kAwaitingParents && !waits_for_parents(id))
      leave_parents(*child, fmt::format("its last parent, job {}, is finished", parent));
  }
}

void Lifecycle::advance_if_staged(JobId id) {
  const auto job = load_job(id);
  CHECK(job);
  if (job->state == JobState::kReady && !has_open_items(id, Direction::kIn))
    change_job(*job, JobState::kStagedIn, "every input has arrived");
  else if (job->state == JobState::kPostprocessed && !has_open_items(id, Direction::kOut))
    change_job(*job, JobState::kStagedOut, "nothing is left to be moved");
}

}  // namespace wherry::jobs
