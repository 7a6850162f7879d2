// SPDX-License-Identifier: Apache-2.0
// For tests of routes of the Transfer API: two endpoints, and requests as clients send them.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/identities.h"
#include "server/route_tools.h"
#include "tasks/test_world.h"

namespace wherry::server {

class RouteFixture : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.database->migrate(identity_migrations()));
    identities_ = std::make_unique<Identities>(Identities::Parts{
        *world_.database, world_.clock, world_.random, {.n = 16, .r = 1, .p = 1}});
    caller_.identity = "ada";  // whose the endpoints are
  }
  TransferParts parts() {
    return {*world_.service, *world_.endpoints, permissions_, *identities_,
            world_.clock,    world_.random,     consents_};
  }

  struct Asked {
    Method method = Method::kGet;
    std::string pattern;
    std::vector<std::pair<std::string_view, std::string>> parameters = {};
    std::string body = {};
    std::vector<std::pair<std::string, std::string>> query = {};
  };
  Response call(const Asked& asked) {
    Request request;
    request.method = asked.method;
    request.path = asked.pattern;
    request.body = asked.body;
    request.query = asked.query;
    request.request_id = "abcdefghi";
    for (const Route& route : routes_) {
      if (route.method == asked.method && route.pattern == asked.pattern)
        return route.run({request, &caller_, asked.parameters});
    }
    ADD_FAILURE() << "no route for " << asked.pattern;
    return {};
  }
  static boost::json::object object(const Response& response) {
    return boost::json::parse(response.body).as_object();
  }
  static std::string code(const Response& response) {
    return std::string(object(response).at("code").as_string());
  }

  tasks::TestWorld world_;
  endpoints::Permissions permissions_{*world_.database, *world_.endpoints, world_.clock,
                                      world_.random};
  std::unique_ptr<Identities> identities_;
  Consents consents_{*world_.database, world_.clock};
  std::vector<Route> routes_;
  Caller caller_;
};

}  // namespace wherry::server
