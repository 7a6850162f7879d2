// SPDX-License-Identifier: Apache-2.0
#include "base/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/scratch_directory.h"
#include "base/worker_pool.h"

namespace wherry {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

ChildCommand shell(const std::string& script) { return {.words = {"sh", "-c", script}}; }

// Of all that run, by id.
std::map<ChildId, int> wait_for_all(Children& children) {
  std::map<ChildId, int> codes;
  while (children.running() > 0) {
    const auto ended = children.wait(minutes(1), {});
    CHECK(!ended.empty());
    for (const ChildEnd& end : ended) codes[end.id] = end.exit_code;
  }
  return codes;
}

std::string text_of(const std::string& path) { return read_file(path, 1 << 20).value_or("?"); }

// Waits until `file` holds a whole line and answers the number in it.
pid_t number_in(const std::string& file) {
  for (;;) {
    const std::string text = read_file(file, 100).value_or("");
    if (text.ends_with('\n')) return std::stoi(text);
    system_clock().sleep(std::chrono::milliseconds(2), {});
  }
}

bool is_gone(pid_t pid) {
  const std::string stat = read_file(fmt::format("/proc/{}/stat", pid), 4096).value_or("");
  return stat.empty() || stat.find(") Z ") != stat.npos;
}

void wait_until_gone(pid_t pid) {
  while (!is_gone(pid)) system_clock().sleep(std::chrono::milliseconds(2), {});
}

class ChildrenTest : public testing::Test {
 protected:
  std::unique_ptr<Children> children_ = Children::open(8).value();
  ScratchDirectory scratch_;
};

TEST_F(ChildrenTest, TellHowEachOfThemEnded) {
  const ChildId good = children_->start(shell("exit 0")).value();
  const ChildId bad = children_->start(shell("exit 3")).value();
  const ChildId killed = children_->start(shell("kill -TERM $$")).value();
  EXPECT_EQ(wait_for_all(*children_),
            (std::map<ChildId, int>{{good, 0}, {bad, 3}, {killed, 128 + SIGTERM}}));
}

TEST_F(ChildrenTest, RunInTheirDirectoryWithTheirEnvironmentAndOutput) {
  ChildCommand command = shell("echo \"$WHERRY_TEST in $(pwd)\"; echo complaint >&2; cat");
  command.directory = std::filesystem::canonical(scratch_.path());
  command.environment = {{"WHERRY_TEST", "a b"}};
  command.output_file = scratch_.file("out");
  CHECK(durable_write_file(command.output_file, "before\n", 0644));
  CHECK(children_->start(command));
  wait_for_all(*children_);
  EXPECT_EQ(text_of(command.output_file), "before\na b in " + command.directory + "\ncomplaint\n");
}

TEST_F(ChildrenTest, ErrorsCanHaveAFileOfTheirOwn) {
  ChildCommand command = shell("echo result; echo complaint >&2");
  command.output_file = scratch_.file("out");
  command.error_file = scratch_.file("err");
  CHECK(children_->start(command));
  wait_for_all(*children_);
  EXPECT_EQ(text_of(command.output_file), "result\n");
  EXPECT_EQ(text_of(command.error_file), "complaint\n");
  command.output_file = "";
  CHECK(children_->start(command));
  wait_for_all(*children_);
  EXPECT_EQ(text_of(command.error_file), "complaint\ncomplaint\n");
}

TEST_F(ChildrenTest, AVariableOfTheParentIsReplacedNotDoubled) {
  ChildCommand command = shell("env | grep -c ^HOME=; echo $HOME");
  command.environment = {{"HOME", "/nowhere"}};
  command.output_file = scratch_.file("out");
  CHECK(children_->start(command));
  wait_for_all(*children_);
  EXPECT_EQ(text_of(command.output_file), "1\n/nowhere\n");
}

TEST_F(ChildrenTest, AProgramOrDirectoryThatIsMissingIsAnErrorOfStart) {
  ChildCommand command = shell("true");
  command.directory = scratch_.file("none");
  const auto nowhere = children_->start(command);
  EXPECT_EQ(nowhere.error().code, Code::kNotFound);
  EXPECT_NE(nowhere.error().message.find("none"), std::string::npos);
  const auto nothing = children_->start({.words = {"wherry-no-such-program"}});
  EXPECT_EQ(nothing.error().code, Code::kNotFound);
  EXPECT_NE(nothing.error().message.find("wherry-no-such-program"), std::string::npos);
  EXPECT_EQ(children_->running(), 0u);
  for (int i = 0; i < 20; ++i)  // more than there are places: none was used up
    EXPECT_FALSE(children_->start(command));
}

TEST_F(ChildrenTest, OutputDoesNotFollowASymlink) {
  std::filesystem::create_symlink(scratch_.file("elsewhere"), scratch_.file("out"));
  ChildCommand command = shell("echo");
  command.output_file = scratch_.file("out");
  EXPECT_FALSE(children_->start(command));
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("elsewhere")));
}

TEST_F(ChildrenTest, SignalsReachTheWholeGroup) {
  ChildCommand command = shell("sh -c 'echo $$; exec sleep 1000' & wait");
  command.output_file = scratch_.file("out");
  const ChildId id = children_->start(command).value();
  const pid_t grandchild = number_in(command.output_file);
  children_->signal(id, SIGTERM);
  EXPECT_EQ(wait_for_all(*children_), (std::map<ChildId, int>{{id, 128 + SIGTERM}}));
  wait_until_gone(grandchild);
  children_->signal(id, SIGTERM);  // it is gone: nothing happens
}

TEST_F(ChildrenTest, WhatAChildLeavesBehindIsKilled) {
  ChildCommand command = shell("trap '' TERM HUP; sh -c 'echo $$; exec sleep 1000' & exit 0");
  command.output_file = scratch_.file("out");
  const ChildId id = children_->start(command).value();
  EXPECT_EQ(wait_for_all(*children_), (std::map<ChildId, int>{{id, 0}}));
  // It may have been killed before it could say who it was.
  const std::string text = text_of(command.output_file);
  if (text.ends_with('\n')) wait_until_gone(std::stoi(text));
}

TEST_F(ChildrenTest, WaitingEndsAtItsTimeAndWhenAStopIsRequested) {
  const ChildId id = children_->start(shell("exec sleep 1000")).value();
  EXPECT_TRUE(children_->wait(std::chrono::milliseconds(1), {}).empty());
  EXPECT_TRUE(children_->wait(seconds(-1), {}).empty());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(children_->wait(minutes(10), stop.get_token()).empty());
  std::stop_source later;
  WorkerPool pool({.threads = 1, .queue_limit = 1});
  pool.submit([&] { later.request_stop(); });
  while (!later.stop_requested())
    EXPECT_TRUE(children_->wait(minutes(10), later.get_token()).empty());
  children_->signal(id, SIGKILL);
  EXPECT_EQ(wait_for_all(*children_), (std::map<ChildId, int>{{id, 128 + SIGKILL}}));
}

TEST_F(ChildrenTest, NobodyElsesChildIsWaitedFor) {
  const pid_t other = ::fork();
  if (other == 0) ::_exit(7);
  CHECK(children_->start(shell("exit 0")));
  wait_for_all(*children_);
  int status = 0;
  EXPECT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(ChildrenTest, HeldAndIgnoredSignalsAreNotHandedDown) {
  sigset_t terminate;
  sigset_t before;
  ::sigemptyset(&terminate);
  ::sigaddset(&terminate, SIGTERM);
  CHECK(::pthread_sigmask(SIG_BLOCK, &terminate, &before) == 0);
  const auto ignored = ::signal(SIGPIPE, SIG_IGN);
  const auto end = run_command(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"), {});
  ::signal(SIGPIPE, ignored);
  CHECK(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  EXPECT_EQ(end->output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(ChildrenTest, ThousandsInTurnUseNoPlaceUp) {
  std::set<int> codes;
  for (int i = 0; i < 300; ++i) {
    while (children_->running() == 8) {
      for (const ChildEnd& end : children_->wait(minutes(1), {})) codes.insert(end.exit_code);
    }
    CHECK(children_->start({.words = {"/bin/true"}}));
  }
  for (const auto& [id, code] : wait_for_all(*children_)) codes.insert(code);
  EXPECT_EQ(codes, (std::set<int>{0}));
}

// A process that starts a child with a grandchild, and is killed. The child's shell would have
// outlived it, and so would the grandchild, which no PR_SET_PDEATHSIG reaches.
TEST_F(ChildrenTest, DieWithTheProcessThatStartedThem) {
  const std::string out = scratch_.file("out");
  const pid_t launcher = ::fork();
  if (launcher == 0) {
    auto own = Children::open(2);
    ChildCommand command = shell("trap '' TERM HUP INT; sh -c 'echo $$; exec sleep 1000'; true");
    command.output_file = out;
    CHECK(own && (*own)->start(command));
    for (;;) ::pause();
  }
  const pid_t grandchild = number_in(out);
  EXPECT_FALSE(is_gone(grandchild));
  ::kill(launcher, SIGKILL);
  ::waitpid(launcher, nullptr, 0);
  wait_until_gone(grandchild);
}

TEST_F(ChildrenTest, DieWithTheObjectThatHoldsThem) {
  ChildCommand command = shell("trap '' TERM; echo $$; while :; do sleep 1000; done");
  command.output_file = scratch_.file("out");
  CHECK(children_->start(command));
  const pid_t pid = number_in(command.output_file);
  children_.reset();
  EXPECT_TRUE(is_gone(pid));
}

TEST(StartDetached, OutlivesTheProcessThatStartedIt) {
  const ScratchDirectory scratch;
  ChildCommand command = shell("echo $$; exec sleep 1000");
  command.output_file = scratch.file("out");
  const pid_t starter = ::fork();
  if (starter == 0) {
    CHECK(start_detached(command));
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(starter, &status, 0);
  EXPECT_EQ(status, 0);
  const pid_t pid = number_in(command.output_file);
  EXPECT_FALSE(is_gone(pid));
  EXPECT_EQ(::getsid(pid), ::getpgid(pid));
  EXPECT_NE(::getsid(pid), ::getsid(0));
  ::kill(pid, SIGKILL);
  EXPECT_EQ(start_detached({.words = {"wherry-no-such-program"}}).error().code, Code::kNotFound);
}

TEST(RunCommand, AnswersBothOutputsAndTheExitCode) {
  const auto done =
      run_command(shell("cat; echo oops >&2; exit 4"), {.input = std::string("some\0thing", 10)});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->output, std::string("some\0thing", 10));
  EXPECT_EQ(done->errors, "oops\n");
  EXPECT_EQ(done->exit_code, 4);
}

TEST(RunCommand, ManyBytesNeitherBlockNorPassTheLimit) {
  const std::string much(3 << 20, 'x');
  EXPECT_EQ(run_command(shell("cat"), {.input = much})->output, much);
  const auto too_much = run_command(shell("cat"), {.input = much, .output_limit = 1000});
  EXPECT_EQ(too_much.error().code, Code::kInvalid);
}

TEST(RunCommand, EndsAtItsTimeAndWhenAStopIsRequested) {
  const auto late =
      run_command(shell("sleep 1000; true"), {.timeout = std::chrono::milliseconds(30)});
  EXPECT_EQ(late.error().code, Code::kTimeout);
  EXPECT_EQ(late.error().retry, Retry::kLater);
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = run_command(shell("sleep 1000; true"), {.stop = stop.get_token()});
  EXPECT_EQ(stopped.error().code, Code::kCancelled);
}

TEST(RunCommand, DoesNotWaitForAGrandchildThatKeepsItsOutput) {
  const auto done = run_command(shell("sleep 1000 & echo said"), {});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->output, "said\n");
}

}  // namespace
}  // namespace wherry
