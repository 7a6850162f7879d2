// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/worker_pool.h"

namespace wherry {
namespace {

using namespace std::chrono_literals;

TEST(FakeClock, StandsStillUntilItIsAdvanced) {
  FakeClock clock;
  const TimePoint start = clock.now();
  EXPECT_EQ(start.time_since_epoch(), 1539601563s);
  EXPECT_EQ(clock.now(), start);
  clock.advance(5s);
  EXPECT_EQ(clock.now() - start, 5s);
  EXPECT_EQ(clock.monotonic(), 5s);
}

TEST(FakeClock, AJumpMovesTheWallClockOnly) {
  FakeClock clock;
  const TimePoint start = clock.now();
  clock.jump(-1h);
  EXPECT_EQ(clock.now() - start, -1h);
  EXPECT_EQ(clock.monotonic(), 0s);
}

TEST(FakeClock, ASleeperWakesWhenTheClockIsFarEnough) {
  FakeClock clock;
  std::atomic<bool> slept = false;
  WorkerPool pool({.threads = 1});
  pool.submit([&] { slept = clock.sleep(10s, std::stop_token()); });
  clock.advance(4s);
  clock.advance(10s);
  // The sleeper may have begun before, between or after these; it needs at most ten seconds more.
  clock.advance(10s);
  while (!slept) clock.advance(1s);
  pool.wait_idle();
  EXPECT_TRUE(slept);
}

TEST(FakeClock, AStopWakesASleeper) {
  FakeClock clock;
  std::stop_source stop;
  std::atomic<bool> slept = true;
  WorkerPool pool({.threads = 1});
  pool.submit([&] { slept = clock.sleep(10s, stop.get_token()); });
  stop.request_stop();
  pool.wait_idle();
  EXPECT_FALSE(slept);
}

TEST(FakeClock, ASimulationsSleeperMovesTheClockItself) {
  FakeClock clock(TimePoint(0s), FakeClock::Sleepers::kAdvance);
  EXPECT_TRUE(clock.sleep(90s, std::stop_token()));
  EXPECT_EQ(clock.monotonic(), 90s);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(clock.sleep(90s, stop.get_token()));
  EXPECT_EQ(clock.monotonic(), 90s);
}

TEST(SystemClock, MonotonicTimeDoesNotGoBack) {
  const Duration before = system_clock().monotonic();
  EXPECT_LE(before, system_clock().monotonic());
  EXPECT_GT(system_clock().now(), TimePoint(1700000000s));
}

TEST(SystemClock, SleepsAtLeastAsLongAsAsked) {
  const Duration before = system_clock().monotonic();
  EXPECT_TRUE(system_clock().sleep(2ms, std::stop_token()));
  EXPECT_GE(system_clock().monotonic() - before, 2ms);
}

TEST(SystemClock, AStopEndsEvenTheLongestSleep) {
  std::stop_source stop;
  std::atomic<bool> slept = true;
  WorkerPool pool({.threads = 1});
  pool.submit([&] { slept = system_clock().sleep(Duration::max(), stop.get_token()); });
  stop.request_stop();
  pool.wait_idle();
  EXPECT_FALSE(slept);
}

}  // namespace
}  // namespace wherry
