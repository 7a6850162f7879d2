// SPDX-License-Identifier: Apache-2.0
// Runs of flows in the state database. What is to be done is stored before it is done, and each
// submission's id with the place of every transfer in it before it is sent: whoever takes up a run
// after a crash knows what may have happened.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/result.h"
#include "flow/flow_file.h"
#include "tasks/types.h"

namespace wherry::flow {

using RunId = std::int64_t;   // from 1; never used again
using NodeId = std::int64_t;  // likewise
using Results = std::map<std::string, std::string, std::less<>>;

enum class NodeState {
  kWaiting,    // for what it needs, or for its next attempt
  kRunning,    // of a task with items: they are known
  kSucceeded,  // with proof
  kFailed,     // every attempt
  kBlocked,    // something that it needs failed: it will not start
  kSkipped,    // its `when` is false, its list is empty, or what it needs was skipped
  kCancelled,
};
inline constexpr std::size_t kNodeStateCount = 7;
std::string_view to_string(NodeState state);  // "WAITING", …
Result<NodeState> parse_node_state(std::string_view text);
bool is_settled(NodeState state);  // neither waiting nor running

enum class RunState { kRunning, kSucceeded, kFailed, kCancelled };
std::string_view to_string(RunState state);
Result<RunState> parse_run_state(std::string_view text);

// One task of a run; of a task with items, one for the whole and one for each item.
struct Node {
  NodeId id = 0;
  std::string task;
  enum class Kind { kSingle, kGroup, kItem } kind = Kind::kSingle;
  std::int64_t index = -1;  // of an item, in its list
  std::string item;         // its text
  NodeState state = NodeState::kWaiting;
  std::string reason;  // why it is there, for people
  int attempt = 0;     // counts on, also when a run is resumed
  // Of the attempt: what is asked for (request.h), and where.
  std::string request;
  tasks::SubmissionId submission_id;
  tasks::TaskId task_id;
  Results results;  // of one that succeeded
  std::optional<TimePoint> started;
  std::optional<TimePoint> ended;

  std::string name() const;  // "stage", "stage[a.tif]"
};

struct RunRecord {
  RunId id = 0;
  std::string uuid;  // tells its keys from those of every other state directory
  std::string name;  // of the flow
  std::string file;
  std::string directory;  // of the file: what relative paths count from
  std::string text;       // of the file, as it is run
  ParameterValues parameters;
  std::string service;  // "local", or as the setting names it
  RunState state = RunState::kRunning;
  TimePoint created;
  std::optional<TimePoint> ended;
  bool cancel_requested = false;
};

// A transfer or removal in a submission.
struct SubmissionMember {
  NodeId node = 0;
  int attempt = 0;
  std::string request;
};
struct RunSubmission {
  tasks::SubmissionId id;
  std::vector<SubmissionMember> members;  // in the order of its items
};

// Safe for concurrent calls. The database is migrated with flow_migrations(); it outlives this.
class Store {
 public:
  explicit Store(Database& database) : database_(database) {}

  // Both get their ids.
  Result<RunRecord> create(RunRecord run, std::vector<Node>& nodes);
  Result<RunRecord> run(RunId id);  // kNotFound
  // The newest of that name.
  Result<std::optional<RunRecord>> latest(std::string_view name);
  Result<std::vector<RunRecord>> runs(std::size_t limit);  // newest first
  // Another text of the file, for a run that is resumed; clears the wish to cancel it.
  Result<void> reopen(RunId id, const std::string& text);
  Result<void> finish(RunId id, RunState state, TimePoint ended);
  // kConflict if it has ended.
  Result<void> request_cancel(RunId id);
  Result<bool> is_cancel_requested(RunId id);
  Result<void> remove(RunId id);

  Result<std::vector<Node>> nodes(RunId id);  // in the order in which they were made
  // Nodes without an id are new, and get one. All or none. Which submission an attempt travels in
  // is what record_submission() says; another attempt has none yet.
  Result<void> save(RunId id, std::span<Node* const> nodes);
  Result<void> remove_nodes(RunId id, std::span<const NodeId> nodes);

  // The nodes' requests as they are stored, in that order, each in its place of the submission.
  Result<void> record_submission(RunId id, const tasks::SubmissionId& submission,
                                 std::span<const NodeId> nodes);
  // In the order in which they were recorded.
  Result<std::vector<RunSubmission>> submissions(RunId id);

 private:
  Database& database_;
};

std::span<const Migration> flow_migrations();

}  // namespace wherry::flow
