// SPDX-License-Identifier: Apache-2.0
// Runs of flows as answers of commands, and as a tree while they go on.
#pragma once

#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "cli/output.h"
#include "flow/run.h"

namespace wherry::cli {

// "RUNNING", …; "INTERRUPTED" of one that has not ended and that no process runs.
std::string run_state_text(const flow::RunRecord& run, bool is_held);

std::vector<Column> flow_run_columns();
std::vector<Value> flow_run_row(const flow::RunRecord& run, bool is_held);
// With how many of its tasks are in which state.
Record flow_run_record(const flow::RunRecord& run, bool is_held, std::span<const flow::Node> nodes);

std::vector<Column> flow_node_columns();
std::vector<Value> flow_node_row(const flow::RunRecord& run, bool is_held, const flow::Node& node,
                                 TimePoint now);

// What a node came to, or how far it is: "3 files, 1.2 MiB", "lines=42", or why it is there.
std::string flow_node_text(const flow::Node& node);

// A line for a change, where there is no terminal to draw on.
void tell_flow_change(std::ostream& err, const flow::Node& node);

// What goes on with a run whose file is `file`.
std::string resume_command(const flow::RunRecord& run, std::string_view file);

struct TreeLimits {
  std::size_t width = 80;  // 0: not cut
  std::size_t lines = 20;
};
// A line for each task, its items below it; what goes on and what went wrong first where there is
// no room for all.
std::vector<std::string> flow_tree(std::span<const flow::NodeView> views, const TreeLimits& limits,
                                   TimePoint now);

// Draws a tree over the last one, on a terminal.
class TreeDrawing {
 public:
  explicit TreeDrawing(std::ostream& err) : err_(err) {}
  void update(std::span<const flow::NodeView> views, TimePoint now);
  // Wipes it.
  void clear();

 private:
  std::ostream& err_;
  std::size_t drawn_ = 0;  // lines
};

}  // namespace wherry::cli
