// SPDX-License-Identifier: Apache-2.0
#include "base/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

namespace wherry {
namespace {

TEST(WorkerPool, RunsEverythingThatWasSubmittedBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    WorkerPool pool({.threads = 3, .queue_limit = 4});
    for (int i = 0; i < 500; ++i) pool.submit([&] { ++done; });
  }
  EXPECT_EQ(done, 500);
}

TEST(WorkerPool, WaitIdleWaitsForQueuedAndRunningWork) {
  std::atomic<int> done = 0;
  WorkerPool pool({.threads = 2, .queue_limit = 100});
  for (int round = 1; round <= 20; ++round) {
    for (int i = 0; i < 10; ++i) pool.submit([&] { ++done; });
    pool.wait_idle();
    EXPECT_EQ(done, round * 10);
  }
}

TEST(WorkerPool, StartsAnotherThreadOnlyForWorkThatWouldWait) {
  std::set<std::thread::id> threads;
  WorkerPool pool({.threads = 3, .queue_limit = 4});
  for (int i = 0; i < 20; ++i) {
    pool.submit([&] { threads.insert(std::this_thread::get_id()); });
    pool.wait_idle();
  }
  EXPECT_EQ(threads.size(), 1U);
}

TEST(WorkerPool, WaitIdleOfAnUnusedPoolReturns) {
  WorkerPool pool({});
  pool.wait_idle();
}

TEST(WorkerPool, ThreadsWorkAtTheSameTime) {
  WorkerPool pool({.threads = 2});
  std::promise<void> first_runs;
  std::promise<void> second_runs;
  pool.submit([&] {
    first_runs.set_value();
    second_runs.get_future().wait();
  });
  pool.submit([&] {
    first_runs.get_future().wait();
    second_runs.set_value();
  });
  pool.wait_idle();
}

TEST(WorkerPool, NoMoreThanTheLimitWaitsInTheQueue) {
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::atomic<int> accepted = 0;
  WorkerPool pool({.threads = 1, .queue_limit = 2});
  std::promise<void> running;
  pool.submit([&] {
    running.set_value();
    released.wait();
  });
  running.get_future().wait();
  WorkerPool submitter({.threads = 1});
  submitter.submit([&] {
    for (int i = 0; i < 5; ++i) {
      pool.submit([] {});
      ++accepted;
    }
  });
  // Two fit the queue; the third blocks its submitter, however long one looks.
  while (accepted < 2) std::this_thread::yield();
  for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
  EXPECT_EQ(accepted, 2);
  release.set_value();
  submitter.wait_idle();
  pool.wait_idle();
  EXPECT_EQ(accepted, 5);
}

TEST(WorkerPool, TrySubmitTakesWhatFitsTheQueueAndRefusesTheRest) {
  std::promise<void> release;
  std::promise<void> running;
  std::atomic<int> done = 0;
  WorkerPool pool({.threads = 1, .queue_limit = 2});
  pool.submit([&] {
    running.set_value();
    release.get_future().wait();
  });
  running.get_future().wait();
  EXPECT_TRUE(pool.try_submit([&] { ++done; }));
  EXPECT_TRUE(pool.try_submit([&] { ++done; }));
  EXPECT_FALSE(pool.try_submit([&] { ++done; }));
  release.set_value();
  pool.wait_idle();
  EXPECT_EQ(done, 2);
  EXPECT_TRUE(pool.try_submit([&] { ++done; }));
  pool.wait_idle();
  EXPECT_EQ(done, 3);
}

TEST(WorkerPool, WhatWorkHoldsIsReleasedBeforeThePoolIsIdle) {
  const auto held = std::make_shared<int>(1);
  WorkerPool pool({.threads = 1});
  pool.submit([copy = held] { (void)copy; });
  pool.wait_idle();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(WorkerPoolDeathTest, WorkThatSubmitsToItsOwnPoolIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        WorkerPool pool({.threads = 1});
        pool.submit([&] { pool.submit([] {}); });
        pool.wait_idle();
      },
      "CHECK\\(current_pool != this\\)");
}

}  // namespace
}  // namespace wherry
