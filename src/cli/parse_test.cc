// SPDX-License-Identifier: Apache-2.0
#include "cli/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

const std::vector<Command>& table() {
  static const std::vector<Command> commands = {
      {.name = "copy",
       .summary = "Copy.",
       .positionals = {{.name = "FROM"}, {.name = "TO"}},
       .options = {{.name = "deep", .short_name = 'd'},
                   {.name = "quiet", .short_name = 'q'},
                   {.name = "level",
                    .short_name = 's',
                    .value = "LEVEL",
                    .kind = ValueKind::kChoice,
                    .choices = {"size", "checksum"}},
                   {.name = "include", .value = "P", .times = OptionSpec::Times::kMany},
                   {.name = "exclude", .value = "P", .times = OptionSpec::Times::kMany},
                   {.name = "size", .value = "SIZE", .kind = ValueKind::kBytes},
                   {.name = "limit", .value = "N", .kind = ValueKind::kInteger},
                   {.name = "remove-extra", .other_name = "delete"}}},
      {.name = "task show",
       .summary = "Show.",
       .positionals = {{.name = "ID", .count = PositionalSpec::Count::kOptional}}},
      {.name = "task list", .summary = "List."},
      {.name = "rm",
       .summary = "Remove.",
       .positionals = {{.name = "PATH", .count = PositionalSpec::Count::kOneOrMore}}},
  };
  return commands;
}

Result<ParsedLine> parse(std::vector<std::string> words) { return parse_line(table(), words); }

std::string error_of(const std::vector<std::string>& words) {
  const auto line = parse(words);
  if (line) return "parsed";
  EXPECT_EQ(line.error().code, Code::kInvalid);
  return line.error().message;
}

TEST(ParseLine, FindsCommandsOfOneAndOfTwoWords) {
  EXPECT_EQ(parse({"copy", "a", "b"})->command->name, "copy");
  EXPECT_EQ(parse({"task", "show"})->command->name, "task show");
}

TEST(ParseLine, ANounAloneIsNoCommandAndNoError) {
  const auto line = parse({"task"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->command, nullptr);
  EXPECT_EQ(line->noun, "task");
}

TEST(ParseLine, OptionsMayStandAnywhere) {
  const auto line = parse({"--format", "json", "copy", "a", "--deep", "b"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->arguments.text("format"), "json");
  EXPECT_TRUE(line->arguments.has("deep"));
  EXPECT_EQ(line->arguments.text("FROM"), "a");
  EXPECT_EQ(line->arguments.text("TO"), "b");
}

TEST(ParseLine, ReadsAllFormsOfAValue) {
  EXPECT_EQ(parse({"copy", "a", "b", "--level", "size"})->arguments.text("level"), "size");
  EXPECT_EQ(parse({"copy", "a", "b", "--level=size"})->arguments.text("level"), "size");
  EXPECT_EQ(parse({"copy", "a", "b", "-s", "size"})->arguments.text("level"), "size");
  EXPECT_EQ(parse({"copy", "a", "b", "-ssize"})->arguments.text("level"), "size");
  const auto joined = parse({"copy", "a", "b", "-dqs", "size"});
  ASSERT_TRUE(joined);
  EXPECT_TRUE(joined->arguments.has("deep"));
  EXPECT_TRUE(joined->arguments.has("quiet"));
  EXPECT_EQ(joined->arguments.text("level"), "size");
}

TEST(ParseLine, AfterTwoDashesNothingIsAnOption) {
  const auto line = parse({"rm", "--", "-f", "--deep", "--"});
  ASSERT_TRUE(line);
  EXPECT_THAT(line->arguments.all("PATH"), ElementsAre("-f", "--deep", "--"));
}

TEST(ParseLine, ASingleDashIsAValue) {
  EXPECT_EQ(parse({"copy", "-", "b"})->arguments.text("FROM"), "-");
}

TEST(ParseLine, KeepsTheOrderOfIncludeAndExclude) {
  const auto line =
      parse({"copy", "a", "b", "--include", "*.tif", "--exclude", "*", "--include", "[ab,c]"});
  ASSERT_TRUE(line);
  EXPECT_THAT(
      line->arguments.in_order(),
      ElementsAre(Pair("include", "*.tif"), Pair("exclude", "*"), Pair("include", "[ab,c]")));
}

TEST(ParseLine, PassesBytesUntouched) {
  const std::string name = "a\xff\n\t b=,";
  EXPECT_EQ(parse({"rm", name})->arguments.text("PATH"), name);
}

TEST(ParseLine, AnAliasMeansTheOption) {
  EXPECT_TRUE(parse({"copy", "a", "b", "--delete"})->arguments.has("remove-extra"));
}

TEST(ParseLine, NamesTheNearestCommand) {
  EXPECT_THAT(error_of({"cpoy"}), HasSubstr("did you mean 'wherry copy'?"));
  EXPECT_THAT(error_of({"task", "shwo"}), HasSubstr("did you mean 'wherry task show'?"));
  EXPECT_THAT(error_of({"zzzzzz"}), HasSubstr("known are: copy, rm, task"));
}

TEST(ParseLine, NamesTheNearestOptionAndChoice) {
  EXPECT_THAT(error_of({"copy", "a", "b", "--dep"}), HasSubstr("did you mean '--deep'?"));
  EXPECT_THAT(error_of({"copy", "a", "b", "--level", "chekcsum"}),
              HasSubstr("option --level: 'chekcsum' is not one of size, checksum; did you mean "
                        "'checksum'?"));
  EXPECT_THAT(error_of({"copy", "a", "b", "-x"}), HasSubstr("has no option '-x'"));
}

TEST(ParseLine, RefusesValuesThatDoNotFit) {
  EXPECT_THAT(error_of({"copy", "a", "b", "--size", "lots"}), HasSubstr("option --size"));
  EXPECT_THAT(error_of({"copy", "a", "b", "--limit", "-3"}), HasSubstr("option --limit"));
  EXPECT_THAT(error_of({"copy", "a", "b", "--deep=yes"}), HasSubstr("takes no value"));
  EXPECT_THAT(error_of({"copy", "a", "b", "--size"}), HasSubstr("wants a value: SIZE"));
  EXPECT_THAT(error_of({"copy", "a", "b", "-s", "size", "-s", "size"}), HasSubstr("given twice"));
}

TEST(ParseLine, CountsPositionals) {
  EXPECT_THAT(error_of({"copy", "a"}), HasSubstr("TO is missing; it takes FROM TO"));
  EXPECT_THAT(error_of({"copy", "a", "b", "c"}), HasSubstr("'c' is one argument too many"));
  EXPECT_THAT(error_of({"rm"}), HasSubstr("PATH is missing"));
}

TEST(ParseLine, HelpIsAnsweredWhateverIsMissing) {
  const auto line = parse({"copy", "--help"});
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->arguments.has("help"));
}

}  // namespace
}  // namespace wherry::cli
