// SPDX-License-Identifier: Apache-2.0
#include "cli/run.h"

#include "base/path.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/parse.h"

namespace wherry::cli {
namespace {

using Overrides = std::map<std::string, std::string, std::less<>>;

// The settings that were given as flags; a special flag is stronger than --set.
Result<Overrides> overrides_of(const Arguments& arguments) {
  Overrides overrides;
  for (const std::string& text : arguments.all("set")) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos) {
      return make_error(Code::kInvalid, "option --set: '{}' is not of the form NAME=VALUE",
                        escape_bytes(text));
    }
    overrides[text.substr(0, equals)] = text.substr(equals + 1);
  }
  if (arguments.has("verbose")) overrides["log.level"] = "info";
  if (arguments.has("log-level")) overrides["log.level"] = arguments.text("log-level");
  if (arguments.has("service")) overrides["service"] = arguments.text("service");
  if (arguments.has("state-dir")) overrides["state.dir"] = arguments.text("state-dir");
  return overrides;
}

Format format_of(const Arguments& arguments) {
  const std::string& name = arguments.text("format");
  if (name == "json") return Format::kJson;
  if (name == "unix") return Format::kUnix;
  return Format::kText;
}

int complain(const Error& error, std::ostream& err) {
  err << "wherry: " << printable(error.message) << '\n';
  return exit_code_of(error);
}

int run_command(const ParsedLine& line, const app::Environment& environment, Streams streams) {
  auto overrides = overrides_of(line.arguments);
  if (!overrides) return complain(overrides.error(), streams.err);
  Context context({environment, std::move(overrides).value(), format_of(line.arguments),
                   streams.out, streams.err});
  const auto exit = line.command->handler(context, line.arguments);
  streams.out.flush();
  if (!exit) return complain(exit.error(), streams.err);
  if (!streams.out) {
    streams.err << "wherry: the answer could not be written to standard output\n";
    return kExitFailed;
  }
  return exit.value();
}

}  // namespace

int run(std::span<const std::string> words, const app::Environment& environment, Streams streams) {
  const auto line = parse_line(commands(), words);
  if (!line) {
    complain(line.error(), streams.err);
    return kExitUsage;
  }
  if (line->arguments.has("version")) {
    streams.out << version_line() << '\n';
    return kExitDone;
  }
  if (line->arguments.has("help")) {
    streams.out << (line->command != nullptr ? command_help(*line->command)
                                             : overview(commands(), line->noun));
    return kExitDone;
  }
  if (line->command == nullptr) {
    streams.err << overview(commands(), line->noun);
    return kExitUsage;
  }
  return run_command(*line, environment, streams);
}

}  // namespace wherry::cli
