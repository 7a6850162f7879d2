// SPDX-License-Identifier: Apache-2.0
#include "base/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <sstream>

#include "base/options.h"
#include "base/path.h"
#include "base/units.h"

namespace wherry {
namespace {

constexpr int kMaxNesting = 16;
constexpr std::size_t kMaxNodes = 100'000;

// Builds the tree while yaml-cpp reads, and stops it at the first thing that is refused: its own
// tree is never made (a node that holds itself would never be freed).
class TreeBuilder : public YAML::EventHandler {
 public:
  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1)
      throw YAML::ParserException(mark, "a second document begins here; one is read");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    if (wants_key()) throw YAML::ParserException(mark, kBadKey);
    add(new_node(mark, YamlNode::Kind::kNull));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark, 1); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_anchor(mark, anchor);
    if (wants_key()) return take_key(mark, text);
    YamlNode node = new_node(mark, YamlNode::Kind::kScalar);
    node.text = text;
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    enter(mark, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { leave(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    enter(mark, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { leave(); }

 private:
  static constexpr const char* kBadKey = "the name of a setting must be a plain word";

  // A list or map that is being read.
  struct Open {
    YamlNode node;
    std::set<std::string> keys;
    bool has_key = false;  // the name of the next value was read: `key`, `line`
    std::string key;
    int line = 1;
  };

  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0)
      throw YAML::ParserException(mark, "there are no anchors ('&') and aliases ('*') here");
  }

  bool wants_key() const {
    return !open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap &&
           !open_.back().has_key;
  }

  void take_key(const YAML::Mark& mark, const std::string& key) {
    Open& map = open_.back();
    if (!map.keys.insert(key).second)
      throw YAML::ParserException(mark, "'" + key + "' is set a second time");
    map.has_key = true;
    map.key = key;
    map.line = mark.line + 1;
  }

  YamlNode new_node(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (++nodes_ > kMaxNodes) throw YAML::ParserException(mark, "it has too many values");
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    if (open_.empty()) return node;
    Open& parent = open_.back();
    if (parent.has_key) node.line = parent.line;
    node.key = parent.has_key ? std::move(parent.key) : parent.node.key;
    parent.has_key = false;
    return node;
  }

  void add(YamlNode node) {
    (open_.empty() ? root_ : open_.back().node.children.emplace_back()) = std::move(node);
  }

  void enter(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind) {
    refuse_anchor(mark, anchor);
    if (open_.size() == kMaxNesting) throw YAML::ParserException(mark, "nested too deeply");
    if (wants_key()) throw YAML::ParserException(mark, kBadKey);
    YamlNode node = new_node(mark, kind);
    open_.emplace_back().node = std::move(node);
  }

  void leave() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  YamlNode root_;
  std::vector<Open> open_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

Result<double> parse_number(std::string_view text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && std::isfinite(value))
    return value;
  return make_error(Code::kInvalid, "'{}' is no number", escape_bytes(text));
}

Result<std::int64_t> parse_whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) return value;
  return make_error(Code::kInvalid, "'{}' is no whole number", escape_bytes(text));
}

Result<Duration> parse_seconds_or_duration(std::string_view text) {
  if (parse_number(text)) return parse_duration(std::string(text) + "s");
  return parse_duration(text);
}

// What `parse` makes of the scalar, with line and key in front of its complaint.
template <class T>
Result<T> scalar(const YamlNode& node, Result<T> (*parse)(std::string_view)) {
  if (node.kind == YamlNode::Kind::kNull) return node.wrong("it has no value");
  if (node.kind != YamlNode::Kind::kScalar) return node.wrong("wants one value, not a list or map");
  Result<T> value = parse(node.text);
  if (!value) return node.wrong(value.error().message);
  return value;
}

// yaml-cpp has other words for what most often is wrong.
std::string_view advice_on(std::string_view text, int line) {
  for (; line > 0 && !text.empty(); --line)
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  const std::size_t indent = text.find_first_not_of(" \t");
  const bool has_tab = text.substr(0, std::min(indent, text.size())).find('\t') != text.npos;
  return has_tab ? " (the line begins with a tab; YAML wants spaces there)" : "";
}

}  // namespace

Result<YamlNode> parse_yaml(std::string_view text) {
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder;
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take();
  } catch (const YAML::Exception& problem) {
    const int line = std::max(problem.mark.line, 0);
    return make_error(Code::kInvalid, "line {}: {}{}", line + 1, escape_bytes(problem.msg),
                      advice_on(text, line));
  }
}

const YamlNode* YamlNode::find(std::string_view name) const {
  if (kind != Kind::kMap) return nullptr;
  const auto found = std::find_if(children.begin(), children.end(),
                                  [&](const YamlNode& child) { return child.key == name; });
  return found == children.end() ? nullptr : &*found;
}

Error YamlNode::wrong(std::string_view problem) const {
  if (key.empty()) return make_error(Code::kInvalid, "line {}: {}", line, problem);
  return make_error(Code::kInvalid, "line {}: '{}': {}", line, escape_bytes(key), problem);
}

Result<std::string> YamlNode::as_text() const {
  if (kind == Kind::kList || kind == Kind::kMap) return wrong("wants one value, not a list or map");
  return text;
}

Result<std::int64_t> YamlNode::as_integer(std::int64_t minimum, std::int64_t maximum) const {
  TRY_ASSIGN(const std::int64_t value, scalar(*this, parse_whole_number));
  if (value < minimum) return wrong(fmt::format("{} is less than the minimum, {}", value, minimum));
  if (value > maximum) return wrong(fmt::format("{} is more than the maximum, {}", value, maximum));
  return value;
}

Result<double> YamlNode::as_number(double minimum, double maximum) const {
  TRY_ASSIGN(const double value, scalar(*this, parse_number));
  if (value < minimum) return wrong(fmt::format("{} is less than the minimum, {}", value, minimum));
  if (value > maximum) return wrong(fmt::format("{} is more than the maximum, {}", value, maximum));
  return value;
}

Result<bool> YamlNode::as_switch() const { return scalar(*this, parse_switch); }
Result<Duration> YamlNode::as_duration() const { return scalar(*this, parse_seconds_or_duration); }
Result<ByteCount> YamlNode::as_bytes() const { return scalar(*this, parse_bytes); }

Result<std::vector<std::string>> YamlNode::as_text_list() const {
  if (kind == Kind::kScalar || kind == Kind::kMap) return wrong("wants a list");
  std::vector<std::string> texts;
  for (const YamlNode& child : children) {
    TRY_ASSIGN(texts.emplace_back(), child.as_text());
  }
  return texts;
}

Result<std::map<std::string, std::string, std::less<>>> YamlNode::as_text_map() const {
  if (kind == Kind::kScalar || kind == Kind::kList) return wrong("wants names with values");
  std::map<std::string, std::string, std::less<>> texts;
  for (const YamlNode& child : children) {
    TRY_ASSIGN(texts[child.key], child.as_text());
  }
  return texts;
}

Result<void> read_fields(const YamlNode& map, std::span<const YamlField> fields) {
  if (map.kind != YamlNode::Kind::kMap && map.kind != YamlNode::Kind::kNull)
    return map.wrong("wants names with values, as in 'name: value'");
  for (const YamlNode& entry : map.children) {
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const YamlField& known) { return known.key == entry.key; });
    if (field != fields.end()) {
      TRY(field->read(entry));
      continue;
    }
    std::vector<std::string> names;
    for (const YamlField& known : fields) names.emplace_back(known.key);
    const auto meant = nearest(entry.key, names);
    return make_error(Code::kInvalid, "line {}: there is no '{}'{}; {}", entry.line,
                      escape_bytes(entry.key),
                      map.key.empty() ? "" : fmt::format(" in '{}'", escape_bytes(map.key)),
                      meant ? fmt::format("did you mean '{}'?", *meant)
                            : fmt::format("there are {}", fmt::join(names, ", ")));
  }
  return {};
}

YamlField text_field(std::string_view key, std::string& into) {
  return {key, [&into](const YamlNode& node) -> Result<void> {
            TRY_ASSIGN(into, node.as_text());
            return {};
          }};
}

YamlField switch_field(std::string_view key, bool& into) {
  return {key, [&into](const YamlNode& node) -> Result<void> {
            TRY_ASSIGN(into, node.as_switch());
            return {};
          }};
}

YamlField duration_field(std::string_view key, Duration& into, Duration minimum, Duration maximum) {
  return {key, [&into, minimum, maximum](const YamlNode& node) -> Result<void> {
            TRY_ASSIGN(const Duration value, node.as_duration());
            if (value < minimum || value > maximum) {
              return node.wrong(fmt::format("'{}' is not from {} to {}", node.text,
                                            format_duration(minimum), format_duration(maximum)));
            }
            into = value;
            return {};
          }};
}

YamlField text_map_field(std::string_view key,
                         std::map<std::string, std::string, std::less<>>& into) {
  return {key, [&into](const YamlNode& node) -> Result<void> {
            TRY_ASSIGN(into, node.as_text_map());
            return {};
          }};
}

YamlField refused_field(std::string_view key, std::string_view instead) {
  return {key, [instead = std::string(instead)](const YamlNode& node) -> Result<void> {
            return node.wrong(instead);
          }};
}

}  // namespace wherry
