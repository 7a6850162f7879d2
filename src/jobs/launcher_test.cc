// SPDX-License-Identifier: Apache-2.0
#include "jobs/launcher.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>

#include "base/worker_pool.h"
#include "jobs/launch_fixture.h"

namespace wherry::jobs {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class LauncherTest : public LaunchTest {
 protected:
  using LaunchTest::LaunchTest;

  LauncherOptions options(std::size_t processes = 2) const {
    LauncherOptions wanted;
    wanted.site = site_.id;
    wanted.site_path = site_path();
    wanted.processes_per_node = processes;
    wanted.idle_time = milliseconds(1);
    return wanted;
  }
  static bool is_gone(pid_t pid) {
    const std::string stat = read_file(fmt::format("/proc/{}/stat", pid), 4096).value_or("");
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  }
  LauncherReport run(const LauncherOptions& wanted) {
    return must(launch({*database_, clock_}, wanted, {}));
  }
};

TEST_F(LauncherTest, RunsJobsInTheirWorkDirectoriesAndKeepsTheirOutput) {
  const JobId first = job("pwd; echo complaint >&2; echo $WHERRY_JOB_ID > made");
  const JobId second = job("echo two");
  const LauncherReport report = run(options());
  EXPECT_EQ(report.done, 2u);
  EXPECT_EQ(state(first), JobState::kRunDone);
  EXPECT_EQ(now(first).return_code, 0);
  EXPECT_EQ(now(first).session, std::nullopt);
  EXPECT_EQ(text(first, "job.out"), directory_of("job1") + "\ncomplaint\n");
  EXPECT_EQ(text(first, "made"), std::to_string(first) + "\n");
  EXPECT_EQ(text(second, "job.out"), "two\n");
  EXPECT_TRUE(must(stores_.sessions.list({})).empty()) << "the session was closed";
}

TEST_F(LauncherTest, TellsHowAFailedCommandEnded) {
  const JobId bad = job("exit 3");
  const JobId killed = job("kill -SEGV $$");
  const LauncherReport report = run(options());
  EXPECT_EQ(report.failed, 2u);
  EXPECT_EQ(state(bad), JobState::kRunError);
  EXPECT_EQ(now(bad).return_code, 3);
  EXPECT_EQ(why(bad), "ended with 3; see job.out");
  EXPECT_EQ(state(killed), JobState::kRunError);
  EXPECT_EQ(now(killed).return_code, 128 + SIGSEGV);
}

TEST_F(LauncherTest, AJobThatCannotBeStartedIsAnErrorOfThatJobAlone) {
  const JobId homeless = job("true");
  std::filesystem::remove_all(directory_of("job1"));
  const JobId good = job("true");
  run(options());
  EXPECT_EQ(state(homeless), JobState::kRunError);
  EXPECT_NE(why(homeless).find("job1"), std::string::npos) << why(homeless);
  EXPECT_EQ(state(good), JobState::kRunDone);
}

TEST_F(LauncherTest, JobsThatCannotBeStartedEndItNoSoonerThanOthers) {
  for (const JobId id : jobs(20, "true"))
    std::filesystem::remove_all(directory_of(now(id).workdir));
  EXPECT_EQ(run(options()).failed, 20u);
}

TEST_F(LauncherTest, RunsNoMoreAtOnceThanItMay) {
  // Each leaves a mark while it runs, and writes how many marks it sees.
  const auto ids = jobs(40,
                        "mkdir ../running.$WHERRY_JOB_ID; ls -d ../running.* | wc -l > seen;"
                        " rmdir ../running.$WHERRY_JOB_ID");
  EXPECT_EQ(run(options(3)).done, 40u);
  std::set<std::string> seen;
  for (const JobId id : ids) seen.insert(text(id, "seen"));
  for (const std::string& count : seen)
    EXPECT_TRUE(count == "1\n" || count == "2\n" || count == "3\n") << count;
}

TEST_F(LauncherTest, TakesOnlyJobsWithItsTags) {
  const JobId other = job("true", {}, {{"campaign", "2025"}});
  const JobId wanted = job("true", {}, {{"campaign", "2026"}});
  LauncherOptions tagged = options();
  tagged.filter_tags = {{"campaign", "2026"}};
  EXPECT_EQ(run(tagged).done, 1u);
  EXPECT_EQ(state(other), JobState::kPreprocessed);
  EXPECT_EQ(state(wanted), JobState::kRunDone);
}

TEST_F(LauncherTest, RunsAJobOnceHoweverManyLaunchersThereAre) {
  const auto ids = jobs(150, "echo run >> runs");
  WorkerPool pool({.threads = 3, .queue_limit = 3});
  for (int i = 0; i < 3; ++i)
    pool.submit([this] { must(launch({*database_, clock_}, options(2), {})); });
  pool.wait_idle();
  for (const JobId id : ids) {
    EXPECT_EQ(state(id), JobState::kRunDone);
    EXPECT_EQ(text(id, "runs"), "run\n");
  }
}

TEST_F(LauncherTest, RunsJobsThatComeWhileItIsWaiting) {
  LauncherOptions patient = options();
  patient.idle_time = Duration(0);
  std::stop_source stop;
  WorkerPool pool({.threads = 1, .queue_limit = 1});
  pool.submit([&] { must(launch({*database_, clock_}, patient, stop.get_token())); });
  const JobId late = job("true");
  wait_until([&] { return state(late) == JobState::kRunDone; });
  stop.request_stop();
}

TEST_F(LauncherTest, AStopCutsOffWhatRunsAndGivesBackTheRest) {
  const JobId running = job("echo > begun; trap '' HUP; while :; do sleep 0.01; done");
  const JobId waiting = job("echo > begun");
  std::stop_source stop;
  LauncherReport report;
  WorkerPool pool({.threads = 1, .queue_limit = 1});
  pool.submit([&] { report = must(launch({*database_, clock_}, options(1), stop.get_token())); });
  wait_until([&] { return text(running, "begun") == "\n"; });
  stop.request_stop();
  pool.wait_idle();
  EXPECT_EQ(report.cut_off, 1u);
  EXPECT_EQ(state(running), JobState::kRunTimeout);
  EXPECT_EQ(why(running), "the launcher was stopped");
  EXPECT_EQ(state(waiting), JobState::kPreprocessed);
  EXPECT_EQ(text(waiting, "begun"), "(none)");
}

TEST_F(LauncherTest, AJobThatIsKilledWithItsAllocationIsCutOff) {
  const JobId killed = job("kill -TERM $$");
  const JobId waiting = job("true");
  LauncherOptions wanted = options(1);
  bool has_nodes = true;
  wanted.has_nodes = [&] { return has_nodes; };
  has_nodes = false;
  EXPECT_EQ(run(wanted).cut_off, 1u);
  EXPECT_EQ(state(killed), JobState::kRunTimeout);
  EXPECT_EQ(state(waiting), JobState::kPreprocessed) << "there is nothing to run it on";
  has_nodes = true;
  const JobId failed = job("kill -TERM $$");
  run(wanted);
  EXPECT_EQ(state(failed), JobState::kRunError);
}

TEST_F(LauncherTest, MpiNeedsAnAllocation) {
  LauncherOptions mpi = options();
  mpi.mode = JobMode::kMpi;
  EXPECT_EQ(launch({*database_, clock_}, mpi, {}).error().code, Code::kUnsupported);
}

// Scenario 18.
TEST_F(LauncherTest, OneThatIsKilledTakesItsJobsWithIt) {
  const JobId id = job("echo $$ > pid; sleep 1000; echo survived > survived");
  const pid_t launcher = ::fork();
  if (launcher == 0) {
    const auto own = open_database();
    must(launch({*own, clock_}, options(), {}));
    ::_exit(0);
  }
  wait_until([&] { return text(id, "pid").ends_with('\n'); });
  const pid_t process = std::stoi(text(id, "pid"));
  ::kill(launcher, SIGKILL);
  ::waitpid(launcher, nullptr, 0);
  wait_until([&] { return is_gone(process); });
  EXPECT_EQ(text(id, "survived"), "(none)");
  EXPECT_EQ(state(id), JobState::kRunning) << "nobody knows yet";
  // The next one on this machine sees that it is dead, once it cannot be one that just began.
  FakeClock later(clock_.now() + seconds(11));
  std::stop_source stop;
  stop.request_stop();
  must(launch({*database_, later}, options(), stop.get_token()));
  EXPECT_EQ(state(id), JobState::kRunTimeout);
}

TEST_F(LauncherTest, TakesNothingFromOneThatLives) {
  const JobId id = job("echo > begun; while [ ! -e end ]; do sleep 0.01; done");
  WorkerPool pool({.threads = 1, .queue_limit = 1});
  pool.submit([&] { must(launch({*database_, clock_}, options(), {})); });
  wait_until([&] { return text(id, "begun") == "\n"; });
  FakeClock later(clock_.now() + seconds(11));
  std::stop_source stop;
  stop.request_stop();
  must(launch({*database_, later}, options(), stop.get_token()));
  EXPECT_EQ(state(id), JobState::kRunning);
  must(durable_write_file(directory_of("job1") + "/end", "", 0644));
  pool.wait_idle();
  EXPECT_EQ(state(id), JobState::kRunDone);
}

// ---- more jobs than room

class CrowdedTest : public LauncherTest {
 protected:
  using LauncherTest::LauncherTest;

  static constexpr const char* kUntilToldToEnd =
      "echo > begun; while [ ! -e end ]; do sleep 0.01; done";
  LauncherOptions four_processors() const {
    LauncherOptions wanted = options(0);
    wanted.nodes = {{.name = "here", .processors = 4}};
    return wanted;
  }
  static Resources processors(int count) {
    return {.threads_per_rank = count, .node_packing_count = 4};
  }
  void let_end(JobId id) {
    must(durable_write_file(directory_of(now(id).workdir) + "/end", "", 0644));
  }
};

TEST_F(CrowdedTest, SmallJobsRunBesideALargeOneThatWaitsForRoom) {
  const JobId running = job(kUntilToldToEnd, processors(1));
  const JobId large = job("true", processors(4));
  std::vector<JobId> small;
  for (int i = 0; i < 20; ++i) small.push_back(job("true", processors(1)));
  WorkerPool pool({.threads = 1, .queue_limit = 1});
  LauncherReport report;
  pool.submit([&] { report = run(four_processors()); });
  for (const JobId id : small) wait_until([&] { return state(id) == JobState::kRunDone; });
  EXPECT_EQ(state(running), JobState::kRunning);
  EXPECT_EQ(state(large), JobState::kPreprocessed);
  let_end(running);
  pool.wait_idle();
  EXPECT_EQ(state(large), JobState::kRunDone);
  EXPECT_EQ(report.done, 22u);
}

TEST_F(CrowdedTest, ALargeJobThatWasPassedForLongEnoughIsNextAndNobodyBeforeIt) {
  const JobId running = job(kUntilToldToEnd, processors(1));
  const JobId large = job("ls -d ../*/begun > seen", processors(4));
  const JobId small = job("echo > begun", processors(1));
  LauncherOptions impatient = four_processors();
  impatient.patience = Duration(0);
  WorkerPool pool({.threads = 1, .queue_limit = 1});
  pool.submit([&] { run(impatient); });
  wait_until([&] { return text(running, "begun") == "\n"; });
  let_end(running);
  pool.wait_idle();
  EXPECT_EQ(text(large, "seen"), "../job1/begun\n") << "the small one had not begun";
  EXPECT_EQ(state(small), JobState::kRunDone);
}

TEST_F(CrowdedTest, OfThoseWithoutRoomOnlyTheFirstIsKeptFromOtherLaunchers) {
  const JobId running = job(kUntilToldToEnd, processors(1));
  LauncherOptions patient = four_processors();
  patient.idle_time = Duration(0);
  std::stop_source stop;
  WorkerPool pool({.threads = 1, .queue_limit = 1});
  pool.submit([&] { must(launch({*database_, clock_}, patient, stop.get_token())); });
  wait_until([&] { return text(running, "begun") == "\n"; });
  const JobId first = job("true", processors(4));
  wait_until([&] { return now(first).session.has_value(); });
  const auto others = jobs(5, "true", processors(4));
  const JobId small = job("true", processors(1));
  wait_until([&] { return state(small) == JobState::kRunDone; });
  for (const JobId id : others) EXPECT_EQ(now(id).session, std::nullopt);
  let_end(running);
  for (const JobId id : others) wait_until([&] { return state(id) == JobState::kRunDone; });
  stop.request_stop();
}

// ---- GPUs

class GpuTest : public CrowdedTest {
 protected:
  LauncherOptions with_gpus(std::vector<std::string> gpus) const {
    LauncherOptions wanted = options(8);
    wanted.nodes = {{.name = "here", .processors = 8, .gpus = std::move(gpus)}};
    return wanted;
  }
  static constexpr const char* kTellGpus =
      "echo $CUDA_VISIBLE_DEVICES/$ROCR_VISIBLE_DEVICES > gpus";
};

TEST_F(GpuTest, AJobSeesItsOwnGpusAloneAndOneWithoutSeesNone) {
  const JobId two = job(kTellGpus, {.gpus_per_rank = 2});
  const JobId none = job(kTellGpus);
  run(with_gpus({"4", "GPU-7f"}));
  EXPECT_EQ(text(two, "gpus"), "4,GPU-7f/4,GPU-7f\n");
  EXPECT_EQ(text(none, "gpus"), "/\n");
}

TEST_F(GpuTest, NoTwoJobsHaveAGpuAtTheSameTime) {
  // mkdir fails if another one has it.
  const auto ids = jobs(30,
                        "for gpu in $(echo $CUDA_VISIBLE_DEVICES | tr , ' '); do"
                        " mkdir ../gpu.$gpu || exit 1; done; sleep 0.01;"
                        " for gpu in $(echo $CUDA_VISIBLE_DEVICES | tr , ' '); do"
                        " rmdir ../gpu.$gpu; done",
                        {.gpus_per_rank = 2});
  EXPECT_EQ(run(with_gpus({"0", "1", "2", "3", "4"})).done, 30u);
}

TEST_F(GpuTest, TwoLaunchersShareTheGpusOfANode) {
  const JobId first = job(kUntilToldToEnd, {.gpus_per_rank = 3}, {{"for", "first"}});
  WorkerPool pool({.threads = 1, .queue_limit = 1});
  LauncherOptions three = with_gpus({"0", "1", "2", "3"});
  three.gpus_per_node = 3;
  three.filter_tags = {{"for", "first"}};  // else it may lease the second one, to keep room for it
  pool.submit([&] { run(three); });
  wait_until([&] { return text(first, "begun") == "\n"; });
  const JobId second = job(kTellGpus, {.gpus_per_rank = 1}, {{"for", "second"}});
  LauncherOptions rest = with_gpus({"0", "1", "2", "3"});
  rest.filter_tags = {{"for", "second"}};
  run(rest);
  EXPECT_EQ(text(second, "gpus"), "3/3\n");
  let_end(first);
  pool.wait_idle();
}

TEST_F(GpuTest, AJobThatAsksForMoreThanThereAreIsLeftToOthersAndThatIsTold) {
  const JobId many = job("true", {.ranks_per_node = 2, .gpus_per_rank = 2});
  const JobId fits = job("true", {.gpus_per_rank = 2});
  LauncherOptions two = with_gpus({"0", "1"});
  std::vector<std::string> told;
  two.on_left = [&](const std::string& why) { told.push_back(why); };
  EXPECT_EQ(run(two).done, 1u);
  EXPECT_EQ(state(fits), JobState::kRunDone);
  EXPECT_EQ(state(many), JobState::kPreprocessed);
  EXPECT_EQ(now(many).session, std::nullopt);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find(fmt::format("job {} ", many)), std::string::npos) << told[0];
  EXPECT_NE(told[0].find("4 GPUs"), std::string::npos) << told[0];
}

TEST_F(GpuTest, SettingsMayLeaveGpusToSomebodyElse) {
  const JobId id = job(kTellGpus, {.gpus_per_rank = 1});
  LauncherOptions none = with_gpus({"0", "1"});
  none.gpus_per_node = 0;
  EXPECT_EQ(run(none).done, 0u);
  none.gpus_per_node = 1;
  EXPECT_EQ(run(none).done, 1u);
  EXPECT_EQ(text(id, "gpus"), "0/0\n");
}

// ---- with a clock that is turned by hand

class TurnedClockTest : public CrowdedTest {
 protected:
  TurnedClockTest() : CrowdedTest(fake_clock()) {}

  // Another one for each test: the base class takes it before this class has members.
  static FakeClock& fake_clock() {
    static std::unique_ptr<FakeClock> clock;
    clock = std::make_unique<FakeClock>();
    return *clock;
  }
  FakeClock& clock() { return static_cast<FakeClock&>(clock_); }

  // Runs a launcher until it ends by itself; `meanwhile` is called when the job has begun.
  template <class Body>
  Result<LauncherReport> launch_with(const LauncherOptions& wanted, JobId begins,
                                     const Body& meanwhile) {
    std::optional<Result<LauncherReport>> report;
    std::atomic<bool> has_ended = false;
    WorkerPool pool({.threads = 1, .queue_limit = 1});
    pool.submit([&] {
      report.emplace(launch({*database_, clock_}, wanted, {}));
      has_ended = true;
    });
    wait_until([&] { return text(begins, "begun") != "(none)"; });
    meanwhile();
    wait_until([&] {
      clock().advance(milliseconds(1));  // until it has been idle for long enough
      return has_ended.load();
    });
    pool.wait_idle();
    return *report;
  }
};

constexpr const char* kEndless = "echo > begun; while :; do sleep 0.01; done";

TEST_F(TurnedClockTest, ACancelledJobIsEndedWithinSeconds) {
  const JobId id = job(kEndless);
  LauncherOptions wanted = options();
  const auto report = launch_with(wanted, id, [&] {
    must(stores_.jobs.cancel(id));
    clock().advance(seconds(6));
  });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->done + report->failed + report->cut_off, 0u);
  EXPECT_EQ(state(id), JobState::kFailed);
}

TEST_F(TurnedClockTest, AJobThatIsRetriedAtOnceBeginsWhenItsFirstRunHasBeenEnded) {
  const JobId id =
      job("if [ -e pid ]; then kill -0 $(cat pid) && echo > overlap; exit 0; fi; echo $$ > pid;"
          " echo > begun; while :; do sleep 0.01; done");
  const auto report = launch_with(options(), id, [&] {
    must(stores_.jobs.cancel(id));
    must(stores_.jobs.retry(id));
    clock().advance(seconds(1));
  });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->done, 1u);
  EXPECT_EQ(state(id), JobState::kRunDone);
  EXPECT_EQ(text(id, "overlap"), "(none)");
}

TEST_F(TurnedClockTest, AJobEndsWithItsWallTime) {
  const JobId id = job(kEndless, {.wall_time_min = 5});
  const auto report = launch_with(options(), id, [&] { clock().advance(minutes(5)); });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(state(id), JobState::kRunTimeout);
  EXPECT_EQ(why(id), "its wall time is over");
}

TEST_F(TurnedClockTest, AJobThatIgnoresTheFirstSignalIsKilled) {
  const JobId id =
      job("trap '' TERM; echo > begun; while :; do sleep 0.01; done", {.wall_time_min = 5});
  const auto report = launch_with(options(), id, [&] {
    clock().advance(minutes(5));
    // Until it has been told, and has not obeyed.
    wait_until([&] {
      clock().advance(seconds(1));
      return state(id) == JobState::kRunTimeout;
    });
  });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(now(id).return_code, 128 + SIGKILL);
}

TEST_F(TurnedClockTest, WhenAllThatItHeldHasRunItLooksForMoreAtOnce) {
  const JobId running = job(kUntilToldToEnd, processors(1));
  JobId last = 0;
  const auto report = launch_with(four_processors(), running, [&] {
    const JobId held = job("true", processors(4));
    wait_until([&] {
      clock().advance(milliseconds(1));
      return now(held).session.has_value();
    });
    last = job("true", processors(4));  // not held: there is no room
    let_end(running);
    wait_until([&] { return state(last) == JobState::kRunDone; });  // the clock stands still
  });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->done, 3u);
}

// Scenario 18.
TEST_F(TurnedClockTest, BeginsNothingThatWouldOutlastTheAllocationAndEndsBeforeIt) {
  const JobId running = job(kEndless);
  const JobId too_long = job("true", {.wall_time_min = 60});
  const JobId fits = job("true", {.wall_time_min = 5});
  LauncherOptions wanted = options();
  wanted.ends = clock().now() + minutes(10);
  wanted.idle_time = Duration(0);
  const auto report = launch_with(wanted, running, [&] {
    wait_until([&] {
      clock().advance(milliseconds(1));
      return state(fits) == JobState::kRunDone;
    });
    clock().advance(minutes(10) - seconds(20));
  });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->cut_off, 1u);
  EXPECT_EQ(state(running), JobState::kRunTimeout);
  EXPECT_EQ(why(running), "the allocation ends");
  EXPECT_EQ(state(too_long), JobState::kPreprocessed);
  EXPECT_EQ(now(too_long).session, std::nullopt);
}

TEST_F(TurnedClockTest, OneWhoseSessionHasExpiredEndsItsProcesses) {
  const JobId id = job("echo $$ > begun; while :; do sleep 0.01; done");
  const auto report = launch_with(options(), id, [&] {
    wait_until([&] { return text(id, "begun").ends_with('\n'); });
    // As expire() does it to a launcher that was suspended for too long.
    const auto sessions = must(stores_.sessions.list({}));
    must(stores_.sessions.close(sessions.front().id));
    clock().advance(seconds(6));
  });
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kNotFound);
  EXPECT_EQ(state(id), JobState::kRunTimeout);
  EXPECT_NE(::kill(std::stoi(text(id, "begun")), 0), 0) << "its process is gone";
}

}  // namespace
}  // namespace wherry::jobs
