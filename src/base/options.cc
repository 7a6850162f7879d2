// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/file.h"
#include "base/path.h"
#include "base/yaml.h"

namespace wherry {
namespace {

constexpr ByteCount kSettingsFileLimit = 1 << 20;

Result<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) return value;
  return make_error(Code::kInvalid, "'{}' is no whole number", text);
}

Result<std::int64_t> parse_choice(const OptionDeclaration& declaration, std::string_view text) {
  const auto& choices = declaration.choices;
  const auto found = std::find(choices.begin(), choices.end(), text);
  if (found != choices.end()) return found - choices.begin();
  return make_error(Code::kInvalid, "'{}' is not one of {}", text, fmt::join(choices, ", "));
}

// A bound as the user would write it.
std::string format_bound(OptionKind kind, std::int64_t bound) {
  if (kind == OptionKind::kBytes) return format_bytes(static_cast<ByteCount>(bound));
  if (kind == OptionKind::kDuration) return format_duration(Duration(bound));
  if (kind == OptionKind::kPercent) return fmt::format("{}%", bound);
  return fmt::format("{}", bound);
}

// long double holds every 64-bit number exactly, so that one comparison serves all kinds.
Result<std::int64_t> within_bounds(const OptionDeclaration& declaration, std::string_view text,
                                   long double value) {
  if (value < static_cast<long double>(declaration.minimum)) {
    return make_error(Code::kInvalid, "'{}' is less than the minimum, {}", text,
                      format_bound(declaration.kind, declaration.minimum));
  }
  if (value > static_cast<long double>(declaration.maximum)) {
    return make_error(Code::kInvalid, "'{}' is more than the maximum, {}", text,
                      format_bound(declaration.kind, declaration.maximum));
  }
  return static_cast<std::int64_t>(value);
}

// The value of `text` as a number (of bytes, of ns, of the choice), or what is wrong with it.
Result<std::int64_t> parse_value(const OptionDeclaration& declaration, std::string_view text) {
  switch (declaration.kind) {
    case OptionKind::kText:
    case OptionKind::kPath:
      return 0;
    case OptionKind::kInteger: {
      TRY_ASSIGN(const std::int64_t value, parse_integer(text));
      return within_bounds(declaration, text, static_cast<long double>(value));
    }
    case OptionKind::kBytes: {
      TRY_ASSIGN(const ByteCount value, parse_bytes(text));
      return within_bounds(declaration, text, static_cast<long double>(value));
    }
    case OptionKind::kDuration: {
      TRY_ASSIGN(const Duration value, parse_duration(text));
      return within_bounds(declaration, text, static_cast<long double>(value.count()));
    }
    case OptionKind::kChoice:
      return parse_choice(declaration, text);
    case OptionKind::kSwitch: {
      TRY_ASSIGN(const bool value, parse_switch(text));
      return value ? 1 : 0;
    }
    case OptionKind::kPercent: {
      TRY_ASSIGN(const double value, parse_percent(text));
      return within_bounds(declaration, text, static_cast<long double>(value));
    }
  }
  return make_error(Code::kBug, "an option of unknown kind");
}

// Edit distance in which swapping two neighbours counts as one slip.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_previous(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        current[j] = std::min(current[j], before_previous[j - 2] + 1);
    }
    std::swap(before_previous, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::string variable_of(std::string_view name) {
  std::string variable = "WHERRY_";
  for (const char c : name) {
    const bool is_lower = c >= 'a' && c <= 'z';
    variable += c == '.' || c == '-' ? '_' : is_lower ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return variable;
}

class Options::Loader {
 public:
  Loader(std::span<const OptionDeclaration> declarations, std::vector<std::string_view> sections)
      : section_names_(std::move(sections)) {
    for (const OptionDeclaration& declaration : declarations) {
      const auto number = parse_value(declaration, declaration.default_text);
      CHECK(number);
      const bool is_new = options_.values_
                              .try_emplace(std::string(declaration.name),
                                           Value{declaration, std::string(declaration.default_text),
                                                 number.value(), "default"})
                              .second;
      CHECK(is_new);
    }
  }

  Result<void> read_file(const std::string& path) {
    if (path.empty()) return {};
    auto text = wherry::read_file(path, kSettingsFileLimit);
    if (!text) {
      if (text.error().code == Code::kNotFound) return {};
      return std::move(text).error().with_context("read the settings");
    }
    options_.file_ = path;
    auto document = parse_yaml(text.value());
    if (!document) return options_.in_file(document.error());
    if (document->kind == YamlNode::Kind::kNull) return {};
    if (document->kind != YamlNode::Kind::kMap)
      return file_error(*document, "the settings are not of the form 'name: value'");
    return read_map(*document, "");
  }

  Result<void> read_environment(
      const std::function<std::optional<std::string>(std::string_view)>& environment) {
    if (!environment) return {};
    for (auto& [name, value] : options_.values_) {
      const std::string variable = variable_of(name);
      const auto text = environment(variable);
      if (text) TRY(assign(value, *text, variable), "variable {}", variable);
    }
    return {};
  }

  Result<void> take_overrides(const std::map<std::string, std::string, std::less<>>& overrides) {
    for (const auto& [name, text] : overrides) {
      const auto found = options_.values_.find(name);
      if (found == options_.values_.end()) return unknown(name).with_context("command line");
      TRY(assign(found->second, text, "command line"), "command line: setting '{}'", name);
    }
    return {};
  }

  Options take() && { return std::move(options_); }

 private:
  static Result<void> assign(Value& value, std::string_view text, std::string origin) {
    TRY_ASSIGN(value.number, parse_value(value.declaration, text));
    value.text = text;
    value.origin = std::move(origin);
    return {};
  }

  Error file_error(const YamlNode& node, std::string_view problem) const {
    return options_.in_file(make_error(Code::kInvalid, "line {}: {}", node.line, problem));
  }

  // A setting that nobody declared, with the one that was probably meant.
  Error unknown(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : options_.values_) names.push_back(entry.first);
    names.insert(names.end(), section_names_.begin(), section_names_.end());
    auto meant = nearest(name, names);
    for (const std::string& candidate : names) {
      if (!meant && candidate.ends_with('.' + name)) meant = candidate;
    }
    return make_error(
        Code::kInvalid, "there is no setting '{}'; {}", escape_bytes(name),
        meant ? fmt::format("did you mean '{}'?", *meant) : "see 'wherry config show'");
  }

  bool is_section(const std::string& name) const {
    const auto next = options_.values_.lower_bound(name + '.');
    return next != options_.values_.end() && next->first.starts_with(name + '.');
  }

  Result<void> read_map(const YamlNode& map, const std::string& prefix) {
    for (const YamlNode& entry : map.children) {
      const std::string name = prefix + entry.key;
      if (std::find(section_names_.begin(), section_names_.end(), name) != section_names_.end()) {
        options_.sections_.emplace(name, entry);
      } else if (entry.kind == YamlNode::Kind::kMap && is_section(name)) {
        TRY(read_map(entry, name + '.'));
      } else {
        TRY(read_setting(name, entry));
      }
    }
    return {};
  }

  Result<void> read_setting(const std::string& name, const YamlNode& node) {
    const auto found = options_.values_.find(name);
    if (found == options_.values_.end()) {
      return is_section(name)
                 ? file_error(node, fmt::format("'{}' is a group of settings, not one", name))
                 : file_error(node, unknown(name).message);
    }
    if (!seen_.insert(name).second)
      return file_error(node, fmt::format("'{}' is set a second time", name));
    if (node.kind == YamlNode::Kind::kMap || node.kind == YamlNode::Kind::kList)
      return file_error(node, fmt::format("'{}' wants one value, not a list or map", name));
    const std::string origin = options_.origin_of(node);
    auto assigned = assign(found->second, node.text, origin);
    if (!assigned) return file_error(node, fmt::format("'{}': {}", name, assigned.error().message));
    return {};
  }

  Options options_;
  std::vector<std::string_view> section_names_;
  std::set<std::string> seen_;
};

Result<Options> Options::load(std::span<const OptionDeclaration> declarations,
                              const Sources& sources) {
  Loader loader(declarations, sources.sections);
  TRY(loader.read_file(sources.file));
  TRY(loader.read_environment(sources.environment));
  TRY(loader.take_overrides(sources.overrides));
  return std::move(loader).take();
}

const Options::Value& Options::find(std::string_view name, OptionKind kind) const {
  const auto found = values_.find(name);
  CHECK(found != values_.end());
  const OptionKind declared = found->second.declaration.kind;
  const bool is_text = declared == OptionKind::kPath || declared == OptionKind::kChoice;
  CHECK(declared == kind || (kind == OptionKind::kText && is_text));
  return found->second;
}

const std::string& Options::text(std::string_view name) const {
  return find(name, OptionKind::kText).text;
}

std::int64_t Options::integer(std::string_view name) const {
  return find(name, OptionKind::kInteger).number;
}

ByteCount Options::bytes(std::string_view name) const {
  return static_cast<ByteCount>(find(name, OptionKind::kBytes).number);
}

Duration Options::duration(std::string_view name) const {
  return Duration(find(name, OptionKind::kDuration).number);
}

bool Options::is_on(std::string_view name) const {
  return find(name, OptionKind::kSwitch).number != 0;
}

double Options::percent(std::string_view name) const {
  return parse_percent(find(name, OptionKind::kPercent).text).value();
}

const YamlNode* Options::section(std::string_view name) const {
  const auto found = sections_.find(name);
  return found == sections_.end() ? nullptr : &found->second;
}

Error Options::in_file(const Error& error) const {
  return make_error(error.code, "settings file '{}', {}", escape_bytes(file_), error.message);
}

std::string Options::origin_of(const YamlNode& node) const {
  return fmt::format("file {}, line {}", escape_bytes(file_), node.line);
}

void Options::show_section(const YamlNode& node, const std::string& name,
                           std::vector<Shown>& shown) const {
  if (node.kind == YamlNode::Kind::kMap) {
    for (const YamlNode& entry : node.children)
      show_section(entry, fmt::format("{}.{}", name, entry.key), shown);
    return;
  }
  std::string text = node.text;
  for (const YamlNode& element : node.children) {
    if (!text.empty()) text += "; ";
    text += element.text;
  }
  shown.push_back({name, OptionKind::kText, text, origin_of(node), ""});
}

std::vector<Options::Shown> Options::all() const {
  std::vector<Shown> shown;
  for (const auto& [name, value] : values_) {
    const OptionDeclaration& declared = value.declaration;
    shown.push_back({name, declared.kind, value.text, value.origin, std::string(declared.doc)});
  }
  for (const auto& [name, node] : sections_) show_section(node, name, shown);
  return shown;
}

std::optional<std::string> nearest(std::string_view text, std::span<const std::string> candidates) {
  // How many slips still look like one: a third of the letters, but never so many that any short
  // word would do.
  std::size_t limit = std::min<std::size_t>(3, std::max<std::size_t>(1, text.size() / 3));
  std::optional<std::string> best;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(text, candidate);
    if (distance > limit || (best && distance == limit)) continue;
    best = candidate;
    limit = distance;
  }
  return best;
}

}  // namespace wherry
