// SPDX-License-Identifier: Apache-2.0
// The transfer that a timer submits, with the rights of its owner.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>

#include "base/result.h"
#include "endpoints/endpoint.h"
#include "tasks/types.h"

namespace wherry::server {

// kNotFound unless the endpoint exists for `owner`.
using FindEndpoint = std::function<Result<endpoints::Endpoint>(const std::string& owner,
                                                               const endpoints::EndpointId& id)>;

// As if `owner` sent the document. Both endpoints exist for the owner.
Result<tasks::TransferRequest> timer_request(const boost::json::object& document,
                                             const std::string& owner,
                                             const FindEndpoint& find_endpoint);

}  // namespace wherry::server
