// SPDX-License-Identifier: Apache-2.0
// The pages of a login: a user proves who he is and agrees to what a client asks for, on one page,
// without script and without a session that could be stolen.
#pragma once

#include <string_view>
#include <vector>

#include "server/auth_routes.h"

namespace wherry::server {

// The same kind of table as auth_routes().
std::vector<AuthRoute> login_routes(const AuthParts& parts);

// Whether a code may be sent to `uri`: it is registered, character by character, or, for a client
// that runs on its user's machine, the page at `base_url` that shows codes, or a server of the
// user's own machine (any port of localhost).
bool is_redirect_allowed(const Client& client, std::string_view uri, std::string_view base_url);

}  // namespace wherry::server
