// SPDX-License-Identifier: Apache-2.0
#include "tasks/item_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::tasks {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

SuccessfulTransfer moved(std::string source, std::string target) {
  SuccessfulTransfer row;
  row.source_path = std::move(source);
  row.target_path = std::move(target);
  return row;
}

ItemError failed(std::string source, std::string target, std::string code = "ENDPOINT_ERROR") {
  ItemError row;
  row.source_path = std::move(source);
  row.target_path = std::move(target);
  row.code = std::move(code);
  return row;
}

TEST(ItemIndex, FindsWhatAnErrorIsAbout) {
  ItemIndex index;
  index.add("/s/a", "/t/a");
  index.add("/s/b", "/t/b");
  index.add("/s/d/c", "/t/d/c");
  const auto find = [&](std::string source, std::string target, std::string code) {
    ItemError row;
    row.source_path = std::move(source);
    row.target_path = std::move(target);
    row.code = std::move(code);
    return index.find(row);
  };
  EXPECT_THAT(find("/s/b", "/t/b", "FILE_NOT_FOUND"), ElementsAre(1));
  EXPECT_THAT(find("/s/b", "/s/b", "PERMISSION_DENIED"), ElementsAre(1));
  EXPECT_THAT(find("/t/b", "/t/b", "IS_A_DIRECTORY"), ElementsAre(1));
  EXPECT_THAT(find("/t/b", "/t/b", "PERMISSION_DENIED"), ElementsAre(0, 1, 2));
  EXPECT_THAT(find("/t/d/", "/t/d/", "PERMISSION_DENIED"), ElementsAre(2));
  EXPECT_THAT(find("/s/d", "", "FILE_NOT_FOUND"), ElementsAre(2));
  EXPECT_THAT(find("/x", "/x", "FILE_NOT_FOUND"), IsEmpty());
  EXPECT_THAT(find("", "", "UNKNOWN"), IsEmpty());
  SuccessfulTransfer row;
  row.source_path = "/s/d/c";
  EXPECT_EQ(index.find(row), 2u);
  row.source_path = "/other";
  EXPECT_EQ(index.find(row), 3u);
}

class ItemIndexTest : public testing::Test {
 protected:
  ItemIndexTest() {
    index_.add("/in/shared", "/jobs/1/input");
    index_.add("/in/shared", "/jobs/2/input");
    index_.add("/in/tree", "/jobs/3/tree");
    index_.add("/in/alone", "/jobs/4/input");
  }
  ItemIndex index_;
};

TEST_F(ItemIndexTest, ItemsOfOneSourceAreToldApartByTheirTargets) {
  EXPECT_EQ(index_.find(moved("/in/shared", "/jobs/2/input")), 1u);
  EXPECT_EQ(index_.find(moved("/in/shared", "/jobs/1/input")), 0u);
  EXPECT_EQ(index_.find(moved("/in/shared", "")), index_.size());
}

TEST_F(ItemIndexTest, AFileBelowADirectoryBelongsToItsItem) {
  EXPECT_EQ(index_.find(moved("/in/tree/a/b", "/jobs/3/tree/a/b")), 2u);
  EXPECT_THAT(index_.find(failed("/in/tree/a/b", "/jobs/3/tree/a/b")), ElementsAre(2));
  EXPECT_THAT(index_.find(failed("/in/tree/a/b", "")), ElementsAre(2));
}

TEST_F(ItemIndexTest, ASkippedSourceIsMissingToAllThatWantIt) {
  ItemError row = failed("/in/shared", "/jobs/1/input", "FILE_NOT_FOUND");
  row.skipped = true;
  EXPECT_THAT(index_.find(row), ElementsAre(0, 1));
}

TEST_F(ItemIndexTest, AnErrorOfADirectoryAboveIsOneOfAllBelowIt) {
  EXPECT_THAT(index_.find(failed("/jobs", "/jobs")), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(index_.find(failed("/in", "")), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(index_.find(failed("/elsewhere/x", "/elsewhere/x")), IsEmpty());
}

TEST_F(ItemIndexTest, WhatADirectoryRefusesOneItRefusesAll) {
  index_.add("/in/more", "/jobs/4/more");
  const auto row = failed("/in/alone", "/jobs/4/input", "PERMISSION_DENIED");
  EXPECT_THAT(index_.find(row), ElementsAre(3, 4));
}

}  // namespace
}  // namespace wherry::tasks
