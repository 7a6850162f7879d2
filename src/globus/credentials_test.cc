// SPDX-License-Identifier: Apache-2.0
// Tokens, logins and calls against the real routes of Auth, over real sockets.
#include "globus/credentials.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <thread>

#include "api/errors.h"
#include "globus/login.h"
#include "globus/redirect_listener.h"
#include "globus/rest_client.h"
#include "server/auth_fixture.h"
#include "server/scripted_server.h"

namespace wherry::globus {
namespace {

using server::BrokenServer;
using server::ScriptedServer;

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class CredentialsTest : public server::AuthFixture {
 protected:
  void SetUp() override {
    AuthFixture::SetUp();
    routes_ = server::auth_routes(parts());
    service_ = std::make_unique<ScriptedServer>(
        [this](const server::Request& request) { return answer(request); });
  }

  server::Response answer(const server::Request& request) {
    const bool is_for_token = request.path == "/v2/oauth2/token";
    if (auth_is_away_ && is_for_token) return ScriptedServer::json("{}", 503);
    for (const server::AuthRoute& route : routes_) {
      if (route.method != request.method || route.pattern != request.path) continue;
      server::Response done = route.run(request);
      if (!is_for_token || answers_to_lose_ == 0) return done;
      --answers_to_lose_;
      return ScriptedServer::json("<html>", answers_to_lose_ % 2 == 0 ? 200 : 502);
    }
    if (request.path != "/v0.10/submission_id") return ScriptedServer::json("{}", 404);
    const auto token = server::bearer_token(request);
    const auto caller = token ? tokens_->inspect(*token) : make_error(Code::kDenied, "none");
    if (!caller || !caller->is_active || refuses_all_)
      return ScriptedServer::json(R"({"code":"AuthenticationFailed","message":"no"})", 401);
    return ScriptedServer::json(R"({"value":"x"})");
  }

  Network network() { return {*http_, now_, random_, {}}; }
  Credentials credentials(std::optional<ClientSecret> client = {}) {
    return Credentials({network(), store_, service_->url(), std::move(client)});
  }
  ClientSecret secret() { return {client_.client.id, client_.secret}; }
  // As a person does in the browser: answers the code.
  std::string agree(const PendingLogin& pending) {
    const Fields fields = parse_form(pending.url.substr(pending.url.find('?') + 1));
    std::map<std::string, std::string> field(fields.begin(), fields.end());
    EXPECT_EQ(field["code_challenge_method"], "S256");
    return tokens_
        ->issue_code({field["client_id"], ada_.id, server::parse_scopes(field["scope"]).value(),
                      field["redirect_uri"], field["code_challenge"], true})
        .value();
  }
  void log_in(Credentials& credentials, const std::vector<std::string>& scopes = {}) {
    LoginFlow flow(credentials, {});
    const auto pending = flow.begin(flow.code_page(), scopes, {});
    ASSERT_TRUE(pending) << pending.error().message;
    const auto done = flow.finish(*pending, agree(*pending), {});
    ASSERT_TRUE(done) << done.error().message;
  }
  std::size_t token_requests() const { return service_->count("/v2/oauth2/token"); }

  const ScratchDirectory directory_;
  // The service's clock is the fixture's; this one does not block who waits.
  FakeClock now_{clock_.now(), FakeClock::Sleepers::kAdvance};
  TokenStore store_{directory_.file("tokens.json"), system_clock()};
  std::unique_ptr<HttpClient> http_ = make_http_client({});
  std::vector<server::AuthRoute> routes_;
  bool auth_is_away_ = false;
  bool refuses_all_ = false;
  int answers_to_lose_ = 0;  // of requests for tokens, after they were done
  std::unique_ptr<ScriptedServer> service_;
};

TEST_F(CredentialsTest, AClientGetsATokenAndKeepsIt) {
  Credentials mine = credentials(secret());
  const auto token = mine.token(kTransferServer, {});
  ASSERT_TRUE(token) << token.error().message;
  EXPECT_EQ(mine.token(kTransferServer, {}).value(), *token);
  EXPECT_EQ(credentials(secret()).token(kTransferServer, {}).value(), *token);
  EXPECT_EQ(token_requests(), 1u);
}

TEST_F(CredentialsTest, AWrongSecretIsALoginThatIsNeeded) {
  const auto token =
      credentials(ClientSecret{client_.client.id, "guess"}).token(kTransferServer, {});
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, Code::kLoginNeeded);
  EXPECT_THAT(token.error().message, Not(HasSubstr("guess")));
}

TEST_F(CredentialsTest, WithoutALoginTheErrorSaysHow) {
  const auto token = credentials().token(kTransferServer, {});
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, Code::kLoginNeeded);
  EXPECT_THAT(token.error().message, HasSubstr("wherry login"));
  EXPECT_EQ(service_->requests().size(), 0u);
}

TEST_F(CredentialsTest, TheErrorNamesTheServiceThatTheCommandIsFor) {
  const Credentials::Parts parts{network(), store_, service_->url(), {}, "https://wherry.example"};
  const auto token = Credentials(parts).token(kTransferServer, {});
  ASSERT_FALSE(token);
  EXPECT_THAT(token.error().message, EndsWith("wherry login --service https://wherry.example"));
}

TEST_F(CredentialsTest, AClientThatIsNotKnownIsToldOfItsVariablesAndNotToLogIn) {
  const auto token =
      credentials(ClientSecret{client_.client.id, "guess"}).token(kTransferServer, {});
  ASSERT_FALSE(token);
  EXPECT_THAT(token.error().message, HasSubstr("WHERRY_CLIENT_SECRET"));
  EXPECT_THAT(token.error().message, HasSubstr(client_.client.id));
  EXPECT_THAT(token.error().message, Not(HasSubstr("wherry login")));
}

TEST_F(CredentialsTest, APersonLogsInAndIsKnown) {
  Credentials mine = credentials();
  log_in(mine);
  EXPECT_TRUE(mine.token(kTransferServer, {}));
  const auto person = LoginFlow(mine, {}).whoami({});
  ASSERT_TRUE(person) << person.error().message;
  EXPECT_EQ(person->id, ada_.id);
  EXPECT_EQ(person->username, "ada@example.org");
}

TEST_F(CredentialsTest, AnExpiredTokenIsRefreshedOnceForAllThreads) {
  Credentials mine = credentials();
  log_in(mine);
  const std::string old = mine.token(kTransferServer, {}).value();
  const std::size_t before = token_requests();
  now_.advance(std::chrono::hours(49));
  Credentials other = credentials();
  std::vector<std::thread> threads;
  std::vector<std::string> got(8);
  for (std::size_t i = 0; i < got.size(); ++i) {
    threads.emplace_back([&, i] {
      Credentials& asked = i % 2 == 0 ? mine : other;
      got[i] = asked.token(kTransferServer, {}).value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(token_requests(), before + 1);
  for (const std::string& token : got) EXPECT_EQ(token, got[0]);
  EXPECT_NE(got[0], old);
}

TEST_F(CredentialsTest, RefreshingGoesOnForLongCampaigns) {
  Credentials mine = credentials();
  log_in(mine);
  for (int day = 0; day < 30; day += 2) {
    now_.advance(std::chrono::hours(48));
    clock_.advance(std::chrono::hours(48));
    const auto token = mine.token(kTransferServer, {});
    ASSERT_TRUE(token) << "day " << day << ": " << token.error().message;
    EXPECT_TRUE(tokens_->inspect(*token)->is_active);
  }
}

TEST_F(CredentialsTest, ALoginOutlivesLostAnswersAndTheProcessThatLostThem) {
  Credentials mine = credentials();
  log_in(mine);
  now_.advance(std::chrono::hours(48));
  clock_.advance(std::chrono::hours(48));
  answers_to_lose_ = 2;
  const auto token = mine.token(kTransferServer, {});
  ASSERT_TRUE(token) << token.error().message;
  EXPECT_TRUE(tokens_->inspect(*token)->is_active);
  // Now no attempt of this process hears anything, though each is done; another process goes on.
  now_.advance(std::chrono::hours(48));
  clock_.advance(std::chrono::hours(48));
  answers_to_lose_ = RetryPolicy().attempts;
  EXPECT_EQ(mine.token(kTransferServer, {}).error().retry, Retry::kLater);
  EXPECT_EQ(answers_to_lose_, 0);
  const auto later = credentials().token(kTransferServer, {});
  ASSERT_TRUE(later) << later.error().message;
  EXPECT_TRUE(tokens_->inspect(*later)->is_active);
  EXPECT_EQ(store_.find(mine.key()).value()->tokens.at(std::string(kTransferServer)).refreshing,
            "");
}

TEST_F(CredentialsTest, ARevokedLoginIsSaidToBeOneAndALaterLoginIsSeen) {
  Credentials mine = credentials();
  log_in(mine);
  const auto login = store_.find(mine.key()).value();
  ASSERT_TRUE(
      tokens_->revoke(login->tokens.at(std::string(kTransferServer)).refresh, login->client_id));
  now_.advance(std::chrono::hours(49));
  const auto refused = mine.token(kTransferServer, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kLoginNeeded);
  Credentials shell = credentials();  // `wherry login` in another process
  log_in(shell);
  EXPECT_TRUE(mine.token(kTransferServer, {}));
}

TEST_F(CredentialsTest, TheLastMinuteOfATokenIsUsedWhileAuthIsAway) {
  Credentials mine = credentials(secret());
  const std::string token = mine.token(kTransferServer, {}).value();
  const TimePoint expires =
      store_.find(mine.key()).value()->tokens.at(std::string(kTransferServer)).expires;
  auth_is_away_ = true;
  // The retries move this clock too, by seconds; the token ends in an hour, but is asked to be
  // replaced.
  now_.jump(expires - std::chrono::seconds(50) - now_.now());
  FakeClock still(now_.now(), FakeClock::Sleepers::kAdvance);
  RetryPolicy once;
  once.attempts = 1;
  Credentials waiting({{*http_, still, random_, once}, store_, service_->url(), secret()});
  EXPECT_EQ(waiting.token(kTransferServer, {}).value(), token);
  still.advance(std::chrono::seconds(51));
  EXPECT_EQ(waiting.token(kTransferServer, {}).error().retry, Retry::kLater);
}

TEST_F(CredentialsTest, ConsentsAddUp) {
  Credentials mine = credentials();
  const std::string first = std::string(kTransferScope) +
                            "[*https://auth.globus.org/scopes/"
                            "11111111-1111-4111-8111-111111111111/data_access]";
  const std::string second = std::string(kTransferScope) +
                             "[*https://auth.globus.org/scopes/"
                             "22222222-2222-4222-8222-222222222222/data_access]";
  log_in(mine, {first});
  log_in(mine, {second});
  EXPECT_EQ(store_.find(mine.key()).value()->scopes, (std::vector<std::string>{first, second}));
  const auto info = tokens_->inspect(mine.token(kTransferServer, {}).value());
  EXPECT_THAT(info->scope, HasSubstr("1111/data_access"));
  EXPECT_THAT(info->scope, HasSubstr("2222/data_access"));
}

TEST_F(CredentialsTest, LogoutRevokesEverything) {
  Credentials mine = credentials();
  log_in(mine);
  const std::string token = mine.token(kTransferServer, {}).value();
  EXPECT_TRUE(LoginFlow(mine, {}).logout({}).value());
  EXPECT_FALSE(tokens_->inspect(token)->is_active);
  EXPECT_EQ(store_.find(mine.key()).value(), std::nullopt);
  EXPECT_FALSE(LoginFlow(mine, {}).logout({}).value());
}

TEST_F(CredentialsTest, WhereItMayNotRegisterItselfAnAppMustBeNamed) {
  Credentials mine = credentials();
  const auto refused = LoginFlow(mine, {"", false}).begin("http://localhost:1", {}, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("login.client_id"));
  EXPECT_EQ(service_->requests().size(), 0u);
  const auto pending = LoginFlow(mine, {"native-app", false}).begin("http://localhost:1", {}, {});
  ASSERT_TRUE(pending);
  EXPECT_THAT(pending->url, HasSubstr("client_id=native-app"));
}

TEST_F(CredentialsTest, AClientNeedsNoLogin) {
  Credentials mine = credentials(secret());
  const auto pending = LoginFlow(mine, {}).begin("http://localhost:1", {}, {});
  ASSERT_FALSE(pending);
  EXPECT_EQ(pending.error().code, Code::kInvalid);
}

TEST_F(CredentialsTest, ACallWithATokenThatWasRevokedGetsANewOneOnce) {
  Credentials mine = credentials(secret());
  RestClient rest(service_->url(), mine);
  ASSERT_TRUE(tokens_->revoke(mine.token(kTransferServer, {}).value(), client_.client.id));
  const auto reply = rest.call({"GET", "/v0.10/submission_id"}, {});
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(token_requests(), 2u);
  refuses_all_ = true;
  const auto refused = rest.call({"GET", "/v0.10/submission_id"}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kLoginNeeded);
  EXPECT_EQ(token_requests(), 3u);
}

TEST(Environment, ClientsAreNamedByTwoVariablesOrNone) {
  const auto environment = [](std::map<std::string, std::string> values) {
    return [values](std::string_view name) -> std::optional<std::string> {
      const auto found = values.find(std::string(name));
      return found == values.end() ? std::nullopt : std::optional(found->second);
    };
  };
  EXPECT_EQ(client_of(environment({})).value(), std::nullopt);
  EXPECT_EQ(
      client_of(environment({{"GLOBUS_CLI_CLIENT_ID", "a"}, {"GLOBUS_CLI_CLIENT_SECRET", "b"}}))
          .value()
          ->id,
      "a");
  EXPECT_EQ(client_of(environment({{"WHERRY_CLIENT_ID", "w"},
                                   {"WHERRY_CLIENT_SECRET", "x"},
                                   {"GLOBUS_CLI_CLIENT_ID", "a"},
                                   {"GLOBUS_CLI_CLIENT_SECRET", "b"}}))
                .value()
                ->id,
            "w");
  EXPECT_EQ(client_of(environment({{"WHERRY_CLIENT_ID", "w"}})).error().code, Code::kInvalid);
}

TEST(RedirectListener, AnswersOnlyTheBrowserThatHasTheState) {
  const auto listener = RedirectListener::open(system_clock()).value();
  const std::string url = listener->redirect_uri();
  std::thread browser([&] {
    const auto http = make_http_client({});
    EXPECT_EQ(http->send({"GET", url + "/favicon.ico"}, {})->status, 404u);
    EXPECT_EQ(http->send({"GET", url + "/?code=evil&state=guess"}, {})->status, 404u);
    EXPECT_EQ(http->send({"GET", url + "/?state=right&code=c%2B1"}, {})->status, 200u);
  });
  const auto fields = listener->wait("right", std::chrono::minutes(1), {});
  browser.join();
  ASSERT_TRUE(fields) << fields.error().message;
  EXPECT_EQ(fields->at(1), (std::pair<std::string, std::string>("code", "c+1")));
}

TEST(RedirectListener, WaitingEndsWithAStop) {
  const auto listener = RedirectListener::open(system_clock()).value();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(listener->wait("s", std::chrono::hours(1), stop.get_token()).error().code,
            Code::kCancelled);
  EXPECT_EQ(listener->wait("s", Duration(0), {}).error().code, Code::kTimeout);
}

// A script of statuses, and what the caller makes of it.
class RestClientTest : public testing::Test {
 protected:
  RestClientTest() {
    Login login;
    login.tokens[std::string(kTransferServer)] = {"token", "", "",
                                                  clock_.now() + std::chrono::hours(1000)};
    const auto stored = store_.update({"http://auth", ""},
                                      [&](Login& into) -> Result<void> {
                                        into.tokens = login.tokens;
                                        return {};
                                      },
                                      {});
    EXPECT_TRUE(stored);
  }
  Result<boost::json::object> call(const std::string& url) {
    RestClient rest(url, credentials_);
    return rest.call({"GET", "/x"}, {}, &attempts_);
  }
  const ScratchDirectory directory_;
  FakeClock clock_{TimePoint(std::chrono::seconds(1'700'000'000)), FakeClock::Sleepers::kAdvance};
  SeededRandom random_{3};
  TokenStore store_{directory_.file("tokens.json"), clock_};
  std::unique_ptr<HttpClient> http_ = make_http_client({});
  Credentials credentials_{{{*http_, clock_, random_, {}}, store_, "http://auth", {}}};
  int attempts_ = 0;
};

TEST_F(RestClientTest, TroubleThatPassesIsNotSeen) {
  int count = 0;
  ScriptedServer service([&](const server::Request& request) {
    EXPECT_EQ(*request.header("authorization"), "Bearer token");
    switch (++count) {
      case 1:
        return ScriptedServer::json("slow down", 429);
      case 2:
        return ScriptedServer::json("<html>", 502);
      case 3:
        return ScriptedServer::json("{\"half\":", 200);
      case 4:
        return ScriptedServer::json("{}", 500);
      default:
        return ScriptedServer::json(R"({"good":true})");
    }
  });
  const auto reply = call(service.url());
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(reply->at("good").as_bool());
  EXPECT_EQ(attempts_, 5);
}

TEST_F(RestClientTest, BrokenConnectionsAreMadeAnew) {
  BrokenServer service({"", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
                        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"good\":true"
                        "}"});
  const auto reply = call(service.url());
  ASSERT_FALSE(reply) << "12 bytes are not the whole document";
  BrokenServer better({"", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
                       "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"good\":true}"});
  const auto again = call(better.url());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->at("good").as_bool());
}

TEST_F(RestClientTest, ARefusalIsAskedOnce) {
  for (const unsigned status : {400u, 403u, 404u, 409u}) {
    ScriptedServer service([&](const server::Request&) {
      return ScriptedServer::json(R"({"code":"Conflict","message":"it has ended"})", status);
    });
    EXPECT_FALSE(call(service.url()));
    EXPECT_EQ(service.requests().size(), 1u) << status;
  }
}

TEST_F(RestClientTest, TroubleThatStaysIsToldInTheEnd) {
  ScriptedServer service([](const server::Request&) { return ScriptedServer::json("{}", 503); });
  const auto reply = call(service.url());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().retry, Retry::kLater);
  EXPECT_EQ(attempts_, RetryPolicy().attempts);
}

TEST_F(RestClientTest, AMissingConsentNamesTheCommand) {
  ScriptedServer service([](const server::Request&) {
    return ScriptedServer::json(
        api::error_document({403, "ConsentRequired", "Missing required data_access consent"},
                            {"r", "/x", {"scope[*inner]"}}),
        403);
  });
  const auto reply = call(service.url());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Code::kLoginNeeded);
  EXPECT_EQ(reply.error().retry, Retry::kAfterUser);
  EXPECT_THAT(reply.error().message, HasSubstr("wherry session consent 'scope[*inner]'"));
  EXPECT_THAT(reply.error().message, Not(HasSubstr("Bearer")));
}

}  // namespace
}  // namespace wherry::globus
