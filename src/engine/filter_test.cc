// SPDX-License-Identifier: Apache-2.0
#include "engine/filter.h"

#include <gtest/gtest.h>

namespace wherry::engine {
namespace {

using storage::EntryType;

bool matches(std::string_view pattern, std::string_view name) {
  return glob_matches(pattern, name, Backslash::kLiteral);
}

TEST(Glob, WordsMatchThemselvesAndNothingElse) {
  EXPECT_TRUE(matches("run.h5", "run.h5"));
  EXPECT_FALSE(matches("run.h5", "run.h5.bak"));
  EXPECT_FALSE(matches("run.h5", "xrun.h5"));
  EXPECT_FALSE(matches("run.h5", "runxh5"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "a"));
}

TEST(Glob, StarTakesAnyBytesAlsoNone) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("*.tif", ".tif"));
  EXPECT_TRUE(matches("*.tif", "a\xff\nb.tif"));
  EXPECT_TRUE(matches("a*b*c", "aXbXbXc"));
  EXPECT_FALSE(matches("a*b*c", "aXbXbX"));
  EXPECT_FALSE(matches("*.tif", "a.tif.gz"));
}

TEST(Glob, ManyStarsDoNotTakeForever) {
  EXPECT_FALSE(matches("*a*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}

TEST(Glob, QuestionMarkTakesOneByteWhateverItIs) {
  EXPECT_TRUE(matches("img_?.h5", "img_\xfe.h5"));
  EXPECT_FALSE(matches("img_?.h5", "img_.h5"));
  EXPECT_FALSE(matches("img_?.h5", "img_12.h5"));
}

TEST(Glob, BracketsHoldRangesAndMayBeNegated) {
  EXPECT_TRUE(matches("[a-cx]1", "b1"));
  EXPECT_TRUE(matches("[a-cx]1", "x1"));
  EXPECT_FALSE(matches("[a-cx]1", "d1"));
  EXPECT_TRUE(matches("[!a-c]", "d"));
  EXPECT_FALSE(matches("[!a-c]", "a"));
  EXPECT_TRUE(matches("[]]", "]"));
  EXPECT_TRUE(matches("[!]]", "a"));
  EXPECT_TRUE(matches("[a-]", "-"));
  EXPECT_TRUE(matches("[\x80-\xff]", "\xc3"));
}

TEST(Glob, BracketThatIsNeverClosedStandsForItself) {
  EXPECT_TRUE(matches("[abc", "[abc"));
  EXPECT_FALSE(matches("[abc", "a"));
}

TEST(Glob, BackslashEscapesOnlyWhereAsked) {
  EXPECT_TRUE(glob_matches("\\*", "*", Backslash::kEscapes));
  EXPECT_FALSE(glob_matches("\\*", "x", Backslash::kEscapes));
  EXPECT_TRUE(glob_matches("\\*", "\\x", Backslash::kLiteral));
}

TEST(Filter, FirstRuleThatMatchesDecides) {
  const std::vector<FilterRule> rules{{FilterRule::Method::kInclude, "*.tif", {}},
                                      {FilterRule::Method::kExclude, "*", {}}};
  EXPECT_TRUE(is_included(rules, "a.tif", EntryType::kFile));
  EXPECT_FALSE(is_included(rules, "a.txt", EntryType::kFile));
}

TEST(Filter, WhatNoRuleMatchesIsIncluded) {
  const std::vector<FilterRule> rules{{FilterRule::Method::kExclude, "*.tmp", {}}};
  EXPECT_TRUE(is_included(rules, "a", EntryType::kFile));
  EXPECT_TRUE(is_included({}, "a.tmp", EntryType::kFile));
}

TEST(Filter, RulesForFilesLetDirectoriesPassAndTheReverse) {
  const std::vector<FilterRule> files{
      {FilterRule::Method::kExclude, "*", FilterRule::Applies::kFiles}};
  EXPECT_TRUE(is_included(files, "d", EntryType::kDirectory));
  EXPECT_FALSE(is_included(files, "f", EntryType::kFile));
  EXPECT_FALSE(is_included(files, "l", EntryType::kSymlink));
  const std::vector<FilterRule> directories{
      {FilterRule::Method::kExclude, "*", FilterRule::Applies::kDirectories}};
  EXPECT_FALSE(is_included(directories, "d", EntryType::kDirectory));
  EXPECT_TRUE(is_included(directories, "f", EntryType::kFile));
}

}  // namespace
}  // namespace wherry::engine
