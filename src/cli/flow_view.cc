// SPDX-License-Identifier: Apache-2.0
#include "cli/flow_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "app/wherry.h"
#include "base/path.h"
#include "base/text.h"
#include "base/units.h"

namespace wherry::cli {
namespace {

using flow::Node;
using flow::NodeState;
using flow::NodeView;

std::uint64_t number_of(const flow::Results& results, std::string_view name) {
  std::uint64_t number = 0;
  const auto found = results.find(name);
  if (found != results.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  return number;
}

std::string files_text(std::uint64_t files, ByteCount bytes) {
  return fmt::format("{} file{}, {}", files, files == 1 ? "" : "s", format_bytes(bytes));
}

std::string progress_of(const NodeView& view) {
  if (view.files_found == 0 && view.bytes == 0) return "";
  return fmt::format("{} of {} files, {} of {}", view.files, view.files_found,
                     format_bytes(view.bytes), format_bytes(view.bytes_found));
}

Duration time_of(const Node& node, TimePoint now) {
  if (!node.started) return Duration(0);
  return std::max(Duration(0), node.ended.value_or(now) - *node.started);
}

// How many items are in which state: "12 succeeded, 3 running".
std::string items_text(std::span<const NodeView> views, const std::string& task) {
  std::map<NodeState, std::size_t> counts;
  for (const NodeView& view : views)
    if (view.node.kind == Node::Kind::kItem && view.node.task == task) ++counts[view.node.state];
  std::string text;
  for (const auto& [state, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, lower_case(to_string(state)));
  return text;
}

std::string cut(std::string line, std::size_t width) {
  if (width == 0 || line.size() <= width) return line;
  std::size_t end = width < 3 ? 0 : width - 3;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;
  return line.substr(0, end) + "...";
}

std::string tree_line(std::span<const NodeView> views, const NodeView& view, std::size_t name_width,
                      TimePoint now) {
  const Node& node = view.node;
  const bool is_item = node.kind == Node::Kind::kItem;
  std::string told = flow_node_text(node);
  if (node.kind == Node::Kind::kGroup && told.empty()) told = items_text(views, node.task);
  if (node.state == NodeState::kRunning && node.kind != Node::Kind::kGroup && told.empty())
    told = progress_of(view);
  std::string time;
  if (node.kind != Node::Kind::kGroup && node.started) time = format_duration(time_of(node, now));
  return printable(fmt::format("{:<{}}  {:<9}  {:<8}  {}",
                               (is_item ? "  " + escape_bytes(node.item) : node.task), name_width,
                               lower_case(to_string(node.state)), time, told));
}

// Which lines say most, where not all fit: the lower, the sooner.
int urgency(const Node& node) {
  switch (node.state) {
    case NodeState::kRunning:
      return node.kind == Node::Kind::kItem ? 2 : 0;
    case NodeState::kFailed:
      return 1;
    case NodeState::kWaiting:
      return node.kind == Node::Kind::kItem ? 6 : 3;
    case NodeState::kBlocked:
    case NodeState::kCancelled:
      return node.kind == Node::Kind::kItem ? 7 : 4;
    case NodeState::kSkipped:
    case NodeState::kSucceeded:
      return node.kind == Node::Kind::kItem ? 8 : 5;
  }
  return 9;
}

// Items come after the task that they are of.
std::vector<const NodeView*> in_tree_order(std::span<const NodeView> views) {
  std::vector<const NodeView*> order;
  std::map<std::string, std::vector<const NodeView*>> items;
  for (const NodeView& view : views)
    if (view.node.kind == Node::Kind::kItem) items[view.node.task].push_back(&view);
  for (const NodeView& view : views) {
    if (view.node.kind == Node::Kind::kItem) continue;
    order.push_back(&view);
    const auto& below = items[view.node.task];
    order.insert(order.end(), below.begin(), below.end());
  }
  return order;
}

}  // namespace

void tell_flow_change(std::ostream& err, const Node& node) {
  const std::string told = flow_node_text(node);
  err << printable(fmt::format("{}: {}{}{}", node.name(), to_string(node.state),
                               told.empty() ? "" : ": ", told))
      << '\n'
      << std::flush;
}

std::string resume_command(const flow::RunRecord& run, std::string_view file) {
  const std::string service =
      app::Wherry::is_embedded(run.service) ? "" : " --service " + run.service;
  return fmt::format("wherry flow run {} --resume{}", escape_bytes(file), service);
}

std::string run_state_text(const flow::RunRecord& run, bool is_held) {
  if (run.state == flow::RunState::kRunning && !is_held) return "INTERRUPTED";
  return std::string(to_string(run.state));
}

std::string flow_node_text(const Node& node) {
  if (!node.reason.empty()) return node.reason;
  if (node.state != NodeState::kSucceeded) return "";
  if (node.results.count("files") > 0)
    return files_text(number_of(node.results, "files"), number_of(node.results, "bytes"));
  if (const auto path = node.results.find("path"); path != node.results.end())
    return "deleted " + escape_bytes(path->second);
  std::string text;
  for (const auto& [name, value] : node.results) {
    if (name == "stdout") continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, escape_bytes(value));
  }
  return text;
}

std::vector<Column> flow_run_columns() {
  return {{"run", "Run"},
          {"flow", "Flow"},
          {"state", "State"},
          {"created", "Begun"},
          {"ended", "Ended"},
          {"file", "File", Shown::kNotInText},
          {"service", "Service", Shown::kNotInText}};
}

std::vector<Value> flow_run_row(const flow::RunRecord& run, bool is_held) {
  return {static_cast<std::uint64_t>(run.id),
          run.name,
          run_state_text(run, is_held),
          run.created,
          run.ended ? Value(*run.ended) : Value(),
          Bytes{run.file},
          run.service};
}

Record flow_run_record(const flow::RunRecord& run, bool is_held, std::span<const Node> nodes) {
  // Of a task with items, these count, once they are known.
  std::set<std::string_view> with_items;
  for (const Node& node : nodes)
    if (node.kind == Node::Kind::kItem) with_items.insert(node.task);
  std::map<NodeState, std::uint64_t> counts;
  for (const Node& node : nodes)
    if (node.kind != Node::Kind::kGroup || with_items.count(node.task) == 0) ++counts[node.state];
  Tally tally;
  for (const auto& [state, count] : counts)
    tally.counts.emplace_back(lower_case(to_string(state)), count);
  Pairs parameters;
  for (const auto& [name, value] : run.parameters) {
    const auto* list = std::get_if<flow::TextList>(&value);
    parameters.pairs[name] =
        list == nullptr ? flow::text_of(value).value() : fmt::format("{}", fmt::join(*list, ", "));
  }
  return {"flow_run",
          {{"run", "Run", static_cast<std::uint64_t>(run.id)},
           {"flow", "Flow", run.name},
           {"state", "State", run_state_text(run, is_held)},
           {"tasks", "Tasks", std::move(tally)},
           {"params", "Parameters", std::move(parameters), shown_if(!run.parameters.empty())},
           {"file", "File", Bytes{run.file}},
           {"service", "Service", run.service, shown_if(!app::Wherry::is_embedded(run.service))},
           {"created", "Begun", run.created},
           {"ended", "Ended", run.ended ? Value(*run.ended) : Value(),
            shown_if(run.ended.has_value())}}};
}

std::vector<Column> flow_node_columns() {
  return {{"task", "Task"},
          {"state", "State"},
          {"attempts", "Attempts", Shown::kNotInText},
          {"seconds", "Time"},
          {"note", "What it came to"},
          {"results", "Results", Shown::kNotInText},
          {"task_id", "Task ID", Shown::kNotInText},
          {"name", "Name", Shown::kNotInText},
          {"item", "Item", Shown::kNotInText},
          {"run", "Run", Shown::kNotInText}};
}

std::vector<Value> flow_node_row(const flow::RunRecord& run, bool is_held, const Node& node,
                                 TimePoint now) {
  const bool is_left = node.state == NodeState::kRunning && !is_held;
  Pairs results;
  for (const auto& [name, value] : node.results) results.pairs[name] = escape_bytes(value);
  return {node.name(),
          std::string(to_string(node.state)),
          static_cast<std::uint64_t>(node.attempt),
          node.started && !is_left ? Value(Span{time_of(node, now)}) : Value(),
          is_left && node.kind != Node::Kind::kGroup ? "interrupted; --resume takes it up"
                                                     : flow_node_text(node),
          std::move(results),
          text_or_nothing(node.task_id),
          node.task,
          node.kind == Node::Kind::kItem ? Value(Bytes{node.item}) : Value(),
          static_cast<std::uint64_t>(run.id)};
}

std::vector<std::string> flow_tree(std::span<const NodeView> views, const TreeLimits& limits,
                                   TimePoint now) {
  constexpr std::size_t kWidestName = 32;
  std::vector<const NodeView*> shown = in_tree_order(views);
  std::size_t hidden = 0;
  if (shown.size() > limits.lines) {
    std::vector<const NodeView*> by_urgency = shown;
    std::stable_sort(
        by_urgency.begin(), by_urgency.end(),
        [](const NodeView* a, const NodeView* b) { return urgency(a->node) < urgency(b->node); });
    const std::size_t room = limits.lines > 0 ? limits.lines - 1 : 0;
    hidden = shown.size() - room;
    by_urgency.resize(room);
    std::sort(by_urgency.begin(), by_urgency.end());
    std::vector<const NodeView*> kept;
    for (const NodeView* view : shown)
      if (std::binary_search(by_urgency.begin(), by_urgency.end(), view)) kept.push_back(view);
    shown = std::move(kept);
  }
  std::size_t name_width = 0;
  for (const NodeView* view : shown) {
    const bool is_item = view->node.kind == Node::Kind::kItem;
    name_width =
        std::max(name_width, is_item ? view->node.item.size() + 2 : view->node.task.size());
  }
  name_width = std::min(name_width, kWidestName);
  std::vector<std::string> lines;
  for (const NodeView* view : shown)
    lines.push_back(cut(tree_line(views, *view, name_width, now), limits.width));
  if (hidden > 0) lines.push_back(cut(fmt::format("and {} more", hidden), limits.width));
  return lines;
}

void TreeDrawing::update(std::span<const NodeView> views, TimePoint now) {
  TreeLimits limits;
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && size.ws_row > 2) {
    // The last column stays free: writing into it makes some terminals begin a new line.
    limits = {size.ws_col - 1u, size.ws_row - 2u};
  }
  const std::vector<std::string> lines = flow_tree(views, limits, now);
  std::string drawing = drawn_ > 0 ? fmt::format("\x1b[{}A\r\x1b[J", drawn_) : "\r\x1b[J";
  for (const std::string& line : lines) drawing += line + "\n";
  err_ << drawing << std::flush;
  drawn_ = lines.size();
}

void TreeDrawing::clear() {
  if (drawn_ > 0) err_ << fmt::format("\x1b[{}A\r\x1b[J", drawn_) << std::flush;
  drawn_ = 0;
}

}  // namespace wherry::cli
