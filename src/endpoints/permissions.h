// SPDX-License-Identifier: Apache-2.0
// Who may do what at an endpoint: roles and access rules in the state database. What they mean
// stands in grants.h. Rules and roles of an endpoint end with it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "base/result.h"
#include "endpoints/endpoint.h"
#include "endpoints/grants.h"

namespace wherry::endpoints {

// Fields that are set are changed; an empty expiry is taken away.
struct AccessRuleChange {
  std::optional<Access> access;
  std::optional<std::optional<TimePoint>> expires;
};

// Safe for concurrent calls, also of several processes on one database.
class Permissions {
 public:
  // All outlive it; `database` is migrated with endpoint_migrations().
  Permissions(Database& database, Endpoints& endpoints, Clock& clock, Random& random);

  // Everything that is to know of `who` at `endpoint`, in one read: for callers that ask often.
  Result<std::shared_ptr<const Grants>> grants(const Principal& who, const Endpoint& endpoint);

  // As Grants says them, for callers that ask once.
  Result<bool> is_visible(const Principal& who, const Endpoint& endpoint);
  Result<void> check(const Principal& who, const Endpoint& endpoint, const RelPath& path,
                     Right right);
  Result<std::vector<Role::Kind>> effective_roles(const Principal& who, const Endpoint& endpoint);

  // The storage of `endpoint` as far as `who` may use it, now and, within a second, after every
  // change of rules. What is not granted is kDenied; see confined.h. `stop` as in
  // Endpoints::open().
  Result<std::shared_ptr<storage::Storage>> open(const Principal& who, const Endpoint& endpoint,
                                                 std::stop_token stop = {});
  // Makes a guest collection that `request` describes for its owner, who needs to read and write
  // the host's directory: by their own name, as nobody can tell later which groups they are in.
  // kNotFound if the host does not exist for them, kDenied if that is not granted.
  Result<Endpoint> create_guest(const NewEndpoint& request);

  // Where `who` is named, whatever the number of endpoints: for lists and searches.
  struct Relations {
    std::map<EndpointId, std::vector<Role::Kind>> roles;  // not those of an owner
    std::vector<EndpointId> shared;                       // by a rule; sorted
  };
  Result<Relations> relations(const Principal& who);
  // Those of `endpoints` that exist for `who`, in their order.
  Result<std::vector<Endpoint>> visible(const Principal& who, std::vector<Endpoint> endpoints);

  // Id and creation time are given here. kInvalid says which field; kAlreadyExists if a rule for
  // the same principal and directory stands; kConflict beyond kMaxRules; kDenied for the built-in
  // endpoint, which has no rules.
  static constexpr int kMaxRules = 10'000;  // of one endpoint
  Result<AccessRule> create_rule(AccessRule rule);
  // In the order of their paths.
  Result<std::vector<AccessRule>> rules(const EndpointId& endpoint);
  Result<AccessRule> rule(const EndpointId& endpoint, std::string_view id);
  Result<AccessRule> update_rule(const EndpointId& endpoint, std::string_view id,
                                 const AccessRuleChange& change);
  Result<void> remove_rule(const EndpointId& endpoint, std::string_view id);

  // As rules are.
  Result<Role> create_role(Role role);
  Result<std::vector<Role>> roles(const EndpointId& endpoint);
  Result<Role> role(const EndpointId& endpoint, std::string_view id);
  Result<void> remove_role(const EndpointId& endpoint, std::string_view id);

 private:
  Result<std::shared_ptr<const Grants>> own_grants(const Principal& who, const Endpoint& endpoint,
                                                   std::shared_ptr<const Grants> host);

  Database& database_;
  Endpoints& endpoints_;
  Clock& clock_;
  Random& random_;
};

}  // namespace wherry::endpoints
