// SPDX-License-Identifier: Apache-2.0
// What happens after a task was submitted: the command runs it here, with progress, or hands it to
// a process in the background.
#pragma once

#include "cli/command.h"
#include "tasks/types.h"

namespace wherry::cli {

// Runs the task in this process to its end, shows it, and answers the exit code: done 0, failed 1,
// interrupted 130. Complaints (what failed, what next) go to context.err().
Result<int> run_task_here(Context& context, const tasks::TaskId& id);

// Starts `wherry task resume ID` in a session of its own; what it says goes to
// STATE/logs/task-ID.log.
Result<void> run_task_detached(Context& context, const tasks::TaskId& id);

// What commands that submit do last: tells the task id, then one of the above.
enum class RunWhere { kHere, kDetached };
Result<int> follow_submitted(Context& context, const tasks::Submitted& submitted, RunWhere where);

}  // namespace wherry::cli
