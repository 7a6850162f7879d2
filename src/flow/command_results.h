// SPDX-License-Identifier: Apache-2.0
// What later tasks may ask of one that is done.
#pragma once

#include "base/result.h"
#include "flow/data_tasks.h"
#include "flow/executor.h"
#include "flow/request.h"
#include "flow/store.h"

namespace wherry::flow {

// Reads what the command wrote: its standard output, if it is short, and the "name=value" lines of
// its outputs file. An error if it exited with another code than 0 (with its last words), or did
// not write all that it was to.
Result<Results> command_results(const CommandRequest& request, const CommandEnd& end);

Results data_results(const Request& request, const Done& done);

}  // namespace wherry::flow
