// SPDX-License-Identifier: Apache-2.0
// Activation of endpoints, which older clients still ask for: there is nothing to activate here.
#include <boost/json.hpp>

#include "server/transfer_routes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using endpoints::Endpoint;

Result<Response> activated(const Call& call, const Endpoint& endpoint) {
  json::object document =
      api::result_document("activation_result", "AlreadyActivated",
                           "The endpoint needs no activation.", context_of(call));
  document["endpoint"] = endpoint.id;
  document["expires_in"] = -1;
  for (const char* member : {"expire_time", "subject", "oauth_server"}) document[member] = nullptr;
  return json_answer(document);
}

Result<Response> requirements(const Call&, const Endpoint&) {
  return json_answer({{"DATA_TYPE", "activation_requirements"},
                      {"activated", true},
                      {"auto_activation_supported", true},
                      {"expires_in", -1},
                      {"expire_time", nullptr},
                      {"oauth_server", nullptr},
                      {"length", 0},
                      {"DATA", json::array()}});
}

Result<Response> deactivated(const Call& call, const Endpoint&) {
  return result_answer(call, "Deactivated", "The endpoint stays usable: it needs no activation.");
}

}  // namespace

std::vector<Route> activation_routes(const TransferParts& parts) {
  return {
      endpoint_route(parts,
                     {Method::kPost, "/v0.10/endpoint/{endpoint_id}/autoactivate",
                      "Says that there is nothing to activate."},
                     activated),
      endpoint_route(parts, {Method::kPost, "/v0.10/endpoint/{endpoint_id}/activate", "Likewise."},
                     activated),
      endpoint_route(parts,
                     {Method::kPost, "/v0.10/endpoint/{endpoint_id}/deactivate", "Likewise."},
                     deactivated),
      endpoint_route(parts,
                     {Method::kGet, "/v0.10/endpoint/{endpoint_id}/activation_requirements",
                      "What an activation needs: nothing."},
                     requirements),
  };
}

}  // namespace wherry::server
