// SPDX-License-Identifier: Apache-2.0
#include "api/job_documents.h"

#include <boost/json.hpp>

#include "api/json.h"
#include "base/path.h"
#include "base/units.h"
#include "jobs/app_command.h"
#include "jobs/site_settings.h"

namespace wherry::api {
namespace {

namespace json = boost::json;

template <class Number>
json::value number_or_null(const std::optional<Number>& number) {
  if (!number) return nullptr;
  return json::value(*number);
}

json::object map_document(const jobs::TextMap& map) {
  json::object document;
  for (const auto& [name, value] : map) document[json_text(name)] = json_text(value);
  return document;
}

json::array texts(const std::vector<std::string>& all) {
  json::array array;
  for (const std::string& text : all) array.push_back(json::string(json_text(text)));
  return array;
}

void add_resources(json::object& document, const jobs::Resources& resources) {
  document["num_nodes"] = resources.num_nodes;
  document["ranks_per_node"] = resources.ranks_per_node;
  document["threads_per_rank"] = resources.threads_per_rank;
  document["threads_per_core"] = resources.threads_per_core;
  document["gpus_per_rank"] = resources.gpus_per_rank;
  document["node_packing_count"] = resources.node_packing_count;
  document["wall_time_min"] = resources.wall_time_min;
  document["launch_params"] = map_document(resources.launch_params);
}

json::object parameter_document(const jobs::Parameter& parameter) {
  json::object document{
      {"required", parameter.required}, {"default", nullptr}, {"help", json_text(parameter.help)}};
  if (!parameter.required) document["default"] = json_text(parameter.default_text);
  return document;
}

json::object slot_document(const jobs::Slot& slot) {
  return {{"required", slot.required},
          {"direction", json_view(to_string(slot.direction))},
          {"local_path", escape_bytes(slot.local_path)},
          {"description", json_text(slot.description)},
          {"recursive", slot.recursive}};
}

// What the settings say of transfers; empty where they do not.
void add_transfer_settings(json::object& document, const std::string& text) {
  json::object locations;
  json::value endpoint = nullptr;
  if (const auto settings = jobs::parse_site_settings(text)) {
    const jobs::TransferSettings& transfers = settings->transfers;
    for (const auto& [alias, location] : transfers.transfer_locations)
      locations[json_text(alias)] = json_text(location.url);
    if (!transfers.globus_endpoint_id.empty())
      endpoint = json::string(json_text(transfers.globus_endpoint_id));
  }
  document["globus_endpoint_id"] = std::move(endpoint);
  document["transfer_locations"] = std::move(locations);
}

json::object transfer_info(const std::optional<tasks::TaskError>& error) {
  if (!error) return {};
  return {{"error", json_text(error->description)}, {"code", json_text(error->code)}};
}

}  // namespace

json::object site_document(const jobs::Site& site) {
  json::object document{{"id", site.id},
                        {"name", json_text(site.name)},
                        {"path", escape_bytes(site.path)},
                        {"owner_id", json_text(site.owner)},
                        {"creation_date", format_time(site.created)},
                        {"last_refresh", time_or_null(site.last_refresh)},
                        {"last_progress", time_or_null(site.last_progress)},
                        {"alert", json_text(site.alert)},
                        {"settings", json_text(site.settings)}};
  add_transfer_settings(document, site.settings);
  return document;
}

json::object app_document(const jobs::App& app) {
  json::object parameters, transfers;
  for (const auto& [name, parameter] : app.parameters)
    parameters[json_text(name)] = parameter_document(parameter);
  for (const auto& [name, slot] : app.transfers) transfers[json_text(name)] = slot_document(slot);
  json::object document{{"id", app.id},
                        {"site_id", app.site},
                        {"name", json_text(app.name)},
                        {"description", json_text(app.description)},
                        {"command", json_text(app.command)},
                        {"parameters", std::move(parameters)},
                        {"transfers", std::move(transfers)},
                        {"preamble", json_text(app.preamble)},
                        {"environment", map_document(app.environment)},
                        {"cleanup_files", texts(app.cleanup_files)},
                        {"error_retries", app.error_retries},
                        {"timeout_retries", app.timeout_retries}};
  add_resources(document, app.resources);
  return document;
}

json::object job_document(const jobs::Job& job) {
  auto data = job.data.empty() ? Result<json::object>(json::object()) : parse_object(job.data);
  json::object document{
      {"id", job.id},
      {"site_id", job.site},
      {"app_id", job.app},
      {"workdir", escape_bytes(job.workdir)},
      {"tags", map_document(job.tags)},
      {"parameters", map_document(job.parameters)},
      {"parent_ids", json::array(job.parents.begin(), job.parents.end())},
      {"data", data ? json::value(std::move(data).value()) : json::value(nullptr)},
      {"state", json_view(to_string(job.state))},
      {"creation_date", format_time(job.created)},
      {"last_update", format_time(job.last_update)},
      {"return_code", number_or_null(job.return_code)},
      {"error_retries", job.error_retries},
      {"timeout_retries", job.timeout_retries},
      {"session_id", number_or_null(job.session)},
      {"batch_job_id", number_or_null(job.batch_job)},
      {"pending_file_cleanup", job.pending_file_cleanup}};
  add_resources(document, job.resources);
  return document;
}

json::object transfer_item_document(const jobs::TransferItem& item) {
  return {{"id", item.id},
          {"job_id", item.job},
          {"site_id", item.site},
          {"slot", json_text(item.slot)},
          {"direction", json_view(to_string(item.direction))},
          {"location_alias", json_text(item.location_alias)},
          {"remote_path", escape_bytes(item.remote_path)},
          {"local_path", escape_bytes(item.local_path)},
          {"recursive", item.recursive},
          {"required", item.required},
          {"state", json_view(to_string(item.state))},
          {"task_id", item.task_id},
          {"transfer_info", transfer_info(item.error)},
          {"attempts", item.attempts},
          {"creation_date", format_time(item.created)},
          {"last_update", format_time(item.last_update)}};
}

json::object job_event_document(const jobs::JobEvent& event) {
  json::object data{{"message", json_text(event.message)}};
  if (event.item) data["transfer_id"] = *event.item;
  return {{"id", event.id},
          {"job_id", event.job},
          {"timestamp", format_time(event.time)},
          {"from_state", json_text(event.from)},
          {"to_state", json_text(event.to)},
          {"data", std::move(data)}};
}

json::object batch_job_document(const jobs::BatchJob& batch_job) {
  json::object info;
  if (!batch_job.status_info.empty()) info["message"] = json_text(batch_job.status_info);
  json::value scheduler_id = nullptr;
  if (!batch_job.scheduler_id.empty())
    scheduler_id = json::string(json_text(batch_job.scheduler_id));
  return {{"id", batch_job.id},
          {"site_id", batch_job.site},
          {"scheduler_id", std::move(scheduler_id)},
          {"project", json_text(batch_job.project)},
          {"queue", json_text(batch_job.queue)},
          {"optional_params", map_document(batch_job.optional_params)},
          {"num_nodes", batch_job.num_nodes},
          {"wall_time_min", batch_job.wall_time_min},
          {"job_mode", json_view(to_string(batch_job.job_mode))},
          {"filter_tags", map_document(batch_job.filter_tags)},
          {"state", json_view(to_string(batch_job.state))},
          {"status_info", std::move(info)},
          {"creation_date", format_time(batch_job.created)},
          {"start_time", time_or_null(batch_job.started)},
          {"end_time", time_or_null(batch_job.ended)}};
}

json::object session_document(const jobs::Session& session) {
  return {{"id", session.id},
          {"site_id", session.site},
          {"batch_job_id", number_or_null(session.batch_job)},
          {"holder", json_text(session.holder)},
          {"creation_date", format_time(session.created)},
          {"heartbeat", format_time(session.heartbeat)}};
}

json::object acquired_job_document(const jobs::AcquiredJob& acquired) {
  json::object document = job_document(acquired.job);
  document["app"] = app_document(acquired.app);
  const auto script = jobs::job_script(acquired.app, acquired.job);
  document["script"] = script ? json::value(json_text(*script)) : json::value(nullptr);
  return document;
}

json::object job_error_document(std::string_view detail) { return {{"detail", json_text(detail)}}; }

}  // namespace wherry::api
