// SPDX-License-Identifier: Apache-2.0
// What somebody has consented to, told to whom it concerns.
#pragma once

#include <vector>

#include "server/auth_routes.h"
#include "server/consents.h"

namespace wherry::server {

// What is named outlives the routes, which are safe for concurrent calls.
std::vector<AuthRoute> consent_routes(Authenticator& tokens, Consents& consents);

}  // namespace wherry::server
