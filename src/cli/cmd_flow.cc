// SPDX-License-Identifier: Apache-2.0
// wherry flow check, graph, sample, ls, status, show, cancel: flows and their runs.
#include "base/clock.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/flow_files.h"
#include "cli/flow_view.h"
#include "cli/interrupt.h"
#include "tasks/claim.h"

namespace wherry::cli {
namespace {

Result<int> check_flow(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  for (const std::string& file : arguments.all("FILE")) {
    TRY_ASSIGN(const FlowText text, read_flow_text(file));
    TRY_ASSIGN(const CheckedFlow checked, check_flow_text(text));
    TRY(check_flow_executors(checked.flow, *wherry), "'{}'", escape_bytes(text.file));
    Words parameters, tasks;
    for (const auto& parameter : checked.flow.parameters)
      parameters.push_back(parameter.default_value ? parameter.name : parameter.name + " (needed)");
    for (const std::size_t task : checked.graph.order)
      tasks.push_back(checked.flow.tasks[task].name);
    context.output().record(
        {"flow",
         {{"name", "Flow", checked.flow.name},
          {"description", "Description", text_or_nothing(checked.flow.description),
           shown_if(!checked.flow.description.empty())},
          {"params", "Parameters", parameters, shown_if(!parameters.empty())},
          {"tasks", "Tasks", tasks}}});
  }
  return kExitDone;
}

Result<int> show_graph(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const FlowText text, read_flow_text(arguments.text("FILE")));
  TRY_ASSIGN(const CheckedFlow checked, check_flow_text(text));
  const bool is_svg = arguments.text("as") == "svg";
  context.output().raw(is_svg ? to_svg(checked.flow, checked.graph)
                              : to_dot(checked.flow, checked.graph));
  return kExitDone;
}

Result<int> sample_flow_file(Context& context, const Arguments&) {
  context.output().raw(flow::sample_flow());
  return kExitDone;
}

Result<int> list_flow_runs(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  const auto limit = static_cast<std::size_t>(arguments.integer("limit").value_or(20));
  TRY_ASSIGN(const auto runs, flow::Store(wherry->database()).runs(limit));
  Output::Table table(context.output(), "flow_run_list", flow_run_columns());
  for (const flow::RunRecord& run : runs) {
    TRY_ASSIGN(const bool is_held, is_flow_run_held(*wherry, run.id));
    table.row(flow_run_row(run, is_held));
  }
  table.finish();
  return kExitDone;
}

Result<int> flow_status(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const flow::RunRecord run, find_flow_run(*wherry, arguments.text("FLOW")));
  TRY_ASSIGN(const std::vector<flow::Node> nodes, flow::Store(wherry->database()).nodes(run.id));
  TRY_ASSIGN(const bool is_held, is_flow_run_held(*wherry, run.id));
  if (context.output().format() == Format::kText)
    context.output().raw(
        fmt::format("Run {} of '{}': {}\n\n", run.id, run.name, run_state_text(run, is_held)));
  Output::Table table(context.output(), "flow_task_list", flow_node_columns());
  for (const flow::Node& node : nodes)
    table.row(flow_node_row(run, is_held, node, system_clock().now()));
  table.finish();
  return kExitDone;
}

Result<int> show_flow_run(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const flow::RunRecord run, find_flow_run(*wherry, arguments.text("FLOW")));
  TRY_ASSIGN(const std::vector<flow::Node> nodes, flow::Store(wherry->database()).nodes(run.id));
  TRY_ASSIGN(const bool is_held, is_flow_run_held(*wherry, run.id));
  context.output().record(flow_run_record(run, is_held, nodes));
  return kExitDone;
}

// Of a run that nobody runs: what it left under way ends here.
Result<int> cancel_left_over(Context& context, app::Wherry& wherry, const flow::RunRecord& run) {
  std::optional<Result<flow::RunEnd>> ended;
  TRY_ASSIGN(flow::RunParts parts, flow_run_parts(wherry, run));
  parts.on_change = [&err = context.err()](const flow::Node& node) { tell_flow_change(err, node); };
  run_in_foreground({.err = context.err()}, [&](std::stop_token stop) {
    flow::FlowRun flow_run(std::move(parts), run.id);
    ended.emplace(flow_run.cancel(std::move(stop)));
  });
  TRY_ASSIGN(const flow::RunEnd end, *std::move(ended));
  if (end == flow::RunEnd::kInterrupted) return kExitInterrupted;
  context.output().message("Canceled", fmt::format("Run {} of '{}' is cancelled; what it has moved "
                                                   "stays where it is",
                                                   run.id, run.name));
  return kExitDone;
}

Result<int> cancel_flow(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry(tasks::Execution::kAll));
  TRY_ASSIGN(const flow::RunRecord run, find_flow_run(*wherry, arguments.text("FLOW")));
  TRY(flow::Store(wherry->database()).request_cancel(run.id));
  tasks::Claims claims(wherry->database(), system_clock());
  TRY_ASSIGN(const auto holder, claims.holder("flow", std::to_string(run.id)));
  if (!holder) return cancel_left_over(context, *wherry, run);
  context.output().message(
      "Canceled", fmt::format("Run {} of '{}' has been asked to end; {} does so", run.id, run.name,
                              describe(*holder)));
  return kExitDone;
}

const PositionalSpec kFlow = {
    .name = "FLOW",
    .kind = ValueKind::kFlow,
    .help = "The number of a run, or the name of a flow: its newest run."};
const PositionalSpec kFlowOrNewest = {
    .name = "FLOW",
    .kind = ValueKind::kFlow,
    .help =
        "The number of a run, or the name of a flow: its newest run. Without it, the newest of "
        "all.",
    .count = PositionalSpec::Count::kOptional};

}  // namespace

std::span<const Command> flow_commands() {
  static const Command commands[] = {
      {.name = "flow check",
       .summary = "Look whether the files of flows are right, without running them.",
       .positionals = {{.name = "FILE",
                        .kind = ValueKind::kFile,
                        .help = "The files.",
                        .count = PositionalSpec::Count::kOneOrMore}},
       .handler = check_flow,
       .examples = {"wherry flow check analyse.yml"}},
      {.name = "flow graph",
       .summary = "Draw the tasks of a flow and what they need.",
       .positionals = {flow_file_positional()},
       .options = {{.name = "as",
                    .value = "FORM",
                    .help = "The language of Graphviz (dot, the default), or a picture (svg).",
                    .kind = ValueKind::kChoice,
                    .choices = {"dot", "svg"}}},
       .handler = show_graph,
       .examples = {"wherry flow graph analyse.yml --as svg"}},
      {.name = "flow sample",
       .summary = "Print a flow that shows what files of flows may say.",
       .handler = sample_flow_file},
      {.name = "flow ls",
       .summary = "List the runs of flows, the newest first.",
       .options = {{.name = "limit",
                    .value = "N",
                    .help = "At most N runs (20).",
                    .kind = ValueKind::kInteger}},
       .handler = list_flow_runs},
      {.name = "flow status",
       .summary = "Show what has become of each task of a run.",
       .positionals = {kFlowOrNewest},
       .handler = flow_status,
       .examples = {"wherry flow status", "wherry flow status analyse"}},
      {.name = "flow show",
       .summary = "Show a run: its file, parameters and times.",
       .positionals = {kFlowOrNewest},
       .handler = show_flow_run},
      {.name = "flow cancel",
       .summary = "End a run: nothing more is started, and what goes on is asked to end.",
       .positionals = {kFlow},
       .handler = cancel_flow,
       .examples = {"wherry flow cancel analyse"}},
  };
  return commands;
}

}  // namespace wherry::cli
