// SPDX-License-Identifier: Apache-2.0
#include "server/identities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wherry::server {
namespace {

class IdentitiesTest : public testing::Test {
 protected:
  void SetUp() override {
    Database::Options options;
    options.path = ":memory:";
    database_ = Database::open(options).value();
    ASSERT_TRUE(database_->migrate(identity_migrations()));
    identities_ = std::make_unique<Identities>(
        Identities::Parts{*database_, clock_, random_, {.n = 16, .r = 1, .p = 1}});
  }

  User ada() {
    return identities_->create_user({"Ada@Example.org", "Ada L", "", "difference engine"}).value();
  }

  FakeClock clock_;
  SeededRandom random_{7};
  std::unique_ptr<Database> database_;
  std::unique_ptr<Identities> identities_;
};

TEST_F(IdentitiesTest, UserIsFoundByIdAndByNameInEitherCase) {
  const User user = ada();
  EXPECT_EQ(user.username, "ada@example.org");
  EXPECT_TRUE(is_uuid(user.id));
  EXPECT_EQ(identities_->find_user(user.id).value(), user);
  EXPECT_EQ(identities_->find_user("ADA@example.org").value(), user);
  EXPECT_EQ(identities_->users().value(), std::vector<User>{user});
}

TEST_F(IdentitiesTest, OnlyTheRightPasswordIsTaken) {
  const User user = ada();
  EXPECT_EQ(identities_->check_password("ada@example.org", "difference engine").value(), user);
  const auto wrong = identities_->check_password("ada@example.org", "difference");
  const auto unknown = identities_->check_password("bob@example.org", "difference engine");
  ASSERT_FALSE(wrong);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(wrong.error().code, Code::kDenied);
  EXPECT_EQ(wrong.error(), unknown.error());
}

TEST_F(IdentitiesTest, NewPasswordEndsTheOldOne) {
  ada();
  ASSERT_TRUE(identities_->set_password("ada@example.org", "analytical engine"));
  EXPECT_FALSE(identities_->check_password("ada@example.org", "difference engine"));
  EXPECT_TRUE(identities_->check_password("ada@example.org", "analytical engine"));
}

TEST_F(IdentitiesTest, TakenNameAndBadNamesAndShortPasswordsAreRefused) {
  ada();
  const auto create = [&](const char* name, const char* password) {
    return identities_->create_user({name, "", "", password}).error().code;
  };
  EXPECT_EQ(create("ADA@example.org", "long enough"), Code::kAlreadyExists);
  for (const char* bad : {"", "ada", "@x", "ada@", "a@b@c", "a b@c", "a'@c", "a\n@c"})
    EXPECT_EQ(create(bad, "long enough"), Code::kInvalid) << bad;
  EXPECT_EQ(create("bob@example.org", "short"), Code::kInvalid);
}

TEST_F(IdentitiesTest, RemovedUserIsGone) {
  const User user = ada();
  ASSERT_TRUE(identities_->remove_user(user.id));
  EXPECT_EQ(identities_->find_user(user.id).error().code, Code::kNotFound);
  EXPECT_EQ(identities_->remove_user(user.id).error().code, Code::kNotFound);
}

TEST_F(IdentitiesTest, RotatedSecretEndsTheOldOne) {
  const CreatedClient made = identities_->create_client({.name = "pipeline"}).value();
  EXPECT_EQ(identities_->check_secret(made.client.id, made.secret).value(), made.client);
  const std::string next = identities_->rotate_secret(made.client.id).value();
  EXPECT_FALSE(identities_->check_secret(made.client.id, made.secret));
  EXPECT_TRUE(identities_->check_secret(made.client.id, next));
  EXPECT_FALSE(identities_->check_secret(made.client.id, ""));
}

TEST_F(IdentitiesTest, NativeClientHasNoSecretAndNoneMatchesIt) {
  const CreatedClient made =
      identities_->create_client({.name = "app", .kind = ClientKind::kNative}).value();
  EXPECT_TRUE(made.secret.empty());
  EXPECT_TRUE(made.client.is_local);
  EXPECT_FALSE(identities_->check_secret(made.client.id, ""));
  EXPECT_EQ(identities_->rotate_secret(made.client.id).error().code, Code::kInvalid);
}

TEST_F(IdentitiesTest, RedirectUrisAreKeptInOrderAndStrangeOnesRefused) {
  NewClient request{.name = "portal",
                    .redirect_uris = {"https://b.example/cb", "https://a.example/cb"}};
  const CreatedClient made = identities_->create_client(request).value();
  EXPECT_EQ(identities_->find_client(made.client.id)->redirect_uris, request.redirect_uris);
  for (const char* bad : {"", "javascript:alert(1)", "https://x/#f", "https://x/\nhttps://y"}) {
    request.redirect_uris = {bad};
    EXPECT_EQ(identities_->create_client(request).error().code, Code::kInvalid) << bad;
  }
}

TEST(Secrets, HashTellsNothingAndIsDifferentEachTime) {
  const SecretCost cheap{.n = 16, .r = 1, .p = 1};
  const std::string one = hash_secret("open sesame", cheap);
  EXPECT_NE(one, hash_secret("open sesame", cheap));
  EXPECT_THAT(one, testing::StartsWith("scrypt$16$1$1$"));
  EXPECT_THAT(one, testing::Not(testing::HasSubstr("sesame")));
  EXPECT_TRUE(secret_matches("open sesame", one));
  EXPECT_FALSE(secret_matches("open sesamf", one));
}

TEST(Secrets, DamagedHashMatchesNothing) {
  for (const char* bad : {"", "scrypt", "scrypt$16$1$1$$", "scrypt$17$1$1$AAAA$AAAA",
                          "scrypt$99999999999999$8$1$AAAA$AAAA", "plain$16$1$1$AAAA$AAAA"})
    EXPECT_FALSE(secret_matches("", bad)) << bad;
}

TEST(Secrets, ScryptAgreesWithRfc7914) {
  // Section 12, second vector, the first 32 of its 64 bytes: a prefix of PBKDF2's output.
  EXPECT_TRUE(secret_matches(
      "password", "scrypt$1024$8$16$TmFDbA$_bq-HJ00cgB4VucZDQHp_nxq18vII3gw53N2Y0s3MWI"));
}

TEST(Secrets, ChallengeAgreesWithRfc7636) {
  EXPECT_EQ(pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

TEST(Secrets, Base64RoundTripsAndRefusesOtherText) {
  for (const char* text : {"", "f", "fo", "foo", "foob", "\xff\xfe"})
    EXPECT_EQ(decode_base64(base64url(text)).value(), text);
  EXPECT_EQ(decode_base64("YTpi").value(), "a:b");
  EXPECT_FALSE(decode_base64("a b"));
  EXPECT_FALSE(decode_base64("A"));
}

}  // namespace
}  // namespace wherry::server
