// SPDX-License-Identifier: Apache-2.0
// wherry job: jobs are made, listed, changed.
#include <algorithm>
#include <limits>
#include <map>

#include "base/path.h"
#include "cli/batch_file.h"
#include "cli/commands.h"
#include "cli/job_file.h"
#include "cli/job_options.h"
#include "cli/job_view.h"
#include "cli/site_selector.h"

namespace wherry::cli {
namespace {

using jobs::App;
using jobs::Job;
using jobs::JobFilter;
using jobs::JobId;
using jobs::NewJob;

// Lists are read in parts, so that their length needs no memory.
constexpr std::size_t kJobsAtOnce = 5'000;

Result<JobNames> names_of(app::Wherry& wherry) {
  JobNames names;
  TRY_ASSIGN(const auto sites, wherry.jobs().sites.list());
  for (const jobs::Site& site : sites) names.sites[site.id] = site.name;
  TRY_ASSIGN(const auto apps, wherry.jobs().apps.list({}));
  for (const App& app : apps) names.apps[app.id] = app.name;
  return names;
}

Result<std::vector<jobs::TransferItem>> items_of(app::Wherry& wherry, JobId job) {
  jobs::ItemFilter filter;
  filter.jobs = {job};
  TRY_ASSIGN(auto items, wherry.jobs().items.list(filter));
  return std::move(items.rows);
}

// ---- create

Result<ResourceChoice> resources_of(const Arguments& arguments) {
  ResourceChoice choice;
  for (const IntegerResource& resource : integer_resources()) {
    std::string option(resource.name);
    std::replace(option.begin(), option.end(), '_', '-');
    if (!arguments.has(option)) continue;
    TRY_ASSIGN(const int count, parse_count(arguments.text(option)), "option --{}", option);
    choice.numbers.emplace_back(resource.member, count);
  }
  if (arguments.has("gpus-per-rank")) {
    TRY_ASSIGN(choice.gpus_per_rank, parse_fraction(arguments.text("gpus-per-rank")),
               "option --gpus-per-rank");
  }
  if (arguments.has("launch-param")) {
    TRY_ASSIGN(choice.launch_params, pairs_of(arguments, "launch-param"));
  }
  return choice;
}

Result<std::map<std::string, jobs::RemotePath, std::less<>>> stages_of(const Arguments& arguments) {
  TRY_ASSIGN(const jobs::TextMap pairs, pairs_of(arguments, "stage"));
  std::map<std::string, jobs::RemotePath, std::less<>> places;
  for (const auto& [slot, place] : pairs) {
    TRY_ASSIGN(places[slot], jobs::parse_remote_path(place), "option --stage: slot '{}'",
               escape_bytes(slot));
  }
  return places;
}

Result<JobLine> line_of(const Arguments& arguments) {
  for (const std::string_view needed : {"workdir", "app"}) {
    if (!arguments.has(needed))
      return make_error(Code::kInvalid, "--{} is missing (or --batch with a file of jobs)", needed);
  }
  JobLine line;
  line.job.workdir = arguments.text("workdir");
  line.job.app = arguments.text("app");
  TRY_ASSIGN(line.job.tags, pairs_of(arguments, "tag"));
  TRY_ASSIGN(line.job.parameters, pairs_of(arguments, "param"));
  TRY_ASSIGN(line.job.transfers, stages_of(arguments));
  line.job.parents = numbers_of(arguments, "parent");
  line.job.data = arguments.text("data");
  TRY_ASSIGN(line.resources, resources_of(arguments));
  return line;
}

// What the lines leave open of resources comes from the app.
class Completion {
 public:
  Completion(jobs::Apps& apps, jobs::SiteId site) : apps_(apps), site_(site) {}

  Result<NewJob> complete(JobLine line) {
    if (!line.resources.is_empty()) {
      TRY_ASSIGN(const App* app, find(line.job.app));
      line.job.resources = line.resources.over(app->resources);
    }
    return std::move(line.job);
  }

 private:
  Result<const App*> find(const std::string& name) {
    const auto known = known_.find(name);
    if (known != known_.end()) return &known->second;
    auto app = apps_.find(site_, name);
    if (!app) {
      // The store says the same of jobs that name no resources: a wrong name is wrong input.
      Error error = std::move(app).error();
      if (error.code == Code::kNotFound) error.code = Code::kInvalid;
      return error;
    }
    return &known_.emplace(name, std::move(app).value()).first->second;
  }

  jobs::Apps& apps_;
  jobs::SiteId site_;
  std::map<std::string, App> known_;
};

Result<int> create_one(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(JobLine line, line_of(arguments));
  TRY_ASSIGN(const jobs::Site site, site_option(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const NewJob wanted,
             Completion(wherry->jobs().apps, site.id).complete(std::move(line)));
  TRY_ASSIGN(const std::vector<Job> made, wherry->jobs().jobs.create(site.id, {&wanted, 1}));
  const Job& job = made.front();
  if (context.output().format() == Format::kText) {
    context.output().raw(fmt::format("Job {} created: {}\n", job.id, to_string(job.state)));
    return kExitDone;
  }
  TRY_ASSIGN(const JobNames names, names_of(*wherry));
  TRY_ASSIGN(const auto items, items_of(*wherry, job.id));
  context.output().record(job_record(job, names, items, ""));
  return kExitDone;
}

Result<void> refuse_beside_batch(const Arguments& arguments) {
  for (const auto& [option, value] : arguments.in_order()) {
    static const std::vector<std::string> allowed = {
        "batch", "site", "format", "set", "service", "state-dir", "log-level", "verbose"};
    if (std::find(allowed.begin(), allowed.end(), option) == allowed.end())
      return make_error(Code::kInvalid, "--{} and --batch exclude each other: the file says it",
                        option);
  }
  return {};
}

Result<int> create_batch(Context& context, const Arguments& arguments) {
  TRY(refuse_beside_batch(arguments));
  const std::string& file = arguments.text("batch");
  const std::string shown =
      file == "-" ? "standard input" : fmt::format("'{}'", escape_bytes(file));
  TRY_ASSIGN(const std::string text, read_batch(file));
  TRY_ASSIGN(std::vector<JobLine> lines, parse_job_file(text), "{}", shown);
  TRY_ASSIGN(const jobs::Site site, site_option(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  Completion completion(wherry->jobs().apps, site.id);
  std::vector<NewJob> wanted;
  wanted.reserve(lines.size());
  for (JobLine& line : lines) {
    TRY_ASSIGN(NewJob job, completion.complete(std::move(line)), "{}: job {}", shown,
               wanted.size() + 1);
    wanted.push_back(std::move(job));
  }
  TRY_ASSIGN(const std::uint64_t count, wherry->jobs().jobs.create_many(site.id, wanted), "{}",
             shown);
  context.output().message(
      "Created", fmt::format("{} created at site '{}'", jobs_text(count), escape_bytes(site.name)));
  return kExitDone;
}

Result<int> create_jobs(Context& context, const Arguments& arguments) {
  return arguments.has("batch") ? create_batch(context, arguments) : create_one(context, arguments);
}

// ---- looking

Result<void> show_counts(Context& context, app::Wherry& wherry, const JobFilter& filter) {
  TRY_ASSIGN(const auto counts, wherry.jobs().jobs.count_by_state(filter));
  Output::Table table(context.output(), "job_count_list", {{"state", "State"}, {"count", "Jobs"}});
  for (const auto& [state, count] : counts) {
    if (count > 0) table.row({std::string(to_string(state)), count});
  }
  table.finish();
  return {};
}

Result<int> list_jobs(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(JobFilter filter, job_filter(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  if (arguments.has("by-state")) {
    TRY(show_counts(context, *wherry, filter));
    return kExitDone;
  }
  TRY_ASSIGN(const JobNames names, names_of(*wherry));
  const auto limit = static_cast<std::size_t>(
      arguments.integer("limit").value_or(std::numeric_limits<std::int64_t>::max()));
  Output::Table table(context.output(), "job_list",
                      job_columns(arguments.has("verbose") ? Detail::kLong : Detail::kShort));
  while (filter.offset < limit) {
    filter.limit = std::min(kJobsAtOnce, limit - filter.offset);
    TRY_ASSIGN(const auto page, wherry->jobs().jobs.list(filter));
    for (const Job& job : page.rows) table.row(job_row(job, names));
    filter.offset += page.rows.size();
    if (page.rows.size() < filter.limit) break;
  }
  table.finish();
  return kExitDone;
}

Result<int> show_job(Context& context, const Arguments& arguments) {
  const JobId id = numbers_of(arguments, "JOB_ID").front();
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const Job job, wherry->jobs().jobs.get(id));
  TRY_ASSIGN(const JobNames names, names_of(*wherry));
  TRY_ASSIGN(const auto items, items_of(*wherry, id));
  jobs::EventFilter last;
  last.jobs = {id};
  last.to = to_string(job.state);
  last.limit = 1;
  TRY_ASSIGN(const auto events, wherry->jobs().jobs.events(last));
  context.output().record(
      job_record(job, names, items, events.rows.empty() ? "" : events.rows.front().message));
  return kExitDone;
}

Result<int> events(Context& context, const Arguments& arguments) {
  jobs::EventFilter filter;
  filter.jobs = numbers_of(arguments, "JOB_ID");
  TRY_ASSIGN(filter.tags, pairs_of(arguments, "tag"));
  if (filter.jobs.empty() || arguments.has("site")) {
    TRY_ASSIGN(filter.sites, sites_option(context, arguments));
  }
  filter.from = arguments.text("from-state");
  filter.to = arguments.text("to-state");
  filter.after = arguments.time("after");
  filter.before = arguments.time("before");
  filter.limit = static_cast<std::size_t>(arguments.integer("limit").value_or(100));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  for (const JobId id : filter.jobs) TRY(wherry->jobs().jobs.get(id));
  TRY_ASSIGN(const auto found, wherry->jobs().jobs.events(filter));
  Output::Table table(context.output(), "job_event_list", job_event_columns());
  // The last ones, in the order in which they happened.
  for (auto event = found.rows.rbegin(); event != found.rows.rend(); ++event)
    table.row(job_event_row(*event));
  table.finish();
  return kExitDone;
}

// ---- changing

// A state that this job can never be given by hand is wrong input, whatever the world is like.
Error refused_state(Error error, const jobs::JobChange& change) {
  if (change.state && error.code == Code::kConflict) error.code = Code::kInvalid;
  return error;
}

Result<int> modify(Context& context, const Arguments& arguments) {
  jobs::JobChange change;
  if (arguments.has("state")) {
    TRY_ASSIGN(change.state, jobs::parse_job_state(arguments.text("state")), "--state");
  }
  change.workdir = arguments.optional_text("workdir");
  change.data = arguments.optional_text("data");
  if (arguments.has("tag")) {
    TRY_ASSIGN(change.tags, pairs_of(arguments, "tag"));
  }
  if (arguments.has("param")) {
    TRY_ASSIGN(change.parameters, pairs_of(arguments, "param"));
  }
  if (!change.state && !change.workdir && !change.data && !change.tags && !change.parameters)
    return make_error(Code::kInvalid,
                      "nothing to change; give --state, --tag, --param, --workdir or --data");
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  std::vector<jobs::Jobs::Numbered> changes;
  for (const JobId id : numbers_of(arguments, "JOB_ID")) changes.push_back({id, change});
  for (const JobId id : numbers_of(arguments, "id")) changes.push_back({id, change});
  if (changes.empty()) return make_error(Code::kInvalid, "JOB_ID is missing");
  const Result<void> done = wherry->jobs().jobs.modify(changes);
  if (!done) return refused_state(done.error(), change);
  context.output().message("Updated", fmt::format("{} changed", jobs_text(changes.size())));
  return kExitDone;
}

Result<int> remove_jobs(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const JobFilter filter, chosen_jobs(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const std::uint64_t count, wherry->jobs().jobs.remove(filter));
  context.output().message(
      "Removed",
      fmt::format("{} removed, with transfer items and events; files stay", jobs_text(count)));
  return kExitDone;
}

// Does something to each chosen job in one of `states`; those that are in another one by the time
// it is their turn (kConflict) are left.
Result<std::uint64_t> each_job(Context& context, const Arguments& arguments,
                               bool (*is_fitting)(const Job&),
                               Result<Job> (jobs::Jobs::*act)(JobId)) {
  TRY_ASSIGN(JobFilter filter, chosen_jobs(context, arguments));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  jobs::Jobs& all = wherry->jobs().jobs;
  const bool is_by_number = !filter.ids.empty();
  TRY_ASSIGN(const auto found, all.list(filter));
  std::uint64_t count = 0;
  for (const Job& job : found.rows) {
    // Who names a job by its number wants to hear why it cannot be.
    if (!is_by_number && !is_fitting(job)) continue;
    const Result<Job> done = (all.*act)(job.id);
    if (!done && (is_by_number || done.error().code != Code::kConflict))
      return Error(done.error()).with_context(fmt::format("job {}", job.id));
    count += done ? 1 : 0;
  }
  return count;
}

Result<int> cancel_jobs(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const std::uint64_t count,
             each_job(
                 context, arguments, [](const Job& job) { return !is_final(job.state); },
                 &jobs::Jobs::cancel));
  context.output().message(
      "Canceled",
      fmt::format("{} cancelled; `wherry job retry` resumes what was cancelled", jobs_text(count)));
  return kExitDone;
}

Result<int> retry_jobs(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(
      const std::uint64_t count,
      each_job(
          context, arguments, [](const Job& job) { return job.state == jobs::JobState::kFailed; },
          &jobs::Jobs::retry));
  context.output().message("Retried",
                           fmt::format("{} resumed; what failed is tried again", jobs_text(count)));
  return kExitDone;
}

// ---- the table

std::vector<OptionSpec> resource_options() {
  return {{.name = "num-nodes",
           .short_name = 'n',
           .value = "N",
           .help = "Nodes of its own. This and what follows: in place of what the app says.",
           .kind = ValueKind::kInteger},
          {.name = "ranks-per-node",
           .value = "N",
           .help = "MPI ranks on each node.",
           .kind = ValueKind::kInteger},
          {.name = "threads-per-rank",
           .value = "N",
           .help = "Threads of each rank.",
           .kind = ValueKind::kInteger},
          {.name = "threads-per-core",
           .value = "N",
           .help = "Threads on each core.",
           .kind = ValueKind::kInteger},
          {.name = "gpus-per-rank",
           .short_name = 'g',
           .value = "N",
           .help = "GPUs of each rank; may be a fraction."},
          {.name = "node-packing-count",
           .value = "N",
           .help = "How many such jobs share a node.",
           .kind = ValueKind::kInteger},
          {.name = "wall-time-min",
           .short_name = 't',
           .value = "MINUTES",
           .help = "How long a run takes at most; then it is cut off.",
           .kind = ValueKind::kInteger},
          {.name = "launch-param",
           .value = "NAME=VALUE",
           .help = "An option for the program that launches its ranks.",
           .times = OptionSpec::Times::kMany}};
}

std::vector<OptionSpec> create_options() {
  std::vector<OptionSpec> options = {
      {.name = "workdir",
       .short_name = 'w',
       .value = "DIRECTORY",
       .help = "Where the job runs, below data/ of the site; made when it is needed."},
      {.name = "app",
       .short_name = 'a',
       .value = "APP",
       .help = "What it runs: name or number of an app of the site.",
       .kind = ValueKind::kApp},
      tag_option("A label to find it by."),
      {.name = "param",
       .short_name = 'p',
       .value = "NAME=VALUE",
       .help = "A parameter of the app's command.",
       .times = OptionSpec::Times::kMany},
      {.name = "stage",
       .short_name = 's',
       .value = "SLOT=ALIAS:/PATH",
       .help = "Where the data of a transfer slot comes from or goes to: a location of the site's"
               " settings and a path there, which may hold colons and spaces.",
       .times = OptionSpec::Times::kMany,
       .other_name = "stage-data"},
      {.name = "parent",
       .value = "JOB_ID",
       .help = "Wait until this job is JOB_FINISHED.",
       .kind = ValueKind::kJob,
       .times = OptionSpec::Times::kMany,
       .other_name = "parent-id"},
      {.name = "data", .value = "JSON", .help = "An object that is kept with the job."},
      {.name = "batch",
       .value = "FILE",
       .help = "Jobs from a file ('-': standard input), all or none: CSV whose first line names the"
               " columns (workdir, app, tag.KEY, param.NAME, stage.SLOT, parents, num_nodes, …), or"
               " a JSON list.",
       .kind = ValueKind::kFile},
      site_option_spec()};
  const std::vector<OptionSpec> resources = resource_options();
  options.insert(options.end() - 3, resources.begin(), resources.end());  // before --data
  return options;
}

std::vector<OptionSpec> job_list_options() {
  std::vector<OptionSpec> options = job_filter_options();
  options.push_back({.name = "by-state", .help = "Only how many there are in each state."});
  options.push_back({.name = "order-by",
                     .value = "COLUMN",
                     .help = "The order; '-' before the name turns it round.",
                     .kind = ValueKind::kChoice,
                     .choices = {"id", "-id", "last_update", "-last_update", "state", "-state",
                                 "workdir", "-workdir"}});
  options.push_back({.name = "limit",
                     .value = "N",
                     .help = "At most N jobs (all).",
                     .kind = ValueKind::kInteger});
  return options;
}

std::vector<OptionSpec> choosing_options() {
  std::vector<OptionSpec> options = job_filter_options();
  options.push_back(all_jobs_option());
  return options;
}

std::vector<OptionSpec> event_options() {
  return {tag_option("Only of jobs with this tag."),
          {.name = "from-state", .value = "STATE", .help = "Only changes from this state."},
          {.name = "to-state", .value = "STATE", .help = "Only changes to this state."},
          {.name = "after",
           .value = "TIME",
           .help = "Only what happened later.",
           .kind = ValueKind::kTime},
          {.name = "before",
           .value = "TIME",
           .help = "Only what happened earlier.",
           .kind = ValueKind::kTime},
          {.name = "limit",
           .value = "N",
           .help = "At most the last N events (100).",
           .kind = ValueKind::kInteger},
          sites_option_spec()};
}

std::vector<OptionSpec> modify_options() {
  return {{.name = "id",
           .value = "JOB_ID",
           .help = "This job.",
           .kind = ValueKind::kJob,
           .times = OptionSpec::Times::kMany},
          {.name = "state",
           .short_name = 's',
           .value = "STATE",
           .help = "A state that a person may set; the others belong to the site.",
           .kind = ValueKind::kChoice,
           .choices = job_state_names()},
          tag_option("In place of all its tags."),
          {.name = "param",
           .short_name = 'p',
           .value = "NAME=VALUE",
           .help = "In place of all its parameters.",
           .times = OptionSpec::Times::kMany},
          {.name = "workdir",
           .short_name = 'w',
           .value = "DIRECTORY",
           .help = "Another work directory."},
          {.name = "data", .value = "JSON", .help = "In place of its data."}};
}

}  // namespace

std::span<const Command> job_commands() {
  static const Command commands[] = {
      {.name = "job create",
       .summary = "Make a job, or thousands from a file.",
       .description =
           "Its inputs are moved before it runs and its outputs afterwards, by the process of the"
           " site (`wherry site start`). What is wrong is refused at once, and nothing is stored.",
       .options = create_options(),
       .handler = create_jobs,
       .examples = {"wherry job create -w run42/a -a compress --tag run=42 -p level=9"
                    " -s input=lab:/run42/a.tif -s result=archive:/run42/a.tif.gz",
                    "wherry job create --batch jobs.csv --site beamline"}},
      {.name = "job ls",
       .summary = "List jobs; with -v, all about them.",
       .positionals = {job_ids_positional()},
       .options = job_list_options(),
       .handler = list_jobs,
       .examples = {"wherry job ls --state FAILED --tag run=42", "wherry job ls --by-state"}},
      {.name = "job show",
       .summary = "Show a job and why it is in its state.",
       .positionals = {{.name = "JOB_ID", .kind = ValueKind::kJob, .help = "The job."}},
       .handler = show_job},
      {.name = "job events",
       .summary = "List what happened to jobs and their transfer items, the newest last.",
       .positionals = {job_ids_positional()},
       .options = event_options(),
       .handler = events},
      {.name = "job modify",
       .summary = "Change jobs: all that are named, or none.",
       .positionals = {job_ids_positional()},
       .options = modify_options(),
       .handler = modify},
      {.name = "job cancel",
       .summary = "End jobs; their transfers and processes are stopped.",
       .positionals = {job_ids_positional()},
       .options = choosing_options(),
       .handler = cancel_jobs},
      {.name = "job retry",
       .summary = "Let failed jobs go on where they failed; what is done stays done.",
       .positionals = {job_ids_positional()},
       .options = choosing_options(),
       .handler = retry_jobs},
      {.name = "job rm",
       .summary = "Forget jobs, with their transfer items and events; files stay.",
       .description = "What is being moved for them is cancelled. Jobs that wait for one that is"
                      " removed fail.",
       .positionals = {job_ids_positional()},
       .options = choosing_options(),
       .handler = remove_jobs,
       .examples = {"wherry job rm --tag run=42 --state JOB_FINISHED"}},
  };
  return commands;
}

}  // namespace wherry::cli
