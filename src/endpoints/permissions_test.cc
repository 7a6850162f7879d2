// SPDX-License-Identifier: Apache-2.0
#include "endpoints/permissions.h"

#include <gtest/gtest.h>

#include "endpoints/endpoint_fixture.h"
#include "endpoints/test_people.h"

namespace wherry::endpoints {
namespace {

class PermissionsTest : public EndpointFixture {
 protected:
  void SetUp() override { lab_ = create("lab"); }

  Endpoint create(std::string name, bool is_public = false) {
    NewEndpoint request;
    request.display_name = std::move(name);
    request.location = "/tmp";
    request.owner = kAda;
    request.is_public = is_public;
    return endpoints_->create(request).value();
  }

  AccessRule rule(std::string_view path, Access access = Access::kRead) {
    AccessRule rule;
    rule.endpoint = lab_.id;
    rule.principal = kBen;
    rule.path = RelPath::parse(path).value();
    rule.access = access;
    return rule;
  }

  Role role(Role::Kind kind) { return {{}, lab_.id, Role::Whom::kIdentity, kBen, kind}; }

  Code code_of(std::string_view path, Right right) {
    const auto checked = permissions_->check(ben_, lab_, RelPath::parse(path).value(), right);
    EXPECT_FALSE(checked);
    return checked ? Code::kBug : checked.error().code;
  }

  Endpoint lab_;
  const Principal ben_{kBen, {}};
};

TEST_F(PermissionsTest, RuleGrantsUntilItIsRemoved) {
  EXPECT_EQ(code_of("a/x", Right::kRead), Code::kNotFound);
  const AccessRule made = permissions_->create_rule(rule("a")).value();
  EXPECT_TRUE(permissions_->check(ben_, lab_, RelPath::parse("a/x").value(), Right::kRead));
  EXPECT_EQ(code_of("a/x", Right::kWrite), Code::kDenied);
  EXPECT_EQ(code_of("ab", Right::kRead), Code::kDenied);
  ASSERT_TRUE(permissions_->remove_rule(lab_.id, made.id));
  EXPECT_EQ(code_of("a/x", Right::kRead), Code::kNotFound);
}

TEST_F(PermissionsTest, RuleIsStoredAsItWasGivenWithBytesAndExpiry) {
  AccessRule wanted = rule("");
  wanted.path = RelPath::parse("caf\xe9/line\nbreak").value();
  wanted.expires = clock_.now() + std::chrono::hours(1);
  const AccessRule made = permissions_->create_rule(wanted).value();
  EXPECT_EQ(made.created, clock_.now());
  EXPECT_EQ(made.path, wanted.path);
  EXPECT_EQ(permissions_->rule(lab_.id, made.id).value(), made);
  EXPECT_EQ(permissions_->rules(lab_.id).value(), std::vector{made});
}

TEST_F(PermissionsTest, RuleEndsWhenItExpires) {
  AccessRule short_lived = rule("a");
  short_lived.expires = clock_.now() + std::chrono::minutes(5);
  ASSERT_TRUE(permissions_->create_rule(short_lived));
  EXPECT_TRUE(permissions_->is_visible(ben_, lab_).value());
  clock_.advance(std::chrono::minutes(5));
  EXPECT_FALSE(permissions_->is_visible(ben_, lab_).value());
  EXPECT_TRUE(permissions_->visible(ben_, {lab_}).value().empty());
  EXPECT_EQ(permissions_->create_rule(short_lived).error().code, Code::kInvalid);
}

TEST_F(PermissionsTest, RuleIsChangedInWhatIsGiven) {
  AccessRule wanted = rule("a");
  wanted.expires = clock_.now() + std::chrono::hours(1);
  const AccessRule made = permissions_->create_rule(wanted).value();
  const AccessRule wider =
      permissions_->update_rule(lab_.id, made.id, {Access::kReadWrite, std::nullopt}).value();
  EXPECT_EQ(wider.access, Access::kReadWrite);
  EXPECT_EQ(wider.expires, made.expires);
  AccessRuleChange forever;
  forever.expires.emplace();
  EXPECT_EQ(permissions_->update_rule(lab_.id, made.id, forever).value().expires, std::nullopt);
  EXPECT_TRUE(permissions_->check(ben_, lab_, RelPath::parse("a").value(), Right::kWrite));
}

TEST_F(PermissionsTest, SecondRuleForTheSameDirectoryAndPrincipalIsRefused) {
  ASSERT_TRUE(permissions_->create_rule(rule("a")));
  EXPECT_EQ(permissions_->create_rule(rule("a", Access::kReadWrite)).error().code,
            Code::kAlreadyExists);
  EXPECT_TRUE(permissions_->create_rule(rule("b")));
}

TEST_F(PermissionsTest, RuleOfAnotherEndpointDoesNotExistHere) {
  const AccessRule made = permissions_->create_rule(rule("a")).value();
  const Endpoint other = create("other");
  EXPECT_EQ(permissions_->rule(other.id, made.id).error().code, Code::kNotFound);
  EXPECT_EQ(permissions_->remove_rule(other.id, made.id).error().code, Code::kNotFound);
  EXPECT_EQ(permissions_->update_rule(other.id, made.id, {}).error().code, Code::kNotFound);
  EXPECT_TRUE(permissions_->rules(other.id).value().empty());
  EXPECT_TRUE(permissions_->rule(lab_.id, made.id));
}

TEST_F(PermissionsTest, BadPrincipalsAndEndpointsAreRefused) {
  AccessRule bad = rule("a");
  bad.principal = "ben@example.org";
  EXPECT_EQ(permissions_->create_rule(bad).error().code, Code::kInvalid);
  bad = rule("a");
  bad.whom = AccessRule::Whom::kAllAuthenticated;
  EXPECT_EQ(permissions_->create_rule(bad).error().code, Code::kInvalid);
  bad = rule("a");
  bad.endpoint = kLocalId;
  EXPECT_EQ(permissions_->create_rule(bad).error().code, Code::kDenied);
  bad.endpoint = "12345678-0000-4000-8000-000000000000";
  EXPECT_EQ(permissions_->create_rule(bad).error().code, Code::kNotFound);
  Role nobody = role(Role::Kind::kAdministrator);
  nobody.principal = "";
  EXPECT_EQ(permissions_->create_role(nobody).error().code, Code::kInvalid);
}

TEST_F(PermissionsTest, PrincipalsAreComparedInLowerCase) {
  AccessRule shouting = rule("a");
  shouting.principal = "BBBBBBBB-0000-4000-8000-000000000002";
  ASSERT_TRUE(permissions_->create_rule(shouting));
  EXPECT_TRUE(permissions_->is_visible(ben_, lab_).value());
}

TEST_F(PermissionsTest, AdministratorMayEverythingUntilTheRoleEnds) {
  const Role made = permissions_->create_role(role(Role::Kind::kAdministrator)).value();
  EXPECT_EQ(permissions_->roles(lab_.id).value(), std::vector{made});
  EXPECT_EQ(permissions_->create_role(role(Role::Kind::kAdministrator)).error().code,
            Code::kAlreadyExists);
  EXPECT_TRUE(permissions_->check(ben_, lab_, {}, Right::kWrite));
  EXPECT_EQ(permissions_->effective_roles(ben_, lab_).value(),
            std::vector{Role::Kind::kAdministrator});
  ASSERT_TRUE(permissions_->remove_role(lab_.id, made.id));
  EXPECT_EQ(permissions_->role(lab_.id, made.id).error().code, Code::kNotFound);
  EXPECT_EQ(code_of("", Right::kRead), Code::kNotFound);
}

TEST_F(PermissionsTest, ListsHoldWhatExistsForSomebody) {
  const Endpoint open_one = create("open", true);
  const Endpoint by_role = create("by role");
  const Endpoint by_group = create("by group");
  const Endpoint hidden = create("hidden");
  ASSERT_TRUE(permissions_->create_rule(rule("a")));
  ASSERT_TRUE(permissions_->create_role(
      {{}, by_role.id, Role::Whom::kIdentity, kBen, Role::Kind::kActivityMonitor}));
  AccessRule of_group = rule("a");
  of_group.endpoint = by_group.id;
  of_group.whom = AccessRule::Whom::kGroup;
  of_group.principal = kGroup;
  ASSERT_TRUE(permissions_->create_rule(of_group));

  const auto all = endpoints_->search("", 100, 0).value();
  const auto names = [&](const Principal& who) {
    std::vector<std::string> found;
    const auto seen = permissions_->visible(who, all).value();
    for (const Endpoint& endpoint : seen) {
      found.push_back(endpoint.display_name);
      EXPECT_TRUE(permissions_->is_visible(who, endpoint).value()) << endpoint.display_name;
    }
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(ben_), (Names{"by role", "lab", "open"}));
  EXPECT_EQ(names({kBen, {kGroup}}), (Names{"by group", "by role", "lab", "open"}));
  EXPECT_EQ(names({kAda, {}}), (Names{"by group", "by role", "hidden", "lab", "open"}));
  EXPECT_EQ(names({"det", {}}).size(), all.size());

  const auto relations = permissions_->relations(ben_).value();
  EXPECT_EQ(relations.shared, std::vector{lab_.id});
  EXPECT_EQ(relations.roles.at(by_role.id), std::vector{Role::Kind::kActivityMonitor});
}

TEST_F(PermissionsTest, RulesAndRolesEndWithTheirEndpoint) {
  const AccessRule made = permissions_->create_rule(rule("a")).value();
  ASSERT_TRUE(permissions_->create_role(role(Role::Kind::kAccessManager)));
  ASSERT_TRUE(endpoints_->remove(lab_.id));
  EXPECT_EQ(permissions_->rule(lab_.id, made.id).error().code, Code::kNotFound);
  EXPECT_TRUE(permissions_->roles(lab_.id).value().empty());
  EXPECT_TRUE(permissions_->relations(ben_).value().shared.empty());
}

}  // namespace
}  // namespace wherry::endpoints
