// SPDX-License-Identifier: Apache-2.0
// Who looks after an endpoint: its owner, and those with a role for it. A role at a host endpoint
// is one at the guest collections on it too.
#pragma once

#include <vector>

#include "endpoints/permissions.h"
#include "server/route_tools.h"

namespace wherry::server {

// Whether the caller has `kind` at the endpoint or its host, or a role that includes it.
Result<bool> looks_after(const TransferParts& parts, const Caller& caller,
                         const endpoints::Endpoint& endpoint, endpoints::Role::Kind kind);
// All endpoints of which looks_after() is true.
Result<std::vector<endpoints::Endpoint>> looked_after(const TransferParts& parts,
                                                      const Caller& caller,
                                                      endpoints::Role::Kind kind);

}  // namespace wherry::server
