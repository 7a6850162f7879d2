// SPDX-License-Identifier: Apache-2.0
#include "flow/executors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/options.h"
#include "base/path.h"
#include "base/units.h"

namespace wherry::flow {
namespace {

using Provider = ExecutorSettings::Provider;

constexpr std::string_view kLocalExecutor = "local";
constexpr std::string_view kAllExecutors = "all";
constexpr std::int64_t kMostCommands = 10'000;
constexpr std::int64_t kMostNodes = 1'000'000;
constexpr std::size_t kUsualJobs = 100;
constexpr Duration kLongestWalltime = std::chrono::hours(24 * 365);

// ---- the keys: what each means, and for which provider

struct ExecutorKey {
  enum class For { kBoth, kLocalhost, kSlurm } providers;
  std::string_view key;
  std::string_view value;  // what stands for it where it is left out
  std::string_view meaning;
};
using For = ExecutorKey::For;

constexpr ExecutorKey kExecutorKeys[] = {
    {For::kBoth, "provider", "localhost",
     "Where commands run: localhost (processes of this machine) or slurm (a job each)."},
    {For::kBoth, "environment", "",
     "Lines of sh before each command, as a list: `module load …`, `export …`."},
    {For::kBoth, "walltime", "",
     "How long a command may run that says nothing itself: `HH:MM:SS`, `D-HH:MM:SS` or `10m`."
     " Slurm counts in minutes. Empty: for ever, or as the partition has it."},
    {For::kLocalhost, "max_workers_per_node", "processors",
     "How many commands run at once; the rest waits its turn."},
    {For::kSlurm, "account", "", "What the time is charged to."},
    {For::kSlurm, "cores_per_node", "",
     "Processors for a command on each of its nodes; with mpi, ranks."},
    {For::kSlurm, "exclusive", "no", "Whether a command has its nodes for itself."},
    {For::kSlurm, "max_blocks", "100",
     "How many commands are in Slurm at once; the rest waits its turn here."},
    {For::kSlurm, "mpi", "no",
     "Whether commands start ranks (`srun …`): cores_per_node then counts tasks of Slurm."},
    {For::kSlurm, "nodes_per_block", "1", "Nodes for a command."},
    {For::kSlurm, "partition", "", "Partition of Slurm."},
    {For::kSlurm, "queue", "", "Quality of service (QOS) of Slurm."},
    {For::kSlurm, "submit_arguments", "", "More options of sbatch, as a list: `--gres=gpu:1`."},
};

YamlField executor_walltime_field(std::optional<Duration>& into) {
  return {"walltime", [&into](const YamlNode& node) -> Result<void> {
            TRY_ASSIGN(const std::string text, node.as_text());
            const auto walltime = parse_walltime(text);
            if (!walltime) return node.wrong(walltime.error().message);
            into = *walltime;
            return {};
          }};
}

// Lines from a list, or a text that has them.
YamlField executor_lines_field(std::string_view key, std::vector<std::string>& into) {
  return {key, [&into](const YamlNode& node) -> Result<void> {
            if (node.kind == YamlNode::Kind::kScalar) {
              into = {node.text};
              return {};
            }
            TRY_ASSIGN(into, node.as_text_list());
            return {};
          }};
}

Result<Provider> provider_of_executor(const YamlNode& executor) {
  const YamlNode* const node = executor.find("provider");
  if (node == nullptr || node->text == "localhost") return Provider::kLocalhost;
  if (node->text == "slurm") return Provider::kSlurm;
  return node->wrong(fmt::format("'{}' is not one of localhost, slurm", escape_bytes(node->text)));
}

// What Chiltepin has besides, and what there is instead.
void add_refused_keys(Provider provider, std::vector<YamlField>& fields) {
  const bool is_local = provider == Provider::kLocalhost;
  constexpr std::string_view kNoBlocks =
      "leave it out: nothing is held between commands, each is started when its turn comes";
  fields.push_back(refused_field("init_blocks", kNoBlocks));
  fields.push_back(refused_field("min_blocks", kNoBlocks));
  fields.push_back(refused_field(
      "endpoint", "leave it out: commands run on this machine, or through its Slurm"));
  fields.push_back(refused_field("mpi_launcher",
                                 "write how ranks are started into the command, as in 'srun …'"));
  fields.push_back(
      refused_field("max_mpi_apps", is_local ? "set 'max_workers_per_node'" : "set 'max_blocks'"));
  fields.push_back(
      refused_field("cores_per_worker", is_local ? "set 'max_workers_per_node'"
                                                 : "set 'cores_per_node': a command is a job"));
  for (const ExecutorKey& key : kExecutorKeys) {
    if (is_local && key.providers == For::kSlurm)
      fields.push_back(refused_field(key.key, "it is for 'provider: slurm'"));
    if (!is_local && key.providers == For::kLocalhost)
      fields.push_back(refused_field(key.key, "each command is a job: set 'max_blocks'"));
  }
}

Result<ExecutorSettings> read_executor(const YamlNode& node) {
  ExecutorSettings settings;
  TRY_ASSIGN(settings.provider, provider_of_executor(node));
  std::vector<std::string> submit_arguments;
  std::vector<YamlField> fields = {
      {"provider", [](const YamlNode& /*read already*/) { return Result<void>(); }},
      executor_lines_field("environment", settings.environment),
      executor_walltime_field(settings.walltime),
  };
  if (settings.provider == Provider::kLocalhost) {
    fields.push_back(
        integer_field("max_workers_per_node", settings.max_commands, 1, kMostCommands));
  } else {
    fields.push_back(text_field("account", settings.account));
    fields.push_back(integer_field("cores_per_node", settings.processors, 1, kMostNodes));
    fields.push_back(switch_field("exclusive", settings.is_exclusive));
    fields.push_back(integer_field("max_blocks", settings.max_commands, 1, kMostCommands));
    fields.push_back(switch_field("mpi", settings.is_mpi));
    fields.push_back(integer_field("nodes_per_block", settings.nodes, 1, kMostNodes));
    fields.push_back(text_field("partition", settings.partition));
    fields.push_back(text_field("queue", settings.queue));
    fields.push_back(executor_lines_field("submit_arguments", submit_arguments));
  }
  add_refused_keys(settings.provider, fields);
  TRY(read_fields(node, fields));
  for (const std::string& line : submit_arguments) settings.submit_arguments += line + '\n';
  return settings;
}

Result<void> check_executor_name(const YamlNode& node) {
  const bool is_plain =
      !node.key.empty() && std::all_of(node.key.begin(), node.key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
      });
  if (!is_plain)
    return node.wrong("the name of an executor has letters, digits, '_', '-' and '.' alone");
  if (node.key == kAllExecutors)
    return node.wrong("'all' stands for all executors: choose another name");
  return {};
}

schedulers::BatchScript resources_of(const ExecutorSettings& settings) {
  schedulers::BatchScript wanted;
  wanted.num_nodes = settings.nodes;
  // Exclusive only where it is asked for, then also beside parts that are named.
  wanted.nodes = schedulers::BatchScript::Nodes::kShared;
  if (settings.is_exclusive) wanted.options["exclusive"] = "";
  wanted.walltime = settings.walltime.value_or(Duration(0));
  wanted.queue = settings.partition;
  wanted.project = settings.account;
  if (!settings.queue.empty()) wanted.options["qos"] = settings.queue;
  if (settings.processors > 0) {
    wanted.options[settings.is_mpi ? "ntasks-per-node" : "cpus-per-task"] =
        std::to_string(settings.processors);
  }
  return wanted;
}

}  // namespace

Result<Duration> parse_walltime(std::string_view text) {
  const auto wrong = [&] {
    return make_error(Code::kInvalid,
                      "'{}' is no walltime: they are 'HH:MM:SS', 'D-HH:MM:SS' or '10m', above 0 and"
                      " at most a year",
                      escape_bytes(text));
  };
  Duration walltime{0};
  if (text.find(':') == text.npos) {
    const auto duration = parse_duration(text);
    if (!duration) return wrong();
    walltime = *duration;
  } else {
    const std::size_t dash = text.find('-');
    std::string_view rest = dash == text.npos ? text : text.substr(dash + 1);
    std::vector<std::string_view> parts;
    if (dash != text.npos) parts.push_back(text.substr(0, dash));
    for (std::size_t end = 0; end != rest.npos;
         rest.remove_prefix(end == rest.npos ? 0 : end + 1)) {
      end = rest.find(':');
      parts.push_back(rest.substr(0, end));
    }
    if (parts.size() != (dash == text.npos ? 3u : 4u)) return wrong();
    constexpr std::array<std::int64_t, 4> kSeconds = {86'400, 3'600, 60, 1};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      std::int64_t count = 0;
      const std::string_view part = parts[i];
      const auto parsed = std::from_chars(part.data(), part.data() + part.size(), count);
      const bool is_number =
          parsed.ec == std::errc() && parsed.ptr == part.data() + part.size() && part[0] != '-';
      if (!is_number || count > 1'000'000) return wrong();
      walltime += std::chrono::seconds(count * kSeconds[kSeconds.size() - parts.size() + i]);
    }
  }
  if (walltime <= Duration(0) || walltime > kLongestWalltime) return wrong();
  return walltime;
}

Result<ExecutorMap> parse_executors(const YamlNode* section) {
  ExecutorMap executors;
  executors.emplace(kLocalExecutor, ExecutorSettings());
  if (section == nullptr || section->kind == YamlNode::Kind::kNull) return executors;
  if (section->kind != YamlNode::Kind::kMap)
    return section->wrong("wants names of executors, each with its keys");
  for (const YamlNode& node : section->children) {
    TRY(check_executor_name(node));
    TRY_ASSIGN(executors[node.key], read_executor(node));
    if (node.key == kLocalExecutor && executors[node.key].provider != Provider::kLocalhost)
      return node.wrong("the executor 'local' is of provider localhost: choose another name");
  }
  return executors;
}

std::string executors_reference() {
  std::string text =
      "## Executors\n\n"
      "Where the commands of flows run, by name, in the section `executors:` of `settings.yml`."
      " `local` is always there. The keys are those of Chiltepin's resources, but a command on a"
      " cluster is a job of its own; a key that Wherry has no use for is refused with what to"
      " write instead.\n\n"
      "```yaml\n"
      "executors:\n"
      "  local:\n"
      "    max_workers_per_node: 4\n"
      "  big:\n"
      "    provider: slurm\n"
      "    partition: compute\n"
      "    account: physics\n"
      "    walltime: \"01:00:00\"\n"
      "    environment:\n"
      "      - module load python\n"
      "```\n\n"
      "| key | provider | default | meaning |\n|---|---|---|---|\n";
  for (const ExecutorKey& key : kExecutorKeys) {
    const std::string_view provider = key.providers == For::kBoth        ? "both"
                                      : key.providers == For::kLocalhost ? "localhost"
                                                                         : "slurm";
    const std::string value = key.value.empty() ? "" : fmt::format("`{}`", key.value);
    text += fmt::format("| `{}` | {} | {} | {} |\n", key.key, provider, value, key.meaning);
  }
  return text;
}

Executors::Executors(Clock& clock, Options options) : clock_(clock), options_(std::move(options)) {}

std::vector<std::string> Executors::names() const {
  std::vector<std::string> names;
  for (const auto& [name, settings] : options_.settings) names.push_back(name);
  return names;
}

Result<void> Executors::check(std::string_view name) const {
  if (options_.settings.find(name) != options_.settings.end()) return {};
  const std::vector<std::string> known = names();
  const auto meant = nearest(name, known);
  return make_error(Code::kNotFound, "there is no executor '{}'; {}", escape_bytes(name),
                    meant ? fmt::format("did you mean '{}'?", *meant)
                          : fmt::format("there are {}; others stand in 'executors' of settings.yml",
                                        fmt::join(known, ", ")));
}

Result<Executor*> Executors::find(std::string_view name) {
  TRY(check(name));
  const auto settings = options_.settings.find(name);
  const std::lock_guard lock(mutex_);
  auto& executor = opened_[settings->first];
  if (!executor) executor = open(settings->first, settings->second);
  return executor.get();
}

Result<std::string> Executors::pick(std::span<const std::string> wanted) {
  for (const std::string& name : wanted) {
    if (name != kAllExecutors) TRY(check(name));
  }
  const bool has_all =
      wanted.size() == 0 || std::find(wanted.begin(), wanted.end(), kAllExecutors) != wanted.end();
  const std::vector<std::string> candidates =
      has_all ? names() : std::vector<std::string>(wanted.begin(), wanted.end());
  const std::lock_guard lock(mutex_);
  return candidates[turn_++ % candidates.size()];
}

std::unique_ptr<Executor> Executors::open(const std::string& name,
                                          const ExecutorSettings& settings) const {
  if (settings.provider == Provider::kLocalhost) {
    return open_local_executor(clock_, {.max_processes = settings.max_commands,
                                        .walltime = settings.walltime,
                                        .environment = settings.environment});
  }
  schedulers::SlurmOptions slurm;
  slurm.submit_arguments = settings.submit_arguments;
  slurm.bin_directory = options_.bin_directory;
  return open_slurm_executor(
      clock_, schedulers::open_slurm(slurm),
      {.directory = fmt::format("{}/commands/{}", options_.directory, name),
       .max_jobs = settings.max_commands > 0 ? settings.max_commands : kUsualJobs,
       .resources = resources_of(settings),
       .environment = settings.environment});
}

}  // namespace wherry::flow
