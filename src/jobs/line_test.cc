// SPDX-License-Identifier: Apache-2.0
#include "jobs/line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::jobs {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class LineTest : public testing::Test {
 protected:
  // Who takes so many of the four processors, one behind the other.
  void come(std::initializer_list<int> processors) {
    for (const int one : processors) wanted_.push_back({.threads_per_rank = one});
    for (std::size_t i = line_.size(); i < wanted_.size(); ++i) line_.push_back({});
    for (std::size_t i = 0; i < wanted_.size(); ++i) line_[i].resources = &wanted_[i];
  }
  std::vector<std::size_t> next(std::size_t ahead = 0) {
    return next_in_line(room_, line_, {.ahead = ahead, .now = now_, .patience = 60s});
  }
  Placement take(int processors) { return room_.take({.threads_per_rank = processors}).value(); }

  Room room_{{.processors = {4}, .by = Room::Options::By::kProcessors}};
  std::vector<Resources> wanted_;
  std::vector<InLine> line_;
  Duration now_ = 1000s;
};

TEST_F(LineTest, TheOldestComeFirst) {
  come({1, 2, 1, 1});
  EXPECT_THAT(next(), ElementsAre(0, 1, 2));
}

TEST_F(LineTest, WhoHasNoRoomIsPassedByThoseWhoHave) {
  take(1);
  come({4, 1, 3, 2});
  EXPECT_THAT(next(), ElementsAre(1, 3));
  EXPECT_EQ(line_[0].passed_since, now_);
  EXPECT_EQ(line_[2].passed_since, now_) << "by the last one";
  EXPECT_EQ(line_[3].passed_since, std::nullopt);
}

TEST_F(LineTest, NobodyIsPassedByWaitingAlone) {
  take(4);
  come({1, 1});
  EXPECT_THAT(next(), IsEmpty());
  EXPECT_EQ(line_[0].passed_since, std::nullopt);
}

TEST_F(LineTest, WhoWasPassedForLongEnoughIsNotPassedAnyMore) {
  const Placement running = take(1);
  come({4, 1, 1});
  EXPECT_THAT(next(), ElementsAre(1, 2));
  line_.erase(line_.begin() + 1, line_.end());
  wanted_.resize(1);
  come({1});
  now_ += 59s;
  EXPECT_THAT(next(), ElementsAre(1)) << "not long enough yet";
  EXPECT_FALSE(is_kept_waiting(line_, {.now = now_, .patience = 60s}));
  now_ += 1s;
  EXPECT_THAT(next(4), IsEmpty()) << "what is free is kept for the first one";
  EXPECT_TRUE(is_kept_waiting(line_, {.now = now_, .patience = 60s}));
  room_.give_back(running);
  EXPECT_THAT(next(), ElementsAre(0));
}

TEST_F(LineTest, WithoutPatienceNobodyIsEverPassed) {
  take(1);
  come({1, 4, 1});
  EXPECT_THAT(next_in_line(room_, line_, {.ahead = 9, .now = now_, .patience = 0s}),
              ElementsAre(0));
  EXPECT_TRUE(is_kept_waiting(line_, {.now = now_, .patience = 0s}));
}

TEST_F(LineTest, StartsAheadOnlyThoseThatWillSoonHaveRoom) {
  for (int i = 0; i < 4; ++i) take(1);
  come({1, 2, 1, 1});
  EXPECT_THAT(next(2), ElementsAre(0, 2)) << "the second needs more than one that ends gives back";
  EXPECT_EQ(line_[1].passed_since, now_);
}

TEST_F(LineTest, NobodyIsStartedAheadWhoNeedsMoreThanTheLastOne) {
  take(2);
  come({1, 2, 1});
  EXPECT_THAT(next(1), ElementsAre(0, 2)) << "the second needs more than the last one had";
}

}  // namespace
}  // namespace wherry::jobs
