// SPDX-License-Identifier: Apache-2.0
#include "server/scopes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::server {
namespace {

constexpr const char* kTransferScope = "urn:globus:auth:scope:transfer.api.globus.org:all";
constexpr const char* kTimers = "524230d7-ea86-4a52-8312-86065a9e0417";

TEST(Scopes, DependentsAndOptionalOnesAreReadAndWrittenBack) {
  const std::string text = "openid a[*b[c d] e] *f";
  const auto scopes = parse_scopes(text).value();
  ASSERT_EQ(scopes.size(), 3U);
  EXPECT_EQ(scopes[1].dependents[0].name, "b");
  EXPECT_TRUE(scopes[1].dependents[0].is_optional);
  EXPECT_TRUE(scopes[2].is_optional);
  EXPECT_EQ(format_scopes(scopes), text);
  EXPECT_EQ(top_level_names(scopes), "openid a f");
}

TEST(Scopes, FlatListHasPairsOfParentAndDependent) {
  EXPECT_THAT(flatten_scopes(parse_scopes("t[a[*b]]").value()),
              testing::ElementsAre("t", "t[a]", "a[b]"));
}

TEST(Scopes, SameNameTwiceIsOneScopeWithBothDependents) {
  EXPECT_EQ(format_scopes(parse_scopes("a[b] x a[c]").value()), "a[b c] x");
}

TEST(Scopes, GrammarErrorsAreRefused) {
  for (const char* bad : {"", "  ", "[", "]", "a]", "a[", "a[]", "a[b", "a[b]c", "**a", "*", "a*b",
                          "a[b]]", "a\tb", "a\nb", "a\"b", "\xc3\xa9", "a[ ]"})
    EXPECT_EQ(parse_scopes(bad).error().code, Code::kInvalid) << bad;
}

TEST(Scopes, DeepNestingAndLengthAreBounded) {
  std::string deep;
  for (int level = 0; level < 8000; ++level) deep += "a[";
  EXPECT_FALSE(parse_scopes(deep));
  EXPECT_FALSE(parse_scopes("a[a[a[a[a[a[a[a[a]]]]]]]]"));
  EXPECT_TRUE(parse_scopes("a[a[a[a[a[a[a[a]]]]]]]"));
  EXPECT_FALSE(parse_scopes(std::string(20'000, 'a')));
}

TEST(Scopes, EachScopeHasTheResourceServerThatClientsExpect) {
  EXPECT_EQ(resource_server_of("openid").value(), "auth.globus.org");
  EXPECT_EQ(resource_server_of("urn:globus:auth:scope:auth.globus.org:view_identity_set").value(),
            "auth.globus.org");
  EXPECT_EQ(resource_server_of(kTransferScope).value(), "transfer.api.globus.org");
  EXPECT_EQ(resource_server_of(std::string("https://auth.globus.org/scopes/") + kTimers + "/timer")
                .value(),
            kTimers);
  EXPECT_EQ(
      resource_server_of("https://auth.globus.org/scopes/eec9b274-0c81-4334-bdc2-54e90e689b9a/all")
          .value(),
      "flows.globus.org");
  EXPECT_EQ(resource_server_of(kJobScope).value(), "jobs.wherry");
}

TEST(Scopes, ScopeOfNoServiceIsRefused) {
  for (const char* bad : {"everything", "urn:globus:auth:scope:", "urn:globus:auth:scope:x:all",
                          "urn:globus:auth:scope:transfer.api.globus.org:",
                          "https://auth.globus.org/scopes/transfer.api.globus.org/all",
                          "https://evil.example/scopes/524230d7-ea86-4a52-8312-86065a9e0417/timer"})
    EXPECT_EQ(resource_server_of(bad).error().code, Code::kInvalid) << bad;
}

}  // namespace
}  // namespace wherry::server
