// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/json.hpp>

#include "api/job_documents.h"
#include "api/job_requests.h"
#include "api/json.h"
#include "base/file.h"
#include "base/path.h"
#include "jobs/site_settings.h"
#include "server/job_queries.h"
#include "server/job_route_tools.h"
#include "server/job_routes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;

// ---- sites

Result<Response> list_sites(JobCall& job) {
  TRY_ASSIGN(const SiteQuery query, read_site_query(job.request()));
  TRY_ASSIGN(auto sites, job.access.sites(job.caller()));
  std::erase_if(sites, [&](const jobs::Site& site) {
    return !is_wanted(query.ids, site.id) || (!query.name.empty() && site.name != query.name) ||
           site.path.find(query.path_contains) == site.path.npos ||
           (query.refreshed_after &&
            site.last_refresh.value_or(TimePoint::min()) < *query.refreshed_after);
  });
  return page_answer(std::move(sites), query.paging, api::site_document);
}

// What a site is told runs as the user of its process, so clients may make one, or tell it where
// data comes from and goes to, only if whoever runs this service says so.
Result<void> check_sites_allowed(const JobCall& job) {
  if (!job.parts.site_directory.empty()) return {};
  return make_error(Code::kDenied,
                    "clients may not make sites here, nor change their settings:"
                    " set serve.site_directory, or use `wherry site init` and `wherry site share`"
                    " on the machine of the service");
}

// The path in normal form, below the directory of sites and outside of all others.
Result<std::string> checked_path(const JobCall& job, const std::string& text) {
  TRY_ASSIGN(const RelPath directory, RelPath::parse(job.parts.site_directory),
             "serve.site_directory");
  TRY_ASSIGN(const RelPath path, RelPath::parse(text), "path");
  if (!text.starts_with('/') || path == directory || !path.is_within(directory)) {
    return make_error(Code::kInvalid, "path: '{}' must be below '{}'", escape_bytes(text),
                      escape_bytes(job.parts.site_directory));
  }
  const std::string whole = '/' + path.text();
  TRY_ASSIGN(const auto sites, job.parts.stores.sites.list());
  for (const jobs::Site& site : sites) {
    const bool is_inside = (whole + '/').starts_with(site.path + '/');
    if (is_inside || site.path.starts_with(whole + '/')) {
      return make_error(Code::kConflict, "path: '{}' is {} another site", escape_bytes(whole),
                        is_inside ? "in" : "around");
    }
  }
  return whole;
}

Result<Response> create_site(JobCall& job) {
  TRY(read_no_query(job.request()));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const api::SiteRequest request, api::read_site(document));
  TRY(check_sites_allowed(job));
  if (!request.name || !request.path)
    return make_error(Code::kInvalid, "{} is missing", request.name ? "path" : "name");
  TRY_ASSIGN(const std::string path, checked_path(job, *request.path));
  // First, because an empty directory harms nobody, and a site without one cannot be run.
  TRY(make_directories(path + "/data", 0700), "make the directory of the site");
  TRY_ASSIGN(const jobs::Site site,
             job.parts.stores.sites.create(*request.name, path, job.caller().identity,
                                           request.settings.value_or("")));
  return document_answer(api::site_document(site), 201);
}

Result<jobs::Site> site_of(JobCall& job, SiteRight needed) {
  TRY_ASSIGN(const jobs::SiteId id, number_of(job, "site_id"));
  return job.access.site(job.caller(), id, needed);
}

Result<Response> show_site(JobCall& job) {
  TRY_ASSIGN(const jobs::Site site, site_of(job, SiteRight::kUse));
  return document_answer(api::site_document(site));
}

Result<Response> change_site(JobCall& job) {
  TRY_ASSIGN(jobs::Site site, site_of(job, SiteRight::kOwn));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const api::SiteRequest request, api::read_site(document));
  if (request.path && *request.path != site.path) {
    return make_error(Code::kInvalid,
                      "path: cannot be changed here; `wherry site mv` moves the files, too");
  }
  // Whatever can be refused is refused before anything is changed.
  if (request.settings) {
    TRY(check_sites_allowed(job));
    TRY(jobs::parse_site_settings(*request.settings), "settings");
  }
  jobs::Sites& sites = job.parts.stores.sites;
  if (request.name && *request.name != site.name) {
    TRY_ASSIGN(site, sites.rename(site.id, *request.name));
  }
  if (request.settings) {
    TRY_ASSIGN(site, sites.set_settings(site.id, *request.settings));
  }
  return document_answer(api::site_document(site));
}

Result<Response> remove_site(JobCall& job) {
  TRY_ASSIGN(const jobs::Site site, site_of(job, SiteRight::kOwn));
  TRY(job.parts.stores.sites.remove(site.id));
  TRY(job.parts.users.remove_all(site.id));
  return nothing_answer();
}

// ---- apps

Result<Response> list_apps(JobCall& job) {
  TRY_ASSIGN(const AppQuery query, read_app_query(job.request()));
  TRY_ASSIGN(const auto sites, job.access.sites(job.caller()));
  std::vector<jobs::SiteId> ids;
  for (const jobs::Site& site : sites) {
    if (is_wanted(query.sites, site.id) &&
        (query.site_name.empty() || site.name == query.site_name) &&
        site.path.find(query.site_path_contains) != site.path.npos)
      ids.push_back(site.id);
  }
  std::vector<jobs::App> apps;
  if (!ids.empty()) {  // an empty list would ask for everybody's
    TRY_ASSIGN(apps, job.parts.stores.apps.list(ids));
  }
  std::erase_if(apps, [&](const jobs::App& app) {
    return !is_wanted(query.ids, app.id) || (!query.name.empty() && app.name != query.name);
  });
  return page_answer(std::move(apps), query.paging, api::app_document);
}

Result<Response> create_app(JobCall& job) {
  TRY(read_no_query(job.request()));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY_ASSIGN(const jobs::App app, api::read_app(document));
  TRY(job.access.site(job.caller(), app.site, SiteRight::kManage));
  jobs::Apps& apps = job.parts.stores.apps;
  TRY_ASSIGN(const auto others, apps.list(std::span(&app.site, 1)));
  for (const jobs::App& other : others) {
    if (other.name == app.name) {
      return make_error(Code::kAlreadyExists, "site {} has an app '{}': number {}", app.site,
                        escape_bytes(app.name), other.id);
    }
  }
  TRY_ASSIGN(const jobs::App made, apps.put(app));
  return document_answer(api::app_document(made), 201);
}

Result<jobs::App> app_of(JobCall& job, SiteRight needed) {
  TRY_ASSIGN(const jobs::AppId id, number_of(job, "app_id"));
  return job.access.app(job.caller(), id, needed);
}

Result<Response> show_app(JobCall& job) {
  TRY_ASSIGN(const jobs::App app, app_of(job, SiteRight::kUse));
  return document_answer(api::app_document(app));
}

Result<Response> change_app(JobCall& job) {
  TRY_ASSIGN(jobs::App app, app_of(job, SiteRight::kManage));
  TRY_ASSIGN(const json::object document, api::parse_object(job.request().body));
  TRY(api::read_app_change(document, app));
  TRY_ASSIGN(const jobs::App changed, job.parts.stores.apps.put(app));
  return document_answer(api::app_document(changed));
}

Result<Response> remove_app(JobCall& job) {
  TRY_ASSIGN(const jobs::App app, app_of(job, SiteRight::kManage));
  TRY(job.parts.stores.apps.remove(app.id, jobs::Apps::Jobs::kMustBeNone));
  return nothing_answer();
}

}  // namespace

std::vector<Route> site_routes(const JobParts& parts) {
  const auto route = [&parts](Method method, std::string_view pattern, std::string_view doc,
                              JobAction action) {
    return job_route(parts, method, pattern, doc, action);
  };
  constexpr std::string_view kSites = "/v1/sites", kSite = "/v1/sites/{site_id}";
  constexpr std::string_view kApps = "/v1/apps", kApp = "/v1/apps/{app_id}";
  return {
      route(Method::kGet, kSites, "Sites that the caller owns or may use.", list_sites),
      route(Method::kPost, kSites, "Makes a site, where clients may.", create_site),
      route(Method::kGet, kSite, "One site.", show_site),
      route(Method::kPut, kSite, "Changes it.", change_site),
      route(Method::kDelete, kSite, "Removes it with its jobs; the files stay.", remove_site),
      route(Method::kGet, kApps, "Apps of these sites.", list_apps),
      route(Method::kPost, kApps, "Makes an app: a command that jobs run.", create_app),
      route(Method::kGet, kApp, "One app.", show_app),
      route(Method::kPut, kApp, "Changes it.", change_app),
      route(Method::kDelete, kApp, "Removes it, if it has no jobs.", remove_app),
  };
}

}  // namespace wherry::server
