// SPDX-License-Identifier: Apache-2.0
// Scopes: what a token allows, in the grammar of Globus Auth:
//   list := scope {" " scope}     scope := ["*"] name ["[" list "]"]
// A scope in brackets is what the service of the outer one may do for its caller; '*' marks one
// that can be revoked by itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wherry::server {

struct Scope {
  std::string name;
  bool is_optional = false;
  std::vector<Scope> dependents = {};
  friend bool operator==(const Scope&, const Scope&) = default;
};

inline constexpr std::string_view kOpenId = "openid";
inline constexpr std::string_view kAuthServer = "auth.globus.org";
// Of the routes below /v1, which are not of Globus: sites, apps, jobs.
inline constexpr std::string_view kJobScope = "urn:wherry:scope:jobs:all";
inline constexpr std::string_view kJobServer = "jobs.wherry";

// kInvalid for an empty list, unbalanced brackets, names with strange characters, more than 8
// levels or 16 KiB. Scopes of the same name become one that has the dependents of both.
Result<std::vector<Scope>> parse_scopes(std::string_view text);
// The same list as text; parse_scopes() gives it back.
std::string format_scopes(const std::vector<Scope>& scopes);
// Names at the top level, blanks between: what token documents show.
std::string top_level_names(const std::vector<Scope>& scopes);
// For Caller::scopes: each name, and each dependent one as "parent[dependent]".
std::vector<std::string> flatten_scopes(const std::vector<Scope>& scopes);

// Which service a scope of that name is for, e.g. "transfer.api.globus.org"; kInvalid if none.
Result<std::string> resource_server_of(std::string_view name);

}  // namespace wherry::server
