// SPDX-License-Identifier: Apache-2.0
// From the codes of the contract to our error codes: for those who tell the trouble of a task on.
#pragma once

#include "base/result.h"
#include "tasks/types.h"

namespace wherry::tasks {

// Its message is the description, followed by the code of the contract where that says more.
Error to_error(const TaskError& error);

}  // namespace wherry::tasks
