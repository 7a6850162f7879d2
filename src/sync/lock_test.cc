// SPDX-License-Identifier: Apache-2.0
#include "sync/lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/scratch_directory.h"

namespace wherry::sync {
namespace {

using ::testing::HasSubstr;

TEST(SyncLock, KeepsOutASecondPassAndNamesTheProcess) {
  const ScratchDirectory scratch;
  const FakeClock clock;
  const auto first = SyncLock::take(scratch.file("s.lock"), "s", clock);
  ASSERT_TRUE(first);
  const auto second = SyncLock::take(scratch.file("s.lock"), "s", clock);
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr(fmt::format("process {} ", ::getpid())));
  EXPECT_THAT(second.error().message, HasSubstr("since 2018-10-15T11:06:03"));
}

TEST(SyncLock, IsGivenUpAtTheEnd) {
  const ScratchDirectory scratch;
  const FakeClock clock;
  { ASSERT_TRUE(SyncLock::take(scratch.file("s.lock"), "s", clock)); }
  EXPECT_TRUE(SyncLock::take(scratch.file("s.lock"), "s", clock));
}

TEST(SyncLock, TellsWhoHoldsItWithoutTakingIt) {
  const ScratchDirectory scratch;
  const FakeClock clock;
  EXPECT_FALSE(SyncLock::holder(scratch.file("s.lock")).value());
  {
    const auto held = SyncLock::take(scratch.file("s.lock"), "s", clock);
    ASSERT_TRUE(held);
    const auto holder = SyncLock::holder(scratch.file("s.lock")).value();
    ASSERT_TRUE(holder);
    EXPECT_THAT(*holder, HasSubstr(fmt::format("process {} ", ::getpid())));
    EXPECT_TRUE(SyncLock::holder(scratch.file("s.lock")).value());
  }
  EXPECT_FALSE(SyncLock::holder(scratch.file("s.lock")).value());
}

}  // namespace
}  // namespace wherry::sync
