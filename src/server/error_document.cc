// SPDX-License-Identifier: Apache-2.0
#include "server/error_document.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cctype>

#include "api/errors.h"
#include "api/job_documents.h"
#include "api/timer_documents.h"

namespace wherry::server {
namespace {

namespace json = boost::json;

json::string_view view(std::string_view text) { return {text.data(), text.size()}; }

// A decoded path may hold bytes that JSON cannot: those are written as they came.
std::string encoded_path(std::string_view path) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '%' && c != '?' && c != '#') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

// "unauthorized" of 401, as OAuth names its errors.
std::string oauth_name(unsigned status) {
  std::string name(reason_phrase(status));
  for (char& c : name) {
    c = c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

// Beside the error, as Transfer has it: clients look there for what to consent to.
void add_required_scopes(json::object& body, const Failure& failure) {
  if (failure.required_scopes.empty()) return;
  const json::array scopes(failure.required_scopes.begin(), failure.required_scopes.end());
  body["code"] = view(failure.code);
  body["message"] = view(failure.message);
  body["required_scopes"] = scopes;
  body["authorization_parameters"] = {{"required_scopes", scopes},
                                      {"session_message", view(failure.message)}};
}

}  // namespace

Response transfer_error(const Failure& failure, std::string_view request_id,
                        std::string_view path) {
  const std::string resource = encoded_path(path);
  const api::HttpError error{failure.status, failure.code, failure.message};
  const api::ErrorContext context{
      .request_id = request_id, .resource = resource, .required_scopes = failure.required_scopes};
  return {.status = failure.status,
          .body = api::error_document(error, context),
          .headers = failure.headers};
}

Response auth_error(const Failure& failure, std::string_view request_id, std::string_view) {
  const json::object error{{"status", std::to_string(failure.status)},
                           {"code", view(failure.code)},
                           {"title", view(reason_phrase(failure.status))},
                           {"detail", view(failure.message)},
                           {"id", view(request_id)}};
  const json::object body{{"errors", json::array{error}},
                          {"error", oauth_name(failure.status)},
                          {"error_description", view(failure.message)}};
  return {.status = failure.status, .body = json::serialize(body), .headers = failure.headers};
}

Response timer_error(const Failure& failure, std::string_view, std::string_view) {
  json::object body = api::timer_error_document(failure.status, failure.code, failure.message);
  add_required_scopes(body, failure);
  return {.status = failure.status, .body = json::serialize(body), .headers = failure.headers};
}

Response job_error(const Failure& failure, std::string_view, std::string_view) {
  json::object body = api::job_error_document(failure.message);
  add_required_scopes(body, failure);
  return {.status = failure.status, .body = json::serialize(body), .headers = failure.headers};
}

std::string_view reason_phrase(unsigned status) {
  struct Reason {
    unsigned status;
    std::string_view phrase;
  };
  static constexpr Reason kReasons[] = {
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  };
  for (const Reason& reason : kReasons) {
    if (reason.status == status) return reason.phrase;
  }
  return "";
}

}  // namespace wherry::server
