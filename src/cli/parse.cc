// SPDX-License-Identifier: Apache-2.0
#include "cli/parse.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/options.h"
#include "base/path.h"
#include "base/units.h"

namespace wherry::cli {
namespace {

const OptionSpec kCommonOptions[] = {
    {.name = "format",
     .short_name = 'F',
     .value = "FORM",
     .help = "How answers are written: text for people, json, or unix (tab-separated values).",
     .kind = ValueKind::kChoice,
     .choices = {"text", "json", "unix"}},
    {.name = "help", .short_name = 'h', .help = "Show what the command does and takes."},
    {.name = "set",
     .value = "NAME=VALUE",
     .help = "Use this value for a setting; `wherry config show` lists them.",
     .times = OptionSpec::Times::kMany},
    {.name = "service",
     .value = "SERVICE",
     .help = "Where endpoints and tasks are: local, globus, or the address of another Wherry. The"
             " same as --set service=SERVICE."},
    {.name = "state-dir",
     .value = "DIRECTORY",
     .help = "The same as --set state.dir=DIRECTORY.",
     .kind = ValueKind::kFile},
    {.name = "log-level",
     .value = "LEVEL",
     .help = "The same as --set log.level=LEVEL.",
     .kind = ValueKind::kChoice,
     .choices = {"debug", "info", "warning", "error", "off"}},
    {.name = "verbose", .short_name = 'v', .help = "The same as --log-level info."},
    {.name = "version", .help = "Show the version."},
};

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates,
                         std::string_view prefix = "") {
  const auto best = nearest(word, candidates);
  return best ? fmt::format("; did you mean '{}{}'?", prefix, *best) : std::string();
}

std::vector<std::string> as_strings(std::span<const std::string_view> words) {
  return {words.begin(), words.end()};
}

// Whether `value` fits; the error has no context yet.
Result<void> check_value(ValueKind kind, std::span<const std::string_view> choices,
                         const std::string& value) {
  switch (kind) {
    case ValueKind::kInteger: {
      std::int64_t number = 0;
      const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
      if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size() || number < 0)
        return make_error(Code::kInvalid, "'{}' is no whole number from 0", escape_bytes(value));
      return {};
    }
    case ValueKind::kJob:
      if (value.empty() || value.find_first_not_of("0123456789") != value.npos ||
          value.size() > 18 || value.find_first_not_of('0') == value.npos)
        return make_error(Code::kInvalid, "'{}' is no job's number; `wherry job ls` shows them",
                          escape_bytes(value));
      return {};
    case ValueKind::kBytes:
      TRY(parse_bytes(value));
      return {};
    case ValueKind::kDuration:
      TRY(parse_duration(value));
      return {};
    case ValueKind::kSeconds:
      TRY(parse_seconds(value));
      return {};
    case ValueKind::kTime:
      TRY(parse_time(value));
      return {};
    case ValueKind::kPercent:
      TRY(parse_percent(value));
      return {};
    case ValueKind::kChoice:
      if (std::find(choices.begin(), choices.end(), value) != choices.end()) return {};
      return make_error(Code::kInvalid, "'{}' is not one of {}{}", escape_bytes(value),
                        fmt::join(choices, ", "), did_you_mean(value, as_strings(choices)));
    default:
      if (value.empty()) return make_error(Code::kInvalid, "the value is empty");
      return {};
    case ValueKind::kText:
      return {};
  }
}

class Parser {
 public:
  Parser(std::span<const Command> commands, std::span<const std::string> words)
      : commands_(commands), words_(words) {}

  Result<ParsedLine> parse() {
    for (; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (!options_ended_ && word == "--") {
        options_ended_ = true;
      } else if (!options_ended_ && word.size() > 1 && word[0] == '-') {
        TRY(word[1] == '-' ? long_option(word) : short_options(word));
      } else if (line_.command == nullptr) {
        TRY(command_word(word));
      } else {
        values_.push_back(word);
      }
    }
    const Arguments& arguments = line_.arguments;
    if (line_.command == nullptr || arguments.has("help") || arguments.has("version"))
      return std::move(line_);
    TRY(assign_positionals(), "wherry {}", line_.command->name);
    return std::move(line_);
  }

 private:
  // Takes one more word of the command's name. Names have one word to three.
  Result<void> command_word(const std::string& word) {
    const std::string name = line_.noun.empty() ? word : line_.noun + " " + word;
    bool is_noun = false;
    for (const Command& command : commands_) {
      if (command.name == name) {
        line_.command = &command;
        line_.noun.clear();
        return {};
      }
      is_noun = is_noun || command.name.starts_with(name + " ");
    }
    if (is_noun) {
      line_.noun = name;
      return {};
    }
    return unknown_command(word);
  }

  Error unknown_command(const std::string& word) const {
    std::set<std::string> known;
    for (const Command& command : commands_) {
      const std::string_view name = command.name;
      if (line_.noun.empty()) {
        known.emplace(name.substr(0, name.find(' ')));
      } else if (name.starts_with(line_.noun + " ")) {
        known.emplace(name.substr(line_.noun.size() + 1));
      }
    }
    const std::vector<std::string> candidates(known.begin(), known.end());
    const std::string prefix = line_.noun.empty() ? "" : line_.noun + " ";
    const std::string hint = did_you_mean(word, candidates, "wherry " + prefix);
    return make_error(
        Code::kInvalid, "there is no command 'wherry {}{}'{}", prefix, escape_bytes(word),
        hint.empty() ? fmt::format("; known are: {}", fmt::join(candidates, ", ")) : hint);
  }

  std::vector<const OptionSpec*> known_options() const {
    std::vector<const OptionSpec*> known;
    if (line_.command != nullptr) {
      for (const OptionSpec& option : line_.command->options) known.push_back(&option);
    }
    for (const OptionSpec& option : kCommonOptions) known.push_back(&option);
    return known;
  }

  Result<void> long_option(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == word.npos ? word.npos : equals - 2);
    std::optional<std::string> value;
    if (equals != word.npos) value = word.substr(equals + 1);
    std::vector<std::string> names;
    for (const OptionSpec* option : known_options()) {
      if (option->name == name || (!name.empty() && option->other_name == name))
        return take(*option, "--" + name, std::move(value));
      names.emplace_back(option->name);
    }
    return make_error(Code::kInvalid, "{} has no option '--{}'{}", place(), escape_bytes(name),
                      did_you_mean(name, names, "--"));
  }

  // "-r", "-la" (switches joined), "-Fjson" (value attached).
  Result<void> short_options(const std::string& word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const auto known = known_options();
      const auto found = std::find_if(known.begin(), known.end(), [&](const OptionSpec* option) {
        return option->short_name == word[i];
      });
      if (found == known.end()) {
        return make_error(Code::kInvalid,
                          "{} has no option '-{}' (a name that begins with '-' goes after '--')",
                          place(), escape_bytes(word.substr(i, 1)));
      }
      const std::string shown = std::string("-") + word[i];
      if ((*found)->value.empty()) {
        TRY(take(**found, shown, std::nullopt));
      } else {
        std::optional<std::string> value;
        if (i + 1 < word.size()) value = word.substr(i + 1);
        return take(**found, shown, std::move(value));
      }
    }
    return {};
  }

  Result<void> take(const OptionSpec& option, const std::string& shown,
                    std::optional<std::string> value) {
    if (option.value.empty()) {
      if (value) return make_error(Code::kInvalid, "option {} takes no value", shown);
      if (!line_.arguments.has(option.name)) line_.arguments.add_option(option.name, "");
      return {};
    }
    if (!value) {
      if (at_ + 1 == words_.size())
        return make_error(Code::kInvalid, "option {} wants a value: {}", shown, option.value);
      value = words_[++at_];
    }
    if (option.times == OptionSpec::Times::kOnce && line_.arguments.has(option.name))
      return make_error(Code::kInvalid, "option {} is given twice", shown);
    TRY(check_value(option.kind, option.choices, *value), "option {}", shown);
    line_.arguments.add_option(option.name, std::move(*value));
    return {};
  }

  Result<void> assign_positionals() {
    std::size_t next = 0;
    for (const PositionalSpec& spec : line_.command->positionals) {
      using Count = PositionalSpec::Count;
      const bool is_list = spec.count == Count::kOneOrMore || spec.count == Count::kAny;
      const bool is_needed = spec.count == Count::kOne || spec.count == Count::kOneOrMore;
      if (is_needed && next == values_.size())
        return make_error(Code::kInvalid, "{} is missing; it takes {}", spec.name,
                          usage_of_positionals());
      const std::size_t end = is_list ? values_.size() : std::min(next + 1, values_.size());
      for (; next < end; ++next) {
        TRY(check_value(spec.kind, spec.choices, values_[next]), "{}", spec.name);
        line_.arguments.add_positional(spec.name, values_[next]);
      }
    }
    if (next < values_.size()) {
      return make_error(Code::kInvalid, "'{}' is one argument too many; it takes {}",
                        escape_bytes(values_[next]), usage_of_positionals());
    }
    return {};
  }

  std::string usage_of_positionals() const {
    std::string usage;
    for (const PositionalSpec& spec : line_.command->positionals)
      usage += (usage.empty() ? "" : " ") + std::string(spec.name);
    return usage.empty() ? "none" : usage;
  }

  std::string place() const {
    if (line_.command != nullptr) return fmt::format("'wherry {}'", line_.command->name);
    return line_.noun.empty() ? "'wherry'" : fmt::format("'wherry {}'", line_.noun);
  }

  std::span<const Command> commands_;
  std::span<const std::string> words_;
  std::size_t at_ = 0;
  bool options_ended_ = false;
  ParsedLine line_;
  std::vector<std::string> values_;
};

}  // namespace

std::span<const OptionSpec> common_options() { return kCommonOptions; }

Result<ParsedLine> parse_line(std::span<const Command> commands,
                              std::span<const std::string> words) {
  return Parser(commands, words).parse();
}

}  // namespace wherry::cli
