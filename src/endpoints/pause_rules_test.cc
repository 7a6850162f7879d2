// SPDX-License-Identifier: Apache-2.0
#include "endpoints/pause_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "endpoints/endpoint_fixture.h"

namespace wherry::endpoints {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

PauseRule rule_of(const EndpointId& endpoint, std::initializer_list<Pausable> held) {
  PauseRule rule{.id = {}, .endpoint = endpoint, .message = "the disk is replaced"};
  for (const Pausable what : held) rule.holds.set(static_cast<std::size_t>(what));
  return rule;
}

Endpoint endpoint_of(const EndpointId& id, const EndpointId& host = "") {
  Endpoint endpoint;
  endpoint.id = id;
  endpoint.host_endpoint = host;
  return endpoint;
}

TEST(PauseRule, HoldsBackWhatItNamesOnItsEndpointOnly) {
  const PauseRule rules[] = {rule_of("lab", {Pausable::kList, Pausable::kWrite})};
  EXPECT_THAT(holding(rules, {endpoint_of("lab"), "ada", Pausable::kList}), SizeIs(1));
  EXPECT_THAT(holding(rules, {endpoint_of("lab"), "ada", Pausable::kRead}), SizeIs(0));
  EXPECT_THAT(holding(rules, {endpoint_of("home"), "ada", Pausable::kList}), SizeIs(0));
}

TEST(PauseRule, OfAHostHoldsBackWhatIsOnItsGuestCollections) {
  const PauseRule rules[] = {rule_of("lab", {Pausable::kRead})};
  EXPECT_THAT(holding(rules, {endpoint_of("share", "lab"), "ada", Pausable::kRead}), SizeIs(1));
}

TEST(PauseRule, ForOneIdentityLeavesOthersAlone) {
  PauseRule rule = rule_of("lab", {Pausable::kRead});
  rule.identity = "bob";
  EXPECT_THAT(holding({&rule, 1}, {endpoint_of("lab"), "bob", Pausable::kRead}), SizeIs(1));
  EXPECT_THAT(holding({&rule, 1}, {endpoint_of("lab"), "ada", Pausable::kRead}), SizeIs(0));
}

class PauseRulesTest : public EndpointFixture {
 protected:
  PauseRules rules_{{*database_, clock_, random_}};
};

TEST_F(PauseRulesTest, ChecksUntilTheRuleIsRemoved) {
  const PauseRule rule = rules_.create(rule_of("lab", {Pausable::kRename})).value();
  EXPECT_EQ(rules_.get(rule.id).value(), rule);
  const auto refused = rules_.check({endpoint_of("lab"), "ada", Pausable::kRename});
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("the disk is replaced"));
  ASSERT_TRUE(rules_.remove(rule.id));
  EXPECT_TRUE(rules_.check({endpoint_of("lab"), "ada", Pausable::kRename}));
  EXPECT_EQ(rules_.remove(rule.id).error().code, Code::kNotFound);
}

TEST_F(PauseRulesTest, ARuleGoesWithItsEndpoint) {
  NewEndpoint request;
  request.display_name = "lab";
  request.location = "/tmp";
  const Endpoint lab = endpoints_->create(request).value();
  const PauseRule rule = rules_.create(rule_of(lab.id, {Pausable::kRead})).value();
  ASSERT_TRUE(endpoints_->remove(lab.id));
  EXPECT_EQ(rules_.get(rule.id).error().code, Code::kNotFound);
}

TEST_F(PauseRulesTest, ARuleWithAStartWaitsForIt) {
  PauseRule rule = rule_of("lab", {Pausable::kList});
  rule.start = clock_.now() + std::chrono::hours(1);
  ASSERT_TRUE(rules_.create(rule));
  EXPECT_TRUE(rules_.check({endpoint_of("lab"), "ada", Pausable::kList}));
  clock_.advance(std::chrono::hours(1));
  EXPECT_FALSE(rules_.check({endpoint_of("lab"), "ada", Pausable::kList}));
}

TEST_F(PauseRulesTest, AChangeTouchesOnlyWhatItNames) {
  const PauseRule rule = rules_.create(rule_of("lab", {Pausable::kList, Pausable::kRead})).value();
  PauseRuleChange change;
  change.known.set(static_cast<std::size_t>(Pausable::kList));
  change.modified_by = "bob";
  const PauseRule changed = rules_.update(rule.id, change).value();
  EXPECT_FALSE(changed.holds_back(Pausable::kList));
  EXPECT_TRUE(changed.holds_back(Pausable::kRead));
  EXPECT_EQ(changed.message, rule.message);
  EXPECT_EQ(changed.modified_by, "bob");
  EXPECT_EQ(rules_.get(rule.id).value(), changed);
}

TEST_F(PauseRulesTest, RulesAreListedByEndpoint) {
  const PauseRule first = rules_.create(rule_of("lab", {})).value();
  ASSERT_TRUE(rules_.create(rule_of("other", {})));
  const PauseRule second = rules_.create(rule_of("home", {})).value();
  const EndpointId ids[] = {"home", "lab"};
  EXPECT_EQ(rules_.of(ids).value(), (std::vector{second, first}));
}

TEST_F(PauseRulesTest, MessagesThatCannotBeShownAreRefused) {
  PauseRule rule = rule_of("lab", {});
  rule.message = "a\nb";
  EXPECT_EQ(rules_.create(rule).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::endpoints
