// SPDX-License-Identifier: Apache-2.0
#include "jobs/site_removal.h"

#include "jobs/job_store.h"
#include "jobs/site_store.h"
#include "tasks/claim.h"

namespace wherry::jobs {
namespace {

// Each sends what may have been sent, and cancels; a second one sees what the first has sent.
constexpr int kMostSteps = 4;

// The stager cancels what carries nobody's items.
Result<void> cancel_tasks(const StagerParts& parts, const Site& site,
                          const SiteSettings& settings) {
  Items items(parts.database, parts.clock);
  Stager stager(parts, site, settings);
  std::string trouble;
  for (int step = 0; step < kMostSteps; ++step) {
    TRY_ASSIGN(const auto open, items.open_tasks(site.id));
    if (open.empty()) return {};
    TRY_ASSIGN(const Stager::Step done, stager.step({}));
    for (const Alert& alert : done.alerts) trouble = alert.message;
  }
  TRY_ASSIGN(const auto open, items.open_tasks(site.id));
  if (open.empty()) return {};
  return make_error(
      Code::kUnavailable,
      "the jobs of site '{}' are forgotten, but not all of its transfer tasks could be"
      " cancelled{}; remove it again later, or leave them as they are (`wherry site rm"
      " --leave-tasks`)",
      site.name, trouble.empty() ? "" : ": " + trouble);
}

}  // namespace

Result<void> remove_site(const StagerParts& parts, const Site& site, const SiteSettings& settings) {
  {
    // Nobody else stages for it meanwhile.
    TRY_ASSIGN(
        const tasks::Claim sole,
        tasks::Claims(parts.database, parts.clock).acquire(kSiteClaim, site_claim_id(site.id)));
    JobFilter all;
    all.sites = {site.id};
    TRY(Jobs(parts.database, parts.clock).remove(all), "forget its jobs");
    TRY(cancel_tasks(parts, site, settings));
  }
  return Sites(parts.database, parts.clock).remove(site.id);
}

}  // namespace wherry::jobs
