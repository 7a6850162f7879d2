// SPDX-License-Identifier: Apache-2.0
// Jobs in the state database: made in bulk, listed, changed by people. What the stager and the
// launchers do to them is in item_store.h and session_store.h.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "jobs/types.h"

namespace wherry::jobs {

// Fields that are set are changed. Of a job that runs only tags and data can be.
struct JobChange {
  std::optional<JobState> state;  // one of settable_by_hand()
  std::optional<std::string> workdir;
  std::optional<TextMap> tags;
  std::optional<TextMap> parameters;
  std::optional<Resources> resources;
  std::optional<std::string> data;
  std::optional<bool> pending_file_cleanup;
  std::optional<int> return_code;
};

// Safe for concurrent calls. The database is migrated with job_migrations(); it and the clock
// outlive this.
class Jobs {
 public:
  Jobs(Database& database, Clock& clock) : database_(database), clock_(clock) {}

  // All or none, in one transaction; answers them in order. kInvalid names the job (from 1) and
  // field: an unknown app, parent or slot, a required slot or parameter that is missing, an alias
  // that the site's settings do not have, a path that is not absolute, a work directory that leaves
  // the site or comes twice, data that is too large, more than kMaxBulk jobs.
  Result<std::vector<Job>> create(SiteId site, std::span<const NewJob> jobs);
  // As many as one likes: in one transaction, without answering them. For `--batch`.
  Result<std::uint64_t> create_many(SiteId site, std::span<const NewJob> jobs);

  Result<Job> get(JobId id);  // kNotFound
  Result<Listing<Job>> list(const JobFilter& filter);
  Result<std::map<JobState, std::uint64_t>> count_by_state(const JobFilter& filter);

  Result<Job> modify(JobId id, const JobChange& change);
  struct Numbered {
    JobId id = 0;
    JobChange change;
  };
  // All or none; at most kMaxBulk.
  Result<void> modify(std::span<const Numbered> changes);
  // The same change of all that the filter lets pass; answers how many.
  Result<std::uint64_t> modify_all(const JobFilter& filter, const JobChange& change);

  // FAILED, with its items; the stager cancels what is under way, a launcher ends what runs.
  // kConflict if it has ended.
  Result<Job> cancel(JobId id);
  // From FAILED back to where it can go on: items in error become pending, what is done stays done.
  Result<Job> retry(JobId id);
  // With items and events. Transfers under way are cancelled by the stager (it sees the tasks that
  // carry nobody's items), children that wait for it are FAILED.
  Result<std::uint64_t> remove(const JobFilter& filter);

  Result<Listing<JobEvent>> events(const EventFilter& filter);

 private:
  Database& database_;
  Clock& clock_;
};

}  // namespace wherry::jobs
