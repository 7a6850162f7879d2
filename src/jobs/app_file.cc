// SPDX-License-Identifier: Apache-2.0
#include "jobs/app_file.h"

#include <algorithm>
#include <iterator>

#include "base/options.h"
#include "base/path.h"
#include "base/yaml.h"
#include "jobs/app_command.h"

namespace wherry::jobs {
namespace {

constexpr std::size_t kMaxNameCharacters = 200;
constexpr int kMaxCount = 1'000'000;
constexpr int kMaxRetries = 1'000;
constexpr std::string_view kGlobCharacters = "*?[";
// Written by the launcher beside the inputs.
constexpr std::string_view kOutputOfJob = "job.out";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_app_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameCharacters && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
         });
}

bool is_slot_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameCharacters &&
         (is_letter(name[0]) || name[0] == '_') &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
}

// ---- validation

// A path below the work directory (B11); the work directory itself is the empty one.
Result<RelPath> below_workdir(std::string_view path) {
  if (path.empty()) return make_error(Code::kInvalid, "the path is empty");
  if (path.starts_with('/'))
    return make_error(Code::kInvalid,
                      "'{}' is absolute; paths of an app are below the work directory",
                      escape_bytes(path));
  TRY_ASSIGN(RelPath below, RelPath::parse(path), "'{}'", escape_bytes(path));
  return below;
}

Result<void> check_is_free_for_input(const RelPath& local) {
  if (local.text() != kOutputOfJob) return {};
  return make_error(Code::kInvalid, "'{}' is where the output of the command goes", kOutputOfJob);
}

Result<void> check_slot(const Slot& slot) {
  TRY_ASSIGN(const RelPath path, below_workdir(slot.local_path), "local_path");
  const bool is_input = slot.direction == Direction::kIn;
  if (path.is_root() && !is_input && !slot.recursive)
    return make_error(Code::kInvalid,
                      "local_path '.' of an output is the whole work directory: set 'recursive'");
  const RelPath literal = is_input ? path : path.parent();
  if (literal.text().find_first_of(kGlobCharacters) != std::string::npos)
    return make_error(
        Code::kInvalid,
        "local_path '{}': '*', '?' and '[' may stand only in the last name of an output",
        escape_bytes(slot.local_path));
  return is_input ? check_is_free_for_input(path) : Result<void>();
}

// Several files may go into one directory under names of their own.
bool goes_into_directory(const Slot& output, const RemotePath& place) {
  return place.path.ends_with('/') ||
         output.local_path.find_first_of(kGlobCharacters) != std::string::npos;
}

Error no_such_slot(const App& app, std::string_view name) {
  std::vector<std::string> known;
  for (const auto& entry : app.transfers) known.push_back(entry.first);
  const auto meant = nearest(name, known);
  return make_error(Code::kInvalid, "app '{}' has no slot '{}'; {}", escape_bytes(app.name),
                    escape_bytes(name),
                    meant           ? fmt::format("did you mean '{}'?", *meant)
                    : known.empty() ? "it has none"
                                    : fmt::format("it has {}", fmt::join(known, ", ")));
}

// Where inputs go in one work directory. Two of one path would overwrite each other, and a file
// cannot be the directory of another.
class InputPaths {
 public:
  Result<void> add(const std::string& slot, RelPath path, bool recursive) {
    const auto [other, is_new] = slots_.try_emplace(std::move(path), Input{slot, recursive});
    if (is_new) return {};
    return make_error(Code::kInvalid, "slots '{}' and '{}' both put their input at '{}'",
                      other->second.slot, slot, escape_bytes(other->first.text()));
  }

  Result<void> check() const {
    // In the order of a walk: what is below a path comes right after it.
    for (auto file = slots_.begin(); file != slots_.end(); ++file) {
      const auto next = std::next(file);
      if (next == slots_.end() || file->second.recursive || !next->first.is_within(file->first))
        continue;
      return make_error(Code::kInvalid,
                        "slot '{}' puts a file at '{}', where slot '{}' needs a directory",
                        file->second.slot, escape_bytes(file->first.text()), next->second.slot);
    }
    return {};
  }

 private:
  struct Input {
    std::string slot;
    bool recursive = false;
  };
  std::map<RelPath, Input> slots_;
};

// ---- the parts of an app, each under its key

Result<void> check_slots(const App& app) {
  InputPaths inputs;
  for (const auto& [name, slot] : app.transfers) {
    if (!is_slot_name(name))
      return make_error(Code::kInvalid,
                        "'{}' is no name of a slot: letters, digits, '_' and '-', a letter first",
                        escape_bytes(name));
    TRY(check_slot(slot), "slot '{}'", name);
    // "." is the name of the remote file, which each job has its own of: see check_transfers().
    if (slot.direction == Direction::kOut || keeps_remote_name(slot)) continue;
    TRY_ASSIGN(RelPath path, RelPath::parse(slot.local_path));
    TRY(inputs.add(name, std::move(path), slot.recursive));
  }
  return inputs.check();
}

Result<void> check_no_nul(std::string_view text) {
  if (text.find('\0') == std::string_view::npos) return {};
  return make_error(Code::kInvalid, "it cannot hold a NUL byte");
}

Result<void> check_command(const App& app) {
  if (app.command.empty()) return make_error(Code::kInvalid, "the app has none");
  TRY(check_no_nul(app.command));
  TRY_ASSIGN(const std::vector<std::string> used, placeholders(app.command));
  for (const std::string& name : used) {
    if (app.parameters.find(name) == app.parameters.end())
      return make_error(Code::kInvalid, "'{{{{ {} }}}}' is not among the parameters", name);
  }
  return {};
}

Result<void> check_parameter_list(const App& app) {
  TRY_ASSIGN(const std::vector<std::string> used, placeholders(app.command));
  for (const auto& [name, parameter] : app.parameters) {
    if (!is_parameter_name(name))
      return make_error(Code::kInvalid,
                        "'{}' is no name of a parameter: letters, digits and '_', no digit first",
                        escape_bytes(name));
    if (std::find(used.begin(), used.end(), name) == used.end())
      return make_error(Code::kInvalid, "'{}' stands nowhere in the command", name);
    if (parameter.required && !parameter.default_text.empty())
      return make_error(Code::kInvalid, "'{}' is required, and has a default that nobody would see",
                        name);
    TRY(check_no_nul(parameter.default_text), "default of '{}'", name);
  }
  return {};
}

Result<void> check_preamble(const App& app) { return check_no_nul(app.preamble); }

Result<void> check_environment(const App& app) {
  for (const auto& [name, value] : app.environment) {
    if (!is_parameter_name(name))
      return make_error(Code::kInvalid, "'{}' is no name of a variable", escape_bytes(name));
    TRY(check_no_nul(value), "'{}'", name);
  }
  return {};
}

Result<void> check_cleanup_files(const App& app) {
  for (const std::string& pattern : app.cleanup_files) {
    TRY_ASSIGN(const RelPath path, below_workdir(pattern));
    if (path.is_root())
      return make_error(Code::kInvalid, "'{}' is the work directory itself", escape_bytes(pattern));
  }
  return {};
}

Result<void> check_resources(const App& app) { return validate(app.resources); }

struct AppPart {
  std::string_view key;
  Result<void> (*check)(const App& app);
};
constexpr AppPart kAppParts[] = {
    {"command", check_command},         {"parameters", check_parameter_list},
    {"transfers", check_slots},         {"preamble", check_preamble},
    {"environment", check_environment}, {"cleanup_files", check_cleanup_files},
    {"resources", check_resources},
};

Result<void> check_count(std::string_view name, int value, int minimum, int maximum) {
  if (value >= minimum && value <= maximum) return {};
  return make_error(Code::kInvalid, "{} is {}; it is from {} to {}", name, value, minimum, maximum);
}

// ---- reading

Result<void> read_parameter(const YamlNode& node, Parameter& parameter) {
  bool is_required_said = false;
  const YamlField fields[] = {
      {"required",
       [&](const YamlNode& value) -> Result<void> {
         is_required_said = true;
         TRY_ASSIGN(parameter.required, value.as_switch());
         return {};
       }},
      text_field("default", parameter.default_text),
      text_field("help", parameter.help),
  };
  TRY(read_fields(node, fields));
  if (!is_required_said && node.find("default") != nullptr) parameter.required = false;
  return {};
}

Result<void> read_slot(const YamlNode& node, Slot& slot) {
  const YamlField fields[] = {
      switch_field("required", slot.required),
      {"direction",
       [&](const YamlNode& value) -> Result<void> {
         const auto direction = parse_direction(value.text);
         if (!direction) return value.wrong(direction.error().message);
         slot.direction = *direction;
         return {};
       }},
      text_field("local_path", slot.local_path),
      switch_field("recursive", slot.recursive),
      text_field("description", slot.description),
  };
  TRY(read_fields(node, fields));
  for (const std::string_view needed : {"direction", "local_path"}) {
    if (node.find(needed) == nullptr)
      return node.wrong(fmt::format("the slot has no '{}'", needed));
  }
  if (auto checked = check_slot(slot); !checked) return node.wrong(checked.error().message);
  return {};
}

Result<void> read_resources(const YamlNode& node, Resources& resources) {
  const YamlField fields[] = {
      integer_field("num_nodes", resources.num_nodes, 1, kMaxCount),
      integer_field("ranks_per_node", resources.ranks_per_node, 1, kMaxCount),
      integer_field("threads_per_rank", resources.threads_per_rank, 1, kMaxCount),
      integer_field("threads_per_core", resources.threads_per_core, 1, kMaxCount),
      {"gpus_per_rank",
       [&](const YamlNode& value) -> Result<void> {
         TRY_ASSIGN(resources.gpus_per_rank, value.as_number(0, kMaxCount));
         return {};
       }},
      integer_field("node_packing_count", resources.node_packing_count, 1, kMaxCount),
      integer_field("wall_time_min", resources.wall_time_min, 0, kMaxCount),
      text_map_field("launch_params", resources.launch_params),
  };
  return read_fields(node, fields);
}

// A field whose value is a map of names that the app chooses.
template <class Value>
YamlField named_field(std::string_view key, std::map<std::string, Value, std::less<>>& into,
                      Result<void> (*read)(const YamlNode&, Value&)) {
  return {key, [&into, read](const YamlNode& node) -> Result<void> {
            if (node.kind == YamlNode::Kind::kScalar || node.kind == YamlNode::Kind::kList)
              return node.wrong("wants names, each with its own entries");
            for (const YamlNode& child : node.children) TRY(read(child, into[child.key]));
            return {};
          }};
}

std::vector<YamlField> app_fields(App& app) {
  return {
      text_field("name", app.name),
      text_field("description", app.description),
      text_field("command", app.command),
      named_field("parameters", app.parameters, read_parameter),
      named_field("transfers", app.transfers, read_slot),
      text_field("preamble", app.preamble),
      text_map_field("environment", app.environment),
      {"cleanup_files",
       [&app](const YamlNode& node) -> Result<void> {
         TRY_ASSIGN(app.cleanup_files, node.as_text_list());
         return {};
       }},
      {"resources", [&app](const YamlNode& node) { return read_resources(node, app.resources); }},
      integer_field("error_retries", app.error_retries, 0, kMaxRetries),
      integer_field("timeout_retries", app.timeout_retries, 0, kMaxRetries),
      // What it is called in Balsam's Python classes.
      refused_field("site", "an app belongs to the site in whose directory 'apps' it stands"),
      refused_field("command_template", "write 'command'"),
      refused_field("environment_variables", "write 'environment'"),
      refused_field("shell_preamble", "write 'preamble'"),
      refused_field("python_exe", "there are no Python apps: write a 'command' that runs Python"),
  };
}

}  // namespace

bool is_parameter_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameCharacters &&
         (is_letter(name[0]) || name[0] == '_') &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

bool keeps_remote_name(const Slot& slot) {
  const auto path = RelPath::parse(slot.local_path);
  return slot.direction == Direction::kIn && !slot.recursive && path && path->is_root();
}

Result<RelPath> local_path_of(const Slot& slot, std::string_view remote_path) {
  TRY_ASSIGN(RelPath local, below_workdir(slot.local_path), "local_path");
  if (!keeps_remote_name(slot)) return local;
  TRY_ASSIGN(const RelPath remote, RelPath::parse(remote_path));
  if (remote.is_root())
    return make_error(Code::kInvalid, "'{}' has no name that its copy could keep",
                      escape_bytes(remote_path));
  return RelPath::from_normal(std::string(remote.name()));
}

Result<void> validate(const Resources& resources) {
  TRY(check_count("num_nodes", resources.num_nodes, 1, kMaxCount));
  TRY(check_count("ranks_per_node", resources.ranks_per_node, 1, kMaxCount));
  TRY(check_count("threads_per_rank", resources.threads_per_rank, 1, kMaxCount));
  TRY(check_count("threads_per_core", resources.threads_per_core, 1, kMaxCount));
  TRY(check_count("node_packing_count", resources.node_packing_count, 1, kMaxCount));
  TRY(check_count("wall_time_min", resources.wall_time_min, 0, kMaxCount));
  if (!(resources.gpus_per_rank >= 0 && resources.gpus_per_rank <= kMaxCount))
    return make_error(Code::kInvalid, "gpus_per_rank is {}; it is from 0 to {}",
                      resources.gpus_per_rank, kMaxCount);
  return {};
}

Result<void> validate(const App& app) {
  if (!is_app_name(app.name))
    return make_error(Code::kInvalid,
                      "'{}' is no name of an app: at most {} letters, digits, '_', '-' and '.', "
                      "the first no '-' or '.'",
                      escape_bytes(app.name), kMaxNameCharacters);
  for (const AppPart& part : kAppParts) TRY(part.check(app), "app '{}': {}", app.name, part.key);
  TRY(check_count("error_retries", app.error_retries, 0, kMaxRetries), "app '{}'", app.name);
  TRY(check_count("timeout_retries", app.timeout_retries, 0, kMaxRetries), "app '{}'", app.name);
  return {};
}

Result<void> check_transfers(const App& app,
                             const std::map<std::string, RemotePath, std::less<>>& transfers) {
  InputPaths inputs;
  std::map<std::pair<std::string, RelPath>, std::string> outputs;
  for (const auto& [name, place] : transfers) {
    const auto slot = app.transfers.find(name);
    if (slot == app.transfers.end()) return no_such_slot(app, name);
    TRY(check_remote_path(place), "slot '{}'", name);
    TRY_ASSIGN(RelPath local, local_path_of(slot->second, place.path), "slot '{}'", name);
    if (slot->second.direction == Direction::kIn) {
      TRY(check_is_free_for_input(local), "slot '{}'", name);
      TRY(inputs.add(name, std::move(local), slot->second.recursive));
    } else if (!goes_into_directory(slot->second, place)) {
      TRY_ASSIGN(RelPath remote, RelPath::parse(place.path));
      const auto [other, is_new] =
          outputs.try_emplace({place.location_alias, std::move(remote)}, name);
      if (!is_new)
        return make_error(
            Code::kInvalid, "slots '{}' and '{}' would both put their output at '{}:{}'",
            other->second, name, escape_bytes(place.location_alias), escape_bytes(place.path));
    }
  }
  TRY(inputs.check());
  for (const auto& [name, slot] : app.transfers) {
    if (slot.required && transfers.find(name) == transfers.end())
      return make_error(
          Code::kInvalid, "app '{}' requires the {} '{}'{}; give it as {}=ALIAS:/PATH",
          escape_bytes(app.name), slot.direction == Direction::kIn ? "input" : "output", name,
          slot.description.empty() ? "" : fmt::format(" ({})", escape_bytes(slot.description)),
          name);
  }
  return {};
}

Result<App> parse_app(std::string_view yaml, std::string_view name) {
  TRY_ASSIGN(const YamlNode file, parse_yaml(yaml));
  App app;
  app.name = std::string(name);
  TRY(read_fields(file, app_fields(app)));
  for (const AppPart& part : kAppParts) {
    const YamlNode* const at = file.find(part.key);
    const auto checked = part.check(app);
    if (!checked && at != nullptr) return at->wrong(checked.error().message);
  }
  TRY(validate(app));
  return app;
}

std::string sample_app() {
  return R"(# An app: what can be run at this site, and what it wants moved. The file's name is
# the app's, unless it says another one. `wherry app check FILE` reads it; `wherry site sync` puts it
# into force.

description: Compresses a file.

# Run by sh in the work directory of the job. A placeholder is one word, whatever its value is:
# it stands outside of quotes.
command: gzip -c -{{ level }} input.dat > result.gz

parameters:
  level:
    default: "6"          # without a default a parameter is required
    help: from 1, fast, to 9, small

# What is moved: before the job runs (in) and after it (out).
transfers:
  input:
    direction: in
    local_path: input.dat # in the work directory; "." keeps the name of the remote file
    description: what is compressed
  result:
    direction: out
    local_path: result.gz # the last name may hold * and ?
    required: true        # false: a job that does not make it is as good
    recursive: false      # true: a directory with all that is in it
    description: the compressed file

# Lines of sh before the command, and variables for it.
preamble: |
  umask 077
environment:
  LC_ALL: C

# Removed from the work directory once a job is finished and its results have arrived.
cleanup_files: [input.dat]

# What one run needs, of jobs that do not say it themselves.
resources:
  num_nodes: 1
  ranks_per_node: 1
  threads_per_rank: 1
  threads_per_core: 1
  gpus_per_rank: 0
  node_packing_count: 4   # how many such jobs share a node
  wall_time_min: 0        # 0: no bound

# How often a run that failed, or was cut off, is repeated.
error_retries: 0
timeout_retries: 3
)";
}

}  // namespace wherry::jobs
