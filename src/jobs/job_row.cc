// SPDX-License-Identifier: Apache-2.0
#include "jobs/job_row.h"

#include <algorithm>

#include "base/path.h"
#include "base/random.h"
#include "base/units.h"
#include "jobs/json_text.h"

namespace wherry::jobs {
namespace {

void define_numbers(soci::statement& statement, std::initializer_list<long long*> fields) {
  for (long long* field : fields) statement.exchange(soci::into(*field));
}
void define_small(soci::statement& statement, std::initializer_list<int*> fields) {
  for (int* field : fields) statement.exchange(soci::into(*field));
}
void define_texts(soci::statement& statement, std::initializer_list<std::string*> fields) {
  for (std::string* field : fields) statement.exchange(soci::into(*field));
}

// A word of a fixed set that the database holds and this program does not know.
template <class T>
Result<T> known(Result<T> parsed) {
  if (!parsed) return Error{Code::kCorrupt, Retry::kNever, std::move(parsed).error().message};
  return parsed;
}

// A list of tasks' ids, which hold no quote; what is no id is the id of nothing.
std::string task_list(const std::vector<tasks::TaskId>& ids) {
  std::string list;
  for (const tasks::TaskId& id : ids)
    if (is_uuid(id)) list += fmt::format("{}'{}'", list.empty() ? "" : ", ", id);
  return list;
}

std::size_t bytes_of(std::initializer_list<const std::string*> texts) {
  // What stands around them: names of members, numbers, times.
  constexpr std::size_t kOfEachRow = 512;
  std::size_t bytes = kOfEachRow;
  for (const std::string* text : texts) bytes += text->size();
  return bytes;
}

}  // namespace

void JobRow::define(soci::statement& statement) {
  define_numbers(statement, {&id, &site, &app});
  define_texts(statement, {&state});
  define_numbers(statement, {&session, &batch_job, &created, &last_update});
  statement.exchange(soci::into(return_code, has_return_code));
  define_small(statement, {&error_retries, &timeout_retries, &pending_file_cleanup});
  define_texts(statement, {&workdir, &resources, &parents, &tags, &parameters, &data});
}

Result<Job> JobRow::job() const {
  Job job;
  job.id = id;
  job.site = site;
  job.app = app;
  job.workdir = workdir;
  TRY_ASSIGN(job.tags, parse_text_map(tags), "tags of job {}", id);
  TRY_ASSIGN(job.parameters, parse_text_map(parameters), "parameters of job {}", id);
  TRY_ASSIGN(job.resources, parse_resources(resources), "resources of job {}", id);
  TRY_ASSIGN(job.parents, parse_ids(parents), "parents of job {}", id);
  job.data = data;
  TRY_ASSIGN(job.state, known(parse_job_state(state)), "state of job {}", id);
  job.created = from_stored(created);
  job.last_update = from_stored(last_update);
  if (has_return_code == soci::i_ok) job.return_code = return_code;
  job.error_retries = error_retries;
  job.timeout_retries = timeout_retries;
  job.session = optional_id(session);
  job.batch_job = optional_id(batch_job);
  job.pending_file_cleanup = pending_file_cleanup != 0;
  return job;
}

std::size_t JobRow::bytes() const {
  return bytes_of({&state, &workdir, &resources, &parents, &tags, &parameters, &data});
}

void ItemRow::define(soci::statement& statement) {
  define_numbers(statement, {&id, &job, &site});
  define_texts(statement, {&slot, &direction, &location_alias, &remote_path, &local_path});
  define_small(statement, {&recursive, &required});
  define_texts(statement, {&state, &task_id});
  define_small(statement, {&attempts});
  define_numbers(statement, {&next_try});
  define_texts(statement, {&error_code, &error_description});
  define_numbers(statement, {&created, &last_update});
}

Result<TransferItem> ItemRow::item() const {
  TransferItem item;
  item.id = id;
  item.job = job;
  item.site = site;
  item.slot = slot;
  TRY_ASSIGN(item.direction, known(parse_direction(direction)), "direction of item {}", id);
  item.location_alias = location_alias;
  item.remote_path = remote_path;
  item.local_path = local_path;
  item.recursive = recursive != 0;
  item.required = required != 0;
  TRY_ASSIGN(item.state, known(parse_item_state(state)), "state of item {}", id);
  item.task_id = task_id;
  item.attempts = attempts;
  item.next_try = from_stored(next_try);
  if (!error_code.empty()) item.error = tasks::TaskError{error_code, error_description};
  item.created = from_stored(created);
  item.last_update = from_stored(last_update);
  return item;
}

std::size_t ItemRow::bytes() const {
  return bytes_of(
      {&slot, &location_alias, &remote_path, &local_path, &task_id, &error_description});
}

void EventRow::define(soci::statement& statement) {
  define_numbers(statement, {&id, &job, &item, &time});
  define_texts(statement, {&from, &to, &message});
}

JobEvent EventRow::event() const {
  return {id, job, optional_id(item), from_stored(time), from, to, message};
}

std::size_t EventRow::bytes() const { return bytes_of({&from, &to, &message}); }

void AppRow::define(soci::statement& statement) {
  define_numbers(statement, {&id, &site});
  define_texts(statement, {&name, &description, &command, &parameters, &transfers, &preamble,
                           &environment, &cleanup_files, &resources});
  define_small(statement, {&error_retries, &timeout_retries});
}

Result<App> AppRow::app() const {
  App app;
  app.id = id;
  app.site = site;
  app.name = name;
  app.description = description;
  app.command = command;
  TRY_ASSIGN(app.parameters, parse_parameters(parameters), "parameters of app {}", id);
  TRY_ASSIGN(app.transfers, parse_slots(transfers), "slots of app {}", id);
  app.preamble = preamble;
  TRY_ASSIGN(app.environment, parse_text_map(environment), "environment of app {}", id);
  TRY_ASSIGN(app.cleanup_files, parse_text_list(cleanup_files), "cleanup_files of app {}", id);
  TRY_ASSIGN(app.resources, parse_resources(resources), "resources of app {}", id);
  app.error_retries = error_retries;
  app.timeout_retries = timeout_retries;
  return app;
}

// In the order of their changes the rows of one site come from an index on that.
template <class Filter>
bool walks_changes(const Filter& filter, Search search) {
  return search == Search::kWalk && filter.order == Filter::Order::kLastUpdate &&
         filter.sites.size() == 1;
}

Conditions conditions_of(const JobFilter& filter, Search search) {
  const bool is_narrow =
      !filter.ids.empty() || !filter.parents.empty() || filter.batch_job || !filter.tags.empty();
  const std::string_view narrow = search == Search::kWalk ? "+" : "";
  const std::string_view broad = is_narrow ? "+" : narrow;
  Conditions conditions;
  conditions.among(fmt::format("{}j.site", walks_changes(filter, search) ? "" : broad),
                   filter.sites);
  conditions.among(fmt::format("{}j.app", broad), filter.apps);
  conditions.among(fmt::format("{}j.id", narrow), filter.ids);
  if (!filter.parents.empty()) {
    conditions.add(fmt::format("{}j.id in (select p.job from job_parent p where p.parent in ({}))",
                               narrow, fmt::join(filter.parents, ", ")));
  }
  conditions.in_states(fmt::format("{}j.state", broad), filter.states);
  conditions.not_in_states("j.state", filter.excluded_states);
  if (filter.batch_job) {  // as the index on it says, those without one are not in it
    conditions.add(
        fmt::format("{0}j.batch_job = {1} and {0}j.batch_job > 0", narrow, *filter.batch_job));
  }
  conditions.tagged(fmt::format("{}j.id", narrow), filter.tags);
  if (!filter.workdir_contains.empty())
    conditions.add("instr(j.workdir, :text) > 0", filter.workdir_contains);
  if (filter.updated_after)
    conditions.add(fmt::format("j.last_update >= {}", to_stored(*filter.updated_after)));
  if (filter.updated_before)
    conditions.add(fmt::format("j.last_update <= {}", to_stored(*filter.updated_before)));
  if (filter.pending_file_cleanup)
    conditions.add(fmt::format("j.pending_file_cleanup = {:d}", *filter.pending_file_cleanup));
  return conditions;
}

Conditions conditions_of(const ItemFilter& filter, Search search) {
  const bool is_narrow = !filter.ids.empty() || !filter.jobs.empty() || !filter.task_ids.empty() ||
                         !filter.tags.empty() || !filter.job_states.empty();
  const std::string_view narrow = search == Search::kWalk ? "+" : "";
  const std::string_view broad = is_narrow ? "+" : narrow;
  Conditions conditions;
  conditions.among(fmt::format("{}i.site", walks_changes(filter, search) ? "" : broad),
                   filter.sites);
  conditions.among(fmt::format("{}i.id", narrow), filter.ids);
  conditions.among(fmt::format("{}i.job", narrow), filter.jobs);
  conditions.in_states(fmt::format("{}i.state", broad), filter.states);
  if (filter.direction)
    conditions.add(fmt::format("{}i.direction = '{}'", broad, to_string(*filter.direction)));
  if (!filter.job_states.empty()) {
    Conditions of_job;
    of_job.among("j.site", filter.sites);
    of_job.in_states("j.state", filter.job_states);
    conditions.add(fmt::format("{}i.job in (select j.id from job j{})", narrow, of_job.where()));
  }
  if (!filter.location_aliases.empty())
    conditions.among_texts(fmt::format("{}i.location_alias", broad), filter.location_aliases);
  if (!filter.task_ids.empty()) {
    conditions.add(fmt::format("{0}i.task_id in ({1}) and {0}i.task_id <> ''", narrow,
                               task_list(filter.task_ids)));
  }
  conditions.tagged(fmt::format("{}i.job", narrow), filter.tags);
  if (!filter.remote_path_contains.empty())
    conditions.add("instr(i.remote_path, :text) > 0", filter.remote_path_contains);
  if (filter.updated_after)
    conditions.add(fmt::format("i.last_update >= {}", to_stored(*filter.updated_after)));
  if (filter.updated_before)
    conditions.add(fmt::format("i.last_update <= {}", to_stored(*filter.updated_before)));
  return conditions;
}

Result<std::string> normal_workdir(std::string_view workdir) {
  if (workdir.starts_with('/')) {
    return make_error(Code::kInvalid,
                      "workdir: '{}' is not relative; it stands below the site's data directory",
                      escape_bytes(workdir));
  }
  TRY_ASSIGN(const RelPath path, RelPath::parse(workdir), "workdir");
  if (path.is_root()) return make_error(Code::kInvalid, "workdir: it must be named");
  return path.text();
}

Result<void> PageBytes::add(std::size_t bytes) {
  bytes_ += bytes;
  // A single row is never too much, or nobody could ever see it.
  if (bytes_ <= most_ || rows_ == 0) {
    ++rows_;
    return {};
  }
  return make_error(Code::kInvalid,
                    "limit: the page would hold more than {}; ask for {} rows at once, or fewer",
                    format_bytes(most_), rows_);
}

Result<std::vector<Job>> select_jobs(soci::session& sql, const std::string& text,
                                     const Conditions& conditions, std::size_t max_bytes) {
  std::vector<Job> jobs;
  PageBytes page(max_bytes);
  RowQuery<JobRow> query(sql, text, conditions);
  while (const JobRow* row = query.next()) {
    TRY(page.add(row->bytes()));
    TRY_ASSIGN(Job job, row->job());
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<std::vector<TransferItem>> select_items(soci::session& sql, const std::string& text,
                                               const Conditions& conditions,
                                               std::size_t max_bytes) {
  std::vector<TransferItem> items;
  PageBytes page(max_bytes);
  RowQuery<ItemRow> query(sql, text, conditions);
  while (const ItemRow* row = query.next()) {
    TRY(page.add(row->bytes()));
    TRY_ASSIGN(TransferItem item, row->item());
    items.push_back(std::move(item));
  }
  return items;
}

Result<Job> load_job(soci::session& sql, JobId id) {
  RowQuery<JobRow> query(sql,
                         fmt::format("select {} from job j where j.id = {}", JobRow::kColumns, id));
  const JobRow* row = query.next();
  if (row == nullptr) return no_such_job(id);
  return row->job();
}

Result<TransferItem> load_item(soci::session& sql, ItemId id) {
  RowQuery<ItemRow> query(
      sql, fmt::format("select {} from transfer_item i where i.id = {}", ItemRow::kColumns, id));
  const ItemRow* row = query.next();
  if (row == nullptr) return no_such_item(id);
  return row->item();
}

Result<App> load_app(soci::session& sql, AppId id) {
  RowQuery<AppRow> query(sql, fmt::format("{} where a.id = {}", AppRow::kSelect, id));
  const AppRow* row = query.next();
  if (row == nullptr) {
    return make_error(Code::kNotFound, "there is no app {}; `wherry app ls` shows those that exist",
                      id);
  }
  return row->app();
}

}  // namespace wherry::jobs
