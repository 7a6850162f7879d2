// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace wherry {
namespace {

Result<int> half_of(int number) {
  if (number % 2 != 0) return make_error(Code::kInvalid, "{} is odd", number);
  return number / 2;
}

Result<int> quarter_of(int number) {
  TRY_ASSIGN(const int half, half_of(number), "halve {}", number);
  TRY_ASSIGN(const int quarter, half_of(half));
  return quarter;
}

Result<void> require_even(int number) {
  TRY(half_of(number), "check {}", number);
  return {};
}

TEST(Result, CarriesAValueThroughTheLayers) {
  EXPECT_EQ(quarter_of(12).value(), 3);
  EXPECT_TRUE(require_even(2));
}

TEST(Result, EachLayerPutsItsContextInFrontOfTheCause) {
  EXPECT_EQ(quarter_of(3).error().message, "halve 3: 3 is odd");
  EXPECT_EQ(quarter_of(6).error().message, "3 is odd");
  EXPECT_EQ(require_even(5).error(), (Error{Code::kInvalid, Retry::kNever, "check 5: 5 is odd"}));
}

TEST(Result, MovesValuesThatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> number = std::move(result).value();
  EXPECT_EQ(*number, 7);
}

TEST(Result, ConvertsToTheValueType) {
  const Result<std::string> text = "abc";
  EXPECT_EQ(text->size(), 3u);
  const auto failed = []() -> Result<std::string> { return make_error(Code::kBug, "no"); };
  EXPECT_EQ(failed().value_or("fallback"), "fallback");
}

TEST(Result, TheCodeDecidesWhetherTryingAgainCanHelp) {
  EXPECT_EQ(make_error(Code::kUnavailable, "x").retry, Retry::kLater);
  EXPECT_EQ(make_error(Code::kTimeout, "x").retry, Retry::kLater);
  EXPECT_EQ(make_error(Code::kNoSpace, "x").retry, Retry::kAfterUser);
  EXPECT_EQ(make_error(Code::kDenied, "x").retry, Retry::kAfterUser);
  EXPECT_EQ(make_error(Code::kNotFound, "x").retry, Retry::kNever);
  EXPECT_EQ(make_error(Code::kCorrupt, "x").retry, Retry::kNever);
}

TEST(Result, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Code::kBug); ++code)
    names.insert(to_string(static_cast<Code>(code)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Code::kBug) + 1);
  EXPECT_EQ(to_string(Retry::kAfterUser), "after user");
}

TEST(ResultDeathTest, AskingAFailureForItsValueIsABugAndTellsTheError) {
  const std::string message = half_of(1).error().message;
  EXPECT_DEATH((void)half_of(1).value(), "no error: " + message);
  EXPECT_DEATH(Result<void>(half_of(1).error()).value(), "no error: " + message);
  EXPECT_DEATH((void)half_of(2).error(), "CHECK\\(!has_value\\(\\)\\) failed");
}

}  // namespace
}  // namespace wherry
