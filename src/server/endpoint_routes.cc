// SPDX-License-Identifier: Apache-2.0
// Endpoints as the service shows them.
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "api/json.h"
#include "api/paths.h"
#include "api/requests.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "server/transfer_routes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using endpoints::Endpoint;
using endpoints::EndpointId;
using endpoints::Role;

constexpr std::uint64_t kMostEndpoints = 100;  // on one page
constexpr std::uint64_t kMostFound = 1000;     // a search goes no further
constexpr std::size_t kRecentTasks = 100;

// As people know the owner; a local user's name, and the id of a removed one, stand for themselves.
std::string owner_string(Identities& identities, const std::string& owner) {
  if (!is_uuid(owner)) return owner;
  if (const auto user = identities.find_user(owner)) return user->username;
  if (const auto client = identities.find_client(owner)) return client->username();
  return owner;
}

Result<Response> show_endpoint(const TransferParts& parts, const Call& call,
                               const Endpoint& endpoint) {
  TRY_ASSIGN(json::object document, endpoint_view(parts, *call.caller, endpoint));
  api::keep_fields(document, api::parse_field_names(query_text(call, "fields")));
  return json_answer(document);
}

// ---- search

Result<std::set<EndpointId>> endpoints_of_tasks(const TransferParts& parts, const Call& call,
                                                bool only_active) {
  tasks::TaskFilter filter;
  filter.owner = call.caller->identity;
  if (only_active) filter.states = {tasks::TaskState::kActive};
  filter.limit = kRecentTasks;
  TRY_ASSIGN(const auto recent, parts.service.tasks(filter));
  std::set<EndpointId> ids;
  for (const tasks::Task& task : recent) {
    ids.insert(task.source_endpoint);
    ids.insert(task.target_endpoint);
  }
  return ids;
}

using Relations = endpoints::Permissions::Relations;

bool is_shared_with(const Relations& relations, const Endpoint& endpoint) {
  return std::binary_search(relations.shared.begin(), relations.shared.end(), endpoint.id);
}
bool is_administered(const Relations& relations, const Endpoint& endpoint) {
  const auto found = relations.roles.find(endpoint.id);
  return found != relations.roles.end() &&
         std::find(found->second.begin(), found->second.end(), Role::Kind::kAdministrator) !=
             found->second.end();
}

using Wanted = std::function<bool(const Endpoint&)>;

// What `filter_scope` lets pass of what is there for the caller.
Result<Wanted> scope_of(const TransferParts& parts, const Call& call) {
  const std::string scope = query_text(call, "filter_scope", "all");
  const std::string& self = call.caller->identity;
  const bool has_text = !query_text(call, "filter_fulltext").empty();
  if (scope == "all") {
    const bool is_narrow = has_text || !query_text(call, "filter_owner_id").empty() ||
                           !query_text(call, "filter_host_endpoint").empty();
    if (!is_narrow) {
      return make_error(Code::kInvalid,
                        "a search with the scope 'all' needs filter_fulltext; the scope "
                        "'my-endpoints' finds your own without it");
    }
    return Wanted([](const Endpoint&) { return true; });
  }
  if (scope == "hide-no-permissions") return Wanted([](const Endpoint&) { return true; });
  if (scope == "my-endpoints" || scope == "my-gcp-endpoints")
    return Wanted([self](const Endpoint& endpoint) { return endpoint.owner == self; });
  if (scope == "shared-by-me") {
    return Wanted([self](const Endpoint& endpoint) {
      return endpoint.owner == self && !endpoint.host_endpoint.empty();
    });
  }
  if (scope == "shared-with-me" || scope == "administered-by-me") {
    TRY_ASSIGN(auto relations, parts.permissions.relations(principal_of(*call.caller)));
    return Wanted([self, relations = std::move(relations),
                   by_rule = scope == "shared-with-me"](const Endpoint& endpoint) {
      return by_rule ? is_shared_with(relations, endpoint) && endpoint.owner != self
                     : is_administered(relations, endpoint) || endpoint.owner == self;
    });
  }
  if (scope == "recently-used" || scope == "in-use") {
    TRY_ASSIGN(auto ids, endpoints_of_tasks(parts, call, scope == "in-use"));
    return Wanted(
        [ids = std::move(ids)](const Endpoint& endpoint) { return ids.count(endpoint.id) > 0; });
  }
  return make_error(Code::kInvalid,
                    "filter_scope is '{}'; it takes all, my-endpoints, my-gcp-endpoints, "
                    "administered-by-me, recently-used, in-use, shared-by-me, shared-with-me or "
                    "hide-no-permissions",
                    api::json_text(scope));
}

// By the kind of collection, and whether it works: all of ours do.
Result<Wanted> kind_of(const Call& call) {
  const std::string types = query_text(call, "filter_entity_type");
  TRY_ASSIGN(const bool only_broken, query_flag(call, "filter_non_functional", false));
  return Wanted([types, only_broken](const Endpoint& endpoint) {
    const std::string type(api::entity_type(endpoint));
    const bool is_type = types.empty() || ("," + types + ",").find("," + type + ",") != types.npos;
    return is_type && !only_broken;
  });
}

constexpr api::Field kOrderFields[] = {{"display_name", api::FieldKind::kText},
                                       {"id", api::FieldKind::kId},
                                       {"owner_id", api::FieldKind::kId}};

api::Row row_of(const Endpoint& endpoint) {
  return [&endpoint](std::string_view field) -> api::FieldValue {
    if (field == "id") return endpoint.id;
    if (field == "owner_id") return endpoint.owner;
    return endpoint.display_name;
  };
}

// What is found comes in the order of its names.
Result<void> sort_found(const Call& call, std::vector<Endpoint>& found) {
  TRY_ASSIGN(const auto order, api::parse_order(query_text(call, "orderby"), kOrderFields));
  if (order.empty()) return {};
  std::stable_sort(found.begin(), found.end(), [&order](const Endpoint& a, const Endpoint& b) {
    return api::comes_before(order, row_of(a), row_of(b));
  });
  return {};
}

Result<Response> search(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const Wanted is_wanted, scope_of(parts, call));
  TRY_ASSIGN(const Wanted is_of_kind, kind_of(call));
  TRY_ASSIGN(const Window window, window_of(call, kMostEndpoints, kMostEndpoints));
  const std::string owner = query_text(call, "filter_owner_id");
  TRY_ASSIGN(std::vector<Endpoint> found,
             parts.endpoints.search(query_text(call, "filter_fulltext"), SIZE_MAX, 0));
  TRY_ASSIGN(found, parts.permissions.visible(principal_of(*call.caller), std::move(found)));
  const std::string host = query_text(call, "filter_host_endpoint");
  std::erase_if(found, [&](const Endpoint& endpoint) {
    return !is_wanted(endpoint) || !is_of_kind(endpoint) ||
           (!owner.empty() && endpoint.owner != owner) ||
           (!host.empty() && endpoint.host_endpoint != host);
  });
  TRY(sort_found(call, found));
  if (found.size() > kMostFound) found.resize(kMostFound);
  const std::uint64_t total = found.size();
  json::array data;
  for (const Endpoint& endpoint : cut(std::move(found), window)) {
    TRY_ASSIGN(json::object document, endpoint_view(parts, *call.caller, endpoint));
    document["_rank"] = 1.0;
    data.push_back(std::move(document));
  }
  return json_answer(api::endpoint_list_document(std::move(data), window.limit, window.offset,
                                                 window.offset + window.limit < total));
}

// ---- change

Result<void> require_administrator(const TransferParts& parts, const Call& call,
                                   const Endpoint& endpoint) {
  TRY_ASSIGN(const auto grants, parts.permissions.grants(principal_of(*call.caller), endpoint));
  if (grants->is_administrator()) return {};
  return make_error(Code::kDenied, "only an administrator of '{}' may do this",
                    endpoint.display_name);
}

// A new directory for an endpoint. Where that would be, its log tells, and no answer.
Result<std::string> make_place(const TransferParts& parts) {
  std::string place = fmt::format("{}/{}", parts.endpoint_directory, new_uuid(parts.random));
  const auto made = make_directories(place, 0700);
  if (made) return place;
  log_warning("make an endpoint: {}", made.error().message);
  return Error{made.error().code, made.error().retry,
               "the service cannot make a directory for it: ask who runs it"};
}

// A client does not choose where on the service's host its endpoint is.
Result<Response> create_endpoint(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(api::EndpointCreation creation, api::read_endpoint_creation(body));
  if (parts.endpoint_directory.empty() || !creation.endpoint.location.empty()) {
    return make_error(Code::kDenied, "{}: ask who runs it for `wherry endpoint create`",
                      creation.endpoint.location.empty()
                          ? "this service makes no endpoints on request"
                          : "the place of an endpoint is chosen on the service's host");
  }
  creation.endpoint.is_public = creation.is_public;
  creation.endpoint.owner = call.caller->identity;
  TRY_ASSIGN(creation.endpoint.location, make_place(parts));
  const auto endpoint = parts.endpoints.create(creation.endpoint);
  if (!endpoint) {
    (void)::rmdir(creation.endpoint.location.c_str());  // nobody knows of it
    return endpoint.error();
  }
  return json_answer(
      api::endpoint_created_document(endpoint->id, "Endpoint created", context_of(call)), 201);
}

Result<Response> change_endpoint(const TransferParts& parts, const Call& call,
                                 const Endpoint& endpoint) {
  TRY(require_administrator(parts, call, endpoint));
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(const endpoints::EndpointChange wanted, api::read_endpoint_change(body));
  TRY(parts.endpoints.update(endpoint.id, wanted));
  return result_answer(call, "Updated", "Endpoint updated successfully");
}

Result<Response> remove_endpoint(const TransferParts& parts, const Call& call,
                                 const Endpoint& endpoint) {
  TRY(require_administrator(parts, call, endpoint));
  TRY(parts.endpoints.remove(endpoint.id));
  return result_answer(call, "Deleted", "Endpoint deleted successfully");
}

// ---- its servers: one, which is this service

Result<json::object> server_of(const TransferParts& parts, const Call& call,
                               const Endpoint& endpoint) {
  TRY_ASSIGN(const json::object document, endpoint_view(parts, *call.caller, endpoint));
  return document.at("DATA").as_array().front().as_object();
}

Result<Response> list_servers(const TransferParts& parts, const Call& call,
                              const Endpoint& endpoint) {
  TRY_ASSIGN(const json::object server, server_of(parts, call, endpoint));
  json::object document = api::whole_list("endpoint_server_list", json::array{server});
  document["endpoint"] = endpoint.id;
  return json_answer(document);
}

Result<Response> show_server(const TransferParts& parts, const Call& call,
                             const Endpoint& endpoint) {
  TRY_ASSIGN(const json::object server, server_of(parts, call, endpoint));
  if (call.parameter("server_id") == "1") return json_answer(server);
  return make_error(Code::kNotFound, "'{}' has one server, of the id 1", endpoint.display_name);
}

}  // namespace

Result<json::object> endpoint_view(const TransferParts& parts, const Caller& caller,
                                   const Endpoint& endpoint) {
  api::EndpointView view;
  view.owner_string = owner_string(parts.identities, endpoint.owner);
  TRY_ASSIGN(const auto roles, parts.permissions.effective_roles(principal_of(caller), endpoint));
  for (const Role::Kind role : roles) view.roles.emplace_back(to_string(role));
  view.is_public = endpoint.is_public;
  view.is_shareable = endpoint.host_endpoint.empty();
  view.has_access_rules = true;
  if (!endpoint.host_endpoint.empty()) {
    const auto host = parts.endpoints.get(endpoint.host_endpoint);
    view.host = api::EndpointView::Host{endpoint.host_endpoint, host ? host->display_name : "",
                                        api::directory_text(endpoint.host_path)};
  }
  return api::endpoint_document(endpoint, view);
}

std::vector<Route> endpoint_routes(const TransferParts& parts) {
  const auto of_endpoint = [&parts](const RouteHead& head, auto function) {
    return endpoint_route(parts, head,
                          [parts, function](const Call& call, const Endpoint& endpoint) {
                            return function(parts, call, endpoint);
                          });
  };
  const auto bound = [&parts](auto function) {
    return [parts, function](const Call& call) { return function(parts, call); };
  };
  return {
      transfer_route({Method::kGet, "/v0.10/endpoint_search", "Finds endpoints."}, bound(search)),
      transfer_route({Method::kPost, "/v0.10/endpoint", "Makes an endpoint."},
                     bound(create_endpoint)),
      of_endpoint({Method::kGet, "/v0.10/endpoint/{endpoint_id}", "One endpoint."}, show_endpoint),
      of_endpoint({Method::kPut, "/v0.10/endpoint/{endpoint_id}", "Changes it."}, change_endpoint),
      of_endpoint({Method::kDelete, "/v0.10/endpoint/{endpoint_id}", "Removes it; the files stay."},
                  remove_endpoint),
      of_endpoint({Method::kGet, "/v0.10/endpoint/{endpoint_id}/server_list", "Its servers."},
                  list_servers),
      of_endpoint(
          {Method::kGet, "/v0.10/endpoint/{endpoint_id}/server/{server_id}", "One of them."},
          show_server),
  };
}

}  // namespace wherry::server
