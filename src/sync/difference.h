// SPDX-License-Identifier: Apache-2.0
// How a name that the catalog knows differs from what the source has under it.
#pragma once

#include <optional>

#include "catalog/reader.h"
#include "sync/journal.h"

namespace wherry::sync {

// Keeps the name alone, because the target may not have it any more: it differs from whatever the
// source has.
void disbelieve(catalog::Entry& entry);

// Nothing if it is the same.
std::optional<EntryState> difference(const catalog::Entry& before, const catalog::Entry& now);

}  // namespace wherry::sync
