// SPDX-License-Identifier: Apache-2.0
// Documents of tasks, their events and outcomes.
#include <algorithm>
#include <boost/json.hpp>

#include "api/documents.h"
#include "api/json.h"
#include "api/paths.h"
#include "base/units.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using tasks::Task;
using tasks::TaskState;
using tasks::TaskType;

json::value filter_rules(const std::vector<engine::FilterRule>& rules) {
  if (rules.empty()) return nullptr;
  json::array array;
  for (const engine::FilterRule& rule : rules) array.push_back(filter_rule_document(rule));
  return array;
}

void add_request(json::object& document, const Task& task) {
  const engine::TransferOptions& options = task.transfer_options;
  const bool is_transfer = task.type == TaskType::kTransfer;
  document["sync_level"] = is_transfer ? sync_level_number(options.sync_level) : json::value();
  document["encrypt_data"] = false;
  document["verify_checksum"] = is_transfer && options.verify == engine::Verify::kChecksum;
  document["preserve_timestamp"] = is_transfer && options.preserve_mtime;
  document["delete_destination_extra"] = is_transfer && options.delete_extra;
  document["skip_source_errors"] = is_transfer && options.skip_source_errors;
  document["fail_on_quota_errors"] = is_transfer && options.fail_on_quota_errors;
  document["recursive_symlinks"] =
      is_transfer ? json::value(to_string(options.symlinks)) : json::value();
  document["filter_rules"] = is_transfer ? filter_rules(options.filters) : json::value();
  document["command"] = "API 0.10";
  document["history_deleted"] = false;
}

void add_side(json::object& document, std::string_view side, const tasks::EndpointId& id,
              const endpoints::Endpoint* endpoint) {
  std::string key;
  const auto set = [&](std::string_view name, json::value value) {
    key.assign(side) += '_';
    document[key += name] = std::move(value);
  };
  const bool is_known = endpoint != nullptr;
  set("endpoint", is_known ? text_or_null(canonical_name(*endpoint)) : text_or_null(id));
  set("endpoint_id", text_or_null(id));
  set("endpoint_display_name", is_known ? text_or_null(endpoint->display_name) : json::value());
  set("local_user", nullptr);
  set("local_user_status", id.empty() ? json::value() : json::value("NO_PERMISSION"));
  set("base_path", nullptr);
  set("host_endpoint_id", nullptr);
  set("host_endpoint", nullptr);
  set("host_endpoint_display_name", nullptr);
  set("host_path", nullptr);
  set("mapped_collection_id", nullptr);
  set("mapped_collection_display_name", nullptr);
}

void add_counts(json::object& document, const Task& task) {
  const tasks::Counts& counts = task.counts;
  document["files"] = counts.files;
  document["directories"] = counts.directories;
  document["symlinks"] = counts.symlinks;
  document["files_skipped"] = counts.files_skipped;
  document["files_transferred"] = counts.files_transferred;
  document["bytes_transferred"] = counts.bytes_transferred;
  document["bytes_checksummed"] = counts.bytes_checksummed;
  document["effective_bytes_per_second"] =
      static_cast<std::uint64_t>(std::max(0.0, task.bytes_per_second));
  document["faults"] = counts.faults;
}

// Subtasks are files, one each; before the first is found, one stands for the work to come.
void add_subtasks(json::object& document, const Task& task) {
  const tasks::Counts& counts = task.counts;
  const bool is_transfer = task.type == TaskType::kTransfer;
  const std::uint64_t succeeded =
      is_transfer ? counts.files_transferred + counts.files_skipped : counts.removed;
  const std::uint64_t settled = succeeded + counts.skipped_errors + counts.files_failed;
  const bool has_ended = tasks::is_final(task.state);
  const std::uint64_t found = std::max(counts.files, settled);
  const std::uint64_t total = has_ended ? found : std::max<std::uint64_t>(found, 1);
  const std::uint64_t left = total - settled;
  const std::string fatal = task.fatal_error ? task.fatal_error->code : std::string();
  const bool is_lost = has_ended && task.cut_short;
  const bool is_canceled = is_lost && fatal == "CANCELED";
  const bool is_expired = is_lost && fatal == "EXPIRED";
  const bool is_failed = is_lost && !is_canceled && !is_expired;
  document["subtasks_total"] = total;
  document["subtasks_pending"] = has_ended ? 0 : left;
  document["subtasks_retrying"] = 0;
  // A finished task that was not cut short settled all that it found, also what is counted nowhere.
  document["subtasks_succeeded"] = has_ended && !is_lost ? succeeded + left : succeeded;
  document["subtasks_expired"] = is_expired ? left : 0;
  document["subtasks_canceled"] = is_canceled ? left : 0;
  document["subtasks_failed"] = counts.files_failed + (is_failed ? left : 0);
  document["subtasks_skipped_errors"] = counts.skipped_errors;
}

// "PERMISSION_DENIED" is told to people as "permission denied".
std::string described(std::string_view code) {
  if (code == "OK" || code == "Queued") return std::string(code);
  std::string words(code);
  for (char& c : words) {
    if (c == '_') c = ' ';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return words;
}

void add_status(json::object& document, const Task& task) {
  const bool has_ended = tasks::is_final(task.state);
  const std::string status = task.nice_status.empty() ? "OK" : task.nice_status;
  const bool is_well = task.state == TaskState::kActive && (status == "OK" || status == "Queued");
  document["is_ok"] = has_ended ? json::value() : json::value(is_well);
  document["is_paused"] = task.is_paused && !has_ended;
  document["nice_status"] = has_ended ? json::value() : text_or_null(status);
  document["nice_status_short_description"] =
      has_ended ? json::value() : text_or_null(described(status));
  document["nice_status_details"] =
      has_ended ? json::value() : text_or_null(task.nice_status_details);
  document["nice_status_expires_in"] = has_ended ? json::value() : json::value(-1);
  document["fatal_error"] = nullptr;
  if (task.fatal_error) {
    document["fatal_error"] = {{"code", json_text(task.fatal_error->code)},
                               {"description", json_text(task.fatal_error->description)}};
  }
  const bool by_admin = task.canceled_by_admin != tasks::AdminSide::kNone;
  document["canceled_by_admin"] =
      by_admin ? text_or_null(to_string(task.canceled_by_admin)) : json::value();
  document["canceled_by_admin_message"] =
      by_admin ? text_or_null(task.admin_message) : json::value();
}

// Rows hold the path's bytes, with the leading slash.
json::string row_path(std::string_view path) { return json::string(escape_bytes(path)); }

}  // namespace

json::object filter_rule_document(const engine::FilterRule& rule) {
  using Rule = engine::FilterRule;
  json::object document{{"DATA_TYPE", "filter_rule"},
                        {"method", rule.method == Rule::Method::kInclude ? "include" : "exclude"},
                        {"name", escape_bytes(rule.pattern)}};
  if (rule.applies == Rule::Applies::kFiles) document["type"] = "file";
  if (rule.applies == Rule::Applies::kDirectories) document["type"] = "dir";
  return document;
}

json::value sync_level_number(engine::SyncLevel level) {
  if (level == engine::SyncLevel::kAlways) return nullptr;
  return static_cast<int>(level) - static_cast<int>(engine::SyncLevel::kMissing);
}

std::string_view task_type_name(TaskType type) {
  return type == TaskType::kTransfer ? "TRANSFER" : "DELETE";
}

json::object task_document(const Task& task, const TaskView& view) {
  const bool has_completed = tasks::is_final(task.state) && task.completed;
  json::object document{
      {"DATA_TYPE", "task"},
      {"task_id", task.id},
      {"type", task_type_name(task.type)},
      {"status", to_string(task.state)},
      {"label", text_or_null(task.label)},
      {"owner_id", json_text(task.owner)},
      {"username", json_text(service_username(task.owner))},
      {"request_time", format_time(task.requested)},
      {"completion_time",
       has_completed ? json::value(json::string(format_time(*task.completed))) : json::value()},
      {"deadline", format_time(task.deadline)},
  };
  document.reserve(80);  // for what follows, at once
  add_side(document, "source", task.source_endpoint, view.source);
  add_side(document, "destination", task.target_endpoint, view.target);
  add_request(document, task);
  add_counts(document, task);
  add_subtasks(document, task);
  add_status(document, task);
  return document;
}

json::object event_document(const tasks::Event& event) {
  return {{"DATA_TYPE", "event"},
          {"code", json_text(event.code)},
          {"description", json_text(event.description)},
          {"details", json_text(event.details)},
          {"is_error", event.is_error},
          {"time", format_time(event.time)}};
}

json::object successful_transfer_document(const tasks::SuccessfulTransfer& row) {
  return {{"DATA_TYPE", "successful_transfer"},
          {"source_path", row_path(row.source_path)},
          {"destination_path", row_path(row.target_path)},
          {"size", row.size},
          {"checksum", text_or_null(row.checksum)},
          {"checksum_algorithm",
           row.checksum.empty() ? json::value() : json::value(to_string(HashAlgorithm::kXxh3_128))},
          {"dynamic", false}};
}

json::object skipped_error_document(const tasks::ItemError& row) {
  return {{"DATA_TYPE", "skipped_error"},
          {"error_code", json_text(row.code)},
          {"error_details", json_text(row.details)},
          {"error_time", format_time(row.time)},
          {"source_path", row_path(row.source_path)},
          {"destination_path", row_path(row.target_path)},
          {"is_directory", row.is_directory},
          {"is_symlink", false},
          {"is_delete_destination_extra", false},
          {"external_checksum", nullptr},
          {"checksum_algorithm", nullptr}};
}

json::object offset_list(std::string_view type, json::array data, OffsetPage page) {
  const std::uint64_t length = data.size();
  if (length == 0) page.total = std::min(page.total, page.offset);
  return {{"DATA_TYPE", type},   {"DATA", std::move(data)}, {"length", length},
          {"limit", page.limit}, {"offset", page.offset},   {"total", page.total}};
}

json::object marker_list(std::string_view type, json::array data, std::uint64_t marker,
                         std::optional<std::uint64_t> next) {
  return {{"DATA_TYPE", type},
          {"marker", marker},
          {"next_marker", next ? json::value(*next) : json::value()},
          {"DATA", std::move(data)}};
}

json::object whole_list(std::string_view type, json::array data) {
  const std::uint64_t length = data.size();
  return {{"DATA_TYPE", type}, {"length", length}, {"DATA", std::move(data)}};
}

}  // namespace wherry::api
