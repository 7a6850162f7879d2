// SPDX-License-Identifier: Apache-2.0
// The tasks of a flow in the order of their needs, and as a picture.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "flow/flow_file.h"

namespace wherry::flow {

// Tasks by their place in Flow::tasks.
struct Graph {
  struct Edge {
    std::size_t task;
    bool each = false;
  };
  std::vector<std::vector<Edge>> needs;
  std::vector<std::size_t> order;  // needs first; otherwise as in the file
  std::vector<std::size_t> rank;   // how many tasks stand before it in the longest chain
  // The task whose foreach gives its items: itself, or the one that it follows by ".each".
  std::vector<std::optional<std::size_t>> items_of;

  // before[a][b]: a waits for b, directly or through others.
  std::vector<std::vector<bool>> before;
};

// kInvalid: a need that is no task, a circle (all its tasks are named), "each" of a task that has
// no items.
Result<Graph> make_graph(const Flow& flow);

std::string to_dot(const Flow& flow, const Graph& graph);
std::string to_svg(const Flow& flow, const Graph& graph);

}  // namespace wherry::flow
