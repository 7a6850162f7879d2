// SPDX-License-Identifier: Apache-2.0
// A login at a service on another machine, by a person at this terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace wherry::cli {

enum class Browser { kHere, kElsewhere };  // elsewhere: the page shows a code to paste

// Answers the exit code. `scopes` are asked for beside the usual ones.
Result<int> log_in_here(Context& context, app::RemoteService& remote, Browser browser,
                        const std::vector<std::string>& scopes);

// What lets Wherry read and write the data of a mapped collection. kInvalid unless it is a UUID.
Result<std::string> data_access_scope(std::string_view endpoint_id);

}  // namespace wherry::cli
