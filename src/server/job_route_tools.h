// SPDX-License-Identifier: Apache-2.0
// What the routes below /v1 share.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/job_routes.h"
#include "server/router.h"

namespace wherry::server {

// What a route is given for one request.
struct JobCall {
  const JobParts& parts;
  const Call& call;
  JobAccess access;

  const Caller& caller() const { return *call.caller; }
  const Request& request() const { return call.request; }
};
using JobAction = Result<Response> (*)(JobCall& job);

// An error of the action is written as clients of Balsam read it: kInvalid is 422.
Route job_route(const JobParts& parts, Method method, std::string_view pattern,
                std::string_view doc, JobAction action);

// The number that stands in the path. kNotFound if it is none: nothing has such a name.
Result<std::int64_t> number_of(const JobCall& job, std::string_view name);

Response text_answer(std::string json, unsigned status = 200);
Response nothing_answer();  // 204
// {"count": …}: how many were changed.
Response count_answer(std::uint64_t count);
// 400: the request is too much, or contradicts itself.
Response bad_request(const JobCall& job, std::string message);

}  // namespace wherry::server
