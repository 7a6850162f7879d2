// SPDX-License-Identifier: Apache-2.0
// wherry task: what was asked, how far it is, how it ended.
#include <limits>

#include "base/clock.h"
#include "base/path.h"
#include "base/random.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/run_task.h"
#include "cli/task_view.h"

namespace wherry::cli {
namespace {

using tasks::Task;
using tasks::TaskState;

// For what only the service of this state directory can do.
Result<tasks::LocalService*> local_service(Context& context) {
  TRY_ASSIGN(const bool elsewhere, context.is_elsewhere());
  if (elsewhere) {
    return make_error(Code::kUnsupported,
                      "only tasks of this machine can be asked for that; leave out --service, or"
                      " say --service local");
  }
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  return &wherry->service();
}

// The id in the form it is stored in.
Result<tasks::TaskId> task_id(const Arguments& arguments) {
  std::string id = arguments.text("TASK_ID");
  if (!is_uuid(id)) {
    return make_error(Code::kInvalid, "'{}' is no task id (a UUID); `wherry task list` shows them",
                      escape_bytes(id));
  }
  for (char& c : id) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return id;
}

Result<int> list_tasks(Context& context, const Arguments& arguments) {
  tasks::TaskFilter filter;
  for (const std::string& id : arguments.all("filter-task-id")) filter.ids.push_back(id);
  for (const std::string& state : arguments.all("filter-status")) {
    TRY_ASSIGN(const TaskState parsed, tasks::parse_task_state(state));
    filter.states.push_back(parsed);
  }
  for (const std::string& type : arguments.all("filter-type")) {
    filter.types.push_back(type == "TRANSFER" ? tasks::TaskType::kTransfer
                                              : tasks::TaskType::kDelete);
  }
  if (const std::string& label = arguments.text("filter-label"); !label.empty())
    filter.label_glob = arguments.has("exact") ? label : "*" + label + "*";
  filter.requested_after = arguments.time("filter-requested-after");
  filter.requested_before = arguments.time("filter-requested-before");
  filter.completed_after = arguments.time("filter-completed-after");
  filter.completed_before = arguments.time("filter-completed-before");
  filter.limit = static_cast<std::size_t>(arguments.integer("limit").value_or(10));
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY_ASSIGN(const std::vector<Task> found, service->tasks(filter));
  EndpointNames names(*service);
  Output::Table table(context.output(), "task_list", task_columns());
  for (const Task& task : found) table.row(task_row(task, names));
  table.finish();
  return kExitDone;
}

Result<void> show_successful(Context& context, tasks::TransferService& service,
                             const tasks::TaskId& id) {
  Output::Table table(context.output(), "successful_transfer_list",
                      {{"source_path", "Source Path"},
                       {"destination_path", "Destination Path"},
                       {"size", "Size", Shown::kNotInText},
                       {"checksum", "Checksum (XXH3-128)", Shown::kNotInText}});
  std::uint64_t marker = 0;
  while (true) {
    TRY_ASSIGN(const auto page, service.successful_transfers(id, marker));
    for (const tasks::SuccessfulTransfer& row : page.rows)
      table.row({Bytes{row.source_path}, Bytes{row.target_path}, row.size, row.checksum});
    if (!page.next) break;
    marker = *page.next;
  }
  table.finish();
  return {};
}

enum class Errors { kSkipped, kAll };

Result<void> show_errors(Context& context, tasks::TransferService& service, const tasks::TaskId& id,
                         Errors which) {
  Output::Table table(context.output(), "skipped_error_list",
                      {{"error_code", "Error Code"},
                       {"source_path", "Source Path"},
                       {"destination_path", "Destination Path"},
                       {"error_details", "Error Details"},
                       {"error_time", "Error Time", Shown::kNotInText},
                       {"is_directory", "Is Directory", Shown::kNotInText},
                       {"skipped", "Skipped", Shown::kNotInText}});
  std::uint64_t marker = 0;
  while (true) {
    TRY_ASSIGN(const auto page, service.item_errors(id, marker));
    for (const tasks::ItemError& row : page.rows) {
      if (which == Errors::kSkipped && !row.skipped) continue;
      table.row({row.code, Bytes{row.source_path}, Bytes{row.target_path}, row.details, row.time,
                 row.is_directory, row.skipped});
    }
    if (!page.next) break;
    marker = *page.next;
  }
  table.finish();
  return {};
}

Result<int> show_task(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const tasks::TaskId id, task_id(arguments));
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY_ASSIGN(const Task task, service->task(id));
  if (arguments.has("successful-transfers")) {
    TRY(show_successful(context, *service, id));
  } else if (arguments.has("skipped-errors")) {
    TRY(show_errors(context, *service, id, Errors::kSkipped));
  } else if (arguments.has("errors")) {
    TRY(show_errors(context, *service, id, Errors::kAll));
  } else {
    EndpointNames names(*service);
    context.output().record(task_record(task, names));
  }
  return kExitDone;
}

// A task that nobody runs will not end by waiting.
void warn_if_nobody_runs(Context& context, const Task& task) {
  if (task.state != TaskState::kActive || task.holder) return;
  context.err() << fmt::format(
      "wherry: no process runs task {} now; to run it: wherry task resume {}\n", task.id, task.id);
}

Result<int> wait_for_task(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const tasks::TaskId id, task_id(arguments));
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY_ASSIGN(const Task before, service->task(id));
  TRY_ASSIGN(const bool elsewhere, context.is_elsewhere());
  if (!elsewhere) warn_if_nobody_runs(context, before);
  const bool heartbeat = arguments.has("heartbeat");
  const Duration timeout = arguments.seconds("timeout").value_or(std::chrono::hours(24 * 365));
  std::optional<Result<Task>> ended;
  const Finish finish = run_in_foreground(
      {heartbeat ? arguments.seconds("polling-interval").value_or(std::chrono::seconds(1))
                 : Duration(0),
       [&] { context.err() << '.' << std::flush; }, context.err()},
      [&](std::stop_token stop) { ended.emplace(service->wait(id, timeout, stop)); });
  if (heartbeat) context.err() << '\n';
  if (finish == Finish::kInterrupted) return kExitInterrupted;
  if (!*ended && ended->error().code == Code::kTimeout) {
    context.err() << fmt::format("wherry: task {} has yet to complete after {}\n", id,
                                 format_duration(timeout));
    return static_cast<int>(arguments.integer("timeout-exit-code").value_or(kExitFailed));
  }
  TRY_ASSIGN(const Task task, *std::move(ended));
  if (context.output().format() == Format::kJson) {
    EndpointNames names(*service);
    context.output().record(task_record(task, names));
  }
  return task.state == TaskState::kSucceeded ? kExitDone : kExitFailed;
}

Result<int> cancel_all(Context& context, tasks::TransferService& service) {
  tasks::TaskFilter filter;
  filter.states = {TaskState::kActive, TaskState::kInactive};
  filter.limit = std::numeric_limits<std::int32_t>::max();
  TRY_ASSIGN(const std::vector<Task> found, service.tasks(filter));
  int exit = kExitDone;
  Output::Table table(context.output(), "cancel_result_list",
                      {{"task_id", "Task ID"}, {"message", "Message"}});
  for (const Task& task : found) {
    const auto canceled = service.cancel(task.id);
    // One that ended meanwhile needs no cancelling.
    const bool is_fine = canceled || canceled.error().code == Code::kConflict;
    if (!is_fine) exit = kExitFailed;
    table.row({task.id,
               canceled ? std::string("The task is being cancelled") : canceled.error().message});
  }
  table.finish();
  return exit;
}

Result<int> cancel_task(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  const bool has_id = !arguments.text("TASK_ID").empty();
  if (has_id == arguments.has("all"))
    return make_error(Code::kInvalid, "give either a TASK_ID or --all");
  if (!has_id) return cancel_all(context, *service);
  TRY_ASSIGN(const tasks::TaskId id, task_id(arguments));
  TRY(service->cancel(id), "cancel task {}", id);
  context.output().message("Canceled", "The task is being cancelled");
  return kExitDone;
}

Result<int> update_task(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const tasks::TaskId id, task_id(arguments));
  tasks::TaskChange change;
  change.label = arguments.optional_text("label");
  change.deadline = arguments.time("deadline");
  if (!change.label && !change.deadline)
    return make_error(Code::kInvalid, "nothing to change; give --label or --deadline");
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  TRY(service->update(id, change), "update task {}", id);
  context.output().message("Updated", "The task has been updated");
  return kExitDone;
}

Result<int> event_list(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const tasks::TaskId id, task_id(arguments));
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  const auto limit = static_cast<std::size_t>(arguments.integer("limit").value_or(10));
  const bool errors = !arguments.has("filter-non-errors");
  const bool others = !arguments.has("filter-errors");
  if (!errors && !others)
    return make_error(Code::kInvalid, "--filter-errors and --filter-non-errors exclude each other");
  TRY_ASSIGN(const std::vector<tasks::Event> events,
             service->events(id, errors && others ? limit : 1000, 0));
  Output::Table table(context.output(), "event_list",
                      {{"time", "Time"},
                       {"code", "Code"},
                       {"is_error", "Is Error"},
                       {"description", "Description", Shown::kNotInText},
                       {"details", "Details"}});
  std::size_t shown = 0;
  for (const tasks::Event& event : events) {
    if (!(event.is_error ? errors : others)) continue;
    if (shown++ == limit) break;
    table.row({event.time, event.code, event.is_error, event.description, event.details});
  }
  table.finish();
  return kExitDone;
}

Result<int> resume_task(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const tasks::TaskId id, task_id(arguments));
  TRY_ASSIGN(tasks::LocalService * service, local_service(context));
  if (arguments.has("force")) TRY(service->take_over(id));
  TRY_ASSIGN(const Task task, service->task(id));
  // An ACTIVE task that no process runs (detached and not begun, or its process died) needs no
  // change of state.
  if (task.state != TaskState::kActive) TRY(service->resume(id), "resume task {}", id);
  if (!arguments.has("detach")) return run_task_here(context, id);
  TRY(run_task_detached(context, id));
  context.output().message("Resumed", fmt::format("Task {} goes on in the background", id));
  return kExitDone;
}

Result<int> generate_submission_id(Context& context, const Arguments&) {
  const std::string id = new_uuid(system_random());
  if (context.output().format() == Format::kJson) {
    context.output().record({"submission_id", {{"value", "Submission ID", id}}});
  } else {
    context.output().raw(id + "\n");  // for $(...)
  }
  return kExitDone;
}

Result<int> purge(Context& context, const Arguments&) {
  TRY_ASSIGN(tasks::LocalService * service, local_service(context));
  TRY_ASSIGN(const std::size_t count, service->purge_history());
  context.output().message("Purged",
                           fmt::format("{} ended tasks were removed from the history", count));
  return kExitDone;
}

const PositionalSpec kTaskId = {
    .name = "TASK_ID", .kind = ValueKind::kTask, .help = "The task, as `wherry task list` shows."};

std::vector<OptionSpec> task_list_options() {
  return {{.name = "limit",
           .value = "N",
           .help = "Show at most N tasks (10).",
           .kind = ValueKind::kInteger},
          {.name = "filter-task-id",
           .value = "ID",
           .help = "Only this task.",
           .kind = ValueKind::kTask,
           .times = OptionSpec::Times::kMany},
          {.name = "filter-status",
           .value = "STATUS",
           .help = "Only tasks in this state.",
           .kind = ValueKind::kChoice,
           .choices = {"ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"},
           .times = OptionSpec::Times::kMany},
          {.name = "filter-type",
           .value = "TYPE",
           .help = "Only tasks of this type.",
           .kind = ValueKind::kChoice,
           .choices = {"TRANSFER", "DELETE"},
           .times = OptionSpec::Times::kMany},
          {.name = "filter-label",
           .value = "TEXT",
           .help = "Only tasks whose label contains the text; * and ? are wildcards."},
          {.name = "exact", .help = "--filter-label means the whole label."},
          {.name = "filter-requested-after",
           .value = "TIME",
           .help = "Only tasks that were asked for later.",
           .kind = ValueKind::kTime},
          {.name = "filter-requested-before",
           .value = "TIME",
           .help = "Only tasks that were asked for earlier.",
           .kind = ValueKind::kTime},
          {.name = "filter-completed-after",
           .value = "TIME",
           .help = "Only tasks that ended later.",
           .kind = ValueKind::kTime},
          {.name = "filter-completed-before",
           .value = "TIME",
           .help = "Only tasks that ended earlier.",
           .kind = ValueKind::kTime}};
}

std::vector<OptionSpec> task_wait_options() {
  return {{.name = "timeout",
           .value = "TIME",
           .help = "Give up after this many seconds, or a time such as 5m.",
           .kind = ValueKind::kSeconds},
          {.name = "polling-interval",
           .value = "TIME",
           .help = "The time between two dots of --heartbeat (1 second). The end itself "
                   "is noticed at once.",
           .kind = ValueKind::kSeconds},
          {.name = "heartbeat",
           .short_name = 'H',
           .help = "Write a dot to standard error now and then."},
          {.name = "timeout-exit-code",
           .value = "N",
           .help = "The exit code when the time is up (1).",
           .kind = ValueKind::kInteger}};
}

std::vector<OptionSpec> event_list_options() {
  return {{.name = "limit",
           .value = "N",
           .help = "Show at most N events (10).",
           .kind = ValueKind::kInteger},
          {.name = "filter-errors", .help = "Only errors."},
          {.name = "filter-non-errors", .help = "Only what is no error."}};
}

}  // namespace

std::span<const Command> task_commands() {
  static const Command commands[] = {
      {.name = "task list",
       .summary = "List tasks, the newest first.",
       .options = task_list_options(),
       .handler = list_tasks,
       .examples = {"wherry task list --filter-status ACTIVE --filter-status INACTIVE"}},
      {.name = "task show",
       .summary = "Show a task, the files that it moved, or its errors.",
       .positionals = {kTaskId},
       .options = {{.name = "successful-transfers",
                    .short_name = 't',
                    .help = "List the files that were moved and verified."},
                   {.name = "skipped-errors",
                    .help = "List the errors that were skipped, as --skip-source-errors asked."},
                   {.name = "errors", .help = "List all errors of single files, skipped or not."}},
       .handler = show_task},
      {.name = "task wait",
       .summary = "Wait until a task ends; the exit code tells how.",
       .description = "Exits with 0 if the task succeeded and with 1 if it ended otherwise.",
       .positionals = {kTaskId},
       .options = task_wait_options(),
       .handler = wait_for_task},
      {.name = "task cancel",
       .summary = "End a task, or all tasks, before they are done.",
       .description = "Files that are complete at the target stay; of the others nothing is left.",
       .positionals = {{.name = "TASK_ID",
                        .kind = ValueKind::kTask,
                        .help = "The task.",
                        .count = PositionalSpec::Count::kOptional}},
       .options = {{.name = "all",
                    .short_name = 'a',
                    .help = "Cancel every task that has not ended."}},
       .handler = cancel_task},
      {.name = "task update",
       .summary = "Change the label or the deadline of a task that has not ended.",
       .positionals = {kTaskId},
       .options = {{.name = "label",
                    .value = "TEXT",
                    .help = "The new label, at most 128 characters."},
                   {.name = "deadline",
                    .value = "TIME",
                    .help = "The new deadline, in UTC unless it has a zone.",
                    .kind = ValueKind::kTime}},
       .handler = update_task},
      {.name = "task event-list",
       .summary = "List what happened to a task, the newest first.",
       .positionals = {kTaskId},
       .options = event_list_options(),
       .handler = event_list},
      {.name = "task resume",
       .summary = "Run a task that was interrupted, failed, or waits for you.",
       .description =
           "What is done stays done: only the rest is moved. A cancelled task cannot be resumed.",
       .positionals = {kTaskId},
       .options = {{.name = "detach", .help = "Run it in the background."},
                   {.name = "force",
                    .help = "Take it from a process on another host; only when that process is "
                            "known to be gone for good, because nothing here can see it."}},
       .handler = resume_task},
      {.name = "task generate-submission-id",
       .summary =
           "Print an id for --submission-id, so that a script can submit again without doubling.",
       .handler = generate_submission_id},
      {.name = "task purge",
       .summary = "Remove ended tasks that are older than the setting tasks.history.",
       .handler = purge},
  };
  return commands;
}

}  // namespace wherry::cli
