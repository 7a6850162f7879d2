// SPDX-License-Identifier: Apache-2.0
// wherry completion: scripts for shells, and the answers that they ask for.
#include "base/path.h"
#include "cli/commands.h"
#include "cli/completion.h"

namespace wherry::cli {
namespace {

constexpr std::size_t kMostNames = 1000;

// Completion never complains: without a readable state there are just no names.
std::vector<std::string> names_of(Context& context, ValueKind kind) {
  std::vector<std::string> names;
  const auto wherry = context.wherry();
  if (!wherry) return names;
  if (kind == ValueKind::kEndpoint) {
    const auto found = wherry.value()->endpoints().search("", kMostNames, 0);
    if (!found) return names;
    for (const auto& endpoint : *found) names.push_back(endpoint.display_name);
  }
  if (kind == ValueKind::kTask) {
    tasks::TaskFilter filter;
    filter.limit = kMostNames;
    const auto found = wherry.value()->service().tasks(filter);
    if (!found) return names;
    for (const auto& task : *found) names.push_back(task.id);
  }
  if (kind == ValueKind::kSync) {
    const auto syncs = wherry.value()->syncs();
    if (!syncs) return names;
    const auto found = syncs.value()->list();
    if (!found) return names;
    for (const auto& definition : *found) names.push_back(definition.name);
  }
  return names;
}

Result<int> words(Context& context, const Arguments& arguments) {
  const auto found = complete(commands(), arguments.all("WORD"),
                              [&](ValueKind kind) { return names_of(context, kind); });
  for (const std::string& candidate : found) context.output().raw(escape_bytes(candidate) + "\n");
  return kExitDone;
}

Result<int> bash(Context& context, const Arguments&) {
  context.output().raw(completion_script("bash"));
  return kExitDone;
}
Result<int> zsh(Context& context, const Arguments&) {
  context.output().raw(completion_script("zsh"));
  return kExitDone;
}
Result<int> fish(Context& context, const Arguments&) {
  context.output().raw(completion_script("fish"));
  return kExitDone;
}

}  // namespace

std::span<const Command> completion_commands() {
  static const Command commands[] = {
      {.name = "completion bash",
       .summary = "Print the completion script for bash.",
       .handler = bash,
       .examples = {"source <(wherry completion bash)"}},
      {.name = "completion zsh", .summary = "Print the completion script for zsh.", .handler = zsh},
      {.name = "completion fish",
       .summary = "Print the completion script for fish.",
       .handler = fish},
      {.name = "completion words",
       .summary =
           "Print what may stand for the last word of a command line (the scripts ask this).",
       .positionals = {{.name = "WORD",
                        .help = "The words after 'wherry'; put '--' before them.",
                        .count = PositionalSpec::Count::kAny}},
       .handler = words},
  };
  return commands;
}

}  // namespace wherry::cli
