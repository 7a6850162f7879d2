// SPDX-License-Identifier: Apache-2.0
// Completion of command lines. The shells' scripts are a few lines that ask the program itself, so
// that what they offer is always the table of commands.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace wherry::cli {

// Names that are in the state: of endpoints, syncs, tasks, sites, apps, jobs or flows.
using NameLookup = std::function<std::vector<std::string>(ValueKind)>;

// What may stand for the last of `words` (maybe empty); the words before it are complete, without
// "wherry". Nothing where the shell should offer its files.
std::vector<std::string> complete(std::span<const Command> commands,
                                  std::span<const std::string> words, const NameLookup& lookup);

// The script for "bash", "zsh" or "fish".
std::string_view completion_script(std::string_view shell);

}  // namespace wherry::cli
