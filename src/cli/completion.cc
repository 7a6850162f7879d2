// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "cli/parse.h"

namespace wherry::cli {
namespace {

// bash takes a colon for the end of a word, so that the words come as "lab" ":" "/x"; then there is
// nothing to offer, and its own file completion steps in.
constexpr std::string_view kBash = R"script(# bash completion for wherry
_wherry() {
  local IFS=$'\n'
  COMPREPLY=($(wherry completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *: ]]; then compopt -o nospace; fi
}
complete -o default -F _wherry wherry
)script";

constexpr std::string_view kZsh = R"script(#compdef wherry
_wherry() {
  local -a found
  found=("${(@f)$(wherry completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(${found:#})
  if (( ${#found} )); then
    compadd -Q -S '' -- ${(M)found:#*:}
    compadd -Q -- ${found:#*:}
  else
    _files
  fi
}
if [[ $funcstack[1] == _wherry ]]; then _wherry "$@"; else compdef _wherry wherry; fi
)script";

constexpr std::string_view kFish = R"script(# fish completion for wherry
function __wherry_complete
    set -l words (commandline -opc) (commandline -ct)
    wherry completion words -- $words[2..-1] 2>/dev/null
end
complete -c wherry -a '(__wherry_complete)'
)script";

using Candidates = std::set<std::string>;

// Where in the line the last word stands.
struct Position {
  const Command* command = nullptr;
  std::string noun;
  const OptionSpec* open_option = nullptr;  // whose value comes next
  std::size_t positionals = 0;              // before it
  bool options_ended = false;
};

const OptionSpec* find_option(const Command* command, const std::string& word) {
  const auto fits = [&](const OptionSpec& option) {
    return word == "--" + std::string(option.name) ||
           (option.short_name != '\0' && word == std::string("-") + option.short_name);
  };
  if (command != nullptr) {
    for (const OptionSpec& option : command->options) {
      if (fits(option)) return &option;
    }
  }
  for (const OptionSpec& option : common_options()) {
    if (fits(option)) return &option;
  }
  return nullptr;
}

void take_word(std::span<const Command> commands, const std::string& word, Position& position) {
  if (position.open_option != nullptr) {
    position.open_option = nullptr;
    return;
  }
  if (!position.options_ended && word == "--") {
    position.options_ended = true;
    return;
  }
  if (!position.options_ended && word.size() > 1 && word[0] == '-') {
    const OptionSpec* option = find_option(position.command, word);
    if (option != nullptr && !option->value.empty()) position.open_option = option;
    return;
  }
  if (position.command != nullptr) {
    ++position.positionals;
    return;
  }
  position.noun += (position.noun.empty() ? "" : " ") + word;
  for (const Command& command : commands) {
    if (command.name == position.noun) position.command = &command;
  }
}

void add_values(ValueKind kind, std::span<const std::string_view> choices, const NameLookup& lookup,
                Candidates& out) {
  for (const std::string_view choice : choices) out.emplace(choice);
  if (kind == ValueKind::kLocation) {
    for (const std::string& name : lookup(ValueKind::kEndpoint)) out.insert(name + ":");
  }
  static constexpr ValueKind kNamed[] = {ValueKind::kEndpoint, ValueKind::kSync, ValueKind::kTask,
                                         ValueKind::kSite,     ValueKind::kApp,  ValueKind::kJob,
                                         ValueKind::kFlow};
  if (std::find(std::begin(kNamed), std::end(kNamed), kind) != std::end(kNamed)) {
    for (std::string& name : lookup(kind)) out.insert(std::move(name));
  }
}

void add_command_words(std::span<const Command> commands, const std::string& noun,
                       Candidates& out) {
  for (const Command& command : commands) {
    std::string_view rest = command.name;
    if (!noun.empty()) {
      if (!rest.starts_with(noun + " ")) continue;
      rest.remove_prefix(noun.size() + 1);
    }
    out.emplace(rest.substr(0, rest.find(' ')));
  }
}

const PositionalSpec* next_positional(const Position& position) {
  const auto& positionals = position.command->positionals;
  if (positionals.empty()) return nullptr;
  if (position.positionals < positionals.size()) return &positionals[position.positionals];
  using Count = PositionalSpec::Count;
  const PositionalSpec& last = positionals.back();
  return last.count == Count::kOneOrMore || last.count == Count::kAny ? &last : nullptr;
}

}  // namespace

std::vector<std::string> complete(std::span<const Command> commands,
                                  std::span<const std::string> words, const NameLookup& lookup) {
  if (words.empty()) return {};
  Position position;
  for (const std::string& word : words.first(words.size() - 1)) take_word(commands, word, position);
  const std::string& begun = words.back();
  Candidates candidates;
  if (position.open_option != nullptr) {
    add_values(position.open_option->kind, position.open_option->choices, lookup, candidates);
  } else if (!position.options_ended && begun.starts_with('-')) {
    if (position.command != nullptr) {
      for (const OptionSpec& option : position.command->options)
        candidates.insert("--" + std::string(option.name));
    }
    for (const OptionSpec& option : common_options())
      candidates.insert("--" + std::string(option.name));
  } else if (position.command == nullptr) {
    add_command_words(commands, position.noun, candidates);
  } else if (const PositionalSpec* positional = next_positional(position)) {
    add_values(positional->kind, positional->choices, lookup, candidates);
  }
  std::vector<std::string> fitting;
  for (const std::string& candidate : candidates) {
    if (candidate.starts_with(begun)) fitting.push_back(candidate);
  }
  return fitting;
}

std::string_view completion_script(std::string_view shell) {
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return kBash;
}

}  // namespace wherry::cli
