// SPDX-License-Identifier: Apache-2.0
#include "server/http.h"

namespace wherry::server {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

const std::string* first_of(const Pairs& pairs, std::string_view name) {
  for (const auto& [key, value] : pairs) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace

std::string_view to_string(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kHead:
      return "HEAD";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kPatch:
      return "PATCH";
    case Method::kDelete:
      return "DELETE";
    case Method::kOptions:
      return "OPTIONS";
  }
  return "";
}

const std::string* Request::query_value(std::string_view name) const {
  return first_of(query, name);
}

const std::string* Request::header(std::string_view lower_case_name) const {
  return first_of(headers, lower_case_name);
}

}  // namespace wherry::server
