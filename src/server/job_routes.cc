// SPDX-License-Identifier: Apache-2.0
#include "server/job_routes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "api/job_documents.h"
#include "api/job_requests.h"
#include "api/json.h"
#include "base/path.h"
#include "server/job_queries.h"
#include "server/job_route_tools.h"

namespace wherry::server {
namespace {

namespace json = boost::json;

// ---- jobs: making

// The apps that a request names, each looked up once.
class AppsOfRequest {
 public:
  explicit AppsOfRequest(JobCall& job) : job_(job) {}

  Result<const jobs::App*> find(const api::JobRequest& request) {
    const Key key{request.app_id.value_or(0), request.site_id.value_or(0), request.job.app};
    const auto known = apps_.find(key);
    if (known != apps_.end()) return &known->second;
    TRY_ASSIGN(jobs::App app, look_up(request));
    return &apps_.emplace(key, std::move(app)).first->second;
  }

 private:
  using Key = std::tuple<jobs::AppId, jobs::SiteId, std::string>;

  Result<jobs::App> look_up(const api::JobRequest& request) {
    if (request.app_id) return job_.access.app(job_.caller(), *request.app_id, SiteRight::kUse);
    TRY_ASSIGN(const jobs::Site site,
               job_.access.site(job_.caller(), *request.site_id, SiteRight::kUse));
    return job_.parts.stores.apps.find(site.id, request.job.app);
  }

  JobCall& job_;
  std::map<Key, jobs::App> apps_;
};

struct Creation {
  jobs::SiteId site = 0;
  std::vector<jobs::NewJob> jobs;
};

Result<Creation> read_creation(JobCall& job, const json::array& document) {
  Creation creation;
  AppsOfRequest apps(job);
  for (std::size_t i = 0; i < document.size(); ++i) {
    TRY_ASSIGN(api::JobRequest request, api::read_new_job(document, i));
    TRY_ASSIGN(const jobs::App* app, apps.find(request), "job {}", i + 1);
    if (i == 0) creation.site = app->site;
    if (creation.site != app->site || request.site_id.value_or(app->site) != app->site) {
      return make_error(Code::kInvalid,
                        "job {}: its app is of site {}, not {}: the jobs of one"
                        " request are of one site",
                        i + 1, app->site, request.site_id.value_or(creation.site));
    }
    request.job.app = app->name;  // a name is looked for before a number
    if (!request.resources.is_empty())
      request.job.resources = request.resources.onto(app->resources);
    creation.jobs.push_back(std::move(request.job));
  }
  return creation;
}

// A work directory that two jobs of a request share; empty: none.
std::string doubled_workdir(const std::vector<jobs::NewJob>& jobs) {
  std::set<std::string_view> seen;
  for (const jobs::NewJob& job : jobs)
    if (!seen.insert(job.workdir).second) return job.workdir;
  return "";
}

// Whoever waits for a job learns when it ends, so the caller must see it.
Result<void> check_parents(JobCall& job, const std::vector<jobs::NewJob>& jobs) {
  std::set<jobs::JobId> parents;
  for (const jobs::NewJob& one : jobs) parents.insert(one.parents.begin(), one.parents.end());
  std::vector<jobs::JobId> some;
  for (const jobs::JobId parent : parents) {
    some.push_back(parent);
    if (some.size() < jobs::kMaxBulk) continue;
    TRY(job.access.every_job(job.caller(), some));
    some.clear();
  }
  TRY(job.access.every_job(job.caller(), some));
  return {};
}

Result<Response> create_jobs(JobCall& job) {
  TRY(read_no_query(job.request()));
  TRY_ASSIGN(const json::array document, api::parse_array(job.request().body));
  if (auto refused = refused_as_too_many(job, document.size())) return *std::move(refused);
  TRY_ASSIGN(const Creation creation, read_creation(job, document));
  if (creation.jobs.empty()) return text_answer("[]", 201);
  if (const std::string doubled = doubled_workdir(creation.jobs); !doubled.empty()) {
    return bad_request(job,
                       fmt::format("two of the jobs have the workdir '{}'", escape_bytes(doubled)));
  }
  TRY(check_parents(job, creation.jobs));
  TRY_ASSIGN(auto made, job.parts.stores.jobs.create(creation.site, creation.jobs));
  return text_answer(api::array_text(std::move(made), api::job_document), 201);
}

// ---- jobs: looking

Result<Response> list_jobs(JobCall& job) {
  TRY_ASSIGN(auto filter, read_job_query(job.request()));
  return list_answer(job, std::move(filter), job.parts.stores.jobs, &jobs::Jobs::list,
                     api::job_document);
}

Result<Response> show_job(JobCall& job) {
  TRY_ASSIGN(const jobs::JobId id, number_of(job, "job_id"));
  TRY_ASSIGN(const jobs::Job found, job.access.job(job.caller(), id));
  return document_answer(api::job_document(found));
}

// ---- jobs: changing

jobs::JobChange change_of(const api::JobPatch& patch, const jobs::Job& job) {
  jobs::JobChange change = patch.change;
  if (!patch.resources.is_empty()) change.resources = patch.resources.onto(job.resources);
  return change;
}

Result<Response> change_job(JobCall& job) {
  TRY_ASSIGN(const jobs::JobId id, number_of(job, "job_id"));
  TRY_ASSIGN(const jobs::Job found, job.access.job(job.caller(), id));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const api::JobPatch patch, api::read_job_change(document));
  TRY_ASSIGN(const jobs::Job changed, job.parts.stores.jobs.modify(id, change_of(patch, found)));
  return document_answer(api::job_document(changed));
}

Result<Response> change_jobs(JobCall& job) {
  TRY_ASSIGN(auto bulk, read_changes(job, api::read_job_patch));
  if (bulk.refused) return *std::move(bulk.refused);
  const std::vector<jobs::JobId>& ids = bulk.ids;
  TRY_ASSIGN(auto before, job.access.every_job(job.caller(), ids));
  before = in_order(std::move(before), ids);
  std::vector<jobs::Jobs::Numbered> changes;
  for (std::size_t i = 0; i < ids.size(); ++i)
    changes.push_back({ids[i], change_of(bulk.changes[i].patch, before[i])});
  before.clear();
  TRY(job.parts.stores.jobs.modify(changes));
  // They have grown by what was sent, no more; what is done is not refused afterwards.
  TRY_ASSIGN(auto after, job.access.every_job(job.caller(), ids, jobs::kAnyBytes));
  return text_answer(api::array_text(in_order(std::move(after), ids), api::job_document));
}

// The same change of all that the query lets pass.
Result<Response> change_selected_jobs(JobCall& job) {
  TRY_ASSIGN(auto filter, read_job_selection(job.request()));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const api::JobPatch patch, api::read_job_change(document));
  if (!patch.resources.is_empty() || patch.change.workdir) {
    return make_error(Code::kInvalid,
                      "workdir and resources are changed job by job: PATCH a list of them");
  }
  TRY_ASSIGN(const bool is_any, narrow(job, filter));
  if (!is_any) return count_answer(0);
  TRY_ASSIGN(const std::uint64_t count, job.parts.stores.jobs.modify_all(filter, patch.change));
  return count_answer(count);
}

Result<Response> remove_job(JobCall& job) {
  TRY_ASSIGN(const jobs::JobId id, number_of(job, "job_id"));
  TRY_ASSIGN(const jobs::Job found, job.access.job(job.caller(), id));
  jobs::JobFilter filter;
  filter.ids = {found.id};
  TRY(job.parts.stores.jobs.remove(filter));
  return nothing_answer();
}

Result<Response> remove_selected_jobs(JobCall& job) {
  TRY_ASSIGN(auto filter, read_job_selection(job.request()));
  TRY_ASSIGN(const bool is_any, narrow(job, filter));
  if (is_any) TRY(job.parts.stores.jobs.remove(filter));
  return nothing_answer();
}

Result<Response> cancel_job(JobCall& job) {
  TRY_ASSIGN(const jobs::JobId id, number_of(job, "job_id"));
  TRY(job.access.job(job.caller(), id));
  TRY_ASSIGN(const jobs::Job changed, job.parts.stores.jobs.cancel(id));
  return document_answer(api::job_document(changed));
}

Result<Response> retry_job(JobCall& job) {
  TRY_ASSIGN(const jobs::JobId id, number_of(job, "job_id"));
  TRY(job.access.job(job.caller(), id));
  TRY_ASSIGN(const jobs::Job changed, job.parts.stores.jobs.retry(id));
  return document_answer(api::job_document(changed));
}

// ---- transfer items

Result<Response> list_items(JobCall& job) {
  TRY_ASSIGN(auto filter, read_item_query(job.request()));
  return list_answer(job, std::move(filter), job.parts.stores.items, &jobs::Items::list,
                     api::transfer_item_document);
}

Result<Response> show_item(JobCall& job) {
  TRY_ASSIGN(const jobs::ItemId id, number_of(job, "transfer_id"));
  TRY_ASSIGN(const jobs::TransferItem found, job.access.item(job.caller(), id));
  return document_answer(api::transfer_item_document(found));
}

Result<Response> change_item(JobCall& job) {
  TRY_ASSIGN(const jobs::ItemId id, number_of(job, "transfer_id"));
  TRY(job.access.item(job.caller(), id));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const jobs::Items::Change change, api::read_item_change(document, id));
  TRY(job.parts.stores.items.modify(std::span(&change, 1)));
  TRY_ASSIGN(const jobs::TransferItem changed, job.access.item(job.caller(), id));
  return document_answer(api::transfer_item_document(changed));
}

Result<Response> change_items(JobCall& job) {
  TRY_ASSIGN(auto bulk, read_changes(job, api::read_item_patch));
  if (bulk.refused) return *std::move(bulk.refused);
  TRY(job.access.every_item(job.caller(), bulk.ids));
  TRY(job.parts.stores.items.modify(bulk.changes));
  TRY_ASSIGN(auto after, job.access.every_item(job.caller(), bulk.ids));
  return text_answer(
      api::array_text(in_order(std::move(after), bulk.ids), api::transfer_item_document));
}

Result<Response> retry_items(JobCall& job) {
  TRY_ASSIGN(auto filter, read_item_selection(job.request()));
  TRY_ASSIGN(const bool is_any, narrow(job, filter));
  if (!is_any) return count_answer(0);
  TRY_ASSIGN(const std::uint64_t count, job.parts.stores.items.retry(filter));
  return count_answer(count);
}

// ---- events

// The batch job that a scheduler calls so; nothing if there is none for the caller.
Result<std::optional<jobs::BatchJobId>> batch_job_called(JobCall& job, const std::string& name,
                                                         const jobs::EventFilter& events) {
  jobs::BatchJobFilter filter;
  filter.sites = events.sites;
  filter.scheduler_id = name;
  TRY_ASSIGN(const auto found, job.parts.stores.batch_jobs.list(filter));
  if (found.rows.empty()) return std::optional<jobs::BatchJobId>();
  if (found.rows.size() == 1) return std::optional(found.rows.front().id);
  return make_error(Code::kInvalid, "scheduler_id: '{}' is of {} batch jobs: give batch_job_id",
                    escape_bytes(name), found.rows.size());
}

Result<Response> list_events(JobCall& job) {
  TRY_ASSIGN(EventQuery query, read_event_query(job.request()));
  jobs::EventFilter& filter = query.filter;
  TRY_ASSIGN(bool is_any, narrow(job, filter));
  if (is_any && !query.scheduler_id.empty()) {
    TRY_ASSIGN(const auto id, batch_job_called(job, query.scheduler_id, filter));
    is_any = id && filter.batch_job.value_or(*id) == *id;
    filter.batch_job = id;
  }
  jobs::Listing<jobs::JobEvent> found;
  if (is_any) {
    TRY_ASSIGN(found, job.parts.stores.jobs.events(filter));
  }
  return text_answer(api::list_text(std::move(found), api::job_event_document));
}

}  // namespace

std::vector<Route> job_routes(const JobParts& parts) {
  const auto route = [&parts](Method method, std::string_view pattern, std::string_view doc,
                              JobAction action) {
    return job_route(parts, method, pattern, doc, action);
  };
  constexpr std::string_view kJobs = "/v1/jobs", kJob = "/v1/jobs/{job_id}";
  constexpr std::string_view kItems = "/v1/transfers", kItem = "/v1/transfers/{transfer_id}";
  return {
      route(Method::kGet, kJobs, "Jobs of the caller's sites.", list_jobs),
      route(Method::kPost, kJobs, "Makes up to 5,000 jobs, all or none.", create_jobs),
      route(Method::kPatch, kJobs, "Changes up to 5,000 jobs, each in its own way.", change_jobs),
      route(Method::kPut, kJobs, "Changes all jobs that the query names in one way.",
            change_selected_jobs),
      route(Method::kDelete, kJobs, "Deletes all jobs that the query names.", remove_selected_jobs),
      route(Method::kGet, kJob, "One job.", show_job),
      route(Method::kPut, kJob, "Changes it.", change_job),
      route(Method::kDelete, kJob, "Deletes it; its transfers are cancelled.", remove_job),
      route(Method::kPost, "/v1/jobs/{job_id}/cancel", "Ends it as FAILED.", cancel_job),
      route(Method::kPost, "/v1/jobs/{job_id}/retry", "Goes on with one that is FAILED.",
            retry_job),
      route(Method::kGet, kItems, "Transfer items of the caller's jobs.", list_items),
      route(Method::kPatch, kItems, "Changes up to 5,000 items, all or none.", change_items),
      route(Method::kPost, "/v1/transfers/retry", "Tries items in error again.", retry_items),
      route(Method::kGet, kItem, "One transfer item.", show_item),
      route(Method::kPut, kItem, "Changes it.", change_item),
      route(Method::kGet, "/v1/events", "What jobs and items went through, newest first.",
            list_events),
  };
}

}  // namespace wherry::server
