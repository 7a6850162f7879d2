// SPDX-License-Identifier: Apache-2.0
#include "server/manager_routes.h"

#include <gmock/gmock.h>

#include "server/route_fixture.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using endpoints::Role;
using testing::ElementsAre;
using testing::IsEmpty;

const std::string kManager = "0b0b0b0b-0000-4000-8000-000000000002";

// The tasks are Ada's, and so are the endpoints; Bob looks after them, or does not.
class ManagerRoutesTest : public RouteFixture {
 protected:
  void SetUp() override {
    RouteFixture::SetUp();
    ASSERT_TRUE(world_.database->migrate(admin_cancel_migrations()));
    cancels_ = std::make_unique<AdminCancels>(
        AdminCancels::Parts{*world_.database, world_.clock, world_.random});
    routes_ = manager_routes(parts(), *cancels_);
    world_.add_source_file("a.txt", "alpha");
    caller_.identity = kManager;
  }
  void give_bob(Role::Kind kind, const endpoints::EndpointId& endpoint) {
    ASSERT_TRUE(permissions_.create_role(
        {.id = {}, .endpoint = endpoint, .principal = kManager, .kind = kind}));
  }
  tasks::TaskId submit() {
    world_.clock.advance(std::chrono::seconds(1));
    return world_.submit(world_.transfer("a.txt", "b.txt"));
  }
  json::object list(std::vector<std::pair<std::string, std::string>> query = {}) {
    return object(
        call({Method::kGet, "/v0.10/endpoint_manager/task_list", {}, "", std::move(query)}));
  }
  std::vector<tasks::TaskId> listed(std::vector<std::pair<std::string, std::string>> query = {}) {
    const json::object found = list(std::move(query));
    std::vector<tasks::TaskId> ids;
    for (const json::value& task : found.at("DATA").as_array())
      ids.emplace_back(task.at("task_id").as_string());
    return ids;
  }
  Response one(const std::string& pattern, const tasks::TaskId& id) {
    return call(
        {Method::kGet, "/v0.10/endpoint_manager/task/{task_id}" + pattern, {{"task_id", id}}});
  }
  Response act(const std::string& what, const tasks::TaskId& id) {
    const json::object body{{"task_id_list", json::array{json::value(id)}}, {"message", "enough"}};
    return call({Method::kPost, "/v0.10/endpoint_manager/" + what, {}, json::serialize(body)});
  }

  std::unique_ptr<AdminCancels> cancels_;
};

TEST_F(ManagerRoutesTest, AStrangerSeesNoTasksAndNoEndpoints) {
  const tasks::TaskId id = submit();
  EXPECT_THAT(listed(), IsEmpty());
  EXPECT_EQ(one("", id).status, 404u);
  EXPECT_EQ(act("admin_cancel", id).status, 404u);
  const json::object endpoints =
      object(call({Method::kGet, "/v0.10/endpoint_manager/monitored_endpoints"}));
  EXPECT_TRUE(endpoints.at("DATA").as_array().empty());
}

TEST_F(ManagerRoutesTest, AMonitorSeesTasksOfOthersOnHisEndpointAndChangesNothing) {
  const tasks::TaskId id = submit();
  give_bob(Role::Kind::kActivityMonitor, world_.target);
  EXPECT_THAT(listed(), ElementsAre(id));
  EXPECT_EQ(object(one("", id)).at("task_id").as_string(), id);
  EXPECT_EQ(one("/event_list", id).status, 200u);
  EXPECT_EQ(one("/successful_transfers", id).status, 200u);
  EXPECT_EQ(one("/skipped_errors", id).status, 200u);
  EXPECT_EQ(one("/pause_info", id).status, 200u);
  for (const char* what : {"admin_pause", "admin_resume", "admin_cancel"})
    EXPECT_EQ(act(what, id).status, 404u) << what;
  const json::object endpoints =
      object(call({Method::kGet, "/v0.10/endpoint_manager/monitored_endpoints"}));
  ASSERT_EQ(endpoints.at("DATA").as_array().size(), 1u);
  EXPECT_EQ(endpoints.at("DATA").at(0).at("id").as_string(), world_.target);
}

TEST_F(ManagerRoutesTest, WhatIsKnownOfAnEndpointIsToldToThoseWhoLookAfterIt) {
  const auto look = [&](const std::string& pattern) {
    return call({Method::kGet,
                 "/v0.10/endpoint_manager/endpoint/{endpoint_id}" + pattern,
                 {{"endpoint_id", world_.target}}});
  };
  EXPECT_EQ(look("").status, 404u);
  give_bob(Role::Kind::kActivityMonitor, world_.target);
  EXPECT_EQ(object(look("")).at("id").as_string(), world_.target);
  EXPECT_TRUE(object(look("/access_list")).at("DATA").as_array().empty());
  EXPECT_TRUE(object(look("/hosted_endpoint_list")).at("DATA").as_array().empty());
}

TEST_F(ManagerRoutesTest, AManagerPausesAndResumes) {
  const tasks::TaskId id = submit();
  give_bob(Role::Kind::kActivityManager, world_.target);
  EXPECT_EQ(code(act("admin_pause", id)), "PauseAccepted");
  EXPECT_TRUE(object(one("", id)).at("is_paused").as_bool());
  EXPECT_EQ(object(one("/pause_info", id)).at("source_pause_message").as_string(), "enough");
  EXPECT_THAT(listed({{"filter_is_paused", "1"}}), ElementsAre(id));
  EXPECT_THAT(listed({{"filter_is_paused", "0"}}), IsEmpty());
  EXPECT_EQ(code(act("admin_resume", id)), "ResumeAccepted");
  EXPECT_FALSE(object(one("", id)).at("is_paused").as_bool());
}

TEST_F(ManagerRoutesTest, AManagerCancelsAndIsToldWhenItIsDone) {
  const tasks::TaskId id = submit();
  give_bob(Role::Kind::kActivityManager, world_.target);
  const json::object request = object(act("admin_cancel", id));
  EXPECT_TRUE(request.at("done").as_bool());
  const json::object task = object(one("", id));
  EXPECT_EQ(task.at("canceled_by_admin").as_string(), "DESTINATION");
  EXPECT_EQ(task.at("canceled_by_admin_message").as_string(), "enough");
  const Asked again{Method::kGet,
                    "/v0.10/endpoint_manager/admin_cancel/{request_id}",
                    {{"request_id", std::string(request.at("id").as_string())}}};
  EXPECT_TRUE(object(call(again)).at("done").as_bool());
  caller_.identity = "ada";
  EXPECT_EQ(call(again).status, 404u);
}

TEST_F(ManagerRoutesTest, PagesFollowOneAnother) {
  give_bob(Role::Kind::kActivityMonitor, world_.source);
  const tasks::TaskId first = submit(), second = submit(), third = submit();
  const json::object page = list({{"limit", "2"}});
  EXPECT_TRUE(page.at("has_next_page").as_bool());
  const std::string last(page.at("last_key").as_string());
  EXPECT_EQ(last, second);
  EXPECT_THAT(listed({{"limit", "2"}}), ElementsAre(third, second));
  EXPECT_THAT(listed({{"limit", "2"}, {"last_key", last}}), ElementsAre(first));
  EXPECT_FALSE(list({{"limit", "2"}, {"last_key", last}}).at("has_next_page").as_bool());
}

TEST_F(ManagerRoutesTest, FiltersNarrowTheList) {
  give_bob(Role::Kind::kActivityMonitor, world_.source);
  const tasks::TaskId id = submit();
  EXPECT_THAT(listed({{"filter_status", "ACTIVE,INACTIVE"}}), ElementsAre(id));
  EXPECT_THAT(listed({{"filter_status", "FAILED"}}), IsEmpty());
  EXPECT_THAT(listed({{"filter_owner_id", "ada"}}), ElementsAre(id));
  EXPECT_THAT(listed({{"filter_owner_id", kManager}}), IsEmpty());
  EXPECT_THAT(listed({{"filter_endpoint", world_.source}}), ElementsAre(id));
  EXPECT_THAT(listed({{"filter_endpoint", world_.target}}), IsEmpty());
  EXPECT_THAT(listed({{"filter_endpoint_use", "destination"}}), IsEmpty());
  EXPECT_THAT(listed({{"filter_min_faults", "1"}}), IsEmpty());
  EXPECT_THAT(listed({{"filter_completion_time", "2018-01-01,"}}), IsEmpty());
  EXPECT_THAT(listed({{"filter_task_id", id}}), ElementsAre(id));
}

TEST_F(ManagerRoutesTest, AFilterThatMakesNoSenseIsRefused) {
  for (const auto& [name, value] :
       {std::pair("filter_status", "SLEEPING"), std::pair("filter_endpoint_use", "both"),
        std::pair("filter_completion_time", "yesterday")}) {
    const Response refused =
        call({Method::kGet, "/v0.10/endpoint_manager/task_list", {}, "", {{name, value}}});
    EXPECT_EQ(refused.status, 400u) << name;
  }
}

TEST_F(ManagerRoutesTest, OneForeignTaskInARequestMeansThatNothingHappens) {
  give_bob(Role::Kind::kActivityManager, world_.target);
  const tasks::TaskId id = submit();
  const json::object body{
      {"task_id_list", json::array{json::value(id), "11111111-0000-4000-8000-000000000009"}}};
  EXPECT_EQ(call({Method::kPost, "/v0.10/endpoint_manager/admin_pause", {}, json::serialize(body)})
                .status,
            404u);
  EXPECT_FALSE(world_.service->task(id)->is_paused);
}

}  // namespace
}  // namespace wherry::server
