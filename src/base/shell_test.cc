// SPDX-License-Identifier: Apache-2.0
#include "base/shell.h"

#include <gtest/gtest.h>

namespace wherry {
namespace {

Result<std::string> rewritten(std::string_view command) {
  return rewrite_placeholders(command, [](std::string_view inside) -> Result<std::string> {
    if (inside == "bad") return make_error(Code::kNotFound, "there is no bad");
    return "<" + std::string(inside) + ">";
  });
}

TEST(ShellText, AWordIsQuotedWhateverItHolds) {
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("a b$c"), "'a b$c'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
}

TEST(ShellText, PlaceholdersAreRewrittenOutsideOfQuotes) {
  EXPECT_EQ(rewritten("run {{ x }} \"$(cat {{join(a, ' ')}})\" # it's {{y}}").value(),
            "run <x> \"$(cat <join(a, ' ')>)\" # it's <y>");
  EXPECT_EQ(rewritten("no placeholder { } '}}'").value(), "no placeholder { } '}}'");
}

TEST(ShellText, APlaceholderWithinQuotesOrWithoutItsEndIsRefused) {
  EXPECT_EQ(rewritten("sh -c \"{{ x }}\"").error().code, Code::kInvalid);
  EXPECT_EQ(rewritten("sh -c '{{ x }}'").error().code, Code::kInvalid);
  EXPECT_EQ(rewritten("run {{ x").error().code, Code::kInvalid);
}

TEST(ShellText, WhatTheCallerRefusesIsItsOwnError) {
  EXPECT_EQ(rewritten("run {{ bad }}").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace wherry
