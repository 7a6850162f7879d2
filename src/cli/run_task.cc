// SPDX-License-Identifier: Apache-2.0
#include "cli/run_task.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/path.h"
#include "cli/background.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/task_view.h"

namespace wherry::cli {
namespace {

using tasks::Task;
using tasks::TaskState;

constexpr std::size_t kErrorsShown = 5;

// The first errors of single files, with the way to the rest.
void show_item_errors(Context& context, tasks::TransferService& service, const Task& task) {
  const auto page = service.item_errors(task.id, 0);
  if (!page || page->rows.empty()) return;
  std::size_t shown = 0;
  for (const tasks::ItemError& error : page->rows) {
    if (shown++ == kErrorsShown) break;
    context.err() << fmt::format("  {}: {} ({})\n", escape_bytes(error.source_path),
                                 printable(error.details), error.code);
  }
  if (page->rows.size() > kErrorsShown || page->next) {
    context.err() << fmt::format("  ... all of them: wherry task show {} --errors\n", task.id);
  }
}

// Whose task it is: of this state directory, or of a service on another machine.
enum class Where { kHere, kElsewhere };

int explain_failure(Context& context, tasks::TransferService& service, const Task& task,
                    Where where) {
  const std::string why = task.fatal_error ? fmt::format("{}: {}", task.fatal_error->code,
                                                         printable(task.fatal_error->description))
                                           : "some files failed";
  context.err() << fmt::format("wherry: task {} failed: {}\n", task.id, why);
  show_item_errors(context, service, task);
  if (!task.cancel_requested && where == Where::kHere) {
    context.err() << fmt::format(
        "What is done stays done. Once the cause is gone: wherry task resume {}\n", task.id);
  }
  return kExitFailed;
}

int explain_inactive(Context& context, const Task& task, Finish finish) {
  if (finish == Finish::kInterrupted) {
    context.err() << fmt::format(
        "wherry: task {} was interrupted; nothing is lost. Go on with: wherry task resume {}\n",
        task.id, task.id);
    return kExitInterrupted;
  }
  context.err() << fmt::format(
      "wherry: task {} waits for you: {}{}{}\nThen: wherry task resume {}\n", task.id,
      task.nice_status, task.nice_status_details.empty() ? "" : ": ",
      printable(task.nice_status_details), task.id);
  return kExitFailed;
}

int explain_elsewhere(Context& context, const Task& task) {
  context.err() << fmt::format("wherry: task {} waits for you at its service: {}{}{}\n", task.id,
                               task.nice_status, task.nice_status_details.empty() ? "" : ": ",
                               printable(task.nice_status_details));
  return kExitFailed;
}

// Shows how the task ended; answers the exit code.
int conclude(Context& context, tasks::TransferService& service, const Task& task, Finish finish,
             Where where = Where::kHere) {
  EndpointNames names(service);
  context.output().record(task_summary(task, names));
  switch (task.state) {
    case TaskState::kSucceeded:
      if (task.counts.skipped_errors > 0) show_item_errors(context, service, task);
      return kExitDone;
    case TaskState::kFailed:
      return explain_failure(context, service, task, where);
    case TaskState::kInactive:
    case TaskState::kActive:
      return where == Where::kElsewhere ? explain_elsewhere(context, task)
                                        : explain_inactive(context, task, finish);
  }
  return kExitFailed;
}

// Another process (one that runs all tasks, such as a watch) was quicker: its work is as good.
Result<int> wait_for_other(Context& context, tasks::TransferService& service,
                           const tasks::TaskId& id) {
  context.err() << fmt::format("wherry: task {} is run by another process; waiting for it\n", id);
  std::optional<Result<Task>> ended;
  const Finish finish = run_in_foreground({.err = context.err()}, [&](std::stop_token stop) {
    ended.emplace(service.wait(id, std::chrono::hours(24 * 365), stop));
  });
  if (finish == Finish::kInterrupted) return kExitInterrupted;
  TRY_ASSIGN(const Task task, *std::move(ended));
  return conclude(context, service, task, finish);
}

// How often the counters of a task elsewhere are asked for.
constexpr Duration kReportEvery = std::chrono::seconds(5);

void take_counts(const tasks::Counts& counts, engine::Progress& progress) {
  progress.files_found = counts.files;
  progress.files_done = counts.files_transferred;
  progress.files_skipped = counts.files_skipped;
  progress.skipped_errors = counts.skipped_errors;
  progress.files_failed = counts.files_failed;
  progress.removed = counts.removed;
  progress.bytes_found = counts.bytes;
  progress.bytes_moved = counts.bytes_transferred;
  progress.bytes_done = counts.bytes_transferred;
  progress.faults = counts.faults;
}

// Until the task has ended, with its counters now and then.
Result<Task> wait_elsewhere(tasks::TransferService& whole, const tasks::TaskId& id,
                            engine::Progress& progress, const std::stop_token& stop) {
  const std::unique_ptr<tasks::TransferService> stoppable = whole.until(stop);
  tasks::TransferService& service = stoppable ? *stoppable : whole;
  for (;;) {
    auto ended = service.wait(id, kReportEvery, stop);
    if (ended || ended.error().code != Code::kTimeout) return ended;
    if (const auto now = service.task(id)) take_counts(now->counts, progress);
  }
}

// A task of another service runs there, whatever happens here.
Result<int> follow_elsewhere(Context& context, const tasks::TaskId& id) {
  TRY_ASSIGN(tasks::TransferService * service, context.service());
  context.err() << fmt::format("wherry: task {}\n", id);
  ProgressLine line(progress_style(), system_clock(), context.err());
  engine::Progress progress;
  std::optional<Result<Task>> ended;
  const Finish finish = run_in_foreground(
      {line.interval(), [&] { line.update(progress); }, context.err()},
      [&](std::stop_token stop) { ended.emplace(wait_elsewhere(*service, id, progress, stop)); });
  line.clear();
  if (finish == Finish::kInterrupted && !*ended) {
    context.err() << fmt::format(
        "wherry: task {} goes on at its service. To follow it: wherry task wait {}; to end it:"
        " wherry task cancel {}\n",
        id, id, id);
    return kExitInterrupted;
  }
  TRY_ASSIGN(const Task task, *std::move(ended), "task {} goes on at its service", id);
  return conclude(context, *service, task, finish, Where::kElsewhere);
}

}  // namespace

Result<int> run_task_here(Context& context, const tasks::TaskId& id) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  tasks::LocalService& service = wherry->service();
  ProgressLine line(progress_style(), system_clock(), context.err());
  std::optional<Result<Task>> ended;
  const auto show = [&] {
    if (const auto progress = service.progress(id)) line.update(*progress);
  };
  const Finish finish =
      run_in_foreground({line.interval(), show, context.err()},
                        [&](std::stop_token stop) { ended.emplace(service.run(id, stop)); });
  line.clear();
  TRY_ASSIGN(const Task task, *std::move(ended));
  return conclude(context, service, task, finish);
}

Result<void> run_task_detached(Context& context, const tasks::TaskId& id) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  const std::string logs = wherry->directory() + "/logs";
  TRY(make_directories(logs, 0700));
  TRY(start_in_background(context, *wherry, {"task", "resume", id},
                          fmt::format("{}/task-{}.log", logs, id)));
  return {};
}

Result<int> follow_submitted(Context& context, const tasks::Submitted& submitted, RunWhere where) {
  const bool is_new = submitted.kind == tasks::Submitted::Kind::kAccepted;
  const std::string message =
      is_new ? "The task has been accepted and stored"
             : "A task with this submission id exists already; nothing new was created";
  TRY_ASSIGN(const bool elsewhere, context.is_elsewhere());
  if (where == RunWhere::kDetached) {
    if (is_new && !elsewhere)
      TRY(run_task_detached(context, submitted.task_id), "task {}", submitted.task_id);
    context.output().record(
        {"transfer_result",
         {{"message", "Message", message},
          {"task_id", "Task ID", submitted.task_id},
          {"code", "Code", std::string(is_new ? "Accepted" : "Duplicate"), Shown::kNotInText}}});
    return kExitDone;
  }
  if (!is_new) context.err() << "wherry: " << message << ": " << submitted.task_id << '\n';
  if (elsewhere) return follow_elsewhere(context, submitted.task_id);
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const Task task, wherry->service().task(submitted.task_id));
  if (tasks::is_final(task.state))
    return conclude(context, wherry->service(), task, Finish::kByItself);
  if (task.holder) return wait_for_other(context, wherry->service(), submitted.task_id);
  auto exit = run_task_here(context, submitted.task_id);
  if (!exit && exit.error().code == Code::kConflict)
    return wait_for_other(context, wherry->service(), submitted.task_id);
  return exit;
}

}  // namespace wherry::cli
