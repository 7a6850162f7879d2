// SPDX-License-Identifier: Apache-2.0
// Commands of this program that go on in the background, with the state and settings of now.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/command.h"

namespace wherry::cli {

// Starts `wherry WORDS...` in a session of its own, so that closing the terminal sends it no
// signal. What it says is appended to the file `log`. Answers its pid; it is a child of this
// process for as long as this one lives.
Result<pid_t> start_in_background(Context& context, app::Wherry& wherry,
                                  std::vector<std::string> words, const std::string& log);

}  // namespace wherry::cli
