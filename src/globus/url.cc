// SPDX-License-Identifier: Apache-2.0
#include "globus/url.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/path.h"

namespace wherry::globus {
namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

std::string encode_base64(std::string_view bytes, std::string_view last_two) {
  static constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const auto letter = [&](unsigned value) {
    return value < kLetters.size() ? kLetters[value] : last_two[value - kLetters.size()];
  };
  std::string text;
  unsigned bits = 0;
  int held = 0;
  for (const char byte : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(byte);
    held += 8;
    while (held >= 6) {
      held -= 6;
      text += letter((bits >> static_cast<unsigned>(held)) & 63U);
    }
    bits &= (1U << static_cast<unsigned>(held)) - 1U;
  }
  if (held > 0) text += letter((bits << static_cast<unsigned>(6 - held)) & 63U);
  return text;
}

// An origin: scheme and host, a port perhaps, and nothing after it.
Result<std::string> origin(std::string_view text, std::string_view what) {
  const bool is_http = text.starts_with("http://") || text.starts_with("https://");
  const std::size_t host = text.find("://") + 3;
  while (text.size() > host && text.ends_with('/')) text.remove_suffix(1);
  if (!is_http || text.size() <= host || text.find_first_of("/?# @\\\n", host) != text.npos) {
    return make_error(Code::kInvalid,
                      "{} '{}' is not an address such as https://wherry.example.org:8443", what,
                      escape_bytes(text));
  }
  return std::string(text);
}

}  // namespace

std::string percent_encode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return encoded;
}

std::string form_text(const Fields& fields) {
  std::string text;
  for (const auto& [name, value] : fields) {
    if (!text.empty()) text += '&';
    text += percent_encode(name) + "=" + percent_encode(value);
  }
  return text;
}

Fields parse_form(std::string_view text) {
  Fields fields;
  while (!text.empty()) {
    const std::string_view field = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(field.size() + 1, text.size()));
    const std::size_t equals = std::min(field.find('='), field.size());
    if (equals == 0) continue;
    fields.emplace_back(decode(field.substr(0, equals)),
                        decode(field.substr(std::min(equals + 1, field.size()))));
  }
  return fields;
}

std::string base64(std::string_view bytes) {
  std::string text = encode_base64(bytes, "+/");
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::string base64url(std::string_view bytes) { return encode_base64(bytes, "-_"); }

Result<ServiceAddress> service_address(std::string_view service, const Environment& environment) {
  ServiceAddress address;
  if (service != "globus") {
    TRY_ASSIGN(address.auth, origin(service, "service"));
    address.transfer = address.timer = address.auth;
    return address;
  }
  address = {"https://auth.globus.org", "https://transfer.api.globus.org",
             "https://timer.automate.globus.org", true};
  struct Variable {
    std::string_view name;
    std::string ServiceAddress::*member;
  };
  for (const Variable& variable :
       {Variable{"GLOBUS_SDK_SERVICE_URL_AUTH", &ServiceAddress::auth},
        Variable{"GLOBUS_SDK_SERVICE_URL_TRANSFER", &ServiceAddress::transfer},
        Variable{"GLOBUS_SDK_SERVICE_URL_TIMER", &ServiceAddress::timer}}) {
    const auto value = environment(variable.name);
    if (!value || value->empty()) continue;
    TRY_ASSIGN(address.*variable.member, origin(*value, variable.name));
    if (variable.member == &ServiceAddress::auth) address.is_globus = false;
  }
  return address;
}

Result<HttpOptions> http_options(const Environment& environment) {
  HttpOptions options;
  if (const auto verify = environment("GLOBUS_SDK_VERIFY_SSL"); verify && !verify->empty()) {
    static constexpr std::array<std::string_view, 6> kOn = {"1", "y", "yes", "t", "true", "on"};
    static constexpr std::array<std::string_view, 6> kOff = {"0", "n", "no", "f", "false", "off"};
    std::string word = *verify;
    for (char& c : word) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (std::find(kOff.begin(), kOff.end(), word) != kOff.end()) {
      options.verify = false;
    } else if (std::find(kOn.begin(), kOn.end(), word) == kOn.end()) {
      options.ca_bundle = *verify;
    }
  }
  if (const auto timeout = environment("GLOBUS_SDK_HTTP_TIMEOUT"); timeout && !timeout->empty()) {
    double seconds = 0;
    const auto parsed =
        std::from_chars(timeout->data(), timeout->data() + timeout->size(), seconds);
    const bool is_good = parsed.ec == std::errc() &&
                         parsed.ptr == timeout->data() + timeout->size() &&
                         (seconds == -1 || (seconds > 0 && seconds <= 86400));
    if (!is_good) {
      return make_error(Code::kInvalid,
                        "GLOBUS_SDK_HTTP_TIMEOUT '{}': use seconds up to 86400, or -1 for none",
                        escape_bytes(*timeout));
    }
    options.silence =
        seconds == -1 ? Duration(0) : Duration(std::llround(seconds * 1'000'000'000.0));
  }
  return options;
}

}  // namespace wherry::globus
