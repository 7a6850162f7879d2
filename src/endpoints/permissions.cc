// SPDX-License-Identifier: Apache-2.0
#include "endpoints/permissions.h"

#include <soci/soci.h>

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "base/thread_annotations.h"
#include "endpoints/confined.h"

namespace wherry::endpoints {
namespace {

constexpr std::string_view kRuleColumns =
    "id, endpoint, whom, principal, path, writable, created, expires";
constexpr std::string_view kRoleColumns = "id, endpoint, whom, principal, kind";

// One row of either table, as the database holds it. Paths are escaped, as text is UTF-8 there.
struct RuleRow {
  std::string id, endpoint, whom, principal, path;
  int writable = 0;
  long long created = 0, expires = 0;  // 0: never
};
struct RoleRow {
  std::string id, endpoint, whom, principal, kind;
};

Result<AccessRule> to_rule(const RuleRow& row) {
  AccessRule rule;
  rule.id = row.id;
  rule.endpoint = row.endpoint;
  const auto whom = parse_rule_whom(row.whom);
  if (!whom) return make_error(Code::kCorrupt, "access rule {} is for '{}'", row.id, row.whom);
  rule.whom = *whom;
  rule.principal = row.principal;
  TRY_ASSIGN(const std::string path, unescape_bytes(row.path), "access rule {}", row.id);
  TRY_ASSIGN(rule.path, RelPath::parse(path), "access rule {}", row.id);
  rule.access = row.writable != 0 ? Access::kReadWrite : Access::kRead;
  rule.created = TimePoint(Duration(row.created));
  if (row.expires != 0) rule.expires = TimePoint(Duration(row.expires));
  return rule;
}

Result<Role> to_role(const RoleRow& row) {
  const auto whom = parse_role_whom(row.whom);
  const auto kind = parse_role_kind(row.kind);
  if (!whom || !kind)
    return make_error(Code::kCorrupt, "role {} is '{}' for '{}'", row.id, row.kind, row.whom);
  return Role{row.id, row.endpoint, *whom, row.principal, *kind};
}

long long stored_time(const std::optional<TimePoint>& time) {
  return time ? time->time_since_epoch().count() : 0;
}

soci::details::prepare_temp_type select_rules(soci::session& sql, std::string_view condition,
                                              RuleRow& row) {
  return (sql.prepare << "select " << kRuleColumns << " from access_rule " << condition,
          soci::into(row.id), soci::into(row.endpoint), soci::into(row.whom),
          soci::into(row.principal), soci::into(row.path), soci::into(row.writable),
          soci::into(row.created), soci::into(row.expires));
}

soci::details::prepare_temp_type select_roles(soci::session& sql, std::string_view condition,
                                              RoleRow& row) {
  return (sql.prepare << "select " << kRoleColumns << " from endpoint_role " << condition,
          soci::into(row.id), soci::into(row.endpoint), soci::into(row.whom),
          soci::into(row.principal), soci::into(row.kind));
}

template <class Row, class Convert>
auto fetch(soci::statement& statement, const Row& row, const Convert& convert)
    -> Result<std::vector<typename decltype(convert(row))::value_type>> {
  std::vector<typename decltype(convert(row))::value_type> found;
  statement.execute();
  while (statement.fetch()) {
    TRY_ASSIGN(auto value, convert(row));
    found.push_back(std::move(value));
  }
  return found;
}

Result<std::vector<AccessRule>> load_rules(soci::session& sql, const EndpointId& endpoint) {
  RuleRow row;
  soci::statement statement =
      (select_rules(sql, "where endpoint = :endpoint order by path, created, id", row),
       soci::use(endpoint));
  return fetch(statement, row, to_rule);
}

Result<std::vector<Role>> load_roles(soci::session& sql, const EndpointId& endpoint) {
  RoleRow row;
  soci::statement statement =
      (select_roles(sql, "where endpoint = :endpoint order by created, id", row),
       soci::use(endpoint));
  return fetch(statement, row, to_role);
}

Result<AccessRule> load_rule(soci::session& sql, const EndpointId& endpoint,
                             const std::string& id) {
  RuleRow row;
  soci::statement statement = (select_rules(sql, "where endpoint = :endpoint and id = :id", row),
                               soci::use(endpoint), soci::use(id));
  TRY_ASSIGN(const std::vector<AccessRule> found, fetch(statement, row, to_rule));
  if (found.empty()) return make_error(Code::kNotFound, "no access rule '{}'", escape_bytes(id));
  return found.front();
}

Result<Role> load_role(soci::session& sql, const EndpointId& endpoint, const std::string& id) {
  RoleRow row;
  soci::statement statement = (select_roles(sql, "where endpoint = :endpoint and id = :id", row),
                               soci::use(endpoint), soci::use(id));
  TRY_ASSIGN(const std::vector<Role> found, fetch(statement, row, to_role));
  if (found.empty()) return make_error(Code::kNotFound, "no role '{}'", escape_bytes(id));
  return found.front();
}

Result<void> check_principal(std::string& principal, bool is_named) {
  if (is_named && !is_uuid(principal)) {
    return make_error(Code::kInvalid,
                      "principal '{}' is not the id of an identity or group; give its UUID",
                      escape_bytes(principal));
  }
  if (!is_named && !principal.empty()) {
    return make_error(Code::kInvalid, "principal '{}' is given for everybody; leave it empty",
                      escape_bytes(principal));
  }
  principal = lower_case(principal);
  return {};
}

Result<void> check_expiry(const std::optional<TimePoint>& expires, TimePoint now) {
  if (!expires || *expires > now) return {};
  return make_error(Code::kInvalid, "expiration date is past: the rule would grant nothing");
}

Error no_rules_of_local() {
  return make_error(Code::kDenied,
                    "'{}' is the built-in endpoint of this machine, for its own users only; create "
                    "an endpoint with the directory that is to be shared",
                    kLocalName);
}

Result<void> insert_rule(soci::session& sql, const AccessRule& rule) {
  const std::string whom(to_string(rule.whom));
  const std::string path = escape_bytes(rule.path.text());
  int taken = 0;
  sql << "select count(*) from access_rule where endpoint = :endpoint and whom = :whom"
         " and principal = :principal and path = :path",
      soci::use(rule.endpoint), soci::use(whom), soci::use(rule.principal), soci::use(path),
      soci::into(taken);
  if (taken != 0) {
    return make_error(Code::kAlreadyExists,
                      "an access rule for the same principal and path '/{}' exists; update it",
                      path);
  }
  int count = 0;
  sql << "select count(*) from access_rule where endpoint = :endpoint", soci::use(rule.endpoint),
      soci::into(count);
  if (count >= Permissions::kMaxRules) {
    return make_error(Code::kConflict,
                      "the endpoint has {} access rules, the most that it can have", count);
  }
  const int writable = rule.access == Access::kReadWrite ? 1 : 0;
  const long long created = rule.created.time_since_epoch().count();
  const long long expires = stored_time(rule.expires);
  sql << "insert into access_rule (" << kRuleColumns
      << ") values (:id, :endpoint, :whom, :principal, :path, :writable, :created, :expires)",
      soci::use(rule.id), soci::use(rule.endpoint), soci::use(whom), soci::use(rule.principal),
      soci::use(path), soci::use(writable), soci::use(created), soci::use(expires);
  return {};
}

Result<void> insert_role(soci::session& sql, const Role& role, TimePoint now) {
  const std::string whom(to_string(role.whom));
  const std::string kind(to_string(role.kind));
  int taken = 0;
  sql << "select count(*) from endpoint_role where endpoint = :endpoint and whom = :whom"
         " and principal = :principal and kind = :kind",
      soci::use(role.endpoint), soci::use(whom), soci::use(role.principal), soci::use(kind),
      soci::into(taken);
  if (taken != 0) {
    return make_error(Code::kAlreadyExists, "{} '{}' is {} already", whom, role.principal, kind);
  }
  const long long created = now.time_since_epoch().count();
  sql << "insert into endpoint_role (" << kRoleColumns
      << ", created) values (:id, :endpoint, :whom, :principal, :kind, :created)",
      soci::use(role.id), soci::use(role.endpoint), soci::use(whom), soci::use(role.principal),
      soci::use(kind), soci::use(created);
  return {};
}

// The endpoint may have been removed since the caller looked at it.
Result<void> check_stored(soci::session& sql, const EndpointId& endpoint) {
  int count = 0;
  sql << "select count(*) from endpoint where id = :id", soci::use(endpoint), soci::into(count);
  if (count != 0) return {};
  return make_error(Code::kNotFound, "no endpoint with the id '{}'", endpoint);
}

bool is_among(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Endpoints with a rule for `who` or for everybody.
std::vector<EndpointId> shared_with(soci::session& sql, const Principal& who, TimePoint time) {
  const long long now = time.time_since_epoch().count();
  std::string endpoint, whom, principal;
  soci::statement statement =
      (sql.prepare << "select distinct endpoint, whom, principal from access_rule"
                      " where (expires = 0 or expires > :now) and (principal = :who or "
                      "whom <> 'identity') order by endpoint",
       soci::into(endpoint), soci::into(whom), soci::into(principal), soci::use(now),
       soci::use(who.identity));
  std::vector<EndpointId> shared;
  statement.execute();
  while (statement.fetch()) {
    if (whom == "group" && !is_among(who.groups, principal)) continue;
    if (shared.empty() || shared.back() != endpoint) shared.push_back(endpoint);
  }
  return shared;
}

Result<std::map<EndpointId, std::vector<Role::Kind>>> roles_of(soci::session& sql,
                                                               const Principal& who) {
  RoleRow row;
  soci::statement statement =
      (select_roles(sql, "where principal = :who or whom = 'group'", row), soci::use(who.identity));
  TRY_ASSIGN(const std::vector<Role> found, fetch(statement, row, to_role));
  std::map<EndpointId, std::vector<Role::Kind>> roles;
  for (const Role& role : found) {
    if (role.whom == Role::Whom::kGroup && !is_among(who.groups, role.principal)) continue;
    roles[role.endpoint].push_back(role.kind);
  }
  for (auto& [endpoint, kinds] : roles) {
    std::sort(kinds.begin(), kinds.end());
    kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
  }
  return roles;
}

// Grants that are at most a second old: a task of 100,000 files reads the rules as often as it has
// seconds, and yet notices what is taken away.
class LiveGrants {
 public:
  LiveGrants(Permissions& permissions, Endpoints& endpoints, Clock& clock, Principal who,
             EndpointId endpoint)
      : permissions_(permissions),
        endpoints_(endpoints),
        clock_(clock),
        who_(std::move(who)),
        endpoint_(std::move(endpoint)) {}

  Result<std::shared_ptr<const Grants>> now() {
    const std::lock_guard lock(mutex_);
    const Duration time = clock_.monotonic();
    if (grants_ && time - loaded_ < kMaxAge) return grants_;
    TRY_ASSIGN(const Endpoint endpoint, endpoints_.get(endpoint_));
    TRY_ASSIGN(grants_, permissions_.grants(who_, endpoint));
    loaded_ = time;
    return grants_;
  }

 private:
  static constexpr Duration kMaxAge = std::chrono::seconds(1);

  Permissions& permissions_;
  Endpoints& endpoints_;
  Clock& clock_;
  const Principal who_;
  const EndpointId endpoint_;
  std::mutex mutex_;
  std::shared_ptr<const Grants> grants_ GUARDED_BY(mutex_);
  Duration loaded_ GUARDED_BY(mutex_){0};
};

}  // namespace

Permissions::Permissions(Database& database, Endpoints& endpoints, Clock& clock, Random& random)
    : database_(database), endpoints_(endpoints), clock_(clock), random_(random) {}

// Deciding ----------------------------------------------------------------------------------------

Result<std::shared_ptr<const Grants>> Permissions::grants(const Principal& who,
                                                          const Endpoint& endpoint) {
  std::shared_ptr<const Grants> host;
  if (!endpoint.host_endpoint.empty()) {
    TRY_ASSIGN(const Endpoint above, endpoints_.get(endpoint.host_endpoint),
               "the host endpoint of '{}'", endpoint.display_name);
    // Without groups: nobody can tell later which ones the owner is in.
    TRY_ASSIGN(host, own_grants({endpoint.owner, {}}, above, nullptr));
  }
  return own_grants(who, endpoint, std::move(host));
}

Result<std::shared_ptr<const Grants>> Permissions::own_grants(const Principal& who,
                                                              const Endpoint& endpoint,
                                                              std::shared_ptr<const Grants> host) {
  Grants::Parts parts{endpoint, who, {}, {}, clock_.now(), std::move(host)};
  const bool asks_rules = !is_local_user(who) && endpoint.owner != who.identity;
  if (asks_rules) {
    const auto load = [&](soci::session& sql) -> Result<void> {
      TRY_ASSIGN(parts.roles, load_roles(sql, endpoint.id));
      TRY_ASSIGN(parts.rules, load_rules(sql, endpoint.id));
      return {};
    };
    TRY(database_.read(load), "access rules of endpoint '{}'", endpoint.display_name);
  }
  return std::shared_ptr<const Grants>(std::make_shared<Grants>(parts));
}

Result<bool> Permissions::is_visible(const Principal& who, const Endpoint& endpoint) {
  TRY_ASSIGN(const auto found, own_grants(who, endpoint, nullptr));
  return found->is_visible();
}

Result<void> Permissions::check(const Principal& who, const Endpoint& endpoint, const RelPath& path,
                                Right right) {
  TRY_ASSIGN(const auto found, grants(who, endpoint));
  return found->check(path, right);
}

Result<std::vector<Role::Kind>> Permissions::effective_roles(const Principal& who,
                                                             const Endpoint& endpoint) {
  TRY_ASSIGN(const auto found, own_grants(who, endpoint, nullptr));
  return found->roles();
}

Result<std::shared_ptr<storage::Storage>> Permissions::open(const Principal& who,
                                                            const Endpoint& endpoint,
                                                            std::stop_token stop) {
  // Of them nothing can be taken by any rule.
  const bool is_owner = endpoint.owner == who.identity && endpoint.access == Access::kReadWrite;
  if (!endpoint.is_guest() && (is_owner || is_local_user(who)))
    return endpoints_.open(endpoint, std::move(stop));
  Endpoint host = endpoint;
  if (endpoint.is_guest()) {
    TRY_ASSIGN(host, endpoints_.get(endpoint.host_endpoint), "host endpoint of '{}'",
               endpoint.display_name);
  }
  TRY_ASSIGN(auto base, endpoints_.open(host, std::move(stop)));
  const auto live = std::make_shared<LiveGrants>(*this, endpoints_, clock_, who, endpoint.id);
  return make_confined({std::move(base), endpoint.host_path, [live] { return live->now(); }});
}

Result<Endpoint> Permissions::create_guest(const NewEndpoint& request) {
  const Principal owner{request.owner, {}};
  TRY_ASSIGN(const Endpoint host, endpoints_.get(request.host_endpoint));
  TRY(check(owner, host, request.host_path, Right::kWrite));
  // Through what is granted, not only within the host: a symlink may lead elsewhere.
  TRY_ASSIGN(const auto storage, open(owner, host));
  TRY_ASSIGN(const storage::Entry entry,
             storage->stat(request.host_path, storage::Storage::Follow::kYes),
             "directory of the host endpoint '{}'", host.display_name);
  if (entry.attributes.type != EntryType::kDirectory) {
    return make_error(Code::kInvalid, "'/{}' is no directory of endpoint '{}'",
                      escape_bytes(request.host_path.text()), host.display_name);
  }
  return endpoints_.create(request);
}

Result<Permissions::Relations> Permissions::relations(const Principal& who) {
  const TimePoint now = clock_.now();
  return database_.read([&](soci::session& sql) -> Result<Relations> {
    Relations relations;
    TRY_ASSIGN(relations.roles, roles_of(sql, who));
    relations.shared = shared_with(sql, who, now);
    return relations;
  });
}

Result<std::vector<Endpoint>> Permissions::visible(const Principal& who,
                                                   std::vector<Endpoint> endpoints) {
  if (is_local_user(who)) return endpoints;
  TRY_ASSIGN(const Relations named, relations(who));
  std::erase_if(endpoints, [&](const Endpoint& endpoint) {
    if (endpoint.id == kLocalId) return true;
    return !endpoint.is_public && endpoint.owner != who.identity &&
           !named.roles.contains(endpoint.id) &&
           !std::binary_search(named.shared.begin(), named.shared.end(), endpoint.id);
  });
  return endpoints;
}

// Rules -------------------------------------------------------------------------------------------

Result<AccessRule> Permissions::create_rule(AccessRule rule) {
  if (rule.endpoint == kLocalId) return no_rules_of_local();
  const bool is_named =
      rule.whom == AccessRule::Whom::kIdentity || rule.whom == AccessRule::Whom::kGroup;
  TRY(check_principal(rule.principal, is_named));
  rule.created = clock_.now();
  TRY(check_expiry(rule.expires, rule.created));
  rule.id = new_uuid(random_);
  return database_.write([&](soci::session& sql) -> Result<AccessRule> {
    TRY(check_stored(sql, rule.endpoint));
    TRY(insert_rule(sql, rule));
    return rule;
  });
}

Result<std::vector<AccessRule>> Permissions::rules(const EndpointId& endpoint) {
  return database_.read([&](soci::session& sql) { return load_rules(sql, endpoint); });
}

Result<AccessRule> Permissions::rule(const EndpointId& endpoint, std::string_view id) {
  const std::string key = lower_case(id);
  return database_.read([&](soci::session& sql) { return load_rule(sql, endpoint, key); });
}

Result<AccessRule> Permissions::update_rule(const EndpointId& endpoint, std::string_view id,
                                            const AccessRuleChange& change) {
  if (change.expires) TRY(check_expiry(*change.expires, clock_.now()));
  const std::string key = lower_case(id);
  return database_.write([&](soci::session& sql) -> Result<AccessRule> {
    TRY_ASSIGN(AccessRule rule, load_rule(sql, endpoint, key));
    if (change.access) rule.access = *change.access;
    if (change.expires) rule.expires = *change.expires;
    const int writable = rule.access == Access::kReadWrite ? 1 : 0;
    const long long expires = stored_time(rule.expires);
    sql << "update access_rule set writable = :writable, expires = :expires where id = :id",
        soci::use(writable), soci::use(expires), soci::use(rule.id);
    return rule;
  });
}

Result<void> Permissions::remove_rule(const EndpointId& endpoint, std::string_view id) {
  const std::string key = lower_case(id);
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY(load_rule(sql, endpoint, key));
    sql << "delete from access_rule where id = :id", soci::use(key);
    return {};
  });
}

// Roles -------------------------------------------------------------------------------------------

Result<Role> Permissions::create_role(Role role) {
  if (role.endpoint == kLocalId) return no_rules_of_local();
  TRY(check_principal(role.principal, true));
  role.id = new_uuid(random_);
  return database_.write([&](soci::session& sql) -> Result<Role> {
    TRY(check_stored(sql, role.endpoint));
    TRY(insert_role(sql, role, clock_.now()));
    return role;
  });
}

Result<std::vector<Role>> Permissions::roles(const EndpointId& endpoint) {
  return database_.read([&](soci::session& sql) { return load_roles(sql, endpoint); });
}

Result<Role> Permissions::role(const EndpointId& endpoint, std::string_view id) {
  const std::string key = lower_case(id);
  return database_.read([&](soci::session& sql) { return load_role(sql, endpoint, key); });
}

Result<void> Permissions::remove_role(const EndpointId& endpoint, std::string_view id) {
  const std::string key = lower_case(id);
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY(load_role(sql, endpoint, key));
    sql << "delete from endpoint_role where id = :id", soci::use(key);
    return {};
  });
}

}  // namespace wherry::endpoints
