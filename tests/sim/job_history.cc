// SPDX-License-Identifier: Apache-2.0
#include "job_history.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "storage/testing/content.h"

namespace wherry::sim {

using jobs::JobId;
using jobs::JobState;
using storage::Operation;
using tasks::TaskState;

namespace {

constexpr int kMostRounds = 80;                        // until the last job has come to its end
constexpr Duration kLease = std::chrono::minutes(10);  // longer than any session's
constexpr std::size_t kAllJobs = 1'000;

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

JobHistory::JobHistory(World& world, Checks& checks, Random& random, Tell tell,
                       MakeTrouble make_trouble)
    : world_(world),
      checks_(checks),
      random_(random),
      tell_(std::move(tell)),
      make_trouble_(std::move(make_trouble)),
      job_checks_(world, checks, known_) {
  for (const char* directory : {"in", "out"})
    shelf().make_directory(storage::path_of(directory), 0755).value();
  const RelPath root;
  shelf().flush_directories({&root, 1}).value();
}

void JobHistory::step() {
  database_fails_ = false;
  const std::uint64_t kind = pick(100);
  if (kind < 12) return make_jobs();
  if (kind < 37) return stage();
  if (kind < 60) return run_tasks();
  if (kind < 72) return process();
  if (kind < 82) return begin_runs();
  if (kind < 91) return has_jobs({JobState::kRunning}) ? end_runs(Runs::kAsTheyLike) : begin_runs();
  if (kind < 93) return expire();
  tell("somebody meddles");
  meddle();
}

bool JobHistory::has_jobs(std::initializer_list<JobState> states) {
  jobs::JobFilter filter;
  filter.states = states;
  filter.limit = 1;
  return stores().jobs.list(filter).value().count > 0;
}

JobId JobHistory::any_job() {
  if (known_.empty()) return 0;
  auto at = known_.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(pick(known_.size())));
  return at->second.is_removed ? 0 : at->first;
}

// Making ------------------------------------------------------------------------------------------

void JobHistory::choose_input(KnownJob& known) {
  for (const JobId parent : known.parents) {
    if (!known_.at(parent).has_output || !chance(60)) continue;
    known.maker = parent;
    known.input = known_.at(parent).output();
    return;
  }
  const bool is_old = last_serial_ > 1 && chance(30);
  known.input = fmt::format("in/{}", is_old ? 1 + pick(last_serial_ - 1) : known.serial);
  if (!is_old && chance(90)) storage::put_file(shelf(), known.input, content_of(known.input));
  known.lacked_input = !storage::exists(shelf(), known.input);
}

void JobHistory::plan_job(std::vector<jobs::NewJob>& jobs, std::vector<KnownJob>& known) {
  KnownJob planned;
  planned.serial = ++last_serial_;
  planned.has_output = chance(60);
  for (std::uint64_t n = chance(30) ? 1 + pick(2) : 0; n > 0; --n) {
    const JobId parent = any_job();
    if (parent != 0 && planned.parents != std::vector{parent}) planned.parents.push_back(parent);
  }
  choose_input(planned);
  jobs::NewJob job;
  job.app = planned.has_output ? kWork : kLook;
  job.workdir = planned.workdir();
  job.parents = planned.parents;
  job.transfers["data"] = {chance(50) ? "shelf" : "mirror", "/" + planned.input};
  if (planned.has_output)
    job.transfers["result"] = {chance(50) ? "shelf" : "mirror", "/" + planned.output()};
  tell("  {} of '{}'{}{}", job.workdir, planned.input,
       planned.lacked_input ? ", which is missing" : "",
       planned.parents.empty() ? "" : fmt::format(", child of job {}", planned.parents.front()));
  jobs.push_back(std::move(job));
  known.push_back(std::move(planned));
}

void JobHistory::make_jobs() {
  tell("make jobs");
  std::vector<jobs::NewJob> jobs;
  std::vector<KnownJob> known;
  for (std::uint64_t n = 1 + pick(4); n > 0; --n) plan_job(jobs, known);
  if (chance(15)) plan_kill();
  learn_of(jobs, known, world_.job_site.stores().jobs.create(world_.job_site.site().id, jobs));
}

// All were made or none: what there is counts, not what was answered.
void JobHistory::learn_of(const std::vector<jobs::NewJob>& jobs, const std::vector<KnownJob>& known,
                          const Result<std::vector<jobs::Job>>& answer) {
  if (!answer && !is_excused())
    return checks_.fail("good jobs were refused: {}", answer.error().message);
  std::map<std::string, JobId> found;
  for (const jobs::Job& job : job_checks_.all_jobs()) found[job.workdir] = job.id;
  std::size_t made = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto job = found.find(jobs[i].workdir);
    if (job == found.end()) continue;
    known_[job->second] = known[i];
    ++made;
  }
  tell("  {} are there", made);
  if (made != (answer ? jobs.size() : 0) && made != jobs.size())
    checks_.fail("of {} jobs in one call, {} were made", jobs.size(), made);
}

// The site ----------------------------------------------------------------------------------------

void JobHistory::stage() {
  tell("the site stages");
  if (chance(70)) world_.clock.advance(std::chrono::seconds(1 + pick(40)));
  if (chance(15)) world_.job_site.set_batch_size(1 + pick(6));
  plan_losses();
  if (chance(20)) {
    const std::uint64_t n = 1 + pick(10);
    tell("  somebody meddles at point {}", n);
    world_.trouble.interfere_at_point(n, [this] { meddle(); });
  }
  if (chance(40)) plan_kill();
  const auto made = world_.job_site.stage();
  tell("  {}", !made ? made.error().message : made->progressed ? "on it goes" : "nothing to do");
  if (!made && !is_excused()) checks_.fail("the site cannot stage: {}", made.error().message);
}

void JobHistory::run_tasks() {
  const auto tasks = checks_.all_tasks();
  const auto is_ours = [](const tasks::Task& task) {
    return task.state == TaskState::kActive && task.owner == kSiteOwner;
  };
  if (std::none_of(tasks.begin(), tasks.end(), is_ours)) return stage();
  tell("the service runs the site's tasks");
  const bool is_struck = make_trouble_();
  if (chance(15)) {
    const std::uint64_t n = 1 + pick(6);
    tell("  somebody meddles at 'commit' {}", n);
    world_.trouble.interfere_at(Operation::kCommit, n, [this] { meddle(); });
  }
  for (const tasks::Task& task : tasks) {
    if (!is_ours(task)) continue;
    if (world_.trouble.is_dead()) return;
    if (is_struck) note_struck(task);
    const auto ended = world_.run(task.id);
    tell("  task {}: {}", task.id.substr(0, 8),
         ended ? std::string(to_string(ended->state)) : ended.error().message);
  }
}

// The jobs whose files the task carries may fail now.
void JobHistory::note_struck(const tasks::Task& task) {
  const auto open = stores().items.open_tasks(world_.job_site.site().id).value();
  for (const jobs::StageTask& stage : open) {
    if (stage.submission_id != task.submission_id) continue;
    for (const jobs::ItemId id : stage.items) {
      const auto item = stores().items.get(id);
      if (item) known_.at(item->job).was_struck = true;
    }
  }
}

void JobHistory::process() {
  if (!has_jobs({JobState::kStagedIn, JobState::kRunDone, JobState::kRunError,
                 JobState::kRunTimeout, JobState::kJobFinished}))
    return stage();
  tell("the site looks after its jobs");
  if (chance(30)) plan_kill();
  const auto moved = world_.job_site.process_jobs(1 + pick(10));
  const auto cleaned = moved ? world_.job_site.clean_up() : moved;
  if (!cleaned && !is_excused())
    checks_.fail("the site cannot look after its jobs: {}", cleaned.error().message);
}

// Launchers ---------------------------------------------------------------------------------------

void JobHistory::begin_runs() {
  if (!has_jobs({JobState::kPreprocessed, JobState::kRestartReady})) return process();
  start_jobs();
}

// Answers which launcher it is.
std::size_t JobHistory::take_jobs() {
  const auto session =
      stores().sessions.open(world_.job_site.site().id, std::nullopt, "a launcher").value();
  jobs::Acquire what;
  what.max_jobs = 1 + pick(4);
  Launcher launcher;
  launcher.session = session.id;
  const auto acquired = stores().sessions.acquire(session.id, what).value();
  for (const jobs::AcquiredJob& one : acquired) {
    for (const Launcher& other : launchers_) {
      if (std::count(other.taken.begin(), other.taken.end(), one.job.id) > 0)
        checks_.fail("job {} has two launchers", one.job.id);
    }
    if (!job_checks_.has_input(known_.at(one.job.id)))
      checks_.fail("job {} is to run, and its input is not there", one.job.id);
    launcher.taken.push_back(one.job.id);
  }
  tell("a launcher takes {} jobs", launcher.taken.size());
  launchers_.push_back(std::move(launcher));
  return launchers_.size() - 1;
}

void JobHistory::start_jobs() {
  const std::size_t number = take_jobs();
  // Before it has started them, another one comes, and dies.
  if (chance(25)) launchers_[take_jobs()].is_dead = true;
  Launcher& launcher = launchers_[number];
  launcher.is_dead = chance(15);
  if (!launcher.is_dead) {
    const auto lost = stores().sessions.started(launcher.session, launcher.taken).value();
    if (!lost.empty()) checks_.fail("job {} was taken from a live launcher", lost.front());
    launcher.is_dead = chance(15);
  }
  if (launcher.is_dead) tell("  and the first dies");
}

void JobHistory::end_runs(Runs how) {
  std::vector<Launcher> dead;
  for (const Launcher& launcher : launchers_) {
    if (launcher.is_dead) {
      dead.push_back(launcher);
      continue;
    }
    const auto lost = stores().sessions.tick(launcher.session, launcher.taken);
    tell("a launcher ends its {} jobs{}", launcher.taken.size(), lost ? "" : ", which it has lost");
    if (!lost) continue;  // its session has expired: none is its own
    std::vector<jobs::RunEnd> ends;
    for (const JobId job : launcher.taken) {
      if (std::count(lost->begin(), lost->end(), job) == 0) ends.push_back(end_run(job, how));
    }
    stores().sessions.ended(launcher.session, ends).value();
    stores().sessions.close(launcher.session).value();
  }
  launchers_ = std::move(dead);
}

jobs::RunEnd JobHistory::end_run(JobId job, Runs how) {
  KnownJob& known = known_.at(job);
  const bool is_good = how == Runs::kWell || chance(80);
  const bool makes_it = known.has_output && is_good && (how == Runs::kWell || chance(94));
  write_file(world_.job_site.file(known.workdir(), kLitter), "of no use");
  if (makes_it) {
    known.results.push_back(content_of(fmt::format("{} {}", known.output(), known.results.size())));
    write_file(world_.job_site.file(known.workdir(), "result"), known.results.back());
  }
  if (!is_good) ++known.failed_runs;
  if (is_good && known.has_output && known.results.empty()) known.lacked_output = true;
  return {job, is_good ? JobState::kRunDone : JobState::kRunError, is_good ? 0 : 1, ""};
}

// Sessions that nobody ticks end.
void JobHistory::expire() {
  world_.clock.advance(kLease);
  for (const Launcher& launcher : launchers_) {
    for (const JobId id : launcher.taken) {
      const auto job = stores().jobs.get(id);
      if (job && job->state == JobState::kRunning && job->session == launcher.session)
        ++known_.at(id).cut_off_runs;
    }
  }
  const std::size_t ended = stores().sessions.expire().value();
  tell("{} launchers are given up", ended);
  if (ended < launchers_.size())
    checks_.fail("{} of {} dead launchers were given up", ended, launchers_.size());
  launchers_.clear();
}

// Meddling ----------------------------------------------------------------------------------------

void JobHistory::remove(JobId job) {
  jobs::JobFilter filter;
  filter.ids = {job};
  stores().jobs.remove(filter).value();
  known_.at(job).is_removed = true;
  for (auto& [id, known] : known_) {
    if (std::count(known.parents.begin(), known.parents.end(), job) > 0) known.is_touched = true;
  }
}

void JobHistory::meddle() {
  const JobId job = any_job();
  if (job == 0) return;
  KnownJob& known = known_.at(job);
  switch (pick(4)) {
    case 0:
      if (!stores().jobs.cancel(job)) return;
      tell("  cancel job {}", job);
      known.is_touched = true;
      return;
    case 1:
      if (!stores().jobs.retry(job)) return;
      tell("  retry job {}", job);
      known.is_touched = true;
      return;
    case 2:
      if (!chance(40)) return;
      tell("  remove job {}", job);
      known.is_touched = true;
      return remove(job);
    default:
      if (known.maker || storage::exists(shelf(), known.input)) return;
      tell("  what was missing comes: '{}'", known.input);
      storage::put_file(shelf(), known.input, content_of(known.input));
  }
}

// Trouble -----------------------------------------------------------------------------------------

void JobHistory::plan_kill() {
  const bool is_at_database = chance(50);
  const std::uint64_t n = 1 + pick(is_at_database ? 30 : 8);
  tell("  a kill is due at {} {}", is_at_database ? "moment of the database" : "point", n);
  if (is_at_database)
    world_.trouble.kill_at_database(n);
  else
    world_.trouble.kill_at_point(n);
}

void JobHistory::plan_losses() {
  if (chance(30)) {
    const bool is_answer = chance(60);
    const std::uint64_t n = 1 + pick(8);
    tell("  {} of the service will be lost from {} on", is_answer ? "answers" : "calls", n);
    world_.trouble.lose(is_answer ? Trouble::Lost::kAnswer : Trouble::Lost::kCall, n, 1 + pick(4));
  }
  if (chance(6)) {
    const std::uint64_t n = 1 + pick(10);
    tell("  write {} of the database will fail", n);
    world_.trouble.fail_database(n, 1 + pick(3));
    database_fails_ = true;
  }
}

// The end -----------------------------------------------------------------------------------------

void JobHistory::finish_tasks() {
  for (const tasks::Task& task : checks_.all_tasks()) {
    if (tasks::is_final(task.state) || task.owner != kSiteOwner) continue;
    if (task.state == TaskState::kInactive) world_.service().resume(task.id).value();
    if (const auto ended = world_.run(task.id); !ended)
      return checks_.fail("task {} cannot run: {}", task.id, ended.error().message);
  }
}

void JobHistory::tell_ends() {
  std::map<JobState, int> ends;
  for (const jobs::Job& job : job_checks_.all_jobs()) ++ends[job.state];
  for (const auto& [state, count] : ends) tell("jobs that are {}: {}", to_string(state), count);
}

void JobHistory::come_to_rest() {
  database_fails_ = false;
  for (int round = 0; round < kMostRounds && !checks_.violation(); ++round) {
    if (const auto staged = world_.job_site.stage(); !staged)
      return checks_.fail("the site cannot stage: {}", staged.error().message);
    finish_tasks();
    world_.job_site.process_jobs(kAllJobs).value();
    end_runs(Runs::kWell);
    if (job_checks_.is_at_rest()) break;
    expire();
    start_jobs();
  }
  world_.job_site.clean_up().value();
  tell_ends();
  job_checks_.end_step();
  job_checks_.check_quiet();
}

}  // namespace wherry::sim
