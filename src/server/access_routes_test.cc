// SPDX-License-Identifier: Apache-2.0
#include "server/access_routes.h"

#include <filesystem>

#include "server/route_fixture.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr const char* kOwner = "aaaaaaaa-0000-4000-8000-000000000001";
constexpr const char* kBen = "bbbbbbbb-0000-4000-8000-000000000002";
constexpr const char* kCat = "cccccccc-0000-4000-8000-000000000003";
constexpr std::string_view kRule = "/v0.10/endpoint/{endpoint_id}/access/{access_id}";
constexpr std::string_view kRole = "/v0.10/endpoint/{endpoint_id}/role/{role_id}";

// Ada's endpoint with the directories "in" and "other".
class AccessRoutesTest : public RouteFixture {
 protected:
  void SetUp() override {
    RouteFixture::SetUp();
    routes_ = access_routes(parts());
    fs::create_directories(world_.scratch.file("root/in"));
    fs::create_directories(world_.scratch.file("root/other"));
    endpoints::NewEndpoint request;
    request.display_name = "Ada's";
    request.location = world_.scratch.file("root");
    request.owner = kOwner;
    lab_ = world_.endpoints->create(request).value();
    caller_.identity = kOwner;
  }

  Response ask(Method method, const std::string& name, const json::object& body = {}) {
    return call({method,
                 "/v0.10/endpoint/{endpoint_id}/" + name,
                 {{"endpoint_id", lab_.id}},
                 body.empty() ? "" : json::serialize(body)});
  }
  Response ask_one(Method method, std::string_view pattern, const std::string& id,
                   const json::object& body = {}) {
    const bool is_rule = pattern == kRule;
    return call({method,
                 std::string(pattern),
                 {{"endpoint_id", lab_.id}, {is_rule ? "access_id" : "role_id", id}},
                 body.empty() ? "" : json::serialize(body)});
  }
  json::object rule_for(const char* who, std::string_view path, std::string_view permissions) {
    return {{"DATA_TYPE", "access"},
            {"principal_type", "identity"},
            {"principal", who},
            {"path", path},
            {"permissions", permissions}};
  }
  std::string give(const char* who, std::string_view path, std::string_view permissions) {
    const Response made = ask(Method::kPost, "access", rule_for(who, path, permissions));
    EXPECT_EQ(made.status, 201u) << made.body;
    return std::string(object(made).at("access_id").as_string());
  }
  std::string make(const char* who, std::string_view role) {
    const Response made = ask(Method::kPost, "role",
                              {{"principal_type", "identity"}, {"principal", who}, {"role", role}});
    EXPECT_EQ(made.status, 201u) << made.body;
    return std::string(object(made).at("id").as_string());
  }
  Response share(std::string_view path, std::string_view name = "share") {
    const json::object body{{"DATA_TYPE", "shared_endpoint"},
                            {"host_endpoint", lab_.id},
                            {"host_path", path},
                            {"display_name", name}};
    return call({Method::kPost, "/v0.10/shared_endpoint", {}, json::serialize(body)});
  }

  endpoints::Endpoint lab_;
};

TEST_F(AccessRoutesTest, ARuleIsMadeListedChangedAndDeleted) {
  const std::string id = give(kBen, "/in", "r");
  const json::object rule = object(ask_one(Method::kGet, kRule, id));
  EXPECT_EQ(rule.at("path").as_string(), "/in/");
  EXPECT_EQ(rule.at("permissions").as_string(), "r");
  const json::object list = object(ask(Method::kGet, "access_list"));
  EXPECT_EQ(list.at("DATA_TYPE").as_string(), "access_list");
  EXPECT_EQ(list.at("endpoint").as_string(), lab_.id);
  EXPECT_EQ(list.at("length").to_number<int>(), 1);
  EXPECT_EQ(list.at("DATA").at(0), json::value(rule));

  EXPECT_EQ(code(ask_one(Method::kPut, kRule, id, {{"permissions", "rw"}})), "Updated");
  EXPECT_EQ(object(ask_one(Method::kGet, kRule, id)).at("permissions").as_string(), "rw");
  EXPECT_EQ(code(ask_one(Method::kDelete, kRule, id)), "Deleted");
  const Response gone = ask_one(Method::kGet, kRule, id);
  EXPECT_EQ(gone.status, 404u);
  EXPECT_EQ(code(gone), "AccessRuleNotFound");
}

TEST_F(AccessRoutesTest, ARuleThatStandsOrMakesNoSenseIsRefused) {
  give(kBen, "/in/", "r");
  const Response again = ask(Method::kPost, "access", rule_for(kBen, "/in", "rw"));
  EXPECT_EQ(again.status, 409u);
  EXPECT_EQ(code(again), "Exists");
  for (const json::object& bad : {rule_for(kBen, "/in/", "x"), rule_for("ben", "/in/", "r"),
                                  rule_for(kBen, "/../in/", "r")}) {
    const Response refused = ask(Method::kPost, "access", bad);
    EXPECT_EQ(refused.status, 400u);
    EXPECT_EQ(code(refused), "ClientError.BadRequest");
  }
}

TEST_F(AccessRoutesTest, AStrangerIsToldOfNoEndpoint) {
  const std::string id = give(kCat, "/in/", "r");
  const std::string role = make(kCat, "activity_monitor");
  caller_.identity = kBen;
  for (const Response& answer :
       {ask(Method::kGet, "access_list"), ask(Method::kPost, "access", rule_for(kBen, "/", "rw")),
        ask_one(Method::kGet, kRule, id), ask_one(Method::kPut, kRule, id),
        ask_one(Method::kDelete, kRule, id), ask(Method::kGet, "role_list"),
        ask(Method::kPost, "role"), ask_one(Method::kGet, kRole, role),
        ask_one(Method::kDelete, kRole, role), ask(Method::kGet, "my_shared_endpoint_list"),
        ask(Method::kGet, "shared_endpoint_list"), share("/in/")}) {
    EXPECT_EQ(answer.status, 404u) << answer.body;
    EXPECT_EQ(code(answer), "EndpointNotFound");
  }
}

TEST_F(AccessRoutesTest, RulesAreForTheirManagersAndRolesForAdministrators) {
  const std::string id = give(kBen, "/in/", "rw");
  const auto denied = [](const Response& answer) {
    EXPECT_EQ(answer.status, 403u) << answer.body;
    EXPECT_EQ(code(answer), "PermissionDenied");
  };
  caller_.identity = kBen;
  denied(ask(Method::kGet, "access_list"));
  denied(ask(Method::kPost, "access", rule_for(kBen, "/", "rw")));
  denied(ask_one(Method::kDelete, kRule, id));
  denied(ask(Method::kGet, "role_list"));
  denied(ask(Method::kGet, "shared_endpoint_list"));

  caller_.identity = kOwner;
  make(kBen, "access_manager");
  caller_.identity = kBen;
  give(kCat, "/other/", "r");
  EXPECT_EQ(ask(Method::kGet, "access_list").status, 200u);
  denied(ask(Method::kPost, "role",
             {{"principal_type", "identity"}, {"principal", kBen}, {"role", "administrator"}}));

  caller_.identity = kOwner;
  make(kBen, "administrator");
  caller_.identity = kBen;
  make(kCat, "activity_monitor");
  caller_.identity = kCat;
  EXPECT_EQ(ask(Method::kGet, "shared_endpoint_list").status, 200u);
}

TEST_F(AccessRoutesTest, ARoleIsMadeListedAndDeleted) {
  const std::string id = make(kBen, "activity_manager");
  const json::object role = object(ask_one(Method::kGet, kRole, id));
  EXPECT_EQ(role.at("role").as_string(), "activity_manager");
  const json::object list = object(ask(Method::kGet, "role_list"));
  EXPECT_EQ(list.at("DATA_TYPE").as_string(), "role_list");
  EXPECT_EQ(list.at("DATA").at(0), json::value(role));
  EXPECT_EQ(code(ask_one(Method::kDelete, kRole, id)), "Deleted");
  EXPECT_EQ(code(ask_one(Method::kGet, kRole, id)), "RoleNotFound");
}

TEST_F(AccessRoutesTest, AShareIsMadeAndListed) {
  const Response made = share("/in/");
  ASSERT_EQ(made.status, 201u) << made.body;
  EXPECT_EQ(object(made).at("DATA_TYPE").as_string(), "endpoint_create_result");
  const std::string id(object(made).at("id").as_string());
  const endpoints::Endpoint guest = world_.endpoints->get(id).value();
  EXPECT_EQ(guest.owner, kOwner);
  EXPECT_EQ(guest.host_path.text(), "in");

  const json::object mine = object(ask(Method::kGet, "my_shared_endpoint_list"));
  EXPECT_EQ(mine.at("DATA_TYPE").as_string(), "endpoint_list");
  ASSERT_EQ(mine.at("DATA").as_array().size(), 1u);
  const json::object document = mine.at("DATA").at(0).as_object();
  EXPECT_EQ(document.at("id").as_string(), id);
  EXPECT_EQ(document.at("entity_type").as_string(), "GCP_guest_collection");
  EXPECT_EQ(document.at("host_path").as_string(), "/in/");
  EXPECT_EQ(document.at("my_effective_roles").at(0).as_string(), "administrator");
}

TEST_F(AccessRoutesTest, AShareNeedsWritingAtItsHost) {
  give(kBen, "/in/", "r");
  give(kBen, "/other/", "rw");
  caller_.identity = kBen;
  EXPECT_EQ(share("/in/").status, 403u);
  EXPECT_EQ(share("/").status, 403u);
  EXPECT_EQ(share("/other/").status, 201u);
  caller_.identity = kOwner;
  EXPECT_EQ(object(ask(Method::kGet, "my_shared_endpoint_list")).at("DATA").as_array().size(), 0u);
}

TEST_F(AccessRoutesTest, AllSharesComeInPages) {
  for (const char* name : {"a", "b", "c"}) ASSERT_EQ(share("/in/", name).status, 201u);
  const auto page = [this](const std::string& token) {
    return object(call({Method::kGet,
                        "/v0.10/endpoint/{endpoint_id}/shared_endpoint_list",
                        {{"endpoint_id", lab_.id}},
                        {},
                        {{"max_results", "2"}, {"next_token", token}}}));
  };
  const json::object first = page("");
  EXPECT_EQ(first.at("shared_endpoints").as_array().size(), 2u);
  const json::object second = page(std::string(first.at("next_token").as_string()));
  EXPECT_EQ(second.at("shared_endpoints").as_array().size(), 1u);
  EXPECT_TRUE(second.at("next_token").is_null());
}

}  // namespace
}  // namespace wherry::server
