// SPDX-License-Identifier: Apache-2.0
#include "jobs/json_text.h"

#include <gtest/gtest.h>

namespace wherry::jobs {
namespace {

TEST(JsonText, EveryByteComesBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const TextMap map = {{all, all}, {"", ""}, {"\\x41", "A"}, {"ü", "\xc3"}};
  EXPECT_EQ(parse_text_map(to_json(map)).value(), map);
  const std::vector<std::string> list = {all, "", "\"]"};
  EXPECT_EQ(parse_text_list(to_json(list)).value(), list);
}

TEST(JsonText, EmptyMapsAndListsAreTheTextsThatTriggersCompareWith) {
  EXPECT_EQ(to_json(TextMap()), "{}");
  EXPECT_EQ(to_json(std::vector<JobId>()), "[]");
  EXPECT_TRUE(parse_text_map("{}")->empty());
  EXPECT_TRUE(parse_ids("[]")->empty());
}

TEST(JsonText, FieldsThatAreMissingHaveTheirDefaults) {
  EXPECT_EQ(parse_resources("{}").value(), Resources());
  EXPECT_EQ(parse_resources(R"({"num_nodes": 7, "of_later": 1})")->num_nodes, 7);
  EXPECT_EQ(parse_parameters(R"({"a": {}})")->at("a"), Parameter());
}

TEST(JsonText, WhatThisProgramCannotHaveWrittenIsCorrupt) {
  for (const char* text : {"", "[", "[]", "7", "{\"a\": 7}", "{\"a\": \"\\\\x4\"}"})
    EXPECT_EQ(parse_text_map(text).error().code, Code::kCorrupt) << text;
  for (const char* text : {"{}", "[\"a\"]", "[1.5]"})
    EXPECT_EQ(parse_ids(text).error().code, Code::kCorrupt) << text;
  EXPECT_EQ(parse_slots(R"({"a": {"direction": "up"}})").error().code, Code::kCorrupt);
  EXPECT_EQ(parse_slots(R"({"a": 7})").error().code, Code::kCorrupt);
  EXPECT_EQ(parse_resources(R"({"num_nodes": "7"})").error().code, Code::kCorrupt);
}

TEST(JsonText, DataOfUsersIsAnObjectOfBoundedSize) {
  EXPECT_TRUE(check_data(""));
  EXPECT_TRUE(check_data(R"({"a": [1, {"b": null}]})"));
  for (const char* text : {"[]", "7", "{", "{} x", "null"})
    EXPECT_EQ(check_data(text).error().code, Code::kInvalid) << text;
  EXPECT_EQ(check_data(std::string(kMaxDataBytes + 1, ' ')).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::jobs
