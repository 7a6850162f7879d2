// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "server/route_fixture.h"
#include "server/transfer_routes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using endpoints::Role;
using testing::HasSubstr;

const std::string kPauseManager = "0b0b0b0b-0000-4000-8000-000000000002";

class PauseRoutesTest : public RouteFixture {
 protected:
  void SetUp() override {
    RouteFixture::SetUp();
    for (auto some : {pause_routes(parts()), file_routes(parts()), activation_routes(parts())})
      routes_.insert(routes_.end(), some.begin(), some.end());
    world_.add_source_file("a.txt", "alpha");
  }
  Response create(const std::string& endpoint, const std::string& flag) {
    const json::object body{{"endpoint_id", endpoint}, {"message", "wait"}, {flag, true}};
    return call({Method::kPost, "/v0.10/endpoint_manager/pause_rule", {}, json::serialize(body)});
  }
  Response rule(Method method, const std::string& id, const std::string& body = {}) {
    return call({method, "/v0.10/endpoint_manager/pause_rule/{rule_id}", {{"rule_id", id}}, body});
  }
  Response of_endpoint(const std::string& pattern, const std::string& body = {},
                       Method method = Method::kGet) {
    return call({method, pattern, {{"endpoint_id", world_.source}}, body});
  }
  void give_bob(Role::Kind kind) {
    ASSERT_TRUE(permissions_.create_role(
        {.id = {}, .endpoint = world_.source, .principal = kPauseManager, .kind = kind}));
  }
};

TEST_F(PauseRoutesTest, ARuleIsMadeShownChangedAndRemoved) {
  const Response made = create(world_.source, "pause_ls");
  ASSERT_EQ(made.status, 201u) << made.body;
  const std::string id(object(made).at("id").as_string());
  EXPECT_EQ(object(made).at("endpoint_display_name").as_string(), "lab");
  EXPECT_EQ(code(rule(Method::kPut, id, R"({"message": "still"})")), "Updated");
  EXPECT_EQ(object(rule(Method::kGet, id)).at("message").as_string(), "still");
  EXPECT_TRUE(object(rule(Method::kGet, id)).at("pause_ls").as_bool());
  const json::object list = object(call({Method::kGet, "/v0.10/endpoint_manager/pause_rule_list"}));
  EXPECT_EQ(list.at("DATA").as_array().size(), 1u);
  EXPECT_EQ(code(rule(Method::kDelete, id)), "Deleted");
  EXPECT_EQ(rule(Method::kGet, id).status, 404u);
}

TEST_F(PauseRoutesTest, OnlyWhoManagesTheEndpointMakesRules) {
  const std::string id(object(create(world_.source, "pause_ls")).at("id").as_string());
  caller_.identity = kPauseManager;
  EXPECT_EQ(code(create(world_.source, "pause_ls")), "EndpointNotFound");
  EXPECT_EQ(rule(Method::kDelete, id).status, 404u);
  give_bob(Role::Kind::kActivityMonitor);
  EXPECT_EQ(code(create(world_.source, "pause_ls")), "PermissionDenied");
  EXPECT_EQ(rule(Method::kDelete, id).status, 404u);
  give_bob(Role::Kind::kActivityManager);
  EXPECT_EQ(create(world_.source, "pause_ls").status, 201u);
  EXPECT_EQ(code(rule(Method::kDelete, id)), "Deleted");
}

TEST_F(PauseRoutesTest, APausedOperationIsRefusedAndOthersAreNot) {
  ASSERT_EQ(create(world_.source, "pause_ls").status, 201u);
  const Response refused = of_endpoint("/v0.10/operation/endpoint/{endpoint_id}/ls");
  EXPECT_EQ(refused.status, 409u);
  EXPECT_EQ(code(refused), "OperationPaused");
  EXPECT_THAT(refused.body, HasSubstr("wait"));
  EXPECT_EQ(of_endpoint("/v0.10/operation/endpoint/{endpoint_id}/mkdir", R"({"path": "/d"})",
                        Method::kPost)
                .status,
            202u);
}

TEST_F(PauseRoutesTest, ThoseWhoAreHeldBackSeeTheRulesForThem) {
  ASSERT_EQ(create(world_.source, "pause_mkdir").status, 201u);
  const json::object list =
      object(of_endpoint("/v0.10/endpoint/{endpoint_id}/my_effective_pause_rule_list"));
  ASSERT_EQ(list.at("DATA").as_array().size(), 1u);
  EXPECT_EQ(list.at("DATA").at(0).at("DATA_TYPE").as_string(), "pause_rule_limited");
}

TEST_F(PauseRoutesTest, PauseInfoOfATaskNamesTheRule) {
  const tasks::TaskId id = world_.submit(world_.transfer("a.txt", "b.txt"));
  const auto info = [&] {
    return object(call({Method::kGet, "/v0.10/task/{task_id}/pause_info", {{"task_id", id}}}));
  };
  EXPECT_TRUE(info().at("pause_rules").as_array().empty());
  ASSERT_EQ(create(world_.source, "pause_task_transfer_read").status, 201u);
  ASSERT_EQ(info().at("pause_rules").as_array().size(), 1u);
  EXPECT_EQ(info().at("pause_rules").at(0).at("message").as_string(), "wait");
}

TEST_F(PauseRoutesTest, OlderClientsAreToldThatNothingNeedsActivation) {
  const Response activated =
      of_endpoint("/v0.10/endpoint/{endpoint_id}/autoactivate", "{}", Method::kPost);
  EXPECT_EQ(activated.status, 200u);
  EXPECT_EQ(code(activated), "AlreadyActivated");
  const json::object needs =
      object(of_endpoint("/v0.10/endpoint/{endpoint_id}/activation_requirements"));
  EXPECT_TRUE(needs.at("activated").as_bool());
  EXPECT_EQ(needs.at("length").as_int64(), 0);
}

}  // namespace
}  // namespace wherry::server
