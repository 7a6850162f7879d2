// SPDX-License-Identifier: Apache-2.0
// Flow files, and the runs that commands name.
#pragma once

#include <string>
#include <string_view>

#include "cli/command.h"
#include "flow/flow_file.h"
#include "flow/graph.h"
#include "flow/store.h"

namespace wherry::flow {
struct RunParts;
}

namespace wherry::cli {

struct FlowText {
  std::string text;
  std::string file;       // absolute
  std::string directory;  // of it
  std::string name;       // without directory and extension
};
Result<FlowText> read_flow_text(const std::string& file);

struct CheckedFlow {
  flow::Flow flow;
  flow::Graph graph;
};
// Errors (kInvalid) begin with the file.
Result<CheckedFlow> check_flow_text(const FlowText& text);
// kInvalid: a task names an executor that the settings do not have.
Result<void> check_flow_executors(const flow::Flow& flow, app::Wherry& wherry);

// A run by its number, or the newest of the flow of that name; of an empty text, the newest of all.
Result<flow::RunRecord> find_flow_run(app::Wherry& wherry, const std::string& text);
// Whether a process that is not known to be dead runs it.
Result<bool> is_flow_run_held(app::Wherry& wherry, flow::RunId id);
// What a run goes on with, at the service that it began with.
Result<flow::RunParts> flow_run_parts(app::Wherry& wherry, const flow::RunRecord& run);

PositionalSpec flow_file_positional();
OptionSpec flow_param_option();

}  // namespace wherry::cli
