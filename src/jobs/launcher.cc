// SPDX-License-Identifier: Apache-2.0
// One loop on one thread. A job passes through it as
//   held (by the session, in its state) -> started (RUNNING is recorded) -> a process -> ended.
// RUNNING is recorded before there is a process, so that a job whose process ever lived is never
// taken for one that may simply be given to another launcher; and how it ended is recorded with
// those that ended about the same time. For jobs that take milliseconds some are started ahead, by
// how many ended lately: one transaction then serves many.
#include "jobs/launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <thread>

#include "base/child_process.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "jobs/app_command.h"
#include "jobs/gpus.h"
#include "jobs/line.h"
#include "jobs/room.h"
#include "tasks/claim.h"

namespace wherry::jobs {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// How often the session is kept alive, and asked which jobs were cancelled: well below
// kSessionHeartbeat, because a cancelled job should not compute on for half a minute.
constexpr Duration kTickEvery = seconds(5);
// Without a heartbeat for so long nothing is started and the launcher gives up: before the lease
// ends, and others run its jobs, its own processes are gone.
constexpr Duration kGiveUpAfter = kSessionLease - minutes(1);
constexpr Duration kReportAfter = milliseconds(100);  // how long an end waits for others
constexpr Duration kLookEvery = milliseconds(250);    // for new jobs, while there is none
constexpr Duration kAheadFor = milliseconds(250);     // jobs for so long are started ahead
constexpr std::size_t kMaxAhead = 512;
constexpr Duration kHandBackAfter = seconds(30);  // that were started ahead, and got no room
constexpr Duration kGrace = seconds(10);          // between SIGTERM and SIGKILL
constexpr Duration kEndMargin = seconds(20);  // what runs is ended so long before the allocation

// How a session of a launcher is told from others: that it lives stands in a claim.
constexpr std::string_view kHolder = "launcher, process ";
constexpr Duration kClaimedWithin = seconds(10);

constexpr const char* kNodesLost = "its allocation ended, or lost a node";

std::string node_list(const std::vector<Node>& nodes, const Placement& placement) {
  std::string names;
  for (const std::size_t node : placement.nodes)
    names += (names.empty() ? "" : ",") + nodes[node].name;
  return names;
}

// The first node is the one on which the launcher itself runs.
std::vector<Node> nodes_of(const LauncherOptions& options) {
  if (!options.nodes.empty()) return options.nodes;
  return {{.name = this_process().host,
           .processors = std::max(1U, std::thread::hardware_concurrency()),
           .gpus = {}}};
}

// Those of a node that this launcher may use if nobody else does. An allocation that it is not in
// has those that the settings say: nobody here can look.
std::vector<std::string> gpus_of(const Node& node, const LauncherOptions& options) {
  if (!node.gpus.empty()) return node.gpus;
  std::vector<std::string> ids;
  if (options.outside_of.empty()) ids = find_gpus(gpu_places());
  for (std::size_t id = ids.size(); id < options.gpus_per_node.value_or(0); ++id)
    ids.push_back(std::to_string(id));
  return ids;
}

Room room_of(const LauncherOptions& options, const std::vector<Node>& nodes) {
  Room::Options room;
  for (const Node& node : nodes) {
    room.processors.push_back(node.processors);
    room.gpus.push_back(node.gpus.size());
  }
  room.processes_per_node = options.processes_per_node;
  room.by =
      options.nodes.empty() ? Room::Options::By::kProcessors : Room::Options::By::kPackingCount;
  return Room(room);
}

class Launcher {
 public:
  Launcher(const LauncherParts& parts, const LauncherOptions& options)
      : sessions_(parts.database, parts.clock),
        claims_(parts.database, parts.clock),
        database_(parts.database),
        clock_(parts.clock),
        options_(options),
        nodes_(nodes_of(options)),
        room_(room_of(options, nodes_)) {}

  Result<LauncherReport> run(std::stop_token stop);

 private:
  struct Waiting {
    AcquiredJob job;
    std::string script = {};
    std::optional<Duration> passed_since = {};  // jobs/line.h
  };
  struct Running {
    JobId job = 0;
    Placement placement;
    std::optional<Duration> ends;  // monotonic: its wall time is over
    // Why it was told to end, and when it is made to.
    std::string reason;
    std::optional<Duration> killed;
    bool is_ours = true;
    bool by_srun = false;
    Duration begun{0};  // monotonic
  };

  Result<void> claim_gpus();
  Result<void> close_dead_sessions();
  Result<void> loop(std::stop_token stop);
  Result<void> tick();
  void show_life();
  Result<bool> succeeded(Result<void> result);
  void let_go(std::span<const JobId> lost);
  void end_overdue();
  Result<void> report();
  Result<void> fetch();
  Result<bool> acquire();
  Result<void> tell_what_is_left();
  std::size_t most_gpus() const;
  std::vector<InLine> line() const;
  LineOptions line_options() const;
  Result<void> record_starts();
  bool outlasts(const Resources& resources) const;
  void start_processes();
  std::string gpu_lines_of(const Resources& resources, const Placement& placement) const;
  void start_process(const Waiting& waiting, const Placement& placement);
  std::vector<std::string> words_of(const Waiting& waiting, const Placement& placement) const;
  static bool may_be_loss_of_nodes(const Running& running, const ChildEnd& end);
  void on_end(const ChildEnd& end);
  void add_end(RunEnd end);
  void stop_all(const std::string& reason);
  void hand_back(const std::string& reason);
  std::size_t ahead() const;
  void tell_to_end(ChildId id, Running& running, const std::string& reason);
  Duration until_next() const;
  bool is_by_srun(const Placement& placement) const {
    return options_.mode == JobMode::kMpi || !options_.outside_of.empty() ||
           placement.nodes.front() != 0;
  }
  bool is_idle() const { return running_.empty() && started_.empty() && held_.empty(); }

  Sessions sessions_;
  tasks::Claims claims_;
  Database& database_;
  Clock& clock_;
  const LauncherOptions& options_;
  std::vector<Node> nodes_;
  std::vector<tasks::Claim> gpu_claims_;
  Room room_;
  std::unique_ptr<Children> children_;
  SessionId session_ = 0;

  std::deque<Waiting> held_;     // not recorded as RUNNING yet
  std::deque<Waiting> started_;  // recorded, without a process yet
  std::map<ChildId, Running> running_;
  std::vector<RunEnd> ends_;  // not recorded yet
  LauncherReport report_;

  bool stopping_ = false;
  bool has_nodes_ = true;
  std::uint64_t signs_ = 0;  // of life
  Duration last_alive_{0};   // monotonic: the database last knew that the session lives
  Duration next_tick_{0};
  Duration next_look_{0};
  Duration last_work_{0};  // a job was held or ended
  Duration oldest_end_{0};
  std::optional<std::int64_t> version_without_jobs_;
  std::string left_;           // why jobs are left to others
  Duration started_since_{0};  // monotonic: when those of started_ were recorded
  // How long a process runs, lately; missing before one has ended.
  std::optional<Duration> usual_run_;
};

Result<LauncherReport> Launcher::run(std::stop_token stop) {
  if (options_.mode == JobMode::kMpi && options_.nodes.empty()) {
    return make_error(Code::kUnsupported,
                      "jobs of mode mpi are started by srun, in an allocation of Slurm; submit one"
                      " with `wherry queue submit --job-mode mpi`");
  }
  std::optional<tasks::Claim> sole;
  if (options_.batch_job) {
    // Two launchers would fill its nodes twice.
    TRY_ASSIGN(sole, claims_.acquire("launcher", std::to_string(*options_.batch_job)));
  }
  TRY(close_dead_sessions());
  TRY(claim_gpus());
  TRY_ASSIGN(children_, Children::open(room_.most()));
  const ProcessIdentity self = this_process();
  TRY_ASSIGN(const Session session,
             sessions_.open(options_.site, options_.batch_job,
                            fmt::format("{}{} on {}", kHolder, self.pid, self.host)));
  session_ = session.id;
  TRY_ASSIGN(const tasks::Claim alive, claims_.acquire("session", std::to_string(session_)));
  last_alive_ = last_work_ = clock_.monotonic();
  next_tick_ = last_alive_ + kTickEvery;
  show_life();
  const auto ended = loop(std::move(stop));
  children_.reset();
  if (!options_.sign_of_life.empty()) ::unlink(options_.sign_of_life.c_str());
  // Also after an error: if the database is there again, its jobs need not wait for the lease.
  const auto closed = sessions_.close(session_);
  TRY(ended);
  TRY(closed, "close the session of the launcher");
  return report_;
}

// No two launchers give their jobs the same GPU, whoever started them.
Result<void> Launcher::claim_gpus() {
  for (Node& node : nodes_) {
    std::vector<std::string> own;
    for (std::string& id : gpus_of(node, options_)) {
      if (own.size() == options_.gpus_per_node.value_or(SIZE_MAX)) break;
      auto claim = claims_.acquire("gpu", fmt::format("{}/{}", node.name, id));
      if (!claim && claim.error().code != Code::kConflict) return claim.error();
      if (!claim) continue;
      gpu_claims_.push_back(*std::move(claim));
      own.push_back(std::move(id));
    }
    node.gpus = std::move(own);
  }
  room_ = room_of(options_, nodes_);
  return {};
}

// Of launchers on this machine that were killed: their jobs need not wait for the lease to end.
Result<void> Launcher::close_dead_sessions() {
  const std::vector<SiteId> site = {options_.site};
  TRY_ASSIGN(const std::vector<Session> sessions, sessions_.list(site));
  for (const Session& session : sessions) {
    // One that has only just been opened may not have been claimed yet.
    if (!session.holder.starts_with(kHolder) || clock_.now() - session.created < kClaimedWithin)
      continue;
    TRY_ASSIGN(const auto holder, claims_.holder("session", std::to_string(session.id)));
    if (!holder) TRY(sessions_.close(session.id));
  }
  return {};
}

Result<void> Launcher::loop(std::stop_token stop) {
  while (true) {
    if (!stopping_ && stop.stop_requested()) stop_all("the launcher was stopped");
    if (!stopping_ && options_.ends && clock_.now() >= *options_.ends - kEndMargin)
      stop_all("the allocation ends");
    if (!stopping_ && !has_nodes_) stop_all(kNodesLost);
    TRY(tick());
    end_overdue();
    if (!stopping_) {
      TRY(fetch());
      start_processes();
    }
    TRY(report());
    if (is_idle() && ends_.empty()) {
      if (stopping_) return {};
      // Only after a look that found none.
      if (version_without_jobs_ && options_.idle_time > Duration(0) &&
          clock_.monotonic() - last_work_ >= options_.idle_time)
        return {};
    }
    // Once stopping, a stop token that is set must not wake it for ever.
    const auto ended = children_->wait(until_next(), stopping_ ? std::stop_token() : stop);
    for (const ChildEnd& end : ended) on_end(end);
  }
}

// Whether it was done; an error that may pass by itself is no error as long as the lease is safe.
Result<bool> Launcher::succeeded(Result<void> result) {
  if (result) {
    last_alive_ = clock_.monotonic();
    return true;
  }
  if (result.error().retry != Retry::kLater || clock_.monotonic() - last_alive_ >= kGiveUpAfter)
    return std::move(result).error();
  log_warning("launcher: {}; trying again", result.error().message);
  return false;
}

Result<void> Launcher::tick() {
  if (clock_.monotonic() < next_tick_) return {};
  std::vector<JobId> mine;  // also what is told to end, until it has
  for (const auto& [child, running] : running_) mine.push_back(running.job);
  for (const std::deque<Waiting>* waiting : {&started_, &held_})
    for (const Waiting& job : *waiting) mine.push_back(job.job.job.id);
  std::vector<JobId> lost;
  auto answer = sessions_.tick(session_, mine);
  if (answer) lost = *std::move(answer);
  TRY_ASSIGN(const bool done, succeeded(answer ? Result<void>() : Result<void>(answer.error())),
             "keep session {}", session_);
  next_tick_ = clock_.monotonic() + (done ? kTickEvery : kLookEvery);
  if (!done) return {};
  show_life();
  TRY(succeeded(close_dead_sessions()));
  let_go(lost);
  return {};
}

// A file that cannot be written does not matter while the jobs go on: whoever waits for it ends the
// allocation, which is what to do then.
void Launcher::show_life() {
  if (options_.sign_of_life.empty()) return;
  const UniqueFd file(::open(options_.sign_of_life.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!file) return;
  const std::string count = fmt::format("{}\n", ++signs_);
  (void)!::write(file.get(), count.data(), count.size());
}

// They were cancelled or deleted, or belong to another launcher: what is ours of them ends at once.
void Launcher::let_go(std::span<const JobId> lost) {
  const auto is_lost = [&](JobId job) {
    return std::find(lost.begin(), lost.end(), job) != lost.end();
  };
  for (auto& [child, running] : running_) {
    if (!running.is_ours || !is_lost(running.job)) continue;
    running.is_ours = false;
    // srun ends what it started elsewhere, unless it is killed itself.
    if (running.by_srun) {
      tell_to_end(child, running, "not ours any more");
    } else {
      children_->signal(child, SIGKILL);
    }
  }
  for (std::deque<Waiting>* waiting : {&started_, &held_})
    std::erase_if(*waiting, [&](const Waiting& job) { return is_lost(job.job.job.id); });
}

void Launcher::tell_to_end(ChildId id, Running& running, const std::string& reason) {
  if (running.killed) return;
  running.reason = reason;
  running.killed = clock_.monotonic() + kGrace;
  children_->signal(id, SIGTERM);
}

void Launcher::stop_all(const std::string& reason) {
  stopping_ = true;
  held_.clear();  // close() frees them
  hand_back(reason);
  for (auto& [child, running] : running_) tell_to_end(child, running, reason);
}

// Those that were started ahead and have no process.
void Launcher::hand_back(const std::string& reason) {
  for (const Waiting& waiting : started_) {
    add_end({.job = waiting.job.job.id,
             .state = JobState::kRestartReady,
             .return_code = std::nullopt,
             .message = "not begun: " + reason});
  }
  started_.clear();
}

void Launcher::end_overdue() {
  const Duration now = clock_.monotonic();
  // Short jobs were followed by long ones.
  if (!started_.empty() && now - started_since_ >= kHandBackAfter) {
    usual_run_ = kHandBackAfter;
    hand_back("others had the room for too long");
  }
  for (auto& [child, running] : running_) {
    if (running.ends && now >= *running.ends) tell_to_end(child, running, "its wall time is over");
    if (running.killed && now >= *running.killed) {
      children_->signal(child, SIGKILL);
      running.killed = now + kGrace;  // once more, should that have no effect
    }
  }
}

void Launcher::add_end(RunEnd end) {
  const Duration now = clock_.monotonic();
  if (ends_.empty()) oldest_end_ = now;
  last_work_ = now;
  ends_.push_back(std::move(end));
}

// A scheduler that takes an allocation away kills its jobs together with the launcher, or sooner.
bool Launcher::may_be_loss_of_nodes(const Running& running, const ChildEnd& end) {
  return running.by_srun || end.exit_code == 128 + SIGTERM || end.exit_code == 128 + SIGKILL;
}

void Launcher::on_end(const ChildEnd& end) {
  const auto found = running_.find(end.id);
  const Running running = std::move(found->second);
  running_.erase(found);
  room_.give_back(running.placement);
  const Duration ran = std::max<Duration>(clock_.monotonic() - running.begun, milliseconds(1));
  usual_run_ = usual_run_ ? (*usual_run_ * 7 + ran) / 8 : ran;
  if (!running.is_ours) {
    // It may have been retried, and waits to be free: for others, or for another look of this one.
    next_tick_ = clock_.monotonic();
    version_without_jobs_.reset();
    return;
  }
  RunEnd result{
      .job = running.job, .state = JobState::kRunDone, .return_code = end.exit_code, .message = {}};
  if (running.killed) {
    result.state = JobState::kRunTimeout;
    result.message = running.reason;
    ++report_.cut_off;
  } else if (end.exit_code == 0) {
    ++report_.done;
  } else if (may_be_loss_of_nodes(running, end) && options_.has_nodes && !options_.has_nodes()) {
    result.state = JobState::kRunTimeout;
    result.message = kNodesLost;
    ++report_.cut_off;
    has_nodes_ = false;
  } else {
    result.state = JobState::kRunError;
    result.message = end.exit_code > 128
                         ? fmt::format("ended by signal {}; see job.out", end.exit_code - 128)
                         : fmt::format("ended with {}; see job.out", end.exit_code);
    ++report_.failed;
  }
  add_end(std::move(result));
}

Result<void> Launcher::report() {
  if (ends_.empty()) return {};
  // Those who wait for a free place wait for no report.
  const bool is_due =
      clock_.monotonic() - oldest_end_ >= kReportAfter || ends_.size() >= kMaxAhead || is_idle();
  if (!is_due) return {};
  TRY_ASSIGN(const bool done, succeeded(sessions_.ended(session_, ends_)), "record ended jobs");
  if (done) {
    ends_.clear();
  } else {
    oldest_end_ = clock_.monotonic() + kLookEvery - kReportAfter;
  }
  return {};
}

// ---- getting jobs

bool Launcher::outlasts(const Resources& resources) const {
  if (!options_.ends || resources.wall_time_min <= 0) return false;
  return clock_.now() + minutes(resources.wall_time_min) > *options_.ends - kEndMargin;
}

// How many jobs to start before there is room for them: those that will find it in kAheadFor, by
// what jobs have taken lately.
std::size_t Launcher::ahead() const {
  if (!usual_run_) return 0;
  const std::size_t at_once = running_.size() + room_.free_places();
  return std::min(kMaxAhead, at_once * static_cast<std::size_t>(kAheadFor / *usual_run_));
}

// Holds and starts jobs when there is room for more than are started.
Result<void> Launcher::fetch() {
  const Duration now = clock_.monotonic();
  if (!started_.empty() || room_.is_full()) return {};
  if (now - last_alive_ >= kGiveUpAfter) return {};
  TRY(record_starts());
  // It has nothing to do, and there may be more where the last jobs came from.
  const bool looks_at_once = is_idle() && !version_without_jobs_;
  if (!started_.empty() || (now < next_look_ && !looks_at_once) ||
      is_kept_waiting(line(), line_options()))
    return {};
  TRY_ASSIGN(const bool found, acquire());
  TRY(record_starts());
  if (!found || started_.empty()) next_look_ = now + kLookEvery;
  return {};
}

std::vector<InLine> Launcher::line() const {
  std::vector<InLine> line;
  for (const Waiting& waiting : held_)
    line.push_back({&waiting.job.job.resources, waiting.passed_since});
  return line;
}

LineOptions Launcher::line_options() const {
  return {.ahead = ahead(), .now = clock_.monotonic(), .patience = options_.patience};
}

// On a node that a job of this launcher may get; every one of them, if it gets several.
std::size_t Launcher::most_gpus() const {
  const auto [least, most] = std::minmax_element(
      nodes_.begin(), nodes_.end(),
      [](const Node& a, const Node& b) { return a.gpus.size() < b.gpus.size(); });
  return (options_.mode == JobMode::kMpi ? least : most)->gpus.size();
}

// Whether there were any.
Result<bool> Launcher::acquire() {
  if (version_without_jobs_) {
    TRY_ASSIGN(const std::int64_t version, database_.version());
    if (version_without_jobs_ == version) return false;
  }
  Acquire what;
  what.max_jobs =
      std::clamp<std::size_t>(room_.free_places() + ahead(), std::size_t{1}, kMaxAcquire);
  what.max_gpus_per_node = most_gpus();
  // While somebody waits for room, only those that have some are of use.
  if (!held_.empty())
    what.fits = [room = room_](const Resources& resources) mutable {
      return room.take(resources).has_value();
    };
  what.max_nodes_per_job = options_.mode == JobMode::kMpi ? static_cast<int>(room_.nodes()) : 1;
  if (options_.ends) {
    const auto left = std::chrono::ceil<minutes>(*options_.ends - kEndMargin - clock_.now());
    what.max_wall_time_min = static_cast<int>(std::clamp<std::int64_t>(left.count(), 1, INT32_MAX));
  }
  what.filter_tags = options_.filter_tags;
  auto jobs = sessions_.acquire(session_, what);
  TRY_ASSIGN(const bool done, succeeded(jobs ? Result<void>() : Result<void>(jobs.error())),
             "take jobs");
  if (!done) return false;
  version_without_jobs_.reset();
  if (jobs->empty()) {
    // Asking was a change itself. Should a job have come just now, the next heartbeat is a change.
    TRY_ASSIGN(version_without_jobs_, database_.version());
    TRY(succeeded(tell_what_is_left()));
  }
  for (AcquiredJob& job : *jobs) {
    // It stays with the session, which ends before another could run it in time.
    if (!outlasts(job.job.resources)) held_.push_back({.job = std::move(job)});
  }
  if (!held_.empty()) last_work_ = clock_.monotonic();
  return !jobs->empty();
}

Result<void> Launcher::tell_what_is_left() {
  if (!options_.on_left) return {};
  const std::size_t most = most_gpus();
  TRY_ASSIGN(const auto job, sessions_.with_more_gpus(options_.site, most));
  std::string why;
  if (job) {
    why = fmt::format(
        "job {} and maybe others ask for {} GPUs on a node, but here {} can be had:"
        " see 'gpus_per_node' in settings.yml, or run them elsewhere (`wherry queue"
        " submit`)",
        job->id, gpus_on_a_node(job->resources), most);
  }
  if (why != left_) options_.on_left(why);
  left_ = std::move(why);
  return {};
}

Result<void> Launcher::record_starts() {
  if (held_.empty()) return {};
  std::vector<InLine> in_line = line();
  const auto next = next_in_line(room_, in_line, line_options());
  for (std::size_t place = 0; place < held_.size(); ++place)
    held_[place].passed_since = in_line[place].passed_since;
  std::vector<JobId> ids;
  for (const std::size_t place : next) ids.push_back(held_[place].job.job.id);
  if (ids.empty()) return {};
  const auto lost = sessions_.started(session_, ids);
  TRY_ASSIGN(const bool done, succeeded(lost ? Result<void>() : Result<void>(lost.error())),
             "record that jobs are started");
  if (!done) return {};
  started_since_ = clock_.monotonic();
  version_without_jobs_.reset();  // if there were none, then none that fitted beside these
  for (const std::size_t place : next) {
    started_.push_back(std::move(held_[place]));
    held_[place].job.job.id = 0;
  }
  std::erase_if(held_, [](const Waiting& waiting) { return waiting.job.job.id == 0; });
  let_go(*lost);  // cancelled or deleted meanwhile
  return {};
}

// ---- running them

void Launcher::start_processes() {
  while (!started_.empty()) {
    if (clock_.monotonic() - last_alive_ >= kGiveUpAfter) return;
    Waiting& first = started_.front();
    const auto script = job_script(first.job.app, first.job.job);
    if (!script) {
      ++report_.failed;
      add_end({.job = first.job.job.id,
               .state = JobState::kRunError,
               .return_code = std::nullopt,
               .message = script.error().message});
      started_.pop_front();
      continue;
    }
    const auto placement = room_.take(first.job.job.resources);
    if (!placement) return;
    first.script = gpu_lines_of(first.job.job.resources, *placement) + *script;
    start_process(first, *placement);
    started_.pop_front();
  }
}

// Nothing where there are none: whoever has not told Wherry of GPUs looks after them himself.
std::string Launcher::gpu_lines_of(const Resources& resources, const Placement& placement) const {
  if (gpu_claims_.empty()) return {};
  std::vector<GpusOfNode> gpus;
  for (std::size_t i = 0; i < placement.nodes.size(); ++i) {
    const Node& node = nodes_[placement.nodes[i]];
    gpus.push_back({.node = node.name, .gpus = {}});
    if (placement.gpus.empty()) continue;
    for (const std::size_t gpu : placement.gpus[i]) gpus.back().gpus.push_back(node.gpus[gpu]);
  }
  return gpu_lines(resources, options_.mode, gpus);
}

void Launcher::start_process(const Waiting& waiting, const Placement& placement) {
  const Job& job = waiting.job.job;
  const std::string directory = fmt::format("{}/data/{}", options_.site_path, job.workdir);
  const Duration begun = clock_.monotonic();
  const auto child = children_->start({.words = words_of(waiting, placement),
                                       .directory = directory,
                                       .environment = {{"WHERRY_JOB_ID", std::to_string(job.id)}},
                                       .output_file = directory + "/job.out"});
  if (!child) {
    room_.give_back(placement);
    ++report_.failed;
    add_end({.job = job.id,
             .state = JobState::kRunError,
             .return_code = std::nullopt,
             .message = child.error().message});
    return;
  }
  Running running;
  running.job = job.id;
  running.placement = placement;
  running.by_srun = is_by_srun(placement);
  running.begun = begun;
  if (job.resources.wall_time_min > 0) running.ends = begun + minutes(job.resources.wall_time_min);
  running_.emplace(*child, std::move(running));
}

std::vector<std::string> Launcher::words_of(const Waiting& waiting,
                                            const Placement& placement) const {
  const Resources& resources = waiting.job.job.resources;
  std::vector<std::string> words;
  if (is_by_srun(placement)) {
    words = {"srun", "--overlap", "--nodelist=" + node_list(nodes_, placement)};
    if (!options_.outside_of.empty()) words.push_back("--jobid=" + options_.outside_of);
  }
  if (options_.mode == JobMode::kMpi) {
    const std::size_t ranks =
        placement.nodes.size() * static_cast<std::size_t>(std::max(resources.ranks_per_node, 1));
    words.emplace_back("--kill-on-bad-exit=1");
    words.push_back(fmt::format("--nodes={}", placement.nodes.size()));
    words.push_back(fmt::format("--ntasks={}", ranks));
    words.push_back(fmt::format("--cpus-per-task={}", std::max(resources.threads_per_rank, 1)));
    for (const auto& [name, value] : resources.launch_params)
      words.push_back(value.empty() ? "--" + name : fmt::format("--{}={}", name, value));
  } else if (is_by_srun(placement)) {
    // Bound to no processor: jobs that share a node would be bound to the same one.
    for (const char* word : {"--quiet", "--cpu-bind=none", "--nodes=1", "--ntasks=1"})
      words.emplace_back(word);
  }
  for (const char* word : {"sh", "-c"}) words.emplace_back(word);
  words.push_back(waiting.script);
  return words;
}

// How long nothing can happen but that a child ends.
Duration Launcher::until_next() const {
  const Duration now = clock_.monotonic();
  Duration until = next_tick_ - now;
  const auto not_later = [&](Duration moment) { until = std::min(until, moment - now); };
  if (!ends_.empty()) not_later(oldest_end_ + kReportAfter);
  for (const auto& [child, running] : running_) {
    if (running.ends && !running.killed) not_later(*running.ends);
    if (running.killed) not_later(*running.killed);
  }
  if (!stopping_ && started_.empty() && !room_.is_full() && next_look_ > now) not_later(next_look_);
  // Clocks other than the one that poll() waits by, and the end of the allocation.
  return std::min<Duration>(until, kLookEvery);
}

}  // namespace

Result<LauncherReport> launch(const LauncherParts& parts, const LauncherOptions& options,
                              std::stop_token stop) {
  return Launcher(parts, options).run(std::move(stop));
}

}  // namespace wherry::jobs
