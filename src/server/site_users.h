// SPDX-License-Identifier: Apache-2.0
// Who may use a site through the service besides its owner. A site that was made on this machine
// belongs to a local user, whom no token stands for: `wherry site share` lets identities in.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "jobs/types.h"

namespace wherry::server {

// Each has what stands before it.
enum class SiteRight {
  kUse,     // see the site, and run the apps that it has
  kManage,  // give it apps, and so commands to run; launchers and batch jobs
  kOwn,     // rename, move and remove it; change its settings
};
std::string_view to_string(SiteRight right);  // "use", "manage", "own"
// "use" or "manage": what can be given; kInvalid.
Result<SiteRight> parse_site_right(std::string_view text);

std::span<const Migration> site_user_migrations();

struct SiteUser {
  jobs::SiteId site = 0;
  std::string identity;  // the UUID of a user or client
  SiteRight right = SiteRight::kUse;
};

// Safe for concurrent calls. Sites are not looked for: their numbers are never used again.
class SiteUsers {
 public:
  // Both outlive this object.
  SiteUsers(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  // From now on with this right, whatever it was before.
  Result<void> put(const SiteUser& user);
  Result<void> remove(jobs::SiteId site, const std::string& identity);  // kNotFound
  Result<void> remove_all(jobs::SiteId site);
  Result<std::vector<SiteUser>> of_site(jobs::SiteId site);                // by identity
  Result<std::vector<SiteUser>> of_identity(const std::string& identity);  // by site

 private:
  Database& database_;
  Clock& clock_;
};

}  // namespace wherry::server
