// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/scratch_directory.h"

namespace wherry {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { open_log({}).value(); }
  std::string written() const { return read_file(path_, 100'000).value(); }

  ScratchDirectory scratch_;
  std::string path_ = scratch_.file("wherry.log");
};

TEST_F(LogTest, LinesHaveTheFormThatOperatorsKnow) {
  open_log({.level = LogLevel::kInfo, .file = path_}).value();
  log_info("scanning {} of {}", 3, 7);
  EXPECT_THAT(written(), MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2},"
                                      "[0-9]{3}: INFO: scanning 3 of 7\n"));
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWritten) {
  open_log({.level = LogLevel::kWarning, .file = path_}).value();
  log_debug("one");
  log_info("two");
  log_warning("three");
  log_error("four");
  EXPECT_THAT(written(), testing::Not(HasSubstr("two")));
  EXPECT_THAT(written(), HasSubstr("WARNING: three\n"));
  EXPECT_THAT(written(), HasSubstr("ERROR: four\n"));
  EXPECT_FALSE(log_enabled(LogLevel::kInfo));
  EXPECT_TRUE(log_enabled(LogLevel::kError));
}

TEST_F(LogTest, TheLevelOffWritesNothing) {
  open_log({.level = LogLevel::kOff, .file = path_}).value();
  log_error("unheard");
  EXPECT_EQ(written(), "");
}

TEST_F(LogTest, AMessageStaysOnOneLineAndIsNotTakenForAFormat) {
  open_log({.level = LogLevel::kDebug, .file = path_}).value();
  log_debug("{}", "first\nERROR: forged\r\x1b[2J {} %v \\x0a");
  EXPECT_THAT(written(), HasSubstr("DEBUG: first\\nERROR: forged\\x0d\\x1b[2J {} %v \\x0a\n"));
}

TEST_F(LogTest, ALogIsAppendedTo) {
  durable_write_file(path_, "before\n", 0600).value();
  open_log({.level = LogLevel::kInfo, .file = path_}).value();
  log_info("after");
  EXPECT_THAT(written(), MatchesRegex("before\n.*INFO: after\n"));
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsNamed) {
  const auto opened = open_log({.level = LogLevel::kInfo, .file = scratch_.path()});
  EXPECT_EQ(opened.error().code, Code::kDenied);
  EXPECT_THAT(opened.error().message, HasSubstr("open log file '" + scratch_.path() + "'"));
}

TEST(LogLevel, IsReadByName) {
  EXPECT_EQ(parse_log_level("debug").value(), LogLevel::kDebug);
  EXPECT_EQ(parse_log_level("off").value(), LogLevel::kOff);
  EXPECT_THAT(parse_log_level("loud").error().message, HasSubstr("debug, info, warning"));
}

}  // namespace
}  // namespace wherry
