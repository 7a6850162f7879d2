// SPDX-License-Identifier: Apache-2.0
#include "server/login_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/auth_fixture.h"

namespace wherry::server {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class LoginPageTest : public AuthFixture {
 protected:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  Fields asked(const std::string& uri = kUri) {
    return {{"client_id", client_.client.id},
            {"redirect_uri", uri},
            {"scope", kTransfer},
            {"state", "a&b"},
            {"response_type", "code"},
            {"access_type", "offline"},
            {"code_challenge", pkce_challenge(kVerifier)},
            {"code_challenge_method", "S256"}};
  }
  Response show(const Fields& fields) {
    Request request;
    request.path = "/v2/oauth2/authorize";
    request.query = fields;
    request.headers = {{"host", "h:1"}};
    return call(login_routes(parts()), request);
  }
  // As a browser that has the page: with its cookie and its hidden fields.
  Response submit(Fields fields, const std::string& password, const std::string& cookie = "c",
                  const std::string& decision = "allow") {
    fields.insert(fields.end(), {{"csrf", "c"},
                                 {"username", "ada@example.org"},
                                 {"password", password},
                                 {"decision", decision}});
    std::string body;
    for (const auto& [name, value] : fields) body += name + '=' + percent_encode(value) + '&';
    Request request = form_request("/v2/oauth2/authorize", body, "");
    request.headers.emplace_back("cookie", "other=1; wherry_login=" + cookie);
    return call(login_routes(parts()), request);
  }
  static std::string header(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return {};
  }
};

TEST_F(LoginPageTest, PageNamesTheClientAndTheScopesAndRunsNoScript) {
  const Response response = show(asked());
  EXPECT_EQ(response.status, 200U);
  EXPECT_THAT(response.body, HasSubstr("<strong>app</strong>"));
  EXPECT_THAT(response.body, HasSubstr(kTransfer));
  EXPECT_THAT(response.body, HasSubstr("value=\"a&amp;b\""));
  EXPECT_THAT(header(response, "Content-Security-Policy"), HasSubstr("default-src 'none'"));
  EXPECT_THAT(header(response, "Set-Cookie"), HasSubstr("HttpOnly; SameSite=Strict"));
}

TEST_F(LoginPageTest, RightPasswordSendsACodeThatBuysTokens) {
  const Response response = submit(asked(), kPassword);
  const std::string location = header(response, "Location");
  ASSERT_EQ(response.status, 303U) << response.body;
  ASSERT_THAT(location, StartsWith(std::string(kUri) + "?code="));
  ASSERT_THAT(location, testing::EndsWith("&state=a%26b"));
  const std::size_t begin = location.find("code=") + 5;
  const std::string code = location.substr(begin, location.find('&') - begin);
  const auto bought = tokens_->redeem({code, client_.client.id, kUri, kVerifier});
  ASSERT_TRUE(bought) << bought.error().message;
  EXPECT_EQ(bought->identity, ada_.id);
}

TEST_F(LoginPageTest, OfflineAccessIsNoScopeButAsksForRefreshTokens) {
  Fields fields = asked();
  fields[2].second = std::string(kTransfer) + " offline_access";
  fields[5].second = "";  // no access_type
  const std::string location = header(submit(fields, kPassword), "Location");
  const std::size_t begin = location.find("code=") + 5;
  const std::string code = location.substr(begin, location.find('&') - begin);
  const auto bought = tokens_->redeem({code, client_.client.id, kUri, kVerifier});
  ASSERT_TRUE(bought) << bought.error().message;
  ASSERT_EQ(bought->tokens.size(), 1U);
  EXPECT_FALSE(bought->tokens[0].refresh_token.empty());
  EXPECT_EQ(bought->tokens[0].scope, kTransfer);
}

TEST_F(LoginPageTest, WrongPasswordAsksAgainAndDoesNotRepeatIt) {
  const Response response = submit(asked(), "tell nobody");
  EXPECT_EQ(response.status, 200U);
  EXPECT_THAT(response.body, HasSubstr("is wrong"));
  EXPECT_THAT(response.body, Not(HasSubstr("tell nobody")));
}

TEST_F(LoginPageTest, FormOfAnotherSiteLogsNobodyIn) {
  for (const char* cookie : {"", "d", "cc"}) {
    const Response response = submit(asked(), kPassword, cookie);
    EXPECT_EQ(header(response, "Location"), "") << cookie;
    EXPECT_THAT(response.body, HasSubstr("out of date"));
  }
}

TEST_F(LoginPageTest, DenyingSendsAnErrorAndNoCode) {
  EXPECT_EQ(header(submit(asked(), kPassword, "c", "deny"), "Location"),
            std::string(kUri) + "?error=access_denied&state=a%26b");
}

TEST_F(LoginPageTest, NothingIsSentToAnAddressThatIsNotTheClients) {
  for (const char* uri :
       {"", "https://evil.example/", "http://localhost:80@evil.example/",
        "http://localhost.evil.example", "http://localhost:1/?x=1", "http://localhost:123456",
        "http://localhost:", "http://h:1/v2/web/auth-code/", "http://evil:1/v2/web/auth-code"}) {
    for (const Response& response : {show(asked(uri)), submit(asked(uri), kPassword)}) {
      EXPECT_EQ(response.status, 400U) << uri;
      EXPECT_EQ(header(response, "Location"), "") << uri;
    }
  }
  for (const char* uri : {"http://localhost:8000", "http://localhost", "http://localhost:1/done",
                          "http://h:1/v2/web/auth-code"})
    EXPECT_EQ(show(asked(uri)).status, 200U) << uri;
}

TEST_F(LoginPageTest, RegisteredAddressIsComparedCharacterByCharacter) {
  Client portal;
  portal.redirect_uris = {"https://portal.example/cb"};
  EXPECT_TRUE(is_redirect_allowed(portal, "https://portal.example/cb", "http://h/"));
  for (const char* uri :
       {"https://portal.example/cb/", "https://portal.example/cb?x", "https://portal.example/c",
        "http://localhost:80", "http://h/v2/web/auth-code"})
    EXPECT_FALSE(is_redirect_allowed(portal, uri, "http://h/")) << uri;
}

TEST_F(LoginPageTest, BadRequestsAreToldToTheClient) {
  const auto error_with = [&](std::size_t field, const char* value) {
    Fields fields = asked();
    fields[field].second = value;
    return header(show(fields), "Location");
  };
  EXPECT_THAT(error_with(2, "everything"), HasSubstr("error=invalid_scope"));
  EXPECT_THAT(error_with(4, "token"), HasSubstr("error=unsupported_response_type"));
  EXPECT_THAT(error_with(6, "short"), HasSubstr("error=invalid_request"));
  EXPECT_THAT(error_with(7, "plain"), HasSubstr("error=invalid_request"));
}

TEST_F(LoginPageTest, CodePageEscapesWhatItShows) {
  Request request;
  request.path = "/v2/web/auth-code";
  request.query = {{"code", "<script>x</script>"}};
  const Response response = call(login_routes(parts()), request);
  EXPECT_THAT(response.body, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(response.body, Not(HasSubstr("<script>")));
}

}  // namespace
}  // namespace wherry::server
