// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/json.hpp>

#include "api/job_documents.h"
#include "api/job_requests.h"
#include "api/json.h"
#include "server/job_queries.h"
#include "server/job_route_tools.h"
#include "server/job_routes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;

// ---- sessions

Result<Response> list_sessions(JobCall& job) {
  TRY_ASSIGN(const SessionQuery query, read_session_query(job.request()));
  TRY_ASSIGN(const auto sites, job.access.narrow(job.caller(), query.sites));
  std::vector<jobs::Session> all;
  if (sites) {
    TRY_ASSIGN(all, job.parts.stores.sessions.list(*sites));
  }
  std::erase_if(all,
                [&](const jobs::Session& session) { return !is_wanted(query.ids, session.id); });
  return page_answer(std::move(all), query.paging, api::session_document);
}

Result<Response> open_session(JobCall& job) {
  TRY(read_no_query(job.request()));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const api::SessionRequest request, api::read_session(document));
  TRY_ASSIGN(const jobs::Site site,
             job.access.site(job.caller(), request.site, SiteRight::kManage));
  if (request.batch_job) {
    TRY_ASSIGN(const jobs::BatchJob batch_job,
               job.access.batch_job(job.caller(), *request.batch_job, SiteRight::kManage));
    if (batch_job.site != site.id)
      return make_error(Code::kInvalid, "batch_job_id: {} is of another site", batch_job.id);
  }
  const std::string holder = request.holder.empty()
                                 ? fmt::format("{} through the service", job.caller().username)
                                 : request.holder;
  TRY_ASSIGN(const jobs::Session session,
             job.parts.stores.sessions.open(site.id, request.batch_job, holder));
  return document_answer(api::session_document(session), 201);
}

Result<jobs::Session> session_of(JobCall& job) {
  TRY_ASSIGN(const jobs::SessionId id, number_of(job, "session_id"));
  return job.access.session(job.caller(), id);
}

Result<Response> acquire_jobs(JobCall& job) {
  TRY_ASSIGN(const jobs::Session session, session_of(job));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const jobs::Acquire what, api::read_acquire(document));
  TRY_ASSIGN(auto acquired, job.parts.stores.sessions.acquire(session.id, what));
  return text_answer(api::array_text(std::move(acquired), api::acquired_job_document));
}

// The heartbeat, with what has happened since the last one. Answers which jobs are lost to the
// session, so that their commands can be ended.
Result<Response> report(JobCall& job) {
  TRY_ASSIGN(const jobs::Session session, session_of(job));
  api::SessionReport report;
  if (!job.request().body.empty()) {
    TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
    TRY_ASSIGN(report, api::read_session_report(document));
  }
  jobs::Sessions& sessions = job.parts.stores.sessions;
  if (!report.started.empty()) TRY(sessions.started(session.id, report.started));
  if (!report.ended.empty()) TRY(sessions.ended(session.id, report.ended));
  TRY_ASSIGN(const auto lost, sessions.tick(session.id, report.running));
  TRY_ASSIGN(const jobs::Session alive, job.access.session(job.caller(), session.id));
  json::object told = api::session_document(alive);
  told["lost"] = json::array(lost.begin(), lost.end());
  return document_answer(told);
}

Result<Response> close_session(JobCall& job) {
  TRY_ASSIGN(const jobs::Session session, session_of(job));
  TRY(job.parts.stores.sessions.close(session.id));
  return nothing_answer();
}

// ---- batch jobs

Result<Response> list_batch_jobs(JobCall& job) {
  TRY_ASSIGN(auto filter, read_batch_job_query(job.request()));
  return list_answer(job, std::move(filter), job.parts.stores.batch_jobs, &jobs::BatchJobs::list,
                     api::batch_job_document);
}

Result<Response> create_batch_job(JobCall& job) {
  TRY(read_no_query(job.request()));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const jobs::BatchJob wanted, api::read_batch_job(document));
  TRY(job.access.site(job.caller(), wanted.site, SiteRight::kManage));
  TRY_ASSIGN(const jobs::BatchJob made, job.parts.stores.batch_jobs.create(wanted));
  return document_answer(api::batch_job_document(made), 201);
}

Result<jobs::BatchJob> batch_job_of(JobCall& job, SiteRight needed) {
  TRY_ASSIGN(const jobs::BatchJobId id, number_of(job, "batch_job_id"));
  return job.access.batch_job(job.caller(), id, needed);
}

Result<Response> show_batch_job(JobCall& job) {
  TRY_ASSIGN(const jobs::BatchJob found, batch_job_of(job, SiteRight::kUse));
  return document_answer(api::batch_job_document(found));
}

Result<Response> change_batch_job(JobCall& job) {
  TRY_ASSIGN(const jobs::BatchJob found, batch_job_of(job, SiteRight::kManage));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const auto change, api::read_batch_job_change(document));
  TRY_ASSIGN(const jobs::BatchJob changed, job.parts.stores.batch_jobs.modify(found.id, change));
  return document_answer(api::batch_job_document(changed));
}

Result<Response> change_batch_jobs(JobCall& job) {
  TRY_ASSIGN(auto bulk, read_changes(job, api::read_batch_job_patch));
  if (bulk.refused) return *std::move(bulk.refused);
  for (const jobs::BatchJobId id : bulk.ids)
    TRY(job.access.batch_job(job.caller(), id, SiteRight::kManage));
  TRY(job.parts.stores.batch_jobs.modify(bulk.changes));
  std::vector<jobs::BatchJob> changed;
  for (const jobs::BatchJobId id : bulk.ids) {
    TRY_ASSIGN(changed.emplace_back(), job.access.batch_job(job.caller(), id, SiteRight::kManage));
  }
  return text_answer(api::array_text(std::move(changed), api::batch_job_document));
}

Result<Response> remove_batch_job(JobCall& job) {
  TRY_ASSIGN(const jobs::BatchJob found, batch_job_of(job, SiteRight::kManage));
  TRY(job.parts.stores.batch_jobs.remove(found.id));
  return nothing_answer();
}

}  // namespace

std::vector<Route> launcher_routes(const JobParts& parts) {
  const auto route = [&parts](Method method, std::string_view pattern, std::string_view doc,
                              JobAction action) {
    return job_route(parts, method, pattern, doc, action);
  };
  constexpr std::string_view kSessions = "/v1/sessions", kSession = "/v1/sessions/{session_id}";
  constexpr std::string_view kBatchJobs = "/v1/batch-jobs";
  constexpr std::string_view kBatchJob = "/v1/batch-jobs/{batch_job_id}";
  return {
      route(Method::kGet, kSessions, "Who holds jobs: launchers that are alive.", list_sessions),
      route(Method::kPost, kSessions, "Begins as a launcher of a site.", open_session),
      route(Method::kPost, kSession, "Takes jobs to run.", acquire_jobs),
      route(Method::kPut, kSession, "A heartbeat, and what became of the jobs.", report),
      route(Method::kDelete, kSession, "Ends as a launcher.", close_session),
      route(Method::kGet, kBatchJobs, "Allocations of schedulers.", list_batch_jobs),
      route(Method::kPost, kBatchJobs, "Asks for one.", create_batch_job),
      route(Method::kPatch, kBatchJobs, "Gives up to 5,000 back, all or none.", change_batch_jobs),
      route(Method::kGet, kBatchJob, "One allocation.", show_batch_job),
      route(Method::kPut, kBatchJob, "Gives it back: the state pending_deletion.",
            change_batch_job),
      route(Method::kDelete, kBatchJob, "Forgets one that has ended.", remove_batch_job),
  };
}

}  // namespace wherry::server
