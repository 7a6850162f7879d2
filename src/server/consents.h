// SPDX-License-Identifier: Apache-2.0
// Consents: what an identity has agreed that a client may do, and the services behind it. They
// follow from the tokens that are good, whichever of them is shown: a consent begins with a login
// or a token that asks for it, and ends with the last token that has it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "server/caller.h"

namespace wherry::server {

struct Consent {
  std::uint64_t id = 0;  // the same whenever it is asked for; exact in a double
  std::string client;    // that the whole tree of consents is for
  std::string scope;
  std::vector<std::uint64_t> path;  // ids from the top of the tree to this one
  bool is_optional = false;         // it can be revoked by itself
  bool allows_refresh = false;
  TimePoint created{};
  TimePoint updated{};
  TimePoint last_used{};
};

// Safe for concurrent calls.
class Consents {
 public:
  // Both outlive this object.
  Consents(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  // Of all clients, each tree from its top.
  Result<std::vector<Consent>> of(const std::string& identity);
  // Whether the service of `scope` may use `dependent` for the caller.
  Result<bool> covers(const Caller& caller, std::string_view scope, std::string_view dependent);

 private:
  Database& database_;
  Clock& clock_;
};

}  // namespace wherry::server
