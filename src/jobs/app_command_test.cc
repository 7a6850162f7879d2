// SPDX-License-Identifier: Apache-2.0
// That a value is one word of sh and never a command is shown by sh itself.
#include "jobs/app_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/random.h"
#include "base/scratch_directory.h"
#include "base/shell.h"

namespace wherry::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

App app_with(std::string command, const std::vector<std::string>& parameters) {
  App app;
  app.name = "test";
  app.command = std::move(command);
  for (const std::string& name : parameters) app.parameters[name] = {};
  return app;
}

Job job_with(TextMap parameters) {
  Job job;
  job.parameters = std::move(parameters);
  return job;
}

// Runs scripts in an empty directory.
class Shell : public testing::Test {
 protected:
  // What sh prints.
  std::string run(const std::string& script) {
    std::ofstream(directory_.file("script"), std::ios::binary) << script;
    const std::string line =
        fmt::format("cd {0} && mkdir -p work && cd work && sh ../script 2>&1", directory_.path());
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(line.c_str(), "r"), pclose);
    std::string printed;
    char buffer[4096];
    for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe.get())) > 0;)
      printed.append(buffer, n);
    return printed;
  }

  std::string run_with(std::string command, const std::string& value) {
    const App app = app_with(std::move(command), {"x"});
    return run(job_script(app, job_with({{"x", value}})).value());
  }

  bool was_made() const { return std::filesystem::exists(directory_.file("work/made")); }

  ScratchDirectory directory_;
};

TEST(Placeholders, AreNamedOnceEachInOrder) {
  EXPECT_THAT(placeholders("run {{ b }} --x={{a}} {{  b\t}}").value(), ElementsAre("b", "a"));
  EXPECT_THAT(placeholders("no { braces }").value(), IsEmpty());
  EXPECT_THAT(placeholders("").value(), IsEmpty());
  EXPECT_THAT(placeholders("awk '{print $1}' {{ file }} | tr } {").value(), ElementsAre("file"));
}

TEST(Placeholders, WhatIsNoneIsRefusedWithAWayOut) {
  EXPECT_THAT(placeholders("run {{ x").error().message, HasSubstr("is not closed"));
  EXPECT_THAT(placeholders("run {{}}").error().message, HasSubstr("name of a parameter"));
  EXPECT_THAT(placeholders("run {{ a b }}").error().message, HasSubstr("name of a parameter"));
  EXPECT_THAT(placeholders("run {{ a.b }}").error().message, HasSubstr("'{''{'"));
  EXPECT_THAT(placeholders("run {{ 1a }}").error().message, HasSubstr("{{ 1a }}"));
  EXPECT_EQ(placeholders("run {{ x").error().code, Code::kInvalid);
}

// A shell that reads a command out of quotes would read a value as a part of it.
TEST(Placeholders, StandOutsideOfQuotes) {
  EXPECT_THAT(placeholders("sh -c 'echo {{ x }}'").error().message, HasSubstr("within quotes"));
  EXPECT_THAT(placeholders("sh -c \"echo {{ x }}\"").error().message, HasSubstr("'{{ x }}'"));
  EXPECT_THAT(placeholders("echo 'a {{").error().message, HasSubstr("within quotes"));
  EXPECT_THAT(placeholders("echo 'a' \"b\" {{ x }} 'c'").value(), ElementsAre("x"));
  EXPECT_THAT(placeholders("echo \\' {{ x }} \\\" {{ y }}").value(), ElementsAre("x", "y"));
  EXPECT_THAT(placeholders("# don't\necho {{ x }}").value(), ElementsAre("x"));
  EXPECT_THAT(placeholders("echo \"$(basename {{ x }})\"").value(), ElementsAre("x"));
  EXPECT_THAT(placeholders("echo \"$(basename \"{{ x }}\")\"").error().message,
              HasSubstr("within quotes"));
  EXPECT_THAT(placeholders("echo \"it's\" {{ x }}").value(), ElementsAre("x"));
}

TEST(Parameters, UnknownAndMissingOnesAreNamed) {
  App app = app_with("run {{ input }} {{ level }}", {"input", "level"});
  app.parameters["input"].help = "what is read";
  app.parameters["level"] = {false, "6", ""};
  EXPECT_TRUE(check_parameters(app, {{"input", "a"}}));
  EXPECT_EQ(check_parameters(app, {{"inptu", "a"}}).error().message,
            "app 'test' has no parameter 'inptu'; did you mean 'input'?");
  EXPECT_EQ(check_parameters(app, {{"level", "1"}}).error().message,
            "app 'test' requires the parameter 'input' (what is read)");
  EXPECT_THAT(check_parameters(app, {{"colour", "a"}}).error().message,
              HasSubstr("it has input, level"));
  EXPECT_THAT(check_parameters(app_with("run", {}), {{"a", ""}}).error().message,
              HasSubstr("it has none"));
  EXPECT_THAT(check_parameters(app, {{"input", std::string("a\0b", 3)}}).error().message,
              HasSubstr("NUL"));
  EXPECT_FALSE(job_script(app, job_with({})));
}

TEST_F(Shell, RunsPreambleEnvironmentAndCommandInThisOrder) {
  App app = app_with("echo \"$A $B\" {{ x }}", {"x"});
  app.preamble = "A=before; B=before";
  app.environment["B"] = "it's the app's";
  EXPECT_EQ(run(job_script(app, job_with({{"x", "last"}})).value()),
            "before it's the app's last\n");
}

TEST_F(Shell, DefaultsStandInAndParametersAreNoVariablesOfTheCommand) {
  App app = app_with("echo {{ level }}; env | grep -c ^wherry_", {"level"});
  app.parameters["level"] = {false, "six of them", ""};
  EXPECT_EQ(run(job_script(app, job_with({})).value()), "six of them\n0\n");
  EXPECT_EQ(run(job_script(app, job_with({{"level", ""}})).value()), "\n0\n");
}

TEST_F(Shell, AValueIsOneArgumentByteForByte) {
  for (const std::string value : {"plain",
                                  "",
                                  " two  words ",
                                  "it's",
                                  "\"",
                                  "$HOME",
                                  "$(touch made)",
                                  "`touch made`",
                                  "; touch made",
                                  "& touch made &",
                                  "| touch made",
                                  "\n touch made\n",
                                  "> made",
                                  "*",
                                  "~",
                                  "\\",
                                  "\\'",
                                  "'; touch made; '",
                                  "'\"'; touch made; '\"'",
                                  "-n",
                                  "a=b",
                                  "#no comment",
                                  "latin \xe9",
                                  "${x:=made}",
                                  "$((1+1))",
                                  "{{ x }}",
                                  "}}"}) {
    EXPECT_EQ(run_with("printf '[%s]' {{ x }}; ls", value), "[" + value + "]") << value;
  }
}

TEST_F(Shell, AValueIsNoCommandWhereverTheTemplatePutsIt) {
  for (const std::string command :
       {"echo --out={{ x }}.dat", "cat <<END\n{{ x }}\nEND", "echo `echo {{ x }}`",
        "echo \"$(echo {{ x }})\"", "X={{ x }}", "case {{ x }} in *) ;; esac", "# {{ x }}\ntrue",
        "echo ${Y:-{{ x }}}", "for i in {{ x }}; do echo \"$i\"; done", "(echo {{ x }})",
        "echo 'a'{{ x }}'b'"}) {
    for (const std::string value :
         {"$(touch made)", "`touch made`", "'; touch made; '", "\"; touch made; \"",
          "\ntouch made\n", "`touch made", "x) touch made;;", "END\ntouch made", "}; touch made"}) {
      run_with(command, value);
      EXPECT_FALSE(was_made()) << command << " with " << value;
    }
  }
}

TEST_F(Shell, RandomBytesAreKept) {
  SeededRandom random(11);
  constexpr std::string_view kAlphabet = "'\"\\$`(){}[];&|<>*?~#=! \t\nab\x80\xff";
  for (int round = 0; round < 60; ++round) {
    std::string value;
    for (std::size_t i = random.below(30); i > 0; --i)
      value += kAlphabet[random.below(kAlphabet.size())];
    EXPECT_EQ(run_with("printf '[%s]' {{ x }}", value), "[" + value + "]");
    EXPECT_EQ(run("printf '[%s]' " + shell_quote(value)), "[" + value + "]");
  }
}

TEST(ShellQuote, MakesOneWord) {
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("a b"), "'a b'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
}

}  // namespace
}  // namespace wherry::jobs
