// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "jobs/lifecycle.h"
#include "server/job_fixture.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

class LauncherRoutesTest : public JobFixture {
 protected:
  void SetUp() override {
    JobFixture::SetUp();
    jobs::App app = demo_app(site_);
    app.name = "plain";
    app.transfers.clear();
    plain_ = stores_->apps.put(app).value().id;
  }
  // One that has all that it needs.
  jobs::JobId runnable_job(const std::string& workdir) {
    const Response made =
        call({Method::kPost, "/v1/jobs",
              fmt::format(R"([{{"app_id": {}, "workdir": "{}", "parameters": {{"word": "a b"}}}}])",
                          plain_, workdir)});
    const auto id = value(made).at(0).at("id").to_number<jobs::JobId>();
    EXPECT_TRUE(world_.database->write([&](soci::session& sql) {
      return jobs::Lifecycle(sql, world_.clock.now())
          .move_job(id, jobs::JobState::kPreprocessed, "made its work directory");
    }));
    return id;
  }
  std::string open_session() {
    const Response opened = call({Method::kPost, "/v1/sessions",
                                  fmt::format(R"({{"site_id": {}, "holder": "me"}})", site_)});
    EXPECT_EQ(opened.status, 201u) << opened.body;
    return fmt::format("/v1/sessions/{}", value(opened).at("id").as_int64());
  }
  jobs::JobState state_of(jobs::JobId id) { return stores_->jobs.get(id).value().state; }

  jobs::AppId plain_ = 0;
};

TEST_F(LauncherRoutesTest, ALauncherTakesJobsAndTellsWhatBecameOfThem) {
  const jobs::JobId good = runnable_job("good"), bad = runnable_job("bad");
  const std::string session = open_session();
  const Response taken = call({Method::kPost, session, R"({"max_num_jobs": 8})"});
  ASSERT_EQ(taken.status, 200u) << taken.body;
  ASSERT_EQ(value(taken).as_array().size(), 2u);
  EXPECT_EQ(value(taken).at(0).at("app").at("name").as_string(), "plain");
  EXPECT_THAT(std::string(value(taken).at(0).at("script").as_string()), HasSubstr("'a b'"));

  ASSERT_EQ(
      call({Method::kPut, session, fmt::format(R"({{"started": [{}, {}]}})", good, bad)}).status,
      200u);
  EXPECT_EQ(state_of(good), jobs::JobState::kRunning);
  const Response told =
      call({Method::kPut, session,
            fmt::format(R"({{"ended": [{{"job_id": {}, "state": "RUN_DONE", "return_code": 0}},
                                      {{"job_id": {}, "state": "RUN_ERROR", "return_code": 3}}]}})",
                        good, bad)});
  ASSERT_EQ(told.status, 200u) << told.body;
  EXPECT_TRUE(value(told).at("lost").as_array().empty());
  EXPECT_EQ(state_of(good), jobs::JobState::kRunDone);
  EXPECT_EQ(stores_->jobs.get(bad)->return_code, 3);
  EXPECT_EQ(call({Method::kDelete, session}).status, 204u);
  EXPECT_EQ(call({Method::kPut, session}).status, 404u);
}

TEST_F(LauncherRoutesTest, AHeartbeatTellsWhichJobsAreLost) {
  const jobs::JobId job = runnable_job("one");
  const std::string session = open_session();
  ASSERT_EQ(call({Method::kPost, session, "{}"}).status, 200u);
  ASSERT_EQ(call({Method::kPut, session, fmt::format(R"({{"started": [{}]}})", job)}).status, 200u);
  ASSERT_EQ(call({Method::kPost, fmt::format("/v1/jobs/{}/cancel", job)}).status, 200u);
  const Response told = call({Method::kPut, session, fmt::format(R"({{"running": [{}]}})", job)});
  ASSERT_EQ(told.status, 200u) << told.body;
  ASSERT_EQ(value(told).at("lost").as_array().size(), 1u);
  EXPECT_EQ(value(told).at("lost").at(0).as_int64(), job);
}

TEST_F(LauncherRoutesTest, NobodyTakesJobsThroughTheSessionOfAnother) {
  runnable_job("one");
  const std::string session = open_session();
  for (const Method method : {Method::kPost, Method::kPut, Method::kDelete})
    EXPECT_EQ(call({method, session, "{}", kBen}).status, 404u);
  EXPECT_EQ(call({Method::kPost, "/v1/sessions", fmt::format(R"({{"site_id": {}}})", site_), kBen})
                .status,
            404u);
  EXPECT_EQ(count("/v1/sessions", kBen), 0);
  EXPECT_EQ(count("/v1/sessions"), 1);
}

TEST_F(LauncherRoutesTest, ABatchJobIsAskedForAndGivenBack) {
  const Response made = call({Method::kPost, "/v1/batch-jobs",
                              fmt::format(R"({{"site_id": {}, "num_nodes": 2, "wall_time_min": 30,
                                             "job_mode": "mpi", "queue": "debug",
                                             "filter_tags": {{"run": "1"}}}})",
                                          site_)});
  ASSERT_EQ(made.status, 201u) << made.body;
  EXPECT_EQ(value(made).at("state").as_string(), "pending_submission");
  EXPECT_EQ(value(made).at("job_mode").as_string(), "mpi");
  EXPECT_EQ(count("/v1/batch-jobs?queue=debug&state=pending_submission"), 1);
  const std::string at = fmt::format("/v1/batch-jobs/{}", value(made).at("id").as_int64());
  EXPECT_EQ(call({Method::kPut, at, R"({"state": "running"})"}).status, 422u);
  EXPECT_EQ(call({Method::kGet, at, "", kBen}).status, 404u);
  const Response ended = call({Method::kPut, at, R"({"state": "pending_deletion"})"});
  ASSERT_EQ(ended.status, 200u) << ended.body;
  EXPECT_EQ(value(ended).at("state").as_string(), "pending_deletion");
}

TEST_F(LauncherRoutesTest, SeveralBatchJobsAreGivenBackAtOnceOrNone) {
  const std::string wanted = fmt::format(R"({{"site_id": {}}})", site_);
  std::string both;
  for (int i = 0; i < 2; ++i) {
    const Response made = call({Method::kPost, "/v1/batch-jobs", wanted});
    both += fmt::format(R"({}{{"id": {}, "state": "pending_deletion"}})", i == 0 ? "" : ",",
                        value(made).at("id").as_int64());
  }
  const auto patch = [&](const std::string& list, const char* as) {
    return call({Method::kPatch, "/v1/batch-jobs", list, as});
  };
  EXPECT_EQ(patch(fmt::format("[{}]", both), kBen).status, 404u);
  EXPECT_EQ(
      patch(fmt::format(R"([{}, {{"id": 77, "state": "pending_deletion"}}])", both), kAda).status,
      404u);
  EXPECT_EQ(patch(fmt::format("[{0}, {0}]", both), kAda).status, 400u);
  EXPECT_EQ(patch(R"([{"id": 1, "state": "running"}])", kAda).status, 422u);
  EXPECT_EQ(count("/v1/batch-jobs?state=pending_submission"), 2) << "nothing has changed so far";
  const Response changed = patch(fmt::format("[{}]", both), kAda);
  ASSERT_EQ(changed.status, 200u) << changed.body;
  ASSERT_EQ(value(changed).as_array().size(), 2u);
  EXPECT_EQ(value(changed).at(1).at("state").as_string(), "pending_deletion");
  EXPECT_EQ(count("/v1/batch-jobs?state=pending_deletion"), 2);
}

TEST_F(LauncherRoutesTest, BatchJobsAreFoundByTagsAndTimes) {
  const Response made =
      call({Method::kPost, "/v1/batch-jobs",
            fmt::format(R"({{"site_id": {}, "filter_tags": {{"run": "1"}}}})", site_)});
  ASSERT_EQ(made.status, 201u) << made.body;
  EXPECT_EQ(count("/v1/batch-jobs?filter_tags=run:1"), 1);
  EXPECT_EQ(count("/v1/batch-jobs?filter_tags=run:2"), 0);
  EXPECT_EQ(count("/v1/batch-jobs?start_time_after=2001-01-01"), 0) << "it has not started";
  jobs::BatchJobs::Change change;
  change.started = world_.clock.now();
  ASSERT_TRUE(stores_->batch_jobs.modify(value(made).at("id").as_int64(), change));
  EXPECT_EQ(count("/v1/batch-jobs?start_time_after=2001-01-01&ordering=-start_time"), 1);
  EXPECT_EQ(count("/v1/batch-jobs?start_time_before=2001-01-01"), 0);
  EXPECT_EQ(count("/v1/batch-jobs?end_time_before=2100-01-01"), 0) << "it has not ended";
}

}  // namespace
}  // namespace wherry::server
