// SPDX-License-Identifier: Apache-2.0
// Whether who submits a request may have each of its items done. What rules say later is checked
// again by the run, file by file (endpoints/confined.h).
#pragma once

#include "base/result.h"
#include "endpoints/permissions.h"
#include "tasks/types.h"

namespace wherry::tasks {

// kNotFound for an endpoint that does not exist for the owner, in the words of one that does not
// exist at all; kDenied names the first item that is not granted. Sources need the right to read,
// targets and what is deleted the right to write. Local users are not asked.
Result<void> check_access(const TransferRequest& request, endpoints::Endpoints& endpoints,
                          endpoints::Permissions& permissions);
Result<void> check_access(const DeleteRequest& request, endpoints::Endpoints& endpoints,
                          endpoints::Permissions& permissions);

}  // namespace wherry::tasks
