// SPDX-License-Identifier: Apache-2.0
// Removes a site together with what is under way for it.
#pragma once

#include "jobs/site_settings.h"
#include "jobs/stager.h"

namespace wherry::jobs {

// Its jobs go first; then the tasks that carry their data, which nobody needs any more, are
// cancelled; then the site. kConflict: as of Sites::remove(). kUnavailable: a task could not be
// cancelled, and why; the site is still there then, without jobs, and can be removed once more.
Result<void> remove_site(const StagerParts& parts, const Site& site, const SiteSettings& settings);

}  // namespace wherry::jobs
