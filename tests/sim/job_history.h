// SPDX-License-Identifier: Apache-2.0
// The part of a history that happens at the site: jobs are made, staged, run by launchers and
// meddled with, while the site's process is killed and its service cannot be reached.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/random.h"
#include "checks.h"
#include "job_checks.h"
#include "world.h"

namespace wherry::sim {

class JobHistory {
 public:
  using Tell = std::function<void(const std::string& line)>;
  // Plans what storages and database do to a task that is about to run; whether that is more than a
  // kill.
  using MakeTrouble = std::function<bool()>;
  JobHistory(World& world, Checks& checks, Random& random, Tell tell, MakeTrouble make_trouble);

  // One thing that happens. begin_step() and end_step() stand around every step of the history.
  void step();
  void begin_step() { job_checks_.begin_step(); }
  void end_step() { job_checks_.end_step(); }
  // Everything works from now on; to the last job.
  void come_to_rest();

 private:
  // A launcher and the jobs that it took.
  struct Launcher {
    jobs::SessionId session = 0;
    std::vector<jobs::JobId> taken;
    bool is_dead = false;
  };
  enum class Runs { kAsTheyLike, kWell };

  std::uint64_t pick(std::uint64_t bound) { return random_.below(bound); }
  bool chance(std::uint64_t percent) { return pick(100) < percent; }
  jobs::Stores& stores() { return world_.job_site.observer(); }
  storage::Storage& shelf() { return world_.memory(Place::kShelf); }
  bool has_jobs(std::initializer_list<jobs::JobState> states);
  jobs::JobId any_job();

  void make_jobs();
  void plan_job(std::vector<jobs::NewJob>& jobs, std::vector<KnownJob>& known);
  void choose_input(KnownJob& known);
  void learn_of(const std::vector<jobs::NewJob>& jobs, const std::vector<KnownJob>& known,
                const Result<std::vector<jobs::Job>>& answer);
  // Where there is nothing for one of these to do, what comes before it is done instead.
  void stage();
  void run_tasks();
  void note_struck(const tasks::Task& task);
  void process();
  void begin_runs();
  std::size_t take_jobs();
  void start_jobs();
  void end_runs(Runs how);
  jobs::RunEnd end_run(jobs::JobId job, Runs how);
  void expire();
  void meddle();
  void remove(jobs::JobId job);

  // What goes wrong.
  void plan_kill();
  void plan_losses();
  void finish_tasks();
  void tell_ends();
  // Whether a failed step is one that had to fail.
  bool is_excused() const { return world_.trouble.is_dead() || database_fails_; }

  template <class... Args>
  void tell(fmt::format_string<Args...> format, Args&&... args) {
    tell_(fmt::format(format, std::forward<Args>(args)...));
  }

  World& world_;
  Checks& checks_;
  Random& random_;
  const Tell tell_;
  const MakeTrouble make_trouble_;
  KnownJobs known_;
  JobChecks job_checks_;
  std::vector<Launcher> launchers_;
  std::uint64_t last_serial_ = 0;
  bool database_fails_ = false;
};

}  // namespace wherry::sim
