// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <gtest/gtest.h>

#include <future>
#include <mutex>

#include "base/scratch_directory.h"
#include "base/worker_pool.h"
#include "server/test_client.h"

namespace wherry::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

std::unique_ptr<HttpServer> start(Handler handler, HttpServer::Options options = {}) {
  auto server = HttpServer::listen(options, std::move(handler));
  CHECK(server);
  (*server)->answer();
  return std::move(*server);
}

void echo(Request request, Respond respond) {
  respond(
      {.content_type = "text/plain",
       .body = std::string(to_string(request.method)) + " " + request.path + " " + request.body});
}

// A handler that leaves its answers to the test.
class Desk {
 public:
  Handler handler() {
    return [this](Request, Respond respond) {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(respond));
      changed_.notify_all();
    };
  }
  Respond next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    Respond respond = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    return respond;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Respond> waiting_;
};

TEST(HttpServer, AnswersManyRequestsOnOneConnection) {
  const auto server = start(echo);
  TestClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    client.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    const Answer answer = client.read_answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "POST /x hi");
    EXPECT_TRUE(answer.has("Content-Type: text/plain\r\n"));
    EXPECT_TRUE(answer.has("\r\nDate: "));
    EXPECT_FALSE(answer.has("Connection: close"));
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInTheirOrder) {
  Desk desk;
  const auto server = start(desk.handler());
  TestClient client(server->port());
  client.send(std::string(kGet) + std::string(kGet) + std::string(kGet));
  for (const char* body : {"1", "2", "3"}) {
    desk.next()({.body = body});
    EXPECT_EQ(client.read_answer().body, body);
  }
}

TEST(HttpServer, AnswersAClientThatHasEndedItsSide) {
  const auto server = start(echo);
  TestClient client(server->port());
  client.send(kGet);
  client.end_sending();
  EXPECT_EQ(client.read_answer().body, "GET /a ");
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(HttpServer, SendsNoBodyToHead) {
  const auto server = start(echo);
  TestClient client(server->port());
  client.send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
  const Answer answer = client.read_answer("HEAD");
  EXPECT_TRUE(answer.has("Content-Length: 8\r\n"));
  client.send(kGet);
  EXPECT_EQ(client.read_answer().body, "GET /a ");
}

TEST(HttpServer, ReadsAChunkedBodyAfterContinue) {
  const auto server = start(echo);
  TestClient client(server->port());
  client.send(
      "PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 100);
  client.send("3\r\nabc\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "PUT /x abc");
}

TEST(HttpServer, CarriesLargeBodiesBothWays) {
  const auto server =
      start([](Request request, Respond respond) { respond({.body = std::move(request.body)}); });
  TestClient client(server->port());
  const std::string body(3 << 20, 'x');
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  EXPECT_EQ(client.read_answer().body, body);
}

TEST(HttpServer, AnswersWhatItCannotReadWithAnErrorDocumentAndCloses) {
  HttpServer::Options options;
  options.limits.request.body_bytes = 1000;
  const auto server = start(echo, options);
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  const std::pair<std::string, unsigned> cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(20'000, 'a') + "\r\n\r\n", 431},
      {"GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n", 414},
      {post + "Content-Length: 5000\r\n\r\n" + std::string(5000, 'b'), 413},
      {post + "Transfer-Encoding: chunked\r\n\r\nffff\r\n", 413},
  };
  for (const auto& [bytes, status] : cases) {
    TestClient client(server->port());
    client.send(bytes);
    const Answer answer = client.read_answer();
    EXPECT_EQ(answer.status, status);
    EXPECT_TRUE(answer.has("Content-Type: application/json\r\n"));
    EXPECT_TRUE(answer.has("Connection: close\r\n"));
    EXPECT_NE(answer.body.find("\"code\":\"ClientError."), std::string::npos) << answer.body;
    EXPECT_NE(answer.body.find("\"request_id\":\""), std::string::npos) << answer.body;
    client.end_sending();
    EXPECT_TRUE(client.is_closed_by_server());
  }
}

TEST(HttpServer, TellsAClientThatIsTooSlow) {
  HttpServer::Options options;
  options.limits.header_time = milliseconds(20);
  options.limits.body_time = milliseconds(20);
  const auto server = start(echo, options);
  for (const std::string_view begun :
       {"GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab"}) {
    TestClient client(server->port());
    client.send(begun);
    EXPECT_EQ(client.read_answer().status, 408) << begun;
  }
}

TEST(HttpServer, ClosesAnIdleConnectionWithoutAWord) {
  HttpServer::Options options;
  options.limits.idle_time = milliseconds(20);
  const auto server = start(echo, options);
  TestClient client(server->port());
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(HttpServer, ClosesAConnectionThatIsIdleAfterAnAnswer) {
  HttpServer::Options options;
  options.limits.idle_time = seconds(3);  // in which the client must come to send its request
  const auto server = start(echo, options);
  TestClient client(server->port());
  client.send(kGet);
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(HttpServer, ASecondRequestHasNoMoreTimeThanTheFirst) {
  HttpServer::Options options;
  options.limits.header_time = milliseconds(20);
  const auto server = start(echo, options);
  TestClient client(server->port());
  client.send(kGet);
  EXPECT_EQ(client.read_answer().status, 200);
  client.send("GET /a HTT");
  EXPECT_EQ(client.read_answer().status, 408);
}

TEST(HttpServer, AnAnswerForAClientThatHasGoneGoesNowhere) {
  Desk desk;
  const auto server = start(desk.handler());
  Respond late;
  {
    TestClient client(server->port());
    client.send(kGet);
    late = desk.next();
  }
  late({.body = std::string(1 << 20, 'x')});
  TestClient next(server->port());
  next.send(kGet);
  desk.next()({.body = "alive"});
  EXPECT_EQ(next.read_answer().body, "alive");
}

TEST(HttpServer, AnAnswerAfterTheServerHasGoneGoesNowhere) {
  Desk desk;
  auto server = start(desk.handler());
  TestClient client(server->port());
  client.send(kGet);
  const Respond late = desk.next();
  server.reset();
  late({});
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(HttpServer, AnswersFromAnotherThreadWhileOthersAreServed) {
  Desk desk;
  const auto server = start([&desk](Request request, Respond respond) {
    if (request.path == "/quick") return echo(std::move(request), std::move(respond));
    desk.handler()(std::move(request), std::move(respond));
  });
  TestClient slow(server->port());
  slow.send(kGet);
  const Respond respond = desk.next();
  TestClient quick(server->port());
  quick.send("GET /quick HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(quick.read_answer().body, "GET /quick ");
  WorkerPool pool({.threads = 1});
  pool.submit([&] { respond({.body = "slow"}); });
  EXPECT_EQ(slow.read_answer().body, "slow");
}

TEST(HttpServer, ARequestThatNobodyAnswersIsAnInternalError) {
  const auto server = start([](Request, const Respond&) {});
  TestClient client(server->port());
  client.send(kGet);
  const Answer answer = client.read_answer();
  EXPECT_EQ(answer.status, 500);
  EXPECT_NE(answer.body.find("\"code\":\"InternalError\""), std::string::npos) << answer.body;
}

TEST(HttpServer, MoreRequestsThanTheLimitAreToldToComeBack) {
  HttpServer::Options options;
  options.limits.requests_in_flight = 1;
  Desk desk;
  const auto server = start(desk.handler(), options);
  TestClient first(server->port());
  first.send(kGet);
  const Respond respond = desk.next();
  TestClient second(server->port());
  second.send(kGet);
  const Answer refused = second.read_answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.has("Retry-After: 1\r\n"));
  respond({});
  EXPECT_EQ(first.read_answer().status, 200);
  second.send(kGet);
  desk.next()({});
  EXPECT_EQ(second.read_answer().status, 200);
}

TEST(HttpServer, BodiesTogetherHaveALimit) {
  HttpServer::Options options;
  options.limits.buffered_bytes = 100;
  const auto server = start(echo, options);
  TestClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x'));
  EXPECT_EQ(client.read_answer().status, 503);
  TestClient next(server->port());
  next.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n" + std::string(100, 'x'));
  EXPECT_EQ(next.read_answer().status, 200);
}

TEST(HttpServer, MoreConnectionsThanTheLimitAreTurnedAway) {
  for (const bool of_one_peer : {true, false}) {
    HttpServer::Options options;
    (of_one_peer ? options.limits.connections_per_peer : options.limits.connections) = 1;
    const auto server = start(echo, options);
    TestClient first(server->port());
    first.send(kGet);
    EXPECT_EQ(first.read_answer().status, 200);
    TestClient second(server->port());
    EXPECT_EQ(second.read_answer().status, 503);
  }
}

TEST(HttpServer, AHandlersHeaderCannotBeginAnother) {
  const auto server = start([](Request, const Respond& respond) {
    respond({.status = 302, .body = "", .headers = {{"Location", "/x\r\nSet-Cookie: a=b"}}});
  });
  TestClient client(server->port());
  client.send(kGet);
  EXPECT_TRUE(client.read_answer().has("\r\nLocation: /x  Set-Cookie: a=b\r\n"));
}

TEST(HttpServer, DrainAnswersWhatHasBegunAndClosesWhatIsIdle) {
  Desk desk;
  const auto server = start(desk.handler());
  TestClient idle(server->port());
  idle.send(kGet);
  desk.next()({});
  EXPECT_EQ(idle.read_answer().status, 200);
  TestClient busy(server->port());
  busy.send(kGet);
  const Respond respond = desk.next();
  WorkerPool pool({.threads = 1});
  std::promise<bool> drained;
  pool.submit([&] { drained.set_value(server->drain(seconds(30))); });
  EXPECT_TRUE(idle.is_closed_by_server());
  EXPECT_TRUE(refuses_connections(server->port()));
  respond({.body = "done"});
  const Answer answer = busy.read_answer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_TRUE(answer.has("Connection: close\r\n"));
  busy.end_sending();
  EXPECT_TRUE(drained.get_future().get());
}

TEST(HttpServer, DrainCutsWhatOutlastsItsPatience) {
  Desk desk;
  const auto server = start(desk.handler());
  TestClient client(server->port());
  client.send(kGet);
  const Respond never = desk.next();
  EXPECT_FALSE(server->drain(milliseconds(10)));
  EXPECT_TRUE(client.is_closed_by_server());
}

TEST(HttpServer, SpeaksTls) {
  const ScratchDirectory scratch;
  HttpServer::Options options{
      .tls = HttpServer::Tls{scratch.path() + "/cert.pem", scratch.path() + "/key.pem"},
      .threads = 2};
  write_self_signed(options.tls->certificate_file, options.tls->key_file);
  const auto server = start(
      [](Request request, Respond respond) {
        respond({.body = request.is_secure ? "secret " + request.body : "open"});
      },
      options);
  {
    TestClient plain(server->port());
    plain.send(kGet);
    EXPECT_EQ(plain.read_answer().status, 0);
  }
  TestClient client(server->port(), TestClient::Tls::kYes);
  const std::string body(1 << 20, 'x');
  for (int i = 0; i < 2; ++i) {
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
    EXPECT_EQ(client.read_answer().body, "secret " + body);
  }
  client.send("nonsense\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 400);
}

TEST(HttpServer, WhoComesBeforeItAnswersWaits) {
  const auto server = HttpServer::listen({}, echo).value();
  TestClient early(server->port());
  early.send(kGet);
  server->answer();
  EXPECT_EQ(early.read_answer().status, 200);
}

TEST(HttpServer, EndsThoughItNeverAnswered) {
  const auto server = HttpServer::listen({}, echo).value();
  const TestClient early(server->port());
  EXPECT_TRUE(server->drain(seconds(5)));
}

TEST(HttpServer, SaysWhyItCannotStart) {
  const auto taken = start(echo);
  const auto port_taken = HttpServer::listen({.port = taken->port()}, echo);
  EXPECT_EQ(port_taken.error().code, Code::kUnavailable);
  EXPECT_NE(port_taken.error().message.find("--listen"), std::string::npos);
  const auto no_address = HttpServer::listen({.address = "nowhere"}, echo);
  EXPECT_EQ(no_address.error().code, Code::kInvalid);
  const auto no_key = HttpServer::listen({.tls = HttpServer::Tls{"/none.pem", "/none.key"}}, echo);
  EXPECT_EQ(no_key.error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::server
