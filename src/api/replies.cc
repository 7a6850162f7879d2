// SPDX-License-Identifier: Apache-2.0
#include "api/replies.h"

#include <boost/json.hpp>
#include <charconv>

#include "api/json.h"
#include "api/paths.h"
#include "api/requests.h"

namespace wherry::api {
namespace {

namespace json = boost::json;

// What is wrong in an answer is the service's fault, not a bad request of ours.
Error corrupt(Error error) {
  error.code = Code::kCorrupt;
  error.retry = Retry::kNever;
  return std::move(error).with_context("the answer of the service");
}

template <class T>
Result<T> as_answer(Result<T> read) {
  if (!read) return corrupt(std::move(read).error());
  return read;
}

template <class T, class Read>
Result<std::vector<T>> read_rows(const Members& members, const Read& read) {
  TRY_ASSIGN(const json::array* data, members.array("DATA"));
  if (data == nullptr) return members.error("DATA", "is missing");
  std::vector<T> rows;
  rows.reserve(data->size());
  for (std::size_t i = 0; i < data->size(); ++i) {
    TRY_ASSIGN(const json::object* object, object_at(*data, i, "DATA"));
    TRY_ASSIGN(T row, read(Members(*object, fmt::format("row {}", i + 1))));
    rows.push_back(std::move(row));
  }
  return rows;
}

template <class T, class Read>
Result<OffsetRows<T>> read_offset_rows(const json::object& document, const Read& read) {
  const Members members(document);
  OffsetRows<T> list;
  TRY_ASSIGN(list.rows, (read_rows<T>(members, read)));
  list.total = list.rows.size();
  TRY(members.get("total", list.total));
  return list;
}

template <class T, class Read>
Result<tasks::Page<T>> read_page(const json::object& document, const Read& read) {
  const Members members(document);
  tasks::Page<T> page;
  TRY_ASSIGN(page.rows, (read_rows<T>(members, read)));
  TRY(members.get("next_marker", page.next));
  return page;
}

Result<void> get_bytes(const Members& members, std::string_view name, std::string& out) {
  TRY(members.get(name, out));
  out = decode_bytes(out);
  return {};
}

Result<void> get_counts(const Members& members, tasks::Task& task) {
  tasks::Counts& counts = task.counts;
  TRY(members.get("files", counts.files));
  TRY(members.get("directories", counts.directories));
  TRY(members.get("symlinks", counts.symlinks));
  TRY(members.get("files_transferred", counts.files_transferred));
  TRY(members.get("files_skipped", counts.files_skipped));
  TRY(members.get("bytes_transferred", counts.bytes_transferred));
  TRY(members.get("bytes_checksummed", counts.bytes_checksummed));
  TRY(members.get("faults", counts.faults));
  TRY(members.get("subtasks_skipped_errors", counts.skipped_errors));
  TRY(members.get("subtasks_failed", counts.files_failed));
  if (task.type == tasks::TaskType::kDelete) TRY(members.get("subtasks_succeeded", counts.removed));
  std::uint64_t bytes_per_second = 0;
  TRY(members.get("effective_bytes_per_second", bytes_per_second));
  task.bytes_per_second = static_cast<double>(bytes_per_second);
  return {};
}

Result<void> get_options(const Members& members, engine::TransferOptions& options) {
  std::optional<std::uint64_t> level;
  TRY(members.get("sync_level", level));
  if (level && *level <= 3) {
    options.sync_level = static_cast<engine::SyncLevel>(
        *level + static_cast<std::uint64_t>(engine::SyncLevel::kMissing));
  }
  bool verify = true;
  TRY(members.get("verify_checksum", verify));
  options.verify = verify ? engine::Verify::kChecksum : engine::Verify::kSize;
  TRY(members.get("preserve_timestamp", options.preserve_mtime));
  TRY(members.get("delete_destination_extra", options.delete_extra));
  TRY(members.get("skip_source_errors", options.skip_source_errors));
  TRY(members.get("fail_on_quota_errors", options.fail_on_quota_errors));
  std::string symlinks;
  TRY(members.get("recursive_symlinks", symlinks));
  if (const auto policy = engine::parse_symlink_policy(symlinks)) options.symlinks = *policy;
  return {};
}

Result<void> get_state(const Members& members, tasks::Task& task) {
  std::string status;
  TRY(members.require("status", status));
  const auto state = tasks::parse_task_state(status);
  if (!state) return members.error("status", fmt::format("is '{}', which is unknown", status));
  task.state = *state;
  TRY(members.get("nice_status", task.nice_status));
  TRY(members.get("nice_status_details", task.nice_status_details));
  TRY_ASSIGN(const json::object* fatal, members.object("fatal_error"));
  if (fatal == nullptr) return {};
  const Members error(*fatal, "fatal_error");
  task.fatal_error.emplace();
  TRY(error.get("code", task.fatal_error->code));
  TRY(error.get("description", task.fatal_error->description));
  task.cut_short = task.state == tasks::TaskState::kFailed;
  return {};
}

Result<tasks::Task> task_of(const Members& members) {
  tasks::Task task;
  TRY(members.require("task_id", task.id));
  std::string type;
  TRY(members.require("type", type));
  if (type != "TRANSFER" && type != "DELETE")
    return members.error("type", fmt::format("is '{}', which is unknown", type));
  task.type = type == "DELETE" ? tasks::TaskType::kDelete : tasks::TaskType::kTransfer;
  TRY(get_state(members, task));
  TRY(members.get("owner_id", task.owner));
  TRY(members.get("label", task.label));
  TRY(members.get("source_endpoint_id", task.source_endpoint));
  TRY(members.get("destination_endpoint_id", task.target_endpoint));
  TRY(members.get("request_time", task.requested));
  TRY(members.get("deadline", task.deadline));
  TRY(members.get("completion_time", task.completed));
  TRY(get_options(members, task.transfer_options));
  TRY(get_counts(members, task));
  return task;
}

Result<tasks::Event> event_of(const Members& members) {
  tasks::Event event;
  TRY(members.require("code", event.code));
  TRY(members.require("time", event.time));
  TRY(members.get("description", event.description));
  TRY(members.get("details", event.details));
  TRY(members.get("is_error", event.is_error));
  return event;
}

Result<tasks::SuccessfulTransfer> success_of(const Members& members) {
  tasks::SuccessfulTransfer row;
  row.item = kUnknownItem;
  TRY(get_bytes(members, "source_path", row.source_path));
  TRY(get_bytes(members, "destination_path", row.target_path));
  TRY(members.get("size", row.size));
  std::string algorithm;
  TRY(members.get("checksum_algorithm", algorithm));
  if (algorithm == to_string(HashAlgorithm::kXxh3_128)) TRY(members.get("checksum", row.checksum));
  return row;
}

Result<tasks::ItemError> item_error_of(const Members& members) {
  tasks::ItemError row;
  row.item = kUnknownItem;
  row.skipped = true;
  TRY(get_bytes(members, "source_path", row.source_path));
  TRY(get_bytes(members, "destination_path", row.target_path));
  TRY(members.get("error_code", row.code));
  TRY(members.get("error_details", row.details));
  TRY(members.get("error_time", row.time));
  TRY(members.get("is_directory", row.is_directory));
  return row;
}

EntryType file_type(std::string_view type) {
  if (type == "file") return EntryType::kFile;
  if (type == "dir") return EntryType::kDirectory;
  return type == "invalid_symlink" ? EntryType::kSymlink : EntryType::kOther;
}

Result<void> get_permissions(const Members& members, std::uint32_t& mode) {
  constexpr int kOctal = 8;
  std::string text;
  TRY(members.get("permissions", text));
  if (text.empty()) return {};
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, mode, kOctal);
  if (parsed.ec != std::errc() || parsed.ptr != end || mode > 07777)
    return members.error("permissions", "are not four octal digits");
  return {};
}

Result<void> get_link(const Members& members, tasks::FileInfo& file) {
  file.link_is_broken = file.attributes.type == EntryType::kSymlink;
  file.is_link = file.link_is_broken || members.has("link_target");
  if (!file.is_link) return {};
  file.link_attributes.type = EntryType::kSymlink;
  TRY(get_bytes(members, "link_target", file.link_target));
  TRY(members.get("link_size", file.link_attributes.size));
  TRY(members.get("link_last_modified", file.link_attributes.mtime));
  TRY(members.get("link_user", file.link_user));
  return members.get("link_group", file.link_group);
}

Result<tasks::FileInfo> file_of(const Members& members) {
  tasks::FileInfo file;
  std::string type;
  TRY(members.require("name", file.name));
  file.name = decode_bytes(file.name);
  TRY(members.require("type", type));
  file.attributes.type = file_type(type);
  TRY(members.get("size", file.attributes.size));
  TRY(members.get("last_modified", file.attributes.mtime));
  TRY(get_permissions(members, file.attributes.mode));
  TRY(members.get("user", file.user));
  TRY(members.get("group", file.group));
  TRY(get_link(members, file));
  return file;
}

// A name in a listing becomes part of a path: a service must not lead out of the directory.
Result<tasks::FileInfo> listed_file_of(const Members& members) {
  TRY_ASSIGN(tasks::FileInfo file, file_of(members));
  const auto path = RelPath::parse(file.name);
  if (path && path->text() == file.name && !path->is_root() && path->parent().is_root())
    return file;
  return members.error("name", fmt::format("'{}' is no file name", escape_bytes(file.name)));
}

Result<endpoints::Endpoint> endpoint_of(const Members& members) {
  endpoints::Endpoint endpoint;
  TRY(members.require("id", endpoint.id));
  TRY(members.get("display_name", endpoint.display_name));
  if (endpoint.display_name.empty()) TRY(members.get("canonical_name", endpoint.display_name));
  TRY(members.get("owner_id", endpoint.owner));
  TRY(members.get("description", endpoint.description));
  TRY(members.get("organization", endpoint.organization));
  TRY(members.get("requires_data_access", endpoint.requires_data_access));
  TRY(get_bytes(members, "default_directory", endpoint.default_directory));
  std::string keywords;
  TRY(members.get("keywords", keywords));
  endpoint.keywords = split_keywords(keywords);
  return endpoint;
}

}  // namespace

Result<tasks::SubmissionId> read_submission_id(const json::object& document) {
  tasks::SubmissionId id;
  const auto read = Members(document).require("value", id);
  if (!read) return corrupt(read.error());
  return id;
}

Result<tasks::Submitted> read_submitted(const json::object& document) {
  const Members members(document);
  const auto read = [&]() -> Result<tasks::Submitted> {
    tasks::Submitted submitted;
    std::string code;
    TRY(members.require("task_id", submitted.task_id));
    TRY(members.get("code", code));
    if (code == "Duplicate") submitted.kind = tasks::Submitted::Kind::kDuplicate;
    return submitted;
  };
  return as_answer(read());
}

Result<tasks::Task> read_task(const json::object& document) {
  return as_answer(task_of(Members(document)));
}

Result<OffsetRows<tasks::Task>> read_task_list(const json::object& document) {
  return as_answer(read_offset_rows<tasks::Task>(document, task_of));
}

Result<OffsetRows<tasks::Event>> read_event_list(const json::object& document) {
  return as_answer(read_offset_rows<tasks::Event>(document, event_of));
}

Result<tasks::Page<tasks::SuccessfulTransfer>> read_successful_transfers(
    const json::object& document) {
  return as_answer(read_page<tasks::SuccessfulTransfer>(document, success_of));
}

Result<tasks::Page<tasks::ItemError>> read_skipped_errors(const json::object& document) {
  return as_answer(read_page<tasks::ItemError>(document, item_error_of));
}

Result<tasks::FileInfo> read_file_info(const json::object& document) {
  return as_answer(file_of(Members(document)));
}

Result<OffsetRows<tasks::FileInfo>> read_file_list(const json::object& document) {
  return as_answer(read_offset_rows<tasks::FileInfo>(document, listed_file_of));
}

Result<endpoints::Endpoint> read_endpoint(const json::object& document) {
  return as_answer(endpoint_of(Members(document)));
}

Result<EndpointRows> read_endpoint_list(const json::object& document) {
  const Members members(document);
  const auto read = [&]() -> Result<EndpointRows> {
    EndpointRows list;
    TRY_ASSIGN(list.rows, (read_rows<endpoints::Endpoint>(members, endpoint_of)));
    TRY(members.get("has_next_page", list.has_next_page));
    return list;
  };
  return as_answer(read());
}

}  // namespace wherry::api
