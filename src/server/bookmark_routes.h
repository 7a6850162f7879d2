// SPDX-License-Identifier: Apache-2.0
// The routes of bookmarks.
#pragma once

#include <vector>

#include "endpoints/bookmarks.h"
#include "server/route_tools.h"

namespace wherry::server {

// What is given outlives the routes, which are safe for concurrent calls.
std::vector<Route> bookmark_routes(const TransferParts& parts, endpoints::Bookmarks& bookmarks);

}  // namespace wherry::server
