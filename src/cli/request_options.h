// SPDX-License-Identifier: Apache-2.0
// What the commands that submit tasks (transfer, delete, rm) have in common.
#pragma once

#include <string>

#include "cli/command.h"
#include "cli/location.h"
#include "cli/run_task.h"
#include "tasks/types.h"

namespace wherry::cli {

// --label, --deadline, --submission-id, --notify, --detach, --dry-run.
std::vector<OptionSpec> request_options();

// Fills the fields that these options are about; asks for a submission id if none is given. Refuses
// a deadline that has passed and a label that is too long before anything is looked at.
template <class Request>
Result<void> fill_request(Context& context, const Arguments& arguments, Request& request);
extern template Result<void> fill_request(Context&, const Arguments&, tasks::TransferRequest&);
extern template Result<void> fill_request(Context&, const Arguments&, tasks::DeleteRequest&);

// Submits it. Where an answer can be lost, the error says how to go on without a second task.
template <class Request>
Result<tasks::Submitted> submit_request(Context& context, const Request& request);
extern template Result<tasks::Submitted> submit_request(Context&, const tasks::TransferRequest&);
extern template Result<tasks::Submitted> submit_request(Context&, const tasks::DeleteRequest&);

RunWhere where_to_run(const Arguments& arguments);

// "the file 'lab:/a' …": refuses the root, which no task deletes.
Result<void> refuse_root(const Place& place);

}  // namespace wherry::cli
