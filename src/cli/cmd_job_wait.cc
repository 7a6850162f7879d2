// SPDX-License-Identifier: Apache-2.0
// wherry job wait: until jobs have ended, however they end.
#include <algorithm>

#include "base/clock.h"
#include "base/path.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/job_options.h"
#include "cli/job_view.h"
#include "cli/site_selector.h"

namespace wherry::cli {
namespace {

using jobs::JobFilter;
using jobs::JobState;
using ByState = std::map<JobState, std::uint64_t>;

// Whether the database has changed takes microseconds to tell; to count may take long, and where
// much changes it is not done again before ten times as long has passed.
constexpr Duration kLookAtVersionEvery = std::chrono::milliseconds(50);
constexpr int kCountRarely = 10;
constexpr std::size_t kFailuresShown = 5;

std::uint64_t unfinished(const ByState& counts) {
  std::uint64_t open = 0;
  for (const auto& [state, count] : counts) open += is_final(state) ? 0 : count;
  return open;
}

std::uint64_t failed(const ByState& counts) {
  const auto found = counts.find(JobState::kFailed);
  return found == counts.end() ? 0 : found->second;
}

// Until all have ended or the time is up; answers how they stand. Counts again only after the
// database has changed.
Result<ByState> wait_for(app::Wherry& wherry, const JobFilter& filter, Duration timeout,
                         std::stop_token stop) {
  Clock& clock = system_clock();
  const Duration deadline = clock.monotonic() + timeout;
  std::optional<std::int64_t> seen;
  Duration next_count{0};
  ByState counts;
  while (true) {
    TRY_ASSIGN(const std::int64_t version, wherry.database().version());
    const Duration began = clock.monotonic();
    if (seen != version && (began >= next_count || began >= deadline)) {
      TRY_ASSIGN(counts, wherry.jobs().jobs.count_by_state(filter));
      seen = version;
      next_count = clock.monotonic() + (clock.monotonic() - began) * kCountRarely;
    }
    const Duration left = deadline - clock.monotonic();
    if (unfinished(counts) == 0 || left <= Duration(0)) return counts;
    if (!clock.sleep(std::min(kLookAtVersionEvery, left), stop)) return counts;
  }
}

// Jobs of a site that nobody runs do not end by waiting.
Result<void> warn_if_nobody_runs(Context& context, app::Wherry& wherry, JobFilter filter) {
  filter.excluded_states.insert(filter.excluded_states.end(),
                                {JobState::kJobFinished, JobState::kFailed});
  filter.limit = 1;
  TRY_ASSIGN(const auto open, wherry.jobs().jobs.list(filter));
  if (open.rows.empty()) return {};
  const jobs::SiteId site = open.rows.front().site;
  TRY_ASSIGN(const auto holder, holder_of(wherry, site));
  if (!holder) {
    context.err() << fmt::format(
        "wherry: no process runs site {} now; to run it: wherry site start {} --detach\n", site,
        site);
  }
  return {};
}

Result<void> show_failures(Context& context, app::Wherry& wherry, JobFilter filter) {
  filter.states = {JobState::kFailed};
  filter.limit = kFailuresShown;
  TRY_ASSIGN(const auto page, wherry.jobs().jobs.list(filter));
  if (page.rows.empty()) return {};
  const jobs::SiteId site = page.rows.front().site;
  std::string which;
  for (const jobs::Job& job : page.rows) which += fmt::format(" {}", job.id);
  if (page.count > page.rows.size()) which = fmt::format(" --state FAILED --site {}", site);
  context.err() << fmt::format("wherry: {} failed; to try again: wherry job retry{}\n",
                               jobs_text(page.count), which);
  for (const jobs::Job& job : page.rows) {
    jobs::EventFilter last;
    last.jobs = {job.id};
    last.to = to_string(JobState::kFailed);
    last.limit = 1;
    TRY_ASSIGN(const auto events, wherry.jobs().jobs.events(last));
    const std::string why = events.rows.empty() ? "" : ": " + events.rows.front().message;
    context.err() << fmt::format("  job {} ({}){}\n", job.id, escape_bytes(job.workdir),
                                 printable(why));
  }
  if (page.count > page.rows.size())
    context.err() << fmt::format("  ... {} in all: wherry job ls --state FAILED --site {}\n",
                                 page.count, site);
  return {};
}

Result<int> conclude(Context& context, app::Wherry& wherry, const JobFilter& filter,
                     const ByState& counts, Duration timeout) {
  const std::uint64_t open = unfinished(counts);
  const std::uint64_t bad = failed(counts);
  context.output().record({"job_wait",
                           {{"jobs", "Jobs", counts_of(counts)},
                            {"unfinished", "Unfinished", open},
                            {"failed", "Failed", bad}}});
  if (open > 0) {
    context.err() << fmt::format("wherry: after {}, {} not ended\n", format_duration(timeout),
                                 open == 1 ? "1 job has" : fmt::format("{} jobs have", open));
  }
  if (bad > 0) TRY(show_failures(context, wherry, filter));
  return open > 0 || bad > 0 ? kExitFailed : kExitDone;
}

Result<int> wait_for_jobs(Context& context, const Arguments& arguments) {
  TRY_ASSIGN(const JobFilter filter, chosen_jobs(context, arguments));
  const Duration timeout = arguments.seconds("timeout").value_or(std::chrono::hours(24 * 365));
  TRY_ASSIGN(app::Wherry * wherry, context.wherry());
  TRY_ASSIGN(const ByState before, wherry->jobs().jobs.count_by_state(filter));
  if (before.empty()) return make_error(Code::kNotFound, "there is no such job to wait for");
  TRY(warn_if_nobody_runs(context, *wherry, filter));
  std::optional<Result<ByState>> ended;
  const Finish finish = run_in_foreground({.err = context.err()}, [&](std::stop_token stop) {
    ended.emplace(wait_for(*wherry, filter, timeout, std::move(stop)));
  });
  TRY_ASSIGN(const ByState counts, *std::move(ended));
  if (finish == Finish::kInterrupted && unfinished(counts) > 0) return kExitInterrupted;
  return conclude(context, *wherry, filter, counts, timeout);
}

std::vector<OptionSpec> job_wait_options() {
  std::vector<OptionSpec> options = job_filter_options();
  options.push_back(all_jobs_option());
  options.push_back({.name = "timeout",
                     .value = "TIME",
                     .help = "Give up after this many seconds, or a time such as 5m.",
                     .kind = ValueKind::kSeconds});
  return options;
}

}  // namespace

std::span<const Command> job_wait_commands() {
  static const Command commands[] = {
      {.name = "job wait",
       .summary = "Wait until jobs have ended; the exit code tells how.",
       .description = "Exits with 0 if all of them are JOB_FINISHED, and with 1 if one FAILED or"
                      " the time is up.",
       .positionals = {job_ids_positional()},
       .options = job_wait_options(),
       .handler = wait_for_jobs,
       .examples = {"wherry job wait --tag run=42 --timeout 10m", "wherry job wait --all"}},
  };
  return commands;
}

}  // namespace wherry::cli
