// SPDX-License-Identifier: Apache-2.0
#include "cli/invocation.h"

#include <unistd.h>

#include <climits>

#include "base/options.h"
#include "base/shell.h"
#include "cli/location.h"

namespace wherry::cli {
namespace {

// What is started later has another working directory.
std::string in_any_directory(const std::string& path) {
  return path.empty() ? path : absolute_local_path(path).value_or(path);
}

}  // namespace

Invocation invocation_of(Context& context, app::Wherry& wherry, std::vector<std::string> words) {
  char program[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", program, sizeof program);
  Invocation invocation;
  invocation.program =
      length > 0 ? std::string(program, static_cast<std::size_t>(length)) : "wherry";
  invocation.words = std::move(words);
  invocation.environment.emplace_back("WHERRY_STATE_DIR", wherry.directory());
  if (const auto settings = context.environment()("WHERRY_SETTINGS"))
    invocation.environment.emplace_back("WHERRY_SETTINGS", in_any_directory(*settings));
  for (const Options::Shown& shown : wherry.settings().all()) {
    const std::string variable = variable_of(shown.name);
    const auto flag = context.overrides().find(shown.name);
    const auto value = flag != context.overrides().end() ? std::optional(flag->second)
                                                         : context.environment()(variable);
    if (!value || variable == "WHERRY_STATE_DIR") continue;
    const bool is_path = shown.kind == OptionKind::kPath;
    invocation.environment.emplace_back(variable, is_path ? in_any_directory(*value) : *value);
  }
  return invocation;
}

std::string shell_command(const Invocation& invocation) {
  std::string line = "env";
  for (const auto& [name, value] : invocation.environment)
    line += " " + name + "=" + shell_quote(value);
  line += " " + shell_quote(invocation.program);
  for (const std::string& word : invocation.words) line += " " + shell_quote(word);
  return line;
}

}  // namespace wherry::cli
