// SPDX-License-Identifier: Apache-2.0
// wherry queue submit, ls, term, launch: allocations of a scheduler, and the launcher that runs
// jobs in them or on this machine.
#include <charconv>

#include "base/clock.h"
#include "base/path.h"
#include "base/process.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/job_options.h"
#include "cli/site_selector.h"
#include "jobs/launcher.h"
#include "jobs/site_settings.h"
#include "schedulers/scheduler.h"

namespace wherry::cli {
namespace {

using jobs::BatchJob;
using jobs::BatchJobState;

// 1 or more; `fallback` if it was not given.
Result<int> positive_option(const Arguments& arguments, std::string_view name, int fallback) {
  const std::int64_t value = arguments.integer(name).value_or(fallback);
  const std::int64_t least = fallback == 0 && !arguments.has(name) ? 0 : 1;
  if (value < least || value > 1'000'000)
    return make_error(Code::kInvalid, "option --{}: {} is not between 1 and 1000000", name, value);
  return static_cast<int>(value);
}

// ---- how they are shown

Value moment_or_nothing(const std::optional<TimePoint>& moment) {
  return moment ? Value(*moment) : Value();
}

Record batch_job_record(const BatchJob& batch_job) {
  return {
      "batch_job",
      {{"id", "Batch Job", static_cast<std::uint64_t>(batch_job.id)},
       {"site_id", "Site", static_cast<std::uint64_t>(batch_job.site)},
       {"scheduler_id", "Scheduler's Id", batch_job.scheduler_id},
       {"state", "State", std::string(to_string(batch_job.state))},
       {"status_info", "Info", batch_job.status_info},
       {"queue", "Queue", batch_job.queue},
       {"project", "Project", batch_job.project},
       {"num_nodes", "Nodes", static_cast<std::uint64_t>(batch_job.num_nodes)},
       {"wall_time_min", "Wall Time (min)", static_cast<std::uint64_t>(batch_job.wall_time_min)},
       {"job_mode", "Job Mode", std::string(to_string(batch_job.job_mode))},
       {"filter_tags", "Tags", Pairs{batch_job.filter_tags}},
       {"optional_params", "Parameters", Pairs{batch_job.optional_params}},
       {"creation_time", "Created", batch_job.created},
       {"start_time", "Started", moment_or_nothing(batch_job.started)},
       {"end_time", "Ended", moment_or_nothing(batch_job.ended)}}};
}

std::vector<Column> batch_job_columns() {
  return {{"id", "Batch Job"},
          {"site_id", "Site"},
          {"scheduler_id", "Scheduler's Id"},
          {"state", "State"},
          {"status_info", "Info"},
          {"queue", "Queue"},
          {"project", "Project", Shown::kNotInText},
          {"num_nodes", "Nodes"},
          {"wall_time_min", "Wall Time (min)"},
          {"job_mode", "Mode"},
          {"filter_tags", "Tags", Shown::kNotInText},
          {"optional_params", "Parameters", Shown::kNotInText},
          {"creation_time", "Created", Shown::kNotInText},
          {"start_time", "Started"},
          {"end_time", "Ended"}};
}

// The values of the record, which has the same fields in the same order.
std::vector<Value> batch_job_row(const BatchJob& batch_job) {
  std::vector<Value> row;
  for (Field& field : batch_job_record(batch_job).fields) row.push_back(std::move(field.value));
  return row;
}

// ---- submit, ls, term

Result<int> submit_batch_job(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const jobs::Site site, site_option(context, arguments));
  BatchJob wanted;
  wanted.site = site.id;
  TRY_ASSIGN(wanted.num_nodes, positive_option(arguments, "num-nodes", 1));
  TRY_ASSIGN(wanted.wall_time_min, positive_option(arguments, "wall-time-min", 0));
  wanted.queue = arguments.text("queue");
  wanted.project = arguments.text("project");
  if (arguments.has("job-mode")) {
    TRY_ASSIGN(wanted.job_mode, jobs::parse_job_mode(arguments.text("job-mode")));
  }
  TRY_ASSIGN(wanted.filter_tags, pairs_of(arguments, "tag"));
  TRY_ASSIGN(wanted.optional_params, pairs_of(arguments, "param"));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const BatchJob made, wherry->jobs().batch_jobs.create(wanted));
  context.output().record(batch_job_record(made));
  TRY_ASSIGN(const auto holder, holder_of(*wherry, site.id));
  if (!holder) {
    context.err() << fmt::format(
        "wherry: batch job {} waits: no process runs site '{}', which would submit it; `wherry site"
        " start {}` does\n",
        made.id, escape_bytes(site.name), site.id);
  }
  return kExitDone;
}

Result<int> list_batch_jobs(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  jobs::BatchJobFilter filter;
  TRY_ASSIGN(filter.sites, sites_option(context, arguments));
  filter.scheduler_id = arguments.text("scheduler-id");
  TRY_ASSIGN(filter.filter_tags, pairs_of(arguments, "tag"));
  filter.started_after = arguments.time("started-after");
  filter.started_before = arguments.time("started-before");
  if (!arguments.has("history") && filter.scheduler_id.empty()) {
    filter.states = {BatchJobState::kPendingSubmission, BatchJobState::kQueued,
                     BatchJobState::kRunning, BatchJobState::kPendingDeletion,
                     BatchJobState::kSubmitFailed};
  }
  if (const auto limit = arguments.integer("limit")) {
    filter.limit = static_cast<std::size_t>(std::max<std::int64_t>(*limit, 0));
    filter.sorting = jobs::Sorting::kDescending;
  }
  TRY_ASSIGN(const auto found, wherry->jobs().batch_jobs.list(filter));
  Output::Table table(context.output(), "batch_job_list", batch_job_columns());
  for (const BatchJob& batch_job : found.rows) table.row(batch_job_row(batch_job));
  table.finish();
  return kExitDone;
}

// By its number here, or the scheduler's.
Result<BatchJob> find_batch_job(app::Wherry& wherry, const std::string& id) {
  std::vector<BatchJob> found;
  std::int64_t number = 0;
  const auto parsed = std::from_chars(id.data(), id.data() + id.size(), number);
  if (parsed.ec == std::errc() && parsed.ptr == id.data() + id.size()) {
    auto by_number = wherry.jobs().batch_jobs.get(number);
    if (!by_number && by_number.error().code != Code::kNotFound) return by_number;
    if (by_number) found.push_back(*std::move(by_number));
  }
  jobs::BatchJobFilter filter;
  filter.scheduler_id = id;
  TRY_ASSIGN(const auto by_scheduler, wherry.jobs().batch_jobs.list(filter));
  for (const BatchJob& batch_job : by_scheduler.rows) {
    if (!is_final(batch_job.state) && (found.empty() || found.front().id != batch_job.id))
      found.push_back(batch_job);
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return make_error(Code::kNotFound, "there is no batch job '{}'; `wherry queue ls` shows them",
                      escape_bytes(id));
  }
  return make_error(Code::kConflict,
                    "'{0}' is batch job {0}, and what the scheduler calls batch job {1}; name the"
                    " one by its other number ({2} at the scheduler, or {1})",
                    id, found[1].id,
                    found[0].scheduler_id.empty() ? "none yet" : found[0].scheduler_id);
}

Result<int> terminate(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  for (const std::string& id : arguments.all("ID")) {
    TRY_ASSIGN(const BatchJob batch_job, find_batch_job(*wherry, id));
    if (is_final(batch_job.state)) {
      return make_error(Code::kConflict, "batch job {} has ended: {}", batch_job.id,
                        to_string(batch_job.state));
    }
    jobs::BatchJobs::Change change;
    change.state = BatchJobState::kPendingDeletion;
    if (batch_job.state != BatchJobState::kPendingDeletion) {
      TRY(wherry->jobs().batch_jobs.modify(batch_job.id, change));
    }
    context.output().message(
        "Accepted",
        fmt::format("The process of the site cancels batch job {}; what runs in it is RUN_TIMEOUT",
                    batch_job.id));
  }
  return kExitDone;
}

// ---- launch

// SQLite's write-ahead log is shared memory: a second host would corrupt the database. Asked before
// anything of the state directory is opened.
Result<void> check_host(const Arguments& arguments) {
  const std::string& wanted = arguments.text("only-on");
  const std::string host = this_process().host;
  if (wanted.empty() || wanted == host) return {};
  return make_error(
      Code::kUnsupported,
      "this launcher runs on host '{}', but the state of the site is in an SQLite database that"
      " only processes of host '{}' may open; docs/howto/slurm.md, \"Clusters whose nodes are other"
      " hosts\", tells what to do",
      host, wanted);
}

// What an allocation of Slurm adds: its nodes and its end. `outside_of` is its id for a launcher
// that is not in it.
Result<void> take_allocation(app::Wherry& wherry, jobs::BatchJobId id,
                             const std::string& outside_of, jobs::LauncherOptions& options) {
  TRY_ASSIGN(const BatchJob batch_job, wherry.jobs().batch_jobs.get(id));
  if (batch_job.site != options.site)
    return make_error(Code::kInvalid, "batch job {} is one of another site", id);
  TRY_ASSIGN(const schedulers::Allocation allocation,
             outside_of.empty() ? schedulers::slurm_allocation()
                                : schedulers::slurm_allocation(outside_of));
  options.outside_of = outside_of;
  options.batch_job = id;
  options.mode = batch_job.job_mode;
  options.ends = allocation.ends;
  options.filter_tags = batch_job.filter_tags;
  for (const std::string& name : allocation.nodes)
    options.nodes.push_back({name, allocation.processors_per_node});
  // Asked again what it is only when something has failed: then the nodes may be gone.
  options.has_nodes = [id = batch_job.scheduler_id] {
    const auto still = schedulers::slurm_allocation(id);
    return still.has_value() || still.error().code != Code::kConflict;
  };
  return {};
}

Result<jobs::LauncherOptions> launcher_options(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const jobs::Site site, site_option(context, arguments));
  TRY_ASSIGN(const jobs::SiteSettings settings, jobs::parse_site_settings(site.settings),
             "settings of site '{}'", escape_bytes(site.name));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  jobs::LauncherOptions options;
  options.site = site.id;
  options.site_path = site.path;
  options.idle_time = arguments.duration("idle-time").value_or(settings.launcher.idle_time);
  options.gpus_per_node = settings.launcher.gpus_per_node;
  options.on_left = [&context](const std::string& why) {
    if (!why.empty()) context.err() << fmt::format("wherry: {}\n", why);
  };
  if (const auto batch_job = arguments.integer("batch-job")) {
    TRY(take_allocation(*wherry, *batch_job, arguments.text("outside-of"), options));
    options.sign_of_life = arguments.text("sign-of-life");
  } else {
    options.processes_per_node = settings.launcher.local_processes;
  }
  if (arguments.has("processes")) {
    TRY_ASSIGN(const int processes, positive_option(arguments, "processes", 1));
    options.processes_per_node = static_cast<std::size_t>(processes);
  }
  TRY_ASSIGN(const jobs::TextMap tags, pairs_of(arguments, "tag"));
  options.filter_tags.insert(tags.begin(), tags.end());
  return options;
}

Result<int> launch(Context& context, const Arguments& arguments) {
  TRY(check_host(arguments));
  TRY_ASSIGN(const jobs::LauncherOptions options, launcher_options(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  const jobs::LauncherParts parts = {wherry->database(), system_clock()};
  std::optional<Result<jobs::LauncherReport>> ended;
  const Finish finish = run_in_foreground({.err = context.err()}, [&](std::stop_token stop) {
    ended.emplace(jobs::launch(parts, options, std::move(stop)));
  });
  TRY_ASSIGN(const jobs::LauncherReport report, *std::move(ended), "launcher");
  context.output().record({"launcher_report",
                           {{"done", "Done", report.done},
                            {"failed", "Failed", report.failed},
                            {"cut_off", "Cut Off", report.cut_off}}});
  return finish == Finish::kInterrupted ? kExitInterrupted : kExitDone;
}

std::vector<OptionSpec> submit_options() {
  return {{.name = "num-nodes",
           .short_name = 'n',
           .value = "N",
           .help = "How many nodes (1).",
           .kind = ValueKind::kInteger},
          {.name = "wall-time-min",
           .short_name = 't',
           .value = "MINUTES",
           .help = "For how long; as the queue has it if it is not given.",
           .kind = ValueKind::kInteger},
          {.name = "queue", .short_name = 'q', .value = "QUEUE", .help = "Partition of Slurm."},
          {.name = "project", .short_name = 'A', .value = "PROJECT", .help = "Account of Slurm."},
          {.name = "job-mode",
           .short_name = 'j',
           .value = "MODE",
           .help = "serial (the default): many jobs, each on one node or a part of it; mpi: srun"
                   " spreads the ranks of each job over its nodes.",
           .kind = ValueKind::kChoice,
           .choices = {"serial", "mpi"}},
          tag_option("Run only jobs with this tag; of several, with all of them."),
          {.name = "param",
           .short_name = 'x',
           .value = "OPTION=VALUE",
           .help = "An option of sbatch, e.g. constraint=gpu; with no value, e.g. reboot=.",
           .times = OptionSpec::Times::kMany},
          site_option_spec()};
}

std::vector<OptionSpec> launch_options() {
  return {
      {.name = "batch-job",
       .value = "ID",
       .help = "In the allocation of this batch job, in which the command is run.",
       .kind = ValueKind::kInteger},
      {.name = "processes",
       .value = "N",
       .help = "So many jobs at once on a node, whatever they say they need.",
       .kind = ValueKind::kInteger},
      {.name = "idle-time",
       .value = "TIME",
       .help = "End when there has been no job for so long; 0s: never. As the site's settings"
               " have it if it is not given.",
       .kind = ValueKind::kDuration},
      tag_option("Run only jobs with this tag; of several, with all of them."),
      {.name = "outside-of",
       .value = "SLURM_ID",
       .help = "This is not a process of the batch job's allocation, which is this job of Slurm:"
               " reach its nodes by srun."},
      {.name = "sign-of-life",
       .value = "FILE",
       .help = "Write to the file while the launcher lives; remove it at the end.",
       .kind = ValueKind::kFile},
      {.name = "only-on",
       .value = "HOST",
       .help = "Refuse to run on another host, before the state directory is opened."},
      site_option_spec()};
}

}  // namespace

std::span<const Command> queue_commands() {
  static const Command commands[] = {
      {.name = "queue submit",
       .summary = "Ask for an allocation of the scheduler in which jobs are run.",
       .description = "The process of the site submits it and follows it; in it a launcher takes"
                      " jobs that can run, until its time is over or it has had none for a while.",
       .options = submit_options(),
       .handler = submit_batch_job,
       .examples = {"wherry queue submit -n 4 -t 60 -q debug -A physics",
                    "wherry queue submit -n 1 -t 30 --tag campaign=2026 -x constraint=gpu"}},
      {.name = "queue ls",
       .summary = "List the batch jobs of sites.",
       .options = {{.name = "history", .help = "Also those that have finished."},
                   {.name = "scheduler-id",
                    .value = "ID",
                    .help = "Only the one that the scheduler calls so."},
                   tag_option("Only those that run jobs with this tag alone."),
                   {.name = "started-after",
                    .value = "TIME",
                    .help = "Only those that started later.",
                    .kind = ValueKind::kTime},
                   {.name = "started-before",
                    .value = "TIME",
                    .help = "Only those that started earlier.",
                    .kind = ValueKind::kTime},
                   {.name = "limit",
                    .value = "N",
                    .help = "At most N, the newest first.",
                    .kind = ValueKind::kInteger},
                   sites_option_spec()},
       .handler = list_batch_jobs},
      {.name = "queue term",
       .summary = "Cancel batch jobs.",
       .positionals = {{.name = "ID",
                        .help = "Its number, as `wherry queue ls` shows, or the scheduler's.",
                        .count = PositionalSpec::Count::kOneOrMore}},
       .handler = terminate},
      {.name = "queue launch",
       .summary = "Run jobs of a site here, until there has been none for a while.",
       .description = "What a batch script runs; by hand it is one more launcher on this machine."
                      " A job's output goes to job.out in its work directory. Jobs that are cut off"
                      " become RUN_TIMEOUT.",
       .options = launch_options(),
       .handler = launch,
       .examples = {"wherry queue launch --processes 4 --idle-time 10m"}},
  };
  return commands;
}

}  // namespace wherry::cli
