// SPDX-License-Identifier: Apache-2.0
// The directories in which jobs run, on the host of the site: where they are, what is in them.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "base/result.h"
#include "base/types.h"
#include "jobs/types.h"

namespace wherry::jobs {

// Where jobs of a site share inputs that they have in common (share_inputs).
inline constexpr std::string_view kSharedDirectory = ".shared";

// Of those that are made for jobs.
inline constexpr mode_t kDirectoryMode = 0755;

// The work directory of a job on this host; kInvalid if it leaves the site.
Result<std::string> host_directory(const Site& site, std::string_view workdir);

// Something in a work directory.
struct Found {
  std::string path;  // relative to the directory
  bool is_directory = false;
};

// Whether a name holds * ? or [.
bool has_wildcards(std::string_view text);

// What stands at `pattern` below `directory`, sorted; nothing if there is nothing. Each component
// may hold * ? [..] (fnmatch; a leading dot must be written out). What a symlink leads to is looked
// at, but none is followed to enter a directory.
Result<std::vector<Found>> find_files(const std::string& directory, std::string_view pattern);

// Removes a file, a symlink or a tree; follows no symlink. Success if there is nothing.
Result<void> remove_path(const std::string& path);

// Puts the file `from` also at `to`, replacing what is there at once.
enum class Place { kLink, kCopy };
Result<void> place_file(const std::string& from, const std::string& to, Place place);

// Removes shared inputs that no work directory is linked to and that nobody brought for a day.
Result<void> clean_shared(const Site& site, TimePoint now);

}  // namespace wherry::jobs
