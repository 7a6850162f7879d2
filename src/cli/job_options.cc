// SPDX-License-Identifier: Apache-2.0
#include "cli/job_options.h"

#include <charconv>

#include "base/check.h"
#include "base/options.h"
#include "base/path.h"
#include "cli/site_selector.h"

namespace wherry::cli {
namespace {

using jobs::AppId;
using jobs::ItemState;
using jobs::JobFilter;
using jobs::JobState;
using jobs::SiteId;

Result<std::vector<JobState>> states_of(const Arguments& arguments, std::string_view option) {
  std::vector<JobState> states;
  for (const std::string& name : arguments.all(option)) {
    TRY_ASSIGN(const JobState state, jobs::parse_job_state(name), "--{}", option);
    states.push_back(state);
  }
  return states;
}

// An app of one name may be at several sites.
Result<std::vector<AppId>> apps_named(Context& context, const std::string& wanted,
                                      const std::vector<SiteId>& sites) {
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const std::vector<jobs::App> apps, wherry->jobs().apps.list(sites));
  std::vector<AppId> found;
  std::vector<std::string> names;
  for (const jobs::App& app : apps) {
    if (app.name == wanted || std::to_string(app.id) == wanted) found.push_back(app.id);
    names.push_back(app.name);
  }
  if (!found.empty()) return found;
  const auto best = nearest(wanted, names);
  return make_error(
      Code::kNotFound, "--app: there is no app '{}'{}", escape_bytes(wanted),
      best ? fmt::format("; did you mean '{}'?", *best) : "; `wherry app ls` shows what there is");
}

Result<void> take_order(const Arguments& arguments, JobFilter& filter) {
  using Order = JobFilter::Order;
  std::string name = arguments.text("order-by");
  if (name.empty()) return {};
  if (name.starts_with('-')) {
    filter.sorting = jobs::Sorting::kDescending;
    name.erase(0, 1);
  }
  if (name == "id") filter.order = Order::kId;
  if (name == "last_update") filter.order = Order::kLastUpdate;
  if (name == "state") filter.order = Order::kState;
  if (name == "workdir") filter.order = Order::kWorkdir;
  return {};
}

}  // namespace

Result<jobs::TextMap> pairs_of(const Arguments& arguments, std::string_view option) {
  jobs::TextMap pairs;
  for (const std::string& text : arguments.all(option)) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos) {
      return make_error(Code::kInvalid, "option --{}: '{}' is not of the form KEY=VALUE", option,
                        escape_bytes(text));
    }
    const std::string key = text.substr(0, equals);
    if (!pairs.emplace(key, text.substr(equals + 1)).second)
      return make_error(Code::kInvalid, "option --{}: '{}' is given twice", option,
                        escape_bytes(key));
  }
  return pairs;
}

// The values were checked when they were parsed (parse.cc).
std::vector<std::int64_t> numbers_of(const Arguments& arguments, std::string_view name) {
  std::vector<std::int64_t> numbers;
  for (const std::string& text : arguments.all(name)) {
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    CHECK(parsed.ec == std::errc());
    numbers.push_back(number);
  }
  return numbers;
}

Result<JobFilter> job_filter(Context& context, const Arguments& arguments) {
  JobFilter filter;
  filter.ids = numbers_of(arguments, "JOB_ID");
  for (const std::int64_t id : numbers_of(arguments, "id")) filter.ids.push_back(id);
  // A number names a job wherever it is.
  if (filter.ids.empty() || arguments.has("site")) {
    TRY_ASSIGN(filter.sites, sites_option(context, arguments));
  }
  if (arguments.has("app")) {
    TRY_ASSIGN(filter.apps, apps_named(context, arguments.text("app"), filter.sites));
  }
  filter.parents = numbers_of(arguments, "parent");
  TRY_ASSIGN(filter.states, states_of(arguments, "state"));
  TRY_ASSIGN(filter.excluded_states, states_of(arguments, "exclude-state"));
  filter.batch_job = arguments.integer("batch-job");
  TRY_ASSIGN(filter.tags, pairs_of(arguments, "tag"));
  filter.workdir_contains = arguments.text("workdir");
  filter.updated_after = arguments.time("updated-after");
  filter.updated_before = arguments.time("updated-before");
  TRY(take_order(arguments, filter));
  return filter;
}

std::vector<OptionSpec> job_filter_options() {
  return {{.name = "id",
           .value = "JOB_ID",
           .help = "Only this job.",
           .kind = ValueKind::kJob,
           .times = OptionSpec::Times::kMany},
          tag_option("Only jobs with this tag; of several, with all of them."),
          {.name = "state",
           .value = "STATE",
           .help = "Only jobs in this state.",
           .kind = ValueKind::kChoice,
           .choices = job_state_names(),
           .times = OptionSpec::Times::kMany},
          {.name = "exclude-state",
           .value = "STATE",
           .help = "No jobs in this state.",
           .kind = ValueKind::kChoice,
           .choices = job_state_names(),
           .times = OptionSpec::Times::kMany},
          {.name = "app",
           .short_name = 'a',
           .value = "APP",
           .help = "Only jobs of this app.",
           .kind = ValueKind::kApp},
          {.name = "workdir",
           .short_name = 'w',
           .value = "TEXT",
           .help = "Only jobs whose work directory contains the text."},
          {.name = "parent",
           .value = "JOB_ID",
           .help = "Only jobs that wait, or waited, for this one.",
           .kind = ValueKind::kJob,
           .times = OptionSpec::Times::kMany},
          {.name = "batch-job",
           .value = "ID",
           .help = "Only jobs that ran in this batch job.",
           .kind = ValueKind::kInteger},
          {.name = "updated-after",
           .value = "TIME",
           .help = "Only jobs that changed later.",
           .kind = ValueKind::kTime},
          {.name = "updated-before",
           .value = "TIME",
           .help = "Only jobs that changed earlier.",
           .kind = ValueKind::kTime},
          sites_option_spec()};
}

PositionalSpec job_ids_positional() {
  return {.name = "JOB_ID",
          .kind = ValueKind::kJob,
          .help = "The jobs, as `wherry job ls` shows.",
          .count = PositionalSpec::Count::kAny};
}

Result<JobFilter> chosen_jobs(Context& context, const Arguments& arguments) {
  static constexpr std::string_view kChoosing[] = {
      "JOB_ID",  "id",     "tag",       "state",         "exclude-state",  "app",
      "workdir", "parent", "batch-job", "updated-after", "updated-before", "all"};
  bool is_chosen = false;
  for (const std::string_view name : kChoosing)
    is_chosen = is_chosen || arguments.has(name) || !arguments.all(name).empty();
  if (!is_chosen) {
    return make_error(Code::kInvalid,
                      "say which jobs: by number, by --tag, --state, …, or --all of the site");
  }
  TRY_ASSIGN(JobFilter filter, job_filter(context, arguments));
  if (filter.ids.empty() && !arguments.has("site")) {
    // Never at all sites because of where somebody happens to stand.
    TRY_ASSIGN(const jobs::Site site, find_site(context, ""));
    filter.sites = {site.id};
  }
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  for (const jobs::JobId id : filter.ids) TRY(wherry->jobs().jobs.get(id));
  return filter;
}

OptionSpec all_jobs_option() {
  return {.name = "all", .help = "All jobs of the site that no other option leaves out."};
}

OptionSpec tag_option(std::string_view help) {
  return {.name = "tag", .value = "KEY=VALUE", .help = help, .times = OptionSpec::Times::kMany};
}

std::vector<std::string_view> job_state_names() {
  std::vector<std::string_view> names;
  for (int state = 0; state <= static_cast<int>(JobState::kFailed); ++state)
    names.push_back(to_string(static_cast<JobState>(state)));
  return names;
}

std::vector<std::string_view> item_state_names() {
  std::vector<std::string_view> names;
  for (int state = 0; state <= static_cast<int>(ItemState::kError); ++state)
    names.push_back(to_string(static_cast<ItemState>(state)));
  return names;
}

}  // namespace wherry::cli
