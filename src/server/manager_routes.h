// SPDX-License-Identifier: Apache-2.0
// What those who look after an endpoint see of it, and do with the tasks of others there.
#pragma once

#include <vector>

#include "server/admin_cancels.h"
#include "server/route_tools.h"

namespace wherry::server {

// What is given outlives the routes, which are safe for concurrent calls.
std::vector<Route> manager_routes(const TransferParts& parts, AdminCancels& cancels);

}  // namespace wherry::server
