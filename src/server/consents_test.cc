// SPDX-License-Identifier: Apache-2.0
#include "server/consents.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "server/auth_fixture.h"
#include "server/consent_routes.h"
#include "server/data_access.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

constexpr const char* kData =
    "https://auth.globus.org/scopes/aaaaaaaa-0000-4000-8000-000000000001/data_access";
constexpr const char* kViewAll = "urn:globus:auth:scope:auth.globus.org:view_consents";

class ConsentsTest : public AuthFixture {
 protected:
  void SetUp() override {
    AuthFixture::SetUp();
    consents_ = std::make_unique<Consents>(*database_, clock_);
  }
  static std::string with_data() { return std::string(kTransfer) + "[*" + kData + "]"; }

  std::string token(const Client& client, const std::string& scope) {
    return tokens_->issue(client, parse_scopes(scope).value()).value().tokens.front().access_token;
  }
  std::string token(const std::string& scope) { return token(client_.client, scope); }
  bool covers(const std::string& token) {
    return consents_->covers(tokens_->authenticate(token).value(), kTransfer, kData).value();
  }
  Response list(const std::string& token, const std::string& identity,
                const std::string& all = "False") {
    Request request;
    request.path = "/v2/api/identities/" + identity + "/consents";
    request.headers = {{"authorization", "Bearer " + token}};
    request.query = {{"all", all}};
    return call(consent_routes(*tokens_, *consents_), request, "/v2/api/identities/{id}/consents");
  }

  std::unique_ptr<Consents> consents_;
};

TEST_F(ConsentsTest, ATokenThatHasTheDependentScopeIsEnough) {
  EXPECT_FALSE(covers(token(kTransfer)));
  EXPECT_TRUE(covers(token(with_data())));
}

// A client asks for a token with the scope, throws it away and repeats the call with the old one.
TEST_F(ConsentsTest, AConsentCountsForEveryTokenOfTheSameClientAndIdentity) {
  const std::string old = token(kTransfer);
  token(with_data());
  EXPECT_TRUE(covers(old));
}

TEST_F(ConsentsTest, AConsentToOneClientIsNoneToAnother) {
  const Client other = identities_->create_client({.name = "other"}).value().client;
  token(with_data());
  EXPECT_FALSE(covers(token(other, kTransfer)));
}

TEST_F(ConsentsTest, AConsentToOneEndpointIsNoneToAnother) {
  std::string other = with_data();
  other.replace(other.find("aaaaaaaa"), 8, "bbbbbbbb");
  EXPECT_FALSE(covers(token(other)));
}

TEST_F(ConsentsTest, AConsentEndsWithTheLastTokenThatHasIt) {
  const std::string old = token(kTransfer);
  const std::string first = token(with_data());
  const std::string second = token(with_data());
  ASSERT_TRUE(tokens_->revoke(first, client_.client.id));
  EXPECT_TRUE(covers(old));
  ASSERT_TRUE(tokens_->revoke(second, client_.client.id));
  EXPECT_FALSE(covers(old));
}

TEST_F(ConsentsTest, AConsentEndsWithTheTimeOfItsTokens) {
  token(with_data());
  clock_.advance(kAccessLifetime + std::chrono::seconds(1));
  EXPECT_FALSE(covers(token(kTransfer)));
}

TEST_F(ConsentsTest, EachDependentConsentNamesThoseAboveIt) {
  const auto issued =
      tokens_->redeem({code("openid " + with_data()), client_.client.id, kUri, kVerifier});
  ASSERT_TRUE(issued) << issued.error().message;
  const auto found = consents_->of(ada_.id).value();
  const auto of_scope = [&](std::string_view scope) {
    return *std::find_if(found.begin(), found.end(),
                         [&](const Consent& one) { return one.scope == scope; });
  };
  ASSERT_EQ(found.size(), 3u);  // the same of access and refresh tokens
  const Consent top = of_scope(kTransfer), data = of_scope(kData);
  EXPECT_EQ(top.path, std::vector<std::uint64_t>{top.id});
  EXPECT_EQ(data.path, (std::vector<std::uint64_t>{top.id, data.id}));
  EXPECT_TRUE(data.is_optional);
  EXPECT_FALSE(top.is_optional);
  EXPECT_TRUE(top.allows_refresh);
  EXPECT_EQ(data.client, client_.client.id);
  EXPECT_LT(data.id, 1ULL << 53);
}

TEST_F(ConsentsTest, ConsentsAreListedInTheWordsOfTheContract) {
  const std::string self = client_.client.id;
  token(with_data());
  const Response response = list(token("openid"), self);
  ASSERT_EQ(response.status, 200u) << response.body;
  const json::value document = json::parse(response.body);
  const json::array& consents = document.at("consents").as_array();
  ASSERT_EQ(consents.size(), 3u);
  for (const json::value& each : consents) {
    for (const char* name : {"id", "client", "scope", "scope_name", "dependency_path", "status",
                             "allows_refresh", "auto_approved", "atomically_revocable",
                             "effective_identity", "created", "updated", "last_used"})
      EXPECT_TRUE(each.as_object().contains(name)) << name;
    EXPECT_TRUE(is_uuid(std::string(each.at("scope").as_string())));
    EXPECT_EQ(each.at("dependency_path").as_array().back(), each.at("id"));
    EXPECT_EQ(each.at("effective_identity"), json::value(self));
    EXPECT_EQ(each.at("status"), json::value("approved"));
  }
}

TEST_F(ConsentsTest, OnlyWhoMayViewAllIsToldOfOtherClients) {
  const Client other =
      identities_->create_client({.name = "other", .is_local = true}).value().client;
  const auto of_user = [&](const std::string& client, const std::string& scope) {
    const std::string code = tokens_
                                 ->issue_code({client, ada_.id, parse_scopes(scope).value(), kUri,
                                               pkce_challenge(kVerifier), false})
                                 .value();
    return tokens_->redeem({code, client, kUri, kVerifier}).value().tokens.front().access_token;
  };
  of_user(other.id, with_data());
  const std::string plain = of_user(client_.client.id, "openid");
  const auto clients = [&](const Response& response) {
    EXPECT_EQ(response.status, 200u) << response.body;
    std::set<std::string> names;
    const json::value document = json::parse(response.body);
    for (const json::value& each : document.at("consents").as_array())
      names.insert(std::string(each.at("client").as_string()));
    return names;
  };
  EXPECT_EQ(clients(list(plain, ada_.id)), (std::set<std::string>{client_.client.id}));
  EXPECT_EQ(list(plain, ada_.id, "True").status, 403u);
  const std::string whole = of_user(client_.client.id, kViewAll);
  EXPECT_EQ(clients(list(whole, ada_.id, "true")),
            (std::set<std::string>{client_.client.id, other.id}));
}

TEST_F(ConsentsTest, NobodyIsToldOfSomebodyElse) {
  token(with_data());
  EXPECT_EQ(list(token("openid"), ada_.id).status, 403u);
  EXPECT_EQ(list(token(kTransfer), client_.client.id).status, 403u);
  const Response refused = list("made-up", client_.client.id);
  EXPECT_EQ(refused.status, 401u);
  EXPECT_THAT(refused.body, HasSubstr("\"UNAUTHORIZED\""));
}

TEST_F(ConsentsTest, OneScopeIsMissingForEachEndpointThatRequiresIt) {
  endpoints::Endpoint open, strict;
  open.id = "bbbbbbbb-0000-4000-8000-000000000002";
  strict.id = "aaaaaaaa-0000-4000-8000-000000000001";
  strict.requires_data_access = true;
  const endpoints::Endpoint used[] = {open, strict, strict};
  const auto missing = [&](const std::string& token) {
    return missing_data_access(*consents_, tokens_->authenticate(token).value(), used).value();
  };
  EXPECT_EQ(missing(token(kTransfer)), std::vector<std::string>{with_data()});
  EXPECT_TRUE(missing(token(with_data())).empty());
}

}  // namespace
}  // namespace wherry::server
