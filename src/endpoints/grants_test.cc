// SPDX-License-Identifier: Apache-2.0
#include "endpoints/grants.h"

#include <gtest/gtest.h>

#include "endpoints/test_people.h"

namespace wherry::endpoints {
namespace {

const TimePoint kNow{std::chrono::hours(1000)};

Endpoint owned_by(std::string owner) {
  Endpoint endpoint;
  endpoint.id = "eeeeeeee-0000-4000-8000-00000000000e";
  endpoint.display_name = "lab";
  endpoint.owner = std::move(owner);
  return endpoint;
}

AccessRule rule(std::string principal, std::string_view directory, Access access) {
  AccessRule made;
  made.principal = std::move(principal);
  made.path = path(directory);
  made.access = access;
  return made;
}

Grants of_rules(std::vector<AccessRule> rules, Principal who = {kBen, {}}) {
  return Grants({owned_by(kAda), std::move(who), {}, std::move(rules), kNow, nullptr});
}

Grants of_role(Role::Kind kind) {
  Role role;
  role.principal = kBen;
  role.kind = kind;
  return Grants({owned_by(kAda), {kBen, {}}, {role}, {}, kNow, nullptr});
}

bool allows(const Grants& grants, std::string_view where, Right right) {
  return grants.check(path(where), right).has_value();
}

TEST(Grants, OwnerAndLocalUserMayDoEverythingWithoutARule) {
  for (const char* who : {kAda, "det"}) {
    const Grants grants({owned_by(kAda), {who, {}}, {}, {}, kNow, nullptr});
    EXPECT_TRUE(grants.is_visible()) << who;
    EXPECT_TRUE(grants.is_administrator()) << who;
    EXPECT_TRUE(allows(grants, "", Right::kWrite)) << who;
    EXPECT_EQ(grants.roles(), std::vector{Role::Kind::kAdministrator}) << who;
  }
}

TEST(Grants, AStrangerFindsNoEndpoint) {
  const Grants grants = of_rules({rule(kAda, "a", Access::kReadWrite)});
  EXPECT_FALSE(grants.is_visible());
  EXPECT_EQ(grants.check({}, Right::kRead).error().code, Code::kNotFound);
  EXPECT_EQ(grants.granted_directory(path("a"), Right::kRead), std::nullopt);
}

TEST(Grants, PublicEndpointIsSeenAndYetGrantsNothing) {
  Endpoint endpoint = owned_by(kAda);
  endpoint.is_public = true;
  const Grants grants({endpoint, {kBen, {}}, {}, {}, kNow, nullptr});
  EXPECT_TRUE(grants.is_visible());
  EXPECT_EQ(grants.check({}, Right::kRead).error().code, Code::kDenied);
}

TEST(Grants, RuleIsOfItsDirectoryAndAllBelowAndOfNothingElse) {
  const Grants grants = of_rules({rule(kBen, "a/b", Access::kReadWrite)});
  EXPECT_TRUE(grants.is_visible());
  for (const char* inside : {"a/b", "a/b/c", "a/b/c/d"})
    EXPECT_TRUE(allows(grants, inside, Right::kWrite)) << inside;
  for (const char* outside : {"", "a", "a/bc", "a/c", "ab", "b"})
    EXPECT_EQ(grants.check(path(outside), Right::kRead).error().code, Code::kDenied) << outside;
}

TEST(Grants, RuleOfTheRootGrantsEverything) {
  const Grants grants = of_rules({rule(kBen, "", Access::kRead)});
  EXPECT_TRUE(allows(grants, "", Right::kRead));
  EXPECT_TRUE(allows(grants, "x/y", Right::kRead));
  EXPECT_FALSE(allows(grants, "x/y", Right::kWrite));
}

TEST(Grants, RulesAddUpAndTheHighestThatSufficesIsTold) {
  const Grants grants =
      of_rules({rule(kBen, "", Access::kRead), rule(kBen, "in", Access::kReadWrite),
                rule(kBen, "in/deep", Access::kRead)});
  EXPECT_TRUE(allows(grants, "in/deep/x", Right::kWrite));
  EXPECT_EQ(grants.granted_directory(path("in/deep/x"), Right::kRead), RelPath());
  EXPECT_EQ(grants.granted_directory(path("in/deep/x"), Right::kWrite), path("in"));
}

TEST(Grants, ExpiredRuleGrantsNothingAndDoesNotShowTheEndpoint) {
  AccessRule expired = rule(kBen, "a", Access::kRead);
  expired.expires = kNow;
  EXPECT_FALSE(of_rules({expired}).is_visible());
  expired.expires = kNow + Duration(1);
  EXPECT_TRUE(allows(of_rules({expired}), "a", Right::kRead));
}

TEST(Grants, RuleOfAGroupIsForItsMembers) {
  AccessRule of_group = rule(kGroup, "a", Access::kRead);
  of_group.whom = AccessRule::Whom::kGroup;
  EXPECT_TRUE(allows(of_rules({of_group}, {kBen, {kGroup}}), "a", Right::kRead));
  EXPECT_FALSE(of_rules({of_group}, {kBen, {}}).is_visible());
  // An identity with the id of a group is no member of it.
  EXPECT_FALSE(of_rules({of_group}, {kGroup, {}}).is_visible());
}

TEST(Grants, RuleForAllAuthenticatedIsForEverybody) {
  AccessRule all = rule("", "a", Access::kRead);
  all.whom = AccessRule::Whom::kAllAuthenticated;
  EXPECT_TRUE(allows(of_rules({all}), "a/x", Right::kRead));
}

TEST(Grants, ReadOnlyEndpointStaysSoForItsOwnerToo) {
  Endpoint endpoint = owned_by(kAda);
  endpoint.access = Access::kRead;
  for (const char* who : {kAda, "det"}) {
    const Grants grants({endpoint, {who, {}}, {}, {}, kNow, nullptr});
    EXPECT_TRUE(allows(grants, "a", Right::kRead)) << who;
    EXPECT_EQ(grants.check(path("a"), Right::kWrite).error().code, Code::kDenied) << who;
  }
}

TEST(Grants, RolesSayWhatTheyInclude) {
  EXPECT_TRUE(allows(of_role(Role::Kind::kAdministrator), "x", Right::kWrite));
  EXPECT_TRUE(of_role(Role::Kind::kAdministrator).has_role(Role::Kind::kAccessManager));
  for (const auto kind :
       {Role::Kind::kAccessManager, Role::Kind::kActivityManager, Role::Kind::kActivityMonitor}) {
    const Grants grants = of_role(kind);
    EXPECT_TRUE(grants.is_visible());
    EXPECT_TRUE(grants.has_role(kind));
    EXPECT_FALSE(grants.has_role(Role::Kind::kAdministrator));
    EXPECT_FALSE(allows(grants, "x", Right::kRead)) << to_string(kind);
  }
  EXPECT_TRUE(of_role(Role::Kind::kActivityManager).has_role(Role::Kind::kActivityMonitor));
  EXPECT_FALSE(of_role(Role::Kind::kActivityMonitor).has_role(Role::Kind::kActivityManager));
}

TEST(Grants, BuiltInEndpointIsForLocalUsersOnly) {
  Endpoint local;
  local.id = kLocalId;
  local.is_public = true;
  EXPECT_FALSE(Grants({local, {kBen, {}}, {}, {}, kNow, nullptr}).is_visible());
  EXPECT_TRUE(Grants({local, {"det", {}}, {}, {}, kNow, nullptr}).is_visible());
}

TEST(Grants, GuestCollectionGivesNoMoreThanItsOwnerHasAtTheHost) {
  const auto host = std::make_shared<const Grants>(of_rules(
      {rule(kBen, "data", Access::kRead), rule(kBen, "data/share/in", Access::kReadWrite)}));
  Endpoint guest = owned_by(kBen);
  guest.host_endpoint = host->endpoint().id;
  guest.host_path = path("data/share");
  const Grants grants({guest, {kBen, {}}, {}, {}, kNow, host});
  EXPECT_EQ(grants.granted_directory(path("x"), Right::kRead), RelPath());
  EXPECT_FALSE(allows(grants, "x", Right::kWrite));
  EXPECT_EQ(grants.granted_directory(path("in/x"), Right::kWrite), path("in"));

  AccessRule rest = rule(kBen, "elsewhere", Access::kReadWrite);
  const Grants left({guest, {kBen, {}}, {}, {}, kNow, std::make_shared<Grants>(of_rules({rest}))});
  EXPECT_TRUE(left.is_visible());
  EXPECT_EQ(left.check(path("x"), Right::kRead).error().code, Code::kDenied);
}

TEST(Grants, WordsOfTheContractAreReadBack) {
  for (const auto kind : {Role::Kind::kAdministrator, Role::Kind::kAccessManager,
                          Role::Kind::kActivityManager, Role::Kind::kActivityMonitor})
    EXPECT_EQ(parse_role_kind(to_string(kind)), kind);
  EXPECT_EQ(parse_rule_whom("all_authenticated_users"), AccessRule::Whom::kAllAuthenticated);
  EXPECT_EQ(parse_role_whom("all_authenticated_users"), std::nullopt);
  EXPECT_EQ(parse_role_kind("admin"), std::nullopt);
}

}  // namespace
}  // namespace wherry::endpoints
