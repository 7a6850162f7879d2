// SPDX-License-Identifier: Apache-2.0
// Whether what is to be deleted is proven elsewhere: `cleanup: verified` of flow files.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "tasks/transfer_service.h"

namespace wherry::flow {

struct ProofOf {
  std::string endpoint;  // name or id
  std::string path;
};

// Success if every file there has been copied by one of these transfer tasks, verified by checksum,
// and was not changed since. kConflict names the first one that was not; nothing there is success:
// the deletion will say so. Looks at each file once, and at the lists of the tasks.
Result<void> check_proof(tasks::TransferService& service, const ProofOf& place,
                         std::span<const tasks::TaskId> transfers);

}  // namespace wherry::flow
