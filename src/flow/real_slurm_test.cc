// SPDX-License-Identifier: Apache-2.0
// Commands in a real Slurm: tests/system/flow_slurm_test.py starts one and runs these tests in it.
// Elsewhere they are skipped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "base/check.h"
#include "base/file.h"
#include "base/scratch_directory.h"
#include "flow/executor.h"

namespace wherry::flow {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;

class RealSlurm : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("WHERRY_REAL_SLURM") == nullptr) GTEST_SKIP() << "no Slurm was started for it";
  }
  std::unique_ptr<Executor> executor(
      const std::map<std::string, std::string, std::less<>>& more = {}) {
    SlurmExecutorOptions options;
    options.resources.options = more;
    options.directory = scratch_.file("ends");
    options.resources.nodes = schedulers::BatchScript::Nodes::kShared;
    options.environment = {"GREETING=hello"};
    return open_slurm_executor(system_clock(), schedulers::open_slurm({}), options);
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
  void wait_for(const std::string& name) {
    while (text_of(name).empty()) system_clock().sleep(std::chrono::milliseconds(20), {});
  }
  // No other test, and no earlier run, has it.
  static std::string new_key() { return "wherry-" + new_uuid(system_random()); }

  ScratchDirectory scratch_;
};

TEST_F(RealSlurm, CommandsRunAndTellHowTheyEnded) {
  const auto slurm = executor();
  Command good = shell("echo \"$GREETING $NAME from $SLURM_JOB_ID\"; pwd");
  good.environment = {{"NAME", "it's 50%"}};
  good.output_file = scratch_.file("out 50%");
  Command bad = shell("echo complaint >&2; exit 3");
  bad.output_file = scratch_.file("bad.out");
  bad.error_file = scratch_.file("bad.err");
  Command nowhere = shell("touch made");
  nowhere.directory = scratch_.file("none");
  const auto good_end = command(*slurm, good);
  const auto bad_end = command(*slurm, bad);
  const auto nowhere_end = command(*slurm, nowhere);
  ASSERT_TRUE(good_end.wait()) << good_end.wait().error().message;
  EXPECT_EQ(good_end.wait().value(), CommandEnd{0});
  EXPECT_THAT(text_of("out 50%"), HasSubstr("hello it's 50% from 1"));
  EXPECT_THAT(text_of("out 50%"), HasSubstr(scratch_.path()));
  EXPECT_EQ(bad_end.wait().value(), CommandEnd{3});
  EXPECT_EQ(text_of("bad.err"), "complaint\n");
  EXPECT_EQ(nowhere_end.wait().error().code, Code::kNotFound) << nowhere_end.wait().error().message;
}

TEST_F(RealSlurm, ACommandIsCancelledWhileItWaitsAndWhileItRuns) {
  const auto slurm = executor();
  const auto running = command(*slurm, shell("echo yes > running; exec sleep 1000"));
  const auto later = executor({{"begin", "now+1hour"}});
  const auto waiting = command(*later, shell("touch made"));
  wait_for("running");
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(1)), nullptr);
  for (const auto& future : {running, waiting}) {
    future.cancel();
    EXPECT_EQ(future.wait().error().code, Code::kCancelled) << future.wait().error().message;
  }
}

TEST_F(RealSlurm, WhatAProgramLeftBehindIsTakenUpByTheNext) {
  const std::string key = new_key();
  const Command long_one = shell("echo run >> runs; while [ ! -e go ]; do sleep 0.1; done; exit 9");
  {
    const auto slurm = executor();
    const auto left = slurm->start(long_one, key);
    wait_for("runs");
  }
  const auto slurm = executor();
  const auto again = slurm->reattach_or_start(long_one, key);
  EXPECT_EQ(again.wait_for(std::chrono::milliseconds(500)), nullptr);
  CHECK(durable_write_file(scratch_.file("go"), "", 0644));
  ASSERT_TRUE(again.wait()) << again.wait().error().message;
  EXPECT_EQ(again.wait().value(), CommandEnd{9});
  EXPECT_EQ(text_of("runs"), "run\n");
}

TEST_F(RealSlurm, ACommandIsEndedWhenItsWalltimeIsOver) {
  const auto slurm = executor();
  Command command = shell("exec sleep 1000");
  command.walltime = minutes(1);
  const auto future = flow::command(*slurm, command);
  EXPECT_EQ(future.wait().error().code, Code::kTimeout) << future.wait().error().message;
}

}  // namespace
}  // namespace wherry::flow
