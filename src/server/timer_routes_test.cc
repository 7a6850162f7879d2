// SPDX-License-Identifier: Apache-2.0
#include "server/timer_routes.h"

#include <gmock/gmock.h>

#include "server/data_access.h"
#include "server/identities.h"
#include "server/timer_fixture.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

class TimerRoutesTest : public TimerFixture {
 protected:
  void SetUp() override {
    TimerFixture::SetUp();
    ASSERT_TRUE(world_.database->migrate(identity_migrations()));
    routes_ = timer_routes({*timers_, *world_.service, world_.clock, find_endpoint(), consents_});
    caller_.identity = kAda;
  }

  struct Asked {
    Method method = Method::kGet;
    std::string pattern;
    std::string id = {};
    std::string body = {};
    std::vector<std::pair<std::string, std::string>> query = {};
  };
  Response call(const Asked& asked) {
    Request request;
    request.method = asked.method;
    request.path = asked.pattern;
    request.body = asked.body;
    request.query = asked.query;
    for (const Route& route : routes_) {
      if (route.method == asked.method && route.pattern == asked.pattern)
        return route.run({request, &caller_, {{"timer_id", asked.id}}});
    }
    ADD_FAILURE() << "no route for " << asked.pattern;
    return {};
  }
  static json::object object(const Response& response) {
    return json::parse(response.body).as_object();
  }

  std::string creation() {
    return json::serialize(json::object{
        {"timer",
         json::object{{"timer_type", "transfer"},
                      {"name", "nightly"},
                      {"schedule", json::object{{"type", "recurring"}, {"interval_seconds", 3600}}},
                      {"body", body()}}}});
  }

  Consents consents_{*world_.database, world_.clock};
  std::vector<Route> routes_;
  Caller caller_;
};

TEST_F(TimerRoutesTest, ATimerThatIsCreatedIsListedAsAJob) {
  const Response created = call({Method::kPost, "/v2/timer", "", creation()});
  ASSERT_EQ(created.status, 201u) << created.body;
  const json::object timer = object(created).at("timer").as_object();
  EXPECT_EQ(timer.at("status").as_string(), "new");
  const json::object list = object(call({Method::kGet, "/jobs"}));
  ASSERT_EQ(list.at("jobs").as_array().size(), 1u);
  EXPECT_EQ(list.at("jobs").at(0).at("job_id"), timer.at("job_id"));
  EXPECT_EQ(list.at("jobs").at(0).at("interval").as_int64(), 3600);
}

TEST_F(TimerRoutesTest, TheOlderShapeCreatesTheSameTimer) {
  const json::object job{
      {"callback_url", "https://actions.automate.globus.org/transfer/transfer/run"},
      {"callback_body", json::object{{"body", body()}}},
      {"start", "2018-10-16T00:00:00"},
      {"interval", 86400},
      {"name", "old"},
      {"stop_after_n", 3}};
  const Response created = call({Method::kPost, "/jobs", "", json::serialize(job)});
  ASSERT_EQ(created.status, 201u) << created.body;
  EXPECT_EQ(object(created).at("stop_after").at("n_runs").as_int64(), 3);
  EXPECT_EQ(object(created).at("schedule").at("start").as_string(), "2018-10-16T00:00:00+00:00");
}

TEST_F(TimerRoutesTest, AWrongMemberIsNamedByItsPlace) {
  const Response refused =
      call({Method::kPost, "/v2/timer", "", R"({"timer": {"schedule": {"type": "recurring"}}})"});
  EXPECT_EQ(refused.status, 422u);
  const json::object detail = object(refused).at("detail").at(0).as_object();
  EXPECT_EQ(json::serialize(detail.at("loc")), R"(["body","timer","schedule","interval_seconds"])");
  EXPECT_EQ(detail.at("type").as_string(), "value_error.missing");
}

TEST_F(TimerRoutesTest, ABodyThatCouldNeverRunIsRefusedAtOnce) {
  const auto is_refused = [&](const json::object& transfer, const char* why) {
    json::object document = json::parse(creation()).as_object();
    document["timer"].as_object()["body"] = transfer;
    const Response response = call({Method::kPost, "/v2/timer", "", json::serialize(document)});
    EXPECT_EQ(response.status, 422u) << response.body;
    EXPECT_THAT(response.body, HasSubstr(why));
  };
  json::object transfer = body();
  transfer["source_endpoint"] = "11111111-0000-4000-8000-000000000009";
  is_refused(transfer, "11111111-0000-4000-8000-000000000009");
  transfer = body();
  transfer["DATA"] = json::array();
  is_refused(transfer, "no items");
  EXPECT_EQ(object(call({Method::kGet, "/jobs"})).at("jobs").as_array().size(), 0u);
}

TEST_F(TimerRoutesTest, ATimerReachesOnlyEndpointsThatExistForItsOwner) {
  caller_.identity = "other";
  const Response refused = call({Method::kPost, "/v2/timer", "", creation()});
  EXPECT_EQ(refused.status, 422u);
  EXPECT_THAT(refused.body, HasSubstr("no endpoint"));
}

TEST_F(TimerRoutesTest, ARunAsksNobodySoTheTokenMustCoverItsEndpoints) {
  endpoints::EndpointChange change;
  change.requires_data_access = true;
  ASSERT_TRUE(world_.endpoints->update(world_.target, change));
  const Response refused = call({Method::kPost, "/v2/timer", "", creation()});
  EXPECT_EQ(refused.status, 403u);
  const json::object answer = object(refused);
  EXPECT_EQ(answer.at("error").at("code"), json::value("ConsentRequired"));
  const std::string data = "https://auth.globus.org/scopes/" + world_.target + "/data_access";
  const std::string transfer(kTransferScope);
  EXPECT_EQ(answer.at("required_scopes"), json::value(json::array{std::string(kTimerScope) + "[" +
                                                                  transfer + "[*" + data + "]]"}));
  caller_.scopes = {transfer + "[" + data + "]"};
  EXPECT_EQ(call({Method::kPost, "/v2/timer", "", creation()}).status, 201u);
}

TEST_F(TimerRoutesTest, AStrangersTimerDoesNotExist) {
  const Timer timer = create();
  caller_.identity = "other";
  const std::string unknown = "11111111-0000-4000-8000-000000000009";
  const Asked requests[] = {{Method::kGet, "/jobs/{timer_id}"},
                            {Method::kPatch, "/jobs/{timer_id}", "", R"({"name": "mine"})"},
                            {Method::kPatch, "/jobs/{timer_id}", "", R"({"interval": 60})"},
                            {Method::kDelete, "/jobs/{timer_id}"},
                            {Method::kPost, "/jobs/{timer_id}/pause"},
                            {Method::kPost, "/jobs/{timer_id}/resume", "", "{}"}};
  for (Asked asked : requests) {
    asked.id = timer.id;
    const Response strangers = call(asked);
    asked.id = unknown;
    EXPECT_EQ(strangers.status, 404u) << asked.pattern;
    EXPECT_EQ(call(asked).status, 404u) << asked.pattern;
    EXPECT_THAT(strangers.body, HasSubstr(R"("error":{"code":)"));
  }
  EXPECT_TRUE(object(call({Method::kGet, "/jobs"})).at("jobs").as_array().empty());
}

TEST_F(TimerRoutesTest, PauseAndResumeSayWhatTheyDid) {
  const Timer timer = create(std::chrono::hours(1));
  const Response paused = call({Method::kPost, "/jobs/{timer_id}/pause", timer.id});
  EXPECT_EQ(object(paused).at("message").as_string(), "Successfully paused job " + timer.id + ".");
  const json::object job = object(call({Method::kGet, "/jobs/{timer_id}", timer.id}));
  EXPECT_EQ(job.at("status").as_string(), "inactive");
  EXPECT_EQ(job.at("inactive_reason").at("cause").as_string(), "user");
  EXPECT_EQ(call({Method::kPost, "/jobs/{timer_id}/resume", timer.id}).status, 200u);
  EXPECT_EQ(look(timer).status, api::TimerStatus::kLoaded);
}

TEST_F(TimerRoutesTest, ATimerThatHasEndedIsNotResumed) {
  const Timer timer = create();
  ASSERT_EQ(loop_->step().value(), 1u);
  const Response refused = call({Method::kPost, "/jobs/{timer_id}/resume", timer.id, "{}"});
  EXPECT_EQ(refused.status, 409u);
  EXPECT_THAT(refused.body, HasSubstr(R"("code":"Conflict")"));
}

TEST_F(TimerRoutesTest, OnlyTheNameCanBeChanged) {
  const Timer timer = create();
  const Response renamed =
      call({Method::kPatch, "/jobs/{timer_id}", timer.id, R"({"name": "weekly"})"});
  EXPECT_EQ(object(renamed).at("name").as_string(), "weekly");
  EXPECT_EQ(call({Method::kPatch, "/jobs/{timer_id}", timer.id, R"({"interval": 60})"}).status,
            422u);
}

TEST_F(TimerRoutesTest, DeleteAnswersTheTimerThatIsGone) {
  const Timer timer = create();
  const Response deleted = call({Method::kDelete, "/jobs/{timer_id}", timer.id});
  EXPECT_EQ(object(deleted).at("job_id").as_string(), timer.id);
  EXPECT_EQ(call({Method::kGet, "/jobs/{timer_id}", timer.id}).status, 404u);
}

TEST_F(TimerRoutesTest, ListsAreFilteredAndSorted) {
  const Timer first = create();
  world_.clock.advance(std::chrono::seconds(1));
  const Timer second = create();
  ASSERT_TRUE(timers_->pause(kAda, first.id));
  const auto ids = [&](std::vector<std::pair<std::string, std::string>> query) {
    std::vector<std::string> found;
    const json::object list = object(call({Method::kGet, "/jobs", "", "", std::move(query)}));
    for (const json::value& job : list.at("jobs").as_array())
      found.emplace_back(job.at("job_id").as_string());
    return found;
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(ids({{"order", "submitted_at asc"}}), (Ids{first.id, second.id}));
  EXPECT_EQ(ids({{"order", "submitted_at desc"}}), (Ids{second.id, first.id}));
  EXPECT_EQ(ids({{"filter_status", "active"}}), (Ids{second.id}));
  EXPECT_EQ(ids({{"filter_status", "inactive,ended"}}), (Ids{first.id}));
  EXPECT_EQ(ids({{"filter_name", "NIGHT"}}), (Ids{first.id, second.id}));
  EXPECT_EQ(ids({{"filter_name", "x"}}), Ids{});
  EXPECT_EQ(call({Method::kGet, "/jobs", "", "", {{"order", "size"}}}).status, 422u);
}

TEST_F(TimerRoutesTest, EveryRouteAsksForTheScopeOfTimers) {
  for (const Route& route : routes_) {
    EXPECT_EQ(route.scope, kTimerScope) << route.pattern;
    const Response error = route.style({401, "ClientError.AuthenticationFailed", "no"}, "", "");
    EXPECT_EQ(object(error).at("error").at("status").as_int64(), 401);
  }
}

}  // namespace
}  // namespace wherry::server
