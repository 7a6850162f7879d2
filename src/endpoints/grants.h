// SPDX-License-Identifier: Apache-2.0
// What one principal may do at one endpoint, decided from plain data: no database, no clock.
// permissions.h keeps the roles and rules and makes Grants of them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "base/result.h"
#include "base/types.h"
#include "endpoints/endpoint.h"

namespace wherry::endpoints {

// Who asks. An identity that is no UUID is the name of a local user: somebody who can open the
// state directory, and so can do everything with it anyway.
struct Principal {
  std::string identity;             // a UUID in lower case, or the name of a local user
  std::vector<std::string> groups;  // UUIDs in lower case
};
bool is_local_user(const Principal& who);

enum class Right { kRead, kWrite };

// Grants rights on one directory and everything below it.
struct AccessRule {
  std::string id;  // a UUID
  EndpointId endpoint;
  enum class Whom { kIdentity, kGroup, kAllAuthenticated, kAnonymous } whom = Whom::kIdentity;
  std::string principal;  // UUID of the identity or group; empty for the others
  RelPath path;           // a directory; the root for everything
  Access access = Access::kRead;
  TimePoint created;
  std::optional<TimePoint> expires;

  friend bool operator==(const AccessRule&, const AccessRule&) = default;
};

// What somebody may do with the endpoint itself.
struct Role {
  std::string id;  // a UUID
  EndpointId endpoint;
  enum class Whom { kIdentity, kGroup } whom = Whom::kIdentity;
  std::string principal;  // a UUID
  enum class Kind {
    kAdministrator,    // everything that the owner may
    kAccessManager,    // sees and changes access rules
    kActivityManager,  // sees the endpoint's tasks, pauses and cancels them
    kActivityMonitor,  // sees the endpoint's tasks
  } kind = Kind::kAdministrator;

  friend bool operator==(const Role&, const Role&) = default;
};

// The contract's words: "identity", "all_authenticated_users", "access_manager", ….
std::string_view to_string(AccessRule::Whom whom);
std::string_view to_string(Role::Whom whom);
std::string_view to_string(Role::Kind kind);
std::optional<AccessRule::Whom> parse_rule_whom(std::string_view text);
std::optional<Role::Whom> parse_role_whom(std::string_view text);
std::optional<Role::Kind> parse_role_kind(std::string_view text);

// An immutable value, as things stood when it was made.
//
// The owner, an administrator and a local user may do everything that the endpoint allows: one that
// is read-only is so for all. Others may do what rules grant: a rule is of its directory and all
// below it, never of what is above; to list a directory of which only a part is granted is refused,
// as Globus does. Several rules add up.
//
// A guest collection gives nobody more than its owner has, now, at its place in the host endpoint.
class Grants {
 public:
  struct Parts {
    Endpoint endpoint;
    Principal who;
    std::vector<Role> roles;        // of the endpoint; of others than `who` too
    std::vector<AccessRule> rules;  // likewise
    TimePoint now;                  // rules that have expired by then grant nothing
    // Of a guest collection: what its owner may do at the host endpoint.
    std::shared_ptr<const Grants> host;
  };
  explicit Grants(const Parts& parts);

  // Whether the endpoint exists for the principal at all: it is public, or theirs, or they are
  // named in a role or rule. The built-in endpoint exists for local users only.
  bool is_visible() const { return visible_; }
  // Owner, administrator or local user: no rule is asked.
  bool is_administrator() const { return administrator_; }
  // Whether the principal holds `kind` or a role that includes it.
  bool has_role(Role::Kind kind) const;
  // An owner is administrator. Sorted, without doubles.
  const std::vector<Role::Kind>& roles() const { return roles_; }
  // Whether rules grant anything at all.
  bool is_shared() const { return !directories_.empty(); }

  // kNotFound if the endpoint is not visible; kDenied says what is missing.
  Result<void> check(const RelPath& path, Right right) const;
  // The highest directory at or above `path` on which `right` is granted: from there nothing leads
  // out that is not granted too. Nothing if `path` is not granted.
  std::optional<RelPath> granted_directory(const RelPath& path, Right right) const;

  // Of a guest collection: the directory of the host that its owner is granted there, likewise.
  std::optional<RelPath> granted_at_host(const RelPath& path, Right right) const;

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  Error denied(const RelPath& path, Right right) const;

  Endpoint endpoint_;
  bool local_user_ = false;
  bool visible_ = false;
  bool administrator_ = false;
  std::vector<Role::Kind> roles_;
  std::map<std::string, Access, std::less<>> directories_;  // the most that a rule grants on each
  std::shared_ptr<const Grants> host_;
};

}  // namespace wherry::endpoints
