// SPDX-License-Identifier: Apache-2.0
// Which names of a tree take part in a transfer, and the glob patterns that say so.
#pragma once

#include <span>
#include <string_view>

#include "engine/types.h"

namespace wherry::engine {

enum class Backslash {
  kLiteral,  // filter rules: a backslash is a byte like any other
  kEscapes,  // globs of delete items: it takes the next byte literally
};

// Whether `pattern` (* ? [a-z] [!a-z]) matches all of `name`, byte by byte and whatever the locale.
// A bracket that is never closed stands for itself.
bool glob_matches(std::string_view pattern, std::string_view name, Backslash backslash);

// Globs of delete items, which stand in the last component of a path: whether a name is one, and
// what one reaches. As in a shell, a star does not reach names that are hidden by a leading dot.
bool is_delete_glob(std::string_view name);
bool delete_glob_reaches(std::string_view pattern, std::string_view name);

// Whether the rules let this name take part: the first rule that matches decides.
bool is_included(std::span<const FilterRule> rules, std::string_view name, storage::EntryType type);

}  // namespace wherry::engine
