// SPDX-License-Identifier: Apache-2.0
#include "server/data_access.h"

#include <fmt/format.h>

#include <algorithm>

namespace wherry::server {

Result<std::vector<std::string>> missing_data_access(Consents& consents, const Caller& caller,
                                                     std::span<const endpoints::Endpoint> used) {
  std::vector<std::string> missing;
  for (const endpoints::Endpoint& endpoint : used) {
    if (!endpoint.requires_data_access) continue;
    const std::string dependent =
        fmt::format("https://auth.globus.org/scopes/{}/data_access", endpoint.id);
    TRY_ASSIGN(const bool is_covered, consents.covers(caller, kTransferScope, dependent));
    if (is_covered) continue;
    std::string scope = fmt::format("{}[*{}]", kTransferScope, dependent);
    if (std::find(missing.begin(), missing.end(), scope) == missing.end())
      missing.push_back(std::move(scope));
  }
  return missing;
}

Failure data_access_required(std::vector<std::string> scopes) {
  return {403, "ConsentRequired", "Missing required data_access consent", {}, std::move(scopes)};
}

}  // namespace wherry::server
