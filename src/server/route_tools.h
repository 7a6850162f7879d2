// SPDX-License-Identifier: Apache-2.0
// What the routes of the Transfer API share: what they are given, how they read a request and how
// they answer.
#pragma once

#include <algorithm>
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/documents.h"
#include "api/errors.h"
#include "api/filter.h"
#include "base/clock.h"
#include "base/random.h"
#include "endpoints/permissions.h"
#include "server/data_access.h"
#include "server/identities.h"
#include "server/router.h"
#include "tasks/local_service.h"

namespace wherry::server {

// All outlive the routes.
struct TransferParts {
  tasks::LocalService& service;
  endpoints::Endpoints& endpoints;
  endpoints::Permissions& permissions;
  Identities& identities;
  Clock& clock;
  Random& random;
  Consents& consents;
  // Where POST /endpoint makes a directory for each; empty: it makes none.
  std::string endpoint_directory = {};
};

// ---- routes

using Action = std::function<Result<Response>(const Call&)>;
// An action on the endpoint `{endpoint_id}`, which is there for the caller.
using EndpointAction =
    std::function<Result<Response>(const Call&, const endpoints::Endpoint& endpoint)>;
// An action on the task `{task_id}`, which is the caller's own.
using TaskAction = std::function<Result<Response>(const Call&, const tasks::Task& task)>;

// What makes a route of Transfer: an error of the action is written as `situation` asks.
struct RouteHead {
  Method method = Method::kGet;
  std::string_view pattern;
  std::string_view doc;
  api::Situation situation = api::Situation::kGeneral;
  Work work = Work::kDatabase;
};
Route transfer_route(const RouteHead& head, Action action);
// What is not there for the caller answers as what does not exist.
Route endpoint_route(const TransferParts& parts, const RouteHead& head, EndpointAction action);
Route task_route(const TransferParts& parts, const RouteHead& head, TaskAction action);

endpoints::Principal principal_of(const Caller& caller);
// kNotFound unless the endpoint exists for the caller.
Result<endpoints::Endpoint> visible_endpoint(const TransferParts& parts, const Caller& caller,
                                             const endpoints::EndpointId& id);

// ---- requests

// An empty body is an empty object.
Result<boost::json::object> body_of(const Call& call);
// The parameter of the query; `fallback` if it is not given.
std::string query_text(const Call& call, std::string_view name, std::string_view fallback = "");
// 0 and 1, true and false in either case.
Result<bool> query_flag(const Call& call, std::string_view name, bool fallback);
Result<std::uint64_t> query_number(const Call& call, std::string_view name, std::uint64_t fallback);

struct Window {
  std::uint64_t limit = 0;
  std::uint64_t offset = 0;
};
// `limit` and `offset`; a limit above `most` counts as `most`.
Result<Window> window_of(const Call& call, std::uint64_t usual, std::uint64_t most);
// `rows[offset, offset + limit)`.
template <class T>
std::vector<T> cut(std::vector<T> rows, const Window& window) {
  rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(
                                              std::min<std::uint64_t>(window.offset, rows.size())));
  if (rows.size() > window.limit) rows.resize(window.limit);
  return rows;
}

// ---- answers

Response json_answer(const boost::json::object& document, unsigned status = 200);
// A "result" document: {"code", "message", "request_id", "resource"}.
Response result_answer(const Call& call, std::string_view code, std::string_view message,
                       std::string_view type = "result", unsigned status = 200);
Response refusal(const Call& call, const Error& error, api::Situation situation);
// The answer if one of `used` requires a consent that the caller has not given.
std::optional<Response> refused_without_consent(const TransferParts& parts, const Call& call,
                                                std::span<const endpoints::Endpoint> used);
api::RequestContext context_of(const Call& call);

}  // namespace wherry::server
