// SPDX-License-Identifier: Apache-2.0
// Services retry what will never work until the deadline, a day or more later: a target that may
// not be written to, say. The events of a task tell; then it is cancelled, so that what has arrived
// can be confirmed, the bad file set aside, and the rest sent again.
#pragma once

#include <optional>
#include <string_view>

#include "tasks/transfer_service.h"

namespace wherry::tasks {

// Whether a code of the contract stands for what passes only when somebody acts: a missing file, a
// refused permission, a full disk or quota, the wrong type of file.
bool is_hopeless(std::string_view code);
// Whether an event tells of such trouble.
bool is_hopeless(const Event& event);

// Whether an active task says that it is in trouble now.
bool is_in_trouble(const Task& task);

// The trouble of an active task that is in some, if its latest events say that it is hopeless.
Result<std::optional<TaskError>> hopeless_trouble(TransferService& service, const Task& task);
// Cancels the task if it is in trouble and its latest events are hopeless; answers whether it did.
// One that has ended meanwhile is fine.
Result<bool> end_if_hopeless(TransferService& service, const Task& task);
Result<bool> end_if_hopeless(TransferService& service, const TaskId& id);

}  // namespace wherry::tasks
