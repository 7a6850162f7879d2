// SPDX-License-Identifier: Apache-2.0
#include "server/job_route_tools.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "api/errors.h"
#include "base/path.h"
#include "server/scopes.h"

namespace wherry::server {
namespace {

constexpr unsigned kUnprocessable = 422;

Response refused(const Call& call, const Error& error) {
  api::HttpError http = api::http_error(error);
  const unsigned status = error.code == Code::kInvalid ? kUnprocessable : http.status;
  return job_error({status, std::move(http.code), std::move(http.message)}, call.request.request_id,
                   call.request.path);
}

}  // namespace

Route job_route(const JobParts& parts, Method method, std::string_view pattern,
                std::string_view doc, JobAction action) {
  const auto run = [parts, action](const Call& call) {
    JobCall job{parts, call, JobAccess(parts.stores, parts.users)};
    auto answer = action(job);
    return answer ? *std::move(answer) : refused(call, answer.error());
  };
  return {method, pattern, kJobScope, Work::kDatabase, job_error, doc, run};
}

Result<std::int64_t> number_of(const JobCall& job, std::string_view name) {
  const std::string& text = job.call.parameter(name);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return make_error(Code::kNotFound, "'{}' is no number of anything", escape_bytes(text));
}

Response text_answer(std::string json, unsigned status) {
  return {.status = status, .body = std::move(json)};
}

Response document_answer(const boost::json::object& document, unsigned status) {
  return text_answer(api::to_text(document), status);
}

Response nothing_answer() {
  Response response;
  response.status = 204;
  response.content_type.clear();
  return response;
}

Response count_answer(std::uint64_t count) {
  return text_answer(fmt::format("{{\"count\":{}}}", count));
}

Response bad_request(const JobCall& job, std::string message) {
  return job_error({400, "ClientError.BadRequest", std::move(message)}, job.request().request_id,
                   job.request().path);
}

std::optional<Response> refused_as_too_many(const JobCall& job, std::size_t count) {
  if (count <= jobs::kMaxBulk) return std::nullopt;
  return bad_request(job, fmt::format("{} elements are too many for one request, which takes {}",
                                      count, jobs::kMaxBulk));
}

std::optional<Response> refused_as_doubled(const JobCall& job,
                                           const std::vector<std::int64_t>& ids) {
  std::set<std::int64_t> seen;
  for (const std::int64_t id : ids)
    if (!seen.insert(id).second) return bad_request(job, fmt::format("{} is there twice", id));
  return std::nullopt;
}

}  // namespace wherry::server
