// SPDX-License-Identifier: Apache-2.0
#include "server/forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "server/request_reader.h"
#include "server/secrets.h"

namespace wherry::server {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

// What follows the scheme in the Authorization header.
std::optional<std::string_view> credentials(const Request& request, std::string_view scheme) {
  const std::string* header = request.header("authorization");
  if (header == nullptr) return std::nullopt;
  std::string_view text = *header;
  if (text.size() <= scheme.size() || text[scheme.size()] != ' ' ||
      !equal_ignoring_case(text.substr(0, scheme.size()), scheme))
    return std::nullopt;
  text.remove_prefix(scheme.size());
  while (text.starts_with(' ')) text.remove_prefix(1);
  return text;
}

}  // namespace

Result<Form> Form::of(const Request& request) {
  Form form;
  if (request.body.empty()) return form;
  const std::string* header = request.header("content-type");
  std::string_view type = header != nullptr ? std::string_view(*header) : "";
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  if (!equal_ignoring_case(type, "application/x-www-form-urlencoded"))
    return make_error(Code::kInvalid, "the body is not application/x-www-form-urlencoded");
  TRY_ASSIGN(form.fields_, parse_form(request.body), "the form");
  return form;
}

const std::string& Form::operator[](std::string_view name) const {
  static const std::string kNone;
  for (const auto& [key, value] : fields_) {
    if (key == name) return value;
  }
  return kNone;
}

std::optional<BasicCredentials> basic_credentials(const Request& request) {
  const auto text = credentials(request, "Basic");
  if (!text) return std::nullopt;
  const auto plain = decode_base64(*text);
  const std::size_t colon = plain ? plain->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  return BasicCredentials{plain->substr(0, colon), plain->substr(colon + 1)};
}

std::optional<std::string> bearer_token(const Request& request) {
  const auto text = credentials(request, "Bearer");
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

std::string base_url_of(const Request& request) {
  const std::string* host = request.header("host");
  return fmt::format("{}://{}/", request.is_secure ? "https" : "http",
                     host != nullptr ? *host : "localhost");
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ||
                          c == '_' || c == '.' || c == '~';
    encoded += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

}  // namespace wherry::server
