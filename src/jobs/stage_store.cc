// SPDX-License-Identifier: Apache-2.0
// What the stager remembers: which items wait for a task, which task carries which, and what has
// come of them.
//
// An item belongs to its task from assign() until the task is settled, whatever becomes of the item
// meanwhile: a second task that carried it could write the same file at the same time. So an item
// that somebody retries while its old task is open waits for the end of that one.
#include <algorithm>

#include "jobs/item_store.h"
#include "jobs/job_row.h"
#include "jobs/lifecycle.h"

namespace wherry::jobs {
namespace {

using soci::into;
using soci::use;

struct BatchKeyRow {
  void define(soci::statement& statement) {
    statement.exchange(into(direction));
    statement.exchange(into(location_alias));
    statement.exchange(into(recursive));
    statement.exchange(into(time));
  }
  Result<BatchKey> key() const {
    TRY_ASSIGN(const Direction parsed, parse_direction(direction));
    return BatchKey{parsed, location_alias, recursive != 0};
  }
  std::string direction, location_alias;
  int recursive = -1;
  long long time = 0;
};

struct PendingRow {
  void define(soci::statement& statement) {
    for (long long* field : {&id, &since}) statement.exchange(into(*field));
  }
  long long id = 0, since = 0;
};

struct StageTaskRow {
  static constexpr std::string_view kSelect =
      "select t.id, t.site, t.direction, t.location_alias, t.recursive, t.submission_id,"
      " t.task_id, t.created, t.request from stage_task t";
  void define(soci::statement& statement) {
    for (long long* field : {&id, &site}) statement.exchange(into(*field));
    for (std::string* field : {&direction, &location_alias}) statement.exchange(into(*field));
    statement.exchange(into(recursive));
    for (std::string* field : {&submission_id, &task_id}) statement.exchange(into(*field));
    statement.exchange(into(created));
    statement.exchange(into(request));
  }
  Result<StageTask> task() const {
    StageTask task;
    task.id = id;
    task.site = site;
    TRY_ASSIGN(task.key.direction, parse_direction(direction));
    task.key.location_alias = location_alias;
    task.key.recursive = recursive != 0;
    task.submission_id = submission_id;
    task.task_id = task_id;
    task.created = from_stored(created);
    task.request = request;
    return task;
  }
  long long id = 0, site = 0, created = 0;
  int recursive = 0;
  std::string direction, location_alias, submission_id, task_id, request;
};

struct StageItemRow {
  void define(soci::statement& statement) {
    item.define(statement);
    for (std::string* field : {&workdir, &job_state}) statement.exchange(into(*field));
  }
  ItemRow item;
  std::string workdir, job_state;
};

// The groups that have items, one step of the index each: looking at every item would take as long
// as the backlog is. SQLite seeks to the first row that is not less than a row value, so `since` is
// part of it: else it would walk through the whole group that it is to leave.
Result<std::vector<BatchKey>> waiting_groups(soci::session& sql, SiteId site) {
  std::vector<BatchKey> groups;
  std::string direction, alias;
  int recursive = -1;
  const long long site_id = site, end_of_group = INT64_MAX;
  soci::statement next = (sql.prepare << "select direction, location_alias, recursive"
                                         " from transfer_item where site = :site"
                                         " and state = 'pending' and stage_task = 0 and"
                                         " (direction, location_alias, recursive, since) >"
                                         " (:direction, :alias, :recursive, :since)"
                                         " order by direction, location_alias, recursive limit 1",
                          use(site_id), use(direction), use(alias), use(recursive),
                          use(end_of_group), into(direction), into(alias), into(recursive));
  while (next.execute(true)) {
    TRY_ASSIGN(const Direction parsed, parse_direction(direction));
    groups.push_back({parsed, alias, recursive != 0});
  }
  return groups;
}

// Those of a group that may be tried, oldest first.
std::vector<PendingItem> waiting_items(soci::session& sql, SiteId site, const BatchKey& group,
                                       std::size_t limit, TimePoint now) {
  Conditions conditions;
  conditions.add(fmt::format("i.site = {} and i.state = 'pending' and i.stage_task = 0", site));
  conditions.add(fmt::format("i.direction = '{}'", to_string(group.direction)));
  conditions.add("i.location_alias = :text", group.location_alias);
  conditions.add(fmt::format("i.recursive = {:d}", group.recursive));
  conditions.add(fmt::format("i.next_try <= {}", to_stored(now)));
  RowQuery<PendingRow> query(sql,
                             fmt::format("select i.id, i.since from transfer_item i{} order by"
                                         " i.since, i.id{}",
                                         conditions.where(), limit_text(limit, 0)),
                             conditions);
  std::vector<PendingItem> items;
  while (const PendingRow* row = query.next()) {
    items.push_back(
        {row->id, group.direction, group.location_alias, group.recursive, from_stored(row->since)});
  }
  return items;
}

// Shares `limit` among the groups: what a small one does not need goes to the larger ones.
std::vector<PendingItem> share(std::vector<std::vector<PendingItem>> groups, std::size_t limit) {
  std::sort(groups.begin(), groups.end(),
            [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::vector<PendingItem> shared;
  std::size_t left = groups.size();
  for (const auto& group : groups) {
    const std::size_t most = (limit - shared.size() + left - 1) / left;
    const std::size_t taken = std::min(group.size(), most);
    shared.insert(shared.end(), group.begin(), group.begin() + static_cast<std::ptrdiff_t>(taken));
    --left;
  }
  return shared;
}

Result<StageTask> load_task(soci::session& sql, StageTaskId id) {
  RowQuery<StageTaskRow> query(sql, fmt::format("{} where t.id = {}", StageTaskRow::kSelect, id));
  const StageTaskRow* row = query.next();
  if (row == nullptr) {
    return make_error(Code::kNotFound, "stage task {} has been settled, or never was", id);
  }
  return row->task();
}

std::vector<ItemId> items_of(soci::session& sql, StageTaskId task) {
  return select_numbers(
      sql, fmt::format("select item from stage_item where task = {} order by ordinal", task));
}

// The items that can go into a new task.
std::vector<ItemId> free_items(soci::session& sql, SiteId site, std::span<const ItemId> items) {
  std::vector<ItemId> free;
  long long id = 0, found = 0;
  const long long site_id = site;
  soci::statement query = (sql.prepare << "select count(*) from transfer_item where id = :id and"
                                          " site = :site and state = 'pending' and stage_task = 0",
                           use(id), use(site_id), into(found));
  for (const ItemId item : items) {
    id = item;
    query.execute(true);
    if (found == 1) free.push_back(item);
  }
  return free;
}

void give_to_task(soci::session& sql, StageTaskId task, std::span<const ItemId> items) {
  long long id = 0, ordinal = 0;
  const long long task_id = task;
  soci::statement link = (sql.prepare << "insert into stage_item (task, ordinal, item)"
                                         " values (:task, :ordinal, :item)",
                          use(task_id), use(ordinal), use(id));
  soci::statement mark =
      (sql.prepare << "update transfer_item set stage_task = :task where id = :item", use(task_id),
       use(id));
  for (const ItemId item : items) {
    id = item;
    link.execute(true);
    mark.execute(true);
    ++ordinal;
  }
}

// What an outcome does to an item, which may have gone elsewhere since the task was sent: its job
// was cancelled or retried, somebody set it by hand.
class Settling {
 public:
  Settling(soci::session& sql, const StageTask& task, TimePoint now)
      : task_(task.id),
        is_sent_(!task.task_id.empty()),
        lifecycle_(sql, now),
        select_((sql.prepare << "select state from transfer_item where id = :item and"
                                " stage_task = :task",
                 use(item_), use(task_), into(state_))),
        delay_((sql.prepare << "update transfer_item set next_try = :next, error_code = :code,"
                               " error_description = :text where id = :item",
                use(next_try_), use(code_), use(description_), use(item_))) {}

  Result<void> apply(const ItemOutcome& outcome) {
    item_ = outcome.item;
    if (!select_.execute(true)) return {};  // its job is gone
    TRY_ASSIGN(const ItemState state, parse_item_state(state_));
    const bool is_carried = state == ItemState::kActive || state == ItemState::kInactive ||
                            (state == ItemState::kPending && !is_sent_);
    switch (outcome.kind) {
      case ItemOutcome::Kind::kDone:
        return done(outcome, state);
      case ItemOutcome::Kind::kInactive:
        if (state != ItemState::kActive) return {};
        return move(outcome, ItemState::kInactive);
      case ItemOutcome::Kind::kActive:
        if (state != ItemState::kInactive) return {};
        return move(outcome, ItemState::kActive);
      case ItemOutcome::Kind::kRetry:
        return is_carried ? put_back(outcome, state) : Result<void>();
      case ItemOutcome::Kind::kError:
        return is_carried ? move(outcome, ItemState::kError) : Result<void>();
    }
    return {};
  }

 private:
  // What has arrived has arrived, also when its job failed meanwhile or somebody put it back. Not
  // an item whose job makes or awaits it anew.
  Result<void> done(const ItemOutcome& outcome, ItemState state) {
    if (state == ItemState::kDone || state == ItemState::kAwaitingJob) return {};
    return move(outcome, ItemState::kDone);
  }

  Result<void> put_back(const ItemOutcome& outcome, ItemState state) {
    if (state != ItemState::kPending) TRY(move(outcome, ItemState::kPending));
    next_try_ = to_stored(outcome.next_try);
    code_ = outcome.error ? outcome.error->code : "";
    description_ = outcome.error ? outcome.error->description : "";
    delay_.execute(true);
    return {};
  }

  Result<void> move(const ItemOutcome& outcome, ItemState to) {
    std::string message = outcome.message;
    if (message.empty() && outcome.error)
      message = fmt::format("{}: {}", outcome.error->code, outcome.error->description);
    const OfJob of_job = outcome.job == ItemOutcome::OfJob::kFails ? OfJob::kFails : OfJob::kStays;
    return lifecycle_.move_item(outcome.item, to, message, outcome.error, of_job);
  }

  const long long task_;
  const bool is_sent_;
  Lifecycle lifecycle_;
  long long item_ = 0, next_try_ = 0;
  std::string state_, code_, description_;
  soci::statement select_, delay_;
};

// Frees what the task carried, and forgets it. An item that is still under way by what is known was
// told of by nobody: it is tried again rather than lost.
Result<void> forget_task(soci::session& sql, const StageTask& task, Settling& settling,
                         TimePoint now) {
  const auto untold = select_numbers(
      sql, fmt::format("select i.id from stage_item s join transfer_item i on i.id = s.item"
                       " where s.task = {0} and i.stage_task = {0}"
                       " and i.state in ('active', 'inactive') order by s.ordinal",
                       task.id));
  for (const ItemId id : untold) {
    ItemOutcome again;
    again.item = id;
    again.kind = ItemOutcome::Kind::kRetry;
    again.next_try = now;
    again.message = "its task ended without telling of it";
    TRY(settling.apply(again));
  }
  sql << "update transfer_item set stage_task = 0 where stage_task = :task and id in"
         " (select item from stage_item where task = :same)",
      use(task.id), use(task.id);
  sql << "delete from stage_task where id = :task", use(task.id);
  return {};
}

}  // namespace

Result<std::vector<PendingItem>> Items::pending(SiteId site, std::size_t limit, TimePoint now) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<PendingItem>> {
    TRY_ASSIGN(const auto keys, waiting_groups(sql, site));
    std::vector<std::vector<PendingItem>> groups;
    for (const BatchKey& key : keys) groups.push_back(waiting_items(sql, site, key, limit, now));
    return share(std::move(groups), limit);
  });
}

Result<std::optional<TimePoint>> Items::next_try(SiteId site) {
  const long long now = to_stored(clock_.now());
  return database_.read([&](soci::session& sql) -> Result<std::optional<TimePoint>> {
    return optional_time(select_number(
        sql, fmt::format("select coalesce(min(next_try), 0) from transfer_item where site = {} and"
                         " state = 'pending' and stage_task = 0 and next_try > 0 and next_try > {}",
                         site, now)));
  });
}

Result<std::map<BatchKey, TimePoint>> Items::last_served(SiteId site) {
  return database_.read([&](soci::session& sql) -> Result<std::map<BatchKey, TimePoint>> {
    std::map<BatchKey, TimePoint> turns;
    RowQuery<BatchKeyRow> query(sql, fmt::format("select direction, location_alias, recursive, time"
                                                 " from stage_turn where site = {}",
                                                 site));
    while (const BatchKeyRow* row = query.next()) {
      TRY_ASSIGN(const BatchKey key, row->key());
      turns[key] = from_stored(row->time);
    }
    return turns;
  });
}

Result<std::optional<StageTask>> Items::assign(SiteId site, const Batch& batch,
                                               const tasks::SubmissionId& submission_id) {
  const long long now = to_stored(clock_.now()), site_id = site;
  const std::string direction(to_string(batch.key.direction));
  const int recursive = batch.key.recursive ? 1 : 0;
  return database_.write([&](soci::session& sql) -> Result<std::optional<StageTask>> {
    const auto items = free_items(sql, site, batch.items);
    if (items.empty()) return std::optional<StageTask>();
    sql << "insert into stage_task (site, direction, location_alias, recursive, submission_id,"
           " created) values (:site, :direction, :alias, :recursive, :submission, :created)",
        use(site_id), use(direction), use(batch.key.location_alias), use(recursive),
        use(submission_id), use(now);
    const StageTaskId id = inserted_id(sql);
    give_to_task(sql, id, items);
    sql << "insert into stage_turn (site, direction, location_alias, recursive, time)"
           " values (:site, :direction, :alias, :recursive, :time)"
           " on conflict do update set time = excluded.time",
        use(site_id), use(direction), use(batch.key.location_alias), use(recursive), use(now);
    TRY_ASSIGN(StageTask task, load_task(sql, id));
    task.items = items;
    return std::optional(std::move(task));
  });
}

Result<std::vector<StageTask>> Items::open_tasks(SiteId site) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<StageTask>> {
    std::vector<StageTask> tasks;
    RowQuery<StageTaskRow> query(
        sql, fmt::format("{} where t.site = {} order by t.id", StageTaskRow::kSelect, site));
    while (const StageTaskRow* row = query.next()) {
      TRY_ASSIGN(StageTask task, row->task());
      task.items = items_of(sql, task.id);
      tasks.push_back(std::move(task));
    }
    return tasks;
  });
}

Result<std::vector<StageItem>> Items::carried(StageTaskId task) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<StageItem>> {
    std::vector<StageItem> items;
    RowQuery<StageItemRow> query(
        sql, fmt::format("select {}, j.workdir, j.state from stage_item s join transfer_item i on"
                         " i.id = s.item join job j on j.id = i.job where s.task = {}"
                         " order by s.ordinal",
                         ItemRow::kColumns, task));
    while (const StageItemRow* row = query.next()) {
      TRY_ASSIGN(TransferItem item, row->item.item());
      TRY_ASSIGN(const JobState job_state, parse_job_state(row->job_state));
      items.push_back({std::move(item), row->workdir, job_state});
    }
    return items;
  });
}

Result<void> Items::record(StageTaskId task, std::string_view request) {
  const std::string text(request);
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY(load_task(sql, task));
    sql << "update stage_task set request = :request where id = :task", use(text), use(task);
    return {};
  });
}

Result<void> Items::accepted(StageTaskId id, const tasks::TaskId& task_id) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const StageTask task, load_task(sql, id));
    if (task.task_id == task_id) return {};  // told before, and some items may have moved on
    sql << "update stage_task set task_id = :task where id = :id", use(task_id), use(id);
    Lifecycle lifecycle(sql, clock_.now());
    const auto pending = select_numbers(
        sql, fmt::format("select i.id from stage_item s join transfer_item i on i.id = s.item"
                         " where s.task = {0} and i.stage_task = {0} and i.state = 'pending'"
                         " order by s.ordinal",
                         id));
    for (const ItemId item : pending) {
      TRY(lifecycle.move_item(item, ItemState::kActive, fmt::format("task {}", task_id)));
      sql << "update transfer_item set task_id = :task where id = :item", use(task_id), use(item);
    }
    return {};
  });
}

Result<void> Items::apply(StageTaskId id, std::span<const ItemOutcome> outcomes, Task end) {
  const TimePoint now = clock_.now();
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const StageTask task, load_task(sql, id));
    Settling settling(sql, task, now);
    for (const ItemOutcome& outcome : outcomes) TRY(settling.apply(outcome));
    if (end == Task::kSettled) TRY(forget_task(sql, task, settling, now));
    return {};
  });
}

}  // namespace wherry::jobs
