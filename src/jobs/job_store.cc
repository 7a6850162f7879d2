// SPDX-License-Identifier: Apache-2.0
#include "jobs/job_store.h"

#include <algorithm>
#include <map>

#include "base/path.h"
#include "jobs/app_command.h"
#include "jobs/app_file.h"
#include "jobs/job_removal.h"
#include "jobs/job_row.h"
#include "jobs/json_text.h"
#include "jobs/lifecycle.h"
#include "jobs/listing.h"

namespace wherry::jobs {
namespace {

using soci::use;

// Whether the database keeps the number of such rows: see migrations.cc.
bool is_counted(const JobFilter& filter) {
  return filter.apps.empty() && filter.ids.empty() && filter.parents.empty() && !filter.batch_job &&
         filter.tags.empty() && filter.workdir_contains.empty() && !filter.updated_after &&
         !filter.updated_before && !filter.pending_file_cleanup;
}

bool is_counted(const EventFilter& filter) {
  return filter.ids.empty() && filter.jobs.empty() && !filter.batch_job && filter.tags.empty() &&
         !filter.after && !filter.before;
}

std::string counting_of(const JobFilter& filter) {
  return counting("job j", "job_count j", is_counted(filter));
}

std::string counting_of(const EventFilter& filter) {
  return counting("job_event e", "job_event_count e", is_counted(filter));
}

// The number comes last, so that pages follow one another whatever happens between them.
std::string order_of(const JobFilter& filter, std::string_view row) {
  const std::string_view way = direction_of(filter.sorting);
  switch (filter.order) {
    case JobFilter::Order::kId:
      break;
    case JobFilter::Order::kLastUpdate:
      return fmt::format(" order by {0}last_update{1}, {0}id{1}", row, way);
    case JobFilter::Order::kState:
      return fmt::format(" order by {0}state{1}, {0}id{1}", row, way);
    case JobFilter::Order::kWorkdir:
      return fmt::format(" order by {0}workdir{1}, {0}id{1}", row, way);
  }
  return fmt::format(" order by {}id{}", row, way);
}

struct JobGroupRow {
  void define(soci::statement& statement) {
    statement.exchange(soci::into(site));
    statement.exchange(soci::into(state));
  }
  long long site = 0;
  std::string state;
};

// The page by its groups: the database keeps which there are, and each is in an index.
std::optional<std::string> grouped_page(soci::session& sql, const JobFilter& filter) {
  const bool by_number_or_state =
      filter.order == JobFilter::Order::kId || filter.order == JobFilter::Order::kState;
  if (!is_counted(filter) || !by_number_or_state) return std::nullopt;
  Conditions existing = conditions_of(filter);
  existing.add("j.count > 0");
  RowQuery<JobGroupRow> query(sql, "select j.site, j.state from job_count j" + existing.where(),
                              existing);
  std::vector<std::string> groups;
  while (const JobGroupRow* row = query.next()) {
    groups.push_back(fmt::format("select id, state from job where site = {} and state = '{}'",
                                 row->site, row->state));
  }
  if (groups.empty() || groups.size() > kMostGroups) return std::nullopt;
  return fmt::format("select {} from ({}) p join job j on j.id = p.id{}", JobRow::kColumns,
                     page_of_groups(groups, order_of(filter, ""), filter.limit, filter.offset),
                     order_of(filter, "p."));
}

Result<std::vector<Job>> select_page(soci::session& sql, const JobFilter& filter,
                                     std::uint64_t count) {
  if (const auto page = grouped_page(sql, filter))
    return select_jobs(sql, *page, {}, filter.max_bytes);
  // What is to be cleaned up has an index of its own, in the order of its numbers.
  const Search search = filter.pending_file_cleanup ? Search::kGather : search_for(count);
  const Conditions conditions = conditions_of(filter, search);
  return select_jobs(sql,
                     fmt::format("select {} from job j{}{}{}", JobRow::kColumns, conditions.where(),
                                 order_of(filter, order_prefix(search, "j")),
                                 limit_text(filter.limit, filter.offset)),
                     conditions, filter.max_bytes);
}

Conditions conditions_of(const EventFilter& filter) {
  const bool is_narrow =
      !filter.ids.empty() || !filter.jobs.empty() || filter.batch_job || !filter.tags.empty();
  Conditions conditions;
  conditions.among("e.id", filter.ids);
  conditions.among("e.job", filter.jobs);
  conditions.among(is_narrow ? "+e.site" : "e.site", filter.sites);
  if (filter.batch_job) {
    conditions.add(
        fmt::format("e.job in (select j.id from job j where j.batch_job = {} and j.batch_job > 0)",
                    *filter.batch_job));
  }
  conditions.tagged("e.job", filter.tags);
  if (!filter.from.empty()) conditions.add("e.from_state = :text", filter.from);
  if (!filter.to.empty()) conditions.add("e.to_state = :text", filter.to);
  if (filter.after) conditions.add(fmt::format("e.time >= {}", to_stored(*filter.after)));
  if (filter.before) conditions.add(fmt::format("e.time <= {}", to_stored(*filter.before)));
  return conditions;
}

Result<std::vector<JobEvent>> select_events(soci::session& sql, const EventFilter& filter,
                                            const Conditions& conditions) {
  const std::string_view way = direction_of(filter.sorting);
  RowQuery<EventRow> query(
      sql,
      fmt::format("{}{} order by e.time{}, e.id{}{}", EventRow::kSelect, conditions.where(), way,
                  way, limit_text(filter.limit, filter.offset)),
      conditions);
  PageBytes page(filter.max_bytes);
  std::vector<JobEvent> events;
  while (const EventRow* row = query.next()) {
    TRY(page.add(row->bytes()));
    events.push_back(row->event());
  }
  return events;
}

std::vector<JobId> select_ids(soci::session& sql, const Conditions& conditions) {
  return select_numbers(sql, "select j.id from job j" + conditions.where() + " order by j.id",
                        conditions);
}

Error not_by_hand(const Job& job, JobState to) {
  std::string allowed;
  for (const JobState state : settable_by_hand(job.state)) {
    allowed += allowed.empty() ? "" : ", ";
    allowed += to_string(state);
  }
  return make_error(
      Code::kConflict, "job {} is {} and cannot be made {} by hand; from there it can be made {}",
      job.id, to_string(job.state), to_string(to), allowed.empty() ? "nothing" : allowed);
}

// Changes jobs, thousands in a transaction: what it runs for each is prepared once.
class Changer {
 public:
  Changer(soci::session& sql, TimePoint now)
      : sql_(sql),
        lifecycle_(sql, now),
        now_(to_stored(now)),
        select_(sql),
        update_((sql.prepare
                     << "update job set workdir = :workdir, tags = :tags, parameters = :parameters,"
                        " resources = :resources, data = :data, pending_file_cleanup = :cleanup,"
                        " return_code = :code, last_update = :now where id = :id",
                 use(workdir_), use(tags_), use(parameters_), use(resources_), use(data_),
                 use(cleanup_), use(return_code_, has_return_code_), use(now_), use(id_))) {
    select_.exchange(use(id_));
    row_.define(select_);
    select_.alloc();
    select_.prepare(fmt::format("select {} from job j where j.id = :id", JobRow::kColumns));
    select_.define_and_bind();
  }

  Result<void> apply(JobId id, const JobChange& change) {
    id_ = id;
    if (!select_.execute(true)) return no_such_job(id);
    TRY_ASSIGN(Job job, row_.job());
    TRY(refuse_while_running(job, change));
    TRY(refuse_after_success(job, change));
    TRY(set_fields(job, change), "job {}", id);
    if (!change.state) return {};
    const auto allowed = settable_by_hand(job.state);
    if (std::find(allowed.begin(), allowed.end(), *change.state) == allowed.end())
      return not_by_hand(job, *change.state);
    return lifecycle_.move_job(id, *change.state, "set by hand");
  }

 private:
  static Result<void> refuse_while_running(const Job& job, const JobChange& change) {
    const bool others = change.workdir || change.parameters || change.resources ||
                        change.pending_file_cleanup || change.return_code;
    if (!others || (job.state != JobState::kRunning && !job.session)) return {};
    return make_error(Code::kConflict,
                      "job {} is held by a launcher: only its tags and data can be changed now",
                      job.id);
  }

  // They tell how its results were made.
  static Result<void> refuse_after_success(const Job& job, const JobChange& change) {
    if (!(change.parameters || change.resources) || job.state != JobState::kJobFinished) return {};
    return make_error(Code::kConflict,
                      "job {} is JOB_FINISHED: what it was run with cannot be changed any more",
                      job.id);
  }

  // Files may stand in the old directory once an input was under way or the directory was made.
  Result<void> refuse_new_workdir(const Job& job) {
    const bool is_early = job.state == JobState::kCreated ||
                          job.state == JobState::kAwaitingParents ||
                          job.state == JobState::kReady || job.state == JobState::kStagedIn;
    const auto moved =
        select_number(sql_, fmt::format("select count(*) from transfer_item where job = {} and"
                                        " direction = 'in' and (stage_task > 0 or attempts > 0)",
                                        job.id));
    if (is_early && moved == 0) return {};
    return make_error(Code::kConflict,
                      "its work directory cannot be changed any more: files may be in it");
  }

  Result<void> check_fields(const Job& job, const JobChange& change) {
    if (change.data) TRY(check_data(*change.data));
    if (change.resources) TRY(validate(*change.resources), "resources");
    if (!change.parameters) return {};
    if (!apps_.contains(job.app)) {
      TRY_ASSIGN(apps_[job.app], load_app(sql_, job.app));
    }
    return check_parameters(apps_[job.app], *change.parameters);
  }

  Result<void> set_fields(const Job& job, const JobChange& change) {
    if (!change.workdir && !change.tags && !change.parameters && !change.resources &&
        !change.data && !change.pending_file_cleanup && !change.return_code)
      return {};
    TRY(check_fields(job, change));
    workdir_ = row_.workdir;
    if (change.workdir) {
      TRY_ASSIGN(workdir_, normal_workdir(*change.workdir));
      if (workdir_ != row_.workdir) TRY(refuse_new_workdir(job));
    }
    tags_ = change.tags ? to_json(*change.tags) : row_.tags;
    parameters_ = change.parameters ? to_json(*change.parameters) : row_.parameters;
    resources_ = change.resources ? to_json(*change.resources) : row_.resources;
    data_ = change.data ? (change.data->empty() ? "{}" : *change.data) : row_.data;
    cleanup_ = change.pending_file_cleanup.value_or(job.pending_file_cleanup) ? 1 : 0;
    return_code_ = change.return_code.value_or(row_.return_code);
    has_return_code_ = change.return_code ? soci::i_ok : row_.has_return_code;
    update_.execute(true);
    return {};
  }

  soci::session& sql_;
  Lifecycle lifecycle_;
  std::map<AppId, App> apps_;
  JobRow row_;
  long long id_ = 0, now_;
  std::string workdir_, tags_, parameters_, resources_, data_;
  int cleanup_ = 0, return_code_ = 0;
  soci::indicator has_return_code_ = soci::i_null;
  soci::statement select_, update_;
};

}  // namespace

Result<Job> Jobs::get(JobId id) {
  return database_.read([&](soci::session& sql) { return load_job(sql, id); });
}

Result<Listing<Job>> Jobs::list(const JobFilter& filter) {
  return list_rows<Job>(
      database_, counting_of(filter), conditions_of(filter),
      [&](soci::session& sql, std::uint64_t count) { return select_page(sql, filter, count); });
}

Result<std::map<JobState, std::uint64_t>> Jobs::count_by_state(const JobFilter& filter) {
  return count_states(database_, counting_of(filter), conditions_of(filter), parse_job_state);
}

Result<Job> Jobs::modify(JobId id, const JobChange& change) {
  return database_.write([&](soci::session& sql) -> Result<Job> {
    TRY(Changer(sql, clock_.now()).apply(id, change));
    return load_job(sql, id);
  });
}

Result<void> Jobs::modify(std::span<const Numbered> changes) {
  TRY(refuse_too_many(changes.size()));
  return database_.write([&](soci::session& sql) -> Result<void> {
    Changer changer(sql, clock_.now());
    for (const Numbered& numbered : changes) TRY(changer.apply(numbered.id, numbered.change));
    return {};
  });
}

Result<std::uint64_t> Jobs::modify_all(const JobFilter& filter, const JobChange& change) {
  return database_.write([&](soci::session& sql) -> Result<std::uint64_t> {
    const auto ids = select_ids(sql, conditions_of(filter));
    Changer changer(sql, clock_.now());
    for (const JobId id : ids) TRY(changer.apply(id, change));
    return ids.size();
  });
}

Result<Job> Jobs::cancel(JobId id) {
  return database_.write([&](soci::session& sql) -> Result<Job> {
    TRY_ASSIGN(const Job job, load_job(sql, id));
    if (is_final(job.state)) {
      return make_error(Code::kConflict, "job {} has ended: it is {}", id, to_string(job.state));
    }
    TRY(Lifecycle(sql, clock_.now()).move_job(id, JobState::kFailed, "cancelled"));
    return load_job(sql, id);
  });
}

Result<Job> Jobs::retry(JobId id) {
  return database_.write([&](soci::session& sql) -> Result<Job> {
    TRY(Lifecycle(sql, clock_.now()).retry_job(id, "retried"));
    return load_job(sql, id);
  });
}

Result<std::uint64_t> remove_jobs(soci::session& sql, const JobFilter& filter, TimePoint now) {
  const Conditions all = conditions_of(filter);
  Conditions unfinished = all;
  unfinished.add("j.state <> 'JOB_FINISHED'");
  const auto parents = select_ids(sql, unfinished);
  const auto removed = select_number(sql, "select count(*) from job j" + all.where(), all);
  soci::statement remove(sql);
  all.bind(remove);
  remove.alloc();
  remove.prepare("delete from job where id in (select j.id from job j" + all.where() + ")");
  remove.define_and_bind();
  remove.execute(true);
  // Their numbers stay with the children, which would wait for ever.
  Lifecycle lifecycle(sql, now);
  for (const JobId parent : parents) {
    const auto children =
        select_numbers(sql, fmt::format("select c.id from job_parent p join job c on c.id = p.job"
                                        " where p.parent = {} and c.state = 'AWAITING_PARENTS'",
                                        parent));
    for (const JobId child : children) {
      TRY(lifecycle.move_job(child, JobState::kFailed,
                             fmt::format("its parent, job {}, was removed", parent)));
    }
  }
  return static_cast<std::uint64_t>(removed);
}

Result<std::uint64_t> Jobs::remove(const JobFilter& filter) {
  return database_.write(
      [&](soci::session& sql) { return remove_jobs(sql, filter, clock_.now()); });
}

Result<Listing<JobEvent>> Jobs::events(const EventFilter& filter) {
  const Conditions conditions = conditions_of(filter);
  return list_rows<JobEvent>(
      database_, counting_of(filter), conditions,
      [&](soci::session& sql, std::uint64_t) { return select_events(sql, filter, conditions); });
}

}  // namespace wherry::jobs
