// SPDX-License-Identifier: Apache-2.0
// The routes of the Transfer API, by concern. What `parts` names outlives them; they are safe for
// concurrent calls.
#pragma once

#include <vector>

#include "server/route_tools.h"

namespace wherry::server {

// submission_id, transfer, delete; task_list, and of a task: look, change, cancel, events,
// outcomes.
std::vector<Route> task_routes(const TransferParts& parts);
// Operations on the files of an endpoint: ls, stat, mkdir, rename, symlink.
std::vector<Route> file_routes(const TransferParts& parts);
// Endpoints: look, search, make, change, remove.
std::vector<Route> endpoint_routes(const TransferParts& parts);

// The document of an endpoint as the caller sees it.
Result<boost::json::object> endpoint_view(const TransferParts& parts, const Caller& caller,
                                          const endpoints::Endpoint& endpoint);

}  // namespace wherry::server
