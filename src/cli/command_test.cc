// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <gtest/gtest.h>

#include <sstream>

#include "base/scratch_directory.h"

namespace wherry::cli {
namespace {

using namespace std::chrono_literals;

TEST(ParseSeconds, TakesAPlainNumberOrATime) {
  EXPECT_EQ(parse_seconds("90").value(), 90s);
  EXPECT_EQ(parse_seconds("0.5").value(), 500ms);
  EXPECT_EQ(parse_seconds("1m30s").value(), 90s);
  EXPECT_FALSE(parse_seconds("soon"));
  EXPECT_FALSE(parse_seconds(""));
}

TEST(Arguments, WhatWasNotGivenIsNothing) {
  const Arguments arguments;
  EXPECT_FALSE(arguments.has("limit"));
  EXPECT_EQ(arguments.text("limit"), "");
  EXPECT_FALSE(arguments.integer("limit"));
  EXPECT_FALSE(arguments.duration("every"));
}

TEST(Arguments, ReadsValuesByTheirKind) {
  Arguments arguments;
  arguments.add_option("limit", "12");
  arguments.add_option("size", "750GB");
  arguments.add_option("every", "15m");
  arguments.add_option("share", "10%");
  arguments.add_option("at", "2018-10-15T11:06:03Z");
  EXPECT_EQ(arguments.integer("limit"), 12);
  EXPECT_EQ(arguments.bytes("size"), 750'000'000'000u);
  EXPECT_EQ(arguments.duration("every"), 15min);
  EXPECT_EQ(arguments.percent("share"), 10.0);
  EXPECT_EQ(arguments.time("at"), TimePoint(std::chrono::seconds(1539601563)));
}

class ContextSettings : public ::testing::Test {
 protected:
  std::string level(std::map<std::string, std::string, std::less<>> variables,
                    std::map<std::string, std::string, std::less<>> overrides) {
    variables["XDG_CONFIG_HOME"] = scratch_.path();
    Context context({[&](std::string_view name) -> std::optional<std::string> {
                       const auto found = variables.find(name);
                       if (found == variables.end()) return std::nullopt;
                       return found->second;
                     },
                     std::move(overrides), Format::kText, out_, out_});
    context.prefer_setting("log.level", "info");
    return context.settings().value()->text("log.level");
  }

  ScratchDirectory scratch_;
  std::ostringstream out_;
};

TEST_F(ContextSettings, ACommandsPreferenceYieldsToWhatTheUserSet) {
  EXPECT_EQ(level({}, {}), "info");
  EXPECT_EQ(level({{"WHERRY_LOG_LEVEL", "error"}}, {}), "error");
  EXPECT_EQ(level({}, {{"log.level", "debug"}}), "debug");
  EXPECT_EQ(level({}, {{"tasks.active", "2"}}), "info");
}

}  // namespace
}  // namespace wherry::cli
