// SPDX-License-Identifier: Apache-2.0
#include "flow/graph.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/options.h"
#include "base/path.h"

namespace wherry::flow {
namespace {

// ---- order

Result<std::size_t> find_need(const Flow& flow, const FlowTask& task, const std::string& name) {
  const FlowTask* const found = flow.find(name);
  if (found != nullptr) return static_cast<std::size_t>(found - flow.tasks.data());
  std::vector<std::string> known;
  for (const FlowTask& each : flow.tasks) known.push_back(each.name);
  const auto meant = nearest(name, known);
  return make_error(Code::kInvalid, "line {}: task '{}' needs '{}', and there is no such task{}",
                    task.line, task.name, escape_bytes(name),
                    meant ? fmt::format("; did you mean '{}'?", *meant) : "");
}

// Walks depth first; what is met again before it was left closes a circle.
class Orderer {
 public:
  Orderer(const Flow& flow, Graph& graph)
      : flow_(flow), graph_(graph), states_(flow.tasks.size(), State::kNew) {}

  Result<void> run() {
    graph_.rank.assign(flow_.tasks.size(), 0);
    for (std::size_t task = 0; task < flow_.tasks.size(); ++task) TRY(visit(task));
    return {};
  }

 private:
  enum class State { kNew, kOpen, kDone };
  struct Step {
    std::size_t task;
    std::size_t next = 0;  // of its needs
  };

  // Without recursion: a chain may be as long as a file allows.
  Result<void> visit(std::size_t first) {
    if (states_[first] == State::kDone) return {};
    path_ = {{first}};
    states_[first] = State::kOpen;
    while (!path_.empty()) {
      Step& step = path_.back();
      const auto& needs = graph_.needs[step.task];
      if (step.next == needs.size()) {
        leave(step.task);
        continue;
      }
      const std::size_t need = needs[step.next++].task;
      if (states_[need] == State::kOpen) return circle(need);
      if (states_[need] == State::kDone) continue;
      states_[need] = State::kOpen;
      path_.push_back({need});
    }
    return {};
  }

  void leave(std::size_t task) {
    for (const Graph::Edge& edge : graph_.needs[task])
      graph_.rank[task] = std::max(graph_.rank[task], graph_.rank[edge.task] + 1);
    states_[task] = State::kDone;
    graph_.order.push_back(task);
    path_.pop_back();
  }

  Error circle(std::size_t task) const {
    std::vector<std::string> names;
    auto step = std::find_if(path_.begin(), path_.end(),
                             [&](const Step& each) { return each.task == task; });
    for (; step != path_.end(); ++step) names.push_back(flow_.tasks[step->task].name);
    names.push_back(flow_.tasks[task].name);
    return make_error(Code::kInvalid, "line {}: these tasks wait for each other: {}",
                      flow_.tasks[task].line, fmt::join(names, " needs "));
  }

  const Flow& flow_;
  Graph& graph_;
  std::vector<State> states_;
  std::vector<Step> path_;
};

// In graph.order, so that what is followed is known.
Result<void> find_items(const Flow& flow, Graph& graph) {
  graph.items_of.assign(flow.tasks.size(), std::nullopt);
  for (const std::size_t at : graph.order) {
    const FlowTask& task = flow.tasks[at];
    if (task.foreach) graph.items_of[at] = at;
    for (const Graph::Edge& edge : graph.needs[at]) {
      if (!edge.each) continue;
      const std::string& other = flow.tasks[edge.task].name;
      const auto followed = graph.items_of[edge.task];
      if (!followed)
        return make_error(Code::kInvalid,
                          "line {}: task '{}' needs '{}.each', but '{}' has no foreach", task.line,
                          task.name, other, other);
      if (task.foreach)
        return make_error(Code::kInvalid,
                          "line {}: task '{}' has a foreach of its own and cannot follow the items "
                          "of '{}' as well: leave out one of the two",
                          task.line, task.name, other);
      if (graph.items_of[at] && graph.items_of[at] != followed)
        return make_error(
            Code::kInvalid, "line {}: task '{}' cannot follow the items of '{}' and of '{}'",
            task.line, task.name, flow.tasks[*graph.items_of[at]].name, flow.tasks[*followed].name);
      graph.items_of[at] = followed;
    }
  }
  return {};
}

void find_all_before(Graph& graph) {
  const std::size_t count = graph.needs.size();
  graph.before.assign(count, std::vector<bool>(count));
  for (const std::size_t task : graph.order) {
    for (const Graph::Edge& edge : graph.needs[task]) {
      graph.before[task][edge.task] = true;
      for (std::size_t other = 0; other < count; ++other)
        if (graph.before[edge.task][other]) graph.before[task][other] = true;
    }
  }
}

// ---- pictures

std::string dot_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string xml_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (c == '"') {
      escaped += "&quot;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

struct Look {
  std::string_view fill;
  std::string_view line;
};
Look look_of(WorkKind kind) {
  switch (kind) {
    case WorkKind::kTransfer:
      return {"#dbeafe", "#1d4ed8"};
    case WorkKind::kDelete:
      return {"#fee2e2", "#b91c1c"};
    case WorkKind::kCommand:
      return {"#dcfce7", "#15803d"};
  }
  return {};
}

std::string first_line(const std::string& text) {
  constexpr std::size_t kMaxLine = 40;
  const std::size_t begin = std::min(text.find_first_not_of(" \t\n"), text.size());
  std::string line = escape_bytes(text.substr(begin, text.find('\n', begin) - begin));
  if (line.size() <= kMaxLine) return line;
  std::size_t end = kMaxLine - 3;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;
  return line.substr(0, end) + "...";
}

// What a task does, in the second line of its box.
std::string told(const FlowTask& task) {
  if (const auto* transfer = std::get_if<TransferWork>(&task.work))
    return first_line("to " + transfer->target.text());
  if (const auto* removal = std::get_if<DeleteWork>(&task.work))
    return first_line(removal->path.text());
  return first_line(std::get<CommandWork>(task.work).script);
}

std::string titled(const Flow& flow, const Graph& graph, std::size_t task) {
  const auto items_of = graph.items_of[task];
  if (!items_of) return flow.tasks[task].name;
  return fmt::format("{} [{}]", flow.tasks[task].name, flow.tasks[*items_of].foreach->variable);
}

// Boxes in columns, from left to right; a column holds the tasks of one rank.
struct Box {
  double x = 0, y = 0;
};
constexpr double kBoxHeight = 46, kGapX = 64, kGapY = 20, kMargin = 16, kCharacter = 7.3;

class Picture {
 public:
  Picture(const Flow& flow, const Graph& graph)
      : flow_(flow), graph_(graph), boxes_(flow.tasks.size()) {
    place();
  }

  std::string draw() const {
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<title>{2}</title>\n"
        "<defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" "
        "markerHeight=\"8\" orient=\"auto\"><path d=\"M0,0L8,4L0,8z\" fill=\"#64748b\"/></marker>"
        "</defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        width_, height_, xml_text(escape_bytes(flow_.name)));
    for (std::size_t task = 0; task < boxes_.size(); ++task) {
      for (const Graph::Edge& edge : graph_.needs[task]) svg += arrow(edge, task);
    }
    for (std::size_t task = 0; task < boxes_.size(); ++task) svg += box(task);
    return svg + "</svg>\n";
  }

 private:
  void place() {
    std::size_t longest = 8;
    std::vector<std::size_t> filled;
    for (std::size_t task = 0; task < boxes_.size(); ++task) {
      longest =
          std::max({longest, titled(flow_, graph_, task).size(), told(flow_.tasks[task]).size()});
      const std::size_t column = graph_.rank[task];
      if (filled.size() <= column) filled.resize(column + 1);
      boxes_[task].y = static_cast<double>(filled[column]++);
      boxes_[task].x = static_cast<double>(column);
    }
    box_width_ = static_cast<double>(longest) * kCharacter + 20;
    const std::size_t rows = filled.empty() ? 1 : *std::max_element(filled.begin(), filled.end());
    const double tallest = static_cast<double>(rows);
    for (Box& box : boxes_) {
      const double free = tallest - static_cast<double>(filled[static_cast<std::size_t>(box.x)]);
      box.y = kMargin + (box.y + free / 2) * (kBoxHeight + kGapY);
      box.x = kMargin + box.x * (box_width_ + kGapX);
    }
    const double columns = static_cast<double>(std::max<std::size_t>(filled.size(), 1));
    width_ = 2 * kMargin + columns * box_width_ + (columns - 1) * kGapX;
    height_ = 2 * kMargin + tallest * kBoxHeight + (tallest - 1) * kGapY;
  }

  std::string arrow(const Graph::Edge& edge, std::size_t task) const {
    const Box &from = boxes_[edge.task], &to = boxes_[task];
    const double x1 = from.x + box_width_, y1 = from.y + kBoxHeight / 2;
    const double x2 = to.x, y2 = to.y + kBoxHeight / 2;
    return fmt::format(
        "<path d=\"M{:.1f},{:.1f}C{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}\" fill=\"none\" "
        "stroke=\"#64748b\"{} marker-end=\"url(#end)\"/>\n",
        x1, y1, x1 + kGapX / 2, y1, x2 - kGapX / 2, y2, x2, y2,
        edge.each ? " stroke-dasharray=\"5 3\"" : "");
  }

  std::string box(std::size_t task) const {
    const Box& box = boxes_[task];
    const WorkKind kind = kind_of(flow_.tasks[task]);
    const Look look = look_of(kind);
    return fmt::format(
        "<g><title>{}</title><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
        "rx=\"6\" fill=\"{}\" stroke=\"{}\"/><text x=\"{:.1f}\" y=\"{:.1f}\" "
        "font-weight=\"bold\">{}</text><text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"#475569\">{}</text>"
        "</g>\n",
        to_string(kind), box.x, box.y, box_width_, kBoxHeight, look.fill, look.line, box.x + 10,
        box.y + 19, xml_text(titled(flow_, graph_, task)), box.x + 10, box.y + 36,
        xml_text(told(flow_.tasks[task])));
  }

  const Flow& flow_;
  const Graph& graph_;
  std::vector<Box> boxes_;
  double box_width_ = 0, width_ = 0, height_ = 0;
};

}  // namespace

Result<Graph> make_graph(const Flow& flow) {
  Graph graph;
  for (const FlowTask& task : flow.tasks) {
    std::vector<Graph::Edge>& edges = graph.needs.emplace_back();
    for (const Need& need : task.needs) {
      TRY_ASSIGN(const std::size_t found, find_need(flow, task, need.task));
      edges.push_back({found, need.each});
    }
  }
  TRY(Orderer(flow, graph).run());
  TRY(find_items(flow, graph));
  find_all_before(graph);
  return graph;
}

std::string to_dot(const Flow& flow, const Graph& graph) {
  std::string dot = fmt::format(
      "digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=\"rounded,"
      "filled\", fontname=\"sans-serif\"];\n",
      dot_quoted(escape_bytes(flow.name)));
  for (std::size_t task = 0; task < flow.tasks.size(); ++task) {
    const Look look = look_of(kind_of(flow.tasks[task]));
    dot += fmt::format("  {} [label={}, fillcolor=\"{}\", color=\"{}\"];\n",
                       dot_quoted(flow.tasks[task].name), dot_quoted(titled(flow, graph, task)),
                       look.fill, look.line);
  }
  for (std::size_t task = 0; task < flow.tasks.size(); ++task) {
    for (const Graph::Edge& edge : graph.needs[task])
      dot += fmt::format("  {} -> {}{};\n", dot_quoted(flow.tasks[edge.task].name),
                         dot_quoted(flow.tasks[task].name), edge.each ? " [style=dashed]" : "");
  }
  return dot + "}\n";
}

std::string to_svg(const Flow& flow, const Graph& graph) { return Picture(flow, graph).draw(); }

}  // namespace wherry::flow
