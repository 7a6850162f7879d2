// SPDX-License-Identifier: Apache-2.0
#include "flow/request.h"

#include <fmt/ranges.h>

#include <boost/json.hpp>

#include "base/path.h"
#include "base/shell.h"
#include "flow/json_fields.h"
#include "flow/place.h"

namespace wherry::flow {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxShownScript = 72;

// ---- filling in

Result<FlowPlace> filled_place(const TextTemplate& written, const Filling& filling) {
  TRY_ASSIGN(const std::string text, written.render(filling.lookup));
  if (text.find('\0') != std::string::npos)
    return make_error(Code::kInvalid, "a path cannot hold a NUL byte");
  return parse_flow_place(text, filling.directory);
}

Result<Request> filled_transfer(const FlowTask& task, const TransferWork& work,
                                const Filling& filling) {
  TRY_ASSIGN(const FlowPlace source, filled_place(work.source, filling), "source");
  TRY_ASSIGN(const FlowPlace target, filled_place(work.target, filling), "target");
  Transfer transfer;
  transfer.source_endpoint = source.endpoint;
  transfer.source_path = source.path;
  transfer.target_endpoint = target.endpoint;
  transfer.target_path = target.path;
  transfer.recursive = work.recursive;
  transfer.options = work.options;
  transfer.label = filling.label;
  transfer.timeout = task.timeout;
  transfer.on_timeout = task.on_timeout;
  return transfer;
}

Result<Request> filled_removal(const FlowTask& task, const DeleteWork& work,
                               const Filling& filling) {
  TRY_ASSIGN(const FlowPlace place, filled_place(work.path, filling), "path");
  TRY(check_removable(place));
  RemovalRequest request;
  request.removal.endpoint = place.endpoint;
  request.removal.path = place.path;
  request.removal.recursive = work.recursive;
  request.removal.label = filling.label;
  request.removal.timeout = task.timeout;
  request.removal.on_timeout = task.on_timeout;
  request.only_verified = work.only_verified;
  return request;
}

// Values stand in assignments before the script and nowhere in it: however it is nested, sh never
// reads a value as part of a command (decision 0009).
class ScriptFiller {
 public:
  explicit ScriptFiller(const CommandWork& work, const Lookup& lookup)
      : work_(work), lookup_(lookup) {}

  Result<std::string> fill() {
    const auto write = [this](std::string_view) { return next_placeholder(); };
    TRY_ASSIGN(const std::string script, rewrite_placeholders(work_.script, write));
    return assignments_ + script;
  }
  // After that.
  Result<std::string> shown() const {
    std::size_t next = 0;
    return rewrite_placeholders(
        work_.script, [&](std::string_view) -> Result<std::string> { return words_[next++]; });
  }

 private:
  Result<std::string> next_placeholder() {
    CHECK(next_ < work_.expressions.size());
    const Expression& expression = work_.expressions[next_++];
    TRY_ASSIGN(const Value value, expression.evaluate(lookup_), "'{{{{ {} }}}}'",
               escape_bytes(expression.text()));
    TextList list;
    if (const auto* several = std::get_if<TextList>(&value)) {
      list = *several;
    } else {
      TRY_ASSIGN(list.emplace_back(), text_of(value));
    }
    std::string variables;
    std::string& words = words_.emplace_back();
    for (const std::string& element : list) {
      TRY_ASSIGN(const std::string variable, variable_with(element));
      variables += (variables.empty() ? "" : " ") + variable;
      words += (words.empty() ? "" : " ") + plain_word(element);
    }
    return variables;
  }

  static std::string plain_word(const std::string& value) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+@%=";
    const bool is_plain = !value.empty() && value.find_first_not_of(kPlain) == std::string::npos;
    return is_plain ? value : shell_quote(value);
  }

  Result<std::string> variable_with(const std::string& value) {
    if (value.find('\0') != std::string::npos)
      return make_error(Code::kInvalid, "a word of a command cannot hold a NUL byte");
    assignments_ += fmt::format("wherry_{}={}\n", ++variables_, shell_quote(value));
    return fmt::format("\"${{wherry_{}}}\"", variables_);
  }

  const CommandWork& work_;
  const Lookup& lookup_;
  std::size_t next_ = 0;
  int variables_ = 0;
  std::string assignments_;
  std::vector<std::string> words_;  // of each placeholder
};

Result<Request> filled_command(const CommandWork& work, const Filling& filling) {
  CommandRequest request;
  Command& command = request.command;
  command.name = filling.label;
  // What an attempt before a crash has left there counts for nothing.
  ScriptFiller filler(work, filling.lookup);
  TRY_ASSIGN(const std::string script, filler.fill(), "command");
  TRY_ASSIGN(request.shown, filler.shown());
  command.script = ": > \"$WHERRY_OUTPUTS\"\n" + script;
  TRY_ASSIGN(command.directory, work.directory.render(filling.lookup), "directory");
  if (command.directory.empty()) {
    command.directory = filling.directory;
  } else {
    TRY_ASSIGN(command.directory, parse_flow_directory(command.directory, filling.directory),
               "directory");
  }
  for (const auto& [name, value] : work.environment) {
    TRY_ASSIGN(std::string text, value.render(filling.lookup), "environment: {}", name);
    if (text.find('\0') != std::string::npos)
      return make_error(Code::kInvalid, "environment: {}: it cannot hold a NUL byte", name);
    command.environment.emplace_back(name, std::move(text));
  }
  command.walltime = work.walltime;
  command.output_file = filling.files + ".out";
  command.error_file = filling.files + ".err";
  request.outputs_file = filling.files + ".outputs";
  command.environment.emplace_back("WHERRY_OUTPUTS", request.outputs_file);
  request.executors = work.executors;
  request.outputs = work.outputs;
  return request;
}

// ---- JSON. Paths and scripts are bytes, so all texts are escaped.

json::array to_array(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(escape_bytes(text));
  return array;
}

Result<std::vector<std::string>> from_array(const json::array& array) {
  std::vector<std::string> texts;
  for (const json::value& element : array) {
    TRY_ASSIGN(texts.emplace_back(), stored_text(element));
  }
  return texts;
}

json::object to_object(const Transfer& transfer) {
  return {{"kind", "transfer"},
          {"source_endpoint", escape_bytes(transfer.source_endpoint)},
          {"source_path", escape_bytes(transfer.source_path)},
          {"target_endpoint", escape_bytes(transfer.target_endpoint)},
          {"target_path", escape_bytes(transfer.target_path)},
          {"recursive", transfer.recursive},
          {"sync_level", static_cast<std::int64_t>(transfer.options.sync_level)},
          {"verify_checksum", transfer.options.verify == engine::Verify::kChecksum},
          {"preserve_mtime", transfer.options.preserve_mtime},
          {"symlinks", to_string(transfer.options.symlinks)},
          {"label", escape_bytes(transfer.label)},
          {"timeout_ns", transfer.timeout.count()},
          {"cancel_on_timeout", transfer.on_timeout == OnTimeout::kCancel}};
}

json::object to_object(const RemovalRequest& request) {
  const Removal& removal = request.removal;
  return {{"kind", "delete"},
          {"endpoint", escape_bytes(removal.endpoint)},
          {"path", escape_bytes(removal.path)},
          {"recursive", removal.recursive},
          {"label", escape_bytes(removal.label)},
          {"timeout_ns", removal.timeout.count()},
          {"cancel_on_timeout", removal.on_timeout == OnTimeout::kCancel},
          {"only_verified", request.only_verified}};
}

json::object to_object(const CommandRequest& request) {
  const Command& command = request.command;
  json::array environment;
  for (const auto& [name, value] : command.environment)
    environment.push_back(json::array{escape_bytes(name), escape_bytes(value)});
  json::object object = {{"kind", "command"},
                         {"name", escape_bytes(command.name)},
                         {"script", escape_bytes(command.script)},
                         {"directory", escape_bytes(command.directory)},
                         {"environment", std::move(environment)},
                         {"output_file", escape_bytes(command.output_file)},
                         {"error_file", escape_bytes(command.error_file)},
                         {"outputs_file", escape_bytes(request.outputs_file)},
                         {"outputs", to_array(request.outputs)},
                         {"shown", escape_bytes(request.shown)},
                         {"executors", to_array(request.executors)}};
  if (command.walltime) object["walltime_ns"] = command.walltime->count();
  return object;
}

OnTimeout read_on_timeout(StoredFields& fields) {
  return fields.flag("cancel_on_timeout") ? OnTimeout::kCancel : OnTimeout::kLeave;
}

Result<Request> read_transfer_request(StoredFields& fields) {
  Transfer transfer;
  transfer.source_endpoint = fields.text("source_endpoint");
  transfer.source_path = fields.text("source_path");
  transfer.target_endpoint = fields.text("target_endpoint");
  transfer.target_path = fields.text("target_path");
  transfer.recursive = fields.flag("recursive");
  const std::int64_t level = fields.number("sync_level");
  if (level < 0 || level > static_cast<std::int64_t>(engine::SyncLevel::kChecksum))
    fields.refuse("sync_level");
  transfer.options.sync_level = static_cast<engine::SyncLevel>(level);
  transfer.options.verify =
      fields.flag("verify_checksum") ? engine::Verify::kChecksum : engine::Verify::kSize;
  transfer.options.preserve_mtime = fields.flag("preserve_mtime");
  const auto symlinks = engine::parse_symlink_policy(fields.text("symlinks"));
  if (symlinks) {
    transfer.options.symlinks = *symlinks;
  } else {
    fields.refuse("symlinks");
  }
  transfer.label = fields.text("label");
  transfer.timeout = Duration(fields.number("timeout_ns"));
  transfer.on_timeout = read_on_timeout(fields);
  TRY(fields.done());
  return transfer;
}

Result<Request> read_removal_request(StoredFields& fields) {
  RemovalRequest request;
  Removal& removal = request.removal;
  removal.endpoint = fields.text("endpoint");
  removal.path = fields.text("path");
  removal.recursive = fields.flag("recursive");
  removal.label = fields.text("label");
  removal.timeout = Duration(fields.number("timeout_ns"));
  removal.on_timeout = read_on_timeout(fields);
  request.only_verified = fields.flag("only_verified");
  TRY(fields.done());
  return request;
}

Result<Request> read_command_request(StoredFields& fields) {
  CommandRequest request;
  Command& command = request.command;
  command.name = fields.text("name");
  command.script = fields.text("script");
  command.directory = fields.text("directory");
  for (const json::value& variable : fields.list("environment")) {
    if (!variable.is_array() || variable.get_array().size() != 2) {
      fields.refuse("environment");
      break;
    }
    TRY_ASSIGN(std::string name, stored_text(variable.get_array()[0]));
    TRY_ASSIGN(std::string value, stored_text(variable.get_array()[1]));
    command.environment.emplace_back(std::move(name), std::move(value));
  }
  command.output_file = fields.text("output_file");
  command.error_file = fields.text("error_file");
  request.outputs_file = fields.text("outputs_file");
  request.shown = fields.text("shown");
  TRY_ASSIGN(request.outputs, from_array(fields.list("outputs")));
  TRY_ASSIGN(request.executors, from_array(fields.list("executors")));
  if (fields.has("walltime_ns")) command.walltime = Duration(fields.number("walltime_ns"));
  TRY(fields.done());
  return request;
}

}  // namespace

Result<Request> fill_in(const FlowTask& task, const Filling& filling) {
  if (const auto* transfer = std::get_if<TransferWork>(&task.work))
    return filled_transfer(task, *transfer, filling);
  if (const auto* removal = std::get_if<DeleteWork>(&task.work))
    return filled_removal(task, *removal, filling);
  return filled_command(std::get<CommandWork>(task.work), filling);
}

std::string told(const Request& request) {
  if (const auto* transfer = std::get_if<Transfer>(&request))
    return fmt::format("{} -> {}",
                       FlowPlace{transfer->source_endpoint, transfer->source_path}.shown(),
                       FlowPlace{transfer->target_endpoint, transfer->target_path}.shown());
  if (const auto* removal = std::get_if<RemovalRequest>(&request))
    return fmt::format("{}{}{}",
                       FlowPlace{removal->removal.endpoint, removal->removal.path}.shown(),
                       removal->removal.recursive ? ", with all that is in it" : "",
                       removal->only_verified ? ", if it is proven at the target" : "");
  std::string_view script = std::get<CommandRequest>(request).shown;
  while (script.ends_with('\n')) script.remove_suffix(1);
  std::string shown = escape_bytes(script.substr(0, kMaxShownScript));
  for (std::size_t at = 0; (at = shown.find("\\x0a", at)) != std::string::npos;)
    shown.replace(at, 4, "; ");
  return script.size() > kMaxShownScript ? shown + "..." : shown;
}

std::string to_json(const Request& request) {
  return std::visit([](const auto& each) { return json::serialize(to_object(each)); }, request);
}

Result<Request> parse_request(std::string_view text) {
  TRY_ASSIGN(const json::object object, parse_stored_object(text));
  StoredFields fields(object);
  const std::string kind = fields.text("kind");
  if (kind == "transfer") return read_transfer_request(fields);
  if (kind == "delete") return read_removal_request(fields);
  if (kind == "command") return read_command_request(fields);
  fields.refuse("kind");
  return fields.done().error();
}

}  // namespace wherry::flow
