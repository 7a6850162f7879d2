// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/check.h"

namespace wherry {
namespace {

// A child that lives until it is told to end; says its own identity's start time through a pipe.
class Child {
 public:
  explicit Child(const char* name) {
    std::array<int, 2> pipe_ends{};
    CHECK(::pipe(pipe_ends.data()) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_NAME, name);
      const std::uint64_t start_time = this_process().start_time;
      CHECK(::write(pipe_ends[1], &start_time, sizeof start_time) == sizeof start_time);
      for (;;) ::pause();
    }
    identity_ = this_process();
    identity_.pid = pid_;
    CHECK(::read(pipe_ends[0], &identity_.start_time, sizeof identity_.start_time) ==
          sizeof identity_.start_time);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    end();
    reap();
  }

  const ProcessIdentity& identity() const { return identity_; }

  // Ends the process but leaves it a zombie.
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    siginfo_t info;
    CHECK(::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) == 0);
  }
  void reap() {
    if (pid_ > 0) CHECK(::waitpid(pid_, nullptr, 0) == pid_);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  ProcessIdentity identity_;
};

TEST(Process, ThisProcessIsAliveAndSaysWhoItIs) {
  const ProcessIdentity self = this_process();
  EXPECT_EQ(self.pid, ::getpid());
  EXPECT_FALSE(self.host.empty());
  EXPECT_EQ(self.boot_id.size(), 36u);
  EXPECT_GT(self.start_time, 0u);
  EXPECT_EQ(self, this_process());
  EXPECT_EQ(liveness(self), Liveness::kAlive);
}

TEST(Process, AChildIsAliveUntilItEnds) {
  Child child("child");
  EXPECT_EQ(liveness(child.identity()), Liveness::kAlive);
  child.end();
  EXPECT_EQ(liveness(child.identity()), Liveness::kDead) << "a zombie holds nothing any more";
  child.reap();
  EXPECT_EQ(liveness(child.identity()), Liveness::kDead);
}

TEST(Process, ANameWithBlanksAndParenthesesDoesNotConfuse) {
  const Child child("a) Z 1 (b");
  EXPECT_EQ(liveness(child.identity()), Liveness::kAlive);
}

TEST(Process, APidThatWasReusedIsAnotherProcess) {
  ProcessIdentity before = this_process();
  before.start_time -= 1;
  EXPECT_EQ(liveness(before), Liveness::kDead);
}

TEST(Process, NothingSurvivesARestartOfTheMachine) {
  ProcessIdentity before = this_process();
  before.boot_id = "00000000-0000-0000-0000-000000000000";
  EXPECT_EQ(liveness(before), Liveness::kDead);
}

TEST(Process, WhatRunsOnAnotherHostCannotBeSeen) {
  ProcessIdentity elsewhere = this_process();
  elsewhere.host += "-2";
  EXPECT_EQ(liveness(elsewhere), Liveness::kUnknown);
}

TEST(Process, AnIdentityThatNamesNobodyIsDead) {
  ProcessIdentity nobody = this_process();
  for (const pid_t pid : {0, -1}) {
    nobody.pid = pid;
    EXPECT_EQ(liveness(nobody), Liveness::kDead);
  }
}

}  // namespace
}  // namespace wherry
