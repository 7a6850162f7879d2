// SPDX-License-Identifier: Apache-2.0
#include "server/access_routes.h"

#include <boost/json.hpp>
#include <charconv>

#include "api/access_documents.h"
#include "api/paths.h"
#include "api/requests.h"
#include "server/transfer_routes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using api::Situation;
using endpoints::AccessRule;
using endpoints::Endpoint;
using endpoints::EndpointId;
using endpoints::Role;

constexpr std::uint64_t kMostShares = 1000;  // on one page

Result<void> require(const TransferParts& parts, const Call& call, const Endpoint& endpoint,
                     Role::Kind kind) {
  TRY_ASSIGN(const auto grants, parts.permissions.grants(principal_of(*call.caller), endpoint));
  if (grants->has_role(kind)) return {};
  return make_error(Code::kDenied, "this needs the role {} on '{}'", to_string(kind),
                    endpoint.display_name);
}

// ---- access rules

Result<Response> list_rules(const TransferParts& parts, const Call&, const Endpoint& endpoint) {
  TRY_ASSIGN(const auto rules, parts.permissions.rules(endpoint.id));
  json::array data;
  for (const AccessRule& rule : rules) data.push_back(api::access_document(rule));
  json::object document = api::whole_list("access_list", std::move(data));
  document["endpoint"] = endpoint.id;
  return json_answer(document);
}

Result<Response> create_rule(const TransferParts& parts, const Call& call,
                             const Endpoint& endpoint) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(AccessRule wanted, api::read_access(body));
  wanted.endpoint = endpoint.id;
  TRY_ASSIGN(const AccessRule made, parts.permissions.create_rule(std::move(wanted)));
  return json_answer(api::access_created_document(made.id, context_of(call)), 201);
}

Result<Response> show_rule(const TransferParts& parts, const Call& call, const Endpoint& endpoint) {
  TRY_ASSIGN(const AccessRule rule,
             parts.permissions.rule(endpoint.id, call.parameter("access_id")));
  return json_answer(api::access_document(rule));
}

Result<Response> update_rule(const TransferParts& parts, const Call& call,
                             const Endpoint& endpoint) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(const endpoints::AccessRuleChange change, api::read_access_change(body));
  TRY(parts.permissions.update_rule(endpoint.id, call.parameter("access_id"), change));
  return result_answer(call, "Updated", "Access rule updated successfully.");
}

Result<Response> remove_rule(const TransferParts& parts, const Call& call,
                             const Endpoint& endpoint) {
  TRY(parts.permissions.remove_rule(endpoint.id, call.parameter("access_id")));
  return result_answer(call, "Deleted", "Access rule deleted successfully.");
}

// ---- roles

Result<Response> list_roles(const TransferParts& parts, const Call&, const Endpoint& endpoint) {
  TRY_ASSIGN(const auto roles, parts.permissions.roles(endpoint.id));
  json::array data;
  for (const Role& role : roles) data.push_back(api::role_document(role));
  return json_answer(api::whole_list("role_list", std::move(data)));
}

Result<Response> create_role(const TransferParts& parts, const Call& call,
                             const Endpoint& endpoint) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(Role wanted, api::read_role(body));
  wanted.endpoint = endpoint.id;
  TRY_ASSIGN(const Role made, parts.permissions.create_role(std::move(wanted)));
  return json_answer(api::role_document(made), 201);
}

Result<Response> show_role(const TransferParts& parts, const Call& call, const Endpoint& endpoint) {
  TRY_ASSIGN(const Role role, parts.permissions.role(endpoint.id, call.parameter("role_id")));
  return json_answer(api::role_document(role));
}

Result<Response> remove_role(const TransferParts& parts, const Call& call,
                             const Endpoint& endpoint) {
  TRY(parts.permissions.remove_role(endpoint.id, call.parameter("role_id")));
  return result_answer(call, "Deleted", "Role deleted successfully.");
}

// ---- guest collections

Result<Response> create_share(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(const api::EndpointCreation creation, api::read_endpoint_creation(body));
  if (!creation.host_endpoint)
    return make_error(Code::kInvalid, "host_endpoint is missing: a share is part of an endpoint");
  const auto host = visible_endpoint(parts, *call.caller, *creation.host_endpoint);
  if (!host) return refusal(call, host.error(), Situation::kEndpoint);
  // A guest collection asks nobody any more: who makes it answers for that.
  if (auto no = refused_without_consent(parts, call, {&*host, 1})) return *std::move(no);
  endpoints::NewEndpoint request = creation.endpoint;
  request.owner = call.caller->identity;
  request.is_public = creation.is_public;
  request.host_endpoint = host->id;
  TRY_ASSIGN(request.host_path, api::read_path(creation.host_path, host->default_directory),
             "host_path");
  const auto made = parts.permissions.create_guest(request);
  if (!made && made.error().code == Code::kUnavailable)
    return refusal(call, made.error(), Situation::kStat);  // the endpoint is away, not the service
  if (!made) return made.error();
  return json_answer(
      api::endpoint_created_document(made->id, "Shared endpoint created", context_of(call)), 201);
}

// Of those that the host has, what `is_wanted` lets pass, in the order of their names.
Result<std::vector<Endpoint>> shares_of(const TransferParts& parts, const EndpointId& host,
                                        const std::function<bool(const Endpoint&)>& is_wanted) {
  TRY_ASSIGN(std::vector<Endpoint> all, parts.endpoints.search("", SIZE_MAX, 0));
  std::erase_if(all, [&](const Endpoint& endpoint) {
    return endpoint.host_endpoint != host || !is_wanted(endpoint);
  });
  return all;
}

Result<Response> list_my_shares(const TransferParts& parts, const Call& call,
                                const Endpoint& endpoint) {
  TRY_ASSIGN(const auto mine, shares_of(parts, endpoint.id, [&call](const Endpoint& share) {
               return share.owner == call.caller->identity;
             }));
  json::array data;
  for (const Endpoint& share : mine) {
    TRY_ASSIGN(json::object document, endpoint_view(parts, *call.caller, share));
    data.push_back(std::move(document));
  }
  const std::uint64_t count = data.size();
  return json_answer(api::endpoint_list_document(std::move(data), count, 0, false));
}

// All that hang on the endpoint: for who looks after it.
Result<Response> list_shares(const TransferParts& parts, const Call& call,
                             const Endpoint& endpoint) {
  TRY_ASSIGN(std::uint64_t most, query_number(call, "max_results", kMostShares));
  most = std::clamp<std::uint64_t>(most, 1, kMostShares);
  TRY_ASSIGN(const std::uint64_t from, query_number(call, "next_token", 0));
  TRY_ASSIGN(const auto all, shares_of(parts, endpoint.id, [](const Endpoint&) { return true; }));
  json::array data;
  for (std::uint64_t i = from; i < all.size() && i - from < most; ++i)
    data.push_back(json::object{{"id", all[i].id}});
  json::object document{{"shared_endpoints", std::move(data)}, {"next_token", nullptr}};
  if (from < all.size() && all.size() - from > most)
    document["next_token"] = std::to_string(from + most);
  return json_answer(document);
}

using Function = Result<Response> (*)(const TransferParts&, const Call&, const Endpoint&);

}  // namespace

std::vector<Route> access_routes(const TransferParts& parts) {
  const auto route = [&parts](const RouteHead& head, Role::Kind kind, Function function) {
    return endpoint_route(
        parts, head,
        [parts, kind, function](const Call& call, const Endpoint& endpoint) -> Result<Response> {
          const auto allowed = require(parts, call, endpoint, kind);
          if (!allowed) return refusal(call, allowed.error(), Situation::kGeneral);
          return function(parts, call, endpoint);
        });
  };
  const auto rules = [&route](Method method, std::string_view pattern, std::string_view doc,
                              Function function) {
    return route({method, pattern, doc, Situation::kAccessRule}, Role::Kind::kAccessManager,
                 function);
  };
  const auto roles = [&route](Method method, std::string_view pattern, std::string_view doc,
                              Function function) {
    return route({method, pattern, doc, Situation::kRole}, Role::Kind::kAdministrator, function);
  };
  constexpr std::string_view kRules = "/v0.10/endpoint/{endpoint_id}/access";
  constexpr std::string_view kRule = "/v0.10/endpoint/{endpoint_id}/access/{access_id}";
  constexpr std::string_view kRoles = "/v0.10/endpoint/{endpoint_id}/role";
  constexpr std::string_view kRole = "/v0.10/endpoint/{endpoint_id}/role/{role_id}";
  return {
      rules(Method::kGet, "/v0.10/endpoint/{endpoint_id}/access_list", "Its access rules.",
            list_rules),
      rules(Method::kPost, kRules, "Grants rights on a directory.", create_rule),
      rules(Method::kGet, kRule, "One access rule.", show_rule),
      rules(Method::kPut, kRule, "Changes it.", update_rule),
      rules(Method::kDelete, kRule, "Takes it away.", remove_rule),
      roles(Method::kGet, "/v0.10/endpoint/{endpoint_id}/role_list", "Its roles.", list_roles),
      roles(Method::kPost, kRoles, "Gives somebody a role.", create_role),
      roles(Method::kGet, kRole, "One role.", show_role),
      roles(Method::kDelete, kRole, "Takes it away.", remove_role),
      transfer_route({Method::kPost, "/v0.10/shared_endpoint",
                      "Makes a guest collection of a directory of an endpoint.",
                      Situation::kGeneral, Work::kStorage},
                     [parts](const Call& call) { return create_share(parts, call); }),
      endpoint_route(parts,
                     {Method::kGet, "/v0.10/endpoint/{endpoint_id}/my_shared_endpoint_list",
                      "The caller's guest collections on it."},
                     [parts](const Call& call, const Endpoint& endpoint) {
                       return list_my_shares(parts, call, endpoint);
                     }),
      route({Method::kGet, "/v0.10/endpoint/{endpoint_id}/shared_endpoint_list",
             "All guest collections on it."},
            Role::Kind::kActivityMonitor, list_shares),
  };
}

}  // namespace wherry::server
