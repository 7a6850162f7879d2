// SPDX-License-Identifier: Apache-2.0
// What clients send about sites, apps and jobs. Readers answer kInvalid with the element (from 1)
// and member that is wrong, missing or not known: a slip in a name must not pass as a change of
// nothing. Names of things, paths and states are checked where they are stored.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "jobs/item_store.h"
#include "jobs/job_store.h"
#include "jobs/session_store.h"
#include "jobs/types.h"

namespace wherry::api {

// ---- sites, apps

struct SiteRequest {
  std::optional<std::string> name;
  std::optional<std::string> path;
  std::optional<std::string> settings;
};
Result<SiteRequest> read_site(const boost::json::object& document);

// POST: `site_id`, `name` and `command` must be there.
Result<jobs::App> read_app(const boost::json::object& document);
// PUT: what is not there stays as it is in `app`; its name and site always do.
Result<void> read_app_change(const boost::json::object& document, jobs::App& app);

// ---- jobs

// The resources that a request names; the others come from elsewhere.
struct ResourceChange {
  std::optional<int> num_nodes, ranks_per_node, threads_per_rank, threads_per_core;
  std::optional<int> node_packing_count, wall_time_min;
  std::optional<double> gpus_per_rank;
  std::optional<jobs::TextMap> launch_params;

  bool is_empty() const;
  jobs::Resources onto(jobs::Resources base) const;
};

// One element of POST /v1/jobs. Its app is `app_id`, or `app` (a name) of `site_id`.
struct JobRequest {
  std::optional<jobs::AppId> app_id;
  std::optional<jobs::SiteId> site_id;
  jobs::NewJob job;  // but for its resources, which are the app's if none are named
  ResourceChange resources;
};
// `number` counts from 0.
Result<JobRequest> read_new_job(const boost::json::array& document, std::size_t number);

struct JobPatch {
  jobs::JobChange change;  // but for its resources
  ResourceChange resources;
};
// PUT.
Result<JobPatch> read_job_change(const boost::json::object& document);
// An element of PATCH.
struct NumberedJobPatch {
  jobs::JobId id = 0;
  JobPatch patch;
};
Result<NumberedJobPatch> read_job_patch(const boost::json::array& document, std::size_t number);

// ---- transfer items

// PUT /v1/transfers/{id}.
Result<jobs::Items::Change> read_item_change(const boost::json::object& document, jobs::ItemId id);
// An element of PATCH /v1/transfers.
Result<jobs::Items::Change> read_item_patch(const boost::json::array& document, std::size_t number);

// ---- launchers

Result<jobs::BatchJob> read_batch_job(const boost::json::object& document);
// The state: all that a client may change of one that is there.
Result<jobs::BatchJobs::Change> read_batch_job_change(const boost::json::object& document);
// An element of PATCH /v1/batch-jobs.
Result<jobs::BatchJobs::Numbered> read_batch_job_patch(const boost::json::array& document,
                                                       std::size_t number);

struct SessionRequest {
  jobs::SiteId site = 0;
  std::optional<jobs::BatchJobId> batch_job;
  std::string holder;
};
Result<SessionRequest> read_session(const boost::json::object& document);
Result<jobs::Acquire> read_acquire(const boost::json::object& document);

// What a launcher tells with its heartbeat.
struct SessionReport {
  std::vector<jobs::JobId> started;
  std::vector<jobs::JobId> running;
  std::vector<jobs::RunEnd> ended;
};
Result<SessionReport> read_session_report(const boost::json::object& document);

}  // namespace wherry::api
