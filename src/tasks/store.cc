// SPDX-License-Identifier: Apache-2.0
#include "tasks/store.h"

#include <fnmatch.h>
#include <soci/soci.h>

#include <algorithm>

#include "base/random.h"
#include "base/units.h"
#include "endpoints/quota.h"
#include "tasks/items.h"
#include "tasks/outcome_store.h"

namespace wherry::tasks {
namespace {

constexpr Duration kDeadlineOfResumed = std::chrono::hours(24);
constexpr std::size_t kExpiredAtOnce = 100;
constexpr long long kPurgedRowsAtOnce = 20'000;
constexpr std::size_t kPurgedTasksAtOnce = 1'000;

Error unknown_task(const TaskId& id) {
  return make_error(Code::kNotFound, "no task '{}'; `wherry task list` shows them", id);
}

std::optional<TaskId> task_submitted_as(soci::session& sql, const std::string& owner,
                                        const SubmissionId& submission_id) {
  TaskId id;
  sql << "select id from task where owner = :owner and submission_id = :submission",
      soci::use(owner), soci::use(submission_id), soci::into(id);
  return sql.got_data() ? std::optional(id) : std::nullopt;
}

Result<TaskRow> load_row(soci::session& sql, const TaskId& id) {
  TaskQuery query(sql, "where t.id = :owner", id);
  const TaskRow* row = query.next();
  if (row == nullptr) return unknown_task(id);
  return *row;
}

TaskKey insert_task(soci::session& sql, const Task& task) {
  const TaskRow row = to_row(task);
  sql << "insert into task (id, type, state, owner, submission_id, label, source_endpoint,"
         " target_endpoint, options, requested, deadline, completed, item_count, nice_status)"
         " values (:id, :type, :state, :owner, :submission, :label, :source, :target, :options,"
         " :requested, :deadline, 0, :items, :nice)",
      soci::use(row.id), soci::use(row.type), soci::use(row.state), soci::use(row.owner),
      soci::use(row.submission_id), soci::use(row.label), soci::use(row.source_endpoint),
      soci::use(row.target_endpoint), soci::use(row.options), soci::use(row.requested),
      soci::use(row.deadline), soci::use(row.item_count), soci::use(row.nice_status);
  TaskKey key = 0;
  sql << "select number from task where id = :id", soci::use(row.id), soci::into(key);
  return key;
}

// A list for `in (...)` of text that holds no quote.
template <class Range, class Text>
std::string in_list(std::string_view column, const Range& range, const Text& text) {
  std::string list;
  for (const auto& value : range) {
    const std::string_view word = text(value);
    CHECK(word.find('\'') == std::string_view::npos);
    list += fmt::format("{}'{}'", list.empty() ? "" : ", ", word);
  }
  return fmt::format(" and {} in ({})", column, list);
}

std::string endpoint_condition(const TaskFilter& filter) {
  std::vector<EndpointId> ids;
  std::copy_if(filter.endpoints.begin(), filter.endpoints.end(), std::back_inserter(ids),
               [](const EndpointId& id) { return is_uuid(id); });
  const auto text = [](const EndpointId& id) { return std::string_view(id); };
  const std::string source = "(1" + in_list("t.source_endpoint", ids, text) + ")";
  const std::string target = "(1" + in_list("t.target_endpoint", ids, text) + ")";
  switch (filter.endpoint_use) {
    case EndpointUse::kEither:
      return " and (" + source + " or " + target + ")";
    case EndpointUse::kSource:
      return " and " + source;
    case EndpointUse::kTarget:
      return " and " + target;
  }
  return "";
}

std::string conditions_of(const TaskFilter& filter) {
  std::string sql = "where 1";
  if (filter.owner) sql += " and t.owner = :owner";
  if (!filter.ids.empty()) {
    std::vector<TaskId> ids;
    std::copy_if(filter.ids.begin(), filter.ids.end(), std::back_inserter(ids),
                 [](const TaskId& id) { return is_uuid(id); });
    sql += in_list("t.id", ids, [](const TaskId& id) { return std::string_view(id); });
  }
  if (!filter.states.empty())
    sql += in_list("t.state", filter.states, [](TaskState state) { return to_string(state); });
  if (!filter.types.empty())
    sql += in_list("t.type", filter.types, [](TaskType type) { return to_string(type); });
  if (!filter.endpoints.empty()) sql += endpoint_condition(filter);
  const auto bound = [&](std::string_view comparison, const std::optional<TimePoint>& time) {
    if (time) sql += fmt::format(" and {} {}", comparison, to_stored(*time));
  };
  bound("t.requested >=", filter.requested_after);
  bound("t.requested <=", filter.requested_before);
  bound("t.completed > 0 and t.completed >=", filter.completed_after);
  bound("t.completed > 0 and t.completed <=", filter.completed_before);
  return sql;
}

// Whether the database keeps the number of such tasks: see store_migrations.cc.
bool is_counted(const TaskFilter& filter) {
  return filter.ids.empty() && filter.label_glob.empty() && filter.endpoints.empty() &&
         !filter.requested_after && !filter.requested_before && !filter.completed_after &&
         !filter.completed_before;
}

std::string_view name_of(TaskColumn column) {
  switch (column) {
    case TaskColumn::kId:
      return "t.id";
    case TaskColumn::kState:
      return "t.state";
    case TaskColumn::kType:
      return "t.type";
    case TaskColumn::kLabel:
      return "t.label";
    case TaskColumn::kRequested:
      return "t.requested";
    case TaskColumn::kCompleted:
      return "t.completed";
  }
  return "t.number";
}

std::string order_of(const TaskFilter& filter) {
  std::string sql = " order by ";
  for (const TaskOrder& key : filter.order)
    sql += fmt::format("{}{}, ", name_of(key.column), key.is_descending ? " desc" : "");
  if (filter.order.empty()) sql += "t.requested desc, ";
  // The last key makes pages that follow one another.
  const bool is_descending = filter.order.empty() || filter.order.front().is_descending;
  return sql + (is_descending ? "t.number desc" : "t.number");
}

bool label_matches(const TaskFilter& filter, const std::string& label) {
  return ::fnmatch(filter.label_glob.c_str(), label.c_str(), 0) == 0;
}

std::string tally_assignments() {
  return "files = :files, directories = :directories, symlinks = :symlinks,"
         " files_transferred = :transferred, files_skipped = :skipped,"
         " skipped_errors = :skipped_errors, files_failed = :failed, removed = :removed,"
         " bytes = :bytes, bytes_transferred = :bytes_transferred,"
         " bytes_checksummed = :checksummed, faults = :faults, worked = :worked,"
         " current_file = :file";
}

void move_state(soci::session& sql, const TaskRow& row, TaskState to) {
  const auto from = parse_task_state(row.state);
  CHECK(from && may_move(*from, to));
  const std::string state(to_string(to));
  sql << "update task set state = :state where number = :number", soci::use(state),
      soci::use(row.number);
}

// From one state to another, with the event that says so.
Result<void> apply(soci::session& sql, const TaskRow& row, const Ending& ending, TimePoint now) {
  move_state(sql, row, ending.state);
  const long long completed = is_final(ending.state) ? to_stored(now) : 0;
  const int cut_short = ending.cut_short ? 1 : 0;
  sql << "update task set completed = :completed, cut_short = :cut, nice_status = :nice,"
         " nice_status_details = :more where number = :number",
      soci::use(completed), soci::use(cut_short), soci::use(ending.nice_status),
      soci::use(ending.nice_status_details), soci::use(row.number);
  if (ending.error) {
    sql << "update task set error_code = :code, error_description = :description"
           " where number = :number",
        soci::use(ending.error->code), soci::use(ending.error->description), soci::use(row.number);
  }
  if (ending.event) insert_events(sql, row.number, {&*ending.event, 1});
  endpoints::forget_waiter(sql, row.id);  // whoever waited for a quota may have died
  return {};
}

Result<void> refuse_unless_active(const TaskRow& row) {
  if (row.state == to_string(TaskState::kActive)) return {};
  return make_error(Code::kConflict, "task {} is {}, not ACTIVE; `wherry task show {}` says why",
                    row.id, row.state, row.id);
}

Result<void> refuse_if_paused(const TaskRow& row) {
  if (row.is_held == 0 && row.is_held_by_admin == 0) return {};
  return make_error(Code::kConflict,
                    "task {} is paused by those who look after its endpoint, and goes on when they"
                    " let it: {}",
                    row.id, row.is_held != 0 ? row.hold_message : row.admin_message);
}

Ending ending_of(std::string_view code, std::string_view description, TimePoint now) {
  Ending ending;
  ending.state = TaskState::kFailed;
  ending.error = TaskError{std::string(code), std::string(description)};
  ending.cut_short = true;
  ending.event = Event{now, std::string(code), std::string(description), "", true};
  return ending;
}

Result<void> apply_cancel(soci::session& sql, const TaskRow& row, TimePoint now) {
  return apply(sql, row, ending_of("CANCELED", "canceled", now), now);
}

Tally tally_of(const Task& task, const TaskRow& row) {
  Tally tally;
  tally.counts = task.counts;
  tally.worked = Duration(row.worked);
  return tally;
}

// The unfinished operations are all tried again, so what was counted of them is void.
void forget_failures(soci::session& sql, TaskKey key) {
  sql << "update task set files_skipped = 0, skipped_errors = 0, files_failed = 0,"
         " error_code = '', error_description = '' where number = :number",
      soci::use(key);
  sql << "delete from item_error where task = :task", soci::use(key);
}

}  // namespace

void write_tally(soci::session& sql, TaskKey key, const Tally& tally) {
  const auto stored = [](std::uint64_t count) { return static_cast<long long>(count); };
  const Counts& counts = tally.counts;
  const long long values[] = {stored(counts.files),
                              stored(counts.directories),
                              stored(counts.symlinks),
                              stored(counts.files_transferred),
                              stored(counts.files_skipped),
                              stored(counts.skipped_errors),
                              stored(counts.files_failed),
                              stored(counts.removed),
                              stored(counts.bytes),
                              stored(counts.bytes_transferred),
                              stored(counts.bytes_checksummed),
                              stored(counts.faults),
                              tally.worked.count()};
  soci::statement statement(sql);
  for (const long long& value : values) statement.exchange(soci::use(value));
  statement.exchange(soci::use(tally.current_file));
  statement.exchange(soci::use(key));
  statement.alloc();
  statement.prepare("update task set " + tally_assignments() + " where number = :number");
  statement.define_and_bind();
  statement.execute(true);
}

Store::Store(Database& database, Clock& clock)
    : database_(database), clock_(clock), claims_(database, clock), rows_(database) {}

// Submission --------------------------------------------------------------------------------------

Result<std::optional<TaskId>> Store::find_submission(const std::string& owner,
                                                     const SubmissionId& submission_id) {
  return database_.read([&](soci::session& sql) -> Result<std::optional<TaskId>> {
    return task_submitted_as(sql, owner, submission_id);
  });
}

template <class Item>
Result<Submitted> Store::add_task(const Task& task, std::span<const Item> items) {
  CHECK(task.state == TaskState::kActive);
  const auto insert = [&](soci::session& sql) -> Result<Submitted> {
    if (const auto known = task_submitted_as(sql, task.owner, task.submission_id))
      return Submitted{*known, Submitted::Kind::kDuplicate};
    insert_items(sql, insert_task(sql, task), items);
    return Submitted{task.id, Submitted::Kind::kAccepted};
  };
  return database_.write(insert);
}

Result<Submitted> Store::add(const Task& task, std::span<const engine::TransferItem> items) {
  return add_task(task, items);
}

Result<Submitted> Store::add(const Task& task, std::span<const engine::DeleteItem> items) {
  return add_task(task, items);
}

// Reading -----------------------------------------------------------------------------------------

Result<Task> Store::task(const TaskId& id) {
  const auto load = [&] {
    return database_.read([&](soci::session& sql) { return load_row(sql, id); });
  };
  TRY_ASSIGN(const auto row, rows_.get(id, load));
  return to_task(*row);
}

Result<TaskKey> Store::key(const TaskId& id) {
  return database_.read([&](soci::session& sql) -> Result<TaskKey> {
    TaskKey key = 0;
    sql << "select number from task where id = :id", soci::use(id), soci::into(key);
    if (!sql.got_data()) return unknown_task(id);
    return key;
  });
}

Result<std::vector<Task>> Store::tasks(const TaskFilter& filter) {
  std::string rest = conditions_of(filter) + order_of(filter);
  const bool by_label = !filter.label_glob.empty();
  // A pattern is matched here, so that it means the same as everywhere; then rows are counted here.
  const auto limit = static_cast<long long>(std::min<std::size_t>(filter.limit, INT64_MAX));
  const auto offset = static_cast<long long>(std::min<std::size_t>(filter.offset, INT64_MAX));
  if (!by_label) rest += fmt::format(" limit {} offset {}", limit, offset);
  return database_.read([&](soci::session& sql) -> Result<std::vector<Task>> {
    std::vector<Task> found;
    std::size_t to_skip = by_label ? filter.offset : 0;
    TaskQuery query(sql, rest, filter.owner.value_or(""));
    while (const TaskRow* row = found.size() < filter.limit ? query.next() : nullptr) {
      if (by_label && !label_matches(filter, row->label)) continue;
      if (to_skip > 0) {
        --to_skip;
        continue;
      }
      TRY_ASSIGN(Task task, to_task(*row));
      found.push_back(std::move(task));
    }
    return found;
  });
}

Result<std::uint64_t> Store::count(const TaskFilter& filter) {
  const bool by_label = !filter.label_glob.empty();
  return database_.read([&](soci::session& sql) -> Result<std::uint64_t> {
    const std::string owner = filter.owner.value_or("");
    std::string label;
    long long found = 0;
    soci::statement statement(sql);
    if (filter.owner) statement.exchange(soci::use(owner));
    if (by_label)
      statement.exchange(soci::into(label));
    else
      statement.exchange(soci::into(found));
    statement.alloc();
    const std::string_view select = by_label ? "select t.label from task t "
                                    : is_counted(filter)
                                        ? "select coalesce(sum(t.tasks), 0) from task_count t "
                                        : "select count(*) from task t ";
    statement.prepare(std::string(select) + conditions_of(filter));
    statement.define_and_bind();
    statement.execute();
    while (statement.fetch()) {
      if (!by_label) return static_cast<std::uint64_t>(found);
      if (label_matches(filter, label)) ++found;
    }
    return static_cast<std::uint64_t>(found);
  });
}

// Running -----------------------------------------------------------------------------------------

Result<Store::Start> Store::start(const TaskId& id) {
  TaskRow row;
  const auto begin = [&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(row, load_row(sql, id));
    TRY(refuse_unless_active(row));
    TRY(refuse_if_paused(row));
    if (row.runs > 0) forget_failures(sql, row.number);
    sql << "update task set runs = runs + 1, nice_status = 'OK', nice_status_details = ''"
           " where number = :number",
        soci::use(row.number);
    const Event event{clock_.now(), "STARTED", "started",
                      fmt::format("{{\"type\":\"wherry\",\"run\":{}}}", row.runs + 1), false};
    insert_events(sql, row.number, {&event, 1});
    return {};
  };
  TRY_ASSIGN(Claim claim, claims_.acquire(kTaskClaim, id, begin));
  TRY_ASSIGN(Task task, to_task(row));
  if (row.runs > 0) {
    task.counts.files_skipped = 0;
    task.counts.skipped_errors = 0;
    task.counts.files_failed = 0;
  }
  const Tally tally = tally_of(task, row);
  return Start{std::move(claim), row.number, std::move(task), tally, row.runs > 0};
}

Result<Store::Wishes> Store::wishes(TaskKey key) {
  return database_.read([&](soci::session& sql) -> Result<Wishes> {
    int cancel = 0, pause = 0;
    long long deadline = 0;
    sql << "select cancel_requested, is_held or is_held_by_admin, deadline from task"
           " where number = :number",
        soci::use(key), soci::into(cancel), soci::into(pause), soci::into(deadline);
    CHECK(sql.got_data());  // a claimed task is never purged
    return Wishes{cancel != 0, pause != 0, from_stored(deadline)};
  });
}

Result<void> Store::set_nice_status(TaskKey key, const std::string& status,
                                    const std::string& details) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    sql << "update task set nice_status = :status, nice_status_details = :details"
           " where number = :number",
        soci::use(status), soci::use(details), soci::use(key);
    return {};
  });
}

Result<void> Store::end(Start& start, const Tally& tally, const Ending& ending) {
  return start.claim.release([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const TaskRow row, load_row(sql, start.task.id));
    write_tally(sql, start.key, tally);
    if (ending.state == TaskState::kInactive && row.cancel_requested != 0)
      return apply_cancel(sql, row, clock_.now());
    return apply(sql, row, ending, clock_.now());
  });
}

Result<void> Store::hand_back(Start& start, const Tally& tally) {
  return start.claim.release([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const TaskRow row, load_row(sql, start.task.id));
    write_tally(sql, start.key, tally);
    return row.cancel_requested != 0 ? apply_cancel(sql, row, clock_.now()) : Result<void>();
  });
}

// What others ask ---------------------------------------------------------------------------------

Result<void> Store::change_unheld(const TaskId& id, const Claim::Also& change) {
  TRY_ASSIGN(Claim claim, claims_.acquire(kTaskClaim, id, change));
  return claim.release({});
}

Result<bool> Store::cancel(const TaskId& id) {
  bool is_ended = false;
  TRY(database_.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const TaskRow row, load_row(sql, id));
    TRY_ASSIGN(const TaskState state, parse_task_state(row.state));
    if (is_final(state))
      return make_error(Code::kConflict, "task {} has ended already ({})", id, row.state);
    sql << "update task set cancel_requested = 1 where number = :number", soci::use(row.number);
    // One that waits for a person is run by nobody.
    is_ended = state == TaskState::kInactive;
    return is_ended ? apply_cancel(sql, row, clock_.now()) : Result<void>();
  }));
  if (is_ended) return true;
  const auto ended = change_unheld(id, [&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const TaskRow row, load_row(sql, id));
    TRY_ASSIGN(const TaskState state, parse_task_state(row.state));
    if (is_final(state)) return {};  // it ended meanwhile
    return apply_cancel(sql, row, clock_.now());
  });
  if (ended) return true;
  if (ended.error().code == Code::kConflict) return false;  // whoever runs it will see the wish
  return ended.error();
}

Result<void> Store::note_admin_cancel(const TaskId& id, AdminSide side,
                                      const std::string& message) {
  const std::string name(to_string(side));
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const TaskRow row, load_row(sql, id));
    TRY_ASSIGN(const TaskState state, parse_task_state(row.state));
    if (is_final(state))
      return make_error(Code::kConflict, "task {} has ended already ({})", id, row.state);
    sql << "update task set canceled_by_admin = :side, admin_message = :message"
           " where number = :number",
        soci::use(name), soci::use(message), soci::use(row.number);
    return {};
  });
}

Result<void> Store::take_over(const TaskId& id) {
  TRY(key(id));
  return claims_.take_from_other_host(kTaskClaim, id);
}

Result<void> Store::resume(const TaskId& id) {
  return change_unheld(id, [&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const TaskRow row, load_row(sql, id));
    TRY_ASSIGN(const TaskState state, parse_task_state(row.state));
    if (state == TaskState::kActive) return {};  // queued: it goes on by itself
    if (state == TaskState::kSucceeded)
      return make_error(Code::kConflict, "task {} has succeeded; there is nothing to resume", id);
    if (row.cancel_requested != 0) {
      return make_error(Code::kConflict,
                        "task {} was cancelled and cannot be resumed; submit it again", id);
    }
    const TimePoint now = clock_.now();
    move_state(sql, row, TaskState::kActive);
    const long long deadline =
        std::max(row.deadline, row.deadline <= to_stored(now) ? to_stored(now + kDeadlineOfResumed)
                                                              : row.deadline);
    sql << "update task set completed = 0, deadline = :deadline, nice_status = 'Queued',"
           " nice_status_details = '', error_code = '', error_description = ''"
           " where number = :number",
        soci::use(deadline), soci::use(row.number);
    const Event event{now, "UNPAUSED", "resumed", "", false};
    insert_events(sql, row.number, {&event, 1});
    return {};
  });
}

Result<void> Store::update(const TaskId& id, const TaskChange& change) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const TaskRow row, load_row(sql, id));
    TRY_ASSIGN(const TaskState state, parse_task_state(row.state));
    if (is_final(state)) {
      return make_error(Code::kConflict, "task {} has ended ({}); it can be changed no longer", id,
                        row.state);
    }
    const std::string label = change.label.value_or(row.label);
    const long long deadline = change.deadline ? to_stored(*change.deadline) : row.deadline;
    sql << "update task set label = :label, deadline = :deadline where number = :number",
        soci::use(label), soci::use(deadline), soci::use(row.number);
    return {};
  });
}

Result<std::vector<TaskId>> Store::expire() {
  const TimePoint now = clock_.now();
  const auto late = [&](soci::session& sql) -> Result<std::vector<TaskId>> {
    std::vector<TaskId> ids;
    TaskQuery query(sql, fmt::format("where t.completed = 0 and t.deadline <= {} limit {}",
                                     to_stored(now), kExpiredAtOnce));
    while (const TaskRow* row = query.next()) {
      TRY_ASSIGN(const Task task, to_task(*row));
      if (!task.holder) ids.push_back(task.id);
    }
    return ids;
  };
  TRY_ASSIGN(const std::vector<TaskId> ids, database_.read(late));
  std::vector<TaskId> expired;
  for (const TaskId& id : ids) {
    const auto done = change_unheld(id, [&](soci::session& sql) -> Result<void> {
      TRY_ASSIGN(const TaskRow row, load_row(sql, id));
      TRY_ASSIGN(const TaskState state, parse_task_state(row.state));
      if (is_final(state) || row.deadline > to_stored(now)) return {};
      return apply(sql, row, ending_of("EXPIRED", "the deadline has passed", now), now);
    });
    if (done) {
      expired.push_back(id);
    } else if (done.error().code != Code::kConflict) {
      return done.error();
    }
  }
  return expired;
}

// Scheduling, watching, purging -------------------------------------------------------------------

Result<std::vector<Task>> Store::runnable(std::size_t per_group) {
  const std::string rest = fmt::format(
      "where t.number in (select number from (select number, held, row_number() over"
      " (partition by owner, source_endpoint, target_endpoint, held order by requested, number)"
      " as place from (select *, id in (select id from claim where kind = 'task') as held"
      " from task where state = 'ACTIVE' and not is_held and not is_held_by_admin))"
      " where held or place <= {})"
      " order by t.requested, t.number",
      per_group);
  return database_.read([&](soci::session& sql) -> Result<std::vector<Task>> {
    std::vector<Task> found;
    TaskQuery query(sql, rest);
    while (const TaskRow* row = query.next()) {
      TRY_ASSIGN(Task task, to_task(*row));
      if (!task.holder) found.push_back(std::move(task));
    }
    return found;
  });
}

Result<std::vector<TaskId>> Store::settled(const std::vector<TaskId>& ids) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<TaskId>> {
    std::vector<TaskId> found;
    TaskId id;
    int active = 0;
    soci::statement statement =
        (sql.prepare << "select count(*) from task where id = :id and state = 'ACTIVE'",
         soci::use(id), soci::into(active));
    for (const TaskId& wanted : ids) {
      id = wanted;
      statement.execute(true);
      if (active == 0) found.push_back(wanted);
    }
    return found;
  });
}

namespace {

constexpr std::string_view kListsOfTask[][2] = {{"item", "ordinal"},
                                                {"success", "sequence"},
                                                {"item_error", "sequence"},
                                                {"event", "sequence"}};

// In small transactions, so that nobody waits long.
Result<void> purge_list(Database& database, TaskKey key, std::string_view table,
                        std::string_view counter) {
  const std::string text = fmt::format(
      "delete from {0} where task = :task and {1} in"
      " (select {1} from {0} where task = :same order by {1} limit {2})",
      table, counter, kPurgedRowsAtOnce);
  for (bool more = true; more;) {
    TRY(database.write([&](soci::session& sql) -> Result<void> {
      soci::statement statement = (sql.prepare << text, soci::use(key), soci::use(key));
      statement.execute(true);
      more = statement.get_affected_rows() == kPurgedRowsAtOnce;
      return {};
    }));
  }
  return {};
}

}  // namespace

// Under a claim, so that nobody resumes it meanwhile. The task's own row goes last: a purge that is
// cut short finds it again.
Result<bool> Store::purge_task(const TaskId& id, TimePoint before) {
  TaskKey key = 0;
  auto claim = claims_.acquire(kTaskClaim, id, [&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const TaskRow row, load_row(sql, id));
    if (row.completed == 0 || row.completed >= to_stored(before))
      return make_error(Code::kConflict, "task {} was resumed", id);
    key = row.number;
    return {};
  });
  if (!claim) {
    if (claim.error().code == Code::kConflict || claim.error().code == Code::kNotFound)
      return false;
    return std::move(claim).error();
  }
  for (const auto& [table, counter] : kListsOfTask)
    TRY(purge_list(database_, key, table, counter), "purge task {}", id);
  TRY(claim->release([&](soci::session& sql) -> Result<void> {
    sql << "delete from recovered where task = :task", soci::use(key);
    sql << "delete from task where number = :number", soci::use(key);
    return {};
  }));
  return true;
}

Result<std::size_t> Store::purge(TimePoint before) {
  const auto old = [&](soci::session& sql) -> Result<std::vector<TaskId>> {
    std::vector<TaskId> ids;
    TaskId id;
    const long long bound = to_stored(before);
    soci::statement statement =
        (sql.prepare << "select id from task where completed > 0 and completed < :before"
                        " order by completed",
         soci::use(bound), soci::into(id));
    statement.execute();
    while (ids.size() < kPurgedTasksAtOnce && statement.fetch()) ids.push_back(id);
    return ids;
  };
  std::size_t purged = 0;
  for (bool progress = true; progress;) {
    TRY_ASSIGN(const std::vector<TaskId> ids, database_.read(old));
    progress = false;
    for (const TaskId& id : ids) {
      TRY_ASSIGN(const bool gone, purge_task(id, before));
      progress = progress || gone;
      purged += gone ? 1 : 0;
    }
  }
  return purged;
}

}  // namespace wherry::tasks
