// SPDX-License-Identifier: Apache-2.0
// The routes of who may do what: access rules, roles and guest collections. Rules are for their
// managers, roles for administrators; to a stranger the endpoint itself does not exist.
#pragma once

#include <vector>

#include "server/route_tools.h"

namespace wherry::server {

// What `parts` names outlives the routes. Safe for concurrent calls.
std::vector<Route> access_routes(const TransferParts& parts);

}  // namespace wherry::server
