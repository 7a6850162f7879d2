// SPDX-License-Identifier: Apache-2.0
#include "engine/filter.h"

namespace wherry::engine {
namespace {

using storage::EntryType;

// One element of a pattern: its length, and whether it takes a given byte.
struct Element {
  std::size_t length = 0;
  bool takes = false;
};

// The bracket expression at the start of `pattern`; length 0 if it is never closed.
Element match_bracket(std::string_view pattern, unsigned char byte) {
  std::size_t at = 1;
  const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (negated) ++at;
  const std::size_t first = at;  // a bracket that comes first is a member, not the end
  bool found = false;
  while (at < pattern.size() && (pattern[at] != ']' || at == first)) {
    const auto low = static_cast<unsigned char>(pattern[at]);
    auto high = low;
    if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
      high = static_cast<unsigned char>(pattern[at + 2]);
      at += 2;
    }
    ++at;
    if (low <= byte && byte <= high) found = true;
  }
  if (at >= pattern.size()) return {};
  return {at + 1, found != negated};
}

// The element at the start of `pattern`, which is not empty and does not begin with a star.
Element match_element(std::string_view pattern, char byte, Backslash backslash) {
  if (pattern[0] == '?') return {1, true};
  if (pattern[0] == '[') {
    const Element bracket = match_bracket(pattern, static_cast<unsigned char>(byte));
    if (bracket.length > 0) return bracket;
  }
  if (pattern[0] == '\\' && backslash == Backslash::kEscapes && pattern.size() > 1)
    return {2, pattern[1] == byte};
  return {1, pattern[0] == byte};
}

}  // namespace

// Linear in practice and quadratic at worst: after a mismatch only the last star takes one byte
// more, which is enough because an earlier star can win nothing that the last one cannot.
bool glob_matches(std::string_view pattern, std::string_view name, Backslash backslash) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t after_star = std::string_view::npos;
  std::size_t star_name = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      star_name = n;
      continue;
    }
    if (p < pattern.size()) {
      const Element element = match_element(pattern.substr(p), name[n], backslash);
      if (element.takes) {
        p += element.length;
        ++n;
        continue;
      }
    }
    if (after_star == std::string_view::npos) return false;
    p = after_star;
    n = ++star_name;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool is_delete_glob(std::string_view name) {
  return name.find_first_of("*?[\\") != std::string_view::npos;
}

bool delete_glob_reaches(std::string_view pattern, std::string_view name) {
  const bool is_hidden = name.starts_with('.') && !pattern.starts_with('.');
  return !is_hidden && glob_matches(pattern, name, Backslash::kEscapes);
}

bool is_included(std::span<const FilterRule> rules, std::string_view name, EntryType type) {
  const bool directory = type == EntryType::kDirectory;
  for (const FilterRule& rule : rules) {
    if (rule.applies == FilterRule::Applies::kFiles && directory) continue;
    if (rule.applies == FilterRule::Applies::kDirectories && !directory) continue;
    if (glob_matches(rule.pattern, name, Backslash::kLiteral))
      return rule.method == FilterRule::Method::kInclude;
  }
  return true;
}

}  // namespace wherry::engine
