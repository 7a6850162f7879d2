// SPDX-License-Identifier: Apache-2.0
// What requests to Globus Auth carry: HTML forms, Basic credentials, bearer tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "server/http.h"

namespace wherry::server {

// The fields of a body of the type application/x-www-form-urlencoded. A field that stands there
// twice counts once, the first time.
class Form {
 public:
  // kInvalid for another type or a malformed escape. An empty body is an empty form.
  static Result<Form> of(const Request& request);
  const std::string& operator[](std::string_view name) const;  // empty text: not given

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct BasicCredentials {
  std::string user;
  std::string password;
};
// Nothing if there is no such header, or one of another scheme or form.
std::optional<BasicCredentials> basic_credentials(const Request& request);
std::optional<std::string> bearer_token(const Request& request);

// "https://host:port/": where the client reached this service, by its own Host header.
std::string base_url_of(const Request& request);

// For the query of an address.
std::string percent_encode(std::string_view text);

}  // namespace wherry::server
