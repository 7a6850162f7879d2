// SPDX-License-Identifier: Apache-2.0
#include "python/jobs.h"

#include <fmt/format.h>
#include <pybind11/stl.h>

#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include "jobs/app_command.h"
#include "jobs/jobs.h"

namespace wherry::python {
namespace py = pybind11;
namespace {

using jobs::TextMap;

// ---- from Python

// What pybind11 says of a value of another type names neither the field nor the value.
template <class T>
T value_of(const py::handle& value, const char* name) {
  try {
    return value.cast<T>();
  } catch (const py::cast_error&) {
    throw py::type_error(
        fmt::format("{}={} has the wrong type", name, py::repr(value).cast<std::string>()));
  }
}

template <class T>
T field(const py::dict& fields, const char* name, T otherwise) {
  return fields.contains(name) ? value_of<T>(fields[name], name) : otherwise;
}

template <class T>
std::optional<T> optional_field(const py::dict& fields, const char* name) {
  if (!fields.contains(name)) return std::nullopt;
  return value_of<T>(fields[name], name);
}

std::optional<TimePoint> time_field(const py::dict& fields, const char* name) {
  const auto seconds = optional_field<double>(fields, name);
  if (!seconds) return std::nullopt;
  return TimePoint(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds)));
}

TextMap text_map(const py::handle& dictionary) {
  TextMap map;
  for (const auto& [key, value] : dictionary.cast<py::dict>())
    map[key.cast<std::string>()] = value.cast<std::string>();
  return map;
}

std::optional<TextMap> text_map_field(const py::dict& fields, const char* name) {
  if (!fields.contains(name)) return std::nullopt;
  return text_map(fields[name]);
}

template <class State>
std::vector<State> states_field(const py::dict& fields, const char* name,
                                Result<State> (*parse)(std::string_view)) {
  std::vector<State> states;
  for (const std::string& text : field<std::vector<std::string>>(fields, name, {}))
    states.push_back(value_or_raise(parse(text)));
  return states;
}

template <class Filter>
void read_page(const py::dict& fields, Filter& filter) {
  filter.limit = field(fields, "limit", filter.limit);
  filter.offset = field(fields, "offset", filter.offset);
  if (fields.contains("descending")) {
    filter.sorting =
        field(fields, "descending", false) ? jobs::Sorting::kDescending : jobs::Sorting::kAscending;
  }
}

jobs::JobFilter job_filter(const py::dict& fields) {
  using Order = jobs::JobFilter::Order;
  jobs::JobFilter filter;
  filter.sites = field(fields, "site_id", filter.sites);
  filter.apps = field(fields, "app_id", filter.apps);
  filter.ids = field(fields, "id", filter.ids);
  filter.parents = field(fields, "parent_id", filter.parents);
  filter.states = states_field(fields, "state", &jobs::parse_job_state);
  filter.excluded_states = states_field(fields, "state__ne", &jobs::parse_job_state);
  filter.batch_job = optional_field<jobs::BatchJobId>(fields, "batch_job_id");
  filter.tags = text_map_field(fields, "tags").value_or(TextMap());
  filter.workdir_contains = field(fields, "workdir__contains", std::string());
  filter.updated_after = time_field(fields, "last_update_after");
  filter.updated_before = time_field(fields, "last_update_before");
  filter.pending_file_cleanup = optional_field<bool>(fields, "pending_file_cleanup");
  const auto order = field(fields, "order", std::string("id"));
  filter.order = order == "last_update" ? Order::kLastUpdate
                 : order == "state"     ? Order::kState
                 : order == "workdir"   ? Order::kWorkdir
                                        : Order::kId;
  read_page(fields, filter);
  return filter;
}

jobs::ItemFilter item_filter(const py::dict& fields) {
  using Order = jobs::ItemFilter::Order;
  jobs::ItemFilter filter;
  filter.sites = field(fields, "site_id", filter.sites);
  filter.ids = field(fields, "id", filter.ids);
  filter.jobs = field(fields, "job_id", filter.jobs);
  filter.states = states_field(fields, "state", &jobs::parse_item_state);
  filter.job_states = states_field(fields, "job_state", &jobs::parse_job_state);
  filter.location_aliases = field(fields, "location_alias", filter.location_aliases);
  filter.task_ids = field(fields, "task_id", filter.task_ids);
  if (const auto direction = optional_field<std::string>(fields, "direction"))
    filter.direction = value_or_raise(jobs::parse_direction(*direction));
  filter.tags = text_map_field(fields, "tags").value_or(TextMap());
  filter.remote_path_contains = field(fields, "remote_path__contains", std::string());
  const auto order = field(fields, "order", std::string("id"));
  filter.order = order == "last_update" ? Order::kLastUpdate
                 : order == "state"     ? Order::kState
                                        : Order::kId;
  read_page(fields, filter);
  return filter;
}

jobs::EventFilter event_filter(const py::dict& fields) {
  jobs::EventFilter filter;
  filter.jobs = field(fields, "job_id", filter.jobs);
  filter.sites = field(fields, "site_id", filter.sites);
  filter.tags = text_map_field(fields, "tags").value_or(TextMap());
  filter.from = field(fields, "from_state", std::string());
  filter.to = field(fields, "to_state", std::string());
  filter.after = time_field(fields, "timestamp_after");
  filter.before = time_field(fields, "timestamp_before");
  read_page(fields, filter);
  return filter;
}

// What is not there stays as it is in `resources`.
jobs::Resources resources_of(const py::dict& fields, jobs::Resources resources) {
  resources.num_nodes = field(fields, "num_nodes", resources.num_nodes);
  resources.ranks_per_node = field(fields, "ranks_per_node", resources.ranks_per_node);
  resources.threads_per_rank = field(fields, "threads_per_rank", resources.threads_per_rank);
  resources.threads_per_core = field(fields, "threads_per_core", resources.threads_per_core);
  resources.gpus_per_rank = field(fields, "gpus_per_rank", resources.gpus_per_rank);
  resources.node_packing_count = field(fields, "node_packing_count", resources.node_packing_count);
  resources.wall_time_min = field(fields, "wall_time_min", resources.wall_time_min);
  resources.launch_params =
      text_map_field(fields, "launch_params").value_or(std::move(resources.launch_params));
  return resources;
}

jobs::NewJob new_job(const py::dict& fields) {
  jobs::NewJob job;
  job.app = fields["app"].cast<std::string>();
  job.workdir = fields["workdir"].cast<std::string>();
  job.tags = text_map_field(fields, "tags").value_or(TextMap());
  job.parameters = text_map_field(fields, "parameters").value_or(TextMap());
  for (const auto& [slot, place] : field(fields, "transfers", py::dict())) {
    const auto [alias, path] = place.cast<std::pair<std::string, std::string>>();
    job.transfers[slot.cast<std::string>()] = {.location_alias = alias, .path = path};
  }
  job.parents = field(fields, "parent_ids", job.parents);
  job.data = field(fields, "data", std::string());
  return job;
}

jobs::JobChange job_change(const py::dict& fields) {
  jobs::JobChange change;
  if (const auto state = optional_field<std::string>(fields, "state"))
    change.state = value_or_raise(jobs::parse_job_state(*state));
  change.workdir = optional_field<std::string>(fields, "workdir");
  change.tags = text_map_field(fields, "tags");
  change.parameters = text_map_field(fields, "parameters");
  change.data = optional_field<std::string>(fields, "data");
  return change;
}

jobs::App new_app(jobs::SiteId site, const py::dict& fields) {
  jobs::App app;
  app.site = site;
  app.name = fields["name"].cast<std::string>();
  app.description = field(fields, "description", std::string());
  app.command = fields["command_template"].cast<std::string>();
  for (const auto& [name, each] : field(fields, "parameters", py::dict())) {
    const auto parameter = each.cast<py::dict>();
    app.parameters[name.cast<std::string>()] = {
        .required = field(parameter, "required", true),
        .default_text = field(parameter, "default", std::string()),
        .help = field(parameter, "help", std::string())};
  }
  for (const auto& [name, each] : field(fields, "transfers", py::dict())) {
    const auto slot = each.cast<py::dict>();
    app.transfers[name.cast<std::string>()] = {
        .direction =
            value_or_raise(jobs::parse_direction(field(slot, "direction", std::string("in")))),
        .required = field(slot, "required", true),
        .local_path = field(slot, "local_path", std::string()),
        .recursive = field(slot, "recursive", false),
        .description = field(slot, "description", std::string())};
  }
  app.preamble = field(fields, "preamble", std::string());
  app.environment = text_map_field(fields, "environment_variables").value_or(TextMap());
  app.cleanup_files = field(fields, "cleanup_files", app.cleanup_files);
  app.resources = resources_of(field(fields, "resources", py::dict()), {});
  app.error_retries = field(fields, "error_retries", app.error_retries);
  app.timeout_retries = field(fields, "timeout_retries", app.timeout_retries);
  return app;
}

// ---- to Python

py::object time_to_python(const std::optional<TimePoint>& time) {
  if (!time) return py::none();
  return py::float_(std::chrono::duration<double>(time->time_since_epoch()).count());
}

py::dict text_map_to_python(const TextMap& map) {
  py::dict fields;
  for (const auto& [key, value] : map) fields[text_to_python(key)] = text_to_python(value);
  return fields;
}

py::object to_python(const jobs::Resources& resources) {
  py::dict fields;
  fields["num_nodes"] = resources.num_nodes;
  fields["ranks_per_node"] = resources.ranks_per_node;
  fields["threads_per_rank"] = resources.threads_per_rank;
  fields["threads_per_core"] = resources.threads_per_core;
  fields["gpus_per_rank"] = resources.gpus_per_rank;
  fields["node_packing_count"] = resources.node_packing_count;
  fields["wall_time_min"] = resources.wall_time_min;
  fields["launch_params"] = text_map_to_python(resources.launch_params);
  return fields;
}

py::object to_python(const jobs::Site& site) {
  py::dict fields;
  fields["id"] = site.id;
  fields["name"] = text_to_python(site.name);
  fields["path"] = path_to_python(site.path);
  fields["last_refresh"] = time_to_python(site.last_refresh);
  fields["alert"] = text_to_python(site.alert);
  return fields;
}

py::object to_python(const jobs::App& app) {
  py::dict fields;
  fields["id"] = app.id;
  fields["site_id"] = app.site;
  fields["name"] = text_to_python(app.name);
  fields["description"] = text_to_python(app.description);
  fields["command_template"] = text_to_python(app.command);
  py::dict parameters;
  for (const auto& [name, parameter] : app.parameters) {
    py::dict each;
    each["required"] = parameter.required;
    each["default"] = text_to_python(parameter.default_text);
    each["help"] = text_to_python(parameter.help);
    parameters[text_to_python(name)] = each;
  }
  fields["parameters"] = parameters;
  py::dict transfers;
  for (const auto& [name, slot] : app.transfers) {
    py::dict each;
    each["direction"] = text_to_python(jobs::to_string(slot.direction));
    each["required"] = slot.required;
    each["local_path"] = path_to_python(slot.local_path);
    each["recursive"] = slot.recursive;
    each["description"] = text_to_python(slot.description);
    transfers[text_to_python(name)] = each;
  }
  fields["transfers"] = transfers;
  return fields;
}

py::object to_python(const jobs::Job& job) {
  py::dict fields;
  fields["id"] = job.id;
  fields["site_id"] = job.site;
  fields["app_id"] = job.app;
  fields["workdir"] = path_to_python(job.workdir);
  fields["tags"] = text_map_to_python(job.tags);
  fields["parameters"] = text_map_to_python(job.parameters);
  fields["resources"] = to_python(job.resources);
  fields["parent_ids"] = py::cast(job.parents);
  fields["data"] = text_to_python(job.data);
  fields["state"] = text_to_python(jobs::to_string(job.state));
  fields["created"] = time_to_python(job.created);
  fields["last_update"] = time_to_python(job.last_update);
  fields["return_code"] = py::cast(job.return_code);
  fields["batch_job_id"] = py::cast(job.batch_job);
  return fields;
}

py::object to_python(const jobs::TransferItem& item) {
  py::dict fields;
  fields["id"] = item.id;
  fields["job_id"] = item.job;
  fields["site_id"] = item.site;
  fields["slot"] = text_to_python(item.slot);
  fields["direction"] = text_to_python(jobs::to_string(item.direction));
  fields["location_alias"] = text_to_python(item.location_alias);
  fields["remote_path"] = path_to_python(item.remote_path);
  fields["local_path"] = path_to_python(item.local_path);
  fields["recursive"] = item.recursive;
  fields["state"] = text_to_python(jobs::to_string(item.state));
  fields["task_id"] = item.task_id.empty() ? py::none() : text_to_python(item.task_id);
  fields["attempts"] = item.attempts;
  fields["error"] = item.error ? py::object(py::make_tuple(text_to_python(item.error->code),
                                                           text_to_python(item.error->description)))
                               : py::none();
  fields["last_update"] = time_to_python(item.last_update);
  return fields;
}

py::object to_python(const jobs::JobEvent& event) {
  py::dict fields;
  fields["id"] = event.id;
  fields["job_id"] = event.job;
  fields["item_id"] = py::cast(event.item);
  fields["timestamp"] = time_to_python(event.time);
  fields["from_state"] = text_to_python(event.from);
  fields["to_state"] = text_to_python(event.to);
  fields["message"] = text_to_python(event.message);
  return fields;
}

template <class T>
py::list rows_to_python(const std::vector<T>& rows) {
  py::list list;
  for (const T& row : rows) list.append(to_python(row));
  return list;
}

template <class T>
py::object listing_to_python(const jobs::Listing<T>& listing) {
  return py::make_tuple(listing.count, rows_to_python(listing.rows));
}

}  // namespace

py::object JobStores::sites() const {
  return rows_to_python(
      session_->with([](app::Wherry& wherry) { return wherry.jobs().sites.list(); }));
}

py::object JobStores::site(const std::string& selector) const {
  return to_python(
      session_->with([&](app::Wherry& wherry) { return wherry.jobs().sites.resolve(selector); }));
}

py::object JobStores::apps(const std::vector<jobs::SiteId>& sites) const {
  return rows_to_python(
      session_->with([&](app::Wherry& wherry) { return wherry.jobs().apps.list(sites); }));
}

py::object JobStores::put_app(jobs::SiteId site, const py::dict& fields) const {
  const jobs::App app = new_app(site, fields);
  return to_python(
      session_->with([&](app::Wherry& wherry) { return wherry.jobs().apps.put(app); }));
}

py::object JobStores::create(jobs::SiteId site, const py::list& list) const {
  std::vector<jobs::NewJob> made;
  std::map<std::string, jobs::Resources> of_apps;
  for (const py::handle& each : list) {
    const auto fields = each.cast<py::dict>();
    jobs::NewJob& job = made.emplace_back(new_job(fields));
    if (!fields.contains("resources")) continue;
    auto known = of_apps.find(job.app);
    if (known == of_apps.end())
      known = of_apps.emplace(job.app, resources_of_app(site, job.app)).first;
    job.resources = resources_of(field(fields, "resources", py::dict()), known->second);
  }
  return rows_to_python(
      session_->with([&](app::Wherry& wherry) { return wherry.jobs().jobs.create(site, made); }));
}

py::object JobStores::jobs(const py::dict& fields) const {
  const jobs::JobFilter filter = job_filter(fields);
  return listing_to_python(
      session_->with([&](app::Wherry& wherry) { return wherry.jobs().jobs.list(filter); }));
}

jobs::Resources JobStores::resources_of_app(jobs::SiteId site, const std::string& app) const {
  return session_->with([&](app::Wherry& wherry) -> Result<jobs::Resources> {
    const auto found = wherry.jobs().apps.find(site, app);
    return found ? found->resources : jobs::Resources();  // what is wrong is told by create()
  });
}

std::uint64_t JobStores::modify(const py::dict& fields, const py::dict& change) const {
  const jobs::JobFilter filter = job_filter(fields);
  const jobs::JobChange changes = job_change(change);
  return session_->with(
      [&](app::Wherry& wherry) { return wherry.jobs().jobs.modify_all(filter, changes); });
}

std::uint64_t JobStores::remove(const py::dict& fields) const {
  const jobs::JobFilter filter = job_filter(fields);
  return session_->with([&](app::Wherry& wherry) { return wherry.jobs().jobs.remove(filter); });
}

py::object JobStores::cancel(jobs::JobId id) const {
  return to_python(
      session_->with([&](app::Wherry& wherry) { return wherry.jobs().jobs.cancel(id); }));
}

py::object JobStores::retry(jobs::JobId id) const {
  return to_python(
      session_->with([&](app::Wherry& wherry) { return wherry.jobs().jobs.retry(id); }));
}

py::object JobStores::items(const py::dict& fields) const {
  const jobs::ItemFilter filter = item_filter(fields);
  return listing_to_python(
      session_->with([&](app::Wherry& wherry) { return wherry.jobs().items.list(filter); }));
}

std::uint64_t JobStores::retry_items(const py::dict& fields) const {
  const jobs::ItemFilter filter = item_filter(fields);
  return session_->with([&](app::Wherry& wherry) { return wherry.jobs().items.retry(filter); });
}

py::object JobStores::events(const py::dict& fields) const {
  const jobs::EventFilter filter = event_filter(fields);
  return listing_to_python(
      session_->with([&](app::Wherry& wherry) { return wherry.jobs().jobs.events(filter); }));
}

void bind_jobs(py::module_& module) {
  module.def("placeholders", [](const std::string& command) {
    return value_or_raise(jobs::placeholders(command));
  });
  py::class_<JobStores>(module, "JobStores")
      .def(py::init<std::shared_ptr<Session>>())
      .def("sites", &JobStores::sites)
      .def("site", &JobStores::site)
      .def("apps", &JobStores::apps)
      .def("put_app", &JobStores::put_app)
      .def("create", &JobStores::create)
      .def("jobs", &JobStores::jobs)
      .def("modify", &JobStores::modify)
      .def("remove", &JobStores::remove)
      .def("cancel", &JobStores::cancel)
      .def("retry", &JobStores::retry)
      .def("items", &JobStores::items)
      .def("retry_items", &JobStores::retry_items)
      .def("events", &JobStores::events);
}

}  // namespace wherry::python
