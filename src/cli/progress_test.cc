// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace wherry::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

ProgressView half_way() {
  ProgressView view;
  view.files_found = 20'000;
  view.files_finished = 12'345;
  view.bytes_found = 4ULL << 30;
  view.bytes_moved = 2ULL << 30;
  view.bytes_per_second = 256.0 * (1 << 20);
  view.plan_complete = true;
  view.current_file = "run42/img_0007.h5";
  return view;
}

TEST(ProgressText, SaysFilesBytesRateTimeLeftAndFile) {
  EXPECT_EQ(progress_text(half_way(), 0),
            "12,345 of 20,000 files, 2 GiB of 4 GiB, 256 MiB/s, 8 s left  run42/img_0007.h5");
}

TEST(ProgressText, GivesNoTimeLeftWhileFilesAreStillCounted) {
  ProgressView view = half_way();
  view.plan_complete = false;
  EXPECT_THAT(progress_text(view, 0), HasSubstr("of 20,000+ files"));
  EXPECT_THAT(progress_text(view, 0), HasSubstr("still counting"));
}

TEST(ProgressText, NeverExceedsTheWidthAndKeepsTheEndOfTheName) {
  ProgressView view = half_way();
  view.current_file = std::string(300, 'd') + "/the_end.tif";
  for (std::size_t width = 1; width < 200; ++width)
    EXPECT_LE(progress_text(view, width).size(), width);
  EXPECT_THAT(progress_text(view, 120), HasSubstr("the_end.tif"));
}

TEST(ProgressText, TellsOfTrouble) {
  ProgressView view = half_way();
  view.failed = 3;
  view.faults = 1;
  EXPECT_THAT(progress_text(view, 0), HasSubstr("3 failed"));
  EXPECT_THAT(progress_text(view, 0), HasSubstr("1 retried"));
}

TEST(ProgressText, AStandstillHasNoTimeLeft) {
  ProgressView view = half_way();
  view.bytes_per_second = 0;
  EXPECT_THAT(progress_text(view, 0), Not(HasSubstr("left")));
}

TEST(ProgressLine, MeasuresTheRateOfTheLastSeconds) {
  FakeClock clock;
  std::ostringstream err;
  engine::Progress progress;
  progress.plan_complete = true;
  progress.bytes_found = 100ULL << 20;
  ProgressLine line(ProgressLine::Style::kLines, clock, err);
  line.update(progress);
  for (int i = 0; i < 20; ++i) {
    clock.advance(1s);
    progress.bytes_moved += i < 10 ? 50ULL << 20 : 1ULL << 20;  // fast first, then slow
    err.str("");
    line.update(progress);
  }
  EXPECT_THAT(err.str(), HasSubstr(" 1 MiB/s"));
}

TEST(ProgressLine, OnATerminalDrawsOverItselfAndWipesAtTheEnd) {
  FakeClock clock;
  std::ostringstream err;
  engine::Progress progress;
  {
    ProgressLine line(ProgressLine::Style::kTerminal, clock, err);
    line.update(progress);
    EXPECT_THAT(err.str(), Not(HasSubstr("\n")));
  }
  EXPECT_TRUE(err.str().ends_with("\r\x1b[K"));
}

TEST(ProgressLine, StaysSilentWhenAsked) {
  FakeClock clock;
  std::ostringstream err;
  engine::Progress progress;
  ProgressLine line(ProgressLine::Style::kNone, clock, err);
  line.update(progress);
  EXPECT_EQ(err.str(), "");
}

}  // namespace
}  // namespace wherry::cli
