// SPDX-License-Identifier: Apache-2.0
#include "cli/sync_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <sstream>

namespace wherry::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

sync::PassRecord sample_pass() {
  sync::PassRecord pass;
  pass.report.number = 7;
  pass.report.label = "AUTO_2018-10-15_110603";
  pass.report.counts.files = 1000;
  pass.report.counts.added = 12;
  pass.report.counts.bytes = 1536;
  pass.report.seconds.fill(500ms);
  pass.ended = TimePoint(1s);
  return pass;
}

TEST(ChangeText, NamesTheChangeAndThePath) {
  sync::Change change;
  change.kind = sync::ChangeKind::kModified;
  change.path = "a/b\n.tif";
  EXPECT_EQ(change_text(change), "modified      a/b\\x0a.tif");
  change.kind = sync::ChangeKind::kRenamed;
  change.from = "old";
  change.path = "new";
  change.is_directory = true;
  EXPECT_EQ(change_text(change), "renamed       old/ -> new/");
}

TEST(PassRow, HasAValueForEveryColumn) {
  EXPECT_EQ(pass_row(sample_pass()).size(), pass_columns().size());
}

TEST(PassRecord, TextShowsWhatHappenedAndLeavesOutNoughts) {
  std::ostringstream out;
  Output(Format::kText, out).record(pass_record("frames", sample_pass()));
  EXPECT_THAT(out.str(), HasSubstr("Added:   12\n"));
  EXPECT_THAT(out.str(), HasSubstr("Time:    3 s\n"));
  EXPECT_THAT(out.str(), Not(HasSubstr("Not Quiet Yet")));
}

TEST(PassRecord, JsonHasEveryCountAndTheTimeOfEveryPhase) {
  std::ostringstream out;
  Output(Format::kJson, out).record(pass_record("frames", sample_pass()));
  const auto document = boost::json::parse(out.str());
  EXPECT_EQ(document.at("number").to_number<int>(), 7);
  EXPECT_EQ(document.at("not_quiet").to_number<int>(), 0);
  EXPECT_EQ(document.at("scan_seconds").to_number<double>(), 0.5);
  EXPECT_EQ(document.at("total_seconds").to_number<double>(), 3.0);
}

TEST(PassRecord, APassThatTheBrakeStoppedWasNoDryRun) {
  sync::PassRecord pass = sample_pass();
  pass.report.number = 0;
  pass.report.end = sync::PassEnd::kStopped;
  std::ostringstream out;
  Output(Format::kText, out).record(pass_record("frames", pass));
  EXPECT_THAT(out.str(), HasSubstr("Result:  stopped"));
  EXPECT_THAT(out.str(), Not(HasSubstr("dry run")));
}

TEST(PassRecord, APassThatHasNotEndedIsUnfinished) {
  sync::PassRecord pass = sample_pass();
  pass.ended.reset();
  std::ostringstream out;
  Output(Format::kUnix, out).record(pass_record("frames", pass));
  EXPECT_THAT(out.str(), HasSubstr("\tunfinished\t"));
}

}  // namespace
}  // namespace wherry::cli
