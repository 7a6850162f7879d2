// SPDX-License-Identifier: Apache-2.0
#include "flow/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/scratch_directory.h"

namespace wherry::flow {
namespace {

using testing::ElementsAre;

class FlowStore : public testing::Test {
 protected:
  FlowStore() {
    database_ = Database::open({.path = directory_.file("wherry.db")}).value();
    EXPECT_TRUE(database_->migrate(flow_migrations()));
    store_ = std::make_unique<Store>(*database_);
  }

  RunRecord add_run(const std::string& uuid, std::vector<Node>& nodes) {
    RunRecord run;
    run.uuid = uuid;
    run.name = "analyse";
    run.file = "/d/bad\xff.yml";
    run.directory = "/d";
    run.text = "tasks: {}";
    run.parameters = {{"run", std::string("4\\2")}, {"frames", TextList{"a", "b\xff"}}};
    run.service = "local";
    run.created = TimePoint(std::chrono::seconds(5));
    return store_->create(run, nodes).value();
  }

  ScratchDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Store> store_;
};

Node stored_node(const std::string& task) {
  Node node;
  node.task = task;
  return node;
}

TEST_F(FlowStore, KeepsRunsAsTheyAre) {
  std::vector<Node> nodes;
  const RunRecord run = add_run("u1", nodes);
  add_run("u2", nodes);
  const RunRecord read = store_->run(run.id).value();
  EXPECT_EQ(read.file, "/d/bad\xff.yml");
  EXPECT_EQ(read.parameters, run.parameters);
  EXPECT_EQ(read.created, run.created);
  EXPECT_EQ(read.state, RunState::kRunning);
  EXPECT_EQ(store_->latest("analyse").value()->uuid, "u2");
  EXPECT_EQ(store_->latest("other").value(), std::nullopt);
  EXPECT_EQ(store_->runs(1)->front().uuid, "u2");
  EXPECT_EQ(store_->run(99).error().code, Code::kNotFound);
}

TEST_F(FlowStore, KeepsNodesAsTheyAre) {
  std::vector<Node> nodes = {stored_node("stage")};
  const RunRecord run = add_run("u1", nodes);
  Node& node = nodes[0];
  ASSERT_GT(node.id, 0);
  node.state = NodeState::kSucceeded;
  node.attempt = 2;
  node.results = {{"stdout", "a\nb\xff"}};
  node.started = TimePoint(std::chrono::seconds(1));
  Node item = stored_node("stage");
  item.kind = Node::Kind::kItem;
  item.index = 0;
  item.item = "x\xff";
  Node* const changed[] = {&node, &item};
  ASSERT_TRUE(store_->save(run.id, changed));
  const auto read = store_->nodes(run.id).value();
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].results, node.results);
  EXPECT_EQ(read[0].started, node.started);
  EXPECT_EQ(read[0].ended, std::nullopt);
  EXPECT_EQ(read[1].item, "x\xff");
  EXPECT_EQ(read[1].name(), "stage[x\\xff]");
  ASSERT_TRUE(store_->remove_nodes(run.id, std::vector<NodeId>{read[0].id}));
  EXPECT_EQ(store_->nodes(run.id)->size(), 1u);
}

TEST_F(FlowStore, ASubmissionKeepsItsPlacesWhenANodeIsTriedAgain) {
  std::vector<Node> nodes = {stored_node("a"), stored_node("b")};
  const RunRecord run = add_run("u1", nodes);
  for (Node& node : nodes) {
    node.state = NodeState::kRunning;
    node.attempt = 1;
    node.request = "first of " + node.task;
  }
  Node* const both[] = {&nodes[0], &nodes[1]};
  ASSERT_TRUE(store_->save(run.id, both));
  ASSERT_TRUE(store_->record_submission(run.id, "s1", std::vector{nodes[1].id, nodes[0].id}));
  EXPECT_EQ(store_->nodes(run.id)->at(0).submission_id, "s1");
  // The same attempt keeps it, whoever saves; another one has none yet.
  ASSERT_TRUE(store_->save(run.id, both));
  EXPECT_EQ(store_->nodes(run.id)->at(0).submission_id, "s1");
  nodes[0].attempt = 2;
  nodes[0].request = "second of a";
  Node* const again[] = {&nodes[0]};
  ASSERT_TRUE(store_->save(run.id, again));
  EXPECT_EQ(store_->nodes(run.id)->at(0).submission_id, "");
  ASSERT_TRUE(store_->record_submission(run.id, "s2", std::vector{nodes[0].id}));
  const auto submissions = store_->submissions(run.id).value();
  ASSERT_EQ(submissions.size(), 2u);
  EXPECT_EQ(submissions[0].id, "s1");
  ASSERT_EQ(submissions[0].members.size(), 2u);
  EXPECT_EQ(submissions[0].members[0].request, "first of b");
  EXPECT_EQ(submissions[0].members[1].request, "first of a");
  EXPECT_EQ(submissions[0].members[1].attempt, 1);
  EXPECT_EQ(submissions[1].members[0].request, "second of a");
}

TEST_F(FlowStore, OnlyARunThatGoesOnCanBeCancelled) {
  std::vector<Node> nodes;
  const RunRecord run = add_run("u1", nodes);
  EXPECT_FALSE(store_->is_cancel_requested(run.id).value());
  ASSERT_TRUE(store_->request_cancel(run.id));
  EXPECT_TRUE(store_->is_cancel_requested(run.id).value());
  ASSERT_TRUE(store_->finish(run.id, RunState::kCancelled, TimePoint(std::chrono::seconds(9))));
  EXPECT_EQ(store_->request_cancel(run.id).error().code, Code::kConflict);
  EXPECT_EQ(store_->request_cancel(99).error().code, Code::kNotFound);
  ASSERT_TRUE(store_->reopen(run.id, "other"));
  EXPECT_FALSE(store_->is_cancel_requested(run.id).value());
  EXPECT_EQ(store_->run(run.id)->text, "other");
}

TEST_F(FlowStore, ARunIsRemovedWithAllThatIsItsOwn) {
  std::vector<Node> nodes = {stored_node("a")};
  const RunRecord run = add_run("u1", nodes);
  ASSERT_TRUE(store_->record_submission(run.id, "s", std::vector{nodes[0].id}));
  ASSERT_TRUE(store_->remove(run.id));
  EXPECT_TRUE(store_->nodes(run.id)->empty());
  EXPECT_TRUE(store_->submissions(run.id)->empty());
}

}  // namespace
}  // namespace wherry::flow
