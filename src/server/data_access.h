// SPDX-License-Identifier: Apache-2.0
// data_access: the consent that an endpoint may ask of everybody before they use its files.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "endpoints/endpoint.h"
#include "server/consents.h"
#include "server/error_document.h"

namespace wherry::server {

inline constexpr std::string_view kTransferScope =
    "urn:globus:auth:scope:transfer.api.globus.org:all";

// The scopes that the caller has yet to consent to for using `endpoints`, one for each.
Result<std::vector<std::string>> missing_data_access(Consents& consents, const Caller& caller,
                                                     std::span<const endpoints::Endpoint> used);
// 403 ConsentRequired.
Failure data_access_required(std::vector<std::string> scopes);

}  // namespace wherry::server
