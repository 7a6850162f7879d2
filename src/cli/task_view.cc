// SPDX-License-Identifier: Apache-2.0
#include "cli/task_view.h"

#include "base/clock.h"

namespace wherry::cli {
namespace {

using tasks::Task;
using tasks::TaskState;
using tasks::TaskType;

// The number of the contract; nothing where every file is copied.
Value sync_level(engine::SyncLevel level) {
  if (level == engine::SyncLevel::kAlways) return {};
  return static_cast<std::uint64_t>(level) -
         static_cast<std::uint64_t>(engine::SyncLevel::kMissing);
}

Value holder_of(const Task& task) {
  if (!task.holder) return {};
  return fmt::format("process {} on {}", task.holder->pid, task.holder->host);
}

void add_request(Record& record, const Task& task, EndpointNames& names) {
  auto& fields = record.fields;
  if (task.type == TaskType::kTransfer) {
    fields.push_back({"source_endpoint_display_name", "Source Endpoint",
                      Bytes{names.name(task.source_endpoint)}});
    fields.push_back({"source_endpoint_id", "Source Endpoint ID", task.source_endpoint});
    fields.push_back({"destination_endpoint_display_name", "Destination Endpoint",
                      Bytes{names.name(task.target_endpoint)}});
    fields.push_back({"destination_endpoint_id", "Destination Endpoint ID", task.target_endpoint});
    const engine::TransferOptions& options = task.transfer_options;
    fields.push_back({"sync_level", "Sync Level", sync_level(options.sync_level),
                      shown_if(options.sync_level != engine::SyncLevel::kAlways)});
    fields.push_back({"verify_checksum", "Verify Checksum",
                      options.verify == engine::Verify::kChecksum, Shown::kNotInText});
    fields.push_back(
        {"preserve_timestamp", "Preserve Timestamp", options.preserve_mtime, Shown::kNotInText});
    fields.push_back({"delete_destination_extra", "Delete Destination Extra", options.delete_extra,
                      Shown::kNotInText});
    fields.push_back({"skip_source_errors", "Skip Source Errors", options.skip_source_errors,
                      Shown::kNotInText});
    fields.push_back({"fail_on_quota_errors", "Fail On Quota Errors", options.fail_on_quota_errors,
                      Shown::kNotInText});
    fields.push_back({"recursive_symlinks", "Recursive Symlinks",
                      std::string(to_string(options.symlinks)), Shown::kNotInText});
  } else {
    fields.push_back(
        {"source_endpoint_display_name", "Endpoint", Bytes{names.name(task.source_endpoint)}});
    fields.push_back({"source_endpoint_id", "Endpoint ID", task.source_endpoint});
  }
  fields.push_back({"items", "Items", task.item_count});
  fields.push_back({"submission_id", "Submission ID", task.submission_id, Shown::kNotInText});
}

void add_counts(Record& record, const Task& task) {
  const tasks::Counts& counts = task.counts;
  auto& fields = record.fields;
  fields.push_back({"files", "Files", counts.files});
  fields.push_back({"directories", "Directories", counts.directories});
  fields.push_back({"symlinks", "Symlinks", counts.symlinks, Shown::kNotInText});
  if (task.type == TaskType::kTransfer) {
    fields.push_back({"files_transferred", "Files Transferred", counts.files_transferred});
    fields.push_back({"files_skipped", "Files Skipped", counts.files_skipped});
    fields.push_back({"bytes_transferred", "Bytes Transferred", Size{counts.bytes_transferred}});
    fields.push_back({"bytes_checksummed", "Bytes Checksummed", Size{counts.bytes_checksummed},
                      Shown::kNotInText});
    fields.push_back({"effective_bytes_per_second", "Bytes Per Second",
                      Size{static_cast<ByteCount>(task.bytes_per_second)}});
  }
  fields.push_back({"files_removed", "Removed", counts.removed});
  fields.push_back({"files_failed", "Files Failed", counts.files_failed});
  fields.push_back({"subtasks_skipped_errors", "Skipped Errors", counts.skipped_errors});
  fields.push_back({"faults", "Faults", counts.faults});
}

}  // namespace

std::string EndpointNames::name(const tasks::EndpointId& id) {
  if (id.empty()) return "";
  const auto known = known_.find(id);
  if (known != known_.end()) return known->second;
  const auto endpoint = service_.endpoint(id);
  return known_.emplace(id, endpoint ? endpoint->display_name : id).first->second;
}

std::string_view type_name(TaskType type) {
  return type == TaskType::kTransfer ? "TRANSFER" : "DELETE";
}

Record task_record(const Task& task, EndpointNames& names) {
  Record record{"task",
                {{"label", "Label", text_or_nothing(task.label)},
                 {"task_id", "Task ID", task.id},
                 {"type", "Type", std::string(type_name(task.type))},
                 {"status", "Status", std::string(to_string(task.state))},
                 {"owner", "Owner", task.owner, Shown::kNotInText},
                 {"request_time", "Request Time", task.requested}}};
  auto& fields = record.fields;
  if (tasks::is_final(task.state)) {
    fields.push_back(
        {"completion_time", "Completion Time", task.completed ? Value(*task.completed) : Value()});
  } else {
    fields.push_back({"completion_time", "Completion Time", Value(), Shown::kNotInText});
  }
  fields.push_back({"deadline", "Deadline", task.deadline, shown_if(!tasks::is_final(task.state))});
  fields.push_back({"nice_status", "Details", text_or_nothing(task.nice_status),
                    shown_if(!task.nice_status.empty())});
  fields.push_back({"nice_status_details", "More", text_or_nothing(task.nice_status_details),
                    shown_if(!task.nice_status_details.empty())});
  fields.push_back({"fatal_error_code", "Error",
                    task.fatal_error ? Value(task.fatal_error->code) : Value(),
                    shown_if(task.fatal_error.has_value())});
  fields.push_back({"fatal_error_description", "Error Description",
                    task.fatal_error ? Value(task.fatal_error->description) : Value(),
                    shown_if(task.fatal_error.has_value())});
  fields.push_back({"holder", "Run By", holder_of(task), shown_if(task.holder.has_value())});
  add_request(record, task, names);
  add_counts(record, task);
  return record;
}

Record task_summary(const Task& task, EndpointNames& names) {
  Record record = task_record(task, names);
  const auto is_nought = [](const Value& value) {
    const auto* number = std::get_if<std::uint64_t>(&value);
    return number != nullptr && *number == 0;
  };
  for (Field& field : record.fields) {
    const bool is_count = field.key.starts_with("files_") || field.key.starts_with("subtasks_") ||
                          field.key == "faults";
    const bool is_told = field.key == "task_id" || field.key == "status" ||
                         field.key == "bytes_transferred" ||
                         field.key == "effective_bytes_per_second" ||
                         field.key == "fatal_error_code" || (is_count && !is_nought(field.value));
    if (!is_told) field.shown = Shown::kNotInText;
  }
  return record;
}

std::vector<Column> task_columns() {
  return {{"task_id", "Task ID"},
          {"status", "Status"},
          {"type", "Type"},
          {"source_endpoint_display_name", "Source Display Name"},
          {"destination_endpoint_display_name", "Dest Display Name"},
          {"label", "Label"},
          {"request_time", "Request Time", Shown::kNotInText},
          {"completion_time", "Completion Time", Shown::kNotInText},
          {"files", "Files", Shown::kNotInText},
          {"files_transferred", "Files Transferred", Shown::kNotInText},
          {"files_failed", "Files Failed", Shown::kNotInText},
          {"bytes_transferred", "Bytes Transferred", Shown::kNotInText}};
}

std::vector<Value> task_row(const Task& task, EndpointNames& names) {
  return {task.id,
          std::string(to_string(task.state)),
          std::string(type_name(task.type)),
          Bytes{names.name(task.source_endpoint)},
          Bytes{names.name(task.target_endpoint)},
          task.label,
          task.requested,
          task.completed ? Value(*task.completed) : Value(),
          task.counts.files,
          task.counts.files_transferred,
          task.counts.files_failed,
          Size{task.counts.bytes_transferred}};
}

}  // namespace wherry::cli
