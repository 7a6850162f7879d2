// SPDX-License-Identifier: Apache-2.0
// What a client is told when a request comes to nothing. Clients decide by `code` and by the type
// application/json, so every failure, even one before a route is known, is written here.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http.h"

namespace wherry::server {

struct Failure {
  unsigned status = 500;
  std::string code = "InternalError";  // dotted, general to specific: "ClientError.NotFound"
  std::string message;                 // UTF-8
  std::vector<std::pair<std::string, std::string>> headers =
      {};                                         // of the answer: Allow, Retry-After
  std::vector<std::string> required_scopes = {};  // that the token lacks; Auth does not tell
};

// A style writes a failure as the clients of one service read it. `path` as in Request; empty when
// it is not known yet.
using ErrorStyle = Response (*)(const Failure& failure, std::string_view request_id,
                                std::string_view path);

// {"code", "message", "request_id", "resource"}: Transfer.
Response transfer_error(const Failure& failure, std::string_view request_id, std::string_view path);
// {"errors": [{"status", "code", "title", "detail", "id"}], "error", "error_description"}: Auth.
Response auth_error(const Failure& failure, std::string_view request_id, std::string_view path);
// {"error": {"code", "detail", "status"}}: Timers. Status 422 has documents of its own
// (api::timer_invalid_document).
Response timer_error(const Failure& failure, std::string_view request_id, std::string_view path);
// {"detail"}: sites, apps and jobs, as Balsam has it. A scope that is missing stands beside it.
Response job_error(const Failure& failure, std::string_view request_id, std::string_view path);

// "Not Found" of 404; empty for a status that has no name here.
std::string_view reason_phrase(unsigned status);

}  // namespace wherry::server
