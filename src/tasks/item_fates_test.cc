// SPDX-License-Identifier: Apache-2.0
#include "tasks/item_fates.h"

#include <gtest/gtest.h>

#include "tasks/task_error.h"
#include "tasks/test_world.h"
#include "tasks/testing/distant_service.h"

namespace wherry::tasks {
namespace {

using Kind = ItemFates::Verdict::Kind;
using Recursion = engine::TransferItem::Recursion;

class ItemFatesTest : public testing::Test {
 protected:
  // Three files, of which the second is missing.
  TransferRequest request() {
    TransferRequest request = world_.transfer("0", "out/0");
    request.items.clear();
    for (const char* name : {"0", "1", "2"}) {
      if (name != std::string("1")) world_.add_source_file(name, std::string("content ") + name);
      request.items.emplace_back();
      request.items.back().source = RelPath::parse(name).value();
      request.items.back().target = RelPath::parse(std::string("out/") + name).value();
      request.items.back().recursion = Recursion::kNo;
    }
    request.options.skip_source_errors = true;
    return request;
  }

  TestWorld world_;
};

TEST_F(ItemFatesTest, EachItemHasItsOwnFateAndReadingTwiceCountsOnce) {
  const auto asked = request();
  ItemFates fates(asked.items);
  EXPECT_FALSE(fates.is_complete());
  const Task task = world_.run(asked);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(fates.read(*world_.service, task));
  EXPECT_EQ(fates.verdict(0, task).kind, Kind::kArrived);
  EXPECT_EQ(fates.verdict(1, task).kind, Kind::kFailed);
  EXPECT_EQ(fates.verdict(1, task).error.code, "FILE_NOT_FOUND");
  EXPECT_EQ(fates.verdict(2, task).kind, Kind::kArrived);
  EXPECT_TRUE(fates.is_complete());
  EXPECT_TRUE(fates.is_somebodys_fault());
  EXPECT_EQ(fates.moved(0).files, 1u);
  EXPECT_EQ(fates.moved(2).bytes, 9u);
  EXPECT_EQ(fates.moved(1).files, 0u);
}

TEST_F(ItemFatesTest, WhatWasToBeSkippedIsFineForThoseWhoSaidSo) {
  const auto asked = request();
  ItemFates fates(asked.items, ItemFates::Skipped::kIsFine);
  const Task task = world_.run(asked);
  ASSERT_TRUE(fates.read(*world_.service, task));
  EXPECT_EQ(fates.verdict(1, task).kind, Kind::kArrived);
  EXPECT_FALSE(fates.is_somebodys_fault());
}

TEST_F(ItemFatesTest, NothingIsProvenBeforeItIsTold) {
  const auto asked = request();
  ItemFates fates(asked.items);
  Task task = world_.run(asked);
  EXPECT_EQ(fates.verdict(0, task).kind, Kind::kHeldBack) << "its rows were not read";
  task.state = TaskState::kActive;
  EXPECT_EQ(fates.verdict(0, task).kind, Kind::kOpen);
  DistantService distant(*world_.service);
  distant.fault = [](std::string_view, const std::string&) -> Result<void> {
    return make_error(Code::kUnavailable, "away");
  };
  EXPECT_FALSE(fates.read(distant, task)) << "it may pass";
  EXPECT_TRUE(fates.is_told_early());
  distant.fault = [](std::string_view, const std::string&) -> Result<void> {
    return make_error(Code::kConflict, "not before it has ended");
  };
  EXPECT_TRUE(fates.read(distant, task));
  EXPECT_FALSE(fates.is_told_early());
  EXPECT_EQ(fates.verdict(0, task).kind, Kind::kOpen);
}

TEST(TaskErrors, HaveTheCodeOfTheirKindAndSayBoth) {
  const Error error = to_error({"PERMISSION_DENIED", "open '/a'"});
  EXPECT_EQ(error.code, Code::kDenied);
  EXPECT_EQ(error.message, "open '/a' (PERMISSION_DENIED)");
  EXPECT_EQ(to_error({"CANCELED", "canceled"}).code, Code::kCancelled);
  EXPECT_EQ(to_error({"CONNECT_FAILED", ""}).message, "CONNECT_FAILED");
  for (const Code code : {Code::kNotFound, Code::kDenied, Code::kNoSpace, Code::kCorrupt,
                          Code::kCancelled, Code::kTimeout, Code::kUnavailable, Code::kConflict}) {
    const std::string contract(error_code(make_error(code, "x")));
    EXPECT_EQ(to_error({contract, "x"}).code, code) << contract;
  }
}

}  // namespace
}  // namespace wherry::tasks
