// SPDX-License-Identifier: Apache-2.0
// Paths as users of flows write them, and which of them may be removed.
#pragma once

#include <string>

#include "base/path.h"
#include "base/result.h"
#include "endpoints/endpoint.h"

namespace wherry::flow {

// "/a/b", "a/b" and "a/b/" are from the endpoint's root; "~/b" and "/~/b" from its default
// directory. kInvalid for an empty path, which is a mistake more often than the root, and for "..".
Result<RelPath> read_path(const std::string& text, const endpoints::Endpoint& endpoint);

// The same, unless removing it would take everything with it: the endpoint's root, its default
// directory, or a directory above that.
Result<RelPath> read_removable_path(const std::string& text, const endpoints::Endpoint& endpoint);

}  // namespace wherry::flow
