// SPDX-License-Identifier: Apache-2.0
#include "server/consent_routes.h"

#include <boost/json.hpp>

#include "base/hash.h"
#include "base/units.h"
#include "server/error_document.h"
#include "server/forms.h"
#include "server/scopes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;

constexpr std::string_view kScopesOfAuth = "urn:globus:auth:scope:auth.globus.org:";

Response refused(const Request& request, Failure failure) {
  return auth_error(failure, request.request_id, request.path);
}

// A UUID for a scope: the service has no list of scopes that would give it one.
std::string scope_id(std::string_view scope) {
  const std::string hex = hash_bytes(HashAlgorithm::kSha256, scope);
  const std::string_view h = hex;
  return fmt::format("{}-{}-8{}-8{}-{}", h.substr(0, 8), h.substr(8, 4), h.substr(12, 3),
                     h.substr(15, 3), h.substr(18, 12));
}

json::object consent_document(const Consent& consent, const std::string& identity) {
  return {{"id", consent.id},
          {"client", consent.client},
          {"scope", scope_id(consent.scope)},
          {"scope_name", consent.scope},
          {"dependency_path", json::array(consent.path.begin(), consent.path.end())},
          {"status", "approved"},
          {"allows_refresh", consent.allows_refresh},
          {"auto_approved", false},
          {"atomically_revocable", consent.is_optional},
          {"effective_identity", identity},
          {"created", format_time(consent.created)},
          {"updated", format_time(consent.updated)},
          {"last_used", format_time(consent.last_used)}};
}

bool is_asked_for_all(const Request& request) {
  const std::string* all = request.query_value("all");
  return all != nullptr && (*all == "True" || *all == "true" || *all == "1");
}

bool has_scope_of_auth(const Caller& caller) {
  if (caller.has_scope(kOpenId)) return true;
  for (const char* name : {"view_identity_set", "view_identities", "view_consents"})
    if (caller.has_scope(std::string(kScopesOfAuth) + name)) return true;
  return false;
}

// "/v2/api/identities/<id>/consents". Of one's own only; those of other clients for who may.
Response list_consents(Authenticator& tokens, Consents& consents, const Request& request) {
  const auto token = bearer_token(request);
  const auto caller = token ? tokens.authenticate(*token)
                            : Result<Caller>(make_error(Code::kDenied, "no token was sent"));
  if (!caller && caller.error().code != Code::kDenied)
    return refused(request, {503, "SERVICE_UNAVAILABLE", "try again later"});
  if (!caller) return refused(request, {401, "UNAUTHORIZED", "Call must be authenticated"});
  const bool all = is_asked_for_all(request);
  const bool may_ask = all ? caller->has_scope(std::string(kScopesOfAuth) + "view_consents")
                           : has_scope_of_auth(*caller);
  if (!may_ask)
    return refused(request, {403, "FORBIDDEN", "the token lacks a scope to view consents"});
  const std::string_view path = request.path;
  const std::string_view above = path.substr(0, path.rfind('/'));
  if (above.substr(above.rfind('/') + 1) != caller->identity)
    return refused(request, {403, "FORBIDDEN", "those are the consents of somebody else"});
  const auto found = consents.of(caller->identity);
  if (!found) return refused(request, {503, "SERVICE_UNAVAILABLE", "try again later"});
  json::array documents;
  for (const Consent& consent : *found) {
    if (all || consent.client == caller->client)
      documents.push_back(consent_document(consent, caller->identity));
  }
  Response response;
  response.body = json::serialize(json::object{{"consents", std::move(documents)}});
  response.headers = {{"Cache-Control", "no-store"}, {"Pragma", "no-cache"}};
  return response;
}

}  // namespace

std::vector<AuthRoute> consent_routes(Authenticator& tokens, Consents& consents) {
  return {{Method::kGet, "/v2/api/identities/{id}/consents", "What its owner has consented to.",
           [&tokens, &consents](const Request& request) {
             return list_consents(tokens, consents, request);
           }}};
}

}  // namespace wherry::server
