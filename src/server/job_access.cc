// SPDX-License-Identifier: Apache-2.0
#include "server/job_access.h"

#include <algorithm>
#include <set>

namespace wherry::server {
namespace {

// In the same words whether it is not there or somebody else's.
Error nothing_of(std::string_view what, std::int64_t id) {
  return make_error(Code::kNotFound, "there is no {} {}", what, id);
}

template <class Id, class Row>
Result<std::vector<Row>> all_of(std::span<const Id> ids, std::vector<Row> rows,
                                std::string_view what) {
  std::set<Id> found;
  for (const Row& row : rows) found.insert(row.id);
  for (const Id id : ids)
    if (!found.contains(id)) return nothing_of(what, id);
  return rows;
}

}  // namespace

Result<std::vector<jobs::Site>> JobAccess::sites(const Caller& caller) {
  TRY_ASSIGN(std::vector<jobs::Site> sites, stores_.sites.list(caller.identity));
  TRY_ASSIGN(const auto shared, users_.of_identity(caller.identity));
  for (const SiteUser& user : shared) {
    auto site = stores_.sites.get(user.site);
    if (!site && site.error().code == Code::kNotFound) continue;  // removed meanwhile
    if (!site) return std::move(site).error();
    if (site->owner != caller.identity) sites.push_back(*std::move(site));
  }
  std::sort(sites.begin(), sites.end(),
            [](const jobs::Site& a, const jobs::Site& b) { return a.id < b.id; });
  return sites;
}

Result<std::optional<std::vector<jobs::SiteId>>> JobAccess::narrow(
    const Caller& caller, std::span<const jobs::SiteId> wanted) {
  TRY_ASSIGN(const auto sites, this->sites(caller));
  std::vector<jobs::SiteId> ids;
  for (const jobs::Site& site : sites) {
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), site.id) != wanted.end())
      ids.push_back(site.id);
  }
  std::optional<std::vector<jobs::SiteId>> narrowed;
  if (!ids.empty()) narrowed = std::move(ids);
  return narrowed;
}

Result<std::optional<SiteRight>> JobAccess::right(const Caller& caller, const jobs::Site& site) {
  if (site.owner == caller.identity) return std::optional(SiteRight::kOwn);
  TRY_ASSIGN(const auto shared, users_.of_identity(caller.identity));
  for (const SiteUser& user : shared)
    if (user.site == site.id) return std::optional(user.right);
  return std::optional<SiteRight>();
}

Result<jobs::Site> JobAccess::site(const Caller& caller, jobs::SiteId id, SiteRight needed) {
  auto site = stores_.sites.get(id);
  if (!site && site.error().code == Code::kNotFound) return nothing_of("site", id);
  if (!site) return site;
  TRY_ASSIGN(const auto has, right(caller, *site));
  if (!has) return nothing_of("site", id);
  if (*has >= needed) return site;
  return make_error(Code::kDenied,
                    "you may {} site {}, not {} it; its owner can change that with `wherry site"
                    " share`",
                    to_string(*has), id, to_string(needed));
}

// What belongs to a site is there for the caller if the site is.
template <class T>
Result<T> JobAccess::checked(const Caller& caller, Result<T> found, std::string_view what,
                             std::int64_t id, SiteRight needed) {
  if (!found && found.error().code == Code::kNotFound) return nothing_of(what, id);
  if (!found) return found;
  const auto its_site = site(caller, found->site, needed);
  if (!its_site && its_site.error().code == Code::kNotFound) return nothing_of(what, id);
  if (!its_site) return its_site.error();
  return found;
}

Result<jobs::App> JobAccess::app(const Caller& caller, jobs::AppId id, SiteRight needed) {
  return checked(caller, stores_.apps.get(id), "app", id, needed);
}

Result<jobs::Job> JobAccess::job(const Caller& caller, jobs::JobId id) {
  return checked(caller, stores_.jobs.get(id), "job", id, SiteRight::kUse);
}

Result<jobs::TransferItem> JobAccess::item(const Caller& caller, jobs::ItemId id) {
  return checked(caller, stores_.items.get(id), "transfer", id, SiteRight::kUse);
}

Result<jobs::Session> JobAccess::session(const Caller& caller, jobs::SessionId id) {
  return checked(caller, stores_.sessions.get(id), "session", id, SiteRight::kManage);
}

Result<jobs::BatchJob> JobAccess::batch_job(const Caller& caller, jobs::BatchJobId id,
                                            SiteRight needed) {
  return checked(caller, stores_.batch_jobs.get(id), "batch job", id, needed);
}

Result<std::vector<jobs::Job>> JobAccess::every_job(const Caller& caller,
                                                    std::span<const jobs::JobId> ids,
                                                    std::size_t max_bytes) {
  if (ids.empty()) return std::vector<jobs::Job>();
  jobs::JobFilter filter;
  filter.max_bytes = max_bytes;
  filter.ids.assign(ids.begin(), ids.end());
  TRY_ASSIGN(auto sites, narrow(caller, {}));
  if (!sites) return nothing_of("job", ids.front());
  filter.sites = *std::move(sites);
  TRY_ASSIGN(auto found, stores_.jobs.list(filter));
  return all_of(ids, std::move(found.rows), "job");
}

Result<std::vector<jobs::TransferItem>> JobAccess::every_item(const Caller& caller,
                                                              std::span<const jobs::ItemId> ids) {
  if (ids.empty()) return std::vector<jobs::TransferItem>();
  jobs::ItemFilter filter;
  filter.ids.assign(ids.begin(), ids.end());
  TRY_ASSIGN(auto sites, narrow(caller, {}));
  if (!sites) return nothing_of("transfer", ids.front());
  filter.sites = *std::move(sites);
  TRY_ASSIGN(auto found, stores_.items.list(filter));
  return all_of(ids, std::move(found.rows), "transfer");
}

}  // namespace wherry::server
