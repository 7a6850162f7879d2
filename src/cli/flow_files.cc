// SPDX-License-Identifier: Apache-2.0
#include "cli/flow_files.h"

#include <algorithm>
#include <charconv>

#include "app/wherry.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/options.h"
#include "base/path.h"
#include "base/random.h"
#include "cli/location.h"
#include "flow/executors.h"
#include "flow/run.h"
#include "tasks/claim.h"

namespace wherry::cli {

Result<FlowText> read_flow_text(const std::string& file) {
  FlowText read;
  TRY_ASSIGN(read.file, absolute_local_path(file));
  TRY_ASSIGN(read.text, read_file(read.file, flow::kMaxFlowFileBytes), "'{}'", escape_bytes(file));
  const std::size_t slash = read.file.find_last_of('/');
  read.directory = slash == 0 ? "/" : read.file.substr(0, slash);
  read.name = read.file.substr(slash + 1);
  const std::size_t dot = read.name.find_last_of('.');
  if (dot != std::string::npos && dot > 0) read.name.resize(dot);
  return read;
}

Result<CheckedFlow> check_flow_text(const FlowText& text) {
  TRY_ASSIGN(flow::Flow flow, flow::parse_flow(text.text, text.name), "'{}'",
             escape_bytes(text.file));
  TRY_ASSIGN(flow::Graph graph, make_graph(flow), "'{}'", escape_bytes(text.file));
  return CheckedFlow{std::move(flow), std::move(graph)};
}

Result<void> check_flow_executors(const flow::Flow& flow, app::Wherry& wherry) {
  const std::vector<std::string> known = wherry.executors().names();
  for (const flow::FlowTask& task : flow.tasks) {
    const auto* command = std::get_if<flow::CommandWork>(&task.work);
    if (command == nullptr) continue;
    for (const std::string& name : command->executors) {
      if (name == "all" || std::find(known.begin(), known.end(), name) != known.end()) continue;
      const auto meant = nearest(name, known);
      return make_error(
          Code::kInvalid, "line {}: task '{}': there is no executor '{}'; {}", task.line, task.name,
          escape_bytes(name),
          meant ? fmt::format("did you mean '{}'?", *meant)
                : fmt::format("there are {} (the section 'executors' of the settings adds some)",
                              fmt::join(known, ", ")));
    }
  }
  return {};
}

Result<flow::RunRecord> find_flow_run(app::Wherry& wherry, const std::string& text) {
  flow::Store store(wherry.database());
  if (text.empty()) {
    TRY_ASSIGN(std::vector<flow::RunRecord> newest, store.runs(1));
    if (newest.empty())
      return make_error(Code::kNotFound, "no flow has been run; `wherry flow run FILE` runs one");
    return std::move(newest.front());
  }
  flow::RunId id = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) return store.run(id);
  TRY_ASSIGN(std::optional<flow::RunRecord> found, store.latest(text));
  if (!found)
    return make_error(Code::kNotFound, "no flow '{}' has been run; `wherry flow ls` lists what was",
                      escape_bytes(text));
  return *std::move(found);
}

Result<bool> is_flow_run_held(app::Wherry& wherry, flow::RunId id) {
  tasks::Claims claims(wherry.database(), system_clock());
  TRY_ASSIGN(const auto holder, claims.holder("flow", std::to_string(id)));
  return holder.has_value();
}

Result<flow::RunParts> flow_run_parts(app::Wherry& wherry, const flow::RunRecord& run) {
  TRY_ASSIGN(tasks::TransferService * service, wherry.service_of(run.service));
  flow::RunParts parts{*service,
                       wherry.executors(),
                       wherry.database(),
                       system_clock(),
                       system_random(),
                       wherry.owner(),
                       wherry.directory() + "/flows"};
  if (app::Wherry::is_embedded(run.service)) parts.data.looks_per_second = 0;
  return parts;
}

PositionalSpec flow_file_positional() {
  return {.name = "FILE", .kind = ValueKind::kFile, .help = "The flow, as YAML."};
}

OptionSpec flow_param_option() {
  return {.name = "param",
          .short_name = 'p',
          .value = "NAME=VALUE",
          .help = "The value of a parameter of the flow; of a list, once for each element.",
          .times = OptionSpec::Times::kMany};
}

}  // namespace wherry::cli
