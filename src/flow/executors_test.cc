// SPDX-License-Identifier: Apache-2.0
#include "flow/executors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "base/check.h"
#include "base/file.h"
#include "base/scratch_directory.h"

namespace wherry::flow {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

Result<ExecutorMap> parse_section(std::string_view yaml) {
  const YamlNode file = parse_yaml(yaml).value();
  return parse_executors(file.find("executors"));
}

std::string section_complaint(std::string_view yaml) {
  const auto parsed = parse_section(yaml);
  return parsed ? "accepted" : parsed.error().message;
}

TEST(ExecutorSettings, LocalIsAlwaysThere) {
  for (const std::string_view yaml : {"", "executors:\n", "executors: {}\n"}) {
    const auto executors = parse_section(yaml);
    ASSERT_TRUE(executors) << executors.error().message;
    ASSERT_EQ(executors->size(), 1u);
    EXPECT_EQ(executors->at("local").provider, ExecutorSettings::Provider::kLocalhost);
  }
  const auto bounded = parse_section("executors: {local: {max_workers_per_node: 3}}\n");
  ASSERT_TRUE(bounded) << bounded.error().message;
  EXPECT_EQ(bounded->at("local").max_commands, 3u);
}

TEST(ExecutorSettings, HaveTheKeysOfChiltepinsResources) {
  const auto executors = parse_section(R"(executors:
  big:
    provider: slurm
    mpi: True
    cores_per_node: 128
    nodes_per_block: 4
    max_blocks: 7
    exclusive: False
    partition: compute
    queue: urgent
    account: myproject
    walltime: "01:30:00"
    submit_arguments: ["--gres=gpu:1", --mail-type=END]
    environment:
      - "module load openmpi"
      - "export A='b c'"
)");
  ASSERT_TRUE(executors) << executors.error().message;
  ASSERT_EQ(executors->size(), 2u);
  const ExecutorSettings& big = executors->at("big");
  EXPECT_EQ(big.provider, ExecutorSettings::Provider::kSlurm);
  EXPECT_TRUE(big.is_mpi);
  EXPECT_EQ(big.processors, 128);
  EXPECT_EQ(big.nodes, 4);
  EXPECT_EQ(big.max_commands, 7u);
  EXPECT_FALSE(big.is_exclusive);
  EXPECT_EQ(big.partition, "compute");
  EXPECT_EQ(big.queue, "urgent");
  EXPECT_EQ(big.account, "myproject");
  EXPECT_EQ(big.walltime, Duration(minutes(90)));
  EXPECT_EQ(big.submit_arguments, "--gres=gpu:1\n--mail-type=END\n");
  EXPECT_THAT(big.environment, ElementsAre("module load openmpi", "export A='b c'"));
}

TEST(ExecutorSettings, WhatIsWrongIsToldWithLineKeyAndWhatIsAllowed) {
  EXPECT_EQ(section_complaint("executors: [a]\n"),
            "line 1: 'executors': wants names of executors, each with its keys");
  EXPECT_EQ(section_complaint("executors:\n  big:\n    provider: pbspro\n"),
            "line 3: 'provider': 'pbspro' is not one of localhost, slurm");
  EXPECT_EQ(section_complaint("executors:\n  big:\n    provider: slurm\n    partitoin: a\n"),
            "line 4: there is no 'partitoin' in 'big'; did you mean 'partition'?");
  EXPECT_THAT(section_complaint("executors:\n  big:\n    colour: blue\n"),
              HasSubstr("there are provider"));
  EXPECT_EQ(section_complaint("executors:\n  a:\n    max_workers_per_node: 0\n"),
            "line 3: 'max_workers_per_node': 0 is less than the minimum, 1");
  EXPECT_THAT(section_complaint("executors:\n  a:\n    walltime: soon\n"),
              HasSubstr("line 3: 'walltime': 'soon' is no walltime: they are 'HH:MM:SS'"));
  EXPECT_EQ(section_complaint("executors:\n  a b: {}\n"),
            "line 2: 'a b': the name of an executor has letters, digits, '_', '-' and '.' alone");
  EXPECT_THAT(section_complaint("executors:\n  all: {}\n"),
              HasSubstr("'all' stands for all executors"));
  EXPECT_THAT(section_complaint("executors:\n  local: {provider: slurm}\n"),
              HasSubstr("'local' is of provider localhost"));
}

TEST(ExecutorSettings, KeysWithoutAUseSayWhatToWriteInstead) {
  EXPECT_EQ(section_complaint("executors:\n  a:\n    partition: p\n"),
            "line 3: 'partition': it is for 'provider: slurm'");
  EXPECT_THAT(
      section_complaint("executors:\n  a:\n    provider: slurm\n    max_workers_per_node: 2\n"),
      HasSubstr("set 'max_blocks'"));
  EXPECT_THAT(section_complaint("executors:\n  a:\n    init_blocks: 1\n"),
              HasSubstr("leave it out"));
  EXPECT_THAT(section_complaint("executors:\n  a:\n    endpoint: 1234\n"),
              HasSubstr("leave it out"));
}

TEST(ExecutorSettings, AllThatTheReferenceNamesIsAccepted) {
  const std::string reference = executors_reference();
  const std::map<std::string, std::string> values = {{"provider", ""},
                                                     {"environment", "[x]"},
                                                     {"walltime", "10m"},
                                                     {"account", "a"},
                                                     {"cores_per_node", "1"},
                                                     {"exclusive", "yes"},
                                                     {"max_blocks", "2"},
                                                     {"mpi", "yes"},
                                                     {"nodes_per_block", "1"},
                                                     {"partition", "p"},
                                                     {"queue", "q"},
                                                     {"submit_arguments", "[--x]"},
                                                     {"max_workers_per_node", "4"}};
  std::size_t rows = 0;
  std::istringstream lines(reference);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    ++rows;
    const std::string key = line.substr(3, line.find('`', 3) - 3);
    const std::string provider = line.find("| slurm |") != line.npos ? "slurm" : "localhost";
    ASSERT_TRUE(values.contains(key)) << key;
    const std::string value =
        key == "provider" ? "" : fmt::format("    {}: {}\n", key, values.at(key));
    EXPECT_EQ(
        section_complaint(fmt::format("executors:\n  a:\n    provider: {}\n{}", provider, value)),
        "accepted");
  }
  EXPECT_EQ(rows, values.size());
}

TEST(Walltime, IsReadAsSlurmAndPeopleWriteIt) {
  EXPECT_EQ(parse_walltime("00:10:00").value(), Duration(minutes(10)));
  EXPECT_EQ(parse_walltime("100:00:01").value(), Duration(hours(100) + seconds(1)));
  EXPECT_EQ(parse_walltime("2-12:00:00").value(), Duration(hours(60)));
  EXPECT_EQ(parse_walltime("1h30m").value(), Duration(minutes(90)));
  for (const std::string_view bad : {"", "10", "10:00", "00:00:00", "-1:00:00", "1-2", "a:b:c",
                                     "1:2:3:4", "::", "0", "9999999-00:00:00", "1: 2:3"})
    EXPECT_EQ(parse_walltime(bad).error().code, Code::kInvalid) << bad;
}

class ExecutorsTest : public testing::Test {
 protected:
  // sbatch keeps its words and its input.
  ExecutorsTest() {
    const std::string script = fmt::format(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > {0}/words.part\ncat > {0}/script\n"
        "mv {0}/words.part {0}/words\necho 1\n",
        scratch_.path());
    CHECK(durable_write_file(scratch_.file("sbatch"), script, 0755));
    CHECK(durable_write_file(scratch_.file("squeue"), "#!/bin/sh\n", 0755));
  }
  Executors executors(std::string_view yaml) {
    return Executors(system_clock(), {.settings = parse_section(yaml).value(),
                                      .directory = scratch_.file("state"),
                                      .bin_directory = scratch_.path()});
  }
  // What sbatch is told to ask for.
  std::string words_of(Executors& all, const std::string& name) {
    Command command;
    command.name = "test";
    command.script = "true";
    command.directory = "/";
    const auto future = all.find(name).value()->start(command, "key");
    for (;;) {
      const auto words = read_file(scratch_.file("words"), 1 << 16);
      if (words) return *words;
      system_clock().sleep(std::chrono::milliseconds(2), {});
    }
  }

  ScratchDirectory scratch_;
};

TEST_F(ExecutorsTest, AreFoundByName) {
  Executors all = executors("executors: {big: {provider: slurm}}\n");
  EXPECT_THAT(all.names(), ElementsAre("big", "local"));
  Executor* const local = all.find("local").value();
  EXPECT_EQ(all.find("local").value(), local) << "each is opened once";
  EXPECT_FALSE(local->outlives_program());
  EXPECT_TRUE(all.find("big").value()->outlives_program());
  const auto unknown = all.find("gpu");
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
  EXPECT_THAT(unknown.error().message, HasSubstr("there are big, local"));
  EXPECT_THAT(all.find("locla").error().message, HasSubstr("did you mean 'local'?"));
}

TEST_F(ExecutorsTest, OneOfSeveralIsPickedInTurn) {
  Executors all = executors("executors: {a: {}, b: {}}\n");
  const std::vector<std::string> two = {"a", "b"};
  const std::string first = all.pick(two).value();
  EXPECT_NE(all.pick(two).value(), first);
  EXPECT_EQ(all.pick(two).value(), first);
  const std::vector<std::string> any = {"all"};
  std::set<std::string> seen;
  for (int i = 0; i < 3; ++i) seen.insert(all.pick(any).value());
  EXPECT_EQ(seen, (std::set<std::string>{"a", "b", "local"}));
  const std::vector<std::string> unknown = {"a", "c"};
  EXPECT_EQ(all.pick(unknown).error().code, Code::kNotFound);
}

TEST_F(ExecutorsTest, ALocalOneRunsCommandsWithItsLines) {
  Executors all = executors("executors: {local: {environment: ['CODE=6']}}\n");
  Command command;
  command.name = "test";
  command.script = "exit $CODE";
  command.directory = "/";
  EXPECT_EQ(flow::command(*all.find("local").value(), command).wait().value(), CommandEnd{6});
}

TEST_F(ExecutorsTest, SlurmIsAskedForWhatTheSettingsSay) {
  Executors all = executors(
      "executors: {big: {provider: slurm, partition: p, queue: q, account: a, walltime: 2h,"
      " nodes_per_block: 2, cores_per_node: 8, mpi: yes, exclusive: yes,"
      " submit_arguments: [--gres=gpu:1], environment: [module load x]}}\n");
  const std::string words = words_of(all, "big");
  for (const std::string_view word :
       {"--partition=p\n", "--qos=q\n", "--account=a\n", "--time=120\n", "--nodes=2\n",
        "--ntasks-per-node=8\n", "--exclusive\n"})
    EXPECT_THAT(words, HasSubstr(word));
  const std::string script = read_file(scratch_.file("script"), 1 << 16).value();
  EXPECT_THAT(script, HasSubstr("#SBATCH --gres=gpu:1\n"));
  EXPECT_THAT(script, HasSubstr("module load x\n"));
}

TEST_F(ExecutorsTest, WithoutMpiACommandHasTheProcessorsItself) {
  Executors all = executors("executors: {big: {provider: slurm, cores_per_node: 8}}\n");
  const std::string words = words_of(all, "big");
  EXPECT_THAT(words, HasSubstr("--cpus-per-task=8\n"));
  EXPECT_THAT(words, testing::Not(HasSubstr("--exclusive")));
}

}  // namespace
}  // namespace wherry::flow
