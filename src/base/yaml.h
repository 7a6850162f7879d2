// SPDX-License-Identifier: Apache-2.0
// YAML as a small tree with line numbers, for files that people write: settings, apps. What such
// files have no use for, and what makes readers run for ever or out of memory, is refused: anchors
// and aliases, a second document, deep nesting, names that come twice.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace wherry {

// Every error of a node is kInvalid and begins "line 7: 'key': …".
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 1;      // from 1; of an entry of a map, that of its name
  std::string key;   // of an entry of a map; an element of a list has that of the list
  std::string text;  // of a scalar; nothing is made of it yet ("no" is "no")
  std::vector<YamlNode> children;  // of a list or map, in the order of the file

  const YamlNode* find(std::string_view name) const;  // among the entries of a map; null: none

  Error wrong(std::string_view problem) const;
  Result<std::string> as_text() const;  // null is empty
  Result<std::int64_t> as_integer(std::int64_t minimum, std::int64_t maximum) const;
  Result<double> as_number(double minimum, double maximum) const;
  Result<bool> as_switch() const;
  Result<Duration> as_duration() const;                   // "1.5h"; a number alone is seconds
  Result<ByteCount> as_bytes() const;                     // "750GB"
  Result<std::vector<std::string>> as_text_list() const;  // null is empty
  Result<std::map<std::string, std::string, std::less<>>> as_text_map() const;  // likewise
};

// An empty text is a null. Error: kInvalid, "line 3: what is wrong".
Result<YamlNode> parse_yaml(std::string_view text);

// ---- maps whose names are known

// A name that a map may have, and what is done with its value.
struct YamlField {
  std::string_view key;
  std::function<Result<void>(const YamlNode&)> read;
};

// Reads what the map has; a null is an empty map. A name that no field has is refused, with the
// nearest one that does.
Result<void> read_fields(const YamlNode& map, std::span<const YamlField> fields);

// Fields that are stored as they are. `into` outlives the field.
YamlField text_field(std::string_view key, std::string& into);
YamlField switch_field(std::string_view key, bool& into);
YamlField duration_field(std::string_view key, Duration& into, Duration minimum, Duration maximum);
YamlField text_map_field(std::string_view key,
                         std::map<std::string, std::string, std::less<>>& into);
// One that is known from elsewhere, and is written differently here.
YamlField refused_field(std::string_view key, std::string_view instead);

template <class Integer>
YamlField integer_field(std::string_view key, Integer& into, std::int64_t minimum,
                        std::int64_t maximum) {
  return {key, [&into, minimum, maximum](const YamlNode& node) -> Result<void> {
            TRY_ASSIGN(const std::int64_t value, node.as_integer(minimum, maximum));
            into = static_cast<Integer>(value);
            return {};
          }};
}
template <class Integer>
YamlField integer_field(std::string_view key, std::optional<Integer>& into, std::int64_t minimum,
                        std::int64_t maximum) {
  return {key, [&into, minimum, maximum](const YamlNode& node) -> Result<void> {
            TRY_ASSIGN(const std::int64_t value, node.as_integer(minimum, maximum));
            into = static_cast<Integer>(value);
            return {};
          }};
}

}  // namespace wherry
