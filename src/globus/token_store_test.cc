// SPDX-License-Identifier: Apache-2.0
#include "globus/token_store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

#include "base/scratch_directory.h"

namespace wherry::globus {
namespace {

using testing::HasSubstr;

Login login_of(const std::string& client) {
  Login login;
  login.service = "https://auth";
  login.client = client;
  login.client_id = "app";
  login.client_secret = "s\"ecret";
  login.scopes = {"a[*b]"};
  login.tokens["transfer"] = {"access", "refresh", "all", TimePoint(std::chrono::seconds(1000))};
  return login;
}

class TokenStoreTest : public testing::Test {
 protected:
  Result<void> put(TokenStore& store, const Login& login) {
    return store.update({login.service, login.client},
                        [&](Login& stored) -> Result<void> {
                          stored = login;
                          return {};
                        },
                        {});
  }
  const ScratchDirectory directory_;
  const std::string path_ = directory_.file("tokens.json");
  TokenStore store_{path_, system_clock()};
};

TEST_F(TokenStoreTest, KeepsLoginsApart) {
  EXPECT_EQ(store_.find({"https://auth", ""}).value(), std::nullopt);
  ASSERT_TRUE(put(store_, login_of("")));
  ASSERT_TRUE(put(store_, login_of("client")));
  TokenStore other(path_, system_clock());
  EXPECT_EQ(other.find({"https://auth", ""}).value(), login_of(""));
  EXPECT_EQ(other.find({"https://auth", "client"}).value(), login_of("client"));
  EXPECT_EQ(other.find({"https://other", ""}).value(), std::nullopt);
  ASSERT_TRUE(other.remove({"https://auth", ""}, {}));
  EXPECT_EQ(store_.find({"https://auth", ""}).value(), std::nullopt);
  EXPECT_TRUE(store_.find({"https://auth", "client"}).value());
}

TEST_F(TokenStoreTest, AnExchangeThatWasBegunIsRemembered) {
  Login login;
  login.service = "https://auth";
  login.tokens["transfer"] = {"access", "refresh", "scope", TimePoint(), "name of the exchange"};
  login.tokens["other"] = {"access", "", "", TimePoint()};
  EXPECT_EQ(parse_logins(format_logins({login})).value(), std::vector<Login>{login});
}

// Scenario 8.
TEST_F(TokenStoreTest, NobodyElseCanReadTheFile) {
  ASSERT_TRUE(put(store_, login_of("")));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(TokenStoreTest, AFailedChangeStoresNothing) {
  ASSERT_TRUE(put(store_, login_of("")));
  const auto failed = store_.update({"https://auth", ""},
                                    [](Login& login) -> Result<void> {
                                      login.tokens.clear();
                                      return make_error(Code::kUnavailable, "no network");
                                    },
                                    {});
  EXPECT_EQ(failed.error().code, Code::kUnavailable);
  EXPECT_EQ(store_.find({"https://auth", ""}).value(), login_of(""));
}

TEST_F(TokenStoreTest, OneChangeAtATimeWhoeverMakesIt) {
  TokenStore other(path_, system_clock());  // as another process has one
  std::vector<std::thread> threads;
  for (TokenStore* store : {&store_, &other, &store_, &other}) {
    threads.emplace_back([store] {
      for (int i = 0; i < 5; ++i) {
        const auto done = store->update({"https://auth", ""},
                                        [](Login& login) -> Result<void> {
                                          login.scopes.push_back("x");
                                          return {};
                                        },
                                        {});
        EXPECT_TRUE(done);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_.find({"https://auth", ""}).value()->scopes.size(), 20u);
}

TEST_F(TokenStoreTest, WaitingForAnotherProcessCanBeStopped) {
  TokenStore other(path_, system_clock());
  std::stop_source stop;
  stop.request_stop();
  Result<void> inner;
  const auto outer = store_.update({"https://auth", ""},
                                   [&](Login&) -> Result<void> {
                                     inner = other.remove({"https://auth", ""}, stop.get_token());
                                     return {};
                                   },
                                   {});
  EXPECT_TRUE(outer);
  ASSERT_FALSE(inner);
  EXPECT_EQ(inner.error().code, Code::kCancelled);
}

TEST_F(TokenStoreTest, ADamagedFileIsSaidToBeOne) {
  const std::string good = format_logins({login_of("")});
  EXPECT_EQ(parse_logins(good).value(), std::vector<Login>{login_of("")});
  for (std::size_t cut = 0; cut < good.size() - 2; ++cut) {
    const auto damaged = parse_logins(good.substr(0, cut));
    ASSERT_FALSE(damaged) << cut;
    EXPECT_EQ(damaged.error().code, Code::kCorrupt);
  }
  std::string changed = good;
  changed.replace(changed.find("app"), 3, "apq");
  EXPECT_THAT(parse_logins(changed).error().message, HasSubstr("checksum"));
  std::string newer = good;
  newer.replace(newer.find("\"version\":1"), 11, "\"version\":2");
  EXPECT_EQ(parse_logins(newer).error().code, Code::kUnsupported);
  ASSERT_TRUE(durable_write_file(path_, "{}", 0600));
  EXPECT_THAT(store_.find({"a", ""}).error().message, HasSubstr("log in again"));
}

}  // namespace
}  // namespace wherry::globus
