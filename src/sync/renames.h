// SPDX-License-Identifier: Apache-2.0
// Recognises what was renamed or moved at the source, so that the target renames instead of
// receiving the bytes again. A directory is the same if its inode is and at least half of the old
// children are in it under the same name and inode; a file, if inode, size and mtime are. Each is
// verified at the target before it is believed: the old path holds what it should, the new one is
// free. What is not recognised is copied and removed, which is always right.
#pragma once

#include <memory>

#include "sync/plan.h"

namespace wherry::sync {

// Directories first: the entries below a renamed one are compared anew with what the catalog has
// under the old path. Answers the journal with the renames and their decisions in it.
Result<std::unique_ptr<Journal>> find_renames(const PlanRequest& request, JournalWriter& writer);

}  // namespace wherry::sync
