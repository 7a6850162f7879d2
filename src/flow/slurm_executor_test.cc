// SPDX-License-Identifier: Apache-2.0
// Against scripts in place of Slurm's commands: sbatch keeps what it is given, squeue tells what
// the test says, and the test runs the script of a job when it wants to. With Slurm itself:
// tests/system/flow_slurm_test.py.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "base/check.h"
#include "base/child_process.h"
#include "base/file.h"
#include "base/scratch_directory.h"
#include "flow/executor.h"

namespace wherry::flow {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class SlurmExecutorTest : public testing::Test {
 protected:
  SlurmExecutorTest() {
    std::filesystem::create_directory(scratch_.file("jobs"));
    install("sbatch", R"sh(
      [ -e away ] && { echo 'Unable to contact slurm controller' >&2; exit 1; }
      [ -e refusal ] && { cat refusal >&2; exit 1; }
      number=$(($(cat number 2>/dev/null || echo 0) + 1))
      echo $number > number
      printf '%s\n' "$@" > jobs/$number.words
      cat > jobs/$number.sh
      for word in "$@"; do
        case $word in --job-name=*) echo "${word#*=} $number|PENDING|N/A|N/A|Resources" >> table ;; esac
      done
      mv jobs/$number.sh jobs/$number.script
      [ -e mute ] && { echo 'Unable to contact slurm controller' >&2; exit 1; }
      echo $number)sh");
    install("squeue", R"sh(
      [ -e away ] && { echo 'Unable to contact slurm controller' >&2; exit 1; }
      echo "$@" >> asked
      name=
      for word in "$@"; do case $word in --name=*) name=${word#*=} ;; esac; done
      [ -e table ] || exit 0
      while read -r job line; do
        [ -n "$name" ] && [ "$job" != "$name" ] || echo "$line"
      done < table)sh");
    install("scancel", "echo \"$1\" >> cancelled");
  }

  void install(const std::string& name, const std::string& script) {
    CHECK(durable_write_file(scratch_.file(name),
                             fmt::format("#!/bin/sh\ncd '{}'\n{}\n", scratch_.path(), script),
                             0755));
  }
  std::unique_ptr<Executor> executor(SlurmExecutorOptions options = {}) {
    options.directory = scratch_.file("ends");
    return open_slurm_executor(clock_, schedulers::open_slurm({.bin_directory = scratch_.path()}),
                               options);
  }
  Command shell(const std::string& script) {
    Command command;
    command.name = "test";
    command.script = script;
    command.directory = scratch_.path();
    return command;
  }
  std::string text_of(const std::string& name) {
    return read_file(scratch_.file(name), 1 << 20).value_or("");
  }
  bool is_there(const std::string& name) { return std::filesystem::exists(scratch_.file(name)); }
  void touch(const std::string& name) { CHECK(durable_write_file(scratch_.file(name), "", 0644)); }

  template <class Condition>
  void turn_until(const Condition& condition, Duration step = seconds(1)) {
    for (int i = 0; !condition(); ++i) {
      ASSERT_LT(i, 20'000) << "waited in vain";
      clock_.advance(step);
      system_clock().sleep(milliseconds(2), {});
    }
  }
  void wait_for_job(int number) {
    turn_until([&] { return is_there(fmt::format("jobs/{}.script", number)); });
  }
  Result<CommandEnd> end_of(const Future<CommandEnd>& future, Duration step = seconds(1)) {
    turn_until([&] { return future.is_ready(); }, step);
    return future.wait();
  }

  // What squeue tells of jobs from now on, for those in the order of their numbers.
  void set_states(const std::map<int, std::string>& states) {
    std::string lines;
    std::istringstream table(text_of("table"));
    for (std::string name, line; table >> name && std::getline(table, line);) {
      const int number = std::stoi(line);
      const auto state = states.find(number);
      lines += state == states.end() ? fmt::format("{}{}\n", name, line)
                                     : fmt::format("{} {}|{}|1795295464|1795295524|None\n", name,
                                                   number, state->second);
    }
    CHECK(durable_write_file(scratch_.file("table"), lines, 0644));
  }
  // As a node would.
  CommandOutput run_job(int number) {
    return run_command({.words = {"/bin/sh", scratch_.file(fmt::format("jobs/{}.script", number))},
                        .directory = "/"},
                       {})
        .value();
  }

  ScratchDirectory scratch_;
  FakeClock clock_;
};

TEST_F(SlurmExecutorTest, ACommandIsAJobWhoseScriptTellsHowItEnded) {
  SlurmExecutorOptions options;
  options.resources.num_nodes = 2;
  options.resources.queue = "compute";
  options.resources.project = "physics";
  options.resources.nodes = schedulers::BatchScript::Nodes::kShared;
  options.resources.options = {{"qos", "urgent"}};
  options.environment = {"LINE=first", "export LINE=\"$LINE$A\""};
  const auto slurm = executor(options);
  Command command = shell("echo \"$A, $LINE, $(pwd)\"; exit 3");
  command.environment = {{"A", "it's"}};
  command.walltime = minutes(90);
  command.output_file = "/data/50%.out";
  const auto future = slurm->start(command, "key-1");
  wait_for_job(1);
  EXPECT_EQ(text_of("jobs/1.words"),
            fmt::format("--parsable\n--no-requeue\n--job-name=key-1\n--chdir={}\n"
                        "--output=/data/50%%.out\n--nodes=2\n--time=90\n--partition=compute\n"
                        "--account=physics\n--open-mode=append\n--qos=urgent\n",
                        scratch_.path()));
  set_states({{1, "RUNNING"}});
  clock_.advance(minutes(1));
  const CommandOutput output = run_job(1);
  EXPECT_EQ(output.output, fmt::format("it's, firstit's, {}\n", scratch_.path()));
  EXPECT_EQ(output.errors, "");
  EXPECT_EQ(output.exit_code, 3) << "Slurm is told as well";
  EXPECT_FALSE(future.is_ready()) << "it runs until Slurm says otherwise";
  set_states({{1, "FAILED"}});
  EXPECT_EQ(end_of(future).value(), CommandEnd{3});
  EXPECT_TRUE(slurm->outlives_program());
}

TEST_F(SlurmExecutorTest, ADirectoryThatIsMissingOnTheNodeIsAnErrorThatNamesIt) {
  const auto slurm = executor();
  Command command = shell("touch made");
  command.directory = scratch_.file("none");
  const auto future = slurm->start(command, "key");
  wait_for_job(1);
  EXPECT_EQ(run_job(1).exit_code, 1);
  set_states({{1, "FAILED"}});
  const auto end = end_of(future);
  EXPECT_EQ(end.error().code, Code::kNotFound);
  EXPECT_THAT(end.error().message, HasSubstr(scratch_.file("none")));
}

TEST_F(SlurmExecutorTest, WhatSlurmEndsAtItsWalltimeHasTimedOut) {
  const auto slurm = executor();
  Command command = shell("exit 143");
  command.walltime = minutes(5);
  const auto silent = slurm->start(command, "silent");
  const auto telling = slurm->start(command, "telling");
  command.script = "exit 0";
  const auto done = slurm->start(command, "done");
  wait_for_job(3);
  run_job(2);
  run_job(3);
  set_states({{1, "TIMEOUT"}, {2, "TIMEOUT"}, {3, "TIMEOUT"}});
  for (const auto& future : {silent, telling}) {
    const auto end = end_of(future);
    EXPECT_EQ(end.error().code, Code::kTimeout);
    EXPECT_THAT(end.error().message, HasSubstr("its walltime of 5m"));
  }
  EXPECT_EQ(end_of(done).value(), CommandEnd{0}) << "it had done its work in time";
}

TEST_F(SlurmExecutorTest, CancelIsPassedOnToSlurm) {
  const auto slurm = executor();
  const auto future = slurm->start(shell("true"), "key");
  wait_for_job(1);
  set_states({{1, "RUNNING"}});
  future.cancel();
  turn_until([&] { return text_of("cancelled") == "1\n"; });
  EXPECT_FALSE(future.is_ready()) << "it has not ended yet";
  set_states({{1, "CANCELLED"}});
  const auto end = end_of(future);
  EXPECT_EQ(end.error().code, Code::kCancelled);
  EXPECT_THAT(end.error().message, HasSubstr("job 1 of Slurm"));
  EXPECT_EQ(text_of("cancelled"), "1\n") << "once";
}

TEST_F(SlurmExecutorTest, WhatSomebodyCancelsInSlurmIsCancelled) {
  const auto slurm = executor();
  const auto future = slurm->start(shell("true"), "key");
  wait_for_job(1);
  set_states({{1, "CANCELLED"}});
  const auto end = end_of(future);
  EXPECT_EQ(end.error().code, Code::kCancelled);
  EXPECT_THAT(end.error().message, HasSubstr("somebody"));
}

TEST_F(SlurmExecutorTest, ALostNodeIsToldInSlurmsWord) {
  const auto slurm = executor();
  const auto future = slurm->start(shell("true"), "key");
  wait_for_job(1);
  set_states({{1, "NODE_FAIL"}});
  const auto end = end_of(future);
  EXPECT_EQ(end.error().code, Code::kUnavailable);
  EXPECT_EQ(end.error().retry, Retry::kLater);
  EXPECT_THAT(end.error().message, HasSubstr("NODE_FAIL"));
}

TEST_F(SlurmExecutorTest, TheFileOfAnEndMayComeLate) {
  const auto slurm = executor();
  const auto late = slurm->start(shell("exit 7"), "late");
  const auto never = slurm->start(shell("exit 7"), "never");
  wait_for_job(2);
  set_states({{1, "FAILED"}, {2, "FAILED"}});
  const std::string before = text_of("asked");
  turn_until([&] { return text_of("asked") != before; }, milliseconds(500));
  run_job(1);
  EXPECT_EQ(end_of(late).value(), CommandEnd{7});
  const auto end = end_of(never);
  EXPECT_EQ(end.error().code, Code::kUnavailable);
  EXPECT_THAT(end.error().message, HasSubstr("without telling"));
}

TEST_F(SlurmExecutorTest, AFileThatSaysNothingIsNoSuccess) {
  const auto slurm = executor();
  const auto future = slurm->start(shell("true"), "key");
  wait_for_job(1);
  CHECK(durable_write_file(scratch_.file("ends/key.end"), "exit", 0644));
  set_states({{1, "COMPLETED"}});
  EXPECT_EQ(end_of(future).error().code, Code::kCorrupt);
}

TEST_F(SlurmExecutorTest, ARefusalIsToldInSlurmsWords) {
  CHECK(durable_write_file(scratch_.file("refusal"), "sbatch: error: Invalid partition\n", 0644));
  const auto slurm = executor();
  const auto end = end_of(slurm->start(shell("true"), "key"));
  EXPECT_EQ(end.error().code, Code::kInvalid);
  EXPECT_THAT(end.error().message, HasSubstr("command 'test': sbatch: sbatch: error: Invalid"));
}

TEST_F(SlurmExecutorTest, WhatWasTakenWithoutAnAnswerIsFoundAndNotSubmittedAgain) {
  touch("mute");
  const auto slurm = executor();
  const auto future = slurm->start(shell("exit 4"), "key");
  turn_until([&] { return text_of("asked").find("--name=key") != std::string::npos; });
  std::filesystem::remove(scratch_.file("mute"));
  run_job(1);
  set_states({{1, "FAILED"}});
  EXPECT_EQ(end_of(future).value(), CommandEnd{4});
  EXPECT_EQ(text_of("number"), "1\n");
}

TEST_F(SlurmExecutorTest, AControllerThatIsAwayIsWaitedForButNotForEver) {
  touch("away");
  const auto slurm = executor();
  const auto first = slurm->start(shell("exit 4"), "first");
  clock_.advance(minutes(2));
  EXPECT_EQ(first.wait_for(milliseconds(20)), nullptr);
  std::filesystem::remove(scratch_.file("away"));
  wait_for_job(1);
  run_job(1);
  set_states({{1, "FAILED"}});
  EXPECT_EQ(end_of(first).value(), CommandEnd{4});

  touch("away");
  const auto second = slurm->start(shell("true"), "second");
  const auto end = end_of(second, seconds(10));
  EXPECT_EQ(end.error().code, Code::kUnavailable);
  EXPECT_THAT(end.error().message, HasSubstr("it may be there as job 'second'"));
}

TEST_F(SlurmExecutorTest, NoMoreThanItsJobsAreInSlurmAtOnce) {
  SlurmExecutorOptions options;
  options.max_jobs = 2;
  const auto slurm = executor(options);
  const auto first = slurm->start(shell("true"), "1");
  const auto second = slurm->start(shell("true"), "2");
  const auto third = slurm->start(shell("true"), "3");
  const auto fourth = slurm->start(shell("true"), "4");
  wait_for_job(2);
  const std::string before = text_of("asked");
  turn_until([&] { return text_of("asked").size() > before.size() + 200; });
  EXPECT_EQ(text_of("number"), "2\n");
  third.cancel();
  EXPECT_EQ(end_of(third).error().code, Code::kCancelled) << "it was never submitted";
  run_job(1);
  set_states({{1, "COMPLETED"}});
  EXPECT_EQ(end_of(first).value(), CommandEnd{0});
  wait_for_job(3);
  EXPECT_THAT(text_of("jobs/3.words"), HasSubstr("--job-name=4\n"));
  EXPECT_FALSE(second.is_ready());
  EXPECT_FALSE(fourth.is_ready());
}

TEST_F(SlurmExecutorTest, AllCommandsAreAskedForTogether) {
  const auto slurm = executor();
  std::vector<Future<CommandEnd>> all;
  std::map<int, std::string> completed;
  for (int i = 1; i <= 8; ++i) {
    all.push_back(slurm->start(shell("true"), fmt::format("key-{}", i)));
    completed[i] = "COMPLETED";
  }
  wait_for_job(8);
  for (int i = 1; i <= 8; ++i) run_job(i);
  const auto questions = [&] {
    const std::string asked = text_of("asked");
    return std::count(asked.begin(), asked.end(), '\n');
  };
  set_states(completed);
  const auto before = questions();
  turn_until([&] { return when_all(all).is_ready(); });
  EXPECT_LE(questions() - before, 2);
}

TEST_F(SlurmExecutorTest, AfterACrashWhatWasStartedIsTakenUpAgain) {
  {
    const auto slurm = executor();
    const auto ended = slurm->start(shell("exit 5"), "ended");
    const auto running = slurm->start(shell("exit 6"), "running");
    wait_for_job(2);
  }
  run_job(1);
  CHECK(
      durable_write_file(scratch_.file("table"), "running 2|RUNNING|1795295464|N/A|None\n", 0644));
  const auto slurm = executor();
  const auto ended = slurm->reattach_or_start(shell("exit 5"), "ended");
  const auto running = slurm->reattach_or_start(shell("exit 6"), "running");
  const auto lost = slurm->reattach_or_start(shell("exit 7"), "lost");
  EXPECT_EQ(end_of(ended).value(), CommandEnd{5}) << "though Slurm has forgotten it";
  wait_for_job(3);
  EXPECT_THAT(text_of("jobs/3.words"), HasSubstr("--job-name=lost\n"));
  EXPECT_EQ(text_of("number"), "3\n");
  EXPECT_FALSE(running.is_ready());
  run_job(2);
  run_job(3);
  set_states({{2, "FAILED"}, {3, "FAILED"}});
  EXPECT_EQ(end_of(running).value(), CommandEnd{6});
  EXPECT_EQ(end_of(lost).value(), CommandEnd{7});
}

TEST_F(SlurmExecutorTest, ClosingLeavesWhatWasSubmitted) {
  auto slurm = executor();
  const auto future = slurm->start(shell("true"), "key");
  wait_for_job(1);
  slurm.reset();
  EXPECT_EQ(future.wait().error().code, Code::kCancelled);
  EXPECT_THAT(future.wait().error().message, HasSubstr("job 1 of Slurm goes on"));
  EXPECT_FALSE(is_there("cancelled"));
}

TEST_F(SlurmExecutorTest, AnyKeyMakesANameThatSlurmCanBeAskedFor) {
  const auto slurm = executor();
  const std::string odd = "../a,b 'c\n" + std::string(200, 'x');
  const auto future = slurm->start(shell("exit 2"), odd);
  wait_for_job(1);
  const std::string words = text_of("jobs/1.words");
  const std::size_t begin = words.find("--job-name=") + 11;
  const std::string name = words.substr(begin, words.find("\n--chdir") - begin);
  EXPECT_EQ(name.find_first_of("/, '\n"), std::string::npos) << name;
  run_job(1);
  EXPECT_TRUE(is_there("ends/" + name + ".end"));
  set_states({{1, "FAILED"}});
  EXPECT_EQ(end_of(future).value(), CommandEnd{2});
}

TEST_F(SlurmExecutorTest, FilesOfEndsAreForgottenAfterAMonth) {
  std::filesystem::create_directory(scratch_.file("ends"));
  for (const auto& [name, age] : {std::pair("old.end", 31 * 24), std::pair("young.end", 24)}) {
    touch(fmt::format("ends/{}", name));
    const auto written =
        std::chrono::duration_cast<seconds>((clock_.now() - hours(age)).time_since_epoch());
    const timespec times[2] = {{written.count(), 0}, {written.count(), 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, scratch_.file(fmt::format("ends/{}", name)).c_str(), times, 0),
              0);
  }
  const auto slurm = executor();
  const auto future = slurm->start(shell("true"), "key");
  wait_for_job(1);
  EXPECT_FALSE(is_there("ends/old.end"));
  EXPECT_TRUE(is_there("ends/young.end"));
  EXPECT_FALSE(future.is_ready());
}

}  // namespace
}  // namespace wherry::flow
