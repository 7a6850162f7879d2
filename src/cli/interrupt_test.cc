// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <sstream>

#include "cli/command.h"

namespace wherry::cli {
namespace {

using namespace std::chrono_literals;

// Blocks until a stop is requested.
void wait_for(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, stop, [] { return false; });
}

TEST(RunInForeground, EndsWithItsWork) {
  std::ostringstream err;
  bool done = false;
  EXPECT_EQ(run_in_foreground({.err = err}, [&](std::stop_token) { done = true; }),
            Finish::kByItself);
  EXPECT_TRUE(done);
}

TEST(RunInForeground, TicksWhileTheWorkGoesOn) {
  std::ostringstream err;
  std::stop_source enough;
  int ticks = 0;
  const auto tick = [&] {
    if (++ticks == 3) enough.request_stop();
  };
  EXPECT_EQ(
      run_in_foreground({1ms, tick, err}, [&](std::stop_token) { wait_for(enough.get_token()); }),
      Finish::kByItself);
  EXPECT_GE(ticks, 3);
}

TEST(RunInForeground, ASignalRequestsAStop) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    std::ostringstream err;
    EXPECT_EQ(run_in_foreground({.err = err},
                                [&](std::stop_token stop) {
                                  ::kill(::getpid(), signal);
                                  wait_for(stop);
                                }),
              Finish::kInterrupted);
    EXPECT_NE(err.str().find("stopping"), std::string::npos);
  }
}

TEST(RunInForegroundDeathTest, ASecondSignalEndsTheProcessAtOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::ostringstream err;
        run_in_foreground({.err = err}, [&](std::stop_token stop) {
          ::kill(::getpid(), SIGINT);
          wait_for(stop);
          ::kill(::getpid(), SIGTERM);
          wait_for({});  // does not obey
        });
      },
      ::testing::ExitedWithCode(kExitInterrupted), "");
}

}  // namespace
}  // namespace wherry::cli
