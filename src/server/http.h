// SPDX-License-Identifier: Apache-2.0
// HTTP messages as handlers see them: decoded, bounded, and free of the library that speaks the
// protocol (http_connection.cc).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wherry::server {

enum class Method { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions };

std::string_view to_string(Method method);  // "GET"

struct Request {
  Method method = Method::kGet;
  std::string path;  // percent-decoded, begins with '/', without a trailing one; never empty
  // In order, percent-decoded, '+' a blank. A name may stand there several times.
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string peer;        // address of who asks
  bool is_secure = false;  // over TLS
  std::string request_id;  // nine letters and digits; in every answer and in the log

  // The first value of that name; null if there is none.
  const std::string* query_value(std::string_view name) const;
  const std::string* header(std::string_view lower_case_name) const;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};  // others than length and type
  // Whoever asks the same (method, path, query) with the same token gets the same until anything is
  // committed to the database, however much time passes and whatever else happens.
  bool holds_until_commit = false;
};

// Called on the thread that reads the socket: must not block. `respond` is called exactly once, by
// any thread; when the client has gone meanwhile it does nothing.
using Respond = std::function<void(Response)>;
using Handler = std::function<void(Request, Respond)>;

}  // namespace wherry::server
