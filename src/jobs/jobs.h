// SPDX-License-Identifier: Apache-2.0
// What sites, apps and jobs are kept in, for those who use them: the command line, the server, the
// process of a site.
#pragma once

#include "base/clock.h"
#include "base/database.h"
#include "jobs/item_store.h"
#include "jobs/job_store.h"
#include "jobs/session_store.h"
#include "jobs/site_store.h"

namespace wherry::jobs {

// Safe for concurrent calls. The database is migrated with task_migrations() and job_migrations();
// it and the clock outlive this.
struct Stores {
  Stores(Database& database, Clock& clock)
      : sites(database, clock),
        apps(database, clock),
        jobs(database, clock),
        items(database, clock),
        sessions(database, clock),
        batch_jobs(database, clock) {}

  Sites sites;
  Apps apps;
  Jobs jobs;
  Items items;
  Sessions sessions;
  BatchJobs batch_jobs;
};

}  // namespace wherry::jobs
