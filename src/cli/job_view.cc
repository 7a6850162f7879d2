// SPDX-License-Identifier: Apache-2.0
#include "cli/job_view.h"

#include "base/path.h"

namespace wherry::cli {
namespace {

using jobs::App;
using jobs::Job;
using jobs::TransferItem;

std::uint64_t number(std::int64_t id) { return static_cast<std::uint64_t>(id); }

template <class T>
Value optional_number(const std::optional<T>& value) {
  if (!value) return {};
  return number(*value);
}

Value optional_time(const std::optional<TimePoint>& time) {
  if (!time) return {};
  return *time;
}

Pairs pairs(const jobs::TextMap& map) { return {map}; }

std::string remote_text(const TransferItem& item) {
  return item.location_alias + ":" + escape_bytes(item.remote_path);
}

Value error_text(const TransferItem& item) {
  if (!item.error) return {};
  return item.error->description.empty()
             ? item.error->code
             : fmt::format("{}: {}", item.error->code, printable(item.error->description));
}

// "input: in, required, local_path"
std::string slot_text(const std::string& name, const jobs::Slot& slot) {
  return fmt::format("{}: {}, {}, {}{}", name, to_string(slot.direction),
                     slot.required ? "required" : "optional", escape_bytes(slot.local_path),
                     slot.recursive ? ", recursive" : "");
}

std::string parameter_text(const std::string& name, const jobs::Parameter& parameter) {
  if (parameter.required) return name;
  return fmt::format("{}={}", name, printable(parameter.default_text));
}

Words slot_texts(const App& app) {
  Words texts;
  for (const auto& [name, slot] : app.transfers) texts.push_back(slot_text(name, slot));
  return texts;
}

Words parameter_texts(const App& app) {
  Words texts;
  for (const auto& [name, parameter] : app.parameters)
    texts.push_back(parameter_text(name, parameter));
  return texts;
}

std::string name_in(const std::map<std::int64_t, std::string>& names, std::int64_t id) {
  const auto found = names.find(id);
  return found == names.end() ? std::to_string(id) : found->second;
}

void add_resources(Record& record, const jobs::Resources& resources) {
  auto& fields = record.fields;
  static const jobs::Resources usual;
  const auto add = [&](std::string_view key, std::string_view title, int value, int default_value) {
    fields.push_back(
        {key, title, static_cast<std::uint64_t>(value), shown_if(value != default_value)});
  };
  add("num_nodes", "Nodes", resources.num_nodes, usual.num_nodes);
  add("ranks_per_node", "Ranks Per Node", resources.ranks_per_node, usual.ranks_per_node);
  add("threads_per_rank", "Threads Per Rank", resources.threads_per_rank, usual.threads_per_rank);
  add("threads_per_core", "Threads Per Core", resources.threads_per_core, usual.threads_per_core);
  fields.push_back({"gpus_per_rank", "GPUs Per Rank", resources.gpus_per_rank,
                    shown_if(resources.gpus_per_rank > 0)});
  add("node_packing_count", "Jobs Per Node", resources.node_packing_count,
      usual.node_packing_count);
  add("wall_time_min", "Wall Time (min)", resources.wall_time_min, usual.wall_time_min);
  fields.push_back({"launch_params", "Launch Parameters", pairs(resources.launch_params),
                    shown_if(!resources.launch_params.empty())});
}

template <class State>
Tally counts(const std::map<State, std::uint64_t>& by_state) {
  Tally result;
  for (const auto& [state, count] : by_state) {
    if (count > 0) result.counts.emplace_back(to_string(state), count);
  }
  return result;
}

}  // namespace

Tally counts_of(const std::map<jobs::JobState, std::uint64_t>& by_state) {
  return counts(by_state);
}
Tally counts_of(const std::map<jobs::ItemState, std::uint64_t>& by_state) {
  return counts(by_state);
}

std::string jobs_text(std::uint64_t count) {
  return count == 1 ? "1 job" : fmt::format("{} jobs", count);
}

std::string site_state(const SiteView& view) {
  if (!view.holder) return "stopped";
  return view.site.alert.empty() ? "running" : "running: needs you";
}

Record site_record(const SiteView& view) {
  const jobs::Site& site = view.site;
  return {"site",
          {{"id", "Site ID", number(site.id)},
           {"name", "Name", site.name},
           {"path", "Path", Bytes{site.path}},
           {"owner", "Owner", site.owner, Shown::kNotInText},
           {"state", "State", site_state(view)},
           {"holder", "Run By", view.holder ? Value(describe(*view.holder)) : Value(),
            shown_if(view.holder.has_value())},
           {"alert", "Alert", text_or_nothing(site.alert), shown_if(!site.alert.empty())},
           {"last_progress", "Last Progress", optional_time(site.last_progress)},
           {"last_refresh", "Last Heartbeat", optional_time(site.last_refresh)},
           {"creation_date", "Created", site.created},
           {"jobs", "Jobs", counts_of(view.jobs)},
           {"transfer_items", "Transfer Items", counts_of(view.items)}}};
}

std::vector<Column> site_columns() {
  return {{"id", "ID"},
          {"name", "Name"},
          {"state", "State"},
          {"last_progress", "Last Progress"},
          {"path", "Path"},
          {"alert", "Alert"},
          {"last_refresh", "Last Heartbeat", Shown::kNotInText},
          {"owner", "Owner", Shown::kNotInText},
          {"creation_date", "Created", Shown::kNotInText},
          {"jobs", "Jobs", Shown::kNotInText},
          {"transfer_items", "Transfer Items", Shown::kNotInText}};
}

std::vector<Value> site_row(const SiteView& view) {
  const jobs::Site& site = view.site;
  return {number(site.id),
          site.name,
          site_state(view),
          optional_time(site.last_progress),
          Bytes{site.path},
          text_or_nothing(site.alert),
          optional_time(site.last_refresh),
          site.owner,
          site.created,
          counts_of(view.jobs),
          counts_of(view.items)};
}

std::vector<Column> app_columns(Detail detail) {
  const Shown more = shown_if(detail == Detail::kLong);
  return {{"id", "ID"},
          {"name", "App"},
          {"site", "Site"},
          {"parameters", "Parameters", more},
          {"transfers", "Slots", more},
          {"command", "Command", more},
          {"description", "Description"}};
}

std::vector<Value> app_row(const App& app, const std::string& site) {
  return {number(app.id),  app.name,    site,           parameter_texts(app),
          slot_texts(app), app.command, app.description};
}

Record app_record(const App& app, const std::string& site) {
  Record record{
      "app",
      {{"id", "App ID", number(app.id), shown_if(app.id > 0)},
       {"name", "Name", app.name},
       {"site", "Site", site, shown_if(!site.empty())},
       {"site_id", "Site ID", number(app.site), Shown::kNotInText},
       {"description", "Description", app.description, shown_if(!app.description.empty())},
       {"command", "Command", app.command},
       {"parameters", "Parameters", parameter_texts(app)},
       {"transfers", "Slots", slot_texts(app)},
       {"preamble", "Preamble", app.preamble, shown_if(!app.preamble.empty())},
       {"environment", "Environment", pairs(app.environment), shown_if(!app.environment.empty())},
       {"cleanup_files", "Cleanup Files", Words(app.cleanup_files),
        shown_if(!app.cleanup_files.empty())},
       {"error_retries", "Repeated After Errors", number(app.error_retries)},
       {"timeout_retries", "Repeated After Time-Outs", number(app.timeout_retries)}}};
  add_resources(record, app.resources);
  return record;
}

std::vector<Column> job_columns(Detail detail) {
  const Shown more = shown_if(detail == Detail::kLong);
  return {{"id", "ID"},
          {"site", "Site", more},
          {"app", "App"},
          {"workdir", "Work Directory"},
          {"state", "State"},
          {"last_update", "Last Update", more},
          {"tags", "Tags"},
          {"parameters", "Parameters", more},
          {"return_code", "Return Code", more},
          {"parent_ids", "Parents", more},
          {"session_id", "Session", Shown::kNotInText},
          {"batch_job_id", "Batch Job", Shown::kNotInText},
          {"creation_date", "Created", Shown::kNotInText},
          {"app_id", "App ID", Shown::kNotInText},
          {"site_id", "Site ID", Shown::kNotInText}};
}

namespace {
Numbers parents_of(const Job& job) { return {job.parents.begin(), job.parents.end()}; }
}  // namespace

std::vector<Value> job_row(const Job& job, const JobNames& names) {
  return {number(job.id),
          name_in(names.sites, job.site),
          name_in(names.apps, job.app),
          Bytes{job.workdir},
          std::string(to_string(job.state)),
          job.last_update,
          pairs(job.tags),
          pairs(job.parameters),
          optional_number(job.return_code),
          parents_of(job),
          optional_number(job.session),
          optional_number(job.batch_job),
          job.created,
          number(job.app),
          number(job.site)};
}

Record job_record(const Job& job, const JobNames& names, const std::vector<TransferItem>& items,
                  const std::string& why) {
  Pairs transfers;
  for (const TransferItem& item : items) transfers.pairs[item.slot] = remote_text(item);
  Words states;
  for (const TransferItem& item : items) {
    states.push_back(
        fmt::format("{} ({}): {}", item.slot, to_string(item.direction), to_string(item.state)));
  }
  Record record{
      "job",
      {{"id", "Job ID", number(job.id)},
       {"site", "Site", name_in(names.sites, job.site)},
       {"site_id", "Site ID", number(job.site), Shown::kNotInText},
       {"app", "App", name_in(names.apps, job.app)},
       {"app_id", "App ID", number(job.app), Shown::kNotInText},
       {"workdir", "Work Directory", Bytes{job.workdir}},
       {"state", "State", std::string(to_string(job.state))},
       {"message", "Why", text_or_nothing(why), shown_if(!why.empty())},
       {"return_code", "Return Code", optional_number(job.return_code),
        shown_if(job.return_code.has_value())},
       {"tags", "Tags", pairs(job.tags), shown_if(!job.tags.empty())},
       {"parameters", "Parameters", pairs(job.parameters), shown_if(!job.parameters.empty())},
       {"transfers", "Transfers", std::move(transfers), shown_if(!items.empty())},
       {"transfer_states", "Transfer Items", std::move(states), shown_if(!items.empty())},
       {"parent_ids", "Parents", parents_of(job), shown_if(!job.parents.empty())},
       {"creation_date", "Created", job.created},
       {"last_update", "Last Update", job.last_update},
       {"error_retries", "Repeated After Errors", number(job.error_retries),
        shown_if(job.error_retries > 0)},
       {"timeout_retries", "Repeated After Time-Outs", number(job.timeout_retries),
        shown_if(job.timeout_retries > 0)},
       {"session_id", "Session", optional_number(job.session), shown_if(job.session.has_value())},
       {"batch_job_id", "Batch Job", optional_number(job.batch_job),
        shown_if(job.batch_job.has_value())},
       {"data", "Data", job.data, shown_if(!job.data.empty() && job.data != "{}")},
       {"pending_file_cleanup", "Files To Clean Up", job.pending_file_cleanup, Shown::kNotInText}}};
  add_resources(record, job.resources);
  return record;
}

std::vector<Column> item_columns(Detail detail) {
  const Shown more = shown_if(detail == Detail::kLong);
  return {{"id", "ID"},
          {"job_id", "Job"},
          {"slot", "Slot"},
          {"direction", "Direction"},
          {"state", "State"},
          {"location_alias", "Location"},
          {"remote_path", "Remote Path"},
          {"local_path", "Local Path", more},
          {"task_id", "Task ID", more},
          {"attempts", "Attempts", more},
          {"last_update", "Last Update", more},
          {"error", "Error"},
          {"recursive", "Recursive", Shown::kNotInText},
          {"required", "Required", Shown::kNotInText},
          {"next_try", "Not Before", Shown::kNotInText},
          {"site_id", "Site ID", Shown::kNotInText}};
}

std::vector<Value> item_row(const TransferItem& item) {
  return {number(item.id),
          number(item.job),
          item.slot,
          std::string(to_string(item.direction)),
          std::string(to_string(item.state)),
          item.location_alias,
          Bytes{item.remote_path},
          Bytes{item.local_path},
          text_or_nothing(item.task_id),
          number(item.attempts),
          item.last_update,
          error_text(item),
          item.recursive,
          item.required,
          item.next_try,
          number(item.site)};
}

Record item_record(const TransferItem& item) {
  Record record{"transfer_item", {}};
  const std::vector<Column> columns = item_columns(Detail::kLong);
  std::vector<Value> values = item_row(item);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    record.fields.push_back(
        {columns[i].key, columns[i].title, std::move(values[i]), columns[i].shown});
  }
  return record;
}

std::vector<Column> job_event_columns() {
  return {{"timestamp", "Time"},
          {"job_id", "Job"},
          {"item_id", "Item"},
          {"from_state", "From"},
          {"to_state", "To"},
          {"message", "Message"},
          {"id", "ID", Shown::kNotInText},
          // With fractions, for who measures.
          {"unix_time", "Unix Time", Shown::kNotInText}};
}

std::vector<Value> job_event_row(const jobs::JobEvent& event) {
  return {event.time,
          number(event.job),
          optional_number(event.item),
          event.from,
          event.to,
          event.message,
          number(event.id),
          std::chrono::duration<double>(event.time.time_since_epoch()).count()};
}

}  // namespace wherry::cli
