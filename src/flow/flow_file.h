// SPDX-License-Identifier: Apache-2.0
// Flows as YAML files: tasks that move, delete and compute, in the order of their needs.
// docs/formats/flow-file.md describes the form. A flow that is read is valid: names are known,
// nothing waits for itself, and no deletion can meet a transfer of the same files halfway.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "engine/types.h"
#include "flow/data_tasks.h"
#include "flow/expression.h"

namespace wherry::flow {

inline constexpr ByteCount kMaxFlowFileBytes = ByteCount{1} << 20;
inline constexpr std::size_t kMaxFlowTasks = 1'000;
inline constexpr std::size_t kMaxForeachItems = 100'000;
inline constexpr Duration kDefaultTaskTimeout = std::chrono::hours(24);
inline constexpr std::string_view kDefaultExecutor = "local";

// ---- what a task does. Places are "ENDPOINT:/path", or paths of this machine.

struct TransferWork {
  TextTemplate source;
  TextTemplate target;
  bool recursive = false;
  engine::TransferOptions options;
};

struct DeleteWork {
  TextTemplate path;
  bool recursive = false;
  // Only what transfers that it needs have moved, verified by checksum, and nobody changed since.
  bool only_verified = false;
};

struct CommandWork {
  std::string script;  // each {{ expression }} becomes one word of sh, or as many as a list has
  std::vector<Expression> expressions;  // of the script, in order
  std::vector<std::string> executors;   // one of them, each in its turn
  TextTemplate directory;               // empty: that of the flow
  std::vector<std::pair<std::string, TextTemplate>> environment;
  std::optional<Duration> walltime;
  std::vector<std::string> outputs;  // that it writes into the file $WHERRY_OUTPUTS
};

// ---- tasks

struct Need {
  std::string task;
  bool each = false;  // "task.each": of the same item alone

  friend bool operator==(const Need&, const Need&) = default;
};

struct Foreach {
  std::string variable = "item";
  std::variant<Expression, std::vector<TextTemplate>> items;
};

struct FlowTask {
  std::string name;
  int line = 1;  // of the file
  std::string description;
  std::vector<Need> needs;  // those that are written, and those whose results are mentioned
  std::optional<Foreach> foreach;
  std::optional<Expression> when;
  Duration timeout = kDefaultTaskTimeout;  // of one attempt; of a command, also its wait for room
  OnTimeout on_timeout = OnTimeout::kCancel;
  int retries = 0;
  Duration retry_delay = std::chrono::seconds(10);
  std::variant<TransferWork, DeleteWork, CommandWork> work;
};

enum class WorkKind { kTransfer, kDelete, kCommand };
WorkKind kind_of(const FlowTask& task);
std::string_view to_string(WorkKind kind);  // "transfer", "delete", "command"

// ---- flows

struct FlowParameter {
  std::string name;
  std::string help;
  std::optional<Value> default_value;  // a text or a list; nothing: it must be given
};

struct Flow {
  std::string name;
  std::string description;
  std::vector<FlowParameter> parameters;
  TextTemplate directory;  // where commands run and relative paths count from; empty: of the file
  std::vector<FlowTask> tasks;  // in the order of the file

  const FlowTask* find(std::string_view task) const;
};

using ParameterValues = std::map<std::string, Value, std::less<>>;

// `name` is what the flow is called if the text does not say (the file's name without its
// extension). kInvalid names line and key, and the nearest known one of a slip.
Result<Flow> parse_flow(std::string_view yaml, std::string_view name);
// A commented file with every key.
std::string sample_flow();

// "name=value" words as typed; a list has one for each element. Adds the defaults. kInvalid for an
// unknown name, one that is missing, or a second value of what is no list.
Result<ParameterValues> bind_parameters(const Flow& flow, const std::vector<std::string>& given);

// The items of a foreach. kInvalid: it gives no list, too long a list, or one item twice.
Result<TextList> foreach_items(const Foreach& foreach, const Lookup& lookup);
// Whether they are known only when other tasks are done.
bool mentions_results(const Foreach& foreach);

// What the name may be asked for of a task of that kind: "files" of a transfer.
std::vector<std::string> result_names(const FlowTask& task);

}  // namespace wherry::flow
