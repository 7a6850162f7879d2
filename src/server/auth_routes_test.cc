// SPDX-License-Identifier: Apache-2.0
#include "server/auth_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/json.hpp>

#include "base/scratch_directory.h"
#include "server/auth_fixture.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

class AuthRoutesTest : public AuthFixture {
 protected:
  Response post(const std::string& path, const std::string& body, const std::string& basic = "") {
    return call(auth_routes(parts()), form_request(path, body, basic));
  }
  Response get(const std::string& path, const std::string& token) {
    Request request;
    request.path = path;
    request.headers = {{"host", "h:1"}, {"authorization", "bearer " + token}};
    return call(auth_routes(parts()), request);
  }
  std::string client_token(const std::string& scope) {
    return text(post("/v2/oauth2/token", "grant_type=client_credentials&scope=" + scope, basic()),
                "access_token");
  }
};

TEST_F(AuthRoutesTest, ClientCredentialsForOneServerGiveExactlyOneToken) {
  const Response response = post(
      "/v2/oauth2/token", std::string("grant_type=client_credentials&scope=") + kTransfer, basic());
  ASSERT_EQ(response.status, 200U) << response.body;
  const json::object document = json::parse(response.body).as_object();
  EXPECT_TRUE(document.at("other_tokens").as_array().empty());
  EXPECT_EQ(document.at("scope"), kTransfer);
  EXPECT_EQ(document.at("resource_server"), "transfer.api.globus.org");
  EXPECT_EQ(document.at("expires_in"), 172800);
  EXPECT_FALSE(document.contains("refresh_token"));
  EXPECT_FALSE(document.contains("id_token"));
}

TEST_F(AuthRoutesTest, WrongSecretIsAnInvalidClientAndNotRepeated) {
  const Response response =
      post("/v2/oauth2/token", std::string("grant_type=client_credentials&scope=") + kTransfer,
           "Basic " + base64url(client_.client.id + ":tell-nobody"));
  EXPECT_EQ(response.status, 401U);
  EXPECT_EQ(text(response, "error"), "invalid_client");
  EXPECT_THAT(response.body, testing::Not(HasSubstr("tell-nobody")));
}

TEST_F(AuthRoutesTest, UnknownGrantsTypesAndScopesAreRefused) {
  EXPECT_EQ(text(post("/v2/oauth2/token", "grant_type=password", basic()), "error"),
            "unsupported_grant_type");
  EXPECT_EQ(text(post("/v2/oauth2/token", "", basic()), "error"), "unsupported_grant_type");
  EXPECT_EQ(text(post("/v2/oauth2/token", "grant_type=%zz", basic()), "error"), "invalid_request");
  for (const char* bad : {"", "a[", "everything"}) {
    EXPECT_EQ(text(post("/v2/oauth2/token",
                        std::string("grant_type=client_credentials&scope=") + bad, basic()),
                   "error"),
              "invalid_scope")
        << bad;
  }
  EXPECT_EQ(
      text(post("/v2/oauth2/token", "grant_type=refresh_token&refresh_token=x", basic()), "error"),
      "invalid_grant");
}

TEST_F(AuthRoutesTest, CodeBuysOneTokenPerServerWithASignedIdToken) {
  const std::string code = this->code("openid profile " + std::string(kTransfer));
  const std::string body = "grant_type=authorization_code&code=" + code +
                           "&redirect_uri=" + percent_encode(kUri) + "&code_verifier=" + kVerifier;
  const Response response = post("/v2/oauth2/token", body, basic());
  ASSERT_EQ(response.status, 200U) << response.body;
  const json::object document = json::parse(response.body).as_object();
  EXPECT_EQ(document.at("resource_server"), "auth.globus.org");
  ASSERT_EQ(document.at("other_tokens").as_array().size(), 1U);
  EXPECT_TRUE(document.at("other_tokens").at(0).as_object().contains("refresh_token"));
  const std::string id_token(document.at("id_token").as_string());
  const std::size_t first = id_token.find('.');
  const std::size_t second = id_token.find('.', first + 1);
  const json::value claims =
      json::parse(decode_base64(id_token.substr(first + 1, second - first - 1)).value());
  EXPECT_EQ(claims.at("aud"), json::value(client_.client.id));
  EXPECT_EQ(claims.at("sub"), json::value(ada_.id));
  EXPECT_EQ(text(post("/v2/oauth2/token", body, basic()), "error"), "invalid_grant") << "replay";
}

TEST_F(AuthRoutesTest, NativeClientNeedsItsVerifier) {
  const Client native =
      identities_->create_client({.name = "app", .kind = ClientKind::kNative}).value().client;
  const std::string code = tokens_
                               ->issue_code({native.id, ada_.id, parse_scopes(kTransfer).value(),
                                             kUri, pkce_challenge(kVerifier), true})
                               .value();
  const std::string body = "grant_type=authorization_code&code=" + code +
                           "&client_id=" + native.id + "&redirect_uri=" + percent_encode(kUri);
  EXPECT_EQ(text(post("/v2/oauth2/token", body), "error"), "invalid_grant");
  const Response good = post("/v2/oauth2/token", body + "&code_verifier=" + kVerifier);
  ASSERT_EQ(good.status, 200U) << good.body;
  const std::string refresh = "grant_type=refresh_token&client_id=" + native.id +
                              "&refresh_token=" + text(good, "refresh_token");
  EXPECT_EQ(post("/v2/oauth2/token", refresh).status, 200U);
  EXPECT_EQ(text(post("/v2/oauth2/token", refresh), "error"), "invalid_grant") << "replay";
  EXPECT_EQ(text(post("/v2/oauth2/token",
                      "grant_type=client_credentials&scope=openid&client_id=" + native.id),
                 "error"),
            "invalid_client");
}

TEST_F(AuthRoutesTest, RevokeIsAlwaysAnswered) {
  const std::string token = client_token(kTransfer);
  EXPECT_EQ(post("/v2/oauth2/token/revoke", "", basic()).status, 200U);
  EXPECT_EQ(post("/v2/oauth2/token/revoke", "").status, 200U);
  EXPECT_EQ(post("/v2/oauth2/token/revoke", "token=" + token).status, 200U);
  EXPECT_TRUE(tokens_->inspect(token)->is_active) << "nobody asked";
  EXPECT_EQ(post("/v2/oauth2/token/revoke", "token=" + token, basic()).body, R"({"active":false})");
  EXPECT_FALSE(tokens_->inspect(token)->is_active);
}

TEST_F(AuthRoutesTest, TheCommandLineLogsOutInTheNameOfItsTemplate) {
  const std::string token = client_token(kTransfer);
  const std::string body = fmt::format("token={}&client_id={}", token, kCliTemplate);
  EXPECT_EQ(post("/v2/oauth2/token/revoke", body).body, R"({"active":false})");
  EXPECT_FALSE(tokens_->inspect(token)->is_active);
}

TEST_F(AuthRoutesTest, ValidateAndIntrospectNeedAClient) {
  const std::string token = client_token(kTransfer);
  for (const char* path : {"/v2/oauth2/token/validate", "/v2/oauth2/token/introspect"}) {
    EXPECT_EQ(post(path, "token=" + token).status, 401U);
    EXPECT_EQ(post(path, "token=x", basic()).body, R"({"active":false})");
    EXPECT_EQ(post(path, "", basic()).body, R"({"active":false})");
  }
  EXPECT_EQ(post("/v2/oauth2/token/validate", "token=" + token, basic()).body,
            R"({"active":true})");
  const json::value told = json::parse(
      post("/v2/oauth2/token/introspect", "include=session_info&token=" + token, basic()).body);
  EXPECT_EQ(told.at("scope"), kTransfer);
  EXPECT_EQ(told.at("sub"), json::value(client_.client.id));
  EXPECT_TRUE(
      told.at("session_info").at("authentications").as_object().contains(client_.client.id));
}

TEST_F(AuthRoutesTest, UserinfoTellsWhoTheCallerIs) {
  const Response response = get("/v2/oauth2/userinfo", client_token("openid"));
  EXPECT_EQ(text(response, "preferred_username"), client_.client.id + "@clients.auth.globus.org");
  EXPECT_EQ(get("/v2/oauth2/userinfo", client_token(kTransfer)).status, 403U);
  const Response denied = get("/v2/oauth2/userinfo", "forged");
  EXPECT_EQ(denied.status, 401U);
  EXPECT_THAT(denied.body, HasSubstr(R"("code":"UNAUTHORIZED")"));
  EXPECT_THAT(denied.body, testing::Not(HasSubstr("forged")));
}

TEST_F(AuthRoutesTest, IdentitiesAreFoundAndUnknownOnesAbsent) {
  Request request;
  request.path = "/v2/api/identities";
  request.headers = {{"authorization", basic()}};
  request.query = {{"usernames", "ada@example.org,bob@example.org"}};
  const Response response = call(auth_routes(parts()), request);
  const json::array found = json::parse(response.body).at("identities").as_array();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].at("id"), json::value(ada_.id));
  request.headers.clear();
  EXPECT_EQ(call(auth_routes(parts()), request).status, 401U);
}

TEST_F(AuthRoutesTest, CommandLineRegistersItselfAndLeaves) {
  const Response made =
      post("/v2/api/clients", R"({"client":{"template_id":")" + std::string(kCliTemplate) +
                                  R"(","name":"Globus CLI"}})");
  ASSERT_EQ(made.status, 201U) << made.body;
  const json::value credential = json::parse(made.body).at("included").at("client_credential");
  const std::string id(credential.at("client").as_string());
  const std::string secret(credential.at("secret").as_string());
  ASSERT_TRUE(identities_->check_secret(id, secret));
  Request request;
  request.method = Method::kDelete;
  request.path = "/v2/api/clients/" + client_.client.id;
  request.headers = {{"authorization", "Basic " + base64url(id + ":" + secret)}};
  EXPECT_EQ(call(auth_routes(parts()), request, "/v2/api/clients/{id}").status, 403U);
  request.path = "/v2/api/clients/" + id;
  EXPECT_EQ(call(auth_routes(parts()), request, "/v2/api/clients/{id}").status, 200U);
  EXPECT_EQ(identities_->find_client(id).error().code, Code::kNotFound);
  for (const char* bad : {"", "[]", "{", R"({"client":1})", R"({"client":{"template_id":"x"}})"})
    EXPECT_EQ(post("/v2/api/clients", bad).status, 400U) << bad;
}

TEST_F(AuthRoutesTest, ConfigurationNamesTheHostThatWasAsked) {
  EXPECT_EQ(text(get("/.well-known/openid-configuration", ""), "jwks_uri"), "http://h:1/jwk.json");
  EXPECT_THAT(get("/jwk.json", "").body, HasSubstr(R"({"keys":[{"kty":"RSA")"));
}

TEST(SigningKey, IsMadeOnceForItsOwnerOnly) {
  const ScratchDirectory directory;
  const std::string path = directory.path() + "/key.pem";
  const std::string first = SigningKey::open(path).value()->key_set();
  EXPECT_EQ(SigningKey::open(path).value()->key_set(), first);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace wherry::server
