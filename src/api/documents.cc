// SPDX-License-Identifier: Apache-2.0
// Documents of files, endpoints and results; those of tasks are in task_documents.cc.
#include "api/documents.h"

#include <boost/json.hpp>

#include "api/json.h"
#include "api/paths.h"
#include "base/units.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using endpoints::Endpoint;

// The same on every endpoint: Wherry has no such setting, and these are true of it.
json::object endpoint_constants() {
  json::object document{
      {"is_globus_connect", true},
      {"gcp_connected", true},
      {"gcp_paused", false},
      {"globus_connect_setup_key", nullptr},
      {"force_encryption", false},
      {"disable_verify", false},
      {"force_verify", false},
      {"subscription_admin_verified", false},
      {"disable_anonymous_writes", true},
      {"mfa_required", false},
      {"high_assurance", false},
      {"non_functional", false},
      {"requester_pays", false},
      {"network_use", "normal"},
      {"max_concurrency", 4},
      {"preferred_concurrency", 2},
      {"max_parallelism", 8},
      {"preferred_parallelism", 4},
      {"french_english_bilingual", false},
      {"activated", true},
      {"expires_in", -1},
      {"s3_owner_activated", false},
  };
  for (const std::string_view name : {"subscription_id",
                                      "authentication_timeout_mins",
                                      "authentication_policy_id",
                                      "https_server",
                                      "tlsftp_server",
                                      "gcs_manager_url",
                                      "gcs_version",
                                      "mapped_collection_id",
                                      "mapped_collection_display_name",
                                      "non_functional_endpoint_id",
                                      "non_functional_endpoint_display_name",
                                      "location",
                                      "guest_collection_activity_notification_policy",
                                      "acl_max_expiration_period_mins",
                                      "auto_delete_timeout",
                                      "skip_auto_delete",
                                      "last_accessed_time",
                                      "restrict_transfers_to_high_assurance",
                                      "preserve_modtime",
                                      "local_user_info_available",
                                      "storage_type",
                                      "expire_time",
                                      "myproxy_server",
                                      "myproxy_dn",
                                      "oauth_server",
                                      "s3_url"})
    document[name] = nullptr;
  return document;
}

json::object server_document() {
  json::object document{
      {"DATA_TYPE", "server"}, {"id", 1}, {"is_connected", true}, {"is_paused", false}};
  for (const std::string_view name :
       {"hostname", "uri", "port", "scheme", "subject", "incoming_data_port_start",
        "incoming_data_port_end", "outgoing_data_port_start", "outgoing_data_port_end"})
    document[name] = nullptr;
  return document;
}

void add_host(json::object& document, const std::optional<EndpointView::Host>& host) {
  const EndpointView::Host none;
  const EndpointView::Host& known = host ? *host : none;
  document["host_endpoint_id"] = text_or_null(known.id);
  document["host_endpoint"] = text_or_null(known.id);
  document["host_endpoint_display_name"] = text_or_null(known.display_name);
  document["host_path"] = host ? json::value(escape_bytes(known.path)) : json::value();
  document["sharing_target_endpoint"] = text_or_null(known.id);
  document["sharing_target_root_path"] = document["host_path"];
}

}  // namespace

std::string file_time_text(TimePoint time) {
  std::string text = format_time(time);
  text[text.find('T')] = ' ';
  return text;
}

std::string service_username(std::string_view owner) {
  return owner.empty() ? "wherry" : fmt::format("u_{}", owner);
}

std::string canonical_name(const Endpoint& endpoint) {
  return fmt::format("{}#{}", service_username(endpoint.owner), endpoint.id);
}

std::string_view file_type_name(const tasks::FileInfo& file) {
  if (file.is_link && file.link_is_broken) return "invalid_symlink";
  switch (file.attributes.type) {
    case EntryType::kFile:
      return "file";
    case EntryType::kDirectory:
      return "dir";
    case EntryType::kSymlink:
      return "invalid_symlink";
    case EntryType::kOther:
      break;
  }
  return "other";
}

std::string permissions_text(std::uint32_t mode) { return fmt::format("{:04o}", mode & 07777u); }

json::object file_document(const tasks::FileInfo& file) {
  json::object document{{"DATA_TYPE", "file"},
                        {"name", escape_bytes(file.name)},
                        {"type", file_type_name(file)},
                        {"size", file.attributes.size},
                        {"last_modified", file_time_text(file.attributes.mtime)},
                        {"permissions", permissions_text(file.attributes.mode)},
                        {"user", text_or_null(file.user)},
                        {"group", text_or_null(file.group)}};
  if (!file.is_link) {
    for (const std::string_view name :
         {"link_target", "link_size", "link_user", "link_group", "link_last_modified"})
      document[name] = nullptr;
    return document;
  }
  document["link_target"] = escape_bytes(file.link_target);
  document["link_size"] = file.link_attributes.size;
  document["link_user"] = text_or_null(file.link_user);
  document["link_group"] = text_or_null(file.link_group);
  document["link_last_modified"] = file_time_text(file.link_attributes.mtime);
  return document;
}

json::object file_list_document(const Listing& listing) {
  json::array files;
  files.reserve(listing.files.size());
  for (const tasks::FileInfo& file : listing.files) files.push_back(file_document(file));
  const std::string path = directory_text(listing.path);
  return {{"DATA_TYPE", "file_list"},
          {"endpoint", listing.endpoint},
          {"path", path},
          {"absolute_path", path},
          {"length", listing.files.size()},
          {"total", listing.total},
          {"rename_supported", true},
          {"symlink_supported", listing.symlinks_supported},
          {"DATA", std::move(files)}};
}

std::string_view entity_type(const Endpoint& endpoint) {
  return endpoint.is_guest() ? "GCP_guest_collection" : "GCP_mapped_collection";
}

json::object endpoint_document(const Endpoint& endpoint, const EndpointView& view) {
  json::object document{
      {"DATA_TYPE", "endpoint"},
      {"id", endpoint.id},
      {"display_name", json_text(endpoint.display_name)},
      {"description", text_or_null(endpoint.description)},
      {"organization", text_or_null(endpoint.organization)},
      {"keywords", text_or_null(fmt::format("{}", fmt::join(endpoint.keywords, ",")))},
      {"public", view.is_public},
      {"owner_id", text_or_null(endpoint.owner)},
      {"owner_string", json_text(view.owner_string)},
      {"username", json_text(service_username(endpoint.owner))},
      {"name", endpoint.id},
      {"canonical_name", json_text(canonical_name(endpoint))},
      {"entity_type", entity_type(endpoint)},
      {"default_directory", endpoint.default_directory.empty()
                                ? json::value()
                                : json::value(escape_bytes(endpoint.default_directory))},
      {"shareable", view.is_shareable},
      {"acl_available", view.has_access_rules},
      {"acl_editable", view.has_access_rules},
      {"my_effective_roles", json::array(view.roles.begin(), view.roles.end())},
      {"in_use", view.in_use},
      {"requires_data_access", endpoint.requires_data_access},
  };
  for (const endpoints::EndpointInfoText& each : endpoints::kEndpointInfoTexts)
    document[each.name] = text_or_null(endpoint.info.*each.text);
  add_host(document, view.host);
  json::object constants = endpoint_constants();
  document.insert(constants.begin(), constants.end());
  document["DATA"] = json::array{server_document()};
  return document;
}

json::object endpoint_list_document(json::array data, std::uint64_t limit, std::uint64_t offset,
                                    bool has_next_page) {
  return {{"DATA_TYPE", "endpoint_list"},
          {"DATA", std::move(data)},
          {"limit", limit},
          {"offset", offset},
          {"has_next_page", has_next_page}};
}

json::object result_document(std::string_view type, std::string_view code, std::string_view message,
                             const RequestContext& request) {
  return {{"DATA_TYPE", type},
          {"code", code},
          {"message", json_text(message)},
          {"request_id", request.request_id},
          {"resource", json_text(request.resource)}};
}

json::object submission_id_document(const tasks::SubmissionId& id) {
  return {{"DATA_TYPE", "submission_id"}, {"value", id}};
}

json::object submitted_document(tasks::TaskType type, const tasks::Submitted& submitted,
                                const tasks::SubmissionId& id, const RequestContext& request) {
  const bool is_new = submitted.kind == tasks::Submitted::Kind::kAccepted;
  const bool is_transfer = type == tasks::TaskType::kTransfer;
  const std::string message =
      fmt::format("The {} {}", is_transfer ? "transfer" : "delete",
                  is_new ? "is accepted: its task waits to be run"
                         : "was submitted before with this id; nothing is done twice");
  json::object document = result_document(is_transfer ? "transfer_result" : "delete_result",
                                          is_new ? "Accepted" : "Duplicate", message, request);
  document["submission_id"] = id;
  document["task_id"] = submitted.task_id;
  document["task_link"] = {{"DATA_TYPE", "link"},
                           {"href", fmt::format("/v0.10/task/{}?format=json", submitted.task_id)},
                           {"rel", "related"},
                           {"resource", "task"},
                           {"title", "related task"}};
  return document;
}

json::object endpoint_created_document(const endpoints::EndpointId& id, std::string_view message,
                                       const RequestContext& request) {
  json::object document = result_document("endpoint_create_result", "Created", message, request);
  document["id"] = id;
  document["globus_connect_setup_key"] = nullptr;
  return document;
}

}  // namespace wherry::api
