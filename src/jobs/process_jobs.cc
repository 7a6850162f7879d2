// SPDX-License-Identifier: Apache-2.0
// What the site does for jobs between their transfers and their runs.
#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "base/file.h"
#include "base/path.h"
#include "jobs/item_store.h"
#include "jobs/job_store.h"
#include "jobs/lifecycle.h"
#include "jobs/site_process.h"
#include "jobs/site_store.h"
#include "jobs/work_directory.h"

namespace wherry::jobs {
namespace {

// The apps of the jobs that are looked at, each read once.
class AppCache {
 public:
  AppCache(Database& database, Clock& clock) : apps_(database, clock) {}
  Result<const App*> get(AppId id) {
    auto known = known_.find(id);
    if (known == known_.end()) {
      TRY_ASSIGN(App app, apps_.get(id));
      known = known_.emplace(id, std::move(app)).first;
    }
    return &known->second;
  }

 private:
  Apps apps_;
  std::map<AppId, App> known_;
};

struct Move {
  JobId job = 0;
  JobState to = JobState::kFailed;
  std::string message;
};

class Processing {
 public:
  Processing(Database& database, Clock& clock, const Site& site)
      : database_(database), clock_(clock), site_(site), apps_(database, clock) {}

  Result<std::size_t> run(std::size_t limit);

 private:
  Result<void> look_at_outputs(const std::vector<Job>& jobs);
  Result<std::optional<Move>> next(const Job& job);
  Result<std::optional<Move>> prepare(const Job& job);
  Result<std::optional<Move>> finish(const Job& job);
  Result<std::optional<Move>> after_bad_run(const Job& job);
  Result<std::size_t> make(const std::vector<Move>& moves);

  Database& database_;
  Clock& clock_;
  const Site& site_;
  AppCache apps_;
  std::multimap<JobId, TransferItem> outputs_;  // of jobs that are RUN_DONE, the required ones
};

Result<std::size_t> Processing::run(std::size_t limit) {
  JobFilter filter;
  filter.sites = {site_.id};
  filter.states = {JobState::kStagedIn, JobState::kRunDone, JobState::kRunError,
                   JobState::kRunTimeout};
  filter.limit = limit;
  TRY_ASSIGN(const auto jobs, Jobs(database_, clock_).list(filter), "look for jobs to go on with");
  TRY(look_at_outputs(jobs.rows));
  std::vector<Move> moves;
  std::optional<Error> trouble;
  for (const Job& job : jobs.rows) {
    auto move = next(job);
    if (!move) {
      // Nothing of the job: it stays where it is until the host is well again.
      if (!trouble) trouble = std::move(move).error().with_context(fmt::format("job {}", job.id));
    } else if (*move) {
      moves.push_back(std::move(**move));
    }
  }
  TRY_ASSIGN(const std::size_t made, make(moves));
  if (trouble) return *trouble;
  return made;
}

Result<void> Processing::look_at_outputs(const std::vector<Job>& jobs) {
  ItemFilter filter;
  for (const Job& job : jobs) {
    if (job.state == JobState::kRunDone) filter.jobs.push_back(job.id);
  }
  if (filter.jobs.empty()) return {};
  filter.direction = Direction::kOut;
  TRY_ASSIGN(auto items, Items(database_, clock_).list(filter), "look for the outputs of jobs");
  for (TransferItem& item : items.rows) {
    if (item.required) outputs_.emplace(item.job, std::move(item));
  }
  return {};
}

Result<std::optional<Move>> Processing::next(const Job& job) {
  switch (job.state) {
    case JobState::kStagedIn:
      return prepare(job);
    case JobState::kRunDone:
      return finish(job);
    case JobState::kRunError:
    case JobState::kRunTimeout:
      return after_bad_run(job);
    default:
      return std::optional<Move>();
  }
}

Result<std::optional<Move>> Processing::prepare(const Job& job) {
  const auto directory = host_directory(site_, job.workdir);
  if (!directory) return std::optional(Move{job.id, JobState::kFailed, directory.error().message});
  const auto made = make_directories(*directory, kDirectoryMode);
  if (made)
    return std::optional(Move{job.id, JobState::kPreprocessed, "its work directory is made"});
  if (made.error().retry != Retry::kNever && made.error().code != Code::kDenied)
    return made.error();
  return std::optional(Move{job.id, JobState::kFailed,
                            fmt::format("make its work directory: {}", made.error().message)});
}

Result<std::optional<Move>> Processing::finish(const Job& job) {
  const auto directory = host_directory(site_, job.workdir);
  if (!directory) return std::optional(Move{job.id, JobState::kFailed, directory.error().message});
  const auto [begin, end] = outputs_.equal_range(job.id);
  for (auto output = begin; output != end; ++output) {
    const TransferItem& item = output->second;
    TRY_ASSIGN(auto found, find_files(*directory, item.local_path));
    if (!item.recursive) std::erase_if(found, [](const Found& one) { return one.is_directory; });
    if (!found.empty()) continue;
    return std::optional(
        Move{job.id, JobState::kFailed,
             fmt::format("it ended well but did not make its output '{}': nothing is at '{}' in "
                         "'{}'; job.out there has what it wrote",
                         item.slot, escape_bytes(item.local_path), escape_bytes(*directory))});
  }
  return std::optional(Move{job.id, JobState::kPostprocessed, "every required output is there"});
}

Result<std::optional<Move>> Processing::after_bad_run(const Job& job) {
  TRY_ASSIGN(const App* app, apps_.get(job.app));
  const bool is_error = job.state == JobState::kRunError;
  const int so_far = is_error ? job.error_retries : job.timeout_retries;
  const int allowed = is_error ? app->error_retries : app->timeout_retries;
  std::string how = is_error ? "its run failed" : "its run was cut off";
  if (is_error && job.return_code) how += fmt::format(" with exit code {}", *job.return_code);
  if (so_far < allowed) {
    return std::optional(Move{job.id, JobState::kRestartReady,
                              fmt::format("{}; repeated ({} of {})", how, so_far + 1, allowed)});
  }
  return std::optional(
      Move{job.id, JobState::kFailed,
           fmt::format("{}; what it said is in data/{}/job.out; app '{}' allows {} "
                       "repetitions, {} were made",
                       how, escape_bytes(job.workdir), app->name, allowed, so_far)});
}

Result<std::size_t> Processing::make(const std::vector<Move>& moves) {
  if (moves.empty()) return std::size_t{0};
  return database_.write([&](soci::session& sql) -> Result<std::size_t> {
    Lifecycle lifecycle(sql, clock_.now());
    std::size_t made = 0;
    for (const Move& move : moves) {
      const auto moved = lifecycle.move_job(move.job, move.to, move.message);
      if (moved) {
        ++made;
        continue;
      }
      // Cancelled, deleted or changed by hand since it was read.
      const Code code = moved.error().code;
      if (code != Code::kConflict && code != Code::kNotFound) return moved.error();
    }
    return made;
  });
}

}  // namespace

Result<std::size_t> process_jobs(Database& database, Clock& clock, const Site& site,
                                 std::size_t limit) {
  return Processing(database, clock, site).run(limit);
}

Result<std::size_t> clean_up(Database& database, Clock& clock, const Site& site,
                             std::size_t limit) {
  Jobs jobs(database, clock);
  JobFilter filter;
  filter.sites = {site.id};
  filter.states = {JobState::kJobFinished};
  filter.pending_file_cleanup = true;
  filter.limit = std::min(limit, kMaxBulk);
  TRY_ASSIGN(const auto finished, jobs.list(filter), "look for jobs to clean up behind");
  AppCache apps(database, clock);
  std::vector<Jobs::Numbered> cleaned;
  for (const Job& job : finished.rows) {
    TRY_ASSIGN(const App* app, apps.get(job.app));
    TRY_ASSIGN(const std::string directory, host_directory(site, job.workdir));
    for (const std::string& pattern : app->cleanup_files) {
      TRY_ASSIGN(const auto found, find_files(directory, pattern), "job {}", job.id);
      for (const Found& one : found) {
        // The work directory itself stays, whatever the pattern.
        if (!one.path.empty()) TRY(remove_path(directory + "/" + one.path), "job {}", job.id);
      }
    }
    cleaned.emplace_back();
    cleaned.back().id = job.id;
    cleaned.back().change.pending_file_cleanup = false;
  }
  TRY(clean_shared(site, clock.now()), "clean up shared inputs");
  if (!cleaned.empty()) TRY(jobs.modify(cleaned), "record what was cleaned up");
  return cleaned.size();
}

}  // namespace wherry::jobs
