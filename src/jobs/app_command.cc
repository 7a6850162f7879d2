// SPDX-License-Identifier: Apache-2.0
#include "jobs/app_command.h"

#include <algorithm>
#include <functional>

#include "base/options.h"
#include "base/path.h"
#include "base/shell.h"
#include "jobs/app_file.h"

namespace wherry::jobs {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Walks over a command as sh reads it, as far as it takes to know where quotes begin and end, and
// rewrites its placeholders.
class Template {
 public:
  // What stands in the command in place of a placeholder of that name.
  using Write = std::function<std::string(std::string_view name)>;

  Template(std::string_view text, const Write& write) : text_(text), write_(write) {}

  Result<std::string> rewrite() {
    while (at_ < text_.size()) {
      if (text_.substr(at_).starts_with("{{")) {
        TRY(placeholder());
      } else if (text_[at_] == '\'' && inside_ != Inside::kDoubleQuotes) {
        TRY(single_quotes());
      } else {
        step();
      }
    }
    return std::move(written_);
  }

 private:
  enum class Inside { kCommand, kParentheses, kBackquotes, kDoubleQuotes };

  void copy(std::size_t count) {
    written_ += text_.substr(at_, count);
    at_ += count;
  }
  void enter(Inside what) {
    around_.push_back(inside_);
    inside_ = what;
  }
  void leave() {
    inside_ = around_.back();
    around_.pop_back();
  }

  Result<void> placeholder() {
    const std::size_t end = text_.find("}}", at_);
    if (end == std::string_view::npos)
      return make_error(Code::kInvalid, "the placeholder '{}' is not closed with '}}}}'",
                        escape_bytes(text_.substr(at_, 40)));
    const std::string_view name = trimmed(text_.substr(at_ + 2, end - at_ - 2));
    if (!is_parameter_name(name))
      return make_error(Code::kInvalid,
                        "'{}' is no placeholder: between '{{{{' and '}}}}' stands the name of a "
                        "parameter; a literal '{{{{' is written '{{''{{'",
                        escape_bytes(text_.substr(at_, std::min<std::size_t>(end + 2 - at_, 40))));
    if (inside_ == Inside::kDoubleQuotes) return within_quotes(text_.substr(at_, end + 2 - at_));
    written_ += write_(name);
    at_ = end + 2;
    return {};
  }

  // Quotes often hold a command that another shell is to read (sh -c "…"), which would read a value
  // as a part of it. What stands outside of quotes is one word for every value.
  static Error within_quotes(std::string_view placeholder) {
    return make_error(Code::kInvalid,
                      "the placeholder '{}' stands within quotes: it is one word as it is, end the "
                      "quotes before it; a shell gets it as in: sh -c 'echo \"$1\"' sh {}",
                      escape_bytes(placeholder.substr(0, 40)),
                      escape_bytes(placeholder.substr(0, 40)));
  }

  Result<void> single_quotes() {
    const std::size_t end = std::min(text_.find('\'', at_ + 1), text_.size() - 1);
    const std::string_view quoted = text_.substr(at_, end + 1 - at_);
    const std::size_t open = quoted.find("{{");
    if (open != std::string_view::npos) {
      const std::size_t close = quoted.find("}}", open);
      return within_quotes(
          quoted.substr(open, close == std::string_view::npos ? close : close + 2 - open));
    }
    copy(quoted.size());
    return {};
  }

  void step() {
    const char c = text_[at_];
    if (c == '\\') {
      copy(2);
    } else if (c == '"') {
      inside_ == Inside::kDoubleQuotes ? leave() : enter(Inside::kDoubleQuotes);
      copy(1);
    } else if (c == '`') {
      inside_ == Inside::kBackquotes ? leave() : enter(Inside::kBackquotes);
      copy(1);
    } else if (text_.substr(at_).starts_with("$(")) {
      enter(Inside::kParentheses);
      copy(2);
    } else if (inside_ == Inside::kDoubleQuotes) {
      copy(1);
    } else {
      outside_quotes(c);
    }
  }

  void outside_quotes(char c) {
    const bool begins_word = at_ == 0 || is_blank(text_[at_ - 1]) || text_[at_ - 1] == ';';
    if (c == '#' && begins_word) {
      // A comment: its apostrophes quote nothing.
      while (at_ < text_.size() && text_[at_] != '\n' && !text_.substr(at_).starts_with("{{"))
        copy(1);
      return;
    }
    if (c == '(') enter(Inside::kParentheses);
    if (c == ')' && inside_ == Inside::kParentheses) leave();
    copy(1);
  }

  std::string_view text_;
  const Write& write_;
  std::size_t at_ = 0;
  Inside inside_ = Inside::kCommand;
  std::vector<Inside> around_;
  std::string written_;
};

// The shell variable that holds a parameter. The values stand in assignments before the command
// and nowhere in it: however a template is nested (here-documents, `…`, arithmetic), sh never reads
// a value as part of a command.
std::string variable_of(std::string_view parameter) { return fmt::format("wherry_{}", parameter); }

std::string reference(std::string_view parameter) {
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
  const Template::Write note = [&](std::string_view name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
    return std::string();
  };
  TRY(Template(command, note).rewrite());
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
  TRY_ASSIGN(const std::string command, Template(app.command, reference).rewrite(),
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
