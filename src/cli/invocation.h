// SPDX-License-Identifier: Apache-2.0
// How a unit or a crontab starts this program with the state that it has now.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/schedule_text.h"

namespace wherry::cli {

Invocation invocation_of(Context& context, app::Wherry& wherry, std::vector<std::string> words);

// The same as one line for sh.
std::string shell_command(const Invocation& invocation);

}  // namespace wherry::cli
