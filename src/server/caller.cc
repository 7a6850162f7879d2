// SPDX-License-Identifier: Apache-2.0
#include "server/caller.h"

#include <algorithm>

namespace wherry::server {

bool Caller::has_scope(std::string_view scope) const {
  return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

}  // namespace wherry::server
