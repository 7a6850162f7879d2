// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>

#include "jobs/site_process.h"
#include "jobs/test_site.h"

namespace wherry::jobs {
namespace {

namespace fs = std::filesystem;

class ProcessJobsTest : public SiteFixture {
 protected:
  App repeating_app(int errors, int timeouts) {
    App made = app("app", {});
    made.error_retries = errors;
    made.timeout_retries = timeouts;
    return stores_->apps.put(made).value();
  }
};

TEST_F(ProcessJobsTest, AJobGetsItsWorkDirectoryBeforeItRuns) {
  app("app", {});
  const auto jobs = create({new_job("app", "deep/work", {})});
  EXPECT_EQ(process(), 1u);
  EXPECT_EQ(state(jobs[0]), JobState::kPreprocessed);
  EXPECT_TRUE(fs::is_directory(at("site", "deep/work")));
  EXPECT_EQ(process(), 0u);
}

TEST_F(ProcessJobsTest, AWorkDirectoryThatCannotBeMadeFailsItsJobAlone) {
  app("app", {});
  write("site", "taken", "a file");
  const auto jobs = create({new_job("app", "taken/work", {}), new_job("app", "fine", {})});
  process();
  EXPECT_EQ(state(jobs[0]), JobState::kFailed);
  EXPECT_EQ(state(jobs[1]), JobState::kPreprocessed);
}

TEST_F(ProcessJobsTest, ARunThatFailedIsRepeatedAsOftenAsItsAppAllows) {
  repeating_app(2, 0);
  const auto jobs = create({new_job("app", "work", {})});
  process();
  for (int i = 0; i < 2; ++i) {
    run_jobs(1, JobState::kRunError);
    process();
    EXPECT_EQ(state(jobs[0]), JobState::kRestartReady) << i;
  }
  run_jobs(1, JobState::kRunError);
  process();
  EXPECT_EQ(state(jobs[0]), JobState::kFailed);
}

TEST_F(ProcessJobsTest, ARunThatWasCutOffHasRepetitionsOfItsOwn) {
  repeating_app(0, 1);
  const auto jobs = create({new_job("app", "work", {})});
  process();
  run_jobs(1, JobState::kRunTimeout);
  process();
  EXPECT_EQ(state(jobs[0]), JobState::kRestartReady);
  run_jobs(1, JobState::kRunTimeout);
  process();
  EXPECT_EQ(state(jobs[0]), JobState::kFailed);
}

TEST_F(ProcessJobsTest, OnlyFinishedJobsAreCleanedUpBehindAndOnlyWhatTheirAppNames) {
  App made = app("app", {});
  made.cleanup_files = {"*.tmp", "scratch"};
  made = stores_->apps.put(made).value();
  create({new_job("app", "one", {}), new_job("app", "two", {})});
  process();
  for (const char* work : {"one", "two"}) {
    for (const char* file : {"a.tmp", "b.dat", "scratch/deep/c"})
      write("site", fmt::format("{}/{}", work, file), "1");
  }
  run_jobs(1);
  process();
  EXPECT_EQ(clean_up(*database_, clock_, site_, 100).value(), 1u);
  EXPECT_EQ(read("site", "one/a.tmp"), "<missing>");
  EXPECT_FALSE(fs::exists(at("site", "one/scratch")));
  EXPECT_EQ(read("site", "one/b.dat"), "1");
  EXPECT_EQ(read("site", "two/a.tmp"), "1");
  EXPECT_EQ(clean_up(*database_, clock_, site_, 100).value(), 0u) << "once is enough";
}

}  // namespace
}  // namespace wherry::jobs
