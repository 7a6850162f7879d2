// SPDX-License-Identifier: Apache-2.0
// wherry completion: scripts for shells, and the answers that they ask for.
#include "base/path.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "flow/store.h"

namespace wherry::cli {
namespace {

constexpr std::size_t kMostNames = 1000;

using Names = std::vector<std::string>;

Names endpoint_names(app::Wherry& wherry) {
  Names names;
  if (const auto found = wherry.endpoints().search("", kMostNames, 0)) {
    for (const auto& endpoint : *found) names.push_back(endpoint.display_name);
  }
  return names;
}

Names task_names(app::Wherry& wherry) {
  Names names;
  tasks::TaskFilter filter;
  filter.limit = kMostNames;
  if (const auto found = wherry.service().tasks(filter)) {
    for (const auto& task : *found) names.push_back(task.id);
  }
  return names;
}

Names sync_names(app::Wherry& wherry) {
  Names names;
  const auto syncs = wherry.syncs();
  if (!syncs) return names;
  if (const auto found = syncs.value()->list()) {
    for (const auto& definition : *found) names.push_back(definition.name);
  }
  return names;
}

Names site_names(app::Wherry& wherry) {
  Names names;
  if (const auto found = wherry.jobs().sites.list()) {
    for (const auto& site : *found) names.push_back(site.name);
  }
  return names;
}

Names app_names(app::Wherry& wherry) {
  Names names;
  if (const auto found = wherry.jobs().apps.list({})) {
    for (const auto& app : *found) names.push_back(app.name);
  }
  return names;
}

Names job_numbers(app::Wherry& wherry) {
  Names names;
  jobs::JobFilter newest;
  newest.sorting = jobs::Sorting::kDescending;
  newest.limit = kMostNames;
  if (const auto found = wherry.jobs().jobs.list(newest)) {
    for (const auto& job : found->rows) names.push_back(std::to_string(job.id));
  }
  return names;
}

Names flow_names(app::Wherry& wherry) {
  Names names;
  if (const auto found = flow::Store(wherry.database()).runs(kMostNames)) {
    for (const auto& run : *found) {
      names.push_back(run.name);
      names.push_back(std::to_string(run.id));
    }
  }
  return names;
}

// Completion never complains: without a readable state there are just no names.
Names names_of(Context& context, ValueKind kind) {
  const auto opened = context.wherry();
  if (!opened) return {};
  app::Wherry& wherry = **opened;
  if (kind == ValueKind::kEndpoint) return endpoint_names(wherry);
  if (kind == ValueKind::kTask) return task_names(wherry);
  if (kind == ValueKind::kSync) return sync_names(wherry);
  if (kind == ValueKind::kSite) return site_names(wherry);
  if (kind == ValueKind::kApp) return app_names(wherry);
  if (kind == ValueKind::kJob) return job_numbers(wherry);
  if (kind == ValueKind::kFlow) return flow_names(wherry);
  return {};
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
