// SPDX-License-Identifier: Apache-2.0
#include "globus/task_watcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>

namespace wherry::globus {
namespace {

using tasks::Task;
using tasks::TaskId;
using tasks::TaskState;

// A service whose tasks end at a number of the question.
class TaskWatcherTest : public testing::Test {
 protected:
  Result<std::vector<Task>> answer(const std::vector<TaskId>& ids) {
    const int question = ++questions_;
    EXPECT_LE(ids.size(), TaskWatcher::kTasksAtOnce);
    if (question <= away_until_) return make_error(Code::kUnavailable, "away");
    if (refuses_) return make_error(Code::kLoginNeeded, "log in");
    std::vector<Task> found;
    for (const TaskId& id : ids) {
      if (id == "unknown") continue;
      Task task;
      task.id = id;
      task.state = question >= ends_at_ ? TaskState::kSucceeded : TaskState::kActive;
      found.push_back(task);
    }
    return found;
  }
  FakeClock clock_{TimePoint(), FakeClock::Sleepers::kAdvance};
  std::atomic<int> questions_{0};
  std::atomic<int> ends_at_{1};
  std::atomic<int> away_until_{0};
  std::atomic<bool> refuses_{false};
};

TEST_F(TaskWatcherTest, AnswersTheTaskWhenItHasEnded) {
  ends_at_ = 5;
  TaskWatcher watcher([this](const auto& ids, const auto&) { return answer(ids); }, clock_);
  const auto task = watcher.wait("a", std::chrono::hours(1), {});
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->id, "a");
  EXPECT_EQ(task->state, TaskState::kSucceeded);
  EXPECT_EQ(questions_, 5);
}

TEST_F(TaskWatcherTest, AsksLessAndLessOften) {
  ends_at_ = 1000;
  TaskWatcher watcher([this](const auto& ids, const auto&) { return answer(ids); }, clock_);
  const auto ended = watcher.wait("a", std::chrono::hours(1), {});
  EXPECT_EQ(ended.error().code, Code::kTimeout);
  // Twenty times in the first ten seconds, about 68 times until 300 seconds, then every 15.
  EXPECT_GT(questions_, 280);
  EXPECT_LT(questions_, 330);
}

TEST_F(TaskWatcherTest, WhoComesBackAfterATimeOutIsNoNewcomer) {
  ends_at_ = 1000;
  TaskWatcher watcher([this](const auto& ids, const auto&) { return answer(ids); }, clock_);
  for (int i = 0; i < 720; ++i)
    EXPECT_EQ(watcher.wait("a", std::chrono::seconds(5), {}).error().code, Code::kTimeout);
  EXPECT_LT(questions_, 900);  // with a newcomer every five seconds it would be 7200
}

TEST_F(TaskWatcherTest, AServiceNearByIsAskedMoreOftenAtFirst) {
  ends_at_ = 14;
  TaskWatcher watcher([this](const auto& ids, const auto&) { return answer(ids); }, clock_,
                      TaskWatcher::kShortestIntervalNearBy);
  const Duration before = clock_.monotonic();
  EXPECT_TRUE(watcher.wait("a", std::chrono::hours(1), {}));
  EXPECT_LT(clock_.monotonic() - before, std::chrono::seconds(1));
}

TEST_F(TaskWatcherTest, AServiceThatIsAwayIsWaitedFor) {
  away_until_ = 20;
  TaskWatcher watcher([this](const auto& ids, const auto&) { return answer(ids); }, clock_);
  EXPECT_TRUE(watcher.wait("a", std::chrono::hours(1), {}));
  EXPECT_EQ(questions_, 21);
}

TEST_F(TaskWatcherTest, OtherTroubleEndsTheWaiting) {
  refuses_ = true;
  TaskWatcher watcher([this](const auto& ids, const auto&) { return answer(ids); }, clock_);
  EXPECT_EQ(watcher.wait("a", std::chrono::hours(1), {}).error().code, Code::kLoginNeeded);
  refuses_ = false;
  EXPECT_EQ(watcher.wait("unknown", std::chrono::hours(1), {}).error().code, Code::kNotFound);
  EXPECT_TRUE(watcher.wait("a", std::chrono::hours(1), {}));
}

TEST_F(TaskWatcherTest, ServesManyWaitersWithFewQuestions) {
  // All have come before the first answer ends anything.
  constexpr int kWaiters = 200;
  std::atomic<int> begun{0};
  std::mutex mutex;
  std::condition_variable all_begun;
  TaskWatcher watcher(
      [&](const std::vector<TaskId>& ids, const std::stop_token&) {
        std::unique_lock lock(mutex);
        all_begun.wait(lock, [&] { return begun == kWaiters; });
        return answer(ids);
      },
      clock_);
  ends_at_ = 2;
  std::vector<std::thread> threads;
  for (int i = 0; i < kWaiters; ++i) {
    threads.emplace_back([&, i] {
      {
        const std::lock_guard lock(mutex);
        ++begun;
        all_begun.notify_all();
      }
      const auto task = watcher.wait(fmt::format("{:03}", i), std::chrono::hours(10), {});
      EXPECT_TRUE(task);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(questions_, kWaiters / 2);
}

TEST_F(TaskWatcherTest, AStopEndsTheWaitingAtOnce) {
  ends_at_ = 2;
  FakeClock still;  // nobody turns it: there is no second question
  TaskWatcher watcher([this](const auto& ids, const auto&) { return answer(ids); }, still);
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(watcher.wait("a", std::chrono::hours(1), stop.get_token()).error().code,
            Code::kCancelled);
  stopper.join();
}

}  // namespace
}  // namespace wherry::globus
