// SPDX-License-Identifier: Apache-2.0
// From the bytes of a connection to one Request, without a socket: what http_server feeds, and what
// tests and the fuzzer feed in its place. The parser of the library is in the .cc file.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "server/error_document.h"
#include "server/http.h"

namespace wherry::server {

struct RequestLimits {
  std::size_t target_bytes = 8 * 1024;   // path and query; more is answered 414
  std::size_t header_bytes = 16 * 1024;  // request line and header fields; 431
  std::size_t header_count = 100;        // 431
  // 413. A transfer of 100,000 items takes about 40 MB.
  std::size_t body_bytes = 128 * 1024 * 1024;
};

// Reads one request; for the next one on the connection make another. Not safe for concurrent
// calls.
class RequestReader {
 public:
  enum class State { kNothing, kHeader, kBody, kDone, kRefused };

  explicit RequestReader(const RequestLimits& limits);
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;
  ~RequestReader();

  // Takes what it can of `bytes` and returns how many it took. Call again with what it did not take
  // and more behind; it never leaves more than header_bytes while it wants more. What remains when
  // the state is kDone belongs to the next request.
  std::size_t feed(std::string_view bytes);

  State state() const;
  // The client waits for "100 Continue" before it sends the body, and has not sent any of it yet.
  bool wants_continue() const;
  // Of a request in state kDone: whether the client will use the connection again.
  bool keep_alive() const;
  std::size_t body_bytes() const;  // so far

  // In state kDone, once: without peer, is_secure and request_id.
  Request take();
  // In state kRefused: what to answer. The rest of the connection cannot be understood.
  const Failure& refusal() const;

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

struct Target {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
};
// The target of a request line, "/a%20b/?x=1+2" or "http://host/a": decoded as Request has it.
// kInvalid for a bad escape, a NUL byte, or what is no path.
Result<Target> parse_target(std::string_view target);
// The pairs of "x=1+2&y=": a query, or the body of a form. kInvalid for a bad escape.
Result<std::vector<std::pair<std::string, std::string>>> parse_form(std::string_view text);

}  // namespace wherry::server
