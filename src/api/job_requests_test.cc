// SPDX-License-Identifier: Apache-2.0
#include "api/job_requests.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "api/json.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;

json::array array(const std::string& text) { return parse_array(text).value(); }

std::string refusal(const std::string& job) {
  const json::array document = array("[" + job + "]");
  const auto read = read_new_job(document, 0);
  EXPECT_FALSE(read) << job;
  if (read) return "";
  EXPECT_EQ(read.error().code, Code::kInvalid);
  return read.error().message;
}

TEST(NewJob, BothFormsOfATransferAreRead) {
  const json::array document = array(R"([{"app_id": 3, "workdir": "run/1", "transfers": {
      "first": "lab:/a:b c", "second": {"location_alias": "lab", "path": "/d"}}}])");
  const auto request = read_new_job(document, 0).value();
  EXPECT_EQ(request.app_id, 3);
  EXPECT_EQ(request.job.transfers.at("first"), (jobs::RemotePath{"lab", "/a:b c"}));
  EXPECT_EQ(request.job.transfers.at("second"), (jobs::RemotePath{"lab", "/d"}));
  EXPECT_TRUE(request.resources.is_empty());
}

// Defect B20: names that are not UTF-8 travel as documents show them.
TEST(NewJob, B20BytesThatAreNoTextTravelEscaped) {
  const json::array document =
      array(R"([{"app_id": 3, "workdir": "caf\\xe9", "transfers": {"in": "lab:/caf\\xe9//x/"}}])");
  const auto request = read_new_job(document, 0).value();
  EXPECT_EQ(request.job.workdir, "caf\xe9");
  EXPECT_EQ(request.job.transfers.at("in").path, "/caf\xe9//x/");
}

TEST(NewJob, WhatIsWrongIsNamedWithItsJob) {
  EXPECT_EQ(refusal("7"), "job 1 must be an object");
  EXPECT_EQ(refusal(R"({"workdir": "a"})"), "job 1: app_id is missing");
  EXPECT_EQ(refusal(R"({"app_id": 1})"), "job 1: workdir is missing");
  EXPECT_THAT(refusal(R"({"app": "demo", "workdir": "a"})"), HasSubstr("site_id is missing"));
  EXPECT_THAT(refusal(R"({"app_id": 1, "app": "demo", "workdir": "a"})"), HasSubstr("exclude"));
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "tags": {"n": 1}})"),
              HasSubstr("job 1: tags: n must be a string"));
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "transfers": {"in": 4}})"),
              HasSubstr("job 1: transfers: in must be"));
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "transfers": {"in": {"path": "/a"}}})"),
              HasSubstr("job 1: transfers: in: location_alias is missing"));
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "num_nodes": 0})"),
              HasSubstr("job 1: num_nodes must be 1 to"));
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "num_nodes": 9999999999})"),
              HasSubstr("num_nodes must be"));
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "gpus_per_rank": -1})"),
              HasSubstr("gpus_per_rank"));
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "data": []})"), HasSubstr("data must be"));
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "parent_ids": ["1"]})"),
              HasSubstr("parent_ids must hold whole numbers"));
}

// A slip in a name must not pass as nothing.
TEST(NewJob, AMemberThatIsNotKnownIsNamed) {
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "parameter": {}})"),
              HasSubstr("job 1: parameter is not known here: "));
}

TEST(NewJob, DataIsBoundedAndKept) {
  const std::string large(jobs::kMaxDataBytes, 'x');
  EXPECT_THAT(refusal(R"({"app_id": 1, "workdir": "a", "data": {"x": ")" + large + "\"}}"),
              HasSubstr("at most 512000"));
  const json::array document =
      array(R"([{"app_id": 1, "workdir": "a", "data": {"b": 1, "a": [true, null, 1.5]}}])");
  EXPECT_EQ(parse_object(read_new_job(document, 0)->job.data).value(),
            parse_object(R"({"b": 1, "a": [true, null, 1.5]})").value());
}

TEST(JobChange, OnlyWhatIsNamedIsSet) {
  const auto patch =
      read_job_change(parse_object(R"({"state": "failed", "wall_time_min": 5})").value()).value();
  EXPECT_EQ(patch.change.state, jobs::JobState::kFailed);
  EXPECT_FALSE(patch.change.tags);
  EXPECT_FALSE(patch.change.workdir);
  jobs::Resources base;
  base.num_nodes = 4;
  const jobs::Resources changed = patch.resources.onto(base);
  EXPECT_EQ(changed.num_nodes, 4);
  EXPECT_EQ(changed.wall_time_min, 5);
}

TEST(JobChange, EachElementOfAListHasItsNumber) {
  const json::array document = array(R"([{"id": 7, "tags": {}}, {"tags": {}}])");
  EXPECT_EQ(read_job_patch(document, 0)->id, 7);
  EXPECT_EQ(read_job_patch(document, 1).error().message, "job 2: id is missing");
}

TEST(App, SlotsAndParametersAreRead) {
  const auto app = read_app(parse_object(R"({"site_id": 2, "name": "demo",
      "command": "hash {{ word }}", "parameters": {"word": {"default": "hi"}},
      "transfers": {"in": {"direction": "in", "local_path": "a", "recursive": true}},
      "environment": {"A": "1"}, "cleanup_files": ["*.tmp"], "num_nodes": 2})")
                                .value())
                       .value();
  EXPECT_EQ(app.site, 2);
  EXPECT_EQ(app.parameters.at("word"), (jobs::Parameter{false, "hi", ""}));
  EXPECT_TRUE(app.transfers.at("in").recursive);
  EXPECT_THAT(app.cleanup_files, ElementsAre("*.tmp"));
  EXPECT_EQ(app.resources.num_nodes, 2);
}

TEST(App, AChangeLeavesWhatItDoesNotName) {
  jobs::App app;
  app.id = 4;
  app.site = 2;
  app.name = "demo";
  app.command = "true";
  app.transfers["in"] = {};
  const auto change = [&](const char* text) {
    return read_app_change(parse_object(text).value(), app);
  };
  ASSERT_TRUE(change(R"({"name": "demo", "description": "does nothing"})"));
  EXPECT_EQ(app.command, "true");
  EXPECT_EQ(app.transfers.size(), 1u);
  ASSERT_TRUE(change(R"({"transfers": {}})"));
  EXPECT_TRUE(app.transfers.empty());
  EXPECT_THAT(change(R"({"name": "other"})").error().message, HasSubstr("cannot be changed"));
  EXPECT_THAT(
      change(R"({"transfers": {"in": {"direction": "up", "local_path": "a"}}})").error().message,
      HasSubstr("transfers: in: direction"));
}

TEST(SessionReport, OnlyEndsOfARunAreRead) {
  const auto read = [](const char* state) {
    return read_session_report(
        parse_object(fmt::format(R"({{"ended": [{{"job_id": 1, "state": "{}"}}]}})", state))
            .value());
  };
  EXPECT_EQ(read("RUN_TIMEOUT")->ended.front().state, jobs::JobState::kRunTimeout);
  EXPECT_THAT(read("JOB_FINISHED").error().message, HasSubstr("ended 1: state must be RUN_DONE"));
}

TEST(Acquire, HoldsNoMoreThanASessionMayTake) {
  EXPECT_EQ(read_acquire(parse_object(R"({"max_num_jobs": 2048})").value())->max_jobs, 2048u);
  EXPECT_FALSE(read_acquire(parse_object(R"({"max_num_jobs": 2049})").value()));
}

}  // namespace
}  // namespace wherry::api
