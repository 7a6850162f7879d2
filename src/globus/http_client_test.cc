// SPDX-License-Identifier: Apache-2.0
#include "globus/http_client.h"

#include <gmock/gmock.h>

#include "base/scratch_directory.h"
#include "server/scripted_server.h"
#include "server/test_client.h"

namespace wherry::globus {
namespace {

using server::BrokenServer;
using server::ScriptedServer;

using testing::HasSubstr;

const std::string* header(const server::Request& request, const std::string& name) {
  return request.header(name);
}

TEST(HttpClient, SendsWhatItIsToldAndAnswersWhatItHears) {
  ScriptedServer service([](const server::Request& request) {
    auto response = ScriptedServer::json(request.body + "!", 202);
    response.headers.emplace_back("Retry-After", "7");
    return response;
  });
  const auto client = make_http_client({});
  const auto answer =
      client->send({"POST", service.url() + "/a?b=c%20d", {{"X-Word", "w"}}, "body"}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 202u);
  EXPECT_EQ(answer->body, "body!");
  EXPECT_EQ(answer->retry_after, std::chrono::seconds(7));
  const auto request = service.requests().at(0);
  EXPECT_EQ(request.path, "/a");
  EXPECT_EQ(*request.query_value("b"), "c d");
  EXPECT_EQ(*header(request, "x-word"), "w");
  EXPECT_EQ(*header(request, "user-agent"), "wherry");
}

TEST(HttpClient, EveryMethodArrivesAsItself) {
  ScriptedServer service([](const server::Request&) { return ScriptedServer::json("{}"); });
  const auto client = make_http_client({});
  for (const char* method : {"GET", "POST", "PUT", "DELETE"}) {
    ASSERT_TRUE(client->send({method, service.url(), {}, ""}, {})) << method;
    EXPECT_EQ(to_string(service.requests().back().method), method);
  }
}

TEST(HttpClient, AnAnswerThatEndsEarlyIsNoAnswer) {
  const std::string half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":";
  BrokenServer service({half, ""});
  const auto client = make_http_client({});
  for (int i = 0; i < 2; ++i) {
    const auto answer = client->send({"GET", service.url()}, {});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::kUnavailable);
    EXPECT_EQ(answer.error().retry, Retry::kLater);
  }
}

TEST(HttpClient, SaysHowOftenARequestWentOut) {
  const std::string good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
  // The first connection is kept, and breaks when it is used again.
  BrokenServer service(std::vector<std::vector<std::string>>{{good, ""}, {good}});
  const auto client = make_http_client({});
  const auto first = client->send({"POST", service.url(), {}, "x"}, {});
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->times_sent, 1);
  const auto second = client->send({"POST", service.url(), {}, "x"}, {});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->times_sent, 2);
}

TEST(HttpClient, AnAnswerThatIsTooLargeIsCutOff) {
  ScriptedServer service(
      [](const server::Request&) { return ScriptedServer::json(std::string(5000, 'x')); });
  HttpOptions options;
  options.max_answer = 4999;
  const auto answer = make_http_client(options)->send({"GET", service.url()}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kCorrupt);
  options.max_answer = 5000;
  EXPECT_TRUE(make_http_client(options)->send({"GET", service.url()}, {}));
}

// Accepts connections (the kernel does) and never says a word.
class SilentServer {
 public:
  SilentServer() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    CHECK(::bind(fd_, generic, size) == 0 && ::listen(fd_, 8) == 0);
    CHECK(::getsockname(fd_, generic, &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(fd_); }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

 private:
  int fd_ = -1;
  int port_ = 0;
};

TEST(HttpClient, SilenceIsATimeOut) {
  const SilentServer service;
  HttpOptions options;
  options.silence = std::chrono::milliseconds(20);
  const auto answer = make_http_client(options)->send({"GET", service.url()}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kTimeout);
  EXPECT_EQ(answer.error().retry, Retry::kLater);
}

TEST(HttpClient, AStopEndsACallThatWaits) {
  const SilentServer service;
  const auto client = make_http_client({});
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  const auto answer = client->send({"GET", service.url()}, stop.get_token());
  stopper.join();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kCancelled);
}

TEST(HttpClient, RedirectsAreNotFollowed) {
  ScriptedServer service([](const server::Request&) {
    auto response = ScriptedServer::json("", 302);
    response.headers.emplace_back("Location", "/elsewhere");
    return response;
  });
  const auto answer = make_http_client({})->send({"GET", service.url()}, {});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 302u);
  EXPECT_EQ(service.requests().size(), 1u);
}

TEST(HttpClient, ACertificateOfNoKnownAuthorityIsRefusedUntilItsFileIsNamed) {
  const ScratchDirectory directory;
  server::HttpServer::Options tls;
  tls.tls = {directory.file("cert.pem"), directory.file("key.pem")};
  server::write_self_signed(tls.tls->certificate_file, tls.tls->key_file);
  const auto service =
      server::HttpServer::listen(tls, [](const server::Request&, const server::Respond& respond) {
        respond(ScriptedServer::json("{}"));
      }).value();
  service->answer();
  const std::string url = fmt::format("https://localhost:{}", service->port());
  const auto refused = make_http_client({})->send({"GET", url}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().retry, Retry::kAfterUser);
  EXPECT_THAT(refused.error().message, HasSubstr("GLOBUS_SDK_VERIFY_SSL"));
  HttpOptions options;
  options.ca_bundle = tls.tls->certificate_file;
  const auto trusted = make_http_client(options)->send({"GET", url}, {});
  EXPECT_TRUE(trusted) << trusted.error().message;
  options.ca_bundle.clear();
  options.verify = false;
  EXPECT_TRUE(make_http_client(options)->send({"GET", url}, {}));
}

TEST(HttpClient, OtherProtocolsAreRefused) {
  const auto client = make_http_client({});
  for (const char* url : {"file:///etc/passwd", "no address", ""}) {
    const auto answer = client->send({"GET", url}, {});
    ASSERT_FALSE(answer) << url;
    EXPECT_EQ(answer.error().code, Code::kInvalid) << url;
  }
}

TEST(HttpClient, ServesManyThreadsAtOnce) {
  ScriptedServer service(
      [](const server::Request& request) { return ScriptedServer::json(request.body); });
  const auto client = make_http_client({});
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        const std::string body = fmt::format("{} {}", i, j);
        const auto answer = client->send({"POST", service.url(), {}, body}, {});
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->body, body);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(service.requests().size(), 160u);
}

}  // namespace
}  // namespace wherry::globus
