// SPDX-License-Identifier: Apache-2.0
// The command of a job: its app's template, filled in. Values are quoted for the shell, so that no
// parameter can become a command of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jobs/types.h"

namespace wherry::jobs {

// The names between {{ and }}, in order, each once. kInvalid for a placeholder that is not closed
// or not a name.
Result<std::vector<std::string>> placeholders(std::string_view command);

// What sh runs in the work directory: preamble, environment, command. kInvalid for a parameter that
// the app does not have, or a required one that is missing.
Result<std::string> job_script(const App& app, const Job& job);
// Only the check of the parameters, for jobs that are created.
Result<void> check_parameters(const App& app, const TextMap& parameters);

}  // namespace wherry::jobs
