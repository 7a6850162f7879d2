// SPDX-License-Identifier: Apache-2.0
// For tests: a service that says what a test tells it to, over real sockets; and one that breaks
// the protocol.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "server/http_server.h"

namespace wherry::server {

// Calls `answer` for each request, one at a time, and remembers the requests.
class ScriptedServer {
 public:
  using Answer = std::function<Response(const Request&)>;
  explicit ScriptedServer(Answer answer) : answer_(std::move(answer)) {
    HttpServer::Options options;
    server_ = HttpServer::listen(options, [this](Request request, const Respond& respond) {
                const std::lock_guard lock(mutex_);
                requests_.push_back(request);
                respond(answer_(request));
              }).value();
    server_->answer();
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }
  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::size_t count(std::string_view path) const {
    std::size_t count = 0;
    for (const Request& request : requests()) count += request.path == path ? 1 : 0;
    return count;
  }
  static Response json(std::string body, unsigned status = 200) {
    Response response;
    response.status = status;
    response.body = std::move(body);
    return response;
  }

 private:
  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::unique_ptr<HttpServer> server_;
};

// Takes connections one after another: answers the n-th with the n-th text, whatever was asked, and
// closes it. An empty text closes without a word; after the last one there is no server any more.
class BrokenServer {
 public:
  explicit BrokenServer(const std::vector<std::string>& texts) : BrokenServer(one_each(texts)) {}
  // Each connection is kept for as many requests as it has texts.
  explicit BrokenServer(std::vector<std::vector<std::string>> texts) : texts_(std::move(texts)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    CHECK(::bind(fd_, generic, size) == 0 && ::listen(fd_, 8) == 0);
    CHECK(::getsockname(fd_, generic, &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  BrokenServer(const BrokenServer&) = delete;
  BrokenServer& operator=(const BrokenServer&) = delete;
  ~BrokenServer() {
    ::shutdown(fd_, SHUT_RDWR);  // ends accept()
    thread_.join();
    ::close(fd_);
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

 private:
  static std::vector<std::vector<std::string>> one_each(const std::vector<std::string>& texts) {
    std::vector<std::vector<std::string>> each;
    for (const std::string& text : texts) each.push_back({text});
    return each;
  }
  void run() {
    for (const std::vector<std::string>& texts : texts_) {
      const int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      for (const std::string& text : texts) {
        read_head(client);
        (void)::send(client, text.data(), text.size(), MSG_NOSIGNAL);
      }
      ::close(client);
    }
    ::shutdown(fd_, SHUT_RDWR);  // more are refused
  }
  static void read_head(int client) {
    char buffer[4096];
    std::string seen;
    while (seen.find("\r\n\r\n") == seen.npos) {
      const ssize_t count = ::recv(client, buffer, sizeof buffer, 0);
      if (count <= 0) return;
      seen.append(buffer, static_cast<std::size_t>(count));
    }
  }

  std::vector<std::vector<std::string>> texts_;
  int fd_ = -1;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace wherry::server
