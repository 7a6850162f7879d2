// SPDX-License-Identifier: Apache-2.0
#include "server/route_tools.h"

#include <boost/json.hpp>

#include <charconv>

#include "api/json.h"
#include "base/path.h"
#include "base/text.h"

namespace wherry::server {
namespace {

namespace json = boost::json;

Error no_such_endpoint(std::string_view id) {
  return make_error(Code::kNotFound, "no such endpoint '{}'", escape_bytes(id));
}

}  // namespace

Route transfer_route(const RouteHead& head, Action action) {
  const auto run = [situation = head.situation, action = std::move(action)](const Call& call) {
    auto answer = action(call);
    return answer ? *std::move(answer) : refusal(call, answer.error(), situation);
  };
  return {head.method, head.pattern, kTransferScope, head.work, transfer_error, head.doc, run};
}

Route endpoint_route(const TransferParts& parts, const RouteHead& head, EndpointAction action) {
  return transfer_route(
      head, [parts, action = std::move(action)](const Call& call) -> Result<Response> {
        const auto endpoint = visible_endpoint(parts, *call.caller, call.parameter("endpoint_id"));
        if (!endpoint) return refusal(call, endpoint.error(), api::Situation::kEndpoint);
        return action(call, *endpoint);
      });
}

Route task_route(const TransferParts& parts, const RouteHead& head, TaskAction action) {
  return transfer_route(head,
                        [parts, action = std::move(action)](const Call& call) -> Result<Response> {
                          const std::string id = lower_case(call.parameter("task_id"));
                          auto task = parts.service.task(id);
                          if (!task && task.error().code != Code::kNotFound)
                            return std::move(task).error();
                          if (!task || task->owner != call.caller->identity) {
                            return make_error(Code::kNotFound, "no such task '{}'",
                                              escape_bytes(call.parameter("task_id")));
                          }
                          return action(call, *task);
                        });
}

endpoints::Principal principal_of(const Caller& caller) { return {caller.identity, caller.groups}; }

Result<endpoints::Endpoint> visible_endpoint(const TransferParts& parts, const Caller& caller,
                                             const endpoints::EndpointId& id) {
  auto endpoint = parts.endpoints.get(lower_case(id));
  if (!endpoint && endpoint.error().code != Code::kNotFound) return endpoint;
  if (!endpoint) return no_such_endpoint(id);
  TRY_ASSIGN(const bool is_visible, parts.permissions.is_visible(principal_of(caller), *endpoint));
  if (!is_visible) return no_such_endpoint(id);
  return endpoint;
}

Result<json::object> body_of(const Call& call) {
  if (call.request.body.empty()) return json::object();
  return api::parse_object(call.request.body);
}

std::string query_text(const Call& call, std::string_view name, std::string_view fallback) {
  const std::string* value = call.request.query_value(name);
  return value != nullptr ? *value : std::string(fallback);
}

Result<bool> query_flag(const Call& call, std::string_view name, bool fallback) {
  const std::string text = lower_case(query_text(call, name));
  if (text.empty()) return fallback;
  if (text == "1" || text == "true") return true;
  if (text == "0" || text == "false") return false;
  return make_error(Code::kInvalid, "{} is '{}'; it takes 1 or 0, true or false", name,
                    api::json_text(text));
}

Result<std::uint64_t> query_number(const Call& call, std::string_view name,
                                   std::uint64_t fallback) {
  const std::string text = query_text(call, name);
  if (text.empty()) return fallback;
  std::int64_t number = 0;  // what the database can count to
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 0)
    return static_cast<std::uint64_t>(number);
  return make_error(Code::kInvalid, "{} is '{}'; it takes a number that is not negative", name,
                    api::json_text(text));
}

Result<Window> window_of(const Call& call, std::uint64_t usual, std::uint64_t most) {
  Window window;
  TRY_ASSIGN(window.limit, query_number(call, "limit", usual));
  TRY_ASSIGN(window.offset, query_number(call, "offset", 0));
  // An empty page of a list that goes on would be asked for again and again.
  if (window.limit == 0) return make_error(Code::kInvalid, "limit is 0; it takes 1 or more");
  window.limit = std::min(window.limit, most);
  return window;
}

Response json_answer(const json::object& document, unsigned status) {
  Response response;
  response.status = status;
  response.body = api::to_text(document);
  return response;
}

api::RequestContext context_of(const Call& call) {
  return {.request_id = call.request.request_id, .resource = call.request.path};
}

Response result_answer(const Call& call, std::string_view code, std::string_view message,
                       std::string_view type, unsigned status) {
  return json_answer(api::result_document(type, code, message, context_of(call)), status);
}

std::optional<Response> refused_without_consent(const TransferParts& parts, const Call& call,
                                                std::span<const endpoints::Endpoint> used) {
  auto missing = missing_data_access(parts.consents, *call.caller, used);
  if (!missing) return refusal(call, missing.error(), api::Situation::kGeneral);
  if (missing->empty()) return std::nullopt;
  return transfer_error(data_access_required(*std::move(missing)), call.request.request_id,
                        call.request.path);
}

Response refusal(const Call& call, const Error& error, api::Situation situation) {
  api::HttpError http = api::http_error(error, situation);
  return transfer_error({http.status, std::move(http.code), std::move(http.message)},
                        call.request.request_id, call.request.path);
}

}  // namespace wherry::server
