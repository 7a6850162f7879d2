// SPDX-License-Identifier: Apache-2.0
#include "server/job_routes.h"

#include <gmock/gmock.h>

#include <set>

#include "base/units.h"
#include "server/job_fixture.h"
#include "server/job_queries.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

class JobRoutesTest : public JobFixture {
 protected:
  std::string state_of(jobs::JobId id) {
    return std::string(to_string(stores_->jobs.get(id).value().state));
  }
  std::string at_job(jobs::JobId id) { return fmt::format("/v1/jobs/{}", id); }
  std::string new_jobs(std::size_t count) {
    json::array all;
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back(json::object{{"app_id", app_},
                                 {"workdir", fmt::format("many/{}", i)},
                                 {"transfers", json::object{{"input", "lab:/in.dat"}}}});
    }
    return json::serialize(all);
  }
};

TEST_F(JobRoutesTest, AJobIsToldInBalsamsWords) {
  const Response made =
      call({Method::kPost, "/v1/jobs",
            fmt::format(R"([{{"app_id": {}, "workdir": "run/1", "tags": {{"run": "1"}},
                            "parameters": {{"word": "hi"}}, "num_nodes": 2, "data": {{"a": [1]}},
                            "transfers": {{"input": {{"location_alias": "lab",
                                                      "path": "/a:b c.dat"}}}}}}])",
                        app_)});
  ASSERT_EQ(made.status, 201u) << made.body;
  const json::object job = value(made).at(0).as_object();
  EXPECT_EQ(job.at("workdir").as_string(), "run/1");
  EXPECT_EQ(job.at("state").as_string(), "READY");
  EXPECT_EQ(job.at("tags").at("run").as_string(), "1");
  EXPECT_EQ(job.at("parameters").at("word").as_string(), "hi");
  EXPECT_EQ(job.at("num_nodes").as_int64(), 2);
  EXPECT_EQ(json::serialize(job.at("data")), R"({"a":[1]})");
  EXPECT_TRUE(job.at("return_code").is_null());
  const json::value items = value(call({Method::kGet, "/v1/transfers?direction=in"}));
  ASSERT_EQ(items.at("count").as_int64(), 1);
  EXPECT_EQ(items.at("results").at(0).at("remote_path").as_string(), "/a:b c.dat");
  EXPECT_EQ(items.at("results").at(0).at("state").as_string(), "pending");
}

// Defect B10: a colon in a path ends no alias.
TEST_F(JobRoutesTest, B10APathMayHoldColons) {
  ASSERT_EQ(call({Method::kPost, "/v1/jobs",
                  fmt::format(R"([{{"app_id": {}, "workdir": "a",
                                  "transfers": {{"input": "lab:/run:3/a:b"}}}}])",
                              app_)})
                .status,
            201u);
  const json::value items = value(call({Method::kGet, "/v1/transfers?direction=in"}));
  EXPECT_EQ(items.at("results").at(0).at("remote_path").as_string(), "/run:3/a:b");
}

// Defect B9: required slots are checked for every writer.
TEST_F(JobRoutesTest, B9ARequiredInputThatIsMissingIsRefused) {
  const Response refused =
      call({Method::kPost, "/v1/jobs", fmt::format(R"([{{"app_id": {}, "workdir": "a"}}])", app_)});
  EXPECT_EQ(refused.status, 422u);
  EXPECT_THAT(detail(refused), HasSubstr("input"));
}

// Defect B11: a work directory stays in the site.
TEST_F(JobRoutesTest, B11AWorkDirectoryCannotLeaveTheSite) {
  for (const char* workdir : {"../../etc", "/etc", "a/../../b"}) {
    const Response refused = call({Method::kPost, "/v1/jobs",
                                   fmt::format(R"([{{"app_id": {}, "workdir": "{}",
                               "transfers": {{"input": "lab:/a"}}}}])",
                                               app_, workdir)});
    EXPECT_EQ(refused.status, 422u) << workdir;
    EXPECT_THAT(detail(refused), HasSubstr("job 1")) << workdir;
  }
}

TEST_F(JobRoutesTest, OneBadJobOfManyMakesNone) {
  const Response refused =
      call({Method::kPost, "/v1/jobs",
            fmt::format(R"([{{"app_id": {0}, "workdir": "a", "transfers": {{"input": "lab:/a"}}}},
                       {{"app_id": {0}, "workdir": "b", "transfers": {{"inptu": "lab:/a"}}}}])",
                        app_)});
  EXPECT_EQ(refused.status, 422u);
  EXPECT_THAT(detail(refused), HasSubstr("job 2"));
  EXPECT_THAT(detail(refused), HasSubstr("inptu"));
  EXPECT_EQ(count("/v1/jobs"), 0);
}

TEST_F(JobRoutesTest, BulkIsBounded) {
  const Response refused = call({Method::kPost, "/v1/jobs", new_jobs(jobs::kMaxBulk + 1)});
  EXPECT_EQ(refused.status, 400u);
  EXPECT_THAT(detail(refused), HasSubstr("5000"));
  EXPECT_EQ(count("/v1/jobs"), 0);
}

TEST_F(JobRoutesTest, TwoJobsOfARequestCannotShareAWorkDirectory) {
  const Response refused =
      call({Method::kPost, "/v1/jobs",
            fmt::format(R"([{{"app_id": {0}, "workdir": "a", "transfers": {{"input": "lab:/a"}}}},
                            {{"app_id": {0}, "workdir": "a", "transfers": {{"input": "lab:/b"}}}}])",
                        app_)});
  EXPECT_EQ(refused.status, 400u);
  EXPECT_THAT(detail(refused), HasSubstr("workdir 'a'"));
}

TEST_F(JobRoutesTest, APageTellsHowManyThereAre) {
  ASSERT_EQ(call({Method::kPost, "/v1/jobs", new_jobs(7)}).status, 201u);
  const json::value page = value(call({Method::kGet, "/v1/jobs?ordering=-id&limit=2&offset=1"}));
  EXPECT_EQ(page.at("count").as_int64(), 7);
  ASSERT_EQ(page.at("results").as_array().size(), 2u);
  EXPECT_GT(page.at("results").at(0).at("id").as_int64(),
            page.at("results").at(1).at("id").as_int64());
}

// What a page that holds more is answered with is in job_store_test.cc: here it would take 128 MiB.
TEST_F(JobRoutesTest, PagesAreBoundedInBytesToo) {
  EXPECT_EQ(read_job_query({})->max_bytes, jobs::kMaxPageBytes);
  EXPECT_EQ(read_item_query({})->max_bytes, jobs::kMaxPageBytes);
  EXPECT_EQ(read_event_query({})->filter.max_bytes, jobs::kMaxPageBytes);
}

TEST_F(JobRoutesTest, ItemsAreFoundByWhenTheyChanged) {
  make_job("one");
  const std::string now = format_time(world_.clock.now());
  EXPECT_EQ(count("/v1/transfers?last_update_before=2001-01-01"), 0);
  EXPECT_EQ(count("/v1/transfers?last_update_after=2001-01-01"),
            count("/v1/transfers?last_update_before=2100-01-01"));
  EXPECT_GT(count("/v1/transfers?last_update_after=" + now), 0);
}

TEST_F(JobRoutesTest, FiltersOfOneKindWidenAndOfSeveralNarrow) {
  const jobs::JobId first = make_job("one", R"(, "tags": {"run": "1"})");
  const jobs::JobId second = make_job("two", R"(, "tags": {"run": "2"})");
  ASSERT_EQ(call({Method::kPost, at_job(second) + "/cancel"}).status, 200u);
  EXPECT_EQ(count("/v1/jobs?state=READY&state=FAILED"), 2);
  EXPECT_EQ(count("/v1/jobs?state=READY&tags=run:2"), 0);
  EXPECT_EQ(count("/v1/jobs?state__ne=FAILED"), 1);
  EXPECT_EQ(count(fmt::format("/v1/jobs?id={}&id={}&tags=run:1", first, second)), 1);
  EXPECT_EQ(count("/v1/jobs?workdir__contains=tw"), 1);
  EXPECT_EQ(count("/v1/jobs?last_update_after=2200-01-01"), 0);
  EXPECT_EQ(count("/v1/transfers?job_state=FAILED&direction=in"), 1);
  EXPECT_EQ(count("/v1/transfers?tags=run:1&state=pending"), 1);
}

TEST_F(JobRoutesTest, WhatBelongsToAnotherIsNotThere) {
  const jobs::JobId mine = make_job("mine");
  const jobs::ItemId item = stores_->items.list({}).value().rows.front().id;
  const std::vector<Asked> asked = {
      {Method::kGet, at_job(mine)},
      {Method::kPut, at_job(mine), R"({"tags": {"taken": "1"}})"},
      {Method::kDelete, at_job(mine)},
      {Method::kPost, at_job(mine) + "/cancel"},
      {Method::kPost, at_job(mine) + "/retry"},
      {Method::kPatch, "/v1/jobs", fmt::format(R"([{{"id": {}, "tags": {{}}}}])", mine)},
      {Method::kGet, fmt::format("/v1/transfers/{}", item)},
      {Method::kPut, fmt::format("/v1/transfers/{}", item), R"({"state": "done"})"},
      {Method::kPatch, "/v1/transfers", fmt::format(R"([{{"id": {}, "state": "done"}}])", item)},
      {Method::kPost, "/v1/jobs", new_jobs(1)}};
  for (Asked one : asked) {
    one.as = kBen;
    const Response refused = call(one);
    EXPECT_EQ(refused.status, 404u) << one.target << ": " << refused.body;
  }
  EXPECT_EQ(state_of(mine), "READY");
  EXPECT_EQ(stores_->items.get(item)->state, jobs::ItemState::kPending);
}

TEST_F(JobRoutesTest, AListOfAnotherIsEmptyWhateverItAsksFor) {
  const jobs::JobId mine = make_job("mine");
  for (const std::string list : {"/v1/sites", "/v1/apps", "/v1/jobs", "/v1/transfers", "/v1/events",
                                 "/v1/sessions", "/v1/batch-jobs"}) {
    EXPECT_EQ(count(list, kBen), 0) << list;
    const std::string by_site = list == "/v1/sites" ? "?id={}" : "?site_id={}";
    EXPECT_EQ(count(list + fmt::format(fmt::runtime(by_site), site_), kBen), 0) << list;
  }
  EXPECT_EQ(count(fmt::format("/v1/jobs?id={}", mine), kBen), 0);
}

TEST_F(JobRoutesTest, ChangesByQueryReachTheCallersOwnOnly) {
  const jobs::JobId mine = make_job("mine");
  const std::string here = fmt::format("/v1/jobs?site_id={}", site_);
  const Response changed = call({Method::kPut, here, R"({"tags": {"taken": "1"}})", kBen});
  EXPECT_EQ(value(changed).at("count").as_int64(), 0);
  EXPECT_EQ(call({Method::kDelete, here, "", kBen}).status, 204u);
  EXPECT_EQ(
      value(call({Method::kPost, fmt::format("/v1/transfers/retry?job_id={}", mine), "", kBen}))
          .at("count")
          .as_int64(),
      0);
  EXPECT_TRUE(stores_->jobs.get(mine)->tags.empty());
}

TEST_F(JobRoutesTest, ACallersOwnSiteDoesNotOpenThoseOfOthers) {
  make_job("mine");
  const auto his = stores_->sites.create("polaris", "/sites/polaris", kBen, kSettings).value();
  EXPECT_EQ(count("/v1/jobs", kBen), 0);
  EXPECT_EQ(count(fmt::format("/v1/jobs?site_id={}&site_id={}", site_, his.id), kBen), 0);
  EXPECT_EQ(call({Method::kDelete, fmt::format("/v1/jobs?site_id={}&site_id={}", site_, his.id), "",
                  kBen})
                .status,
            204u);
  EXPECT_EQ(count("/v1/jobs"), 1);
}

TEST_F(JobRoutesTest, NobodyWaitsForAJobOfAnother) {
  const jobs::JobId mine = make_job("mine");
  const auto his = stores_->sites.create("polaris", "/sites/polaris", kBen, kSettings).value();
  const auto app = stores_->apps.put(demo_app(his.id)).value();
  const Response refused = call({Method::kPost, "/v1/jobs",
                                 fmt::format(R"([{{"app_id": {}, "workdir": "a", "parent_ids": [{}],
                            "transfers": {{"input": "lab:/a"}}}}])",
                                             app.id, mine),
                                 kBen});
  EXPECT_EQ(refused.status, 404u) << refused.body;
}

TEST_F(JobRoutesTest, SeveralAreChangedEachInItsOwnWayOrNone) {
  const jobs::JobId first = make_job("one"), second = make_job("two");
  const Response changed =
      call({Method::kPatch, "/v1/jobs",
            fmt::format(R"([{{"id": {}, "tags": {{"n": "2"}}}}, {{"id": {}, "num_nodes": 4}}])",
                        second, first)});
  ASSERT_EQ(changed.status, 200u) << changed.body;
  EXPECT_EQ(value(changed).at(0).at("id").as_int64(), second);
  EXPECT_EQ(value(changed).at(1).at("num_nodes").as_int64(), 4);
  const Response refused =
      call({Method::kPatch, "/v1/jobs",
            fmt::format(R"([{{"id": {}, "tags": {{"n": "3"}}}}, {{"id": {}, "state": "RUNNING"}}])",
                        second, first)});
  EXPECT_THAT(refused.status, testing::AnyOf(409u, 422u)) << refused.body;
  EXPECT_EQ(stores_->jobs.get(second)->tags.at("n"), "2");
  EXPECT_EQ(
      call({Method::kPatch, "/v1/jobs",
            fmt::format(R"([{{"id": {0}, "tags": {{}}}}, {{"id": {0}, "tags": {{}}}}])", first)})
          .status,
      400u);
}

TEST_F(JobRoutesTest, OnlyTheResourcesThatAreNamedChange) {
  const jobs::JobId job = make_job("one", R"(, "num_nodes": 3, "wall_time_min": 5)");
  const Response changed = call({Method::kPut, at_job(job), R"({"wall_time_min": 9})"});
  ASSERT_EQ(changed.status, 200u) << changed.body;
  EXPECT_EQ(value(changed).at("num_nodes").as_int64(), 3);
  EXPECT_EQ(value(changed).at("wall_time_min").as_int64(), 9);
}

TEST_F(JobRoutesTest, AllThatAQueryNamesAreChangedOrDeleted) {
  make_job("one", R"(, "tags": {"run": "1"})");
  make_job("two", R"(, "tags": {"run": "1"})");
  make_job("three", R"(, "tags": {"run": "2"})");
  const Response changed = call({Method::kPut, "/v1/jobs?tags=run:1", R"({"tags": {"run": "3"}})"});
  EXPECT_EQ(value(changed).at("count").as_int64(), 2);
  EXPECT_EQ(call({Method::kDelete, "/v1/jobs?tags=run:3"}).status, 204u);
  EXPECT_EQ(count("/v1/jobs"), 1);
}

TEST_F(JobRoutesTest, AChangeThatNamesNothingChangesNothing) {
  make_job("one");
  EXPECT_EQ(call({Method::kDelete, "/v1/jobs"}).status, 422u);
  EXPECT_EQ(call({Method::kDelete, "/v1/jobs?stat=FAILED"}).status, 422u);
  EXPECT_EQ(call({Method::kPut, "/v1/jobs", R"({"tags": {}})"}).status, 422u);
  EXPECT_EQ(count("/v1/jobs"), 1);
}

TEST_F(JobRoutesTest, AJobIsCancelledAndTriedAgain) {
  const jobs::JobId job = make_job("one");
  EXPECT_EQ(value(call({Method::kPost, at_job(job) + "/cancel"})).at("state").as_string(),
            "FAILED");
  EXPECT_EQ(call({Method::kPost, at_job(job) + "/cancel"}).status, 409u);
  EXPECT_EQ(value(call({Method::kPost, at_job(job) + "/retry"})).at("state").as_string(), "READY");
  EXPECT_EQ(count(fmt::format("/v1/events?job_id={}&to_state=FAILED", job)), 1);
}

TEST_F(JobRoutesTest, EventsAreToldNewestFirst) {
  const jobs::JobId job = make_job("one");
  world_.clock.advance(std::chrono::seconds(10));
  ASSERT_EQ(call({Method::kDelete, at_job(make_job("two"))}).status, 204u);
  ASSERT_EQ(call({Method::kPost, at_job(job) + "/cancel"}).status, 200u);
  const json::value events = value(call({Method::kGet, fmt::format("/v1/events?job_id={}", job)}));
  ASSERT_GE(events.at("results").as_array().size(), 2u);
  EXPECT_GE(events.at("results").at(0).at("timestamp").as_string(),
            events.at("results").as_array().back().at("timestamp").as_string());
  EXPECT_EQ(count("/v1/events?scheduler_id=nobody"), 0);
}

TEST_F(JobRoutesTest, WhatIsNotThereIs404AndWhatIsWrong422) {
  EXPECT_EQ(call({Method::kGet, "/v1/jobs/77"}).status, 404u);
  EXPECT_EQ(call({Method::kGet, "/v1/jobs/seven"}).status, 404u);
  EXPECT_EQ(call({Method::kGet, "/v1/jobs?limit=few"}).status, 422u);
  EXPECT_EQ(call({Method::kPost, "/v1/jobs", "{}"}).status, 422u);
  const Response refused =
      call({Method::kPost, "/v1/jobs", fmt::format(R"([{{"app_id": {}, "workdir": 3}}])", app_)});
  EXPECT_EQ(refused.status, 422u);
  EXPECT_EQ(detail(refused), "job 1: workdir must be a string");
}

TEST_F(JobRoutesTest, JobsOfOneRequestAreOfOneSite) {
  const auto other = stores_->sites.create("other", "/sites/other", kAda, kSettings).value();
  const auto app = stores_->apps.put(demo_app(other.id)).value();
  const Response refused =
      call({Method::kPost, "/v1/jobs",
            fmt::format(R"([{{"app_id": {}, "workdir": "a", "transfers": {{"input": "lab:/a"}}}},
                            {{"app_id": {}, "workdir": "b", "transfers": {{"input": "lab:/a"}}}}])",
                        app_, app.id)});
  EXPECT_EQ(refused.status, 422u);
  EXPECT_THAT(detail(refused), HasSubstr("one site"));
}

TEST_F(JobRoutesTest, AnAppIsKnownByItsNameInASite) {
  const Response made = call({Method::kPost, "/v1/jobs",
                              fmt::format(R"([{{"site_id": {}, "app": "demo", "workdir": "a",
                            "transfers": {{"input": "lab:/a"}}}}])",
                                          site_)});
  ASSERT_EQ(made.status, 201u) << made.body;
  EXPECT_EQ(value(made).at(0).at("app_id").as_int64(), app_);
}

TEST_F(JobRoutesTest, AnItemInErrorIsTriedAgain) {
  make_job("one");
  const jobs::ItemId item = stores_->items.list({}).value().rows.front().id;
  const std::string at = fmt::format("/v1/transfers/{}", item);
  const Response moved = call({Method::kPut, at, R"({"state": "active", "task_id": "globus:7"})"});
  ASSERT_EQ(moved.status, 200u) << moved.body;
  EXPECT_EQ(value(moved).at("task_id").as_string(), "globus:7");
  const Response failed =
      call({Method::kPatch, "/v1/transfers",
            fmt::format(
                R"([{{"id": {}, "state": "error", "transfer_info": {{"error": "no such file"}}}}])",
                item)});
  ASSERT_EQ(failed.status, 200u) << failed.body;
  EXPECT_EQ(value(failed).at(0).at("transfer_info").at("error").as_string(), "no such file");
  EXPECT_EQ(value(call({Method::kPost, "/v1/transfers/retry?state=error"})).at("count").as_int64(),
            1);
  EXPECT_EQ(value(call({Method::kGet, at})).at("state").as_string(), "pending");
}

}  // namespace
}  // namespace wherry::server
