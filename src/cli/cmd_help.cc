// SPDX-License-Identifier: Apache-2.0
// wherry help: the command table on the screen, as a man page, as Markdown.
#include "base/path.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/parse.h"

namespace wherry::cli {
namespace {

Result<int> help(Context& context, const Arguments& arguments) {
  if (arguments.has("man")) {
    context.output().raw(man_page(commands()));
    return kExitDone;
  }
  if (arguments.has("markdown")) {
    context.output().raw(markdown_reference(commands()));
    return kExitDone;
  }
  // The words name a command or a noun; the parser knows both, and the nearest of an unknown one.
  std::vector<std::string> words = arguments.all("COMMAND");
  if (words.size() > 2) words.resize(2);
  words.emplace_back("--help");
  TRY_ASSIGN(const ParsedLine line, parse_line(commands(), words));
  context.output().raw(line.command != nullptr ? command_help(*line.command)
                                               : overview(commands(), line.noun));
  return kExitDone;
}

}  // namespace

std::span<const Command> help_commands() {
  static const Command commands[] = {
      {.name = "help",
       .summary = "Show what commands there are and what they take.",
       .positionals = {{.name = "COMMAND",
                        .help = "The command, e.g. 'task show'.",
                        .count = PositionalSpec::Count::kAny}},
       .options = {{.name = "man", .help = "Print the man page, wherry.1."},
                   {.name = "markdown", .help = "Print docs/reference/cli.md."}},
       .handler = help},
  };
  return commands;
}

}  // namespace wherry::cli
