// SPDX-License-Identifier: Apache-2.0
// The files of a site: settings.yml, apps/*.yml, data/ (the work directories) and log/. People edit
// them; `wherry site sync` puts them into force.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "jobs/jobs.h"
#include "jobs/types.h"

namespace wherry::cli {

// Makes the directories, and samples of settings and of an app. What is there stays as it is, so
// that this can go on where it was interrupted. kAlreadyExists if `path` holds something else.
Result<void> lay_out_site(const std::string& path);

struct SiteFiles {
  std::string settings;
  std::vector<jobs::App> apps;  // sorted by file
};
// kInvalid names file, line and key; nothing is half read. Apps have no number and site yet.
Result<SiteFiles> read_site_files(const std::string& path);
// One app of a file anywhere.
Result<jobs::App> read_app_file(const std::string& path);

struct SiteChange {
  std::string what;  // "settings", "app compress"
  enum class Kind { kAdded, kChanged, kSame, kWithoutFile } kind = Kind::kSame;
};
std::string_view to_string(SiteChange::Kind kind);

// Puts into force what differs. Apps that have no file (made by others, or the file is gone) stay.
Result<std::vector<SiteChange>> apply_site_files(jobs::Stores& stores, const jobs::Site& site,
                                                 const SiteFiles& files);

}  // namespace wherry::cli
