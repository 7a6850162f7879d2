// SPDX-License-Identifier: Apache-2.0
// What commands about jobs and transfer items share: KEY=VALUE options, numbers, and the choice of
// jobs that a command is about.
#pragma once

#include <string_view>
#include <vector>

#include "cli/command.h"
#include "jobs/types.h"

namespace wherry::cli {

// Every "KEY=VALUE" of an option. kInvalid for one without '=' or key, or a key that comes twice.
Result<jobs::TextMap> pairs_of(const Arguments& arguments, std::string_view option);

// Every number of an option or positional of kind kJob or kInteger.
std::vector<std::int64_t> numbers_of(const Arguments& arguments, std::string_view name);

// The jobs that JOB_ID... and the options of job_filter_options() let pass.
Result<jobs::JobFilter> job_filter(Context& context, const Arguments& arguments);
std::vector<OptionSpec> job_filter_options();
PositionalSpec job_ids_positional();

// The same for commands that change jobs: kInvalid if the command line chooses none, so that no
// slip reaches all. Jobs that are named by number must exist (kNotFound).
Result<jobs::JobFilter> chosen_jobs(Context& context, const Arguments& arguments);
OptionSpec all_jobs_option();

// Of --tag.
OptionSpec tag_option(std::string_view help);

// "CREATED", …; for options of kind kChoice.
std::vector<std::string_view> job_state_names();
std::vector<std::string_view> item_state_names();

}  // namespace wherry::cli
