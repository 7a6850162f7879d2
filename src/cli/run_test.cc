// SPDX-License-Identifier: Apache-2.0
#include "cli/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/scratch_directory.h"
#include "cli/commands.h"

namespace wherry::cli {
namespace {

using ::testing::HasSubstr;

// Runs a whole command on a state directory of its own.
class RunCommand : public ::testing::Test {
 protected:
  int run(std::vector<std::string> words) {
    out_.str("");
    err_.str("");
    return cli::run(words,
                    [&](std::string_view variable) -> std::optional<std::string> {
                      const auto found = variables_.find(variable);
                      if (found == variables_.end()) return std::nullopt;
                      return found->second;
                    },
                    {out_, err_});
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  ScratchDirectory scratch_;
  std::map<std::string, std::string, std::less<>> variables_ = {
      {"XDG_CONFIG_HOME", scratch_.path()}, {"WHERRY_STATE_DIR", scratch_.file("state")}};
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(RunCommand, VersionAndHelpTouchNothing) {
  EXPECT_EQ(run({"--version"}), kExitDone);
  EXPECT_THAT(out(), HasSubstr("wherry "));
  EXPECT_EQ(run({"transfer", "--help"}), kExitDone);
  EXPECT_THAT(out(), HasSubstr("Usage: wherry transfer [OPTIONS] SOURCE TARGET"));
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("state")));
}

TEST_F(RunCommand, HelpKnowsTopicsBesideCommands) {
  EXPECT_EQ(run({"help", "job-states"}), kExitDone);
  EXPECT_THAT(out(), HasSubstr("STAGED_IN"));
  EXPECT_THAT(out(), HasSubstr("pending_submission"));
  EXPECT_EQ(run({"help", "job-states", "--markdown"}), kExitDone);
  EXPECT_THAT(out(), ::testing::StartsWith("# States of jobs"));
  EXPECT_EQ(run({"help", "backends", "--markdown"}), kExitDone);
  EXPECT_THAT(out(), ::testing::StartsWith("# Storages"));
  EXPECT_EQ(run({"help", "task", "show"}), kExitDone);
  EXPECT_THAT(out(), HasSubstr("Usage: wherry task show"));
}

TEST_F(RunCommand, WithoutCommandItShowsHelpAndFails) {
  EXPECT_EQ(run({}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("Usage: wherry COMMAND"));
  EXPECT_EQ(run({"task"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("task event-list"));
}

TEST_F(RunCommand, ASlipIsAUsageErrorWithTheNearestWord) {
  EXPECT_EQ(run({"trasnfer", "a", "b"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("did you mean 'wherry transfer'?"));
}

TEST_F(RunCommand, ConfigShowTellsWhereValuesComeFrom) {
  variables_["WHERRY_TASKS_ACTIVE"] = "7";
  EXPECT_EQ(run({"config", "show", "tasks.active", "--format", "unix"}), kExitDone);
  EXPECT_THAT(out(), HasSubstr("tasks.active\t7\tWHERRY_TASKS_ACTIVE"));
  EXPECT_EQ(run({"config", "show", "log.level", "-v", "-Funix"}), kExitDone);
  EXPECT_THAT(out(), HasSubstr("log.level\tinfo\tcommand line"));
  EXPECT_EQ(run({"config", "show", "task.active"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("did you mean 'tasks.active'?"));
}

TEST_F(RunCommand, UnreadableSettingsAreNamedByFileLineAndKey) {
  std::filesystem::create_directory(scratch_.file("wherry"));
  std::ofstream(scratch_.file("wherry/settings.yml")) << "log:\n  level: loud\n";
  EXPECT_EQ(run({"endpoint", "list"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("settings.yml', line 2"));
  EXPECT_THAT(err(), HasSubstr("'log.level': 'loud'"));
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("state")));
}

TEST_F(RunCommand, EndpointsAreCreatedShownChangedAndDeleted) {
  EXPECT_EQ(
      run({"endpoint", "create", "lab", scratch_.path(), "--read-only", "--daily-quota", "750GB"}),
      kExitDone)
      << err();
  EXPECT_EQ(run({"endpoint", "show", "lab"}), kExitDone) << err();
  EXPECT_THAT(out(), HasSubstr("read-only"));
  EXPECT_EQ(run({"endpoint", "update", "lab", "--name", "lab2", "--read-write"}), kExitDone)
      << err();
  EXPECT_EQ(run({"endpoint", "list", "-Funix"}), kExitDone) << err();
  EXPECT_THAT(out(), HasSubstr("lab2\t"));
  EXPECT_EQ(run({"endpoint", "delete", "lab2"}), kExitDone) << err();
  EXPECT_EQ(run({"endpoint", "show", "lab2"}), kExitFailed);
}

TEST_F(RunCommand, AccessRulesAreMadeListedChangedAndDeleted) {
  ASSERT_EQ(run({"user", "create", "ada@example.org"}), kExitDone) << err();
  ASSERT_EQ(run({"endpoint", "create", "lab", scratch_.path(), "--public"}), kExitDone) << err();
  ASSERT_EQ(run({"endpoint", "permission", "create", "lab:/run 42", "--permissions", "r",
                 "--identity", "ada@example.org"}),
            kExitDone)
      << err();
  ASSERT_THAT(out(), ::testing::StartsWith("Rule ID: "));
  const std::string id = out().substr(9, 36);
  EXPECT_EQ(run({"endpoint", "permission", "list", "lab"}), kExitDone) << err();
  EXPECT_THAT(out(), HasSubstr("/run 42"));
  EXPECT_THAT(out(), HasSubstr("ada@example.org"));
  EXPECT_EQ(run({"endpoint", "permission", "update", "lab", id, "--permissions", "rw"}), kExitDone)
      << err();
  EXPECT_EQ(run({"endpoint", "permission", "show", "lab", id, "-Fjson"}), kExitDone) << err();
  EXPECT_THAT(out(), HasSubstr("\"permissions\": \"rw\""));
  EXPECT_EQ(run({"endpoint", "permission", "delete", "lab", id}), kExitDone) << err();
  EXPECT_EQ(run({"endpoint", "permission", "show", "lab", id}), kExitFailed);
  // Neither for nobody, nor for two at once, nor for somebody unknown.
  const std::vector<std::string> create = {"endpoint", "permission",    "create",
                                           "lab:/",    "--permissions", "r"};
  EXPECT_EQ(run(create), kExitUsage);
  auto both = create;
  both.insert(both.end(), {"--all-authenticated", "--identity", "ada@example.org"});
  EXPECT_EQ(run(both), kExitUsage);
  auto unknown = create;
  unknown.insert(unknown.end(), {"--identity", "bob@example.org"});
  EXPECT_EQ(run(unknown), kExitFailed);
}

TEST_F(RunCommand, RolesAreMadeListedAndDeleted) {
  ASSERT_EQ(run({"user", "create", "ada@example.org"}), kExitDone) << err();
  ASSERT_EQ(run({"endpoint", "create", "lab", scratch_.path()}), kExitDone) << err();
  ASSERT_EQ(run({"endpoint", "role", "create", "lab", "--role", "access_manager", "--identity",
                 "ada@example.org"}),
            kExitDone)
      << err();
  const std::string id = out().substr(4, 36);
  EXPECT_EQ(run({"endpoint", "role", "show", "lab", id}), kExitDone) << err();
  EXPECT_THAT(out(), HasSubstr("access_manager"));
  EXPECT_EQ(run({"endpoint", "role", "delete", "lab", id}), kExitDone) << err();
  EXPECT_EQ(run({"endpoint", "role", "list", "lab", "-Funix"}), kExitDone) << err();
  EXPECT_THAT(out(), ::testing::Not(HasSubstr(id)));
  EXPECT_EQ(run({"endpoint", "role"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("endpoint role create"));
  EXPECT_THAT(err(), ::testing::Not(HasSubstr("endpoint permission create")));
}

TEST_F(RunCommand, AGuestCollectionIsADirectoryOfAnEndpoint) {
  std::filesystem::create_directories(scratch_.file("data/run42"));
  std::ofstream(scratch_.file("data/run42/a")) << "a";
  ASSERT_EQ(run({"endpoint", "create", "lab", scratch_.file("data")}), kExitDone) << err();
  EXPECT_EQ(run({"endpoint", "create", "run"}), kExitUsage);
  EXPECT_EQ(run({"endpoint", "create", "run", scratch_.path(), "--host", "lab:/run42"}),
            kExitUsage);
  EXPECT_EQ(run({"endpoint", "create", "run", "--host", "lab:/missing"}), kExitFailed);
  ASSERT_EQ(run({"endpoint", "create", "run", "--host", "lab:/run42"}), kExitDone) << err();
  EXPECT_EQ(run({"ls", "run:/"}), kExitDone) << err();
  EXPECT_EQ(out(), "a\n");
  EXPECT_EQ(run({"endpoint", "show", "run"}), kExitDone) << err();
  EXPECT_THAT(out(), HasSubstr("/run42"));
  EXPECT_EQ(run({"endpoint", "delete", "lab"}), kExitDone) << err();
  EXPECT_EQ(run({"ls", "run:/"}), kExitFailed);
}

TEST_F(RunCommand, AnUnknownEndpointIsAFailureThatNamesTheNearest) {
  ASSERT_EQ(run({"endpoint", "create", "scratch", scratch_.path()}), kExitDone);
  EXPECT_EQ(run({"ls", "scrach:/"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("scratch"));
}

TEST_F(RunCommand, FormatIsTakenByEveryCommand) {
  for (const Command& command : commands()) {
    std::vector<std::string> words;
    std::istringstream name{std::string(command.name)};
    for (std::string word; name >> word;) words.push_back(word);
    words.insert(words.end(), {"--format", "json", "--help"});
    EXPECT_EQ(run(words), kExitDone) << command.name;
  }
}

TEST_F(RunCommand, UserGetsAPasswordThatIsShownOnceOnly) {
  ASSERT_EQ(run({"user", "create", "ada@example.org", "--format", "unix"}), kExitDone) << err();
  const std::string password = out().substr(out().rfind('\t') + 1, 43);
  EXPECT_EQ(password.size(), 43U);
  EXPECT_EQ(run({"user", "list"}), kExitDone);
  EXPECT_THAT(out(), HasSubstr("ada@example.org"));
  EXPECT_EQ(out().find(password), std::string::npos);
  EXPECT_EQ(run({"user", "create", "ada@example.org"}), kExitFailed);
  EXPECT_EQ(run({"user", "remove", "ada@example.org"}), kExitDone);
  EXPECT_EQ(run({"user", "rotate", "ada@example.org"}), kExitFailed);
}

TEST_F(RunCommand, PasswordOfAFileIsItsFirstLineAndIsNotShown) {
  const std::string file = scratch_.file("password");
  std::ofstream(file) << "difference engine\nsomething else\n";
  ASSERT_EQ(run({"user", "create", "ada@example.org", "--password-file", file}), kExitDone)
      << err();
  EXPECT_EQ(out().find("difference"), std::string::npos);
  std::ofstream(file) << "short\n";
  EXPECT_EQ(run({"user", "rotate", "ada@example.org", "--password-file", file}), kExitUsage);
  EXPECT_EQ(err().find("'short'"), std::string::npos);
}

TEST_F(RunCommand, ClientHasASecretUnlessItIsNative) {
  ASSERT_EQ(run({"client", "create", "pipeline"}), kExitDone) << err();
  EXPECT_THAT(out(), HasSubstr("Secret:"));
  ASSERT_EQ(run({"client", "create", "app", "--native"}), kExitDone) << err();
  EXPECT_EQ(out().find("Secret:"), std::string::npos);
  ASSERT_EQ(run({"client", "list", "--format", "unix"}), kExitDone);
  EXPECT_THAT(out(), HasSubstr("app\t"));
  EXPECT_THAT(out(), HasSubstr("pipeline\t"));
  EXPECT_EQ(run({"client", "remove", "no such id"}), kExitFailed);
}

}  // namespace
}  // namespace wherry::cli
