// SPDX-License-Identifier: Apache-2.0
// The routes of Globus Auth: tokens, identities, clients, OpenID Connect.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "server/http.h"
#include "server/identities.h"
#include "server/signing_key.h"
#include "server/tokens.h"

namespace wherry::server {

struct AuthParts {
  Identities& identities;
  Tokens& tokens;
  const SigningKey& key;
  Clock& clock;
  Random& random;
};

// `run` reads the database and hashes passwords: it blocks, and never belongs on an I/O thread. It
// checks the caller itself, since these routes know clients, forms and pages beside bearer tokens.
struct AuthRoute {
  Method method;
  std::string_view pattern;  // "{id}" stands for one component of the path
  std::string_view doc;
  std::function<Response(const Request&)> run;
};

// What `parts` names outlives the routes, which are safe for concurrent calls.
std::vector<AuthRoute> auth_routes(const AuthParts& parts);

}  // namespace wherry::server
