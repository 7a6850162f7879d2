// SPDX-License-Identifier: Apache-2.0
// Which sites a caller of the service has a right to, and so which apps, jobs and items. Others do
// not exist for the caller.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jobs/jobs.h"
#include "server/caller.h"
#include "server/site_users.h"

namespace wherry::server {

// Safe for concurrent calls; what it is given outlives it.
class JobAccess {
 public:
  JobAccess(jobs::Stores& stores, SiteUsers& users) : stores_(stores), users_(users) {}

  // Sites that the caller owns, or that were shared; by number.
  Result<std::vector<jobs::Site>> sites(const Caller& caller);
  // Of these the ones in `wanted`; all if it is empty. Nothing at all if none is left: an empty
  // list would let a filter pass everybody's.
  Result<std::optional<std::vector<jobs::SiteId>>> narrow(const Caller& caller,
                                                          std::span<const jobs::SiteId> wanted);

  // kNotFound if it is not there for the caller; kDenied, which says what is missing, if it is but
  // the right is not.
  Result<jobs::Site> site(const Caller& caller, jobs::SiteId id, SiteRight needed);
  Result<jobs::App> app(const Caller& caller, jobs::AppId id, SiteRight needed);
  Result<jobs::Job> job(const Caller& caller, jobs::JobId id);
  Result<jobs::TransferItem> item(const Caller& caller, jobs::ItemId id);
  Result<jobs::Session> session(const Caller& caller, jobs::SessionId id);
  Result<jobs::BatchJob> batch_job(const Caller& caller, jobs::BatchJobId id, SiteRight needed);
  // All of them, in any order; kNotFound names the first that is not there for the caller.
  // kInvalid: they hold more than `max_bytes`.
  Result<std::vector<jobs::Job>> every_job(const Caller& caller, std::span<const jobs::JobId> ids,
                                           std::size_t max_bytes = jobs::kMaxPageBytes);
  Result<std::vector<jobs::TransferItem>> every_item(const Caller& caller,
                                                     std::span<const jobs::ItemId> ids);

 private:
  // The right, if any.
  Result<std::optional<SiteRight>> right(const Caller& caller, const jobs::Site& site);
  template <class T>
  Result<T> checked(const Caller& caller, Result<T> found, std::string_view what, std::int64_t id,
                    SiteRight needed);

  jobs::Stores& stores_;
  SiteUsers& users_;
};

}  // namespace wherry::server
