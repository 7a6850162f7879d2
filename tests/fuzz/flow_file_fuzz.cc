// SPDX-License-Identifier: Apache-2.0
// Any bytes as the file of a flow, and as an expression: refused with a reason, or a flow that has
// an order and pictures, whose texts can be filled in or say why not, and whose scripts hold no
// value outside of quotes.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "flow/flow_file.h"
#include "flow/graph.h"
#include "flow/request.h"

namespace {

using namespace wherry;
using namespace wherry::flow;

const std::string kHostile = "'; $(a value) `of` \"no good\"";

Result<Value> hostile_value(const Name& name) {
  if (name.size() == 1 && name[0].size() % 2 == 0) return TextList{kHostile, "plain"};
  return kHostile;
}

// The length of "wherry_1='…'\n" as sh reads it; 0 if `script` does not begin so.
std::size_t assignment_size(std::string_view script) {
  if (!script.starts_with("wherry_") || script.find('=') == std::string_view::npos) return 0;
  std::size_t at = script.find('=') + 1;
  while (at < script.size() && script[at] != '\n') {
    if (script.substr(at).starts_with("\\'")) {
      at += 2;
    } else if (script[at] == '\'' && script.find('\'', at + 1) != std::string_view::npos) {
      at = script.find('\'', at + 1) + 1;
    } else {
      return 0;
    }
  }
  return at < script.size() ? at + 1 : 0;
}

// What follows the assignments.
std::string without_assignments(std::string_view script) {
  script.remove_prefix(script.find('\n') + 1);
  while (const std::size_t size = assignment_size(script)) script.remove_prefix(size);
  return std::string(script);
}

void check_filled(const FlowTask& task) {
  const auto request = fill_in(task, {hostile_value, "/work", "label", "/files/a"});
  if (!request) {
    CHECK(!request.error().message.empty());
    return;
  }
  const auto again = parse_request(to_json(*request));
  CHECK(again && to_json(*again) == to_json(*request));
  CHECK(!told(*request).empty());
  const auto* command = std::get_if<CommandRequest>(&*request);
  if (command == nullptr) return;
  // Values stand in the assignments alone, each quoted as a whole.
  const std::string body = without_assignments(command->command.script);
  const auto& written = std::get<CommandWork>(task.work).script;
  CHECK(written.find("a value") != std::string::npos || body.find("a value") == std::string::npos);
}

void check_parsed(const Flow& flow) {
  const auto graph = make_graph(flow);
  CHECK(graph && graph->order.size() == flow.tasks.size());
  CHECK(!to_dot(flow, *graph).empty() && !to_svg(flow, *graph).empty());
  for (std::size_t at = 0; at < graph->order.size() && at < 20; ++at) {
    const FlowTask& task = flow.tasks[graph->order[at]];
    check_filled(task);
    if (task.when) (void)task.when->is_true(hostile_value);
    if (task.foreach) (void)foreach_items(*task.foreach, hostile_value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto flow = parse_flow(bytes, "fuzzed")) {
    check_parsed(*flow);
  } else {
    CHECK(flow.error().code == Code::kInvalid && !flow.error().message.empty());
  }
  if (const auto expression = Expression::parse(bytes)) (void)expression->evaluate(hostile_value);
  return 0;
}
