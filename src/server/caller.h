// SPDX-License-Identifier: Apache-2.0
// Who asks: what a valid token says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace wherry::server {

struct Caller {
  std::string identity;             // the UUID of a user, or of a client that acts for itself
  std::string username;             // "ada@example.org", or "<client>@clients.auth.globus.org"
  std::string client;               // the UUID of the client that the token was issued to
  std::vector<std::string> scopes;  // top-level ones, and dependent ones as "parent[dependent]"
  std::vector<std::string> groups;  // UUIDs
  TimePoint expires = TimePoint::max();  // when the token does

  bool has_scope(std::string_view scope) const;
};

// What the routes ask for every request that needs a token.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // kDenied if the token is unknown, expired or revoked: the error says which. Safe for concurrent
  // calls; may read the database.
  virtual Result<Caller> authenticate(std::string_view token) = 0;
};

}  // namespace wherry::server
