// SPDX-License-Identifier: Apache-2.0
// A storage as far as somebody may use it. A rule is about a directory, and what is in it may be a
// symlink that somebody put there: so every call goes to a storage that is confined to the very
// directory that a rule grants, and which the kernel lets nothing leave.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "endpoints/grants.h"
#include "storage/storage.h"

namespace wherry::endpoints {

// Asked at every call that names a path; safe for concurrent calls.
using GrantsNow = std::function<Result<std::shared_ptr<const Grants>>()>;

struct Confinement {
  std::shared_ptr<storage::Storage> base;  // of the endpoint; of a guest collection, of its host
  RelPath root;                            // of a guest collection in its host
  GrantsNow grants;
};

// What is not granted, or not any more, is kDenied, whether it exists or not; what has been begun
// with leave may be finished: a temporary is committed under its name or leaves no trace. A symlink
// that leads out of the granted directory is refused, also when it leads into another one. The
// directory of a rule can be made where it is missing, and cannot be removed or renamed. A rename
// stays within what one rule grants.
std::shared_ptr<storage::Storage> make_confined(Confinement confinement);

}  // namespace wherry::endpoints
