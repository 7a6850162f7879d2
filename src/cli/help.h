// SPDX-License-Identifier: Apache-2.0
// The command table as text: help on the screen, the man page, docs/reference/cli.md.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/command.h"

namespace wherry::cli {

// "wherry 0.1.0"
std::string version_line();

// All commands with their summaries; with a noun, those of the noun.
std::string overview(std::span<const Command> commands, std::string_view noun);
std::string command_help(const Command& command);

// roff for wherry.1
std::string man_page(std::span<const Command> commands);
std::string markdown_reference(std::span<const Command> commands);

// "wherry task show [OPTIONS] TASK_ID"
std::string usage(const Command& command);
// "-s, --sync-level LEVEL"
std::string option_heading(const OptionSpec& option);

}  // namespace wherry::cli
