// SPDX-License-Identifier: Apache-2.0
// The nodes of a run by task, and what may be done next: pure, so that it is tested with plain
// data. run.h does it. What may have changed is due to be looked at again, and nothing else: a run
// of many items is not walked through at the end of each.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "flow/graph.h"
#include "flow/store.h"

namespace wherry::flow {

// To be used by one thread. Flow and graph outlive it.
class NodeTable {
 public:
  NodeTable(const Flow& flow, const Graph& graph);

  // Takes the nodes of a run that is taken up: what succeeded and what runs stays, the rest waits
  // again. Answers those whose task the flow no longer has, or whose items are to be found anew.
  // kConflict if one of them runs. Called first.
  Result<std::vector<NodeId>> adopt(std::vector<Node> stored);
  // Makes nodes for tasks that have none. Answers them.
  std::vector<std::size_t> add_missing();

  std::size_t size() const { return nodes_.size(); }
  Node& node(std::size_t at) { return nodes_[at]; }  // its state changes by set_state() alone
  const Node& node(std::size_t at) const { return nodes_[at]; }
  std::size_t task_of(std::size_t node) const { return places_[node].task; }
  // Its place among the items of its task; of another node, nothing.
  std::optional<std::size_t> item_of(std::size_t node) const { return places_[node].item; }
  // The node of a task as a whole.
  std::size_t whole(std::size_t task) const { return tasks_[task].whole; }
  const std::vector<std::size_t>& items(std::size_t task) const { return tasks_[task].items; }
  bool has_items(std::size_t task) const { return graph_.items_of[task].has_value(); }
  bool is_expanded(std::size_t task) const { return !tasks_[task].items.empty(); }

  // The items of a task with a foreach, and of all that follow it. Answers the changed nodes.
  std::vector<std::size_t> expand(std::size_t task, const TextList& items);

  // Makes due what hangs on it: the whole that an item belongs to, and what needs it.
  void set_state(std::size_t at, NodeState state);
  void make_due(std::size_t at);
  // A node that is new, or may have another verdict than when it was last answered; needs first.
  std::optional<std::size_t> take_due();

  struct Verdict {
    enum class Kind { kWait, kGo, kBlock, kSkip } kind = Kind::kWait;
    std::string reason;
  };
  // Whether what a task needs has come: for the task as a whole, or the item at that place.
  Verdict verdict(std::size_t task, std::optional<std::size_t> item) const;
  // Of a task whose items are known, from theirs.
  NodeState state_of_items(std::size_t task) const;
  bool all_settled() const { return unsettled_ == 0; }
  bool all_good() const;  // succeeded or skipped

  // What names mean in a task, or in one of its items.
  struct Values {
    const ParameterValues& parameters;
    RunId run = 0;
    const std::string& directory;
  };
  Result<Value> look_up(const Name& name, std::size_t task, std::optional<std::size_t> item,
                        const Values& values) const;

 private:
  struct TaskNodes {
    std::size_t whole = SIZE_MAX;
    std::vector<std::size_t> items;
    // Of the items.
    std::array<std::size_t, kNodeStateCount> counts{};  // by state
    std::set<std::size_t> bad;
    std::set<std::size_t> skipped;
    std::size_t order = 0;  // its place in Graph::order
    std::vector<Graph::Edge> needed_by = {};
  };
  // What a need is worth, over all its nodes that count.
  struct Sum {
    const Node* bad = nullptr;      // the first
    const Node* skipped = nullptr;  // the last
    bool is_waiting = false;
    bool has_good = false;
  };
  struct Place {
    std::size_t task;
    std::optional<std::size_t> item;
  };

  std::size_t add(std::size_t task, Node node);
  void count(std::size_t at, NodeState state, bool is_there);
  Sum sum_of_items(std::size_t task) const;
  Sum sum_of_node(std::size_t at) const;
  bool has_items_of(std::size_t root, std::size_t task) const;
  Sum sum_of(const Graph::Edge& need, std::optional<std::size_t> item) const;
  Result<Value> result_of(const Name& name, std::size_t task,
                          std::optional<std::size_t> item) const;

  const Flow& flow_;
  const Graph& graph_;
  std::deque<Node> nodes_;  // references stay good
  std::vector<Place> places_;
  std::vector<TaskNodes> tasks_;
  std::size_t unsettled_ = 0;
  std::set<std::pair<std::size_t, std::size_t>> due_;  // by the order of tasks
};

}  // namespace wherry::flow
