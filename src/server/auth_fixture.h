// SPDX-License-Identifier: Apache-2.0
// For tests of routes: a user, a client, and requests as clients send them.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/scratch_directory.h"
#include "server/auth_routes.h"
#include "server/forms.h"

namespace wherry::server {

class AuthFixture : public testing::Test {
 protected:
  static constexpr const char* kTransfer = "urn:globus:auth:scope:transfer.api.globus.org:all";
  static constexpr const char* kVerifier = "0123456789012345678901234567890123456789abc";
  static constexpr const char* kUri = "http://localhost:4321";
  static constexpr const char* kPassword = "difference engine";

  // One key for all tests: making one takes a while.
  static void SetUpTestSuite() {
    static const ScratchDirectory directory;
    if (!key()) key() = SigningKey::open(directory.path() + "/key.pem").value();
  }
  void SetUp() override {
    Database::Options options;
    options.path = ":memory:";
    database_ = Database::open(options).value();
    ASSERT_TRUE(database_->migrate(identity_migrations()));
    identities_ = std::make_unique<Identities>(
        Identities::Parts{*database_, clock_, random_, {.n = 16, .r = 1, .p = 1}});
    tokens_ = std::make_unique<Tokens>(Tokens::Parts{*database_, clock_, random_});
    ada_ = identities_->create_user({"ada@example.org", "Ada", "", kPassword}).value();
    client_ = identities_->create_client({.name = "app", .is_local = true}).value();
  }

  static std::unique_ptr<SigningKey>& key() {
    static std::unique_ptr<SigningKey> key;
    return key;
  }
  AuthParts parts() { return {*identities_, *tokens_, *key(), clock_, random_}; }

  static Request form_request(const std::string& path, const std::string& body,
                              const std::string& authorization) {
    Request request;
    request.method = Method::kPost;
    request.path = path;
    request.body = body;
    request.headers = {{"host", "h:1"},
                       {"content-type", "application/x-www-form-urlencoded; charset=UTF-8"}};
    if (!authorization.empty()) request.headers.emplace_back("authorization", authorization);
    return request;
  }
  std::string basic() { return "Basic " + base64url(client_.client.id + ":" + client_.secret); }

  // By the route of that pattern (the path itself, unless given).
  static Response call(const std::vector<AuthRoute>& routes, const Request& request,
                       const std::string& pattern = "") {
    for (const AuthRoute& route : routes) {
      if (route.method == request.method &&
          route.pattern == (pattern.empty() ? request.path : pattern))
        return route.run(request);
    }
    ADD_FAILURE() << "no route for " << request.path;
    return {};
  }
  static std::string text(const Response& response, std::string_view key) {
    return std::string(boost::json::parse(response.body).at(key).as_string());
  }
  std::string code(const std::string& scope) {
    return tokens_
        ->issue_code({client_.client.id, ada_.id, parse_scopes(scope).value(), kUri,
                      pkce_challenge(kVerifier), true})
        .value();
  }

  FakeClock clock_;
  SeededRandom random_{7};
  std::unique_ptr<Database> database_;
  std::unique_ptr<Identities> identities_;
  std::unique_ptr<Tokens> tokens_;
  User ada_;
  CreatedClient client_;
};

}  // namespace wherry::server
