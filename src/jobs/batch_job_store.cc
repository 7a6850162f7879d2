// SPDX-License-Identifier: Apache-2.0
#include "base/path.h"
#include "jobs/json_text.h"
#include "jobs/listing.h"
#include "jobs/query.h"
#include "jobs/session_store.h"
#include "schedulers/scheduler.h"

namespace wherry::jobs {
namespace {

using soci::into;
using soci::use;

struct BatchJobRow {
  static constexpr std::string_view kSelect =
      "select b.id, b.site, b.scheduler_id, b.queue, b.project, b.optional_params, b.num_nodes,"
      " b.wall_time_min, b.job_mode, b.filter_tags, b.state, b.status_info, b.created, b.started,"
      " b.ended from batch_job b";
  void define(soci::statement& statement) {
    for (long long* field : {&id, &site}) statement.exchange(into(*field));
    for (std::string* field : {&scheduler_id, &queue, &project, &optional_params})
      statement.exchange(into(*field));
    for (int* field : {&num_nodes, &wall_time_min}) statement.exchange(into(*field));
    for (std::string* field : {&job_mode, &filter_tags, &state, &status_info})
      statement.exchange(into(*field));
    for (long long* field : {&created, &started, &ended}) statement.exchange(into(*field));
  }
  Result<BatchJob> batch_job() const {
    BatchJob job;
    job.id = id;
    job.site = site;
    job.scheduler_id = scheduler_id;
    job.queue = queue;
    job.project = project;
    TRY_ASSIGN(job.optional_params, parse_text_map(optional_params));
    job.num_nodes = num_nodes;
    job.wall_time_min = wall_time_min;
    TRY_ASSIGN(job.job_mode, parse_job_mode(job_mode));
    TRY_ASSIGN(job.filter_tags, parse_text_map(filter_tags));
    TRY_ASSIGN(job.state, parse_batch_job_state(state));
    job.status_info = status_info;
    job.created = from_stored(created);
    job.started = optional_time(started);
    job.ended = optional_time(ended);
    return job;
  }

  long long id = 0, site = 0, created = 0, started = 0, ended = 0;
  int num_nodes = 0, wall_time_min = 0;
  std::string scheduler_id, queue, project, optional_params, job_mode, filter_tags, state,
      status_info;
};

Result<BatchJob> load(soci::session& sql, BatchJobId id) {
  RowQuery<BatchJobRow> query(sql, fmt::format("{} where b.id = {}", BatchJobRow::kSelect, id));
  const BatchJobRow* row = query.next();
  if (row == nullptr) {
    return make_error(Code::kNotFound,
                      "there is no batch job {}; `wherry queue ls` shows those that exist", id);
  }
  return row->batch_job();
}

// A time that has not come is 0.
void add_times(Conditions& conditions, std::string_view column,
               const std::optional<TimePoint>& after, const std::optional<TimePoint>& before) {
  if (!after && !before) return;
  conditions.add(fmt::format("{} > 0", column));
  if (after) conditions.add(fmt::format("{} >= {}", column, to_stored(*after)));
  if (before) conditions.add(fmt::format("{} <= {}", column, to_stored(*before)));
}

// As Conditions::tagged() does for jobs; there are few batch jobs, so nothing is kept of these.
void add_tags(Conditions& conditions, const TextMap& tags) {
  for (const auto& [key, value] : tags) {
    const std::string its_key = conditions.bind_text(escape_bytes(key));
    const std::string its_value = conditions.bind_text(escape_bytes(value));
    conditions.add(
        fmt::format("exists (select 1 from json_each(b.filter_tags) t where t.key = {}"
                    " and t.value = {})",
                    its_key, its_value));
  }
}

// The number comes last, as in all lists.
std::string order_of(const BatchJobFilter& filter) {
  const std::string_view way = direction_of(filter.sorting);
  switch (filter.order) {
    case BatchJobFilter::Order::kId:
      break;
    case BatchJobFilter::Order::kStarted:
      return fmt::format(" order by b.started{0}, b.id{0}", way);
    case BatchJobFilter::Order::kEnded:
      return fmt::format(" order by b.ended{0}, b.id{0}", way);
  }
  return fmt::format(" order by b.id{}", way);
}

Conditions conditions_of(const BatchJobFilter& filter) {
  Conditions conditions;
  conditions.among("b.site", filter.sites);
  conditions.among("b.id", filter.ids);
  conditions.in_states("b.state", filter.states);
  if (!filter.scheduler_id.empty()) conditions.add("b.scheduler_id = :text", filter.scheduler_id);
  if (!filter.queue.empty()) conditions.add("b.queue = :text", filter.queue);
  add_tags(conditions, filter.filter_tags);
  add_times(conditions, "b.started", filter.started_after, filter.started_before);
  add_times(conditions, "b.ended", filter.ended_after, filter.ended_before);
  return conditions;
}

Result<void> check(soci::session& sql, const BatchJob& job) {
  if (select_number(sql, fmt::format("select count(*) from site where id = {}", job.site)) == 0)
    return make_error(Code::kInvalid, "site_id: there is no site {}", job.site);
  if (job.num_nodes < 1)
    return make_error(Code::kInvalid, "num_nodes: {}, at least 1 is needed", job.num_nodes);
  if (job.wall_time_min < 0) {
    return make_error(Code::kInvalid, "wall_time_min: {}, at least 0 is needed", job.wall_time_min);
  }
  for (const auto& [name, value] : job.optional_params)
    TRY(schedulers::check_slurm_option(name), "optional_params");
  return {};
}

void insert(soci::session& sql, const BatchJob& job, TimePoint now) {
  const std::string params = to_json(job.optional_params), tags = to_json(job.filter_tags),
                    mode(to_string(job.job_mode)),
                    state(to_string(BatchJobState::kPendingSubmission));
  const long long created = to_stored(now), site = job.site;
  sql << "insert into batch_job (site, scheduler_id, queue, project, optional_params, num_nodes,"
         " wall_time_min, job_mode, filter_tags, state, status_info, created, started, ended)"
         " values (:site, '', :queue, :project, :params, :nodes, :minutes, :mode, :tags, :state,"
         " '', :created, 0, 0)",
      use(site), use(job.queue), use(job.project), use(params), use(job.num_nodes),
      use(job.wall_time_min), use(mode), use(tags), use(state), use(created);
}

Error forbidden(const BatchJob& job, BatchJobState to) {
  return make_error(Code::kConflict, "batch job {} is {} and cannot become {}", job.id,
                    to_string(job.state), to_string(to));
}

Result<void> apply(soci::session& sql, BatchJobId id, const BatchJobs::Change& change,
                   TimePoint now) {
  TRY_ASSIGN(const BatchJob job, load(sql, id));
  const BatchJobState to = change.state.value_or(job.state);
  if (to != job.state && !may_move(job.state, to)) return forbidden(job, to);
  const std::string state(to_string(to)),
      scheduler_id = change.scheduler_id.value_or(job.scheduler_id),
      status_info = change.status_info.value_or(job.status_info);
  const long long started = to_stored(change.started ? change.started : job.started);
  std::optional<TimePoint> ended = change.ended ? change.ended : job.ended;
  if (is_final(to) && !ended) ended = now;
  const long long stored_end = to_stored(ended);
  sql << "update batch_job set state = :state, scheduler_id = :scheduler, status_info = :info,"
         " started = :started, ended = :ended where id = :id",
      use(state), use(scheduler_id), use(status_info), use(started), use(stored_end), use(id);
  return {};
}

}  // namespace

Result<BatchJob> BatchJobs::create(const BatchJob& batch_job) {
  return database_.write([&](soci::session& sql) -> Result<BatchJob> {
    TRY(check(sql, batch_job));
    insert(sql, batch_job, clock_.now());
    return load(sql, inserted_id(sql));
  });
}

Result<BatchJob> BatchJobs::get(BatchJobId id) {
  return database_.read([&](soci::session& sql) { return load(sql, id); });
}

Result<Listing<BatchJob>> BatchJobs::list(const BatchJobFilter& filter) {
  const Conditions conditions = conditions_of(filter);
  return list_rows<BatchJob>(
      database_, "count(*) from batch_job b", conditions,
      [&](soci::session& sql, std::uint64_t) -> Result<std::vector<BatchJob>> {
        RowQuery<BatchJobRow> query(
            sql,
            fmt::format("{}{}{}{}", BatchJobRow::kSelect, conditions.where(), order_of(filter),
                        limit_text(filter.limit, filter.offset)),
            conditions);
        std::vector<BatchJob> found;
        while (const BatchJobRow* row = query.next()) {
          TRY_ASSIGN(BatchJob job, row->batch_job());
          found.push_back(std::move(job));
        }
        return found;
      });
}

Result<BatchJob> BatchJobs::modify(BatchJobId id, const Change& change) {
  return database_.write([&](soci::session& sql) -> Result<BatchJob> {
    TRY(apply(sql, id, change, clock_.now()));
    return load(sql, id);
  });
}

Result<void> BatchJobs::modify(std::span<const Numbered> changes) {
  TRY(refuse_too_many(changes.size()));
  return database_.write([&](soci::session& sql) -> Result<void> {
    for (const Numbered& numbered : changes)
      TRY(apply(sql, numbered.id, numbered.change, clock_.now()));
    return {};
  });
}

Result<void> BatchJobs::remove(BatchJobId id) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const BatchJob job, load(sql, id));
    if (!is_final(job.state) && job.state != BatchJobState::kPendingSubmission) {
      return make_error(Code::kConflict,
                        "batch job {} is {}; end it first (`wherry queue term {}`)", id,
                        to_string(job.state), id);
    }
    sql << "delete from batch_job where id = :id", use(id);
    return {};
  });
}

}  // namespace wherry::jobs
