// SPDX-License-Identifier: Apache-2.0
#include "server/manager_tools.h"

namespace wherry::server {
namespace {

using endpoints::Endpoint;
using endpoints::Role;

constexpr std::size_t kPage = 1000;

}  // namespace

Result<bool> looks_after(const TransferParts& parts, const Caller& caller, const Endpoint& endpoint,
                         Role::Kind kind) {
  const endpoints::Principal who = principal_of(caller);
  TRY_ASSIGN(const auto grants, parts.permissions.grants(who, endpoint));
  if (grants->has_role(kind) || !endpoint.is_guest()) return grants->has_role(kind);
  const auto host = parts.endpoints.get(endpoint.host_endpoint);
  if (!host) return host.error().code == Code::kNotFound ? Result<bool>(false) : host.error();
  TRY_ASSIGN(const auto at_host, parts.permissions.grants(who, *host));
  return at_host->has_role(kind);
}

Result<std::vector<Endpoint>> looked_after(const TransferParts& parts, const Caller& caller,
                                           Role::Kind kind) {
  // Most endpoints are somebody else's: those are passed over without a look at their roles.
  TRY_ASSIGN(const auto relations, parts.permissions.relations(principal_of(caller)));
  const auto is_related = [&](const endpoints::EndpointId& id) {
    return relations.roles.count(id) != 0;
  };
  std::vector<Endpoint> found;
  std::vector<Endpoint> all;
  for (std::size_t offset = 0;; offset += kPage) {
    TRY_ASSIGN(auto page, parts.endpoints.search("", kPage, offset));
    const bool is_last = page.size() < kPage;
    for (Endpoint& endpoint : page) all.push_back(std::move(endpoint));
    if (is_last) break;
  }
  std::vector<endpoints::EndpointId> own;
  for (const Endpoint& endpoint : all) {
    if (endpoint.owner == caller.identity) own.push_back(endpoint.id);
  }
  for (Endpoint& endpoint : all) {
    const bool is_own_host = std::find(own.begin(), own.end(), endpoint.host_endpoint) != own.end();
    const bool is_candidate = endpoint.owner == caller.identity || is_own_host ||
                              is_related(endpoint.id) || is_related(endpoint.host_endpoint);
    if (!is_candidate) continue;
    TRY_ASSIGN(const bool is_looked_after, looks_after(parts, caller, endpoint, kind));
    if (is_looked_after) found.push_back(std::move(endpoint));
  }
  return found;
}

}  // namespace wherry::server
