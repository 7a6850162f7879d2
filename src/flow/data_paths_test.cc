// SPDX-License-Identifier: Apache-2.0
#include "flow/data_paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::flow {
namespace {

using testing::HasSubstr;

endpoints::Endpoint lab(const std::string& home) {
  endpoints::Endpoint endpoint;
  endpoint.display_name = "lab";
  endpoint.default_directory = home;
  return endpoint;
}

TEST(DataPaths, AreFromTheRootOrFromTheDefaultDirectory) {
  const auto read = [](const std::string& text) {
    return read_path(text, lab("/home/ada")).value().text();
  };
  EXPECT_EQ(read("/a/b"), "a/b");
  EXPECT_EQ(read("a/b/"), "a/b");
  EXPECT_EQ(read("~/a"), "home/ada/a");
  EXPECT_EQ(read("/~/a"), "home/ada/a");
  EXPECT_EQ(read("~"), "home/ada");
  EXPECT_EQ(read("~bob/a"), "~bob/a");
  EXPECT_EQ(read("/"), "");
  EXPECT_EQ(read_path("", lab("")).error().code, Code::kInvalid);
  EXPECT_EQ(read_path("a/../b", lab("")).error().code, Code::kInvalid);
}

TEST(DataPaths, WhatHoldsEverythingIsNotRemoved) {
  for (const char* text : {"", "/", "~", "~/", "/~/", "/~", ".", "./", "//", "/.", "a/..", "/home",
                           "/home/ada", "home/ada/"}) {
    const auto path = read_removable_path(text, lab("/home/ada"));
    ASSERT_FALSE(path) << text;
    EXPECT_EQ(path.error().code, Code::kInvalid) << text;
  }
  EXPECT_THAT(read_removable_path("/", lab("")).error().message, HasSubstr("the root of"));
  EXPECT_THAT(read_removable_path("~", lab("")).error().message, HasSubstr("refused"));
  EXPECT_EQ(read_removable_path("/home/ada/x", lab("/home/ada")).value().text(), "home/ada/x");
  EXPECT_EQ(read_removable_path("~/x", lab("/home/ada")).value().text(), "home/ada/x");
  EXPECT_EQ(read_removable_path("/homes", lab("/home/ada")).value().text(), "homes");
}

}  // namespace
}  // namespace wherry::flow
