// SPDX-License-Identifier: Apache-2.0
// What events say of single files: services tell there what keeps a task from going on.
#pragma once

#include <span>
#include <vector>

#include "tasks/types.h"

namespace wherry::globus {

// The errors among `events` that name a path, one for each path (the newest), with the path as
// source and as target: which side it was, events do not say. An event names a path in its details,
// JSON with {"context":[{"path":"/x"}]} or {"path":"/x"}.
std::vector<tasks::ItemError> faults_in(std::span<const tasks::Event> events);

}  // namespace wherry::globus
