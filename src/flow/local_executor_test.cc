// SPDX-License-Identifier: Apache-2.0
// Real processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/check.h"
#include "base/file.h"
#include "base/scratch_directory.h"
#include "flow/executor.h"

namespace wherry::flow {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using testing::HasSubstr;

bool process_is_gone(pid_t pid) {
  const std::string stat = read_file(fmt::format("/proc/{}/stat", pid), 4096).value_or("");
  return stat.empty() || stat.find(") Z ") != stat.npos;
}

class LocalExecutorTest : public testing::Test {
 protected:
  std::unique_ptr<Executor> executor(const LocalExecutorOptions& options = {}) {
    return open_local_executor(system_clock(), options);
  }
  Command shell(const std::string& script) {
    Command command;
    command.name = "test";
    command.script = script;
    command.directory = scratch_.path();
    return command;
  }
  Result<CommandEnd> run(Executor& where, const Command& command) {
    return flow::command(where, command).wait();
  }
  std::string text_of(const std::string& name) {
    return read_file(scratch_.file(name), 1 << 20).value_or("?");
  }
  // Waits until the file holds a whole line and answers the number in it.
  pid_t number_in(const std::string& name) {
    for (;;) {
      const std::string text = read_file(scratch_.file(name), 100).value_or("");
      if (text.ends_with('\n')) return std::stoi(text);
      system_clock().sleep(milliseconds(2), {});
    }
  }
  void wait_until_gone(pid_t pid) {
    while (!process_is_gone(pid)) system_clock().sleep(milliseconds(2), {});
  }

  ScratchDirectory scratch_;
};

TEST_F(LocalExecutorTest, TellsHowACommandEnded) {
  const auto local = executor();
  EXPECT_EQ(run(*local, shell("exit 0")).value(), CommandEnd{0});
  EXPECT_EQ(run(*local, shell("exit 3")).value(), CommandEnd{3});
  EXPECT_EQ(run(*local, shell("kill -TERM $$")).value(), CommandEnd{128 + SIGTERM});
  EXPECT_EQ(run(*local, shell("/no/such/program")).value(), CommandEnd{127});
  EXPECT_FALSE(local->outlives_program());
}

TEST_F(LocalExecutorTest, RunsItInItsDirectoryBehindTheLinesOfTheExecutor) {
  const auto local = executor({.environment = {"LINE=first", "export LINE=\"$LINE$A\""}});
  Command command = shell("echo \"$A, $LINE, $(pwd)\"; echo complaint >&2");
  command.environment = {{"A", "it's"}};
  command.output_file = scratch_.file("out");
  ASSERT_EQ(run(*local, command).value(), CommandEnd{0});
  const std::string there = std::filesystem::canonical(scratch_.path());
  EXPECT_EQ(text_of("out"), fmt::format("it's, firstit's, {}\ncomplaint\n", there));
  command.error_file = scratch_.file("err");
  ASSERT_EQ(run(*local, command).value(), CommandEnd{0});
  EXPECT_EQ(text_of("err"), "complaint\n");
  EXPECT_EQ(text_of("out"),
            fmt::format("it's, firstit's, {0}\ncomplaint\nit's, firstit's, {0}\n", there))
      << "it is appended";
}

TEST_F(LocalExecutorTest, AMissingDirectoryIsAnErrorThatNamesIt) {
  const auto local = executor();
  Command command = shell("true");
  command.directory = scratch_.file("none");
  const auto nowhere = run(*local, command);
  EXPECT_EQ(nowhere.error().code, Code::kNotFound);
  EXPECT_THAT(nowhere.error().message, HasSubstr("command 'test'"));
  EXPECT_THAT(nowhere.error().message, HasSubstr(scratch_.file("none")));
  command = shell("true");
  command.output_file = scratch_.file("none/out");
  EXPECT_EQ(run(*local, command).error().code, Code::kNotFound);
  EXPECT_EQ(run(*local, shell("exit 1")).value(), CommandEnd{1}) << "others still run";
}

TEST_F(LocalExecutorTest, WhatMakesNoSenseIsRefused) {
  const auto local = executor();
  Command command = shell("true");
  command.directory = "here";
  EXPECT_THAT(run(*local, command).error().message, HasSubstr("does not begin with '/'"));
  command = shell("true");
  command.environment = {{"1A", ""}};
  EXPECT_THAT(run(*local, command).error().message, HasSubstr("'1A' is no name of a variable"));
  command = shell("true");
  command.walltime = Duration(0);
  EXPECT_THAT(run(*local, command).error().message, HasSubstr("walltime"));
  const auto without_key = local->start(shell("true"), "");
  EXPECT_EQ(without_key.wait().error().code, Code::kInvalid);
}

TEST_F(LocalExecutorTest, ACommandIsKilledWithAllItStartedWhenItsWalltimeIsOver) {
  FakeClock clock;
  const auto local = open_local_executor(clock, {});
  Command command = shell("sleep 1000 & echo $! > child; wait");
  command.walltime = minutes(10);
  const auto future = flow::command(*local, command);
  const pid_t child = number_in("child");
  clock.advance(minutes(9));
  EXPECT_FALSE(future.is_ready());
  clock.advance(minutes(2));
  const auto& end = future.wait();
  EXPECT_EQ(end.error().code, Code::kTimeout);
  EXPECT_THAT(end.error().message, HasSubstr("its walltime of 10m"));
  wait_until_gone(child);
}

TEST_F(LocalExecutorTest, AnExecutorsWalltimeIsForCommandsWithoutOne) {
  const auto local = executor({.walltime = milliseconds(100)});
  EXPECT_EQ(run(*local, shell("exec sleep 1000")).error().code, Code::kTimeout);
  Command command = shell("sleep 0.2");
  command.walltime = minutes(1);
  EXPECT_EQ(run(*local, command).value(), CommandEnd{0});
}

TEST_F(LocalExecutorTest, CancelEndsTheProcessesOfACommandEvenOnesThatDoNotListen) {
  const auto local = executor({.grace = milliseconds(50)});
  const auto future = flow::command(
      *local, shell("trap '' TERM; sleep 1000 & echo $! > child; while :; do wait; done"));
  const pid_t child = number_in("child");
  future.cancel();
  EXPECT_EQ(future.wait().error().code, Code::kCancelled);
  wait_until_gone(child);
}

TEST_F(LocalExecutorTest, ACommandThatIsCancelledBeforeItsTurnIsNeverStarted) {
  const auto local = executor({.max_processes = 1});
  const auto first = flow::command(*local, shell("echo $$ > first; exec sleep 1000"));
  const auto second = flow::command(*local, shell("touch second"));
  const auto third = flow::command(*local, shell("touch third"));
  number_in("first");
  second.cancel();
  EXPECT_EQ(second.wait().error().code, Code::kCancelled);
  first.cancel();
  EXPECT_EQ(third.wait().value(), CommandEnd{0}) << "its turn has come";
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("second")));
}

TEST_F(LocalExecutorTest, NoMoreThanItsProcessesRunAtOnceAndAllGetTheirTurn) {
  constexpr std::size_t kCommands = 60;
  const auto local = executor({.max_processes = 3});
  std::filesystem::create_directory(scratch_.file("running"));
  std::vector<Future<CommandEnd>> all;
  for (std::size_t i = 0; i < kCommands; ++i) {
    Command command = shell("mkdir running/$$; ls running | wc -l; rmdir running/$$");
    command.output_file = scratch_.file("counts");
    all.push_back(flow::command(*local, command));
  }
  ASSERT_TRUE(when_all(all).wait());
  std::istringstream counts(text_of("counts"));
  std::size_t lines = 0;
  for (int at_once = 0; counts >> at_once; ++lines) EXPECT_LE(at_once, 3);
  EXPECT_EQ(lines, kCommands);
}

TEST_F(LocalExecutorTest, WhatFollowsACommandCanBeAnotherOfTheSameExecutor) {
  const auto local = executor({.max_processes = 1});
  const auto chain =
      flow::command(*local, shell("echo one >> order")).then([&](const CommandEnd& end) {
        EXPECT_EQ(end.exit_code, 0);
        return flow::command(*local, shell("echo two >> order"));
      });
  EXPECT_EQ(chain.wait().value(), CommandEnd{0});
  EXPECT_EQ(text_of("order"), "one\ntwo\n");
}

TEST_F(LocalExecutorTest, ItsEndIsThatOfItsCommands) {
  auto local = executor({.max_processes = 1});
  const auto running = flow::command(*local, shell("echo $$ > running; exec sleep 1000"));
  const auto waiting = flow::command(*local, shell("touch waiting"));
  const pid_t pid = number_in("running");
  local.reset();
  EXPECT_EQ(running.wait().error().code, Code::kCancelled);
  EXPECT_EQ(waiting.wait().error().code, Code::kCancelled);
  EXPECT_TRUE(process_is_gone(pid));
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("waiting")));
  running.cancel();  // nothing is left to be cancelled
}

}  // namespace
}  // namespace wherry::flow
