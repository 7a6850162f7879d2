// SPDX-License-Identifier: Apache-2.0
// How jobs are removed within a transaction. For the stores' .cc files.
#pragma once

#include "jobs/query.h"

namespace wherry::jobs {

// All that the filter lets pass, whatever its page, with items and events; the jobs that wait for
// one of them are FAILED. Answers how many.
Result<std::uint64_t> remove_jobs(soci::session& sql, const JobFilter& filter, TimePoint now);

}  // namespace wherry::jobs
