// SPDX-License-Identifier: Apache-2.0
// Transfers and removals as futures with their thread, on a service that runs every task.
#include "flow/data_tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "flow/test_flow.h"

namespace wherry::flow {
namespace {

using namespace std::chrono_literals;
using testing::SizeIs;

constexpr Duration kPatience = 60s;

class DataTasksTest : public FlowFixture {
 protected:
  DataTasksTest() : FlowFixture(tasks::Execution::kAll, &system_clock()) {
    loop_.reset();
    tasks_ = DataTasks::create({*service_, system_clock(), random_, "ada", {}}, {});
  }
  template <class T>
  static Result<T> end_of(const Future<T>& future) {
    const auto* result = future.wait_for(kPatience);
    return result != nullptr ? *result : make_error(Code::kBug, "not ready");
  }

  std::unique_ptr<DataTasks> tasks_;
};

TEST_F(DataTasksTest, StageProcessAndCleanUpAreAChainOfFutures) {
  write("lab", "input", "3");
  const auto end = tasks_->transfer(from_lab("/input", "/work/input"))
                       .future()
                       .then([&](const Done&) {
                         write("scratch", "work/output", read("scratch", "work/input") + "!");
                         Transfer back;
                         back.source_endpoint = "scratch";
                         back.target_endpoint = "lab";
                         back.source_path = "/work/output";
                         back.target_path = "/output";
                         return tasks_->transfer(back).future();
                       })
                       .then([&](const Done&) {
                         Removal cleanup = removal("/work");
                         cleanup.recursive = true;
                         return tasks_->remove(cleanup).future();
                       });
  const auto done = end_of(end);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(read("lab", "output"), "3!");
  EXPECT_FALSE(is_there("scratch", "work"));
}

// Scenario 16.
TEST_F(DataTasksTest, AHundredFuturesOfAMebibyteAreFewTasks) {
  const std::string content(1 << 20, 'x');
  std::vector<Future<Done>> futures;
  for (int i = 0; i < 100; ++i) write("lab", fmt::format("{}", i), content);
  for (int i = 0; i < 100; ++i) {
    futures.push_back(
        tasks_->transfer(from_lab(fmt::format("/{}", i), fmt::format("/{}", i))).future());
  }
  const auto all = end_of(when_all(futures));
  ASSERT_TRUE(all) << all.error().message;
  ByteCount bytes = 0;
  for (const Done& done : *all) bytes += done.bytes;
  EXPECT_EQ(bytes, 100u << 20);
  EXPECT_LE(all_tasks().size(), 3u);
}

TEST_F(DataTasksTest, ManyThreadsMaySubmitAndCancel) {
  write("lab", "a");
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  std::vector<DataTask> all[kThreads];
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        all[t].push_back(tasks_->transfer(from_lab("/a", fmt::format("/{}/{}", t, i))));
        if (i % 5 == 0) all[t].back().cancel();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (int t = 0; t < kThreads; ++t) {
    for (int i = 0; i < kEach; ++i) {
      const auto result = end_of(all[t][static_cast<std::size_t>(i)].future());
      if (i % 5 != 0) {
        EXPECT_TRUE(result) << result.error().message;
        EXPECT_TRUE(is_there("scratch", fmt::format("{}/{}", t, i)));
      } else {
        EXPECT_TRUE(result || result.error().code == Code::kCancelled) << result.error().message;
      }
    }
  }
}

TEST_F(DataTasksTest, ACallbackMaySubmitMoreAndCancelWhatWaits) {
  write("lab", "a");
  Transfer waiting = from_lab("/a", "/waiting");
  waiting.alone = true;
  waiting.options.sync_level = engine::SyncLevel::kMissing;
  const auto chain = tasks_->transfer(from_lab("/a", "/1")).future().then([&](const Done&) {
    const DataTask never = tasks_->transfer(from_lab("/a", "/never"));
    never.cancel();
    const DataTask next = tasks_->transfer(waiting);
    return next.future();
  });
  EXPECT_TRUE(end_of(chain));
  EXPECT_TRUE(is_there("scratch", "waiting"));
  EXPECT_FALSE(is_there("scratch", "never"));
}

TEST_F(DataTasksTest, EndingWithTransfersInFlightEndsTheirFutures) {
  write("lab", "a");
  std::vector<Future<Done>> futures;
  for (int i = 0; i < 50; ++i)
    futures.push_back(tasks_->transfer(from_lab("/a", fmt::format("/{}", i))).future());
  tasks_.reset();
  for (const auto& future : futures) ASSERT_TRUE(future.is_ready());
}

}  // namespace
}  // namespace wherry::flow
