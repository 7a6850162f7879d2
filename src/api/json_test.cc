// SPDX-License-Identifier: Apache-2.0
#include "api/json.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "base/units.h"

namespace wherry::api {
namespace {

using testing::HasSubstr;

Code refusal_of_text(std::string_view text) {
  const auto parsed = parse_object(text);
  EXPECT_FALSE(parsed) << text.substr(0, 80);
  return parsed ? Code::kBug : parsed.error().code;
}

TEST(Json, WhatIsNotOneObjectIsRefused) {
  for (const char* text : {"", "[]", "null", "{", "{}x", "{'a':1}", "{\"a\":\"\xff\"}", "7"})
    EXPECT_EQ(refusal_of_text(text), Code::kInvalid) << text;
  EXPECT_TRUE(parse_object(" {} "));
}

TEST(Json, DeepNestingIsRefusedInsteadOfExhaustingTheStack) {
  const std::string deep(1'000'000, '[');
  EXPECT_EQ(refusal_of_text("{\"a\":" + deep), Code::kInvalid);
}

TEST(Json, AnOversizedDocumentIsRefused) {
  EXPECT_EQ(refusal_of_text(std::string(kMaxDocumentBytes + 1, ' ')), Code::kInvalid);
}

TEST(Json, AnArrayIsReadWhereOneIsWanted) {
  EXPECT_EQ(parse_array("[1, 2]")->size(), 2u);
  EXPECT_THAT(parse_array("{}").error().message, HasSubstr("not an array"));
}

TEST(Json, NumbersAreReadInTheirKind) {
  const auto object = parse_object(R"({"i":-3,"d":1.5,"t":"x"})").value();
  const Members members(object);
  std::int64_t whole = 0;
  double number = 0;
  ASSERT_TRUE(members.get("i", whole));
  EXPECT_EQ(whole, -3);
  ASSERT_TRUE(members.get("d", number));
  EXPECT_EQ(number, 1.5);
  ASSERT_TRUE(members.get("i", number));
  EXPECT_EQ(number, -3);
  EXPECT_FALSE(members.get("d", whole));
  EXPECT_FALSE(members.get("t", number));
}

TEST(Json, NullLeavesTheDefaultLikeAnAbsentMember) {
  const auto object = parse_object(R"({"label":null})").value();
  const Members members(object);
  std::string label = "default";
  ASSERT_TRUE(members.get("label", label));
  ASSERT_TRUE(members.get("other", label));
  EXPECT_EQ(label, "default");
  EXPECT_EQ(members.require("label", label).error().message, "label is missing");
}

TEST(Json, AMemberOfAnotherTypeIsNamed) {
  const auto object = parse_object(R"({"t":1,"b":"yes","n":-1,"big":1e400,"when":"soon"})").value();
  const Members members(object, "item 3");
  std::string text;
  bool truth = false;
  std::uint64_t number = 0;
  TimePoint time;
  EXPECT_EQ(members.get("t", text).error().message, "item 3: t must be a string");
  EXPECT_EQ(members.get("b", truth).error().message, "item 3: b must be true or false");
  EXPECT_THAT(members.get("n", number).error().message, HasSubstr("whole number"));
  EXPECT_THAT(members.get("big", number).error().message, HasSubstr("whole number"));
  EXPECT_THAT(members.get("when", time).error().message, HasSubstr("'soon' is no time"));
  EXPECT_THAT(members.array("t").error().message, HasSubstr("an array"));
  EXPECT_THAT(members.object("t").error().message, HasSubstr("an object"));
}

TEST(Json, TimesAreReadInEveryFormThatClientsSend) {
  const TimePoint noon = parse_time("2030-01-01T12:00:00Z").value();
  for (const char* text : {"2030-01-01 12:00:00", "2030-01-01 12:00:00+00:00",
                           "2030-01-01T12:00:00Z", "2030-01-01T13:00:00+01:00"}) {
    const auto object = parse_object(fmt::format(R"({{"deadline":"{}"}})", text)).value();
    std::optional<TimePoint> time;
    ASSERT_TRUE(Members(object).get("deadline", time)) << text;
    EXPECT_EQ(time, noon) << text;
  }
}

TEST(Json, TextThatIsNotUtf8IsEscaped) {
  EXPECT_EQ(json_text("caf\xc3\xa9 \\"), "caf\xc3\xa9 \\");
  EXPECT_EQ(json_text("caf\xe9"), "caf\\xe9");
}

}  // namespace
}  // namespace wherry::api
