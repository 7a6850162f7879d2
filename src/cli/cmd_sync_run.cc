// SPDX-License-Identifier: Apache-2.0
// wherry sync run, watch, status, verify, rebuild: what syncs do.

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/invocation.h"
#include "cli/progress.h"
#include "cli/schedule_text.h"
#include "cli/sync_view.h"

namespace wherry::cli {
namespace {

using sync::PassEnd;
using sync::PassReport;

sync::PassOptions pass_options(Context& context, const Arguments& arguments,
                               const Options& settings) {
  sync::PassOptions options;
  options.threads = static_cast<std::size_t>(settings.integer("sync.threads"));
  options.dry_run = arguments.has("dry-run");
  options.allow_deletions = arguments.has("allow-deletions");
  options.max_delete = arguments.percent("max-delete");
  options.full = arguments.has("full");
  // A dry run is about the changes; in the other forms its counts are enough.
  if (options.dry_run && context.output().format() == Format::kText) {
    options.on_change = [&context](const sync::Change& change) {
      context.output().raw(change_text(change) + "\n");
    };
  }
  return options;
}

// Draws the progress of whichever task of this process is moving files.
class PassProgress {
 public:
  PassProgress(Context& context, tasks::LocalService& service)
      : line_(progress_style(), system_clock(), context.err()), service_(service) {}

  Duration interval() const { return line_.interval(); }
  void update() {
    tasks::TaskFilter filter;
    filter.states = {tasks::TaskState::kActive};
    const auto active = service_.tasks(filter);
    if (!active) return;  // what reads the state next will tell
    for (const tasks::Task& task : *active) {
      if (const auto progress = service_.progress(task.id)) return line_.update(*progress);
    }
  }
  void clear() { line_.clear(); }

 private:
  ProgressLine line_;
  tasks::LocalService& service_;
};

void show_problems(Context& context, const std::vector<sync::Problem>& problems,
                   std::uint64_t all) {
  for (const sync::Problem& problem : problems) {
    context.err() << fmt::format("  {}: {}\n", escape_bytes(problem.path),
                                 printable(problem.message));
  }
  if (all > problems.size() && !problems.empty())
    context.err() << fmt::format("  ... {} in all\n", all);
}

// Answers the exit code.
int show_pass(Context& context, const std::string& name, const PassReport& report) {
  sync::PassRecord record;
  record.report = report;
  record.ended = system_clock().now();
  context.output().record(pass_record(name, record));
  if (report.end != PassEnd::kDone)
    context.err() << fmt::format("wherry: sync '{}': {}: {}\n", name, to_string(report.end),
                                 printable(report.message));
  show_problems(context, report.problems, report.counts.failed + report.counts.unreadable);
  return report.end == PassEnd::kDone ? kExitDone : kExitFailed;
}

Result<int> print_cron(Context& context, const std::vector<std::string>& names) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(sync::SyncService * syncs, wherry->syncs());
  for (const std::string& name : names) {
    TRY_ASSIGN(const sync::SyncDefinition definition, syncs->get(name));
    std::string schedule = definition.cron;
    if (schedule.empty()) {
      const bool has_interval = definition.every > Duration(0);
      TRY_ASSIGN(schedule,
                 cron_schedule(has_interval ? definition.every : std::chrono::minutes(15)),
                 "sync '{}'", name);
    }
    context.output().raw(
        crontab_line(schedule, invocation_of(context, *wherry, {"sync", "run", name})));
  }
  return kExitDone;
}

Result<int> run_sync(Context& context, const Arguments& arguments) {
  const std::vector<std::string>& names = arguments.all("NAME");
  if (arguments.has("print-cron")) return print_cron(context, names);
  TRY_ASSIGN(app::Wherry * wherry, context.wherry(tasks::Execution::kAll));
  TRY_ASSIGN(sync::SyncService * syncs, wherry->syncs());
  for (const std::string& name : names) TRY(syncs->get(name));  // before any begins
  if (arguments.has("force"))
    for (const std::string& name : names) TRY(syncs->take_over(name));
  int exit = kExitDone;
  for (const std::string& name : names) {
    PassProgress progress(context, wherry->service());
    const sync::PassOptions options = pass_options(context, arguments, wherry->settings());
    std::optional<Result<PassReport>> ended;
    const Finish finish = run_in_foreground(
        {progress.interval(), [&] { progress.update(); }, context.err()},
        [&](std::stop_token stop) { ended.emplace(syncs->run(name, options, stop)); });
    progress.clear();
    if (finish == Finish::kInterrupted) {
      context.err() << fmt::format(
          "wherry: sync '{}' was interrupted; `wherry sync run {}` goes on where it ended\n", name,
          name);
      return kExitInterrupted;
    }
    if (!*ended) {
      // One sync that cannot run holds back no other.
      context.err() << fmt::format("wherry: sync '{}': {}\n", name,
                                   printable(ended->error().message));
      exit = std::max(exit, exit_code_of(ended->error()));
      continue;
    }
    exit = std::max(exit, show_pass(context, name, ended->value()));
  }
  return exit;
}

// What a pass of a watched sync did, for the log.
void log_pass(std::string_view name, const Result<PassReport>& report) {
  if (!report) {
    log_error("sync '{}': {}", name, report.error().message);
    return;
  }
  const sync::Counts& counts = report->counts;
  const std::uint64_t moved = counts.added + counts.modified + counts.renamed + counts.removed;
  if (report->end != PassEnd::kDone) {
    log_warning("sync '{}': pass {}: {}: {}", name, report->number, to_string(report->end),
                report->message);
  } else if (moved > 0) {
    log_info("sync '{}': pass {}: {} added, {} changed, {} renamed, {} removed, {}", name,
             report->number, counts.added, counts.modified, counts.renamed, counts.removed,
             format_bytes(counts.bytes));
  }
}

Result<int> print_systemd(Context& context, const std::vector<std::string>& names) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  std::vector<std::string> words = {"sync", "watch"};
  words.insert(words.end(), names.begin(), names.end());
  context.output().raw(systemd_unit(
      {.name = "wherry-sync", .description = "Wherry keeps directories mirrored", .type = "exec"},
      invocation_of(context, *wherry, std::move(words))));
  return kExitDone;
}

Result<int> watch(Context& context, const Arguments& arguments) {
  const std::vector<std::string>& names = arguments.all("NAME");
  if (arguments.has("print-systemd")) return print_systemd(context, names);
  context.prefer_setting("log.level", "info");  // what a service's journal is for
  TRY_ASSIGN(app::Wherry * wherry, context.wherry(tasks::Execution::kAll));
  TRY_ASSIGN(sync::SyncService * syncs, wherry->syncs());
  sync::WatchOptions options;
  options.names = names;
  options.passes = static_cast<std::size_t>(wherry->settings().integer("sync.passes"));
  options.scan_threads = static_cast<std::size_t>(wherry->settings().integer("sync.threads"));
  options.on_pass = log_pass;
  options.on_note = [](std::string_view name, std::string_view message) {
    log_info("sync '{}': {}", name, message);
  };
  std::optional<Result<void>> ended;
  run_in_foreground({.err = context.err()},
                    [&](std::stop_token stop) { ended.emplace(syncs->watch(options, stop)); });
  TRY(*std::move(ended));
  return kExitDone;
}

Result<int> status(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(sync::SyncService * syncs, wherry->syncs());
  TRY_ASSIGN(const sync::SyncStatus status, syncs->status(arguments.text("NAME")));
  EndpointNames names(wherry->service());
  context.output().record(status_record(status, names));
  for (const sync::Failure& failure : status.failures) {
    context.err() << fmt::format("  {}: {} (tried {} times, again at {})\n",
                                 escape_bytes(failure.path), printable(failure.message),
                                 failure.attempts, format_time(failure.next_try));
  }
  return kExitDone;
}

Result<int> verify(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(sync::SyncService * syncs, wherry->syncs());
  const std::string& name = arguments.text("NAME");
  const auto threads = static_cast<std::size_t>(wherry->settings().integer("sync.threads"));
  std::optional<Result<sync::VerifyReport>> ended;
  const Finish finish = run_in_foreground({.err = context.err()}, [&](std::stop_token stop) {
    ended.emplace(syncs->verify(name, threads, stop));
  });
  if (finish == Finish::kInterrupted) return kExitInterrupted;
  TRY_ASSIGN(const sync::VerifyReport report, *std::move(ended), "verify sync '{}'", name);
  context.output().record(verify_record(report));
  if (report.is_good()) return kExitDone;
  context.err() << fmt::format(
      "wherry: the target of sync '{}' is not what was confirmed: {} differ, {} are missing, {}"
      " cannot be read\n",
      name, report.differing, report.missing, report.unreadable);
  show_problems(context, report.problems, report.differing + report.missing + report.unreadable);
  context.err() << fmt::format(
      "To send them again: wherry sync rebuild {}, then wherry sync run {}\n", name, name);
  return kExitFailed;
}

Result<int> rebuild(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(sync::SyncService * syncs, wherry->syncs());
  const std::string& name = arguments.text("NAME");
  std::optional<Result<sync::RebuildReport>> ended;
  const Finish finish = run_in_foreground({.err = context.err()}, [&](std::stop_token stop) {
    ended.emplace(syncs->rebuild(name, stop));
  });
  if (finish == Finish::kInterrupted) return kExitInterrupted;
  TRY_ASSIGN(const sync::RebuildReport report, *std::move(ended), "rebuild the catalog of '{}'",
             name);
  context.output().record({"sync_rebuild",
                           {{"directories", "Directories", report.directories},
                            {"confirmed", "Confirmed", report.confirmed},
                            {"due", "Due In The Next Pass", report.due}}});
  return kExitDone;
}

const PositionalSpec kSyncName = {
    .name = "NAME", .kind = ValueKind::kSync, .help = "The sync, as `wherry sync list` shows."};

}  // namespace

std::span<const Command> sync_run_commands() {
  static const Command commands[] = {
      {.name = "sync run",
       .summary = "Make one pass of each named sync: find what changed, move it, confirm it.",
       .description = "Exits with 1 if something could not be moved (it is due again in the next"
                      " pass) or if a brake stopped the pass, and says why.",
       .positionals = {{.name = "NAME",
                        .kind = ValueKind::kSync,
                        .help = "The syncs, as `wherry sync list` shows.",
                        .count = PositionalSpec::Count::kOneOrMore}},
       .options = {{.name = "dry-run", .help = "List what would be done, and do nothing."},
                   {.name = "allow-deletions",
                    .help = "Go on even if more files are gone than --max-delete allows."},
                   {.name = "max-delete",
                    .value = "PERCENT",
                    .help = "In place of what the sync was set up with.",
                    .kind = ValueKind::kPercent},
                   {.name = "full",
                    .help = "Look at every file, also in directories that are trusted."},
                   {.name = "force",
                    .help = "Take the sync from a process on another host; only when that process "
                            "is known to be gone for good, because nothing here can see it."},
                   {.name = "print-cron", .help = "Print a crontab line for each sync instead."}},
       .handler = run_sync,
       .examples = {"wherry sync run frames --dry-run", "wherry sync run frames"}},
      {.name = "sync watch",
       .summary = "Keep syncs up to date until interrupted; one process for all.",
       .description = "Notices changes as they happen, and scans in full at the interval of each"
                      " sync, because notices can be lost.",
       .positionals = {{.name = "NAME",
                        .kind = ValueKind::kSync,
                        .help = "The syncs; all that are not paused if none is named.",
                        .count = PositionalSpec::Count::kAny}},
       .options = {{.name = "print-systemd", .help = "Print a systemd unit instead."}},
       .handler = watch},
      {.name = "sync status",
       .summary = "Show what a sync is doing and how its last pass ended.",
       .positionals = {kSyncName},
       .handler = status},
      {.name = "sync verify",
       .summary = "Read both sides in full and compare them.",
       .positionals = {kSyncName},
       .handler = verify},
      {.name = "sync rebuild",
       .summary = "Make a lost catalog anew from what is at the target.",
       .description = "Moves nothing. The next pass sends what the target does not have.",
       .positionals = {kSyncName},
       .handler = rebuild},
  };
  return commands;
}

}  // namespace wherry::cli
