// SPDX-License-Identifier: Apache-2.0
#include "flow/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace wherry::flow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string flow_of(const std::vector<std::string>& tasks) {
  std::string yaml = "tasks:\n";
  for (const std::string& task : tasks) yaml += "  " + task + "\n";
  return yaml;
}

std::string wrong(const std::vector<std::string>& tasks) {
  const auto flow = parse_flow(flow_of(tasks), "test");
  return flow ? "nothing" : flow.error().message;
}

TEST(FlowGraph, NeedsStandBeforeWhatNeedsThem) {
  const Flow flow =
      parse_flow(flow_of({"d: {command: x, needs: [b, c]}", "b: {command: x, needs: a}",
                          "c: {command: x, needs: a}", "a: {command: x}", "e: {command: x}"}),
                 "test")
          .value();
  const Graph graph = make_graph(flow).value();
  EXPECT_THAT(graph.order, ElementsAre(3, 1, 2, 0, 4));
  EXPECT_THAT(graph.rank, ElementsAre(2, 1, 1, 0, 0));
  EXPECT_TRUE(graph.before[0][3]);
  EXPECT_FALSE(graph.before[3][0]);
  EXPECT_FALSE(graph.before[1][2]);
}

TEST(FlowGraph, TasksOfACircleAreNamed) {
  EXPECT_THAT(wrong({"a: {command: x, needs: c}", "b: {command: x, needs: a}",
                     "c: {command: x, needs: b}"}),
              HasSubstr("wait for each other: a needs c needs b needs a"));
  EXPECT_THAT(wrong({"a: {command: x, needs: a}"}), HasSubstr("a needs a"));
  // What is mentioned is needed.
  EXPECT_THAT(wrong({"a: {command: 'echo {{ tasks.b.stdout }}'}", "b: {command: x, needs: a}"}),
              HasSubstr("wait for each other"));
}

TEST(FlowGraph, ALongChainNeedsNoStack) {
  std::vector<std::string> tasks;
  for (int i = 0; i < 1000; ++i)
    tasks.push_back(i == 999 ? fmt::format("t{}: {{command: x}}", i)
                             : fmt::format("t{}: {{command: x, needs: t{}}}", i, i + 1));
  const Flow flow = parse_flow(flow_of(tasks), "test").value();
  EXPECT_EQ(make_graph(flow)->rank[0], 999u);
}

TEST(FlowGraph, ItemsAreFollowedThroughChains) {
  const Flow flow =
      parse_flow(
          flow_of({"a: {command: x, foreach: [1, 2]}", "b: {command: x, needs: a.each}",
                   "c: {command: 'echo {{ item }}', needs: b.each}", "d: {command: x, needs: c}"}),
          "test")
          .value();
  const Graph graph = make_graph(flow).value();
  EXPECT_EQ(graph.items_of[2], 0u);
  EXPECT_EQ(graph.items_of[3], std::nullopt);
  EXPECT_TRUE(graph.needs[2][0].each);
}

TEST(FlowGraph, ItemsThatCannotBeFollowedAreRefused) {
  EXPECT_THAT(wrong({"a: {command: x}", "b: {command: x, needs: a.each}"}),
              HasSubstr("'a' has no foreach"));
  EXPECT_THAT(
      wrong({"a: {command: x, foreach: [1]}", "b: {command: x, needs: a.each, foreach: [2]}"}),
      HasSubstr("a foreach of its own"));
  EXPECT_THAT(wrong({"a: {command: x, foreach: [1]}", "b: {command: x, foreach: [1]}",
                     "c: {command: x, needs: [a.each, b.each]}"}),
              HasSubstr("cannot follow the items of 'a' and of 'b'"));
}

TEST(FlowGraph, ThePicturesShowEveryTaskAndNeed) {
  const Flow flow =
      parse_flow(flow_of({"in: {transfer: {source: 'l:/<a>&', target: /b}}",
                          "say: {command: 'echo \"x\"', needs: in, foreach: [1]}",
                          "out: {delete: /b, needs: say}", "more: {command: x, needs: say.each}"}),
                 "test")
          .value();
  const Graph graph = make_graph(flow).value();
  EXPECT_EQ(
      to_dot(flow, graph),
      "digraph \"test\" {\n  rankdir=LR;\n"
      "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n"
      "  \"in\" [label=\"in\", fillcolor=\"#dbeafe\", color=\"#1d4ed8\"];\n"
      "  \"say\" [label=\"say [item]\", fillcolor=\"#dcfce7\", color=\"#15803d\"];\n"
      "  \"out\" [label=\"out\", fillcolor=\"#fee2e2\", color=\"#b91c1c\"];\n"
      "  \"more\" [label=\"more [item]\", fillcolor=\"#dcfce7\", color=\"#15803d\"];\n"
      "  \"in\" -> \"say\";\n  \"say\" -> \"out\";\n  \"say\" -> \"more\" [style=dashed];\n}\n");
  const std::string svg = to_svg(flow, graph);
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
  EXPECT_EQ(std::count(svg.begin(), svg.end(), '<'), std::count(svg.begin(), svg.end(), '>'));
  EXPECT_THAT(svg, HasSubstr("echo &quot;x&quot;"));
  EXPECT_THAT(svg, HasSubstr(">to /b<"));
  EXPECT_EQ(svg.find("<a>"), std::string::npos);
}

}  // namespace
}  // namespace wherry::flow
