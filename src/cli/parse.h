// SPDX-License-Identifier: Apache-2.0
// Reads a command line against the declarations in commands.h. Arguments are bytes: nothing is
// decoded, expanded or split. Written here and not taken from a library because file names and
// patterns must pass untouched ("[ab]*" is no list), the order of --include and --exclude counts,
// and every slip deserves the nearest good word.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"

namespace wherry::cli {

struct ParsedLine {
  const Command* command = nullptr;  // null: help or version is asked, or only a noun was given
  std::string noun;                  // the words that named no whole command: "task"
  Arguments arguments;               // also of the options that every command takes
};

// Options that every command takes: --format, --help, --set, ….
std::span<const OptionSpec> common_options();

// Accepts "--name value", "--name=value", "-n value", "-nvalue", joined switches "-la", and "--",
// after which nothing is an option. Errors are kInvalid and name the nearest known word.
Result<ParsedLine> parse_line(std::span<const Command> commands,
                              std::span<const std::string> words);

}  // namespace wherry::cli
