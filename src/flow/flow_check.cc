// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_check.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "base/options.h"
#include "base/path.h"
#include "flow/graph.h"

namespace wherry::flow {
namespace {

constexpr std::string_view kFlowFields[] = {"name", "run", "directory"};

// Every name that a task mentions.
std::vector<Name> names_of_work(const FlowTask& task) {
  std::vector<Name> names;
  const auto add = [&](const std::vector<Name>& some) {
    names.insert(names.end(), some.begin(), some.end());
  };
  if (const auto* transfer = std::get_if<TransferWork>(&task.work)) {
    add(transfer->source.names());
    add(transfer->target.names());
  } else if (const auto* removal = std::get_if<DeleteWork>(&task.work)) {
    add(removal->path.names());
  } else {
    const auto& command = std::get<CommandWork>(task.work);
    for (const Expression& expression : command.expressions) add(expression.names());
    for (const auto& variable : command.environment) add(variable.second.names());
    add(command.directory.names());
  }
  if (task.when) add(task.when->names());
  return names;
}

class NameCheck {
 public:
  explicit NameCheck(const Flow& flow) : flow_(flow) {}

  // `item` is the variable of the task's items, empty where there are none.
  Result<void> check(const FlowTask& task, const std::vector<Name>& names,
                     const std::string& item) const {
    for (const Name& name : names) {
      if (const auto checked = check_name(name, item); !checked)
        return make_error(Code::kInvalid, "line {}: task '{}': {}", task.line, task.name,
                          checked.error().message);
    }
    return {};
  }

 private:
  Result<void> check_name(const Name& name, const std::string& item) const {
    if (name[0] == "tasks") return check_result(name);
    if (name[0] == "flow") return check_flow_field(name);
    std::vector<std::string> known;
    if (!item.empty()) known.push_back(item);
    for (const FlowParameter& parameter : flow_.parameters) known.push_back(parameter.name);
    if (name.size() == 1 && std::find(known.begin(), known.end(), name[0]) != known.end())
      return {};
    return make_error(Code::kInvalid, "there is no '{}'{}", fmt::to_string(fmt::join(name, ".")),
                      meant_among(name[0], known));
  }

  Result<void> check_result(const Name& name) const {
    if (name.size() != 3)
      return make_error(Code::kInvalid, "'{}': results are named tasks.TASK.RESULT",
                        fmt::to_string(fmt::join(name, ".")));
    const FlowTask* const task = flow_.find(name[1]);
    if (task == nullptr) {
      std::vector<std::string> known;
      for (const FlowTask& each : flow_.tasks) known.push_back(each.name);
      return make_error(Code::kInvalid, "there is no task '{}'{}", name[1],
                        meant_among(name[1], known));
    }
    const std::vector<std::string> known = result_names(*task);
    if (std::find(known.begin(), known.end(), name[2]) != known.end()) return {};
    return make_error(Code::kInvalid, "the {} '{}' has no '{}'{}", to_string(kind_of(*task)),
                      name[1], name[2], meant_among(name[2], known));
  }

  static Result<void> check_flow_field(const Name& name) {
    const std::vector<std::string> known(std::begin(kFlowFields), std::end(kFlowFields));
    if (name.size() == 2 && std::find(known.begin(), known.end(), name[1]) != known.end())
      return {};
    return make_error(Code::kInvalid, "there is no '{}'; there are flow.{}",
                      fmt::to_string(fmt::join(name, ".")),
                      fmt::to_string(fmt::join(known, ", flow.")));
  }

  const Flow& flow_;
};

// What a task mentions, it needs.
void add_mentioned_needs(FlowTask& task) {
  std::vector<Name> names = names_of_work(task);
  if (task.foreach) {
    const std::vector<Name> some = names_of_items(*task.foreach);
    names.insert(names.end(), some.begin(), some.end());
  }
  for (const Name& name : names) {
    if (name.size() != 3 || name[0] != "tasks") continue;
    const auto same = [&](const Need& need) { return need.task == name[1]; };
    if (std::none_of(task.needs.begin(), task.needs.end(), same))
      task.needs.push_back({name[1], false});
  }
}

// The places of a task as they are compared: with a slash at the end, and placeholders as they are
// written.
struct PlainPlaces {
  std::string source;  // of a deletion, what it deletes
  std::string target;
};

std::string plain_place(const TextTemplate& place) {
  std::string text;
  for (const char c : place.text())
    if (c != ' ' && (c != '/' || !text.ends_with('/'))) text += c;
  return text.ends_with('/') ? text : text + "/";
}

std::vector<PlainPlaces> plain_places(const Flow& flow) {
  std::vector<PlainPlaces> places(flow.tasks.size());
  for (std::size_t at = 0; at < flow.tasks.size(); ++at) {
    if (const auto* transfer = std::get_if<TransferWork>(&flow.tasks[at].work)) {
      places[at] = {plain_place(transfer->source), plain_place(transfer->target)};
    } else if (const auto* removal = std::get_if<DeleteWork>(&flow.tasks[at].work)) {
      places[at].source = plain_place(removal->path);
    }
  }
  return places;
}

// "lab:/a" and "lab:/a/b" are of one tree.
bool is_of_one_tree(const std::string& a, const std::string& b) {
  return a.starts_with(b) || b.starts_with(a);
}

Result<void> check_deletion(const Flow& flow, const Graph& graph,
                            const std::vector<PlainPlaces>& places, std::size_t at) {
  const FlowTask& task = flow.tasks[at];
  const auto* removal = std::get_if<DeleteWork>(&task.work);
  if (removal == nullptr) return {};
  bool follows_transfer = false;
  for (std::size_t other = 0; other < flow.tasks.size(); ++other) {
    if (kind_of(flow.tasks[other]) != WorkKind::kTransfer) continue;
    const bool is_after = graph.before[at][other];
    follows_transfer = follows_transfer || is_after;
    if (is_after || graph.before[other][at]) continue;
    const bool reads = is_of_one_tree(places[at].source, places[other].source);
    if (reads || is_of_one_tree(places[at].source, places[other].target))
      return make_error(
          Code::kInvalid,
          "line {}: task '{}' deletes '{}' while '{}' may still {}: say which one comes first, "
          "with 'needs'",
          task.line, task.name, escape_bytes(removal->path.text()), flow.tasks[other].name,
          reads ? "read it" : "write it");
  }
  if (removal->only_verified && !follows_transfer)
    return make_error(Code::kInvalid,
                      "line {}: task '{}': 'cleanup: verified' deletes what a transfer has copied, "
                      "but it needs no transfer",
                      task.line, task.name);
  return {};
}

}  // namespace

std::vector<Name> names_of_items(const Foreach& foreach) {
  if (const auto* expression = std::get_if<Expression>(&foreach.items)) return expression->names();
  std::vector<Name> names;
  for (const TextTemplate& element : std::get<std::vector<TextTemplate>>(foreach.items)) {
    const std::vector<Name> some = element.names();
    names.insert(names.end(), some.begin(), some.end());
  }
  return names;
}

std::string meant_among(std::string_view name, const std::vector<std::string>& known) {
  const auto meant = nearest(name, known);
  if (meant) return fmt::format("; did you mean '{}'?", *meant);
  return known.empty() ? "" : fmt::format("; there are {}", fmt::join(known, ", "));
}

Result<void> check_flow(Flow& flow) {
  for (FlowTask& task : flow.tasks) add_mentioned_needs(task);
  const NameCheck names(flow);
  for (const FlowTask& task : flow.tasks) {
    if (task.foreach) TRY(names.check(task, names_of_items(*task.foreach), ""));
    // Results that do not exist are told before needs that follow from them.
    std::vector<Name> results;
    for (Name& name : names_of_work(task))
      if (name[0] == "tasks") results.push_back(std::move(name));
    TRY(names.check(task, results, ""));
  }
  TRY_ASSIGN(const Graph graph, make_graph(flow));
  const std::vector<PlainPlaces> places = plain_places(flow);
  for (std::size_t at = 0; at < flow.tasks.size(); ++at) {
    const FlowTask& task = flow.tasks[at];
    const auto items_of = graph.items_of[at];
    const std::string item = items_of ? flow.tasks[*items_of].foreach->variable : "";
    TRY(names.check(task, names_of_work(task), item));
    TRY(check_deletion(flow, graph, places, at));
  }
  return {};
}

}  // namespace wherry::flow
