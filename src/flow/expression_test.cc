// SPDX-License-Identifier: Apache-2.0
#include "flow/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::flow {
namespace {

using testing::HasSubstr;

Result<Value> look_up(const Name& name) {
  if (name == Name{"run"}) return std::string("42");
  if (name == Name{"frames"}) return TextList{"a.tif", "b.tif"};
  if (name == Name{"tasks", "stage-in", "files"}) return std::int64_t{3};
  if (name == Name{"tasks", "count", "good"}) return std::string("true");
  return make_error(Code::kNotFound, "nobody has said what '{}' is", name[0]);
}

// What it gives, as text; what is wrong, in brackets.
std::string given(std::string_view text) {
  const auto expression = Expression::parse(text);
  if (!expression) return "[" + expression.error().message + "]";
  const auto value = expression->evaluate(look_up);
  if (!value) return "[" + value.error().message + "]";
  if (const auto* list = std::get_if<TextList>(&*value))
    return fmt::format("{}", fmt::join(*list, "|"));
  return text_of(*value).value();
}

TEST(Expression, ComparesTextsAndNumbers) {
  EXPECT_EQ(given("run == '42'"), "true");
  EXPECT_EQ(given("run == 42"), "true");
  EXPECT_EQ(given("run != 42"), "false");
  EXPECT_EQ(given("run > 9"), "true");  // not as texts
  EXPECT_EQ(given("tasks.stage-in.files >= 3"), "true");
  EXPECT_EQ(given("tasks.stage-in.files < -3"), "false");
  EXPECT_EQ(given("'b.tif' in frames"), "true");
  EXPECT_EQ(given("'c.tif' in ['a', 'b']"), "false");
  EXPECT_EQ(given("frames == ['a.tif', 'b.tif']"), "true");
  EXPECT_THAT(given("'a' < 'b'"), HasSubstr("'a' is no whole number"));
}

TEST(Expression, JoinsTruths) {
  EXPECT_EQ(given("true and not false"), "true");
  EXPECT_EQ(given("false or true and false"), "false");
  EXPECT_EQ(given("(false or true) and tasks.count.good"), "true");
  EXPECT_EQ(given("not run == 42"), "false");
  // What is decided already is not asked for.
  EXPECT_EQ(given("true or unknown"), "true");
  EXPECT_EQ(given("false and unknown"), "false");
  EXPECT_THAT(given("run and true"), HasSubstr("'42' is neither true nor false"));
}

TEST(Expression, FunctionsTakePathsAndListsApart) {
  EXPECT_EQ(given("name('lab:/run42/a.tar.gz')"), "a.tar.gz");
  EXPECT_EQ(given("name('/run42/')"), "run42");
  EXPECT_EQ(given("stem('/run42/a.tar.gz')"), "a.tar");
  EXPECT_EQ(given("stem('.profile')"), ".profile");
  EXPECT_EQ(given("directory('/run42/a.tif')"), "/run42");
  EXPECT_EQ(given("directory('/a')"), "/");
  EXPECT_EQ(given("directory('a')"), ".");
  EXPECT_EQ(given("lines(' a \n\nb\n')"), "a|b");
  EXPECT_EQ(given("count(frames)"), "2");
  EXPECT_EQ(given("join(frames, ', ')"), "a.tif, b.tif");
  EXPECT_EQ(given("trim('  a ')"), "a");
  EXPECT_EQ(given("count([])"), "0");
  EXPECT_THAT(given("count(run)"), HasSubstr("'42' is no list"));
}

TEST(Expression, WhatIsWrongIsToldWithItsPlace) {
  EXPECT_THAT(given(""), HasSubstr("it ends where a value is wanted"));
  EXPECT_THAT(given("run =="), HasSubstr("it ends where a value is wanted"));
  EXPECT_THAT(given("run = 42"), HasSubstr("'=' at character 5"));
  EXPECT_THAT(given("run 42"), HasSubstr("'42' at character 5"));
  EXPECT_THAT(given("1 < 2 < 3"), HasSubstr("'<' at character 7"));
  EXPECT_THAT(given("'open"), HasSubstr("the quote at character 1 is not closed"));
  EXPECT_THAT(given("(run"), HasSubstr("')' is missing"));
  EXPECT_THAT(given("nmae('x')"), HasSubstr("did you mean 'name'?"));
  EXPECT_THAT(given("join(frames)"), HasSubstr("join() takes 2 values, not 1"));
  EXPECT_THAT(given("a..b"), HasSubstr("'a..b' is no name"));
  EXPECT_THAT(given("99999999999999999999"), HasSubstr("too large"));
  EXPECT_THAT(given("unknown"), HasSubstr("nobody has said"));
}

TEST(Expression, IsBoundedHoweverItIsNested) {
  EXPECT_THAT(given(std::string(100, '(') + "1" + std::string(100, ')')), HasSubstr("nested"));
  std::string nots;
  for (int i = 0; i < 500; ++i) nots += "not ";
  EXPECT_THAT(given(nots + "true"), HasSubstr("nested"));
  std::string chain = "true";
  while (chain.size() < 4000) chain += " and true";
  EXPECT_EQ(given(chain), "true");
  EXPECT_THAT(given(std::string(5000, 'a')), HasSubstr("more than"));
}

TEST(TextTemplate, FillsInItsExpressions) {
  const auto text = TextTemplate::parse("lab:/run{{ run }}/{{join(frames, '}}')}}-{{ '{{' }}");
  ASSERT_TRUE(text);
  EXPECT_EQ(text->render(look_up).value(), "lab:/run42/a.tif}}b.tif-{{");
  EXPECT_EQ(text->names(), (std::vector<Name>{{"run"}, {"frames"}}));
  EXPECT_EQ(TextTemplate::parse("plain } text")->render(look_up).value(), "plain } text");
}

TEST(TextTemplate, AListOrAnOpenEndIsRefused) {
  EXPECT_THAT(TextTemplate::parse("x{{ run").error().message, HasSubstr("is not closed"));
  EXPECT_THAT(TextTemplate::parse("{{ frames }}")->render(look_up).error().message,
              HasSubstr("a list is no text"));
}

}  // namespace
}  // namespace wherry::flow
