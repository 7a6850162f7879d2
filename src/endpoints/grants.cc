// SPDX-License-Identifier: Apache-2.0
#include "endpoints/grants.h"

#include <algorithm>
#include <array>

#include "base/random.h"

namespace wherry::endpoints {
namespace {

using RoleKind = Role::Kind;

constexpr std::array kRuleWhoms = {AccessRule::Whom::kIdentity, AccessRule::Whom::kGroup,
                                   AccessRule::Whom::kAllAuthenticated,
                                   AccessRule::Whom::kAnonymous};
constexpr std::array kRoleWhoms = {Role::Whom::kIdentity, Role::Whom::kGroup};
constexpr std::array kRoleKinds = {RoleKind::kAdministrator, RoleKind::kAccessManager,
                                   RoleKind::kActivityManager, RoleKind::kActivityMonitor};

template <class All>
auto parse(const All& all, std::string_view text) -> std::optional<typename All::value_type> {
  for (const auto value : all) {
    if (to_string(value) == text) return value;
  }
  return std::nullopt;
}

bool is_member(const Principal& who, std::string_view group) {
  return std::find(who.groups.begin(), who.groups.end(), group) != who.groups.end();
}

bool concerns(const AccessRule& rule, const Principal& who) {
  switch (rule.whom) {
    case AccessRule::Whom::kIdentity:
      return rule.principal == who.identity;
    case AccessRule::Whom::kGroup:
      return is_member(who, rule.principal);
    case AccessRule::Whom::kAllAuthenticated:
    case AccessRule::Whom::kAnonymous:  // who has said who they are is not worse off
      return true;
  }
  return false;
}

bool concerns(const Role& role, const Principal& who) {
  return role.whom == Role::Whom::kIdentity ? role.principal == who.identity
                                            : is_member(who, role.principal);
}

}  // namespace

std::string_view to_string(AccessRule::Whom whom) {
  switch (whom) {
    case AccessRule::Whom::kIdentity:
      return "identity";
    case AccessRule::Whom::kGroup:
      return "group";
    case AccessRule::Whom::kAllAuthenticated:
      return "all_authenticated_users";
    case AccessRule::Whom::kAnonymous:
      return "anonymous";
  }
  return "?";
}

std::string_view to_string(Role::Whom whom) {
  return whom == Role::Whom::kIdentity ? "identity" : "group";
}

std::string_view to_string(Role::Kind kind) {
  switch (kind) {
    case RoleKind::kAdministrator:
      return "administrator";
    case RoleKind::kAccessManager:
      return "access_manager";
    case RoleKind::kActivityManager:
      return "activity_manager";
    case RoleKind::kActivityMonitor:
      return "activity_monitor";
  }
  return "?";
}

std::optional<AccessRule::Whom> parse_rule_whom(std::string_view text) {
  return parse(kRuleWhoms, text);
}
std::optional<Role::Whom> parse_role_whom(std::string_view text) { return parse(kRoleWhoms, text); }
std::optional<Role::Kind> parse_role_kind(std::string_view text) { return parse(kRoleKinds, text); }

bool is_local_user(const Principal& who) { return !is_uuid(who.identity); }

Grants::Grants(const Parts& parts)
    : endpoint_(parts.endpoint), local_user_(is_local_user(parts.who)), host_(parts.host) {
  if (local_user_ || parts.endpoint.owner == parts.who.identity)
    roles_.push_back(RoleKind::kAdministrator);
  for (const Role& role : parts.roles) {
    if (concerns(role, parts.who)) roles_.push_back(role.kind);
  }
  std::sort(roles_.begin(), roles_.end());
  roles_.erase(std::unique(roles_.begin(), roles_.end()), roles_.end());
  administrator_ = !roles_.empty() && roles_.front() == RoleKind::kAdministrator;
  for (const AccessRule& rule : parts.rules) {
    if (!concerns(rule, parts.who) || (rule.expires && *rule.expires <= parts.now)) continue;
    Access& access = directories_.emplace(rule.path.text(), rule.access).first->second;
    access = std::max(access, rule.access);
  }
  const bool related = parts.endpoint.is_public || !roles_.empty() || !directories_.empty();
  visible_ = local_user_ || (related && parts.endpoint.id != kLocalId);
}

bool Grants::has_role(Role::Kind kind) const {
  const auto holds = [&](Role::Kind held) {
    return std::find(roles_.begin(), roles_.end(), held) != roles_.end();
  };
  return administrator_ || holds(kind) ||
         (kind == RoleKind::kActivityMonitor && holds(RoleKind::kActivityManager));
}

std::optional<RelPath> Grants::granted_directory(const RelPath& path, Right right) const {
  if (!visible_) return std::nullopt;
  if (right == Right::kWrite && endpoint_.access == Access::kRead) return std::nullopt;
  std::optional<RelPath> highest;
  if (administrator_) {
    highest = RelPath();
  } else {
    for (RelPath directory = path;; directory = directory.parent()) {
      const auto found = directories_.find(directory.text());
      if (found != directories_.end() &&
          (right == Right::kRead || found->second == Access::kReadWrite))
        highest = directory;
      if (directory.is_root()) break;
    }
  }
  if (!highest || !host_) return highest;
  // The owner's rights at the host may end below the collection's root.
  const auto above = granted_at_host(path, right);
  if (!above) return std::nullopt;
  const RelPath lower = endpoint_.host_path.join(*highest);
  return lower.is_within(*above) ? *highest : above->relative_to(endpoint_.host_path);
}

std::optional<RelPath> Grants::granted_at_host(const RelPath& path, Right right) const {
  if (!host_) return std::nullopt;
  return host_->granted_directory(endpoint_.host_path.join(path), right);
}

Result<void> Grants::check(const RelPath& path, Right right) const {
  if (!visible_) return make_error(Code::kNotFound, "no endpoint with the id '{}'", endpoint_.id);
  if (granted_directory(path, right)) return {};
  return denied(path, right);
}

Error Grants::denied(const RelPath& path, Right right) const {
  const std::string shown = '/' + escape_bytes(path.text());
  if (right == Right::kWrite && endpoint_.access == Access::kRead) {
    return make_error(Code::kDenied, "endpoint '{}' is read-only: '{}' cannot be written",
                      endpoint_.display_name, shown);
  }
  return make_error(Code::kDenied,
                    "no access rule of endpoint '{}' lets you {} '{}'; ask its owner for one",
                    endpoint_.display_name, right == Right::kRead ? "read" : "write", shown);
}

}  // namespace wherry::endpoints
