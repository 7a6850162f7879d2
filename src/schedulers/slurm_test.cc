// SPDX-License-Identifier: Apache-2.0
// Against scripts that answer what Slurm 22.05 was seen to answer. With Slurm itself:
// tests/system/slurm_test.py.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/check.h"
#include "base/file.h"
#include "base/scratch_directory.h"
#include "schedulers/scheduler.h"

namespace wherry::schedulers {
namespace {

using Phase = SchedulerState::Phase;

class SlurmTest : public testing::Test {
 protected:
  // The command `name` will write its arguments, one a line, and its input to files, and do this.
  void install(const std::string& name, const std::string& script) {
    const std::string text = fmt::format(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > '{0}/{1}.words'\ncat > '{0}/{1}.input'\n{2}\n",
        scratch_.path(), name, script);
    CHECK(durable_write_file(scratch_.file(name), text, 0755));
  }
  std::string words_of(const std::string& name) {
    return read_file(scratch_.file(name + ".words"), 1 << 16).value_or("");
  }
  std::string input_of(const std::string& name) {
    return read_file(scratch_.file(name + ".input"), 1 << 16).value_or("");
  }
  static BatchScript plain() {
    BatchScript script;
    script.name = "n";
    script.script = "#!/bin/sh\n";
    script.directory = "/";
    script.output_file = "/out";
    return script;
  }
  std::unique_ptr<Scheduler> slurm(const std::string& submit_arguments = "") {
    return open_slurm({.submit_arguments = submit_arguments, .bin_directory = scratch_.path()});
  }

  ScratchDirectory scratch_;
};

TEST_F(SlurmTest, SubmitsTheScriptWithWhatItAsksFor) {
  install("sbatch", "echo '4711;cluster'");
  BatchScript script = plain();
  script.name = "wherry-1-2";
  script.script = "#!/bin/sh\nexec wherry queue launch\n";
  script.directory = "/site 1/50%";
  script.output_file = without_patterns(script.directory) + "/launcher-%j.out";
  script.num_nodes = 3;
  script.walltime = std::chrono::minutes(90);
  script.queue = "debug";
  script.project = "physics";
  script.options = {{"constraint", "knl&quad"}, {"reboot", ""}, {"L", "scratch"}};
  const auto id = slurm("--gres=gpu:4\n\n#SBATCH --mail-type=END\n")->submit(script);
  ASSERT_TRUE(id) << id.error().message;
  EXPECT_EQ(*id, "4711");
  EXPECT_EQ(words_of("sbatch"),
            "--parsable\n--no-requeue\n--job-name=wherry-1-2\n--chdir=/site 1/50%\n"
            "--output=/site 1/50%%/launcher-%j.out\n--nodes=3\n--time=90\n--partition=debug\n"
            "--account=physics\n--exclusive\n-Lscratch\n--constraint=knl&quad\n--reboot\n");
  EXPECT_EQ(input_of("sbatch"),
            "#!/bin/sh\n#SBATCH --gres=gpu:4\n#SBATCH --mail-type=END\nexec wherry queue launch\n");
}

TEST_F(SlurmTest, WhoAsksForPartsOfNodesGetsThem) {
  install("sbatch", "echo 1");
  BatchScript script = plain();
  ASSERT_TRUE(slurm("--cpus-per-task=2")->submit(script));
  EXPECT_EQ(words_of("sbatch").find("--exclusive"), std::string::npos);
  script.options = {{"ntasks", "4"}};
  ASSERT_TRUE(slurm()->submit(script));
  EXPECT_EQ(words_of("sbatch").find("--exclusive"), std::string::npos);
  script = plain();
  script.nodes = BatchScript::Nodes::kShared;
  ASSERT_TRUE(slurm()->submit(script));
  EXPECT_EQ(words_of("sbatch").find("--exclusive"), std::string::npos);
}

TEST_F(SlurmTest, TimeIsAskedForInWholeMinutesAndOutputsCanBeApart) {
  install("sbatch", "echo 1");
  BatchScript script = plain();
  script.walltime = std::chrono::seconds(61);
  script.error_file = "/err";
  ASSERT_TRUE(slurm()->submit(script));
  EXPECT_NE(words_of("sbatch").find("--time=2\n"), std::string::npos);
  EXPECT_NE(words_of("sbatch").find("--output=/out\n"), std::string::npos);
  EXPECT_NE(words_of("sbatch").find("--error=/err\n"), std::string::npos);
}

TEST_F(SlurmTest, ARefusalIsToldInSlurmsWords) {
  install("sbatch",
          "echo 'sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job "
          "submission failed: Invalid partition name specified' >&2; exit 1");
  const auto refused = slurm()->submit(plain());
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  EXPECT_NE(refused.error().message.find("Invalid partition name"), std::string::npos);
  install("sbatch", "echo 'sbatch: error: Access/permission denied' >&2; exit 1");
  EXPECT_EQ(slurm()->submit(plain()).error().code, Code::kDenied);
  install("sbatch", "echo 'Submitted batch job'");
  EXPECT_EQ(slurm()->submit(plain()).error().code, Code::kInvalid);
}

TEST_F(SlurmTest, AnOptionThatIsNoneIsRefusedBeforeSbatchSeesIt) {
  install("sbatch", "echo 1");
  BatchScript script = plain();
  script.options = {{"-x --wrap", "rm"}};
  EXPECT_EQ(slurm()->submit(script).error().code, Code::kInvalid);
  EXPECT_EQ(words_of("sbatch"), "");
}

TEST_F(SlurmTest, WhatWherryKnowsItsAllocationsByIsNotLeftToOptions) {
  for (const char* name : {"array", "a", "arr", "job-name", "J", "nodes", "N", "time", "output",
                           "o", "wrap", "x y", ""})
    EXPECT_FALSE(check_slurm_option(name)) << name;
  for (const char* name :
       {"gres", "G", "nodelist", "time-min", "export", "constraint", "exclusive"})
    EXPECT_TRUE(check_slurm_option(name)) << name;
}

TEST_F(SlurmTest, ArraysAreRefusedAmongTheLinesOfOptionsToo) {
  install("sbatch", "echo 1");
  for (const char* arguments : {"--gres=gpu:1\n--array=1-2\n", "#SBATCH --array=0-3", "  -a 1-2",
                                "--qos=x\t--arr=0-3", "-a1", "\"--array=0-3\""})
    EXPECT_EQ(slurm(arguments)->submit(plain()).error().code, Code::kInvalid) << arguments;
  EXPECT_EQ(words_of("sbatch"), "");
  EXPECT_TRUE(slurm("-A lab --account=lab # not -a\n--comment=\"with -a\"")->submit(plain()));
}

TEST_F(SlurmTest, AControllerThatIsAwayIsTriedLater) {
  const std::string away =
      "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; "
      "exit 1";
  install("squeue", away);
  install("sbatch", away);
  const std::vector<std::string> ids = {"1"};
  for (const Error& error : {slurm()->states(ids).error(), slurm()->find("n").error(),
                             slurm()->submit(plain()).error()}) {
    EXPECT_EQ(error.code, Code::kUnavailable) << error.message;
    EXPECT_EQ(error.retry, Retry::kLater);
  }
}

TEST_F(SlurmTest, CommandsThatAreMissingAreNamed) {
  const auto error = slurm()->find("n").error();
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_NE(error.message.find("squeue"), std::string::npos);
}

TEST_F(SlurmTest, TellsWhatBecameOfEachJobInOneCall) {
  install("squeue", R"(cat <<'END'
100|CANCELLED|1795295464|1795295470|None
102|COMPLETING|1795295464|1795295465|NonZeroExitCode
101|PENDING|1795299999|N/A|Resources
103|RUNNING|1795295464|1795295524|None
104|NODE_FAIL|1795295464|1795295470|NodeDown
105|SOMETHING_NEW|N/A|N/A|None
not a job
END)");
  const std::vector<std::string> ids = {"101", "100", "102", "103", "104", "105", "9"};
  const auto states = slurm()->states(ids);
  ASSERT_TRUE(states) << states.error().message;
  ASSERT_EQ(states->size(), ids.size());
  const auto check = [&](std::size_t index, Phase phase, const std::string& info) {
    const SchedulerState& state = (*states)[index];
    EXPECT_EQ(state.scheduler_id, ids[index]);
    EXPECT_EQ(state.phase, phase) << state.info;
    EXPECT_EQ(state.info, info);
  };
  check(0, Phase::kQueued, "PENDING (Resources)");
  EXPECT_EQ((*states)[0].started, std::nullopt) << "a guess is no start";
  check(1, Phase::kEnded, "CANCELLED");
  EXPECT_EQ((*states)[1].started, TimePoint(std::chrono::seconds(1795295464)));
  EXPECT_EQ((*states)[1].ended, TimePoint(std::chrono::seconds(1795295470)));
  check(2, Phase::kRunning, "COMPLETING (NonZeroExitCode)");
  check(3, Phase::kRunning, "RUNNING");
  EXPECT_EQ((*states)[3].ended, std::nullopt) << "its limit is not its end";
  check(4, Phase::kEnded, "NODE_FAIL (NodeDown)");
  check(5, Phase::kRunning, "SOMETHING_NEW");
  check(6, Phase::kEnded, "no longer known to Slurm");
}

TEST_F(SlurmTest, KnowsAJobAgainByItsName) {
  install("squeue", "echo '100|RUNNING|1795295464|N/A|None'");
  EXPECT_EQ(slurm()->find("wherry-1-2").value(), "100");
  EXPECT_NE(words_of("squeue").find("--name=wherry-1-2\n"), std::string::npos);
  install("squeue", "");
  EXPECT_EQ(slurm()->find("wherry-1-2").value(), std::nullopt);
}

TEST_F(SlurmTest, CancellingWhatHasEndedIsDone) {
  install(
      "scancel",
      "echo 'scancel: error: Kill job error on job id 7: Invalid job id specified' >&2; exit 1");
  EXPECT_TRUE(slurm()->cancel("7"));
  EXPECT_EQ(words_of("scancel"), "7\n");
  install("scancel", "echo 'scancel: error: Kill job error: Access/permission denied' >&2; exit 1");
  EXPECT_EQ(slurm()->cancel("7").error().code, Code::kDenied);
}

// The environment of an allocation, for one test.
class AllocationTest : public SlurmTest {
 protected:
  AllocationTest() {
    set("PATH", scratch_.path() + ":/usr/bin:/bin");
    set("SLURM_JOB_ID", "100");
    set("SLURM_JOB_NODELIST", "n[1-2]");
    set("SLURM_JOB_CPUS_PER_NODE", "4(x2),2");
    set("SLURM_JOB_END_TIME", "");
    install("scontrol",
            "if [ $2 = hostnames ]; then printf 'n1\\nn2\\n'; else echo 'JobId=100 JobName=w"
            " JobState=RUNNING Reason=None EndTime=1795295524 Deadline=N/A ReqNodeList=(null)"
            " NodeList=n[1-2] NumNodes=2 NumCPUs=8 NumTasks=2'; fi");
  }
  ~AllocationTest() override {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  void set(const std::string& name, const std::string& value) {
    const char* const old = std::getenv(name.c_str());
    before_.try_emplace(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
    ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(AllocationTest, IsReadFromTheEnvironmentAndTheController) {
  const auto allocation = slurm_allocation();
  ASSERT_TRUE(allocation) << allocation.error().message;
  EXPECT_EQ(allocation->nodes, (std::vector<std::string>{"n1", "n2"}));
  EXPECT_EQ(allocation->processors_per_node, 2u) << "what every node has";
  EXPECT_EQ(allocation->ends, TimePoint(std::chrono::seconds(1795295524)));
  set("SLURM_JOB_END_TIME", "1795295999");
  EXPECT_EQ(slurm_allocation()->ends, TimePoint(std::chrono::seconds(1795295999)));
}

TEST_F(AllocationTest, CanBeAskedForFromOutside) {
  set("SLURM_JOB_ID", "");
  set("SLURM_JOB_NODELIST", "");
  const auto allocation = slurm_allocation("100");
  ASSERT_TRUE(allocation) << allocation.error().message;
  EXPECT_EQ(allocation->nodes, (std::vector<std::string>{"n1", "n2"}));
  EXPECT_EQ(allocation->processors_per_node, 4u);
  EXPECT_EQ(allocation->ends, TimePoint(std::chrono::seconds(1795295524)));
  install("scontrol", "echo 'JobId=100 JobState=NODE_FAIL Reason=None'");
  EXPECT_EQ(slurm_allocation("100").error().code, Code::kConflict);
}

TEST_F(AllocationTest, OutsideOfOneSaysSo) {
  set("SLURM_JOB_NODELIST", "");
  EXPECT_EQ(slurm_allocation().error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::schedulers
