// SPDX-License-Identifier: Apache-2.0
#include "server/tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::server {
namespace {

constexpr const char* kTransfer = "urn:globus:auth:scope:transfer.api.globus.org:all";
constexpr const char* kVerifier = "0123456789012345678901234567890123456789abc";
constexpr const char* kUri = "http://localhost:4321";

class TokensTest : public testing::Test {
 protected:
  void SetUp() override {
    Database::Options options;
    options.path = ":memory:";
    database_ = Database::open(options).value();
    ASSERT_TRUE(database_->migrate(identity_migrations()));
    identities_ = std::make_unique<Identities>(
        Identities::Parts{*database_, clock_, random_, {.n = 16, .r = 1, .p = 1}});
    tokens_ = std::make_unique<Tokens>(Tokens::Parts{*database_, clock_, random_});
    ada_ = identities_->create_user({"ada@example.org", "", "", "difference engine"}).value();
    client_ = identities_->create_client({.name = "app"}).value().client;
  }

  static std::vector<Scope> scopes(const std::string& text) { return parse_scopes(text).value(); }

  std::string code(const std::string& scope = std::string("openid ") + kTransfer) {
    return tokens_
        ->issue_code({client_.id, ada_.id, scopes(scope), kUri, pkce_challenge(kVerifier), true})
        .value();
  }
  Result<IssuedTokens> redeem(const std::string& code, const char* verifier = kVerifier,
                              const char* uri = kUri) {
    return tokens_->redeem({code, client_.id, uri, verifier});
  }
  bool is_good(const std::string& token) { return tokens_->authenticate(token).has_value(); }

  FakeClock clock_;
  SeededRandom random_{7};
  std::unique_ptr<Database> database_;
  std::unique_ptr<Identities> identities_;
  std::unique_ptr<Tokens> tokens_;
  User ada_;
  Client client_;
};

TEST_F(TokensTest, ClientGetsOneTokenPerResourceServerAndActsForItself) {
  const auto issued = tokens_->issue(client_, scopes(std::string("openid email ") + kTransfer));
  ASSERT_EQ(issued->tokens.size(), 2U);
  EXPECT_EQ(issued->tokens[0].scope, "openid email");
  EXPECT_EQ(issued->tokens[1].resource_server, "transfer.api.globus.org");
  EXPECT_TRUE(issued->tokens[1].refresh_token.empty());
  const Caller caller = tokens_->authenticate(issued->tokens[1].access_token).value();
  EXPECT_EQ(caller.identity, client_.id);
  EXPECT_EQ(caller.username, client_.id + "@clients.auth.globus.org");
  EXPECT_TRUE(caller.has_scope(kTransfer));
  EXPECT_FALSE(caller.has_scope("openid"));
}

TEST_F(TokensTest, DependentScopesAreInTheCallerButNotInTheAnswer) {
  const auto issued = tokens_->issue(client_, scopes(std::string(kTransfer) + "[*x y]"));
  EXPECT_EQ(issued->tokens[0].scope, kTransfer);
  EXPECT_TRUE(tokens_->authenticate(issued->tokens[0].access_token)
                  ->has_scope(std::string(kTransfer) + "[x]"));
}

TEST_F(TokensTest, CodeBuysTokensOfTheUserWhoAgreed) {
  const IssuedTokens bought = redeem(code()).value();
  ASSERT_EQ(bought.tokens.size(), 2U);
  EXPECT_EQ(tokens_->authenticate(bought.tokens[0].access_token)->username, "ada@example.org");
  EXPECT_FALSE(bought.tokens[0].refresh_token.empty());
}

TEST_F(TokensTest, ReplayedCodeRevokesWhatItBought) {
  const std::string code = this->code();
  const IssuedTokens bought = redeem(code).value();
  EXPECT_EQ(redeem(code).error().code, Code::kDenied);
  EXPECT_FALSE(is_good(bought.tokens[0].access_token));
  EXPECT_FALSE(tokens_->refresh(bought.tokens[1].refresh_token, client_.id));
}

TEST_F(TokensTest, WrongVerifierRedirectUriOrClientBuysNothing) {
  EXPECT_FALSE(redeem(code(), "wrong"));
  EXPECT_FALSE(redeem(code(), ""));
  EXPECT_FALSE(redeem(code(), kVerifier, "http://localhost:4322"));
  EXPECT_FALSE(tokens_->redeem({code(), "someone else", kUri, kVerifier}));
  EXPECT_FALSE(redeem("forged"));
  EXPECT_FALSE(redeem(""));
  const std::string tried = code();
  EXPECT_FALSE(redeem(tried, "wrong"));
  EXPECT_FALSE(redeem(tried)) << "a code has one try";
}

TEST_F(TokensTest, CodeEndsAfterTenMinutes) {
  const std::string code = this->code();
  clock_.advance(kCodeLifetime);
  EXPECT_THAT(redeem(code).error().message, testing::HasSubstr("expired"));
}

TEST_F(TokensTest, AccessTokenEndsAfterFortyEightHoursAndRefreshGivesANewOne) {
  const IssuedToken first = redeem(code()).value().tokens[1];
  clock_.advance(kAccessLifetime - std::chrono::seconds(1));
  EXPECT_TRUE(is_good(first.access_token));
  clock_.advance(std::chrono::seconds(1));
  EXPECT_THAT(tokens_->authenticate(first.access_token).error().message,
              testing::HasSubstr("expired"));
  const IssuedTokens next = tokens_->refresh(first.refresh_token, client_.id).value();
  ASSERT_EQ(next.tokens.size(), 1U);
  EXPECT_EQ(next.tokens[0].resource_server, "transfer.api.globus.org");
  EXPECT_NE(next.tokens[0].refresh_token, first.refresh_token);
  EXPECT_TRUE(is_good(next.tokens[0].access_token));
}

TEST_F(TokensTest, ReplayedRefreshTokenRevokesTheFamily) {
  const IssuedToken first = redeem(code()).value().tokens[1];
  const IssuedToken second = tokens_->refresh(first.refresh_token, client_.id)->tokens[0];
  EXPECT_FALSE(tokens_->refresh(first.refresh_token, client_.id));
  EXPECT_FALSE(is_good(second.access_token));
  EXPECT_FALSE(tokens_->refresh(second.refresh_token, client_.id));
}

TEST_F(TokensTest, ExchangeWithANameMayBeAskedForAgainByThatName) {
  const IssuedToken first = redeem(code()).value().tokens[1];
  ASSERT_TRUE(tokens_->refresh(first.refresh_token, client_.id, "name"));
  const auto again = tokens_->refresh(first.refresh_token, client_.id, "name");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(is_good(again->tokens[0].access_token));
  EXPECT_TRUE(tokens_->refresh(again->tokens[0].refresh_token, client_.id));
  EXPECT_FALSE(tokens_->refresh(first.refresh_token, client_.id, "guess"));
  EXPECT_FALSE(is_good(again->tokens[0].access_token)) << "that was a thief";
  EXPECT_FALSE(tokens_->refresh(first.refresh_token, client_.id, "name"));
}

TEST_F(TokensTest, ExchangeWithoutANameIsNotRepeatedByAnyName) {
  const IssuedToken first = redeem(code()).value().tokens[1];
  ASSERT_TRUE(tokens_->refresh(first.refresh_token, client_.id));
  EXPECT_FALSE(tokens_->refresh(first.refresh_token, client_.id, "name"));
}

TEST_F(TokensTest, RefreshTokenOfAnotherClientIsUnknownAndStaysGood) {
  const IssuedToken token = redeem(code()).value().tokens[1];
  EXPECT_FALSE(tokens_->refresh(token.refresh_token, "someone else"));
  EXPECT_FALSE(tokens_->refresh(token.access_token, client_.id));
  EXPECT_FALSE(is_good(token.refresh_token));
  EXPECT_TRUE(tokens_->refresh(token.refresh_token, client_.id));
}

TEST_F(TokensTest, ForgedAndTruncatedTokensAreDeniedAndNotRepeated) {
  const std::string good = tokens_->issue(client_, scopes(kTransfer))->tokens[0].access_token;
  std::string changed = good;
  changed[0] = changed[0] == 'A' ? 'B' : 'A';
  for (const std::string& bad : {std::string(), good.substr(1), good + "A", changed}) {
    const auto denied = tokens_->authenticate(bad);
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().code, Code::kDenied);
    EXPECT_EQ(denied.error().message, "the token is unknown");
    EXPECT_FALSE(tokens_->inspect(bad)->is_active);
  }
}

TEST_F(TokensTest, OnlyItsClientRevokesAToken) {
  const IssuedTokens bought = redeem(code()).value();
  ASSERT_TRUE(tokens_->revoke(bought.tokens[0].access_token, "someone else"));
  EXPECT_TRUE(is_good(bought.tokens[0].access_token));
  ASSERT_TRUE(tokens_->revoke(bought.tokens[0].refresh_token, client_.id));
  EXPECT_FALSE(is_good(bought.tokens[0].access_token));
  EXPECT_TRUE(is_good(bought.tokens[1].access_token)) << "of another resource server";
  ASSERT_TRUE(tokens_->revoke("", client_.id));
}

TEST_F(TokensTest, WhatAClientGotForItselfEndsWithItsSecret) {
  const std::string own = tokens_->issue(client_, scopes(kTransfer))->tokens[0].access_token;
  const std::string of_ada = redeem(code())->tokens[0].access_token;
  ASSERT_TRUE(identities_->rotate_secret(client_.id));
  EXPECT_FALSE(is_good(own));
  EXPECT_TRUE(is_good(of_ada));
}

TEST_F(TokensTest, TokensEndWithTheirUserOrClientOrANewPassword) {
  const std::string first = redeem(code())->tokens[0].access_token;
  ASSERT_TRUE(identities_->set_password(ada_.id, "analytical engine"));
  EXPECT_FALSE(is_good(first));
  const std::string second = redeem(code())->tokens[0].access_token;
  EXPECT_TRUE(is_good(second));
  ASSERT_TRUE(identities_->remove_user(ada_.id));
  EXPECT_FALSE(is_good(second));
  const std::string third = tokens_->issue(client_, scopes(kTransfer))->tokens[0].access_token;
  ASSERT_TRUE(identities_->remove_client(client_.id));
  EXPECT_FALSE(is_good(third));
}

TEST_F(TokensTest, ScopeOfNoServiceIsInvalid) {
  EXPECT_EQ(tokens_->issue(client_, scopes("everything")).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::server
