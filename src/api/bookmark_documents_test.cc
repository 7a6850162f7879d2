// SPDX-License-Identifier: Apache-2.0
#include "api/bookmark_documents.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/json.h"
#include "base/file.h"

namespace wherry::api {
namespace {

TEST(BookmarkDocuments, ABookmarkHasEveryKeyOfTheContract) {
  const endpoints::Bookmark bookmark{.id = "11111111-0000-4000-8000-000000000004",
                                     .owner = "ada",
                                     .name = "data",
                                     .endpoint = "aaaaaaaa-0000-4000-8000-000000000001",
                                     .path = "/caf\xc3\xa9/\xff/"};
  const std::string path = std::string(WHERRY_TEST_DATA) + "/api/bookmark.json";
  EXPECT_EQ(parse_object(to_text(bookmark_document(bookmark))).value(),
            parse_object(read_file(path, 1 << 20).value()).value());
}

TEST(BookmarkDocuments, WhatIsWrittenIsReadBack) {
  const endpoints::NewBookmark read =
      read_bookmark(
          parse_object(R"({"name": "data", "endpoint_id": "AAAA", "path": "/\\xff/"})").value())
          .value();
  EXPECT_EQ(read.name, "data");
  EXPECT_EQ(read.endpoint, "aaaa");
  EXPECT_EQ(read.path, "/\xff/");
}

TEST(BookmarkDocuments, AMissingMemberIsNamed) {
  const auto message = [](std::string_view text) {
    return read_bookmark(parse_object(text).value()).error().message;
  };
  EXPECT_EQ(message("{}"), "name is missing");
  EXPECT_EQ(message(R"({"name": "a"})"), "endpoint_id is missing");
  EXPECT_EQ(message(R"({"name": "a", "endpoint_id": "b", "path": null})"), "path is missing");
  EXPECT_EQ(read_bookmark_change(parse_object("{}").value()).error().message, "name is missing");
}

}  // namespace
}  // namespace wherry::api
