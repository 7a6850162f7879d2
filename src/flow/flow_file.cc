// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "base/options.h"
#include "base/path.h"
#include "base/shell.h"
#include "base/yaml.h"
#include "flow/flow_check.h"
#include "flow/graph.h"
#include "flow/place.h"

namespace wherry::flow {
namespace {

using namespace std::string_view_literals;
using namespace std::chrono_literals;

constexpr std::size_t kMaxNameCharacters = 100;
constexpr int kMaxRetries = 100;
constexpr Duration kLongestTime = std::chrono::hours(24 * 365);
constexpr std::string_view kEachSuffix = ".each";
constexpr std::string_view kCleanupSuffix = ".cleanup";
constexpr std::string_view kReservedWords[] = {"and",  "or",    "not",  "in",
                                               "true", "false", "flow", "tasks"};

// ---- names

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_value_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameCharacters && is_letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

bool is_task_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameCharacters && is_letter(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

bool is_flow_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameCharacters && name[0] != '-' && name[0] != '.' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; });
}

// Of parameters, items and results, which expressions name.
Result<void> check_value_name(const YamlNode& node, std::string_view what,
                              const std::string& name) {
  if (!is_value_name(name))
    return node.wrong(fmt::format("'{}' is no name of {}: letters, digits and '_', no digit first",
                                  escape_bytes(name), what));
  if (std::find(std::begin(kReservedWords), std::end(kReservedWords), name) !=
      std::end(kReservedWords))
    return node.wrong(
        fmt::format("'{}' has a meaning of its own and is no name of {}", name, what));
  return {};
}

// ---- values of keys

template <class T>
Result<T> within(const YamlNode& node, Result<T> parsed) {
  if (!parsed) return node.wrong(parsed.error().message);
  return parsed;
}

Result<TextTemplate> read_template(const YamlNode& node) {
  TRY_ASSIGN(const std::string text, node.as_text());
  if (text.find('\0') != std::string::npos) return node.wrong("it cannot hold a NUL byte");
  return within(node, TextTemplate::parse(text));
}

YamlField template_field(std::string_view key, TextTemplate& into) {
  return {key, [&into](const YamlNode& node) -> Result<void> {
            TRY_ASSIGN(into, read_template(node));
            return {};
          }};
}

// Where an expression is wanted, "{{ }}" around it change nothing.
Result<Expression> read_expression(const YamlNode& node) {
  TRY_ASSIGN(const std::string text, node.as_text());
  std::string_view inside = text;
  if (inside.starts_with("{{") && inside.ends_with("}}") && inside.size() >= 4)
    inside = inside.substr(2, inside.size() - 4);
  return within(node, Expression::parse(inside));
}

// What stands in the file as it is, before anything is filled in.
Result<void> check_place(const YamlNode& node, const TextTemplate& place) {
  if (place.empty()) return node.wrong("the place is empty");
  if (!place.names().empty() || place.text().find("{{") != std::string::npos) return {};
  const auto parsed = parse_flow_place(place.text(), "/");
  return parsed ? Result<void>() : node.wrong(parsed.error().message);
}

YamlField place_field(std::string_view key, TextTemplate& into) {
  return {key, [&into](const YamlNode& node) -> Result<void> {
            TRY_ASSIGN(into, read_template(node));
            return check_place(node, into);
          }};
}

// "10m", "600", or "00:10:00" as schedulers write it.
Result<Duration> read_walltime(const YamlNode& node) {
  TRY_ASSIGN(const std::string text, node.as_text());
  if (text.find(':') == std::string::npos) return node.as_duration();
  long long seconds = 0;
  int parts = 0;
  std::string_view rest = text;
  while (true) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (end == 0 || end > 4 || ++parts > 3 ||
        !std::all_of(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(end), is_digit))
      return node.wrong(fmt::format("'{}' is no time such as 00:10:00 or 10m", escape_bytes(text)));
    seconds = seconds * 60 + std::stoi(std::string(rest.substr(0, end)));
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  if (parts == 2) seconds *= 60;  // hours and minutes
  return Duration(std::chrono::seconds(seconds));
}

Result<void> read_sync_level(const YamlNode& node, engine::SyncLevel& level) {
  struct LevelName {
    std::string_view name;
    engine::SyncLevel level;
  };
  static constexpr LevelName kLevels[] = {{"always", engine::SyncLevel::kAlways},
                                          {"exists", engine::SyncLevel::kMissing},
                                          {"size", engine::SyncLevel::kSize},
                                          {"mtime", engine::SyncLevel::kNewer},
                                          {"checksum", engine::SyncLevel::kChecksum}};
  for (const LevelName& each : kLevels) {
    if (node.text != each.name) continue;
    level = each.level;
    return {};
  }
  return node.wrong(fmt::format("'{}' is no level; there are always, exists, size, mtime, checksum",
                                escape_bytes(node.text)));
}

YamlField cleanup_field(bool& verified) {
  return {"cleanup", [&verified](const YamlNode& node) -> Result<void> {
            if (node.text != "verified")
              return node.wrong(
                  "there is 'cleanup: verified', which deletes what was copied and "
                  "verified by checksum");
            verified = true;
            return {};
          }};
}

Error missing_key(const YamlNode& node, std::string_view key) {
  return node.wrong(fmt::format("it has no '{}'", key));
}

// ---- what a task does

// With what is wanted beside the work itself.
struct ReadTransfer {
  TransferWork work;
  bool cleanup = false;
};

Result<ReadTransfer> read_transfer(const YamlNode& node) {
  ReadTransfer read;
  TransferWork& work = read.work;
  bool verify = true;
  const YamlField fields[] = {
      place_field("source", work.source),
      place_field("target", work.target),
      switch_field("recursive", work.recursive),
      {"sync_level",
       [&](const YamlNode& value) { return read_sync_level(value, work.options.sync_level); }},
      switch_field("verify_checksum", verify),
      switch_field("preserve_mtime", work.options.preserve_mtime),
      {"symlinks",
       [&](const YamlNode& value) -> Result<void> {
         TRY_ASSIGN(work.options.symlinks, within(value, engine::parse_symlink_policy(value.text)));
         return {};
       }},
      cleanup_field(read.cleanup),
      refused_field("from", "write 'source'"),
      refused_field("to", "write 'target'"),
      refused_field("src_path", "write 'source: ENDPOINT:/path'"),
      refused_field("dst_path", "write 'target: ENDPOINT:/path'"),
      refused_field("destination", "write 'target'"),
  };
  TRY(read_fields(node, fields));
  for (const std::string_view key : {"source"sv, "target"sv})
    if (node.find(key) == nullptr) return missing_key(node, key);
  work.options.verify = verify ? engine::Verify::kChecksum : engine::Verify::kSize;
  if (!read.cleanup) return read;
  if (!verify)
    return node.wrong("'cleanup: verified' and 'verify_checksum: no' contradict each other");
  if (work.options.sync_level != engine::SyncLevel::kAlways)
    return node.wrong(
        "'cleanup: verified' is for files that this transfer copies and verifies, so "
        "it must copy them all: leave out 'sync_level'");
  return read;
}

// What stands in the file as it is; the rest when it is filled in.
Result<void> check_deleted_place(const TextTemplate& place) {
  if (place.text().find("{{") != std::string::npos) return {};
  // A relative one is only all there is if it is the directory itself, whatever that is.
  const auto parsed = parse_flow_place(place.text(), "/");
  const bool is_relative = parsed && parsed->path == "//" + place.text();
  if (!parsed || (is_relative && !RelPath::parse(place.text())->is_root())) return {};
  return check_removable(*parsed);
}

Result<DeleteWork> read_delete(const YamlNode& node) {
  DeleteWork work;
  const YamlField fields[] = {
      place_field("path", work.path),
      switch_field("recursive", work.recursive),
      cleanup_field(work.only_verified),
      refused_field("source", "write 'path'"),
      refused_field("src_path", "write 'path: ENDPOINT:/path'"),
  };
  if (node.kind == YamlNode::Kind::kScalar) {
    TRY(fields[0].read(node));
  } else {
    TRY(read_fields(node, fields));
    if (node.find("path") == nullptr) return missing_key(node, "path");
  }
  if (const auto checked = check_deleted_place(work.path); !checked)
    return node.wrong(checked.error().message);
  return work;
}

Result<CommandWork> read_command(const YamlNode& node) {
  CommandWork work;
  TRY_ASSIGN(work.script, node.as_text());
  if (work.script.find_first_not_of(" \t\r\n") == std::string::npos)
    return node.wrong("there is no command");
  if (work.script.find('\0') != std::string::npos) return node.wrong("it cannot hold a NUL byte");
  const auto note = [&](std::string_view inside) -> Result<std::string> {
    TRY_ASSIGN(Expression expression, Expression::parse(inside), "'{{{{ {} }}}}'",
               escape_bytes(inside.substr(0, 80)));
    work.expressions.push_back(std::move(expression));
    return std::string();
  };
  TRY(within(node, rewrite_placeholders(work.script, note)));
  return work;
}

Result<std::vector<std::pair<std::string, TextTemplate>>> read_environment(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kScalar || node.kind == YamlNode::Kind::kList)
    return node.wrong("wants names with values");
  std::vector<std::pair<std::string, TextTemplate>> environment;
  for (const YamlNode& entry : node.children) {
    if (!is_value_name(entry.key))
      return node.wrong(fmt::format("'{}' is no name of a variable", escape_bytes(entry.key)));
    TRY_ASSIGN(TextTemplate value, read_template(entry));
    environment.emplace_back(entry.key, std::move(value));
  }
  return environment;
}

// A name, or a list of them.
YamlField executors_field(std::vector<std::string>& into) {
  return {"executor", [&into](const YamlNode& node) -> Result<void> {
            if (node.kind == YamlNode::Kind::kList) {
              TRY_ASSIGN(into, node.as_text_list());
            } else {
              TRY_ASSIGN(const std::string name, node.as_text());
              into = {name};
            }
            if (into.empty() || std::find(into.begin(), into.end(), "") != into.end())
              return node.wrong("it names no executor");
            return {};
          }};
}

// ---- tasks

// What the flow says for all of its commands.
struct CommandDefaults {
  std::vector<std::string> executors = {std::string(kDefaultExecutor)};
  std::vector<std::pair<std::string, TextTemplate>> environment;
};

class TaskReader {
 public:
  TaskReader(const YamlNode& node, const CommandDefaults& defaults)
      : node_(node), defaults_(defaults) {}

  // The task, and another one if it wants its source cleaned up.
  Result<void> read(std::vector<FlowTask>& into) {
    task_.name = node_.key;
    task_.line = node_.line;
    if (!is_task_name(task_.name))
      return node_.wrong("this is no name of a task: letters, digits, '_' and '-', a letter first");
    if (node_.kind != YamlNode::Kind::kMap)
      return node_.wrong("wants what it does: 'transfer', 'delete' or 'command'");
    command_.executors = defaults_.executors;
    TRY(read_fields(node_, fields()));
    TRY(check_work());
    finish_command();
    into.push_back(task_);
    if (cleanup_) into.push_back(cleanup_task());
    return {};
  }

 private:
  std::vector<YamlField> fields() {
    return {
        text_field("description", task_.description),
        {"transfer",
         [this](const YamlNode& value) -> Result<void> {
           TRY_ASSIGN(ReadTransfer read, read_transfer(value));
           task_.work = std::move(read.work);
           cleanup_ = read.cleanup;
           return {};
         }},
        {"delete",
         [this](const YamlNode& value) -> Result<void> {
           TRY_ASSIGN(task_.work, read_delete(value));
           return {};
         }},
        {"command",
         [this](const YamlNode& value) -> Result<void> {
           TRY_ASSIGN(CommandWork work, read_command(value));
           command_.script = std::move(work.script);
           command_.expressions = std::move(work.expressions);
           return {};
         }},
        {"needs", [this](const YamlNode& value) { return read_needs(value); }},
        {"foreach", [this](const YamlNode& value) { return read_foreach(value); }},
        {"when",
         [this](const YamlNode& value) -> Result<void> {
           TRY_ASSIGN(task_.when, read_expression(value));
           return {};
         }},
        duration_field("timeout", task_.timeout, 1s, kLongestTime),
        {"on_timeout", [this](const YamlNode& value) { return read_on_timeout(value); }},
        integer_field("retries", task_.retries, 0, kMaxRetries),
        duration_field("retry_delay", task_.retry_delay, 0s, kLongestTime),
        // Of commands
        executors_field(command_.executors),
        template_field("directory", command_.directory),
        {"environment",
         [this](const YamlNode& value) -> Result<void> {
           TRY_ASSIGN(command_.environment, read_environment(value));
           return {};
         }},
        {"walltime",
         [this](const YamlNode& value) -> Result<void> {
           TRY_ASSIGN(const Duration walltime, read_walltime(value));
           if (walltime < 1s || walltime > kLongestTime)
             return value.wrong("it is from 1 second to a year");
           command_.walltime = walltime;
           return {};
         }},
        {"outputs", [this](const YamlNode& value) { return read_outputs(value); }},
        refused_field("depends_on", "write 'needs'"),
        refused_field("if", "write 'when'"),
        refused_field("run", "write 'command'"),
        refused_field("env", "write 'environment'"),
    };
  }

  Result<void> read_needs(const YamlNode& node) {
    std::vector<std::string> names;
    if (node.kind == YamlNode::Kind::kScalar) {
      names.push_back(node.text);
    } else {
      TRY_ASSIGN(names, node.as_text_list());
    }
    for (std::string& name : names) {
      Need need;
      need.each = name.ends_with(kEachSuffix);
      if (need.each) name.resize(name.size() - kEachSuffix.size());
      need.task = std::move(name);
      const auto same = [&](const Need& other) { return other.task == need.task; };
      if (std::any_of(task_.needs.begin(), task_.needs.end(), same))
        return node.wrong(fmt::format("'{}' stands there twice", escape_bytes(need.task)));
      task_.needs.push_back(std::move(need));
    }
    return {};
  }

  Result<void> read_foreach(const YamlNode& node) {
    Foreach foreach;
    const YamlNode* items = &node;
    if (node.kind == YamlNode::Kind::kMap) {
      if (node.children.size() != 1)
        return node.wrong("wants one name with its list, as in 'foreach: {frame: [1, 2]}'");
      items = &node.children.front();
      foreach
        .variable = items->key;
      TRY(check_value_name(node, "an item", foreach.variable));
    }
    if (items->kind == YamlNode::Kind::kList) {
      std::vector<TextTemplate> list;
      for (const YamlNode& element : items->children) {
        TRY_ASSIGN(list.emplace_back(), read_template(element));
      }
      foreach
        .items = std::move(list);
    } else if (items->kind == YamlNode::Kind::kScalar) {
      TRY_ASSIGN(foreach.items, read_expression(*items));
    } else {
      return items->wrong("wants a list, or an expression that gives one");
    }
    task_.foreach = std::move(foreach);
    return {};
  }

  Result<void> read_on_timeout(const YamlNode& node) {
    if (node.text == "cancel") {
      task_.on_timeout = OnTimeout::kCancel;
    } else if (node.text == "leave") {
      task_.on_timeout = OnTimeout::kLeave;
    } else {
      return node.wrong("there are 'cancel' and 'leave'");
    }
    return {};
  }

  Result<void> read_outputs(const YamlNode& node) {
    TRY_ASSIGN(command_.outputs, node.as_text_list());
    for (std::size_t at = 0; at < command_.outputs.size(); ++at) {
      const std::string& name = command_.outputs[at];
      TRY(check_value_name(node, "an output", name));
      const auto begin = command_.outputs.begin();
      if (name == "stdout" || std::find(begin, begin + static_cast<std::ptrdiff_t>(at), name) !=
                                  begin + static_cast<std::ptrdiff_t>(at))
        return node.wrong(fmt::format("'{}' is there already", name));
    }
    return {};
  }

  Result<void> check_work() const {
    static constexpr std::string_view kWorks[] = {"transfer", "delete", "command"};
    std::vector<std::string_view> found;
    for (const std::string_view work : kWorks)
      if (node_.find(work) != nullptr) found.push_back(work);
    if (found.empty())
      return node_.wrong("the task does nothing: it wants 'transfer', 'delete' or 'command'");
    if (found.size() > 1)
      return node_.wrong(
          fmt::format("a task does one thing; make a task of its own for '{}'", found.back()));
    const bool is_command = found.front() == "command";
    for (const std::string_view key :
         {"executor"sv, "directory"sv, "environment"sv, "walltime"sv, "outputs"sv}) {
      if (!is_command && node_.find(key) != nullptr)
        return node_.wrong(fmt::format("'{}' is for commands", key));
    }
    if (task_.on_timeout == OnTimeout::kLeave && task_.retries > 0)
      return node_.wrong(
          "with 'on_timeout: leave' a second attempt would meet the first, which goes "
          "on: leave out 'retries'");
    if (is_command && node_.find("on_timeout") != nullptr)
      return node_.wrong("'on_timeout' is for transfers and deletions; a command is ended");
    return {};
  }

  void finish_command() {
    if (node_.find("command") == nullptr) return;
    for (const auto& [name, value] : defaults_.environment) {
      const auto same = [&name = name](const auto& own) { return own.first == name; };
      if (std::none_of(command_.environment.begin(), command_.environment.end(), same))
        command_.environment.emplace_back(name, value);
    }
    task_.work = std::move(command_);
  }

  FlowTask cleanup_task() const {
    FlowTask cleanup;
    const auto& transfer = std::get<TransferWork>(task_.work);
    cleanup.name = task_.name + std::string(kCleanupSuffix);
    cleanup.line = task_.line;
    cleanup.description = fmt::format("what '{}' has copied and verified", task_.name);
    cleanup.needs = {{task_.name, has_items()}};
    cleanup.timeout = task_.timeout;
    cleanup.on_timeout = task_.on_timeout;
    cleanup.retries = task_.retries;
    cleanup.retry_delay = task_.retry_delay;
    cleanup.work = DeleteWork{transfer.source, transfer.recursive, true};
    return cleanup;
  }

  bool has_items() const {
    return task_.foreach || std::any_of(task_.needs.begin(), task_.needs.end(),
                                        [](const Need& need) { return need.each; });
  }

  const YamlNode& node_;
  const CommandDefaults& defaults_;
  FlowTask task_;
  CommandWork command_;
  bool cleanup_ = false;
};

// ---- parameters

Result<FlowParameter> read_parameter(const YamlNode& node) {
  FlowParameter parameter;
  parameter.name = node.key;
  TRY(check_value_name(node, "a parameter", parameter.name));
  const auto read_default = [&](const YamlNode& value) -> Result<void> {
    if (value.kind == YamlNode::Kind::kList) {
      TRY_ASSIGN(parameter.default_value, value.as_text_list());
    } else {
      TRY_ASSIGN(parameter.default_value, value.as_text());
    }
    return {};
  };
  if (node.kind == YamlNode::Kind::kNull) return parameter;
  if (node.kind != YamlNode::Kind::kMap) {
    TRY(read_default(node));
    return parameter;
  }
  const YamlField fields[] = {{"default", read_default}, text_field("help", parameter.help)};
  TRY(read_fields(node, fields));
  return parameter;
}

// No two names for one thing.
Result<void> check_item_names(const YamlNode& tasks, const Flow& flow) {
  for (const FlowTask& task : flow.tasks) {
    if (!task.foreach) continue;
    for (const FlowParameter& parameter : flow.parameters) {
      if (parameter.name == task.foreach->variable)
        return tasks.wrong(fmt::format("the items of task '{}' are called '{}', as a parameter is",
                                       task.name, parameter.name));
    }
  }
  return {};
}

}  // namespace

WorkKind kind_of(const FlowTask& task) { return static_cast<WorkKind>(task.work.index()); }

std::string_view to_string(WorkKind kind) {
  constexpr std::string_view kNames[] = {"transfer", "delete", "command"};
  return kNames[static_cast<std::size_t>(kind)];
}

const FlowTask* Flow::find(std::string_view task) const {
  const auto found = std::find_if(tasks.begin(), tasks.end(),
                                  [&](const FlowTask& each) { return each.name == task; });
  return found == tasks.end() ? nullptr : &*found;
}

Result<TextList> foreach_items(const Foreach& foreach, const Lookup& lookup) {
  TextList items;
  if (const auto* expression = std::get_if<Expression>(&foreach.items)) {
    TRY_ASSIGN(items, expression->list(lookup), "'{}'", escape_bytes(expression->text()));
  } else {
    for (const TextTemplate& element : std::get<std::vector<TextTemplate>>(foreach.items)) {
      TRY_ASSIGN(items.emplace_back(), element.render(lookup));
    }
  }
  if (items.size() > kMaxForeachItems)
    return make_error(Code::kInvalid, "the list has {} items, at most {} are allowed", items.size(),
                      kMaxForeachItems);
  std::vector<std::string_view> sorted(items.begin(), items.end());
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    return make_error(Code::kInvalid, "'{}' stands in the list twice", escape_bytes(*twice));
  return items;
}

bool mentions_results(const Foreach& foreach) {
  const std::vector<Name> names = names_of_items(foreach);
  return std::any_of(names.begin(), names.end(),
                     [](const Name& name) { return name[0] == "tasks"; });
}

std::vector<std::string> result_names(const FlowTask& task) {
  switch (kind_of(task)) {
    case WorkKind::kTransfer:
      return {"source", "target", "task_id", "files", "bytes"};
    case WorkKind::kDelete:
      return {"path", "task_id"};
    case WorkKind::kCommand: {
      std::vector<std::string> names = {"stdout"};
      const auto& outputs = std::get<CommandWork>(task.work).outputs;
      names.insert(names.end(), outputs.begin(), outputs.end());
      return names;
    }
  }
  return {};
}

Result<Flow> parse_flow(std::string_view yaml, std::string_view name) {
  if (yaml.size() > kMaxFlowFileBytes)
    return make_error(Code::kInvalid, "a flow file has at most {} bytes", kMaxFlowFileBytes);
  TRY_ASSIGN(const YamlNode file, parse_yaml(yaml));
  Flow flow;
  flow.name = std::string(name);
  CommandDefaults defaults;
  const YamlNode* tasks = nullptr;
  const YamlField fields[] = {
      text_field("name", flow.name),
      text_field("description", flow.description),
      {"params",
       [&](const YamlNode& node) -> Result<void> {
         if (node.kind == YamlNode::Kind::kScalar || node.kind == YamlNode::Kind::kList)
           return node.wrong("wants names, each with its default or nothing");
         for (const YamlNode& entry : node.children) {
           TRY_ASSIGN(flow.parameters.emplace_back(), read_parameter(entry));
         }
         return {};
       }},
      template_field("directory", flow.directory),
      executors_field(defaults.executors),
      {"environment",
       [&](const YamlNode& node) -> Result<void> {
         TRY_ASSIGN(defaults.environment, read_environment(node));
         return {};
       }},
      {"tasks",
       [&](const YamlNode& node) -> Result<void> {
         tasks = &node;  // read when the rest is
         return {};
       }},
  };
  TRY(read_fields(file, fields));
  if (!is_flow_name(flow.name))
    return make_error(
        Code::kInvalid,
        "'{}' is no name of a flow: at most {} letters, digits, '_', '-' and '.', the "
        "first no '-' or '.'; the key 'name' gives it another one",
        escape_bytes(flow.name), kMaxNameCharacters);
  if (tasks == nullptr || tasks->children.empty() || tasks->kind != YamlNode::Kind::kMap)
    return make_error(Code::kInvalid,
                      "line {}: the flow has no tasks: 'tasks' wants names, each "
                      "with what it does",
                      tasks == nullptr ? 1 : tasks->line);
  if (tasks->children.size() > kMaxFlowTasks)
    return tasks->wrong(
        fmt::format("there are {} tasks, at most {} are allowed; 'foreach' makes "
                    "many of one",
                    tasks->children.size(), kMaxFlowTasks));
  for (const YamlNode& node : tasks->children) TRY(TaskReader(node, defaults).read(flow.tasks));
  if (!flow.directory.names().empty()) {
    for (const Name& mentioned : flow.directory.names()) {
      const auto known = std::any_of(
          flow.parameters.begin(), flow.parameters.end(), [&](const FlowParameter& parameter) {
            return mentioned.size() == 1 && parameter.name == mentioned[0];
          });
      if (!known)
        return make_error(Code::kInvalid, "line {}: 'directory': '{}' is no parameter", file.line,
                          fmt::to_string(fmt::join(mentioned, ".")));
    }
  }
  TRY(check_item_names(*tasks, flow));
  TRY(check_flow(flow));
  return flow;
}

}  // namespace wherry::flow
