// SPDX-License-Identifier: Apache-2.0
#include "flow/node_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::flow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Kind = NodeTable::Verdict::Kind;

class NodeTableTest : public testing::Test {
 protected:
  // With the items of `first`, and all that is due then answered.
  void begin(const std::string& yaml, const TextList& items, std::size_t first = 0) {
    flow_ = parse_flow(yaml, "test").value();
    graph_ = make_graph(flow_).value();
    table_ = std::make_unique<NodeTable>(flow_, graph_);
    table_->add_missing();
    if (!items.empty()) table_->expand(first, items);
    due();
  }
  // Their names, in the order in which they are answered.
  std::vector<std::string> due() {
    std::vector<std::string> names;
    while (const auto at = table_->take_due()) names.push_back(table_->node(*at).name());
    return names;
  }
  void set(std::size_t task, std::size_t item, NodeState state) {
    table_->set_state(table_->items(task)[item], state);
  }

  Flow flow_;
  Graph graph_;
  std::unique_ptr<NodeTable> table_;
};

TEST_F(NodeTableTest, OfManyItemsOnlyWhatFollowsAnEndedOneIsDue) {
  begin(
      "tasks: {a: {foreach: [x], command: 'true'}, b: {needs: a.each, command: 'true'},"
      " c: {needs: b, command: 'true'}}",
      {"x", "y", "z"});
  set(0, 1, NodeState::kRunning);
  set(0, 1, NodeState::kSucceeded);
  EXPECT_THAT(due(), ElementsAre("a", "b[y]"));
  EXPECT_EQ(table_->verdict(1, 1).kind, Kind::kGo);
  EXPECT_EQ(table_->verdict(1, 0).kind, Kind::kWait);
  EXPECT_EQ(table_->state_of_items(0), NodeState::kRunning);
}

TEST_F(NodeTableTest, ThoseWhoNeedAllItemsAreDueWhenTheLastHasEnded) {
  begin(
      "tasks: {a: {foreach: [x], command: 'true'},"
      " b: {needs: a, foreach: [x], command: 'true'}, c: {needs: a, command: 'true'}}",
      {"x", "y"});
  table_->expand(1, {"x", "y"});
  due();
  set(0, 0, NodeState::kSucceeded);
  EXPECT_THAT(due(), ElementsAre("a", "c"));
  EXPECT_EQ(table_->verdict(1, 0).kind, Kind::kWait);
  set(0, 1, NodeState::kSucceeded);
  EXPECT_THAT(due(), ElementsAre("a", "b[x]", "b[y]", "c"));
  EXPECT_EQ(table_->verdict(1, 0).kind, Kind::kGo);
  EXPECT_EQ(table_->verdict(2, {}).kind, Kind::kGo);
}

TEST_F(NodeTableTest, TheFirstFailureIsToldAtOnceToThoseWhoNeedAllItems) {
  begin(
      "tasks: {a: {foreach: [x], command: 'true'},"
      " b: {needs: a, foreach: [x], command: 'true'}}",
      {"x", "y", "z"});
  table_->expand(1, {"x"});
  due();
  set(0, 1, NodeState::kFailed);
  EXPECT_THAT(due(), ElementsAre("a", "b[x]"));
  EXPECT_EQ(table_->verdict(1, 0).kind, Kind::kBlock);
  EXPECT_EQ(table_->verdict(1, 0).reason, "needs 'a[y]', which failed");
  set(0, 2, NodeState::kFailed);
  EXPECT_THAT(due(), ElementsAre("a"));
  set(0, 0, NodeState::kBlocked);
  EXPECT_EQ(table_->verdict(1, 0).reason, "needs 'a[x]', which is blocked");
  EXPECT_EQ(table_->state_of_items(0), NodeState::kFailed);
}

TEST_F(NodeTableTest, WholeTasksAreDueInTheOrderOfTheirNeeds) {
  begin("tasks: {c: {needs: b, command: x}, b: {needs: a, command: x}, a: {command: x}}", {});
  EXPECT_THAT(due(), IsEmpty());
  table_->make_due(table_->whole(0));
  table_->set_state(table_->whole(2), NodeState::kSucceeded);
  EXPECT_THAT(due(), ElementsAre("b", "c"));
  EXPECT_FALSE(table_->all_settled());
  table_->set_state(table_->whole(1), NodeState::kSkipped);
  table_->set_state(table_->whole(0), NodeState::kSkipped);
  EXPECT_TRUE(table_->all_settled());
}

}  // namespace
}  // namespace wherry::flow
