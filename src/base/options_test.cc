// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/scratch_directory.h"

namespace wherry {
namespace {

using namespace std::chrono_literals;
using namespace literals;
using testing::HasSubstr;

const OptionDeclaration kDeclarations[] = {
    {"log.file", OptionKind::kText, "", "Where the log is written."},
    {"log.level", OptionKind::kChoice, "info", "How much is logged.", {"debug", "info", "warning"}},
    {"sync.max-delete", OptionKind::kPercent, "50%", "The brake.", {}, 1, 90},
    {"sync.settle",
     OptionKind::kDuration,
     "10s",
     "How long a file is quiet.",
     {},
     0,
     3'600'000'000'000},
    {"transfer.chunk", OptionKind::kBytes, "8MiB", "Bytes per read.", {}, 4096, 1 << 30},
    {"transfer.verify", OptionKind::kSwitch, "yes", "Whether targets are read again."},
    {"transfer.workers", OptionKind::kInteger, "4", "Threads that copy.", {}, 1, 64},
};

class OptionsTest : public testing::Test {
 protected:
  Result<Options> load(std::string_view yaml) {
    durable_write_file(path_, yaml, 0600).value();
    return load_with({});
  }

  Result<Options> load_with(std::map<std::string, std::string, std::less<>> overrides) {
    Options::Sources sources;
    sources.file = path_;
    sources.environment = [this](std::string_view variable) -> std::optional<std::string> {
      const auto found = variables_.find(variable);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
    sources.overrides = std::move(overrides);
    sources.sections = {"machines"};
    return Options::load(kDeclarations, sources);
  }

  // The message for a bad file, without the part that names the file.
  std::string complaint(std::string_view yaml) {
    const auto options = load(yaml);
    if (options) return "accepted";
    EXPECT_EQ(options.error().code, Code::kInvalid);
    const std::string prefix = fmt::format("settings file '{}', ", path_);
    EXPECT_TRUE(options.error().message.starts_with(prefix)) << options.error().message;
    return options.error().message.substr(std::min(prefix.size(), options.error().message.size()));
  }

  ScratchDirectory scratch_;
  std::string path_ = scratch_.file("settings.yml");
  std::map<std::string, std::string, std::less<>> variables_;
};

TEST_F(OptionsTest, WithoutAFileTheDefaultsHold) {
  const auto options = load_with({}).value();
  EXPECT_EQ(options.text("log.file"), "");
  EXPECT_EQ(options.text("log.level"), "info");
  EXPECT_DOUBLE_EQ(options.percent("sync.max-delete"), 50.0);
  EXPECT_EQ(options.duration("sync.settle"), 10s);
  EXPECT_EQ(options.bytes("transfer.chunk"), 8_MiB);
  EXPECT_TRUE(options.is_on("transfer.verify"));
  EXPECT_EQ(options.integer("transfer.workers"), 4);
}

TEST_F(OptionsTest, EveryKindIsReadFromNestedMapsAndDottedKeys) {
  const auto options = load(
                           "log:\n"
                           "  file: /var/log/wherry.log\n"
                           "  level: debug\n"
                           "sync.max-delete: 12.5%\n"
                           "sync:\n"
                           "  settle: 1m 30s\n"
                           "transfer: {chunk: 1MiB, verify: off}\n"
                           "transfer.workers: 16\n")
                           .value();
  EXPECT_EQ(options.text("log.file"), "/var/log/wherry.log");
  EXPECT_EQ(options.text("log.level"), "debug");
  EXPECT_DOUBLE_EQ(options.percent("sync.max-delete"), 12.5);
  EXPECT_EQ(options.duration("sync.settle"), 90s);
  EXPECT_EQ(options.bytes("transfer.chunk"), 1_MiB);
  EXPECT_FALSE(options.is_on("transfer.verify"));
  EXPECT_EQ(options.integer("transfer.workers"), 16);
}

TEST_F(OptionsTest, AnEmptyFileAndOneOfCommentsAreFine) {
  EXPECT_TRUE(load(""));
  EXPECT_TRUE(load("# nothing yet\n"));
  EXPECT_TRUE(load("log.file:\n")) << "a text may be empty";
}

TEST_F(OptionsTest, TheLaterSourceWinsAndIsNamed) {
  durable_write_file(path_, "log.level: debug\ntransfer.workers: 8\nsync.settle: 1s\n", 0600)
      .value();
  variables_ = {{"WHERRY_TRANSFER_WORKERS", "9"},
                {"WHERRY_SYNC_MAX_DELETE", "7%"},
                {"WHERRY_SYNC_SETTLE", "2s"}};
  const auto options = load_with({{"sync.settle", "3s"}}).value();
  EXPECT_EQ(options.integer("transfer.workers"), 9);
  EXPECT_EQ(options.duration("sync.settle"), 3s);
  std::map<std::string, std::string> origins;
  for (const auto& shown : options.all()) origins[shown.name] = shown.origin;
  EXPECT_EQ(origins["log.level"], fmt::format("file {}, line 1", path_));
  EXPECT_EQ(origins["transfer.workers"], "WHERRY_TRANSFER_WORKERS");
  EXPECT_EQ(origins["sync.max-delete"], "WHERRY_SYNC_MAX_DELETE");
  EXPECT_EQ(origins["sync.settle"], "command line");
  EXPECT_EQ(origins["transfer.chunk"], "default");
}

TEST_F(OptionsTest, AllShowsEveryDeclarationOnceWithValueAndDoc) {
  const auto shown = load_with({{"transfer.workers", "5"}}).value().all();
  ASSERT_EQ(shown.size(), std::size(kDeclarations));
  EXPECT_EQ(shown.back().name, "transfer.workers");
  EXPECT_EQ(shown.back().value, "5");
  EXPECT_EQ(shown.back().doc, "Threads that copy.");
}

TEST_F(OptionsTest, AnUnknownKeyIsAnsweredWithTheNearest) {
  EXPECT_EQ(complaint("log.level: info\ntransfer:\n  wokers: 4\n"),
            "line 3: there is no setting 'transfer.wokers'; did you mean 'transfer.workers'?");
  EXPECT_EQ(complaint("workers: 4\n"),
            "line 1: there is no setting 'workers'; did you mean 'transfer.workers'?");
  EXPECT_EQ(complaint("colour: blue\n"),
            "line 1: there is no setting 'colour'; see 'wherry config show'");
}

TEST_F(OptionsTest, WhatYamlCanDoAndSettingsNeverNeedIsRefused) {
  EXPECT_THAT(complaint("log.level: &level debug\n"), HasSubstr("no anchors"));
  EXPECT_THAT(complaint("a: " + std::string(40, '[') + std::string(40, ']')),
              HasSubstr("nested too deeply"));
  // Found by the fuzzer: yaml-cpp alone would read documents for ever here.
  EXPECT_THAT(complaint("log.level: debug\n--- \n,x\n"), HasSubstr("second document"));
}

TEST_F(OptionsTest, AValueOfTheWrongKindIsExplained) {
  EXPECT_EQ(complaint("transfer.workers: four\n"),
            "line 1: 'transfer.workers': 'four' is no whole number");
  EXPECT_EQ(complaint("transfer.workers: 4.0\n"),
            "line 1: 'transfer.workers': '4.0' is no whole number");
  EXPECT_THAT(complaint("transfer.chunk: big\n"), HasSubstr("'big' is no number of bytes"));
  EXPECT_THAT(complaint("sync.settle: 10\n"), HasSubstr("'10' is no duration"));
  EXPECT_THAT(complaint("sync.settle:\n"), HasSubstr("'' is no duration"));
  EXPECT_THAT(complaint("sync.max-delete: most\n"), HasSubstr("'most' is no share"));
  EXPECT_THAT(complaint("transfer.verify: maybe\n"), HasSubstr("'maybe' is neither on nor off"));
  EXPECT_EQ(complaint("log.level: loud\n"),
            "line 1: 'log.level': 'loud' is not one of debug, info, warning");
}

TEST_F(OptionsTest, AValueOutOfBoundsIsAnsweredWithTheBound) {
  EXPECT_EQ(complaint("transfer.workers: 0\n"),
            "line 1: 'transfer.workers': '0' is less than the minimum, 1");
  EXPECT_EQ(complaint("transfer.workers: 65\n"),
            "line 1: 'transfer.workers': '65' is more than the maximum, 64");
  EXPECT_EQ(complaint("transfer.chunk: 2GiB\n"),
            "line 1: 'transfer.chunk': '2GiB' is more than the maximum, 1 GiB");
  EXPECT_EQ(complaint("transfer.chunk: 18446744073709551615\n"),
            "line 1: 'transfer.chunk': '18446744073709551615' is more than the maximum, 1 GiB");
  EXPECT_EQ(complaint("sync.settle: 61m\n"),
            "line 1: 'sync.settle': '61m' is more than the maximum, 1h 0m");
  EXPECT_EQ(complaint("sync.max-delete: 0.5%\n"),
            "line 1: 'sync.max-delete': '0.5%' is less than the minimum, 1%");
}

TEST_F(OptionsTest, AKeyThatIsSetTwiceIsRefused) {
  EXPECT_EQ(complaint("log.level: info\nlog.level: debug\n"),
            "line 2: 'log.level' is set a second time");
  EXPECT_EQ(complaint("log:\n  level: info\nlog.level: debug\n"),
            "line 3: 'log.level' is set a second time");
}

TEST_F(OptionsTest, TheShapeOfTheFileIsChecked) {
  EXPECT_THAT(complaint("- log.level\n"), HasSubstr("line 1: the settings are not of the form"));
  EXPECT_THAT(complaint("just text\n"), HasSubstr("line 1: the settings are not of the form"));
  EXPECT_EQ(complaint("log: info\n"), "line 1: 'log' is a group of settings, not one");
  EXPECT_EQ(complaint("log.level: [info, debug]\n"),
            "line 1: 'log.level' wants one value, not a list or map");
  EXPECT_THAT(complaint("[a, b]: c\n"), HasSubstr("must be a plain word"));
  EXPECT_THAT(complaint("log.level: info\n---\nlog.level: debug\n"),
              HasSubstr("a second document"));
}

TEST_F(OptionsTest, BrokenYamlIsReportedWithItsLine) {
  EXPECT_THAT(complaint("log.level: info\nlog: {level: \n"), testing::StartsWith("line "));
  EXPECT_THAT(complaint("log.level: 'info\n"), testing::StartsWith("line "));
  EXPECT_THAT(complaint("\tlog: 1\n"), testing::StartsWith("line 1: "));
  EXPECT_THAT(complaint("log.level: *nowhere\n"), testing::StartsWith("line 1: "));
}

TEST_F(OptionsTest, AnUnreadableFileIsNotTakenForAMissingOne) {
  path_ = scratch_.path();
  const auto options = load_with({});
  EXPECT_THAT(options.error().message, HasSubstr("read the settings"));
  EXPECT_THAT(options.error().message, HasSubstr(path_));
}

TEST_F(OptionsTest, ABadVariableOrFlagIsNamed) {
  variables_ = {{"WHERRY_TRANSFER_WORKERS", "many"}};
  EXPECT_EQ(load_with({}).error().message,
            "variable WHERRY_TRANSFER_WORKERS: 'many' is no whole number");
  variables_.clear();
  EXPECT_EQ(load_with({{"transfer.workers", "0"}}).error().message,
            "command line: setting 'transfer.workers': '0' is less than the minimum, 1");
  EXPECT_EQ(load_with({{"transfer.worker", "4"}}).error().message,
            "command line: there is no setting 'transfer.worker'; did you mean "
            "'transfer.workers'?");
}

TEST_F(OptionsTest, ALowerSourceIsCheckedEvenIfAHigherOneWins) {
  durable_write_file(path_, "transfer.workers: none\n", 0600).value();
  EXPECT_FALSE(load_with({{"transfer.workers", "4"}}));
}

TEST_F(OptionsTest, ASectionIsKeptForWhoOwnsIt) {
  const auto options =
      load("log.level: debug\nmachines:\n  big:\n    cores: 8\n    lines: [a, b]\n");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->text("log.level"), "debug");
  const YamlNode* const machines = options->section("machines");
  ASSERT_NE(machines, nullptr);
  const YamlNode* const big = machines->find("big");
  ASSERT_NE(big, nullptr);
  EXPECT_EQ(big->line, 3);
  EXPECT_EQ(options->in_file(big->find("cores")->wrong("too few")).message,
            fmt::format("settings file '{}', line 4: 'cores': too few", path_));
  const auto shown = options->all();
  ASSERT_GE(shown.size(), 2u);
  EXPECT_EQ(shown[shown.size() - 2].name, "machines.big.cores");
  EXPECT_EQ(shown[shown.size() - 2].value, "8");
  EXPECT_EQ(shown[shown.size() - 2].origin, fmt::format("file {}, line 4", path_));
  EXPECT_EQ(shown.back().value, "a; b");
  EXPECT_EQ(load("log.level: debug\n")->section("machines"), nullptr);
}

TEST_F(OptionsTest, ASlipInTheNameOfASectionIsRecognized) {
  EXPECT_EQ(complaint("machine: {}\n"),
            "line 1: there is no setting 'machine'; did you mean 'machines'?");
}

using OptionsDeathTest = OptionsTest;

TEST_F(OptionsDeathTest, AskingForWhatIsNotDeclaredIsABug) {
  const auto options = load_with({}).value();
  EXPECT_DEATH((void)options.integer("transfer.nothing"), "CHECK");
  EXPECT_DEATH((void)options.integer("log.file"), "CHECK");
}

TEST_F(OptionsDeathTest, ADefaultThatItsDeclarationForbidsIsABug) {
  const OptionDeclaration bad[] = {{"a", OptionKind::kInteger, "x", "Doc."}};
  EXPECT_DEATH((void)Options::load(bad, {}), "CHECK");
}

TEST(Nearest, FindsSlipsAndNothingFarther) {
  const std::vector<std::string> commands = {"transfer", "delete", "rename", "ls", "task"};
  EXPECT_EQ(nearest("tranfser", commands), "transfer");
  EXPECT_EQ(nearest("transfre", commands), "transfer");
  EXPECT_EQ(nearest("dele", commands), std::nullopt);
  EXPECT_EQ(nearest("renam", commands), "rename");
  EXPECT_EQ(nearest("sl", commands), "ls");
  EXPECT_EQ(nearest("rm", commands), std::nullopt);
  EXPECT_EQ(nearest("tasks", commands), "task");
  EXPECT_EQ(nearest("", commands), std::nullopt);
}

}  // namespace
}  // namespace wherry
