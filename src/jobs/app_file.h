// SPDX-License-Identifier: Apache-2.0
// Apps as YAML files, one app each: `apps/NAME.yml` of a site. See docs/howto/stage-jobs.md for the
// form.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/path.h"
#include "base/result.h"
#include "jobs/types.h"

namespace wherry::jobs {

// `name` is what the app is called if the text does not say (the file's name). kInvalid names line
// and key, and the nearest known key of a slip; an app that is read is valid.
Result<App> parse_app(std::string_view yaml, std::string_view name);
// kInvalid for a bad name, a command whose placeholders are no parameters, a parameter that no
// placeholder uses, a slot whose path leaves the work directory, two input slots with one local
// path, resources below their least. Every way into the store asks this.
Result<void> validate(const App& app);
Result<void> validate(const Resources& resources);  // of a job that has its own
// A commented file with every key.
std::string sample_app();

// What a job of the app wants moved: kInvalid for a slot that the app does not have, a required one
// that is missing, a place that is none, two inputs that would be one file in the work directory,
// and two outputs that would be one file elsewhere. Every way into the store asks this.
Result<void> check_transfers(const App& app,
                             const std::map<std::string, RemotePath, std::less<>>& transfers);
// Where the file of a slot is, below the work directory: as the slot says, or, of an input whose
// local_path is ".", under the name of the remote file. The empty path is the work directory
// itself.
Result<RelPath> local_path_of(const Slot& slot, std::string_view remote_path);
bool keeps_remote_name(const Slot& slot);

// Letters, digits and '_', no digit first: parameters, and variables of the environment.
bool is_parameter_name(std::string_view name);

}  // namespace wherry::jobs
