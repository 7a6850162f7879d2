// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <algorithm>

#include "cli/parse.h"

namespace wherry::cli {
namespace {

constexpr std::size_t kWidth = 80;

// Lines of at most kWidth columns, each behind `indent` spaces; blank lines part paragraphs.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string result;
  std::string line;
  const auto flush = [&] {
    if (!line.empty()) result += std::string(indent, ' ') + line + "\n";
    line.clear();
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    const std::string_view word = text.substr(0, end);
    if (!line.empty() && indent + line.size() + 1 + word.size() > kWidth) flush();
    if (!word.empty()) line += (line.empty() ? "" : " ") + std::string(word);
    if (end < text.size() && text[end] == '\n') {
      flush();
      result += "\n";
      while (end + 1 < text.size() && text[end + 1] == '\n') text.remove_prefix(1);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  flush();
  return result;
}

std::string_view noun_of(const Command& command) {
  return command.name.substr(0, command.name.find(' '));
}

std::string option_text(const OptionSpec& option) {
  std::string text(option.help);
  if (!option.choices.empty()) text += fmt::format(" One of: {}.", fmt::join(option.choices, ", "));
  if (option.times == OptionSpec::Times::kMany) text += " May be given several times.";
  if (!option.other_name.empty()) text += fmt::format(" The same as --{}.", option.other_name);
  return text;
}

template <class Options>
std::string option_list(const Options& options) {
  std::string text;
  for (const OptionSpec& option : options)
    text += "  " + option_heading(option) + "\n" + wrapped(option_text(option), 8);
  return text;
}

// roff takes a backslash, and a dot or quote at the start of a line, for its own; a plain "-" would
// become a typographic hyphen that cannot be copied.
std::string roff(std::string_view text) {
  std::string result;
  bool at_line_start = true;
  for (const char c : text) {
    if (at_line_start && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
    at_line_start = c == '\n';
  }
  return result;
}

std::string roff_options(std::span<const OptionSpec> options) {
  std::string text;
  for (const OptionSpec& option : options) {
    text +=
        fmt::format(".TP\n.B {}\n{}\n", roff(option_heading(option)), roff(option_text(option)));
  }
  return text;
}

std::string roff_command(const Command& command) {
  std::string text = fmt::format(".SS {}\n.B {}\n.PP\n{}\n", roff(command.name),
                                 roff(usage(command)), roff(command.summary));
  if (!command.description.empty()) text += ".PP\n" + roff(command.description) + "\n";
  for (const PositionalSpec& positional : command.positionals)
    text += fmt::format(".TP\n.I {}\n{}\n", roff(positional.name), roff(positional.help));
  text += roff_options(command.options);
  if (!command.examples.empty()) {
    text += ".PP\n.EX\n";
    for (const std::string_view example : command.examples) text += roff(example) + "\n";
    text += ".EE\n";
  }
  return text;
}

std::string markdown_command(const Command& command) {
  std::string text = fmt::format("\n### wherry {}\n\n{}\n\n```\n{}\n```\n", command.name,
                                 command.summary, usage(command));
  if (!command.description.empty()) text += "\n" + std::string(command.description) + "\n";
  if (!command.positionals.empty() || !command.options.empty())
    text += "\n| argument | meaning |\n|---|---|\n";
  const auto cell = [](std::string words) {
    for (std::size_t at = 0; (at = words.find('|', at)) != words.npos; at += 2)
      words.insert(at, 1, '\\');
    return words;
  };
  for (const PositionalSpec& positional : command.positionals)
    text += fmt::format("| `{}` | {} |\n", positional.name, cell(std::string(positional.help)));
  for (const OptionSpec& option : command.options)
    text += fmt::format("| `{}` | {} |\n", cell(option_heading(option)), cell(option_text(option)));
  if (!command.examples.empty())
    text += fmt::format("\n```sh\n{}\n```\n", fmt::join(command.examples, "\n"));
  return text;
}

constexpr std::string_view kExitCodes =
    "0: done, or accepted with --detach. 1: failed; the message says what next. 2: the command "
    "line, a file that it names, or a setting is wrong. 4: reserved for services that need a login."
    " 130: interrupted in an orderly way.";

constexpr std::string_view kAboutPaths =
    "A path on the command line is ENDPOINT:/path, with the name or id of an endpoint, or a plain "
    "path of this machine (the endpoint 'local'). File names are bytes; in answers, control "
    "characters, backslashes and bytes that are no UTF-8 are written as \\xHH.";

}  // namespace

std::string version_line() { return "wherry " WHERRY_VERSION; }

std::string usage(const Command& command) {
  std::string text = fmt::format("wherry {}", command.name);
  if (!command.options.empty()) text += " [OPTIONS]";
  for (const PositionalSpec& positional : command.positionals) {
    using Count = PositionalSpec::Count;
    switch (positional.count) {
      case Count::kOne:
        text += fmt::format(" {}", positional.name);
        break;
      case Count::kOptional:
        text += fmt::format(" [{}]", positional.name);
        break;
      case Count::kOneOrMore:
        text += fmt::format(" {}...", positional.name);
        break;
      case Count::kAny:
        text += fmt::format(" [{}...]", positional.name);
        break;
    }
  }
  return text;
}

std::string option_heading(const OptionSpec& option) {
  std::string text;
  if (option.short_name != '\0') text += fmt::format("-{}, ", option.short_name);
  text += fmt::format("--{}", option.name);
  if (!option.value.empty()) text += fmt::format(" {}", option.value);
  return text;
}

std::string overview(std::span<const Command> commands, std::string_view noun) {
  std::string text = noun.empty()
                         ? "Wherry moves scientific data: verified, durable, resumable.\n\n"
                           "Usage: wherry COMMAND [OPTIONS] [ARGUMENTS]\n\n"
                         : fmt::format("Usage: wherry {} COMMAND [OPTIONS] [ARGUMENTS]\n", noun);
  std::size_t width = 0;
  for (const Command& command : commands) width = std::max(width, command.name.size());
  std::string_view last_group;
  for (const Command& command : commands) {
    if (!noun.empty() && !command.name.starts_with(std::string(noun) + ' ')) continue;
    // Commands of one word stand together, and those of one noun.
    const bool is_single = command.name.find(' ') == command.name.npos;
    const std::string_view group = is_single ? "" : noun_of(command);
    if (group != last_group) text += "\n";
    last_group = group;
    text += fmt::format("  {:<{}}  {}\n", command.name, width, command.summary);
  }
  text += "\n'wherry COMMAND --help' tells more about a command.\n";
  return text;
}

std::string command_help(const Command& command) {
  std::string text = "Usage: " + usage(command) + "\n\n" + wrapped(command.summary, 0);
  if (!command.description.empty()) text += "\n" + wrapped(command.description, 0);
  if (!command.positionals.empty()) text += "\nArguments:\n";
  for (const PositionalSpec& positional : command.positionals)
    text += fmt::format("  {}\n{}", positional.name, wrapped(positional.help, 8));
  if (!command.options.empty()) text += "\nOptions:\n" + option_list(command.options);
  text += "\nOptions of every command:\n" + option_list(common_options());
  if (!command.examples.empty()) text += "\nExamples:\n";
  for (const std::string_view example : command.examples) text += fmt::format("  {}\n", example);
  return text;
}

std::string man_page(std::span<const Command> commands) {
  std::string text = ".TH WHERRY 1 \"\" \"" + roff(version_line()) +
                     "\" \"User Commands\"\n"
                     ".SH NAME\nwherry \\- move scientific data, verified, durable and resumable\n"
                     ".SH SYNOPSIS\n.B wherry\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n"
                     ".SH DESCRIPTION\n" +
                     roff(kAboutPaths) +
                     "\n"
                     ".SH COMMANDS\n";
  for (const Command& command : commands) text += roff_command(command);
  text += ".SH OPTIONS OF EVERY COMMAND\n" + roff_options(common_options());
  text += ".SH EXIT STATUS\n" + roff(kExitCodes) + "\n";
  text +=
      ".SH FILES\n.TP\n.I ~/.config/wherry/settings.yml\nSettings; see \\fBwherry config "
      "show\\fR.\n"
      ".TP\n.I ~/.local/state/wherry\nDatabase, catalogs, logs.\n";
  return text;
}

std::string markdown_reference(std::span<const Command> commands) {
  std::string text =
      "# Commands\n\n"
      "<!-- Generated by `wherry help --markdown`; change the tables in src/cli/cmd_*.cc. -->\n\n";
  text += std::string(kAboutPaths) + "\n\nExit codes: " + std::string(kExitCodes) + "\n";
  text += "\n## Options of every command\n\n| option | meaning |\n|---|---|\n";
  for (const OptionSpec& option : common_options())
    text += fmt::format("| `{}` | {} |\n", option_heading(option), option_text(option));
  text += "\n## Commands\n";
  for (const Command& command : commands) text += markdown_command(command);
  return text;
}

}  // namespace wherry::cli
