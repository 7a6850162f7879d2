// SPDX-License-Identifier: Apache-2.0
// What holds for every command in the table, and for the texts that are made from it.
#include "cli/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "cli/help.h"
#include "cli/parse.h"

namespace wherry::cli {
namespace {

using ::testing::HasSubstr;

TEST(Commands, EachHasASummaryThatIsASentenceAndAHandler) {
  for (const Command& command : commands()) {
    EXPECT_NE(command.handler, nullptr) << command.name;
    EXPECT_TRUE(command.summary.ends_with('.')) << command.name;
  }
}

TEST(Commands, NamesAreUniqueAndNoneIsTheNounOfAnother) {
  std::set<std::string> names;
  for (const Command& command : commands())
    EXPECT_TRUE(names.insert(std::string(command.name)).second) << command.name;
  for (const std::string& name : names) {
    const std::size_t space = name.find(' ');
    if (space != name.npos) {
      EXPECT_FALSE(names.contains(name.substr(0, space))) << name;
    }
  }
}

TEST(Commands, EveryArgumentIsExplained) {
  for (const Command& command : commands()) {
    for (const OptionSpec& option : command.options)
      EXPECT_TRUE(option.help.ends_with('.')) << command.name << " --" << option.name;
    for (const PositionalSpec& positional : command.positionals)
      EXPECT_TRUE(positional.help.ends_with('.')) << command.name << " " << positional.name;
  }
}

TEST(Commands, NoOptionHidesAnother) {
  for (const Command& command : commands()) {
    std::set<std::string> names;
    const auto add = [&](const OptionSpec& option) {
      EXPECT_TRUE(names.insert(std::string(option.name)).second) << command.name << option.name;
      if (!option.other_name.empty()) {
        EXPECT_TRUE(names.insert(std::string(option.other_name)).second) << option.other_name;
      }
      if (option.short_name != '\0') {
        EXPECT_TRUE(names.insert(std::string(1, option.short_name)).second)
            << command.name << " -" << option.short_name;
      }
    };
    for (const OptionSpec& option : command.options) add(option);
    for (const OptionSpec& option : common_options()) add(option);
  }
}

TEST(Commands, AChoiceHasChoicesAndOnlyAChoice) {
  for (const Command& command : commands()) {
    for (const OptionSpec& option : command.options) {
      EXPECT_EQ(option.kind == ValueKind::kChoice, !option.choices.empty())
          << command.name << " --" << option.name;
    }
  }
}

// Words as a shell splits the examples: the parser must take each.
TEST(Commands, EveryExampleParses) {
  for (const Command& command : commands()) {
    for (const std::string_view example : command.examples) {
      std::vector<std::string> words;
      std::istringstream in{std::string(example)};
      for (std::string word; in >> word;) words.push_back(word);
      if (words[0] != "wherry") continue;
      words.erase(words.begin());
      const bool is_quoted = example.find('\'') != example.npos;
      if (is_quoted) continue;
      const auto line = parse_line(commands(), words);
      ASSERT_TRUE(line) << example << ": " << line.error().message;
      EXPECT_EQ(line->command->name, command.name) << example;
    }
  }
}

TEST(Help, EveryFormNamesEveryCommandAndOption) {
  const std::string man = man_page(commands());
  const std::string markdown = markdown_reference(commands());
  const std::string all = overview(commands(), "");
  for (const Command& command : commands()) {
    EXPECT_THAT(all, HasSubstr(std::string(command.name)));
    EXPECT_THAT(markdown, HasSubstr("### wherry " + std::string(command.name)));
    const std::string help = command_help(command);
    for (const OptionSpec& option : command.options) {
      EXPECT_THAT(help, HasSubstr("--" + std::string(option.name)));
      EXPECT_THAT(markdown, HasSubstr("--" + std::string(option.name)));
    }
  }
  EXPECT_THAT(man, HasSubstr("\\-\\-sync\\-level"));
}

}  // namespace
}  // namespace wherry::cli
