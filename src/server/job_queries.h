// SPDX-License-Identifier: Apache-2.0
// The queries of the lists below /v1, with Balsam's names of parameters; docs/api/jobs.md lists
// them. kInvalid names the parameter. `sites` holds what was asked for: who may see them is
// JobAccess' affair.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "jobs/types.h"
#include "server/http.h"

namespace wherry::server {

struct Paging {
  std::size_t limit = jobs::kMaxPage;
  std::size_t offset = 0;
};

struct SiteQuery {
  std::vector<jobs::SiteId> ids;
  std::string name;
  std::string path_contains;
  std::optional<TimePoint> refreshed_after;
  Paging paging;
};
Result<SiteQuery> read_site_query(const Request& request);

struct AppQuery {
  std::vector<jobs::SiteId> sites;
  std::vector<jobs::AppId> ids;
  std::string name;
  std::string site_name;
  std::string site_path_contains;
  Paging paging;
};
Result<AppQuery> read_app_query(const Request& request);

// Of jobs, items and events: with a bound of what one page may hold.
Result<jobs::JobFilter> read_job_query(const Request& request);
Result<jobs::ItemFilter> read_item_query(const Request& request);
// For a change of all that it lets pass: without pages and order, and kInvalid if it says nothing,
// for that would be everything that the caller has.
Result<jobs::JobFilter> read_job_selection(const Request& request);
Result<jobs::ItemFilter> read_item_selection(const Request& request);

struct EventQuery {
  jobs::EventFilter filter;
  std::string scheduler_id;  // of the batch job
};
Result<EventQuery> read_event_query(const Request& request);
Result<jobs::BatchJobFilter> read_batch_job_query(const Request& request);

struct SessionQuery {
  std::vector<jobs::SiteId> sites;
  std::vector<jobs::SessionId> ids;
  Paging paging;
};
Result<SessionQuery> read_session_query(const Request& request);
// For routes that take no parameters.
Result<void> read_no_query(const Request& request);

}  // namespace wherry::server
