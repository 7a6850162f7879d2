// SPDX-License-Identifier: Apache-2.0
#include "jobs/app_command.h"

#include <algorithm>

#include "base/options.h"
#include "base/path.h"
#include "base/shell.h"
#include "jobs/app_file.h"

namespace wherry::jobs {
namespace {

constexpr std::size_t kShownCharacters = 40;  // of what is wrong

Result<void> check_placeholder(std::string_view name) {
  if (is_parameter_name(name)) return {};
  return make_error(
      Code::kInvalid,
      "'{{{{ {} }}}}' is no placeholder: between '{{{{' and '}}}}' stands the name of a "
      "parameter; a literal '{{{{' is written '{{''{{'",
      escape_bytes(name.substr(0, kShownCharacters)));
}

// The shell variable that holds a parameter. The values stand in assignments before the command
// and nowhere in it: however a template is nested (here-documents, `…`, arithmetic), sh never reads
// a value as part of a command.
std::string variable_of(std::string_view parameter) { return fmt::format("wherry_{}", parameter); }

Result<std::string> reference(std::string_view parameter) {
  TRY(check_placeholder(parameter));
  return fmt::format("\"${{{}}}\"", variable_of(parameter));
}

const std::string& value_of(const App& app, const Job& job, std::string_view parameter) {
  const auto given = job.parameters.find(parameter);
  return given != job.parameters.end() ? given->second
                                       : app.parameters.find(parameter)->second.default_text;
}

}  // namespace

Result<std::vector<std::string>> placeholders(std::string_view command) {
  std::vector<std::string> names;
  const WritePlaceholder note = [&](std::string_view name) -> Result<std::string> {
    TRY(check_placeholder(name));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
    return std::string();
  };
  TRY(rewrite_placeholders(command, note));
  return names;
}

Result<void> check_parameters(const App& app, const TextMap& parameters) {
  std::vector<std::string> known;
  for (const auto& entry : app.parameters) known.push_back(entry.first);
  for (const auto& [name, value] : parameters) {
    if (app.parameters.find(name) == app.parameters.end()) {
      const auto meant = nearest(name, known);
      return make_error(Code::kInvalid, "app '{}' has no parameter '{}'; {}",
                        escape_bytes(app.name), escape_bytes(name),
                        meant           ? fmt::format("did you mean '{}'?", *meant)
                        : known.empty() ? "it has none"
                                        : fmt::format("it has {}", fmt::join(known, ", ")));
    }
    if (value.find('\0') != std::string::npos)
      return make_error(Code::kInvalid, "parameter '{}': a value cannot hold a NUL byte", name);
  }
  for (const auto& [name, parameter] : app.parameters) {
    if (parameter.required && parameters.find(name) == parameters.end())
      return make_error(
          Code::kInvalid, "app '{}' requires the parameter '{}'{}", escape_bytes(app.name), name,
          parameter.help.empty() ? "" : fmt::format(" ({})", escape_bytes(parameter.help)));
  }
  return {};
}

Result<std::string> job_script(const App& app, const Job& job) {
  TRY(check_parameters(app, job.parameters));
  TRY_ASSIGN(const std::string command, rewrite_placeholders(app.command, reference),
             "command of app '{}'", escape_bytes(app.name));
  std::string script = app.preamble;
  if (!script.empty() && !script.ends_with('\n')) script += '\n';
  for (const auto& [name, value] : app.environment)
    script += fmt::format("export {}={}\n", name, shell_quote(value));
  for (const auto& entry : app.parameters)
    script += fmt::format("{}={}\n", variable_of(entry.first),
                          shell_quote(value_of(app, job, entry.first)));
  script += command;
  if (!script.ends_with('\n')) script += '\n';
  return script;
}

}  // namespace wherry::jobs
