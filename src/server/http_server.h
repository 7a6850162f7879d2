// SPDX-License-Identifier: Apache-2.0
// The sockets of the service: HTTP/1.1 with or without TLS, every resource bounded. The network
// library stays in the .cc files; what a request means is known to the handler alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "server/http.h"
#include "server/request_reader.h"

namespace wherry::server {

struct HttpLimits {
  RequestLimits request;
  std::chrono::milliseconds idle_time = std::chrono::seconds(75);  // between requests
  // From the first byte of a request to the end of its header, and for the TLS handshake: 408.
  std::chrono::milliseconds header_time = std::chrono::seconds(15);
  // A body gets this time and one second more for each body_rate bytes that arrived: 408.
  std::chrono::milliseconds body_time = std::chrono::seconds(30);
  std::size_t body_rate = 64 * 1024;
  // In which a client takes each write_piece bytes of an answer.
  std::chrono::milliseconds write_time = std::chrono::seconds(30);
  std::size_t write_piece = 256 * 1024;
  // How long a refused client may go on sending, so that it comes to read the refusal.
  std::chrono::milliseconds linger_time = std::chrono::seconds(2);
  std::size_t connections = 4096;           // more are closed at once
  std::size_t connections_per_peer = 256;   // so are these
  std::size_t requests_in_flight = 512;     // at the handler; more are answered 503
  std::size_t buffered_bytes = 512 << 20U;  // bodies in arrival or at the handler, together: 503
};

class HttpCore;

// Its threads read, write and call the handler, and never wait for it.
class HttpServer {
 public:
  struct Tls {
    std::string certificate_file;  // PEM, with the chain
    std::string key_file;          // PEM
  };
  struct Options {
    std::string address = "127.0.0.1";  // of IPv4 or IPv6
    std::uint16_t port = 0;             // 0: any that is free
    std::optional<Tls> tls = std::nullopt;
    std::size_t threads = 1;  // each connection stays with one
    HttpLimits limits = {};
    Clock* clock = &system_clock();     // for the Date of answers; outlives the server
    Random* random = &system_random();  // for request ids; outlives the server
  };

  // Clients can connect from when this returns, and wait for answer(). kUnavailable if the address
  // cannot be had, kInvalid if the address, certificate or key is not one. A handler that drops its
  // Respond without a call has the client answered 500.
  static Result<std::unique_ptr<HttpServer>> listen(const Options& options, Handler handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  // Cuts every connection. A Respond that is called later does nothing.
  ~HttpServer();

  std::uint16_t port() const;
  // Answers from now on. Called once.
  void answer();
  // Accepts no more, closes idle connections, lets every request that has begun be answered, and
  // cuts what is not done after `patience`. Returns whether nothing had to be cut. For any thread
  // but those of the server.
  bool drain(std::chrono::milliseconds patience);

 private:
  explicit HttpServer(std::shared_ptr<HttpCore> core);
  std::shared_ptr<HttpCore> core_;
};

}  // namespace wherry::server
