// SPDX-License-Identifier: Apache-2.0
#include "cli/flow_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace wherry::cli {
namespace {

using namespace std::chrono_literals;
using flow::Node;
using flow::NodeState;
using flow::NodeView;
using testing::ElementsAre;

const TimePoint kNow{1h};

NodeView view_of_node(const std::string& task, NodeState state,
                      Node::Kind kind = Node::Kind::kSingle, const std::string& item = "") {
  NodeView view;
  view.node.task = task;
  view.node.state = state;
  view.node.kind = kind;
  view.node.item = item;
  return view;
}

TEST(FlowTree, ShowsEachTaskWithItsItemsBelowIt) {
  std::vector<NodeView> views = {
      view_of_node("stage", NodeState::kRunning, Node::Kind::kGroup),
      view_of_node("clean", NodeState::kBlocked),
      view_of_node("stage", NodeState::kSucceeded, Node::Kind::kItem, "a"),
      view_of_node("stage", NodeState::kRunning, Node::Kind::kItem, "b"),
  };
  views[1].node.reason = "needs 'stage', which failed";
  views[2].node.started = kNow - 90s;
  views[2].node.ended = kNow - 30s;
  views[2].node.results = {{"files", "1"}, {"bytes", "2048"}};
  views[3].node.started = kNow - 5s;
  views[3].files_found = 4;
  views[3].files = 1;
  EXPECT_THAT(flow_tree(views, {}, kNow),
              ElementsAre("stage  running              1 running, 1 succeeded",
                          "  a    succeeded  1m 0s     1 file, 2 KiB",
                          "  b    running    5 s       1 of 4 files, 0 B of 0 B",
                          "clean  blocked              needs 'stage', which failed"));
}

TEST(FlowTree, WhatGoesOnAndWhatFailedIsShownWhereThereIsNoRoomForAll) {
  std::vector<NodeView> views = {view_of_node("a", NodeState::kRunning, Node::Kind::kGroup)};
  for (int i = 0; i < 100; ++i)
    views.push_back(view_of_node("a",
                                 i == 50   ? NodeState::kFailed
                                 : i == 70 ? NodeState::kRunning
                                           : NodeState::kWaiting,
                                 Node::Kind::kItem, std::to_string(i)));
  const auto lines = flow_tree(views, {20, 4}, kNow);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].starts_with("a "));
  EXPECT_TRUE(lines[1].starts_with("  50"));
  EXPECT_TRUE(lines[2].starts_with("  70"));
  EXPECT_EQ(lines[3], "and 98 more");
  for (const std::string& line : lines) EXPECT_LE(line.size(), 20u);
}

TEST(FlowRuns, ItemsAreCountedInPlaceOfTheirTask) {
  const std::vector<Node> nodes = {
      view_of_node("stage", NodeState::kFailed, Node::Kind::kGroup).node,
      view_of_node("stage", NodeState::kFailed, Node::Kind::kItem, "a").node,
      view_of_node("stage", NodeState::kSucceeded, Node::Kind::kItem, "b").node,
      view_of_node("later", NodeState::kBlocked, Node::Kind::kGroup).node,
  };
  const Record record = flow_run_record({}, false, nodes);
  const auto tasks = std::find_if(record.fields.begin(), record.fields.end(),
                                  [](const Field& field) { return field.key == "tasks"; });
  EXPECT_THAT(std::get<Tally>(tasks->value).counts,
              ElementsAre(testing::Pair("succeeded", 1u), testing::Pair("failed", 1u),
                          testing::Pair("blocked", 1u)));
}

TEST(FlowRuns, OneThatNobodyRunsIsInterrupted) {
  flow::RunRecord run;
  EXPECT_EQ(run_state_text(run, true), "RUNNING");
  EXPECT_EQ(run_state_text(run, false), "INTERRUPTED");
  run.state = flow::RunState::kFailed;
  EXPECT_EQ(run_state_text(run, false), "FAILED");
}

TEST(FlowRuns, WhatAnInterruptedRunLeftSaysSoAndTakesNoMoreTime) {
  Node node = view_of_node("stage", NodeState::kRunning).node;
  node.started = kNow - 5s;
  const auto columns = flow_node_columns();
  const auto shown = [&](bool is_held, std::string_view key) {
    const auto at = std::find_if(columns.begin(), columns.end(),
                                 [&](const Column& column) { return column.key == key; });
    return flow_node_row({}, is_held, node, kNow)[static_cast<std::size_t>(at - columns.begin())];
  };
  EXPECT_TRUE(std::holds_alternative<Span>(shown(true, "seconds")));
  EXPECT_FALSE(std::holds_alternative<Span>(shown(false, "seconds")));
  EXPECT_EQ(std::get<std::string>(shown(true, "note")), "");
  EXPECT_EQ(std::get<std::string>(shown(false, "note")), "interrupted; --resume takes it up");
}

TEST(FlowRuns, TheWayOnNamesTheServiceThatTheTasksAreAt) {
  flow::RunRecord run;
  run.service = "local";
  EXPECT_EQ(resume_command(run, "a.yml"), "wherry flow run a.yml --resume");
  run.service = "https://data.example.org";
  EXPECT_EQ(resume_command(run, "a.yml"),
            "wherry flow run a.yml --resume --service https://data.example.org");
}

TEST(FlowTree, WhyATaskWaitsIsShownInPlaceOfItsProgress) {
  NodeView view = view_of_node("stage", NodeState::kRunning);
  view.files_found = 4;
  view.node.reason = "waits: nobody answers";
  EXPECT_THAT(flow_tree(std::vector{view}, {}, kNow),
              ElementsAre("stage  running              waits: nobody answers"));
}

}  // namespace
}  // namespace wherry::cli
