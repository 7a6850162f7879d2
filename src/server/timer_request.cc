// SPDX-License-Identifier: Apache-2.0
#include "server/timer_request.h"

#include <boost/json/object.hpp>

#include "api/requests.h"

namespace wherry::server {

Result<tasks::TransferRequest> timer_request(const boost::json::object& document,
                                             const std::string& owner,
                                             const FindEndpoint& find_endpoint) {
  const auto default_directory = [&](const endpoints::EndpointId& id) -> Result<std::string> {
    TRY_ASSIGN(const endpoints::Endpoint endpoint, find_endpoint(owner, id));
    return endpoint.default_directory;
  };
  TRY_ASSIGN(tasks::TransferRequest request, api::read_transfer(document, default_directory));
  request.owner = owner;
  for (const endpoints::EndpointId& id : {request.source_endpoint, request.target_endpoint})
    TRY(find_endpoint(owner, id));
  return request;
}

}  // namespace wherry::server
