// SPDX-License-Identifier: Apache-2.0
// wherry flow run.
#include <mutex>

#include "base/clock.h"
#include "base/path.h"
#include "base/random.h"
#include "cli/commands.h"
#include "cli/flow_files.h"
#include "cli/flow_view.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "flow/node_table.h"
#include "flow/request.h"
#include "tasks/claim.h"

namespace wherry::cli {
namespace {

using flow::RunEnd;
using flow::RunRecord;

constexpr Duration kTreeEvery = std::chrono::milliseconds(200);

// ---- what would be done

class DryRun {
 public:
  DryRun(Context& context, const FlowText& text, const CheckedFlow& checked,
         const flow::ParameterValues& parameters)
      : context_(context),
        checked_(checked),
        parameters_(parameters),
        directory_(text.directory),
        table_(checked.flow, checked.graph) {
    table_.add_missing();
  }

  Result<void> show() {
    TRY_ASSIGN(std::string in, checked_.flow.directory.render(lookup(0, std::nullopt)),
               "directory");
    if (!in.empty()) commands_in_ = std::move(in);
    Output::Table table(context_.output(), "flow_plan",
                        {{"task", "Task"}, {"kind", "What"}, {"work", "How"}, {"needs", "After"}});
    for (const std::size_t task : checked_.graph.order) TRY(show_task(table, task));
    table.finish();
    return {};
  }

 private:
  flow::Lookup lookup(std::size_t task, std::optional<std::size_t> item) const {
    return [this, task, item](const flow::Name& name) -> Result<flow::Value> {
      // What tasks leave is not there yet.
      if (name[0] == "tasks")
        return make_error(Code::kUnavailable, "known when '{}' is done", name[1]);
      return table_.look_up(name, task, item, {parameters_, 0, directory_});
    };
  }

  Result<void> show_task(Output::Table& table, std::size_t task) {
    const flow::FlowTask& what = checked_.flow.tasks[task];
    if (!table_.has_items(task)) return show_node(table, task, std::nullopt, what.name);
    if (what.foreach && !table_.is_expanded(task)) {
      auto items = foreach_items(*what.foreach, lookup(task, std::nullopt));
      if (!items && items.error().code != Code::kUnavailable)
        return std::move(items).error().with_context(fmt::format("task '{}': foreach", what.name));
      if (items && !items->empty()) table_.expand(task, *items);
      if (items && items->empty()) return row(table, task, what.name, "nothing: its list is empty");
    }
    if (!table_.is_expanded(task))
      return row(table, task, what.name + "[...]", "for each item, when they are known");
    const auto& items = table_.items(task);
    for (std::size_t item = 0; item < items.size(); ++item)
      TRY(show_node(table, task, item, table_.node(items[item]).name()));
    return {};
  }

  Result<void> show_node(Output::Table& table, std::size_t task, std::optional<std::size_t> item,
                         const std::string& name) {
    const flow::FlowTask& what = checked_.flow.tasks[task];
    const flow::Lookup values = lookup(task, item);
    if (what.when) {
      const auto is_wanted = what.when->is_true(values);
      if (!is_wanted && is_wanted.error().code != Code::kUnavailable)
        return Error(is_wanted.error()).with_context(fmt::format("task '{}': when", name));
      if (is_wanted && !*is_wanted)
        return row(table, task, name, fmt::format("nothing: {} is false", what.when->text()));
    }
    const auto request =
        fill_in(what, {values, commands_in_.empty() ? directory_ : commands_in_, name, ""});
    if (!request && request.error().code != Code::kUnavailable)
      return Error(request.error()).with_context(fmt::format("task '{}'", name));
    return row(table, task, name, request ? told(*request) : request.error().message);
  }

  Result<void> row(Output::Table& table, std::size_t task, const std::string& name,
                   std::string work) const {
    Words needs;
    for (const flow::Need& need : checked_.flow.tasks[task].needs)
      needs.push_back(need.task + (need.each ? ".each" : ""));
    table.row({name, std::string(to_string(kind_of(checked_.flow.tasks[task]))), std::move(work),
               std::move(needs)});
    return {};
  }

  Context& context_;
  const CheckedFlow& checked_;
  const flow::ParameterValues& parameters_;
  const std::string directory_;
  std::string commands_in_;
  flow::NodeTable table_;
};

// ---- which run

Result<void> check_options(const Arguments& arguments) {
  if (arguments.has("resume") && arguments.has("param"))
    return make_error(
        Code::kInvalid,
        "--resume goes on with the parameters that the run began with; without it a new"
        " run begins");
  if (arguments.has("resume") && arguments.has("dry-run"))
    return make_error(Code::kInvalid,
                      "--resume and --dry-run exclude each other; `wherry flow "
                      "status` shows what is left");
  if (arguments.has("force") && !arguments.has("resume"))
    return make_error(Code::kInvalid, "--force is for --resume");
  return {};
}

Result<RunRecord> begun_run(Context& context, const Arguments& arguments, const FlowText& text,
                            flow::Store& store) {
  TRY_ASSIGN(const Options* settings, context.settings());
  flow::NewRun wanted;
  wanted.text = text.text;
  wanted.file = text.file;
  wanted.name = text.name;
  wanted.directory = text.directory;
  wanted.parameters = arguments.all("param");
  wanted.service = settings->text("service");
  return create_run(store, system_clock(), system_random(), wanted);
}

Result<RunRecord> resumed_run(Context& context, const std::string& flow_name, flow::Store& store) {
  TRY_ASSIGN(std::optional<RunRecord> latest, store.latest(flow_name));
  if (!latest)
    return make_error(Code::kNotFound,
                      "no flow '{}' has been run, so there is nothing to resume; run it without"
                      " --resume",
                      flow_name);
  TRY_ASSIGN(const Options* settings, context.settings());
  if (latest->service != settings->text("service"))
    return make_error(Code::kInvalid,
                      "run {} of '{}' has its tasks at another service: give "
                      "--service {}",
                      latest->id, flow_name, latest->service);
  return *std::move(latest);
}

// A word about what a new run leaves behind.
Result<void> note_older_run(Context& context, app::Wherry& wherry, const std::string& flow_name,
                            const std::string& file) {
  TRY_ASSIGN(const auto older, flow::Store(wherry.database()).latest(flow_name));
  if (!older || older->state != flow::RunState::kRunning) return {};
  TRY_ASSIGN(const bool is_held, is_flow_run_held(wherry, older->id));
  if (is_held) return {};
  context.err() << fmt::format(
      "wherry: run {0} of '{1}' was interrupted, and this is a new one; to go on with it instead: "
      "{2}; to end it: wherry flow cancel {0}\n",
      older->id, flow_name, resume_command(*older, file));
  return {};
}

// ---- running

Result<RunEnd> run_here(Context& context, app::Wherry& wherry, const RunRecord& run,
                        const std::optional<std::string>& text) {
  TRY_ASSIGN(flow::RunParts parts, flow_run_parts(wherry, run));
  const bool on_terminal = progress_style() == ProgressLine::Style::kTerminal;
  if (!on_terminal) {
    parts.on_change = [&err = context.err()](const flow::Node& node) {
      tell_flow_change(err, node);
    };
  }
  flow::FlowRun flow_run(std::move(parts), run.id);
  TreeDrawing drawing(context.err());
  const auto tick = [&] {
    if (on_terminal) drawing.update(flow_run.view(), system_clock().now());
  };
  std::optional<Result<RunEnd>> ended;
  run_in_foreground(
      {on_terminal ? kTreeEvery : Duration(0), tick, context.err()},
      [&](std::stop_token stop) { ended.emplace(flow_run.run(text, std::move(stop))); });
  drawing.clear();
  return *std::move(ended);
}

// What went wrong, with the way on.
void explain(Context& context, const RunRecord& run, RunEnd end,
             std::span<const flow::Node> nodes) {
  for (const flow::Node& node : nodes) {
    if (node.state != flow::NodeState::kFailed || node.reason.empty()) continue;
    context.err() << "wherry: " << printable(fmt::format("{} failed: {}", node.name(), node.reason))
                  << '\n';
  }
  const std::string resume = resume_command(run, run.file);
  if (end == RunEnd::kFailed) {
    context.err() << fmt::format(
        "What is done stays done. Once the cause is gone: {}; all of it: wherry flow status {}\n",
        resume, run.id);
  } else if (end == RunEnd::kInterrupted) {
    context.err() << fmt::format(
        "wherry: run {} of '{}' was interrupted; nothing is lost. Go on with: {}\n", run.id,
        run.name, resume);
  } else if (end == RunEnd::kCancelled) {
    context.err() << fmt::format("wherry: run {} of '{}' was cancelled\n", run.id, run.name);
  }
}

int exit_code_of_run(RunEnd end) {
  switch (end) {
    case RunEnd::kSucceeded:
      return kExitDone;
    case RunEnd::kFailed:
    case RunEnd::kCancelled:
      return kExitFailed;
    case RunEnd::kInterrupted:
      return kExitInterrupted;
  }
  return kExitFailed;
}

Result<int> run_flow(Context& context, const Arguments& arguments) {
  TRY(check_options(arguments));
  TRY_ASSIGN(const FlowText text, read_flow_text(arguments.text("FILE")));
  TRY_ASSIGN(const CheckedFlow checked, check_flow_text(text));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry(tasks::Execution::kAll));
  TRY(check_flow_executors(checked.flow, *wherry), "'{}'", escape_bytes(text.file));
  if (arguments.has("dry-run")) {
    TRY_ASSIGN(const flow::ParameterValues parameters,
               bind_parameters(checked.flow, arguments.all("param")));
    TRY(DryRun(context, text, checked, parameters).show());
    return kExitDone;
  }
  flow::Store store(wherry->database());
  const std::string& name = checked.flow.name;
  const bool resume = arguments.has("resume");
  if (!resume) TRY(note_older_run(context, *wherry, name, arguments.text("FILE")));
  TRY_ASSIGN(const RunRecord run, resume ? resumed_run(context, name, store)
                                         : begun_run(context, arguments, text, store));
  if (arguments.has("force")) {
    tasks::Claims claims(wherry->database(), system_clock());
    TRY(claims.take_from_other_host("flow", std::to_string(run.id)));
  }
  context.err() << fmt::format("wherry: run {} of '{}'\n", run.id, run.name) << std::flush;
  TRY_ASSIGN(const RunEnd end,
             run_here(context, *wherry, run, resume ? std::optional(text.text) : std::nullopt));
  TRY_ASSIGN(const RunRecord after, store.run(run.id));
  TRY_ASSIGN(const std::vector<flow::Node> nodes, store.nodes(run.id));
  context.output().record(flow_run_record(after, false, nodes));
  explain(context, after, end, nodes);
  return exit_code_of_run(end);
}

}  // namespace

std::span<const Command> flow_run_commands() {
  static const Command commands[] = {
      {.name = "flow run",
       .summary =
           "Run a flow: move, compute, bring home, clean up, each when what it needs is done.",
       .description =
           "A task that fails holds up what needs it and nothing else; a deletion after a failed "
           "transfer never starts. The state is stored at every step: after ctrl-C, a crash or a "
           "failure, --resume goes on where the newest run of the flow is, with the file as it is "
           "now, and does nothing twice but a command that was running on this machine.",
       .positionals = {flow_file_positional()},
       .options = {flow_param_option(),
                   {.name = "dry-run",
                    .short_name = 'n',
                    .help = "Show what would be done, and do nothing."},
                   {.name = "resume",
                    .help = "Go on with the newest run of the flow: what is done stays done, what "
                            "failed is tried again."},
                   {.name = "force",
                    .help = "With --resume: take the run from a process on another host; only when "
                            "that process is known to be gone for good, because nothing here can "
                            "see it."}},
       .handler = run_flow,
       .examples = {"wherry flow run analyse.yml --param run=43",
                    "wherry flow run analyse.yml --dry-run",
                    "wherry flow run analyse.yml --resume"}},
  };
  return commands;
}

}  // namespace wherry::cli
