// SPDX-License-Identifier: Apache-2.0
#include "jobs/app_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace wherry::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kApp = R"(command: run {{ x }}
parameters:
  x: {help: what is run}
transfers:
  input: {direction: in, local_path: in.dat}
  result: {direction: out, local_path: 'out/*.h5', required: false, recursive: true}
)";

App app() { return parse_app(kApp, "run").value(); }

// The message with which a changed app is refused.
std::string complaint(const std::function<void(App&)>& change) {
  App changed = app();
  change(changed);
  const auto checked = validate(changed);
  if (checked) return "is valid";
  EXPECT_EQ(checked.error().code, Code::kInvalid);
  return checked.error().message;
}

std::string complaint(std::string_view yaml) {
  const auto parsed = parse_app(yaml, "run");
  if (parsed) return "was read";
  EXPECT_EQ(parsed.error().code, Code::kInvalid);
  return parsed.error().message;
}

TEST(AppFile, EveryKeyIsRead) {
  const App read = parse_app(R"(name: other
description: Does it.
command: do {{ a }} {{ b }}
parameters:
  a: {required: true, help: the first}
  b: {default: two}
transfers:
  i: {direction: in, local_path: ., description: what it needs}
  o: {direction: out, local_path: o, recursive: yes, required: no}
preamble: |
  module load it
  set -e
environment: {OMP_NUM_THREADS: 4, EMPTY: }
cleanup_files: ['*.tmp', scratch]
resources: {num_nodes: 2, ranks_per_node: 3, threads_per_rank: 4, threads_per_core: 5,
            gpus_per_rank: 0.5, node_packing_count: 6, wall_time_min: 7, launch_params: {k: v}}
error_retries: 1
timeout_retries: 0
)",
                             "file")
                       .value();
  EXPECT_EQ(read.name, "other");
  EXPECT_EQ(read.description, "Does it.");
  EXPECT_EQ(read.command, "do {{ a }} {{ b }}");
  EXPECT_EQ(read.parameters.at("a"), (Parameter{true, "", "the first"}));
  EXPECT_EQ(read.parameters.at("b"), (Parameter{false, "two", ""}));
  EXPECT_EQ(read.transfers.at("i"), (Slot{Direction::kIn, true, ".", false, "what it needs"}));
  EXPECT_EQ(read.transfers.at("o"), (Slot{Direction::kOut, false, "o", true, ""}));
  EXPECT_EQ(read.preamble, "module load it\nset -e\n");
  EXPECT_EQ(read.environment, (TextMap{{"OMP_NUM_THREADS", "4"}, {"EMPTY", ""}}));
  EXPECT_THAT(read.cleanup_files, ElementsAre("*.tmp", "scratch"));
  EXPECT_EQ(read.resources, (Resources{2, 3, 4, 5, 0.5, 6, 7, {{"k", "v"}}}));
  EXPECT_EQ(read.error_retries, 1);
  EXPECT_EQ(read.timeout_retries, 0);
}

TEST(AppFile, TheFilesNameIsTheAppsUnlessItSaysAnother) { EXPECT_EQ(app().name, "run"); }

TEST(AppFile, TheSampleIsValidAndShowsEveryKey) {
  const App sample = parse_app(sample_app(), "sample").value();
  EXPECT_EQ(sample.parameters.at("level").default_text, "6");
  for (const std::string_view key :
       {"description:", "command:", "parameters:", "transfers:", "preamble:", "environment:",
        "cleanup_files:", "resources:", "error_retries:", "timeout_retries:", "wall_time_min:"})
    EXPECT_THAT(sample_app(), HasSubstr(key));
}

TEST(AppFile, MistakesAreNamedByLineAndKey) {
  EXPECT_EQ(complaint("command: x\ncomand: y\n"),
            "line 2: there is no 'comand'; did you mean 'command'?");
  EXPECT_EQ(complaint("command: x\ntransfers:\n  i: {direction: in}\n"),
            "line 3: 'i': the slot has no 'local_path'");
  EXPECT_EQ(complaint("command: x\ntransfers:\n  i: {local_path: a}\n"),
            "line 3: 'i': the slot has no 'direction'");
  EXPECT_THAT(complaint("command: x\ntransfers:\n  i:\n    direction: up\n    local_path: a\n"),
              StartsWith("line 4: 'direction': 'up' is no direction"));
  EXPECT_THAT(complaint("command: x\nresources:\n  num_nodes: 0\n"),
              StartsWith("line 3: 'num_nodes': 0 is less than"));
  EXPECT_THAT(complaint("command: x\nresources: {gpus_per_rank: -1}\n"), HasSubstr("less than"));
  EXPECT_THAT(complaint("command: x\nparameters: [a]\n"),
              StartsWith("line 2: 'parameters': wants"));
  EXPECT_THAT(complaint("just text"), StartsWith("line 1: wants names with values"));
  EXPECT_EQ(complaint(""), "app 'run': command: the app has none");
  EXPECT_EQ(complaint("preamble: x\ncommand: run {{ y }}\n"),
            "line 2: 'command': '{{ y }}' is not among the parameters");
  EXPECT_EQ(complaint("command: x\nparameters:\n  y:\n"),
            "line 2: 'parameters': 'y' stands nowhere in the command");
}

TEST(AppFile, BalsamsWordsAreAnsweredWithOurs) {
  EXPECT_THAT(complaint("command_template: x\n"), HasSubstr("write 'command'"));
  EXPECT_THAT(complaint("environment_variables: {}\n"), HasSubstr("write 'environment'"));
  EXPECT_THAT(complaint("shell_preamble: x\n"), HasSubstr("write 'preamble'"));
}

TEST(AppValidation, TheCommandAndItsParametersFitEachOther) {
  EXPECT_EQ(complaint([](App& a) { a.command = ""; }), "app 'run': command: the app has none");
  EXPECT_EQ(complaint([](App& a) { a.command = "run {{ y }}"; }),
            "app 'run': command: '{{ y }}' is not among the parameters");
  EXPECT_EQ(complaint([](App& a) { a.parameters["y"] = {}; }),
            "app 'run': parameters: 'y' stands nowhere in the command");
  EXPECT_THAT(complaint([](App& a) { a.parameters["x"].default_text = "d"; }),
              HasSubstr("a default that nobody would see"));
  EXPECT_THAT(complaint([](App& a) { a.parameters["x-y"] = {}; }), HasSubstr("no name"));
  EXPECT_THAT(complaint([](App& a) { a.command = "run {{ x"; }), HasSubstr("is not closed"));
  EXPECT_THAT(complaint([](App& a) { a.command += '\0'; }), HasSubstr("NUL"));
}

TEST(AppValidation, NamesAreOfTheRightLetters) {
  const std::string long_name(200, 'x');
  for (const std::string& good : std::vector<std::string>{"a", "run-2.1_x", "0", long_name})
    EXPECT_EQ(complaint([&](App& a) { a.name = good; }), "is valid") << good;
  for (const std::string& bad : std::vector<std::string>{"", ".", "..", ".hidden", "-f", "a/b",
                                                         "a b", "\xc3\xa9", "a\n", long_name + "x"})
    EXPECT_THAT(complaint([&](App& a) { a.name = bad; }), HasSubstr("is no name of an app")) << bad;
  EXPECT_THAT(complaint([](App& a) { a.transfers["a=b"] = a.transfers["input"]; }),
              HasSubstr("is no name of a slot"));
  EXPECT_THAT(complaint([](App& a) { a.environment["A B"] = ""; }), HasSubstr("environment"));
  EXPECT_THAT(complaint([](App& a) { a.environment["A;touch"] = ""; }), HasSubstr("environment"));
}

// B11
TEST(Defects, B11NoPathOfAnAppLeavesTheWorkDirectory) {
  for (const std::string path :
       {"../x", "../../etc/passwd", "a/../../b", "..", "/etc/passwd", ""}) {
    EXPECT_THAT(complaint([&](App& a) { a.transfers["input"].local_path = path; }),
                HasSubstr("slot 'input': local_path"))
        << path;
    EXPECT_THAT(complaint([&](App& a) { a.transfers["result"].local_path = path; }),
                HasSubstr("slot 'result': local_path"))
        << path;
    EXPECT_THAT(complaint([&](App& a) { a.cleanup_files = {path}; }), HasSubstr("cleanup_files"))
        << path;
  }
  EXPECT_THAT(complaint([](App& a) { a.cleanup_files = {"."}; }),
              HasSubstr("work directory itself"));
}

TEST(AppValidation, PatternsStandInTheLastNameOfAnOutputAlone) {
  const auto with = [](std::string_view slot, std::string path) {
    return complaint([&](App& a) { a.transfers[std::string(slot)].local_path = path; });
  };
  EXPECT_EQ(with("result", "a/b/*.h5"), "is valid");
  EXPECT_EQ(with("result", "x[0-9]?"), "is valid");
  EXPECT_THAT(with("result", "a*/b"), HasSubstr("last name of an output"));
  EXPECT_THAT(with("input", "*.h5"), HasSubstr("last name of an output"));
}

TEST(AppValidation, ADirectoryTakesMoreInputs) {
  EXPECT_EQ(complaint([](App& a) {
              a.transfers["input"] = {Direction::kIn, true, "data", true, ""};
              a.transfers["more"] = {Direction::kIn, true, "data/more", false, ""};
            }),
            "is valid");
}

TEST(AppValidation, TwoInputsNeverShareAPath) {
  const auto second_at = [](std::string path) {
    return complaint([&](App& a) {
      a.transfers["more"] = {Direction::kIn, true, path, false, ""};
    });
  };
  EXPECT_THAT(second_at("in.dat"), HasSubstr("slots 'input' and 'more' both"));
  EXPECT_THAT(second_at("./in.dat"), HasSubstr("both put their input"));
  EXPECT_EQ(second_at("in2.dat"), "is valid");
  EXPECT_THAT(second_at("in.dat/more"),
              HasSubstr("'input' puts a file at 'in.dat', where slot 'more' needs a directory"));
  EXPECT_EQ(second_at("."), "is valid") << "its name is known when a job is made";
  EXPECT_THAT(second_at("job.out"), HasSubstr("output of the command"));
}

TEST(AppValidation, TheWholeWorkDirectoryIsARecursiveOutput) {
  EXPECT_EQ(complaint([](App& a) { a.transfers["result"].local_path = "."; }), "is valid");
  EXPECT_THAT(complaint([](App& a) {
                a.transfers["result"].local_path = ".";
                a.transfers["result"].recursive = false;
              }),
              HasSubstr("set 'recursive'"));
}

TEST(AppValidation, ResourcesAndRetriesAreWithinBounds) {
  EXPECT_THAT(complaint([](App& a) { a.resources.num_nodes = 0; }), HasSubstr("num_nodes is 0"));
  EXPECT_THAT(complaint([](App& a) { a.resources.node_packing_count = -1; }),
              HasSubstr("node_packing_count is -1"));
  EXPECT_THAT(complaint([](App& a) { a.resources.wall_time_min = -1; }),
              HasSubstr("wall_time_min"));
  EXPECT_THAT(complaint([](App& a) { a.resources.gpus_per_rank = -0.5; }),
              HasSubstr("gpus_per_rank"));
  EXPECT_THAT(complaint([](App& a) { a.resources.gpus_per_rank = std::nan(""); }),
              HasSubstr("gpus_per_rank"));
  EXPECT_THAT(complaint([](App& a) { a.error_retries = -1; }), HasSubstr("error_retries"));
}

// ---- the places of a job

using Places = std::map<std::string, RemotePath, std::less<>>;

std::string refusal(const App& of, const Places& places) {
  const auto checked = check_transfers(of, places);
  if (checked) return "is valid";
  EXPECT_EQ(checked.error().code, Code::kInvalid);
  return checked.error().message;
}

// B9
TEST(Defects, B9ARequiredSlotIsAskedForByEveryWriter) {
  EXPECT_EQ(refusal(app(), {{"input", {"lab", "/a"}}}), "is valid");
  EXPECT_EQ(refusal(app(), {}),
            "app 'run' requires the input 'input'; give it as input=ALIAS:/PATH");
  App strict = app();
  strict.transfers["result"].required = true;
  EXPECT_THAT(refusal(strict, {{"input", {"lab", "/a"}}}),
              HasSubstr("requires the output 'result'"));
}

TEST(JobPlaces, UnknownSlotsAndBadPlacesAreNamed) {
  EXPECT_EQ(refusal(app(), {{"inptu", {"lab", "/a"}}}),
            "app 'run' has no slot 'inptu'; did you mean 'input'?");
  EXPECT_THAT(refusal(app(), {{"input", {"lab", "a"}}}), HasSubstr("slot 'input': the path 'a'"));
  EXPECT_THAT(refusal(app(), {{"input", {"lab", "/a/../../b"}}}), HasSubstr("slot 'input'"));
}

TEST(JobPlaces, InputsThatKeepTheirNamesNeverMeet) {
  App two = app();
  two.transfers["a"] = two.transfers["b"] = {Direction::kIn, true, ".", false, ""};
  const auto with = [&](std::string a, std::string b) {
    return refusal(two, {{"input", {"lab", "/x/in"}}, {"a", {"lab", a}}, {"b", {"als", b}}});
  };
  EXPECT_EQ(with("/one/x.dat", "/two/y.dat"), "is valid");
  EXPECT_EQ(with("/one/x.dat", "/two/x.dat"), "slots 'a' and 'b' both put their input at 'x.dat'");
  EXPECT_THAT(with("/one/in.dat", "/two/y.dat"), HasSubstr("at 'in.dat'"));
  EXPECT_THAT(with("/one/job.out", "/two/y.dat"), HasSubstr("output of the command"));
  EXPECT_THAT(with("/", "/two/y.dat"), HasSubstr("no name that its copy could keep"));
}

TEST(JobPlaces, OutputsNeverOverwriteEachOther) {
  App two = app();
  two.transfers["a"] = {Direction::kOut, false, "a", false, ""};
  two.transfers["b"] = {Direction::kOut, false, "b", true, ""};
  const auto with = [&](RemotePath a, RemotePath b) {
    return refusal(two, {{"input", {"lab", "/in"}}, {"a", std::move(a)}, {"b", std::move(b)}});
  };
  EXPECT_EQ(with({"lab", "/r"}, {"lab", "/l"}), "is valid");
  EXPECT_EQ(with({"lab", "/r"}, {"als", "/r"}), "is valid");
  EXPECT_EQ(with({"lab", "/r/"}, {"lab", "/r/"}), "is valid") << "into one directory";
  EXPECT_THAT(with({"lab", "/r"}, {"lab", "//r"}), HasSubstr("both put their output at 'lab:"));
  two.transfers["a"].local_path = "*.log";
  EXPECT_EQ(with({"lab", "/r"}, {"lab", "/r"}), "is valid") << "a pattern's files keep their names";
}

TEST(JobPlaces, TheLocalPathIsTheSlotsOrTheRemoteName) {
  const Slot keeps = {Direction::kIn, true, ".", false, ""};
  EXPECT_EQ(local_path_of(keeps, "/a/b c.dat").value().text(), "b c.dat");
  EXPECT_EQ(local_path_of(keeps, "/a/b/").value().text(), "b");
  const Slot named = {Direction::kIn, true, "x/y", false, ""};
  EXPECT_EQ(local_path_of(named, "/a/b").value().text(), "x/y");
  const Slot whole = {Direction::kIn, true, ".", true, ""};
  EXPECT_TRUE(local_path_of(whole, "/a/b").value().is_root());
  EXPECT_FALSE(local_path_of({Direction::kIn, true, "../x", false, ""}, "/a"));
}

}  // namespace
}  // namespace wherry::jobs
