// SPDX-License-Identifier: Apache-2.0
// Sites and their apps in the state database.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "jobs/types.h"

namespace wherry::jobs {

// Tables of every part of this module.
std::span<const Migration> job_migrations();

// The claim of the process that runs a site (tasks/claim.h): its kind, and its id.
inline constexpr std::string_view kSiteClaim = "site";
std::string site_claim_id(SiteId id);

// Safe for concurrent calls. The database is migrated with task_migrations() and job_migrations();
// it and the clock outlive this.
class Sites {
 public:
  Sites(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  // kInvalid for a bad name, a path that is not absolute, settings that cannot be read;
  // kAlreadyExists if the owner has a site of that name, or any site that path.
  Result<Site> create(std::string_view name, std::string_view path, std::string_view owner,
                      std::string_view settings);
  Result<Site> get(SiteId id);  // kNotFound
  // A number, a name, or a part of the path that only one has; kNotFound names the nearest,
  // kConflict lists those that fit. `owner` empty: of anybody.
  Result<Site> resolve(std::string_view selector, std::string_view owner = {});
  // The site whose directory is `directory` or above it; kNotFound.
  Result<Site> enclosing(std::string_view directory);
  Result<std::vector<Site>> list(std::string_view owner = {});  // sorted by number
  Result<Site> rename(SiteId id, std::string_view name);
  Result<Site> move(SiteId id, std::string_view path);
  // Puts settings into force; kInvalid leaves the old ones.
  Result<Site> set_settings(SiteId id, std::string_view settings);
  // With apps, jobs, items and events; files stay. kConflict while a process runs the site (the
  // claim "site"), a session is alive, or transfer tasks may be under way for it, which nobody
  // would follow any more: remove_site() (site_removal.h) cancels them.
  enum class Tasks { kMustBeNone, kAreLeft };
  Result<void> remove(SiteId id, Tasks tasks = Tasks::kMustBeNone);

  // What the process of the site tells.
  Result<void> refresh(SiteId id, bool progressed, std::string_view alert);

 private:
  Database& database_;
  Clock& clock_;
};

// The app of that name among `apps`, or else of that number; kNotFound names the nearest.
Result<App> app_of_site(const std::vector<App>& apps, std::string_view name_or_id);

// Likewise.
class Apps {
 public:
  Apps(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  // Makes it, or changes the one of that name and site (jobs keep their items). kInvalid: see
  // validate(); kNotFound: the site.
  Result<App> put(const App& app);
  Result<App> get(AppId id);
  Result<App> find(SiteId site, std::string_view name_or_id);    // kNotFound names the nearest
  Result<std::vector<App>> list(std::span<const SiteId> sites);  // empty: all; sorted by site, name
  // kConflict while it has jobs, unless they go with it.
  enum class Jobs { kMustBeNone, kGoToo };
  Result<void> remove(AppId id, Jobs jobs);

 private:
  Database& database_;
  Clock& clock_;
};

}  // namespace wherry::jobs
