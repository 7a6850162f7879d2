// SPDX-License-Identifier: Apache-2.0
#include "tasks/claim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <soci/soci.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tasks/test_world.h"

namespace wherry::tasks {
namespace {

using testing::HasSubstr;
using testing::Not;

class ClaimTest : public testing::Test {
 protected:
  TestWorld world_;
  Claims claims_{*world_.database, world_.clock};
};

// Another process that takes a claim, tells so, and lives until it is killed. It works with a
// database of its own, because a session does not survive a fork.
class OtherProcess {
 public:
  OtherProcess(const std::string& path, std::string_view kind, std::string_view id) {
    int pipe_ends[2];
    CHECK(::pipe(pipe_ends) == 0);
    pid_ = ::fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) hold(path, kind, id, pipe_ends[1]);
    char answer = 0;
    CHECK(::read(pipe_ends[0], &answer, 1) == 1);
    CHECK(answer == 'y');
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
  }
  ~OtherProcess() { die(); }

  void die() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  [[noreturn]] static void hold(const std::string& path, std::string_view kind, std::string_view id,
                                int answer) {
    const auto database = Database::open({.path = path});
    CHECK(database.has_value());
    FakeClock clock;
    const auto claim = Claims(**database, clock).acquire(kind, id);
    CHECK(::write(answer, claim ? "y" : "n", 1) == 1);
    for (;;) ::pause();
  }

  pid_t pid_ = 0;
};

TEST_F(ClaimTest, IsExclusiveWithinAProcess) {
  const auto first = claims_.acquire("task", "a");
  ASSERT_TRUE(first);
  const auto second = claims_.acquire("task", "a");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_TRUE(claims_.acquire("task", "b"));
  EXPECT_TRUE(claims_.acquire("sync", "a"));
}

TEST_F(ClaimTest, EndsWithTheObject) {
  { const auto claim = claims_.acquire("task", "a"); }
  EXPECT_FALSE(*claims_.holder("task", "a"));
  EXPECT_TRUE(claims_.acquire("task", "a"));
}

TEST_F(ClaimTest, AMovedClaimIsHeldOnce) {
  auto claim = claims_.acquire("task", "a");
  {
    const Claim moved = std::move(claim).value();
    EXPECT_TRUE(*claims_.holder("task", "a"));
  }
  EXPECT_FALSE(*claims_.holder("task", "a"));
}

TEST_F(ClaimTest, NamesTheLiveProcessThatHoldsIt) {
  const OtherProcess other(world_.scratch.file("wherry.db"), "sync", "nightly");
  const auto claim = claims_.acquire("sync", "nightly");
  ASSERT_FALSE(claim);
  EXPECT_EQ(claim.error().code, Code::kConflict);
  EXPECT_THAT(claim.error().message, HasSubstr(fmt::format("process {}", other.pid())));
  EXPECT_THAT(claim.error().message, HasSubstr("since 2018-10-15"));
  EXPECT_EQ((*claims_.holder("sync", "nightly"))->process.pid, other.pid());
}

TEST_F(ClaimTest, OfADeadProcessIsTakenOverAtOnce) {
  OtherProcess other(world_.scratch.file("wherry.db"), "task", "a");
  other.die();
  EXPECT_FALSE(*claims_.holder("task", "a"));
  EXPECT_TRUE(claims_.acquire("task", "a"));
}

TEST_F(ClaimTest, OfAnotherHostIsTakenOnlyWhenAPersonSaysSo) {
  const OtherProcess other(world_.scratch.file("wherry.db"), "task", "a");
  world_.database
      ->write([](soci::session& sql) -> Result<void> {
        sql << "update claim set host = 'elsewhere'";
        return {};
      })
      .value();
  const auto refused = claims_.acquire("task", "a");
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("on elsewhere since 2018-10-15"));
  EXPECT_THAT(refused.error().message, HasSubstr("`wherry task resume --force a`"));
  ASSERT_TRUE(claims_.take_from_other_host("task", "a"));
  EXPECT_FALSE(*claims_.holder("task", "a"));
  EXPECT_TRUE(claims_.acquire("task", "a"));
}

TEST_F(ClaimTest, OfALiveProcessOfThisHostIsNeverTaken) {
  const OtherProcess other(world_.scratch.file("wherry.db"), "task", "a");
  const auto taken = claims_.take_from_other_host("task", "a");
  EXPECT_EQ(taken.error().code, Code::kConflict);
  EXPECT_THAT(taken.error().message, Not(HasSubstr("--force")));
  EXPECT_TRUE(*claims_.holder("task", "a"));
  EXPECT_TRUE(claims_.take_from_other_host("task", "nobody's"));
}

TEST_F(ClaimTest, ThatCouldNotBeGivenUpBindsNobodyAfterwards) {
  auto claim = claims_.acquire("task", "a");
  world_.fault = [](std::string_view) -> Result<void> {
    return make_error(Code::kUnavailable, "the disk is away");
  };
  { const Claim gone = std::move(claim).value(); }
  world_.fault = nullptr;
  EXPECT_FALSE(*claims_.holder("task", "a"));
  EXPECT_TRUE(claims_.acquire("task", "a"));
}

TEST_F(ClaimTest, IsNotTakenWhenWhatBelongsToItFails) {
  const auto claim = claims_.acquire("task", "a", [](soci::session&) -> Result<void> {
    return make_error(Code::kInvalid, "not ready");
  });
  EXPECT_EQ(claim.error().code, Code::kInvalid);
  EXPECT_FALSE(*claims_.holder("task", "a"));
}

TEST_F(ClaimTest, IsStillHeldWhenWhatBelongsToItsReleaseFails) {
  auto claim = claims_.acquire("task", "a").value();
  const auto released = claim.release(
      [](soci::session&) -> Result<void> { return make_error(Code::kInvalid, "not ready"); });
  EXPECT_EQ(released.error().code, Code::kInvalid);
  EXPECT_TRUE(*claims_.holder("task", "a"));
}

}  // namespace
}  // namespace wherry::tasks
