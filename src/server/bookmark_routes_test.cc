// SPDX-License-Identifier: Apache-2.0
#include "server/bookmark_routes.h"

#include "server/route_fixture.h"

namespace wherry::server {
namespace {

namespace json = boost::json;

class BookmarkRoutesTest : public RouteFixture {
 protected:
  void SetUp() override {
    RouteFixture::SetUp();
    ASSERT_TRUE(world_.database->migrate(endpoints::bookmark_migrations()));
    bookmarks_ = std::make_unique<endpoints::Bookmarks>(
        endpoints::Bookmarks::Parts{*world_.database, world_.clock, world_.random});
    routes_ = bookmark_routes(parts(), *bookmarks_);
  }
  Response create(const std::string& name, const std::string& endpoint) {
    const json::object body{{"name", name}, {"endpoint_id", endpoint}, {"path", "/run42/"}};
    return call({Method::kPost, "/v0.10/bookmark", {}, json::serialize(body)});
  }
  Response one(Method method, const std::string& id, const std::string& body = {}) {
    return call({method, "/v0.10/bookmark/{bookmark_id}", {{"bookmark_id", id}}, body});
  }

  std::unique_ptr<endpoints::Bookmarks> bookmarks_;
};

TEST_F(BookmarkRoutesTest, WhatIsCreatedIsListedRenamedAndDeleted) {
  const Response created = create("data", world_.source);
  ASSERT_EQ(created.status, 201u) << created.body;
  const std::string id(object(created).at("id").as_string());
  EXPECT_EQ(object(one(Method::kPut, id, R"({"name": "Data"})")).at("name").as_string(), "Data");
  const json::object list = object(call({Method::kGet, "/v0.10/bookmark_list"}));
  ASSERT_EQ(list.at("DATA").as_array().size(), 1u);
  EXPECT_EQ(list.at("DATA").at(0), json::value(object(one(Method::kGet, id))));
  EXPECT_EQ(code(one(Method::kDelete, id)), "Deleted");
  EXPECT_EQ(code(one(Method::kGet, id)), "BookmarkNotFound");
}

TEST_F(BookmarkRoutesTest, ANameThatIsTakenIsTold) {
  EXPECT_EQ(create("data", world_.source).status, 201u);
  const Response again = create("data", world_.target);
  EXPECT_EQ(again.status, 409u);
  EXPECT_EQ(code(again), "Exists");
}

TEST_F(BookmarkRoutesTest, AnEndpointThatIsNotThereForTheCallerIsNotFound) {
  EXPECT_EQ(code(create("data", "11111111-0000-4000-8000-000000000009")), "EndpointNotFound");
  caller_.identity = "11111111-0000-4000-8000-00000000000b";
  EXPECT_EQ(code(create("data", world_.source)), "EndpointNotFound");
}

TEST_F(BookmarkRoutesTest, AStrangersBookmarkDoesNotExist) {
  const std::string id(object(create("data", world_.source)).at("id").as_string());
  caller_.identity = "bob";
  for (const Method method : {Method::kGet, Method::kPut, Method::kDelete}) {
    const Response refused = one(method, id, R"({"name": "mine"})");
    EXPECT_EQ(refused.status, 404u);
    EXPECT_EQ(code(refused), "BookmarkNotFound");
  }
}

TEST_F(BookmarkRoutesTest, ADocumentThatLacksAMemberIsABadRequest) {
  const Response refused = call({Method::kPost, "/v0.10/bookmark", {}, R"({"name": "a"})"});
  EXPECT_EQ(refused.status, 400u);
  EXPECT_EQ(code(refused), "ClientError.BadRequest");
}

}  // namespace
}  // namespace wherry::server
