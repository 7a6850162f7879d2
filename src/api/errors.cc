// SPDX-License-Identifier: Apache-2.0
#include "api/errors.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/json.h"
#include "base/path.h"

namespace wherry::api {
namespace {

namespace json = boost::json;

struct StatusAndCode {
  unsigned status;
  std::string_view code;
};

bool is_file_operation(Situation situation) { return situation >= Situation::kList; }

// What an endpoint says when it refuses: clients do not repeat a call whose code begins so.
std::string_view external_error(Situation situation) {
  switch (situation) {
    case Situation::kList:
      return "ExternalError.DirListingFailed";
    case Situation::kMakeDirectory:
      return "ExternalError.MkdirFailed";
    case Situation::kRename:
      return "ExternalError.RenameFailed";
    case Situation::kMakeSymlink:
      return "ExternalError.SymlinkFailed";
    default:
      return "EndpointError";
  }
}

// The failure of a file operation is the endpoint's. 502, because clients repeat 500, 503 and 429
// whatever the code says.
HttpError file_operation_error(const Error& error, Situation situation) {
  const auto external = [&](std::string_view why) {
    return HttpError{502, fmt::format("{}{}", external_error(situation), why), error.message};
  };
  switch (error.code) {
    case Code::kNotFound:
      return {404, situation == Situation::kStat ? "NotFound" : "ClientError.NotFound",
              error.message};
    case Code::kDenied:
    case Code::kLoginNeeded:
      return {403, "EndpointPermissionDenied", error.message};
    case Code::kAlreadyExists:
      return external(".Exists");
    case Code::kNoSpace:
      return external(".NoSpace");
    case Code::kUnavailable:
      return external(".GCDisconnected");
    case Code::kTimeout:
      return external(".Timeout");
    case Code::kUnsupported:
      return {405, "NotSupported", error.message};
    case Code::kConflict:
      return {409, "Conflict", error.message};
    case Code::kInvalid:
    case Code::kCorrupt:
    case Code::kCancelled:
      return external("");
    case Code::kBug:
      break;
  }
  return {500, "InternalError", error.message};
}

std::string_view not_found(Situation situation) {
  switch (situation) {
    case Situation::kEndpoint:
      return "EndpointNotFound";
    case Situation::kBookmark:
      return "BookmarkNotFound";
    case Situation::kAccessRule:
      return "AccessRuleNotFound";
    case Situation::kRole:
      return "RoleNotFound";
    default:
      return "ClientError.NotFound";
  }
}

StatusAndCode general_error(Code code, Situation situation) {
  switch (code) {
    case Code::kNotFound:
      return {404, not_found(situation)};
    case Code::kAlreadyExists:
      return {409, "Exists"};
    case Code::kDenied:
    case Code::kLoginNeeded:
      return {403, "PermissionDenied"};
    case Code::kInvalid:
      return {400, "ClientError.BadRequest"};
    case Code::kConflict:
      return {409, "Conflict"};
    case Code::kUnsupported:
      return {405, "NotSupported"};
    case Code::kNoSpace:
    case Code::kUnavailable:
    case Code::kTimeout:
    case Code::kCancelled:  // the service is ending
      return {503, "ServiceUnavailable"};
    case Code::kCorrupt:
    case Code::kBug:
      break;
  }
  return {500, "InternalError"};
}

// ---- the other direction

struct Answer {
  std::string code;
  std::string message;
  std::string request_id;
  std::string scopes;  // that a consent would have to cover
};

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(text->data(), text->size()) : std::string();
}

// {"errors":[{"code","detail"}]} of Auth, {"error":{"code","detail"}} and
// {"detail":[{"loc","msg"}]} of Timers, {"error":"invalid_grant"} of OAuth.
void read_other_services(const json::object& body, Answer& answer) {
  const auto take = [&](const json::value* value, std::string_view message_name) {
    const json::object* object = value != nullptr ? value->if_object() : nullptr;
    if (object == nullptr) return;
    if (answer.code.empty()) answer.code = text_of(*object, "code");
    if (answer.message.empty()) answer.message = text_of(*object, message_name);
  };
  const auto first = [&](std::string_view name) -> const json::value* {
    const json::value* value = body.if_contains(name);
    const json::array* array = value != nullptr ? value->if_array() : nullptr;
    return array != nullptr && !array->empty() ? &array->front() : nullptr;
  };
  take(first("errors"), "detail");
  take(body.if_contains("error"), "detail");
  take(first("detail"), "msg");
  if (answer.code.empty()) answer.code = text_of(body, "error");
  if (answer.message.empty()) answer.message = text_of(body, "error_description");
  if (answer.message.empty()) answer.message = text_of(body, "detail");
}

void read_scopes(const json::object& body, Answer& answer) {
  const json::value* scopes = body.if_contains("required_scopes");
  if (scopes == nullptr || !scopes->is_array()) return;
  for (const json::value& scope : *scopes->if_array()) {
    const json::string* text = scope.if_string();
    if (text == nullptr) continue;
    if (!answer.scopes.empty()) answer.scopes += ' ';
    answer.scopes.append(text->data(), text->size());
  }
}

// As one word of a shell. Scopes need no quoting within quotes; what does is somebody's trick.
std::string shell_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : escape_bytes(text)) {
    if (c != '\'') quoted += c;
  }
  return quoted + "'";
}

Answer read_answer(std::string_view body) {
  Answer answer;
  const auto document = parse_object(body);
  if (!document) return answer;
  answer.code = text_of(*document, "code");
  answer.message = text_of(*document, "message");
  answer.request_id = text_of(*document, "request_id");
  read_scopes(*document, answer);
  read_other_services(*document, answer);
  return answer;
}

struct Class {
  Code code;
  Retry retry;
};

// By a word of the service's code, where that says more than the status. The first row that the
// code contains decides.
struct CodeRow {
  std::string_view word;
  Class meaning;
};
constexpr CodeRow kCodes[] = {
    {"ConsentRequired", {Code::kLoginNeeded, Retry::kAfterUser}},
    {"OperationPaused", {Code::kConflict, Retry::kLater}},
    {"Exists", {Code::kAlreadyExists, Retry::kNever}},
    {"NoSpace", {Code::kNoSpace, Retry::kAfterUser}},
    {"Timeout", {Code::kTimeout, Retry::kLater}},
    {"Unavailable", {Code::kUnavailable, Retry::kLater}},
    {"Disconnected", {Code::kUnavailable, Retry::kLater}},
    {"LoginFailed", {Code::kDenied, Retry::kAfterUser}},
    {"PermissionDenied", {Code::kDenied, Retry::kAfterUser}},
    {"invalid_grant", {Code::kLoginNeeded, Retry::kAfterUser}},
    {"invalid_client", {Code::kLoginNeeded, Retry::kAfterUser}},
    {"NotSupported", {Code::kUnsupported, Retry::kNever}},
    // The endpoint did what it could and refused: asking again gives the same answer.
    {"ExternalError", {Code::kUnavailable, Retry::kNever}},
    {"EndpointError", {Code::kUnavailable, Retry::kNever}},
};

Class class_of_status(unsigned status) {
  switch (status) {
    case 400:
    case 413:
    case 414:
    case 422:
      return {Code::kInvalid, Retry::kNever};
    case 401:
      return {Code::kLoginNeeded, Retry::kAfterUser};
    case 403:
      return {Code::kDenied, Retry::kAfterUser};
    case 404:
    case 410:
      return {Code::kNotFound, Retry::kNever};
    case 405:
    case 501:
      return {Code::kUnsupported, Retry::kNever};
    case 408:
    case 504:
      return {Code::kTimeout, Retry::kLater};
    case 409:
      return {Code::kConflict, Retry::kNever};
    default:
      break;
  }
  if (status == 429 || status >= 500) return {Code::kUnavailable, Retry::kLater};
  return {status >= 400 ? Code::kInvalid : Code::kUnsupported, Retry::kNever};
}

Class class_of(unsigned status, std::string_view code) {
  // Overload is told by the status whatever the code says.
  if (status == 429 || status == 503) return class_of_status(status);
  for (const CodeRow& row : kCodes) {
    if (code.find(row.word) != std::string_view::npos) return row.meaning;
  }
  return class_of_status(status);
}

}  // namespace

HttpError http_error(const Error& error, Situation situation) {
  if (situation == Situation::kNoItems && error.code == Code::kInvalid)
    return {400, "ClientError.BadRequest.NoTransferItems", error.message};
  if (situation == Situation::kAuthentication && error.code == Code::kDenied)
    return {401, "ClientError.AuthenticationFailed", error.message};
  if (situation == Situation::kConsent && error.code == Code::kDenied)
    return {403, "ConsentRequired", error.message};
  if (situation == Situation::kPaused && error.code == Code::kConflict)
    return {409, "OperationPaused", error.message};
  if (is_file_operation(situation)) return file_operation_error(error, situation);
  const StatusAndCode general = general_error(error.code, situation);
  return {general.status, std::string(general.code), error.message};
}

std::string error_document(const HttpError& error, const ErrorContext& context) {
  json::object document{{"code", error.code},
                        {"message", json_text(error.message)},
                        {"request_id", context.request_id},
                        {"resource", json_text(context.resource)}};
  if (!context.required_scopes.empty()) {
    json::array scopes(context.required_scopes.begin(), context.required_scopes.end());
    document["authorization_parameters"] = {{"required_scopes", scopes},
                                            {"session_message", json_text(error.message)}};
    document["required_scopes"] = std::move(scopes);
  }
  return to_text(document);
}

Error error_from_answer(unsigned status, std::string_view body) {
  const Answer answer = read_answer(body);
  const Class meaning = class_of(status, answer.code);
  std::string message = fmt::format("the service answered {}", status);
  if (!answer.code.empty()) message += " " + answer.code;
  if (!answer.message.empty()) message += ": " + answer.message;
  if (!answer.request_id.empty()) message += fmt::format(" [request {}]", answer.request_id);
  if (!answer.scopes.empty())
    message += fmt::format("; to agree: wherry session consent {}", shell_quoted(answer.scopes));
  return Error{meaning.code, meaning.retry, std::move(message)};
}

}  // namespace wherry::api
