// SPDX-License-Identifier: Apache-2.0
#include "cli/job_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace wherry::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const TimePoint kCreated{std::chrono::seconds(1539601563)};

jobs::Job sample_job() {
  jobs::Job job;
  job.id = 17;
  job.site = 1;
  job.app = 2;
  job.workdir = "run42/a";
  job.tags = {{"run", "42"}};
  job.state = jobs::JobState::kFailed;
  job.created = kCreated;
  job.last_update = kCreated;
  job.return_code = 3;
  return job;
}

jobs::TransferItem sample_item() {
  jobs::TransferItem item;
  item.id = 5;
  item.job = 17;
  item.slot = "input";
  item.location_alias = "lab";
  item.remote_path = "/a b:c\xff";
  item.local_path = "in.tif";
  item.state = jobs::ItemState::kError;
  item.error = tasks::TaskError{"FILE_NOT_FOUND", "no such file"};
  return item;
}

std::string record_text(const Record& record, Format format = Format::kText) {
  std::ostringstream out;
  Output(format, out).record(record);
  return out.str();
}

TEST(JobView, AJobShowsWhyItIsInItsState) {
  const JobNames names{{{2, "compress"}}, {{1, "beamline"}}};
  const std::string text =
      record_text(job_record(sample_job(), names, {sample_item()}, "slot 'input': FILE_NOT_FOUND"));
  EXPECT_THAT(text, HasSubstr("App:            compress\n"));
  EXPECT_THAT(text, HasSubstr("State:          FAILED\n"));
  EXPECT_THAT(text, HasSubstr("Why:            slot 'input': FILE_NOT_FOUND\n"));
  EXPECT_THAT(text, HasSubstr("Return Code:    3\n"));
  EXPECT_THAT(text, HasSubstr("Transfers:      input=lab:/a b:c\\xff\n"));
  EXPECT_THAT(text, HasSubstr("Transfer Items: input (in): error\n"));
  // What is as usual is not worth a line.
  EXPECT_THAT(text, Not(HasSubstr("Nodes")));
}

TEST(JobView, AJobWhoseAppIsUnknownIsShownByNumber) {
  EXPECT_THAT(record_text(job_record(sample_job(), {}, {}, "")), HasSubstr("App:            2\n"));
}

TEST(JobView, AnItemTellsItsError) {
  EXPECT_THAT(record_text(item_record(sample_item())),
              HasSubstr("Error:       FILE_NOT_FOUND: no such file\n"));
}

TEST(JobView, TagsAndTransfersAreObjectsInJson) {
  const std::string text =
      record_text(job_record(sample_job(), {}, {sample_item()}, ""), Format::kJson);
  EXPECT_THAT(text, HasSubstr(R"("tags": {"run":"42"})"));
  EXPECT_THAT(text, HasSubstr(R"("transfers": {"input":"lab:/a b:c\\xff"})"));
  EXPECT_THAT(text, HasSubstr(R"("message": null)"));
}

TEST(JobView, RowsHaveAValueForEachColumn) {
  EXPECT_EQ(job_row(sample_job(), {}).size(), job_columns(Detail::kShort).size());
  EXPECT_EQ(item_row(sample_item()).size(), item_columns(Detail::kShort).size());
  EXPECT_EQ(site_row({}).size(), site_columns().size());
  EXPECT_EQ(app_row({}, "").size(), app_columns(Detail::kLong).size());
  EXPECT_EQ(job_event_row({}).size(), job_event_columns().size());
}

TEST(JobView, CountsLeaveOutStatesThatNoneIsIn) {
  const Tally tally = counts_of(std::map<jobs::JobState, std::uint64_t>{
      {jobs::JobState::kReady, 0}, {jobs::JobState::kJobFinished, 3}});
  ASSERT_EQ(tally.counts.size(), 1u);
  EXPECT_EQ(tally.counts[0].first, "JOB_FINISHED");
}

TEST(SiteView, ARunningSiteThatNeedsAPersonSaysSo) {
  SiteView view;
  EXPECT_EQ(site_state(view), "stopped");
  view.holder.emplace();
  EXPECT_EQ(site_state(view), "running");
  view.site.alert = "log in";
  EXPECT_EQ(site_state(view), "running: needs you");
}

}  // namespace
}  // namespace wherry::cli
