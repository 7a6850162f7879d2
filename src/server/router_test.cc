// SPDX-License-Identifier: Apache-2.0
#include "server/router.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <mutex>
#include <optional>

namespace wherry::server {
namespace {

using testing::HasSubstr;

constexpr std::string_view kScope = "urn:globus:auth:scope:transfer.api.globus.org:all";

// Knows two tokens: "ada" may do everything, "guest" has another scope.
class TwoTokens : public Authenticator {
 public:
  Result<Caller> authenticate(std::string_view token) override {
    if (token != "ada" && token != "guest")
      return make_error(Code::kDenied, "the token is unknown");
    Caller caller;
    caller.username = token;
    caller.scopes = {token == "ada" ? std::string(kScope) : "openid"};
    return caller;
  }
};

Response text(std::string body) {
  Response response;
  response.body = std::move(body);
  return response;
}

std::optional<std::string> header(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return std::nullopt;
}

class RouterTest : public testing::Test {
 protected:
  std::vector<Route> routes() {
    return {
        {Method::kGet, "/task/{task_id}", kScope, Work::kDatabase, transfer_error, "One task.",
         [](const Call& call) {
           return text(call.caller->username + " " + call.parameter("task_id"));
         }},
        {Method::kPut, "/task/{task_id}", kScope, Work::kDatabase, transfer_error, "Changes it.",
         [](const Call&) { return text("changed"); }},
        {Method::kGet, "/open", "", Work::kDatabase, transfer_error, "For everybody.",
         [](const Call& call) { return text(call.caller == nullptr ? "nobody" : "somebody"); }},
        {Method::kPost, "/submit", kScope, Work::kSubmission, transfer_error, "Submits.",
         [this](const Call&) {
           hung_.release_one();
           has_let_go_.wait();
           return text("submitted");
         }},
        {Method::kGet, "/endpoint/{endpoint_id}/ls", kScope, Work::kStorage, transfer_error,
         "Lists.",
         [this](const Call& call) {
           if (call.parameter("endpoint_id") == "hung") {
             hung_.release_one();
             has_let_go_.wait();
           }
           return text("listed");
         }},
    };
  }
  // A gate that a thread passes when another has arrived somewhere.
  struct Arrival {
    std::promise<void> promise;
    std::once_flag once;
    void release_one() {
      std::call_once(once, [this] { promise.set_value(); });
    }
    void wait() { promise.get_future().wait(); }
  };

  std::future<Response> send(Router& router, Method method, std::string path,
                             const std::string& authorization = "Bearer ada") {
    Request request;
    request.method = method;
    request.path = std::move(path);
    request.request_id = "abc123XYZ";
    if (!authorization.empty()) request.headers = {{"authorization", authorization}};
    auto answer = std::make_shared<std::promise<Response>>();
    router.handle(std::move(request),
                  [answer](Response response) { answer->set_value(std::move(response)); });
    return answer->get_future();
  }
  Response ask(Method method, std::string path, const std::string& authorization = "Bearer ada") {
    Router router(routes(), tokens_, {});
    return send(router, method, std::move(path), authorization).get();
  }

  TwoTokens tokens_;
  Arrival hung_;
  std::promise<void> let_go_;
  std::shared_future<void> has_let_go_ = let_go_.get_future().share();
};

TEST_F(RouterTest, ARequestFindsItsRouteAndBringsItsParameters) {
  EXPECT_EQ(ask(Method::kGet, "/task/42").body, "ada 42");
  EXPECT_EQ(ask(Method::kPut, "/task/42").body, "changed");
  EXPECT_EQ(ask(Method::kHead, "/task/42").body, "ada 42");
}

TEST_F(RouterTest, ARouteWithoutAScopeIsOpen) {
  EXPECT_EQ(ask(Method::kGet, "/open", "").body, "nobody");
}

TEST_F(RouterTest, AnUnknownPathIsNotFound) {
  for (const char* path : {"/", "/tasks", "/task", "/task/1/2", "/task/"}) {
    const Response response = ask(Method::kGet, path);
    EXPECT_EQ(response.status, 404u) << path;
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_THAT(response.body, HasSubstr("ClientError.NotFound"));
    EXPECT_THAT(response.body, HasSubstr("abc123XYZ"));
  }
}

TEST_F(RouterTest, AMethodThatThePathDoesNotTakeIsNamedWithThoseItTakes) {
  const Response response = ask(Method::kDelete, "/task/42");
  EXPECT_EQ(response.status, 405u);
  EXPECT_EQ(header(response, "Allow"), "OPTIONS, GET, HEAD, PUT");
}

TEST_F(RouterTest, WhatIsNotThereAnswersAsItsNeighboursDo) {
  std::vector<Route> all = routes();
  const auto nothing = [](const Call&) { return text(""); };
  for (const char* path : {"/v1/jobs", "/v1/sites"})
    all.push_back({Method::kGet, path, "", Work::kDatabase, job_error, "", nothing});
  all.push_back({Method::kGet, "/v2/a", "", Work::kDatabase, timer_error, "", nothing});
  all.push_back({Method::kGet, "/v2/b", "", Work::kDatabase, job_error, "", nothing});
  Router router(all, tokens_, {});
  for (const char* path : {"/v1", "/v1/", "/v1/job", "/v1/jobs/3"}) {
    const Response response = send(router, Method::kGet, path).get();
    EXPECT_EQ(response.status, 404u) << path;
    EXPECT_EQ(response.body, fmt::format(R"({{"detail":"there is nothing at {}"}})", path));
  }
  const Response wrong = send(router, Method::kPut, "/v1/jobs").get();
  EXPECT_EQ(wrong.status, 405u);
  EXPECT_THAT(wrong.body, HasSubstr(R"({"detail":)"));
  EXPECT_THAT(send(router, Method::kGet, "/v2/c").get().body, HasSubstr("ClientError.NotFound"))
      << "its neighbours do not agree";
}

TEST_F(RouterTest, ABrowserMayAskWhatIsAllowedAndFromAnywhere) {
  const Response response = ask(Method::kOptions, "/task/42", "");
  EXPECT_EQ(response.status, 204u);
  EXPECT_EQ(header(response, "Access-Control-Allow-Methods"), "OPTIONS, GET, HEAD, PUT");
  EXPECT_THAT(*header(response, "Access-Control-Allow-Headers"), HasSubstr("Authorization"));
  EXPECT_EQ(header(ask(Method::kGet, "/open"), "Access-Control-Allow-Origin"), "*");
}

TEST_F(RouterTest, WithoutAGoodTokenNobodyIsAuthenticated) {
  for (const char* authorization : {"", "Bearer", "Bearer ", "Bearer wrong", "Basic ada"}) {
    const Response response = ask(Method::kGet, "/task/42", authorization);
    EXPECT_EQ(response.status, 401u) << authorization;
    EXPECT_THAT(response.body, HasSubstr("AuthenticationFailed")) << authorization;
  }
  for (const char* authorization : {"bEARER ada", "Bearer  ada"})
    EXPECT_EQ(ask(Method::kGet, "/task/42", authorization).status, 200u) << authorization;
}

TEST_F(RouterTest, ATokenWithoutTheScopeIsRefusedAndToldWhichItLacks) {
  const Response response = ask(Method::kGet, "/task/42", "Bearer guest");
  EXPECT_EQ(response.status, 403u);
  EXPECT_THAT(response.body, HasSubstr("\"ConsentRequired\""));
  EXPECT_THAT(response.body, HasSubstr(fmt::format("\"required_scopes\":[\"{}\"]", kScope)));
}

TEST_F(RouterTest, AnEndpointThatHangsStopsNoOtherRequest) {
  {
    Router router(routes(), tokens_,
                  {.database_threads = 1,
                   .storage_threads = 2,
                   .storage_per_endpoint = 1,
                   .waiting_per_endpoint = 1});
    auto hung = send(router, Method::kGet, "/endpoint/hung/ls");
    hung_.wait();
    EXPECT_EQ(send(router, Method::kGet, "/task/42").get().status, 200u);
    EXPECT_EQ(send(router, Method::kGet, "/endpoint/other/ls").get().body, "listed");
    auto waiting = send(router, Method::kGet, "/endpoint/hung/ls");
    const Response busy = send(router, Method::kGet, "/endpoint/hung/ls").get();
    EXPECT_EQ(busy.status, 502u);
    EXPECT_THAT(busy.body, HasSubstr("EndpointError"));
    let_go_.set_value();
    EXPECT_EQ(hung.get().body, "listed");
    EXPECT_EQ(waiting.get().body, "listed");
  }
}

TEST_F(RouterTest, ASubmissionThatHangsStopsNoOtherRequest) {
  Router router(routes(), tokens_, {.database_threads = 1, .submission_threads = 1});
  auto hung = send(router, Method::kPost, "/submit");
  hung_.wait();
  EXPECT_EQ(send(router, Method::kGet, "/task/42").get().status, 200u);
  EXPECT_EQ(send(router, Method::kGet, "/endpoint/other/ls").get().body, "listed");
  let_go_.set_value();
  EXPECT_EQ(hung.get().body, "submitted");
}

TEST_F(RouterTest, MoreThanCanWaitIsToldToComeBack) {
  Router router(
      routes(), tokens_,
      {.database_threads = 1, .storage_threads = 1, .queue = 1, .storage_per_endpoint = 10});
  auto hung = send(router, Method::kGet, "/endpoint/hung/ls");
  hung_.wait();
  auto waiting = send(router, Method::kGet, "/endpoint/a/ls");
  // Once the one database thread answers something else, it has handed on what came before.
  while (send(router, Method::kGet, "/open").get().status != 200) {
  }
  const Response refused = send(router, Method::kGet, "/endpoint/b/ls").get();
  EXPECT_EQ(refused.status, 503u);
  EXPECT_EQ(header(refused, "Retry-After"), "2");
  let_go_.set_value();
  EXPECT_EQ(waiting.get().body, "listed");
}

class AnswersAgain : public RouterTest {
 protected:
  // Says how often it has run.
  std::vector<Route> counting_routes() {
    return {{Method::kGet, "/count", kScope, Work::kDatabase, transfer_error, "Counts.",
             [this](const Call&) {
               Response response = text(std::to_string(++runs_));
               response.holds_until_commit = true;
               return response;
             }}};
  }
  Router::Options options() {
    Router::Options options;
    options.answers = &answers_;
    options.clock = &clock_;
    options.on_answer = [this](const Answered& answered) {
      told_.push_back(fmt::format("{} {}", answered.pattern, answered.status));
    };
    return options;
  }
  void commit() {
    ASSERT_TRUE(database_->write([](soci::session&) { return Result<void>(); }));
  }

  FakeClock clock_;
  std::unique_ptr<Database> database_ = Database::open({.path = ":memory:"}).value();
  AnswerCache answers_{*database_, clock_};
  int runs_ = 0;
  std::vector<std::string> told_;
};

TEST_F(AnswersAgain, WhatHoldsWithoutItsRouteUntilSomethingIsCommitted) {
  Router router(counting_routes(), tokens_, options());
  const Response first = send(router, Method::kGet, "/count").get();
  EXPECT_EQ(first.body, "1");
  auto again = send(router, Method::kGet, "/count");
  ASSERT_EQ(again.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  const Response second = again.get();
  EXPECT_EQ(second.body, "1");
  EXPECT_EQ(second.headers, first.headers);
  commit();
  EXPECT_EQ(send(router, Method::kGet, "/count").get().body, "2");
  EXPECT_THAT(told_, testing::ElementsAre("/count 200", "/count 200", "/count 200"));
}

TEST_F(AnswersAgain, ToNobodyElse) {
  Router router(counting_routes(), tokens_, options());
  EXPECT_EQ(send(router, Method::kGet, "/count").get().status, 200u);
  EXPECT_EQ(send(router, Method::kGet, "/count", "").get().status, 401u);
  EXPECT_EQ(send(router, Method::kGet, "/count", "Bearer wrong").get().status, 401u);
  EXPECT_EQ(send(router, Method::kGet, "/count", "Bearer guest").get().status, 403u);
}

TEST_F(AnswersAgain, NotMoreOftenThanTheCallerMayAsk) {
  Router::Options limited = options();
  limited.requests_per_second = 1;  // four may be saved up
  Router router(counting_routes(), tokens_, limited);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(send(router, Method::kGet, "/count").get().status, 200u) << i;
  const Response refused = send(router, Method::kGet, "/count").get();
  EXPECT_EQ(refused.status, 429u);
  EXPECT_EQ(header(refused, "Retry-After"), "1");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(send(router, Method::kGet, "/count").get().body, "1");
}

TEST_F(RouterTest, TheTableIsTheReference) {
  Router router(routes(), tokens_, {});
  EXPECT_THAT(router.markdown(),
              HasSubstr("| `PUT /task/{task_id}` | `" + std::string(kScope) + "` | Changes it. |"));
}

}  // namespace
}  // namespace wherry::server
