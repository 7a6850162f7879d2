// SPDX-License-Identifier: Apache-2.0
// What of a place that may be deleted is proven, by transfers that have ended and by one that goes
// on. What a flow makes of it: run_test.cc.
#include "flow/proof.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "flow/run_world.h"

namespace wherry::flow {
namespace {

using testing::HasSubstr;

constexpr int kProofFiles = 10;

// Counts what it is asked for, and can hide the end of a task: that it has ended, and its last
// rows.
class CountingService : public tasks::DistantService {
 public:
  using DistantService::DistantService;

  Result<tasks::Task> task(const tasks::TaskId& id) override {
    TRY_ASSIGN(tasks::Task task, DistantService::task(id));
    if (rows_told) task.state = tasks::TaskState::kActive;
    return task;
  }
  Result<tasks::Page<tasks::SuccessfulTransfer>> successful_transfers(
      const tasks::TaskId& id, std::uint64_t marker) override {
    ++pages;
    if (on_page) on_page();
    TRY_ASSIGN(auto page, DistantService::successful_transfers(id, marker));
    if (rows_told) page.rows.resize(std::min(page.rows.size(), *rows_told));
    return page;
  }

  std::optional<std::size_t> rows_told;
  int pages = 0;
  std::function<void()> on_page;
};

class ProofsTest : public testing::Test {
 protected:
  // All in one transfer task.
  ProofsTest() {
    std::string items;
    for (int i = 0; i < kProofFiles; ++i) {
      world_.write("scratch", fmt::format("f{}", i), fmt::format("content {}", i));
      items += fmt::format("{}f{}", i == 0 ? "" : ", ", i);
    }
    const RunRecord run = world_.create(fmt::format(
        "tasks: {{out: {{foreach: [{}], transfer: {{source: 'scratch:/{{{{ item }}}}', target: "
        "'lab:/{{{{ item }}}}'}}}}}}",
        items));
    EXPECT_EQ(world_.run(run.id).value(), RunEnd::kSucceeded);
    for (const tasks::Task& task : world_.ended_tasks()) transfers_.push_back(task.id);
  }
  Result<void> check(int file) {
    return proofs_.check({"scratch", fmt::format("/f{}", file)}, transfers_);
  }

  RunWorld world_;
  CountingService service_{*world_.service};
  Proofs proofs_{service_};
  std::vector<tasks::TaskId> transfers_;
};

TEST_F(ProofsTest, WhatATaskHasCopiedIsAskedForOnceForAllItsFiles) {
  for (int i = 0; i < kProofFiles; ++i) EXPECT_TRUE(check(i)) << i;
  EXPECT_EQ(service_.pages, static_cast<int>(transfers_.size()));
  world_.write("scratch", "f0", "another content");
  const auto changed = check(0);
  ASSERT_FALSE(changed);
  EXPECT_THAT(changed.error().message, HasSubstr("'/f0' has 15 bytes, and had 9"));
}

TEST_F(ProofsTest, AStopEndsOneThatHasMuchToLookAt) {
  world_.write("scratch", "d/much", "x");
  std::stop_source stop;
  service_.on_page = [&] { stop.request_stop(); };
  const auto stopped = proofs_.check({"scratch", "/d"}, transfers_, stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::kCancelled);
}

TEST_F(ProofsTest, OfATaskThatGoesOnWhatIsNewIsAskedForAgain) {
  service_.rows_told = 0;
  const auto early = check(3);
  ASSERT_FALSE(early);
  EXPECT_THAT(early.error().message, HasSubstr("was not copied and verified"));
  service_.rows_told = std::nullopt;
  EXPECT_TRUE(check(3));
}

TEST_F(ProofsTest, NoFileProvesOneOfTheSameNameAtAnotherEndpoint) {
  const auto other = proofs_.check({"lab", "/f3"}, transfers_);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("was not copied and verified"));
}

TEST_F(ProofsTest, AFailureToAskProvesNothingAndIsNoLastWord) {
  service_.fault = [](std::string_view call, const std::string&) -> Result<void> {
    if (call != "successful_transfers") return {};
    return make_error(Code::kUnavailable, "lost");
  };
  EXPECT_EQ(check(3).error().code, Code::kUnavailable);
  service_.fault = nullptr;
  EXPECT_TRUE(check(3));
}

}  // namespace
}  // namespace wherry::flow
