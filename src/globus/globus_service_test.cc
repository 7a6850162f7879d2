// SPDX-License-Identifier: Apache-2.0
#include "globus/globus_service.h"

#include <gmock/gmock.h>

#include <map>

#include "api/replies.h"
#include "base/scratch_directory.h"
#include "globus/event_faults.h"
#include "server/scripted_server.h"

namespace wherry::globus {
namespace {

using server::Request;
using server::Response;
using server::ScriptedServer;
using testing::HasSubstr;

constexpr const char* kEndpoint = "11111111-1111-4111-8111-111111111111";
constexpr const char* kOther = "22222222-2222-4222-8222-222222222222";
constexpr const char* kTask = "33333333-3333-4333-8333-333333333333";

// "GET /path" -> what answers it.
class GlobusServiceTest : public testing::Test {
 protected:
  GlobusServiceTest() {
    const auto stored =
        store_.update({"http://auth", ""},
                      [&](Login& login) -> Result<void> {
                        login.tokens[std::string(kTransferServer)] = {
                            "token", "", "", clock_.now() + std::chrono::hours(999)};
                        return {};
                      },
                      {});
    EXPECT_TRUE(stored);
  }
  Response answer(const Request& request) {
    const auto found = routes_.find(fmt::format("{} {}", to_string(request.method), request.path));
    if (found == routes_.end())
      return ScriptedServer::json(R"({"code":"ClientError.NotFound","message":"nothing"})", 404);
    return found->second(request);
  }
  void on(const std::string& what, std::string body, unsigned status = 200) {
    routes_[what] = [body = std::move(body), status](const Request&) {
      return ScriptedServer::json(body, status);
    };
  }
  static std::string query(const Request& request, std::string_view name) {
    const std::string* value = request.query_value(name);
    return value != nullptr ? *value : "";
  }
  static std::string endpoint_document(const std::string& id, const std::string& name) {
    return fmt::format(R"({{"id":"{}","display_name":"{}","default_directory":"/home/ada/"}})", id,
                       name);
  }
  static std::string task_document(const std::string& status, const std::string& more = "") {
    return fmt::format(
        R"({{"task_id":"{}","type":"TRANSFER","status":"{}","request_time":"2026-01-01T00:00:00+00:00",)"
        R"("deadline":"2026-01-02T00:00:00+00:00"{}}})",
        kTask, status, more);
  }

  const ScratchDirectory directory_;
  FakeClock clock_{TimePoint(std::chrono::seconds(1'700'000'000)), FakeClock::Sleepers::kAdvance};
  SeededRandom random_{3};
  TokenStore store_{directory_.file("tokens.json"), clock_};
  std::unique_ptr<HttpClient> http_ = make_http_client({});
  Credentials credentials_{{{*http_, clock_, random_, {}}, store_, "http://auth", {}}};
  std::map<std::string, std::function<Response(const Request&)>> routes_;
  ScriptedServer server_{[this](const Request& request) { return answer(request); }};
  std::unique_ptr<tasks::TransferService> service_ =
      make_globus_service({server_.url()}, credentials_, clock_);
};

TEST_F(GlobusServiceTest, ASubmissionThatIsKnownAnswersItsTask) {
  on("GET /v0.10/submission_id", R"({"value":"44444444-4444-4444-8444-444444444444"})");
  tasks::TransferRequest request;
  request.submission_id = service_->new_submission_id().value();
  request.source_endpoint = kEndpoint;
  request.target_endpoint = kOther;
  request.items.resize(1);
  request.items[0].source = RelPath::from_normal("a b");
  request.items[0].target = RelPath::from_normal("c");
  int times = 0;
  routes_["POST /v0.10/transfer"] = [&](const Request& got) {
    EXPECT_THAT(got.body, HasSubstr("44444444-4444-4444-8444-444444444444"));
    EXPECT_THAT(got.body, HasSubstr("/a b"));
    // The first is accepted, but its answer is lost.
    if (++times == 1) return ScriptedServer::json("{", 202);
    return ScriptedServer::json(
        fmt::format(R"({{"code":"Duplicate","task_id":"{}","submission_id":"x"}})", kTask));
  };
  const auto submitted = service_->submit(request);
  ASSERT_TRUE(submitted) << submitted.error().message;
  EXPECT_EQ(submitted->task_id, kTask);
  EXPECT_EQ(submitted->kind, tasks::Submitted::Kind::kDuplicate);
}

TEST_F(GlobusServiceTest, AnEndpointByIdTakesOneRequest) {
  on(fmt::format("GET /v0.10/endpoint/{}", kEndpoint), endpoint_document(kEndpoint, "lab"));
  const auto endpoint = service_->endpoint(kEndpoint);
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(endpoint->display_name, "lab");
  EXPECT_EQ(endpoint->default_directory, "/home/ada/");
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(GlobusServiceTest, ANameMustFitExactlyAndOnce) {
  routes_["GET /v0.10/endpoint_search"] = [&](const Request& request) {
    EXPECT_EQ(query(request, "filter_fulltext"), "lab");
    const bool first = query(request, "offset") == "0";
    return ScriptedServer::json(fmt::format(
        R"({{"DATA":[{}],"has_next_page":{}}})",
        first ? endpoint_document(kOther, "lab 2") : endpoint_document(kEndpoint, "lab"), first));
  };
  const auto endpoint = service_->endpoint("lab");
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(endpoint->id, kEndpoint);
  on("GET /v0.10/endpoint_search",
     fmt::format(R"({{"DATA":[{},{}],"has_next_page":false}})", endpoint_document(kEndpoint, "lab"),
                 endpoint_document(kOther, "lab")));
  const auto ambiguous = service_->endpoint("lab");
  EXPECT_EQ(ambiguous.error().code, Code::kInvalid);
  EXPECT_THAT(ambiguous.error().message, HasSubstr(kEndpoint));
  EXPECT_THAT(ambiguous.error().message, HasSubstr(kOther));
  EXPECT_EQ(service_->endpoint("la").error().code, Code::kNotFound);
}

TEST_F(GlobusServiceTest, AHomeThatIsNotToldIsAskedForOnce) {
  on(fmt::format("GET /v0.10/endpoint/{}", kEndpoint),
     fmt::format(R"({{"id":"{}","display_name":"lab","default_directory":"/~/"}})", kEndpoint));
  on(fmt::format("GET /v0.10/operation/endpoint/{}/ls", kEndpoint),
     R"({"path":"/~/","absolute_path":"/home/ada/","DATA":[]})");
  EXPECT_EQ(service_->endpoint(kEndpoint)->default_directory, "/home/ada");
  EXPECT_EQ(service_->endpoint(kEndpoint)->default_directory, "/home/ada");
  EXPECT_EQ(server_.requests().size(), 3u);
}

TEST_F(GlobusServiceTest, AHugeDirectoryComesInPages) {
  constexpr int kFiles = 25'003;
  routes_[fmt::format("GET /v0.10/operation/endpoint/{}/ls", kEndpoint)] =
      [&](const Request& request) {
        EXPECT_EQ(query(request, "path"), "/a/");
        EXPECT_EQ(query(request, "show_hidden"), "1");
        const int offset = std::stoi(query(request, "offset"));
        const int limit = std::stoi(query(request, "limit"));
        std::string rows;
        for (int i = offset; i < std::min(offset + limit, kFiles); ++i) {
          rows += fmt::format(R"({}{{"name":"f{}","type":"file","size":{}}})",
                              i == offset ? "" : ",", i, i);
        }
        return ScriptedServer::json(
            fmt::format(R"({{"DATA":[{}],"total":{},"length":0}})", rows, kFiles));
      };
  const auto files = service_->list(kEndpoint, RelPath::from_normal("a"));
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_EQ(files->size(), 25'003u);
  EXPECT_EQ(files->back().name, "f25002");
  EXPECT_EQ(files->back().attributes.size, 25'002u);
  EXPECT_EQ(server_.requests().size(), 2u);
}

TEST_F(GlobusServiceTest, WhatALostAnswerHadDoneIsDone) {
  const std::string operation = fmt::format("/v0.10/operation/endpoint/{}", kEndpoint);
  int times = 0;
  const auto lost_then_exists = [&](const Request&) {
    return ++times == 1
               ? ScriptedServer::json("", 502)
               : ScriptedServer::json(R"({"code":"ExternalError.MkdirFailed.Exists"})", 502);
  };
  routes_["POST " + operation + "/mkdir"] = lost_then_exists;
  EXPECT_TRUE(service_->make_directory(kEndpoint, RelPath::from_normal("d")));
  EXPECT_EQ(service_->make_directory(kEndpoint, RelPath::from_normal("d")).error().code,
            Code::kAlreadyExists);
  times = 0;
  routes_["POST " + operation + "/rename"] = [&](const Request&) {
    return ++times == 1 ? ScriptedServer::json("", 500)
                        : ScriptedServer::json(R"({"code":"ClientError.NotFound"})", 404);
  };
  routes_["GET " + operation + "/stat"] = [&](const Request& request) {
    if (query(request, "path") == "/old")
      return ScriptedServer::json(R"({"code":"NotFound","message":"gone"})", 404);
    return ScriptedServer::json(R"({"name":"new","type":"file"})");
  };
  EXPECT_TRUE(
      service_->rename(kEndpoint, RelPath::from_normal("old"), RelPath::from_normal("new")));
  EXPECT_FALSE(
      service_->rename(kEndpoint, RelPath::from_normal("old"), RelPath::from_normal("new")))
      << "it was never sent twice";
}

TEST_F(GlobusServiceTest, WaitingAsksForTheTaskUntilItEnds) {
  int times = 0;
  routes_["GET /v0.10/task_list"] = [&](const Request& request) {
    EXPECT_THAT(query(request, "filter"), HasSubstr(kTask));
    ++times;
    if (times == 2) return ScriptedServer::json("", 503);
    return ScriptedServer::json(fmt::format(R"({{"DATA":[{}],"total":1}})",
                                            task_document(times < 4 ? "ACTIVE" : "SUCCEEDED")));
  };
  const auto task = service_->wait(kTask, std::chrono::hours(1), {});
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->state, tasks::TaskState::kSucceeded);
  EXPECT_EQ(times, 4);
}

TEST_F(GlobusServiceTest, CancellingWhatHasEndedIsAConflict) {
  const std::string path = fmt::format("POST /v0.10/task/{}/cancel", kTask);
  on(path, R"({"code":"Canceled","message":"x"})");
  EXPECT_TRUE(service_->cancel(kTask));
  on(path, R"({"code":"TaskComplete","message":"x"})");
  EXPECT_EQ(service_->cancel(kTask).error().code, Code::kConflict);
}

TEST_F(GlobusServiceTest, ACancelWhoseAnswerWasLostHasCancelled) {
  int times = 0;
  routes_[fmt::format("POST /v0.10/task/{}/cancel", kTask)] = [&](const Request&) {
    return ++times == 1 ? ScriptedServer::json("<html>", 502)
                        : ScriptedServer::json(R"({"code":"TaskComplete","message":"x"})");
  };
  const std::string task = fmt::format("GET /v0.10/task/{}", kTask);
  on(task, task_document("FAILED", R"(,"fatal_error":{"code":"CANCELED","description":"x"})"));
  EXPECT_TRUE(service_->cancel(kTask));
  times = 0;
  on(task, task_document("SUCCEEDED"));
  EXPECT_EQ(service_->cancel(kTask).error().code, Code::kConflict) << "it was quicker";
}

TEST_F(GlobusServiceTest, AStopEndsACallThatWaitsToBeRepeated) {
  // Nobody turns this clock: without the stop the call would wait for ever.
  FakeClock still(TimePoint(std::chrono::seconds(1'700'000'000)), FakeClock::Sleepers::kBlock);
  Credentials waiting({{*http_, still, random_, {}}, store_, "http://auth", {}});
  const auto service = make_globus_service({server_.url()}, waiting, still);
  std::stop_source stop;
  const auto view = service->until(stop.get_token());
  ASSERT_NE(view, nullptr);
  routes_["GET /v0.10/submission_id"] = [&](const Request&) {
    stop.request_stop();
    return ScriptedServer::json("{}", 503);
  };
  EXPECT_EQ(view->new_submission_id().error().code, Code::kCancelled);
  EXPECT_EQ(view->task(kTask).error().code, Code::kCancelled);
  on("GET /v0.10/submission_id", R"({"value":"44444444-4444-4444-8444-444444444444"})");
  EXPECT_TRUE(service->new_submission_id()) << "only the view was stopped";
}

TEST_F(GlobusServiceTest, AHomeThatCouldNotBeAskedForIsAskedForAgain) {
  on(fmt::format("GET /v0.10/endpoint/{}", kEndpoint),
     fmt::format(R"({{"id":"{}","display_name":"lab","default_directory":null}})", kEndpoint));
  const std::string ls = fmt::format("GET /v0.10/operation/endpoint/{}/ls", kEndpoint);
  on(ls, R"({"code":"ExternalError.DirListingFailed.GCDisconnected","message":"offline"})", 502);
  EXPECT_EQ(service_->endpoint(kEndpoint)->default_directory, "");
  on(ls, R"({"path":"/home/ada/","DATA":[]})");
  EXPECT_EQ(service_->endpoint(kEndpoint)->default_directory, "/home/ada");
}

TEST_F(GlobusServiceTest, OutcomesAreKnownByTheirPaths) {
  const std::string task = fmt::format("GET /v0.10/task/{}", kTask);
  on(task + "/successful_transfers",
     R"({"DATA":[{"source_path":"/a\\xff","destination_path":"/b","size":3}],"next_marker":null})");
  const auto good = service_->successful_transfers(kTask, 0);
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->rows.at(0).source_path, "/a\xff");
  EXPECT_EQ(good->rows.at(0).item, api::kUnknownItem);
  on(task, task_document("FAILED", R"(,"fatal_error":{"code":"CANCELED","description":"x"})"));
  on(task + "/skipped_errors",
     R"({"DATA":[{"source_path":"/gone","error_code":"FILE_NOT_FOUND"}],"next_marker":null})");
  on(task + "/event_list",
     R"({"DATA":[{"code":"CANCELED","is_error":false,"time":"2026-01-01T00:00:00Z"},)"
     R"({"code":"PERMISSION_DENIED","is_error":true,"time":"2026-01-01T00:00:00Z",)"
     R"("description":"permission denied","details":"{\"context\":[{\"path\":\"/locked/x\"}]}"}],)"
     R"("total":2})");
  const auto bad = service_->item_errors(kTask, 0);
  ASSERT_TRUE(bad) << bad.error().message;
  ASSERT_EQ(bad->rows.size(), 2u);
  EXPECT_EQ(bad->rows[0].source_path, "/gone");
  EXPECT_EQ(bad->rows[1].target_path, "/locked/x");
  EXPECT_EQ(bad->rows[1].code, "PERMISSION_DENIED");
}

TEST(EventFaults, EachPathOnceTheNewestFirst) {
  const auto error = [](std::string code, std::string details) {
    tasks::Event event;
    event.code = std::move(code);
    event.is_error = true;
    event.details = std::move(details);
    return event;
  };
  const std::vector<tasks::Event> events = {
      error("A", R"({"path":"/x"})"), error("B", R"({"context":[{"path":"/x"}]})"),
      error("C", "no document"), error("D", R"({"context":7,"path":""})")};
  const auto faults = faults_in(events);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].code, "A");
}

}  // namespace
}  // namespace wherry::globus
