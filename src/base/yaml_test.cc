// SPDX-License-Identifier: Apache-2.0
#include "base/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = YamlNode::Kind;

YamlNode parsed(std::string_view text) {
  auto node = parse_yaml(text);
  EXPECT_TRUE(node) << (node ? "" : node.error().message);
  return std::move(node).value_or(YamlNode{});
}

std::string complaint(std::string_view text) {
  const auto node = parse_yaml(text);
  if (node) return "was read";
  EXPECT_EQ(node.error().code, Code::kInvalid);
  return node.error().message;
}

TEST(Yaml, TheTreeKeepsOrderNamesAndLines) {
  const YamlNode top = parsed("b: 1\na:\n  - x\n  - y: {z: 2}\nc:\n");
  ASSERT_EQ(top.kind, Kind::kMap);
  ASSERT_EQ(top.children.size(), 3U);
  EXPECT_EQ(top.children[0].key, "b");
  EXPECT_EQ(top.children[0].text, "1");
  const YamlNode& list = top.children[1];
  EXPECT_EQ(list.kind, Kind::kList);
  EXPECT_EQ(list.line, 2);
  ASSERT_EQ(list.children.size(), 2U);
  EXPECT_EQ(list.children[0].text, "x");
  EXPECT_EQ(list.children[0].line, 3);
  EXPECT_EQ(list.children[0].key, "a") << "an element is named after its list";
  const YamlNode* inner = list.children[1].find("y");
  ASSERT_NE(inner, nullptr);
  EXPECT_EQ(inner->find("z")->text, "2");
  EXPECT_EQ(inner->find("x"), nullptr);
  EXPECT_EQ(top.find("c")->kind, Kind::kNull);
  EXPECT_EQ(top.find("c")->line, 5);
}

TEST(Yaml, AScalarIsTextUntilSomebodyAsks) {
  const YamlNode top = parsed("a: no\nb: 007\nc: '~'\nd: ~\ne: |\n  two\n  lines\n");
  EXPECT_EQ(top.find("a")->as_text().value(), "no");
  EXPECT_EQ(top.find("a")->as_switch().value(), false);
  EXPECT_EQ(top.find("b")->as_text().value(), "007");
  EXPECT_EQ(top.find("b")->as_integer(0, 10).value(), 7);
  EXPECT_EQ(top.find("c")->as_text().value(), "~");
  EXPECT_EQ(top.find("d")->kind, Kind::kNull);
  EXPECT_EQ(top.find("d")->as_text().value(), "");
  EXPECT_EQ(top.find("e")->as_text().value(), "two\nlines\n");
}

TEST(Yaml, EmptyTextsAreNull) {
  for (const std::string_view text : {"", "\n\n", "# nothing but a comment\n", "---\n", "~"})
    EXPECT_EQ(parsed(text).kind, Kind::kNull) << text;
}

TEST(Yaml, WhatMakesReadersRunForEverIsRefused) {
  EXPECT_THAT(complaint("a: &x 1\n"), HasSubstr("line 1: there are no anchors"));
  EXPECT_THAT(complaint("a: 1\nb: &x [*x]\n"), HasSubstr("line 2: there are no anchors"));
  EXPECT_THAT(complaint("a: *x\n"), testing::StartsWith("line 1: "));
  EXPECT_THAT(complaint("a: 1\n---\nb: 2\n"), HasSubstr("second document"));
  EXPECT_THAT(complaint("a\n--- \n,x\n"), HasSubstr("second document"));
  EXPECT_EQ(complaint(std::string(16, '[') + std::string(16, ']')), "was read");
  EXPECT_THAT(complaint(std::string(17, '[') + std::string(17, ']')), HasSubstr("too deeply"));
  EXPECT_THAT(complaint(std::string(100'000, '[')), testing::StartsWith("line 1: "));
  std::string many = "[";
  for (int i = 0; i < 100'000; ++i) many += "a,";
  EXPECT_THAT(complaint(many + "]"), HasSubstr("too many values"));
}

TEST(Yaml, NamesArePlainWordsAndComeOnce) {
  EXPECT_EQ(complaint("a: 1\nb: 2\na: 3\n"), "line 3: 'a' is set a second time");
  EXPECT_EQ(complaint("x: {a: 1, a: 2}"), "line 1: 'a' is set a second time");
  EXPECT_EQ(complaint("x: {a: 1}\ny: {a: 2}"), "was read");
  EXPECT_THAT(complaint("? [a, b]\n: 1\n"), HasSubstr("plain word"));
  EXPECT_THAT(complaint("? {a: b}\n: 1\n"), HasSubstr("plain word"));
  EXPECT_THAT(complaint("~: 1\n"), HasSubstr("plain word"));
}

TEST(Yaml, BrokenTextsAreReportedWithTheirLine) {
  EXPECT_THAT(complaint("a: 1\nb: {c: \n"), testing::StartsWith("line "));
  EXPECT_THAT(complaint("a: [1\nb: 2\n"), testing::StartsWith("line "));
  EXPECT_THAT(complaint("\ta: 1\n"), testing::StartsWith("line 1: "));
  EXPECT_THAT(complaint("a: 1\nb:\n\tc: 1\n"), testing::EndsWith("YAML wants spaces there)"));
  EXPECT_THAT(complaint("a: [1\n\tb: 2\n"), testing::StartsWith("line "));
  EXPECT_THAT(complaint("a: {\n\t"), testing::StartsWith("line "));
  EXPECT_THAT(complaint("a: [1\nb: 2\n"), testing::Not(HasSubstr("tab")));
}

TEST(Yaml, ValuesAreReadAsWhatIsWantedOrRefusedByLineAndName) {
  const YamlNode top = parsed(
      "wait: 90\nlong: 1.5h\nsize: 750 GB\nshare: 0.25\nmany: 11\nlist: [a, 'b c']\nmap: {k: v}\n"
      "none:\nbad: 4x\n");
  EXPECT_EQ(top.find("wait")->as_duration().value(), std::chrono::seconds(90));
  EXPECT_EQ(top.find("long")->as_duration().value(), std::chrono::minutes(90));
  EXPECT_EQ(top.find("share")->as_duration().value(), std::chrono::milliseconds(250));
  EXPECT_EQ(top.find("size")->as_bytes().value(), 750'000'000'000U);
  EXPECT_EQ(top.find("share")->as_number(0, 1).value(), 0.25);
  EXPECT_THAT(top.find("list")->as_text_list().value(), ElementsAre("a", "b c"));
  EXPECT_EQ(top.find("map")->as_text_map().value().at("k"), "v");
  EXPECT_TRUE(top.find("none")->as_text_list().value().empty());
  EXPECT_TRUE(top.find("none")->as_text_map().value().empty());

  EXPECT_EQ(top.find("many")->as_integer(1, 10).error().message,
            "line 5: 'many': 11 is more than the maximum, 10");
  EXPECT_EQ(top.find("many")->as_integer(12, 20).error().message,
            "line 5: 'many': 11 is less than the minimum, 12");
  EXPECT_THAT(top.find("share")->as_number(0.5, 1).error().message, HasSubstr("less than"));
  EXPECT_EQ(top.find("bad")->as_integer(0, 9).error().message,
            "line 9: 'bad': '4x' is no whole number");
  EXPECT_THAT(top.find("bad")->as_duration().error().message, HasSubstr("line 9: 'bad': "));
  EXPECT_EQ(top.find("none")->as_switch().error().message, "line 8: 'none': it has no value");
  EXPECT_THAT(top.find("list")->as_text().error().message, HasSubstr("one value"));
  EXPECT_THAT(top.find("map")->as_text_list().error().message, HasSubstr("wants a list"));
  EXPECT_THAT(top.find("list")->as_text_map().error().message, HasSubstr("names with values"));
  EXPECT_FALSE(parsed("a: nan").find("a")->as_number(0, 1));
  EXPECT_FALSE(parsed("a: [[b]]").find("a")->as_text_list());
}

struct Read {
  std::string name = "none";
  std::size_t count = 1;
  std::optional<std::size_t> bound;
  Duration wait{0};
  bool is_on = false;
  std::map<std::string, std::string, std::less<>> tags;
};

Result<Read> read(std::string_view text) {
  Read into;
  const YamlField fields[] = {
      text_field("name", into.name),
      integer_field("count", into.count, 1, 100),
      integer_field("bound", into.bound, 1, 100),
      duration_field("wait", into.wait, Duration(0), std::chrono::minutes(1)),
      switch_field("is_on", into.is_on),
      text_map_field("tags", into.tags),
      refused_field("nodes", "write 'count' instead"),
  };
  TRY_ASSIGN(const YamlNode node, parse_yaml(text));
  TRY(read_fields(node, fields));
  return into;
}

TEST(YamlFields, WhatIsWrittenIsReadAndTheRestKeepsItsDefault) {
  const Read all =
      read("{name: n, count: 7, bound: 9, wait: 30, is_on: yes, tags: {a: b}}").value();
  EXPECT_EQ(all.name, "n");
  EXPECT_EQ(all.count, 7U);
  EXPECT_EQ(all.bound, 9U);
  EXPECT_EQ(all.wait, std::chrono::seconds(30));
  EXPECT_TRUE(all.is_on);
  EXPECT_EQ(all.tags.size(), 1U);
  const Read none = read("").value();
  EXPECT_EQ(none.name, "none");
  EXPECT_EQ(none.bound, std::nullopt);
}

TEST(YamlFields, ASlipIsAnsweredWithTheNearestName) {
  EXPECT_EQ(read("\ncuont: 7").error().message,
            "line 2: there is no 'cuont'; did you mean 'count'?");
  EXPECT_THAT(read("colour: red").error().message, HasSubstr("there are name, count"));
  EXPECT_EQ(read("nodes: 1").error().message, "line 1: 'nodes': write 'count' instead");
  EXPECT_THAT(read("- name").error().message, HasSubstr("name: value"));
  EXPECT_EQ(read("wait: 2m").error().message, "line 1: 'wait': '2m' is not from 0 s to 1m 0s");
}

}  // namespace
}  // namespace wherry
