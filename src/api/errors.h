// SPDX-License-Identifier: Apache-2.0
// Errors on the wire: what a failure of ours is in the Transfer API, and what an answer of a
// service is here. docs/api/compatibility.md lists the codes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wherry::api {

// What a request was about. The same error has other codes there, which clients compare.
enum class Situation {
  kGeneral,         // tasks, submissions, anything without a row of its own
  kNoItems,         // a submission with an empty DATA
  kAuthentication,  // no valid token
  kConsent,         // a token that lacks a scope
  kEndpoint,        // looking up an endpoint
  kBookmark,
  kAccessRule,
  kRole,
  kPaused,  // a pause rule forbids it
  kList,    // the rest: a file operation that the endpoint refused
  kStat,
  kMakeDirectory,
  kRename,
  kMakeSymlink,
};

struct HttpError {
  unsigned status = 500;
  std::string code;  // dotted, from general to specific
  std::string message;
};

HttpError http_error(const Error& error, Situation situation = Situation::kGeneral);

struct ErrorContext {
  std::string_view request_id;
  std::string_view resource;                 // the path of the request
  std::vector<std::string> required_scopes;  // of kConsent
};
// The body that goes with `error.status`.
std::string error_document(const HttpError& error, const ErrorContext& context);

// What an answer other than 2xx means. Understands the error documents of the Transfer, Auth and
// Timers services; a body that is none of these, from a proxy say, is judged by its status.
// kLoginNeeded: no valid token, or one without a consent; then the message has the command.
// Retry::kLater: the service or the endpoint is overloaded or away. kAfterUser: log in, consent, or
// get a permission.
Error error_from_answer(unsigned status, std::string_view body);

}  // namespace wherry::api
