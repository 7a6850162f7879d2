// SPDX-License-Identifier: Apache-2.0
// HTTP requests to services, one at a time per call: the network library stays in the .cc file.
// Connections are kept and used again; an answer is bounded in size and in the time in which
// nothing arrives; a stop token ends a call at once. What is worth repeating is for retry.h.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace wherry::globus {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
};

struct HttpAnswer {
  unsigned status = 0;
  std::string body;
  std::optional<Duration> retry_after;  // of the header, a date counted from now
  // More than once if a connection that was used again broke before the answer: then the service
  // may have acted more than once.
  int times_sent = 1;
};

// Safe for concurrent calls.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Any status is an answer. An error is a request that got none: kUnavailable or kTimeout (the
  // service may or may not have acted), kCancelled, kInvalid (no such URL), kCorrupt (an answer
  // that is too large). Redirects are answers: a token must not travel on.
  virtual Result<HttpAnswer> send(const HttpRequest& request, std::stop_token stop) = 0;
};

struct HttpOptions {
  Duration silence = std::chrono::seconds(60);  // the longest without a byte; 0: for ever
  bool verify = true;     // the certificate of a server, and that it is for that host
  std::string ca_bundle;  // PEM file; empty: the system's authorities
  std::size_t max_answer = std::size_t{64} << 20;
  std::size_t idle_connections = 16;  // kept for later
  Clock* clock = &system_clock();     // outlives the client
};

// Proxies are those of the environment (https_proxy, no_proxy, …).
std::unique_ptr<HttpClient> make_http_client(const HttpOptions& options);

}  // namespace wherry::globus
