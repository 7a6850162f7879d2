// SPDX-License-Identifier: Apache-2.0
// The routes of the Transfer API, by concern. What `parts` names outlives them; they are safe for
// concurrent calls.
#pragma once

#include <optional>
#include <vector>

#include "endpoints/pause_rules.h"
#include "server/route_tools.h"

namespace wherry::server {

// submission_id, transfer, delete; task_list, and of a task: look, change, cancel, events,
// outcomes.
std::vector<Route> task_routes(const TransferParts& parts);
// Operations on the files of an endpoint: ls, stat, mkdir, rename, symlink.
std::vector<Route> file_routes(const TransferParts& parts);
// Endpoints: look, search, make, change, remove.
std::vector<Route> endpoint_routes(const TransferParts& parts);
// Pause rules, and what they hold back.
std::vector<Route> pause_routes(const TransferParts& parts);
// Activation, of which there is none.
std::vector<Route> activation_routes(const TransferParts& parts);

// ---- what routes answer of a thing, whoever may ask

boost::json::object shown_task(const TransferParts& parts, const tasks::Task& task);
Result<Response> task_events_answer(const TransferParts& parts, const Call& call,
                                    const tasks::Task& task);
Result<Response> task_successes_answer(const TransferParts& parts, const Call& call,
                                       const tasks::Task& task);
Result<Response> task_skipped_answer(const TransferParts& parts, const Call& call,
                                     const tasks::Task& task);
Result<Response> pause_info_answer(const TransferParts& parts, const Call& call,
                                   const tasks::Task& task);
// The answer if a pause rule holds the caller back.
std::optional<Response> refused_by_pause(const TransferParts& parts, const Call& call,
                                         const endpoints::Endpoint& endpoint,
                                         endpoints::Pausable what);

// The document of an endpoint as the caller sees it.
Result<boost::json::object> endpoint_view(const TransferParts& parts, const Caller& caller,
                                          const endpoints::Endpoint& endpoint);

}  // namespace wherry::server
