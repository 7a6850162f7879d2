// SPDX-License-Identifier: Apache-2.0
// Services retry what will never work until the deadline, a day or more later: a target that may
// not be written to, say. The events of a task tell; then it is cancelled, so that the pass can
// confirm what has arrived, set the bad file aside, and send the rest again.
#pragma once

#include <span>

#include "tasks/transfer_service.h"

namespace wherry::sync {

// Whether an event tells of trouble that passes only when somebody acts: a missing file, a refused
// permission, a full disk or quota, the wrong type of file.
bool is_hopeless(const tasks::Event& event);

// Cancels the task if it is in trouble and its latest events are hopeless. One that has ended
// meanwhile is fine.
Result<void> end_if_hopeless(tasks::TransferService& service, const tasks::TaskId& id);

}  // namespace wherry::sync
