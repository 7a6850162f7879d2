// SPDX-License-Identifier: Apache-2.0
// The routes below /v1: Balsam's, of sites, apps, jobs, transfer items, events, batch jobs and
// sessions. docs/api/jobs.md compares them. What a caller asks for runs commands and moves files
// with the rights of whoever runs the site's process, so each route asks JobAccess first.
#pragma once

#include <string>
#include <vector>

#include "jobs/jobs.h"
#include "server/job_access.h"
#include "server/router.h"
#include "server/site_users.h"

namespace wherry::server {

// All outlive the routes, which are safe for concurrent calls.
struct JobParts {
  jobs::Stores& stores;
  SiteUsers& users;
  // Below which clients may make sites; empty: they may not.
  std::string site_directory = {};
};

// Of sites and apps.
std::vector<Route> site_routes(const JobParts& parts);
// Of jobs, their transfer items and their events.
std::vector<Route> job_routes(const JobParts& parts);
// Of sessions and batch jobs.
std::vector<Route> launcher_routes(const JobParts& parts);

}  // namespace wherry::server
