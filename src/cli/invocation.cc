// SPDX-License-Identifier: Apache-2.0
#include "cli/invocation.h"

#include <unistd.h>

#include <climits>

#include "base/options.h"
#include "base/shell.h"

namespace wherry::cli {

Invocation invocation_of(Context& context, app::Wherry& wherry, std::vector<std::string> words) {
  char program[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", program, sizeof program);
  Invocation invocation;
  invocation.program =
      length > 0 ? std::string(program, static_cast<std::size_t>(length)) : "wherry";
  invocation.words = std::move(words);
  invocation.environment.emplace_back("WHERRY_STATE_DIR", wherry.directory());
  if (const auto settings = context.environment()("WHERRY_SETTINGS"))
    invocation.environment.emplace_back("WHERRY_SETTINGS", *settings);
  for (const Options::Shown& shown : wherry.settings().all()) {
    const std::string variable = variable_of(shown.name);
    const auto flag = context.overrides().find(shown.name);
    const auto value = flag != context.overrides().end() ? std::optional(flag->second)
                                                         : context.environment()(variable);
    if (value && variable != "WHERRY_STATE_DIR")
      invocation.environment.emplace_back(variable, *value);
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
