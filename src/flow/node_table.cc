// SPDX-License-Identifier: Apache-2.0
#include "flow/node_table.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/path.h"

namespace wherry::flow {
namespace {

std::string_view fate_of(NodeState state) {
  switch (state) {
    case NodeState::kFailed:
      return "failed";
    case NodeState::kBlocked:
      return "is blocked";
    case NodeState::kSkipped:
      return "was skipped";
    case NodeState::kCancelled:
      return "was cancelled";
    case NodeState::kWaiting:
    case NodeState::kRunning:
    case NodeState::kSucceeded:
      break;
  }
  return "is not done";
}

// As before its first attempt, but for the number of attempts.
void wait_again(Node& node) {
  node.state = NodeState::kWaiting;
  node.reason.clear();
  node.ended.reset();
}

bool is_bad(NodeState state) {
  return state == NodeState::kFailed || state == NodeState::kBlocked ||
         state == NodeState::kCancelled;
}

bool was_touched(const Node& node) {
  return node.state == NodeState::kSucceeded || node.state == NodeState::kRunning;
}

}  // namespace

NodeTable::NodeTable(const Flow& flow, const Graph& graph)
    : flow_(flow), graph_(graph), tasks_(flow.tasks.size()) {
  for (std::size_t place = 0; place < graph_.order.size(); ++place) {
    const std::size_t task = graph_.order[place];
    tasks_[task].order = place;
    for (const Graph::Edge& need : graph_.needs[task])
      tasks_[need.task].needed_by.push_back({task, need.each});
  }
}

std::size_t NodeTable::add(std::size_t task, Node node) {
  const std::size_t at = nodes_.size();
  TaskNodes& nodes = tasks_[task];
  if (node.kind == Node::Kind::kItem) {
    places_.push_back({task, nodes.items.size()});
    nodes.items.push_back(at);
  } else {
    places_.push_back({task, std::nullopt});
    nodes.whole = at;
  }
  const NodeState state = node.state;
  nodes_.push_back(std::move(node));
  count(at, state, true);
  make_due(at);
  return at;
}

// ---- what is due

// Keeps the sums; `is_there`: the node has that state now, else it had it.
void NodeTable::count(std::size_t at, NodeState state, bool is_there) {
  const auto add_to = [is_there](std::size_t& sum) { is_there ? ++sum : --sum; };
  if (!is_settled(state)) add_to(unsettled_);
  if (!item_of(at)) return;
  TaskNodes& nodes = tasks_[task_of(at)];
  add_to(nodes.counts[static_cast<std::size_t>(state)]);
  const auto keep_in = [&](std::set<std::size_t>& set) {
    if (is_there) {
      set.insert(at);
    } else {
      set.erase(at);
    }
  };
  if (is_bad(state)) keep_in(nodes.bad);
  if (state == NodeState::kSkipped) keep_in(nodes.skipped);
}

void NodeTable::make_due(std::size_t at) { due_.emplace(tasks_[task_of(at)].order, at); }

std::optional<std::size_t> NodeTable::take_due() {
  if (due_.empty()) return std::nullopt;
  const std::size_t at = due_.begin()->second;
  due_.erase(due_.begin());
  return at;
}

void NodeTable::set_state(std::size_t at, NodeState state) {
  const std::size_t task = task_of(at);
  const auto item = item_of(at);
  const Sum before = sum_of_items(task);
  count(at, nodes_[at].state, false);
  nodes_[at].state = state;
  count(at, state, true);
  const Sum after = sum_of_items(task);
  if (item) {
    make_due(whole(task));
  } else if (is_expanded(task)) {
    return;  // its items are what others look at
  }
  // Those who need all of it are not told of each item, of which they may have as many.
  const bool is_told_to_all =
      !item || !after.is_waiting || (before.bad == nullptr) != (after.bad == nullptr);
  for (const Graph::Edge& other : tasks_[task].needed_by) {
    if (!is_expanded(other.task)) {
      make_due(whole(other.task));
    } else if (other.each) {
      if (item) make_due(items(other.task)[*item]);
    } else if (is_told_to_all) {
      for (const std::size_t each : items(other.task)) make_due(each);
    }
  }
}

// ---- nodes

Result<std::vector<NodeId>> NodeTable::adopt(std::vector<Node> stored) {
  // Items that nobody has begun with are found anew: the list may be another one now.
  std::vector<bool> keeps_items(flow_.tasks.size());
  const auto place_of = [this](const Node& node) -> std::optional<std::size_t> {
    const FlowTask* const task = flow_.find(node.task);
    if (task == nullptr) return std::nullopt;
    const auto place = static_cast<std::size_t>(task - flow_.tasks.data());
    const bool is_single = node.kind == Node::Kind::kSingle;
    return is_single == graph_.items_of[place].has_value() ? std::nullopt : std::optional(place);
  };
  for (const Node& node : stored) {
    const auto task = place_of(node);
    if (task && node.kind == Node::Kind::kItem && was_touched(node))
      keeps_items[*graph_.items_of[*task]] = true;
  }
  std::vector<NodeId> gone;
  for (Node& node : stored) {
    const auto task = place_of(node);
    const bool stays =
        task && (node.kind != Node::Kind::kItem || keeps_items[*graph_.items_of[*task]]);
    if (!stays) {
      if (node.state == NodeState::kRunning && node.kind != Node::Kind::kGroup)
        return make_error(Code::kConflict,
                          "'{}' was under way when the run ended, and the file no longer has it: "
                          "put it back, or cancel the run",
                          node.name());
      gone.push_back(node.id);
      continue;
    }
    if (node.kind == Node::Kind::kGroup) {
      const bool is_known = keeps_items[*graph_.items_of[*task]];
      wait_again(node);
      if (is_known) node.state = NodeState::kRunning;  // until its items say otherwise
    } else if (!was_touched(node)) {
      wait_again(node);
    }
    add(*task, std::move(node));
  }
  for (std::size_t task = 0; task < tasks_.size(); ++task) {
    if (!is_expanded(task) || has_items_of(*graph_.items_of[task], task)) continue;
    return make_error(Code::kConflict,
                      "'{}' has begun with other items than the file gives it now: begin a new run",
                      flow_.tasks[task].name);
  }
  return gone;
}

bool NodeTable::has_items_of(std::size_t root, std::size_t task) const {
  const auto same = [this](std::size_t a, std::size_t b) {
    return nodes_[a].item == nodes_[b].item;
  };
  return std::equal(items(root).begin(), items(root).end(), items(task).begin(), items(task).end(),
                    same);
}

std::vector<std::size_t> NodeTable::add_missing() {
  std::vector<std::size_t> added;
  for (std::size_t task = 0; task < tasks_.size(); ++task) {
    if (tasks_[task].whole != SIZE_MAX) continue;
    Node node;
    node.task = flow_.tasks[task].name;
    node.kind = has_items(task) ? Node::Kind::kGroup : Node::Kind::kSingle;
    added.push_back(add(task, std::move(node)));
  }
  // A task that is new follows the items that are known already.
  for (std::size_t task = 0; task < tasks_.size(); ++task) {
    const auto root = graph_.items_of[task];
    if (!root || is_expanded(task) || !is_expanded(*root)) continue;
    TextList texts;
    for (const std::size_t item : items(*root)) texts.push_back(nodes_[item].item);
    for (const std::size_t changed : expand(task, texts)) added.push_back(changed);
  }
  return added;
}

std::vector<std::size_t> NodeTable::expand(std::size_t first, const TextList& texts) {
  std::vector<std::size_t> changed;
  for (std::size_t task = 0; task < tasks_.size(); ++task) {
    if ((task != first && graph_.items_of[task] != first) || is_expanded(task)) continue;
    for (std::size_t index = 0; index < texts.size(); ++index) {
      Node node;
      node.task = flow_.tasks[task].name;
      node.kind = Node::Kind::kItem;
      node.index = static_cast<std::int64_t>(index);
      node.item = texts[index];
      changed.push_back(add(task, std::move(node)));
    }
    set_state(whole(task), NodeState::kRunning);
    changed.push_back(whole(task));
  }
  return changed;
}

NodeTable::Sum NodeTable::sum_of(const Graph::Edge& need, std::optional<std::size_t> item) const {
  if (!is_expanded(need.task)) return sum_of_node(whole(need.task));
  if (need.each && item) return sum_of_node(items(need.task)[*item]);
  return sum_of_items(need.task);
}

NodeTable::Sum NodeTable::sum_of_node(std::size_t at) const {
  const Node& node = nodes_[at];
  return {is_bad(node.state) ? &node : nullptr, node.state == NodeState::kSkipped ? &node : nullptr,
          !is_settled(node.state), node.state == NodeState::kSucceeded};
}

NodeTable::Sum NodeTable::sum_of_items(std::size_t task) const {
  const TaskNodes& nodes = tasks_[task];
  const auto has = [&](NodeState state) {
    return nodes.counts[static_cast<std::size_t>(state)] > 0;
  };
  return {nodes.bad.empty() ? nullptr : &nodes_[*nodes.bad.begin()],
          nodes.skipped.empty() ? nullptr : &nodes_[*nodes.skipped.rbegin()],
          has(NodeState::kWaiting) || has(NodeState::kRunning), has(NodeState::kSucceeded)};
}

NodeTable::Verdict NodeTable::verdict(std::size_t task, std::optional<std::size_t> item) const {
  const auto because = [](const Node& node) {
    return fmt::format("needs '{}', which {}", node.name(), fate_of(node.state));
  };
  // A deletion wants all done that it needs: what was skipped may be all that would keep the data.
  const bool is_deletion = kind_of(flow_.tasks[task]) == WorkKind::kDelete;
  Verdict verdict{Verdict::Kind::kGo, ""};
  for (const Graph::Edge& need : graph_.needs[task]) {
    const Sum sum = sum_of(need, item);
    if (sum.bad != nullptr) return {Verdict::Kind::kBlock, because(*sum.bad)};
    if (sum.is_waiting) {
      if (verdict.kind == Verdict::Kind::kGo) verdict = {Verdict::Kind::kWait, ""};
    } else if (sum.skipped != nullptr && (!sum.has_good || is_deletion)) {
      verdict = {Verdict::Kind::kSkip, because(*sum.skipped)};
    }
  }
  return verdict;
}

NodeState NodeTable::state_of_items(std::size_t task) const {
  const Sum sum = sum_of_items(task);
  if (sum.is_waiting) return NodeState::kRunning;
  if (sum.bad == nullptr) return sum.has_good ? NodeState::kSucceeded : NodeState::kSkipped;
  // The worst that an item came to: a failure explains more than what it held up.
  const auto failed = tasks_[task].counts[static_cast<std::size_t>(NodeState::kFailed)];
  return failed > 0 ? NodeState::kFailed : sum.bad->state;
}

bool NodeTable::all_good() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const Node& node) {
    return node.state == NodeState::kSucceeded || node.state == NodeState::kSkipped;
  });
}

Result<Value> NodeTable::look_up(const Name& name, std::size_t task,
                                 std::optional<std::size_t> item, const Values& values) const {
  if (name[0] == "tasks") return result_of(name, task, item);
  if (name[0] == "flow") {
    if (name[1] == "name") return flow_.name;
    if (name[1] == "run") return static_cast<std::int64_t>(values.run);
    return values.directory;
  }
  if (item) {
    const FlowTask& root = flow_.tasks[*graph_.items_of[task]];
    if (name[0] == root.foreach->variable) return nodes_[items(task)[*item]].item;
  }
  const auto found = values.parameters.find(name[0]);
  if (found != values.parameters.end()) return found->second;
  return make_error(Code::kInvalid, "there is no '{}'; the run began without it", name[0]);
}

Result<Value> NodeTable::result_of(const Name& name, std::size_t task,
                                   std::optional<std::size_t> item) const {
  const auto of_node = [&](const Node& node) -> Result<std::string> {
    const auto found = node.results.find(name[2]);
    if (found != node.results.end()) return found->second;
    return make_error(Code::kNotFound, "'{}' has left no '{}'{}", node.name(), name[2],
                      name[2] == "stdout" ? ": it is more than 64 KiB, or no text" : "");
  };
  const FlowTask* const other = flow_.find(name[1]);
  if (other == nullptr) return make_error(Code::kInvalid, "there is no task '{}'", name[1]);
  const auto at = static_cast<std::size_t>(other - flow_.tasks.data());
  if (!is_expanded(at)) {
    TRY_ASSIGN(std::string result, of_node(nodes_[whole(at)]));
    return result;
  }
  const auto& needs = graph_.needs[task];
  const bool follows = std::any_of(needs.begin(), needs.end(), [&](const Graph::Edge& need) {
    return need.task == at && need.each;
  });
  if (follows && item) {
    TRY_ASSIGN(std::string result, of_node(nodes_[items(at)[*item]]));
    return result;
  }
  TextList results;
  for (const std::size_t each : items(at)) {
    if (nodes_[each].state != NodeState::kSucceeded) continue;
    TRY_ASSIGN(results.emplace_back(), of_node(nodes_[each]));
  }
  return results;
}

}  // namespace wherry::flow
