// SPDX-License-Identifier: Apache-2.0
// Any bytes as the file of a flow, and as an expression: refused with a reason, or a flow that has
// an order and pictures, whose texts can be filled in or say why not, and whose scripts hold no
// value outside of quotes.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/shell.h"
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
  // The value stands in its assignments alone, quoted.
  std::string script = command->command.script;
  const std::string quoted = shell_quote(kHostile);
  for (std::size_t at = 0; (at = script.find(quoted)) != std::string::npos;)
    script.erase(at, quoted.size());
  const auto& written = std::get<CommandWork>(task.work).script;
  CHECK(written.find("a value") != std::string::npos ||
        script.find("$(a value)") == std::string::npos);
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
