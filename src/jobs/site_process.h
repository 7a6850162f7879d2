// SPDX-License-Identifier: Apache-2.0
// The process of a site (`wherry site start`): stages data, prepares and finishes jobs, launches
// them here or through a scheduler, cleans up behind them. Its parts run side by side; one that
// fails is started again with growing delays and told of in the site's alert, and stops no other.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "jobs/stager.h"
#include "jobs/types.h"
#include "schedulers/scheduler.h"
#include "tasks/transfer_service.h"

namespace wherry::jobs {

struct SiteProcessParts {
  // The service of that name as `transfers.service` gives it ("local", "globus", an address).
  std::function<Result<tasks::TransferService*>(const std::string& name)> service_of;
  Database& database;
  Clock& clock;
  Random& random;
  // By its name in the settings; null: there is none of that name.
  std::function<schedulers::Scheduler*(const std::string& name, const SiteSettings& settings)>
      scheduler_of;
  std::string launcher_command;  // what a batch script runs: "wherry queue launch", shell-quoted
  // Told of what a person may want to know, one line each, from any thread. May be empty.
  std::function<void(std::string_view line)> on_note = {};
};

// Claims the site and runs it until a stop is requested. Waits for the claim while another process
// holds it (on_note says who), and takes over within seconds when that one has died; if it was on
// another host, when it has been silent for a minute. kNotFound, kConflict: the site was removed,
// moved or taken while it ran.
Result<void> run_site(const SiteProcessParts& parts, SiteId site, std::stop_token stop);

// One round of what needs no transfer and no launcher, for run_site() and tests: STAGED_IN jobs get
// their work directory and become PREPROCESSED; RUN_DONE ones have their required outputs looked
// for and become POSTPROCESSED, or FAILED; RUN_ERROR and RUN_TIMEOUT become RESTART_READY or FAILED
// by the app's policy. Answers how many jobs it moved.
Result<std::size_t> process_jobs(Database& database, Clock& clock, const Site& site,
                                 std::size_t limit);
// Removes the cleanup_files of finished jobs; answers how many jobs were cleaned up behind.
Result<std::size_t> clean_up(Database& database, Clock& clock, const Site& site, std::size_t limit);
// Submits, follows and cancels the batch jobs of a site; answers whether anything changed. The
// settings are asked for when the batch jobs have been read.
Result<bool> follow_batch_jobs(const SiteProcessParts& parts, const Site& site,
                               const std::function<Result<SiteSettings>()>& settings_in_force);

}  // namespace wherry::jobs
