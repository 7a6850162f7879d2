// SPDX-License-Identifier: Apache-2.0
// Tasks: what was asked, how far it is, how it ended. The names and meanings of the Globus Transfer
// contract, as C++ types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/types.h"
#include "endpoints/endpoint.h"
#include "engine/types.h"
#include "tasks/state.h"

namespace wherry::tasks {

using TaskId = std::string;        // a UUID in lower case
using SubmissionId = std::string;  // a UUID that the client chose or asked for
using endpoints::EndpointId;

enum class TaskType { kTransfer, kDelete };

inline constexpr std::size_t kMaxItems = 100'000;        // of one request
inline constexpr std::size_t kMaxLabelCharacters = 128;  // UTF-8 code points

struct TransferRequest {
  SubmissionId submission_id;
  std::string owner;
  EndpointId source_endpoint;
  EndpointId target_endpoint;
  std::string label;
  // Default: 24 hours from now; to an endpoint with a daily quota, 30 days.
  std::optional<TimePoint> deadline;
  engine::TransferOptions options;
  std::vector<engine::TransferItem> items;
};

struct DeleteRequest {
  SubmissionId submission_id;
  std::string owner;
  EndpointId endpoint;
  std::string label;
  std::optional<TimePoint> deadline;
  engine::DeleteOptions options;
  std::vector<engine::DeleteItem> items;
};

struct Submitted {
  TaskId task_id;
  enum class Kind { kAccepted, kDuplicate } kind = Kind::kAccepted;
};

// Whose endpoint somebody looks after who interferes with a task.
enum class AdminSide { kNone, kSource, kTarget, kBoth };
std::string_view to_string(AdminSide side);  // "SOURCE", "DESTINATION", "BOTH"; empty for none

struct Counts {
  std::uint64_t files = 0;  // found so far
  std::uint64_t directories = 0;
  std::uint64_t symlinks = 0;
  std::uint64_t files_transferred = 0;
  std::uint64_t files_skipped = 0;  // up to date or ignored
  std::uint64_t skipped_errors = 0;
  std::uint64_t files_failed = 0;
  std::uint64_t removed = 0;
  ByteCount bytes = 0;  // found so far
  ByteCount bytes_transferred = 0;
  ByteCount bytes_checksummed = 0;
  std::uint64_t faults = 0;
};

struct TaskError {
  std::string code;  // of the contract: FILE_NOT_FOUND, PERMISSION_DENIED, CANCELED, EXPIRED, …
  std::string description;
  friend bool operator==(const TaskError&, const TaskError&) = default;
};

struct Task {
  TaskId id;
  TaskType type = TaskType::kTransfer;
  TaskState state = TaskState::kActive;
  std::string owner;
  SubmissionId submission_id;
  std::string label;
  EndpointId source_endpoint;  // of a delete: the endpoint
  EndpointId target_endpoint;  // empty for a delete
  engine::TransferOptions transfer_options;
  engine::DeleteOptions delete_options;
  TimePoint requested;
  TimePoint deadline;
  std::optional<TimePoint> completed;
  std::uint64_t item_count = 0;
  Counts counts;
  double bytes_per_second = 0;  // since work began
  std::string nice_status;      // "Queued", "OK" or the code of the trouble; empty when ended
  std::string nice_status_details;
  std::optional<TaskError> fatal_error;  // of a failed task
  // It failed before every operation had its outcome: canceled, expired, or for the fatal error.
  bool cut_short = false;
  bool cancel_requested = false;
  // While active: held back by a pause rule or by somebody who looks after an endpoint. Its
  // nice_status is PAUSED then.
  bool is_paused = false;
  AdminSide canceled_by_admin = AdminSide::kNone;
  std::string admin_message = {};         // of who paused or cancelled it so
  std::optional<ProcessIdentity> holder;  // the process that runs it, if any
  std::string current_file;               // last known, while active
};

// What tasks can be ordered by.
enum class TaskColumn { kId, kState, kType, kLabel, kRequested, kCompleted };
struct TaskOrder {
  TaskColumn column = TaskColumn::kRequested;
  bool is_descending = false;
};

// As what a task uses an endpoint. That of a delete is its source.
enum class EndpointUse { kEither, kSource, kTarget };

struct TaskFilter {
  std::optional<std::string> owner;
  std::vector<TaskId> ids;
  std::vector<TaskState> states;
  std::vector<TaskType> types;
  std::string label_glob;  // fnmatch; empty matches all
  std::optional<TimePoint> requested_after;
  std::optional<TimePoint> requested_before;
  std::optional<TimePoint> completed_after;
  std::optional<TimePoint> completed_before;
  std::vector<EndpointId> endpoints;  // on one of these; empty: on any
  EndpointUse endpoint_use = EndpointUse::kEither;
  std::vector<TaskOrder> order;  // empty: newest request first
  std::size_t limit = 1000;
  std::size_t offset = 0;
};

struct TaskChange {
  std::optional<std::string> label;
  std::optional<TimePoint> deadline;
};

struct Event {
  TimePoint time;
  std::string code;  // STARTED, SUCCEEDED, CANCELED, PERMISSION_DENIED, …
  std::string description;
  std::string details;
  bool is_error = false;
};

// A file that was moved and verified.
struct SuccessfulTransfer {
  std::uint64_t item = 0;   // ordinal in the request
  std::string source_path;  // absolute within its endpoint
  std::string target_path;
  ByteCount size = 0;
  std::string checksum;  // XXH3-128 hex
};

// An operation that did not happen: a source error that was to be skipped, or a failure of one
// file.
struct ItemError {
  std::uint64_t item = 0;
  std::string source_path;
  std::string target_path;
  std::string code;     // of the contract
  std::string details;  // the whole message
  TimePoint time;
  bool is_directory = false;
  bool skipped = false;  // under skip_source_errors
};

// One page of a list that is read by marker; `next` is empty at the end.
template <class T>
struct Page {
  std::vector<T> rows;
  std::optional<std::uint64_t> next;
};

struct FileInfo {
  std::string name;
  storage::Attributes attributes;  // of the link's target, when it can be reached
  bool is_link = false;
  bool link_is_broken = false;
  std::string link_target;
  std::string user;  // empty when unknown
  std::string group;
  // Of the link itself, if it is one.
  storage::Attributes link_attributes = {};
  std::string link_user = {};
  std::string link_group = {};
};

}  // namespace wherry::tasks
