// SPDX-License-Identifier: Apache-2.0
// The process of a site, with the services and schedulers that its settings name.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "app/wherry.h"
#include "base/result.h"
#include "jobs/types.h"

namespace wherry::app {

struct SiteRun {
  jobs::SiteId site = 0;
  std::string launcher_command;  // see jobs/site_process.h
  std::function<void(std::string_view line)> on_note;
};

// Runs the site until a stop is requested. `wherry` was opened with Execution::kAll: the transfers
// of the site must be run by somebody.
Result<void> run_site(Wherry& wherry, const SiteRun& run, std::stop_token stop);

// See jobs/site_removal.h: what is under way for the site is cancelled at its service.
Result<void> remove_site(Wherry& wherry, const jobs::Site& site);

}  // namespace wherry::app
