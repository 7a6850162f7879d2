// SPDX-License-Identifier: Apache-2.0
#include "engine/types.h"

namespace wherry::engine {

std::string_view to_string(SymlinkPolicy policy) {
  switch (policy) {
    case SymlinkPolicy::kIgnore:
      return "ignore";
    case SymlinkPolicy::kKeep:
      return "keep";
    case SymlinkPolicy::kCopy:
      return "copy";
  }
  return "";
}

Result<SymlinkPolicy> parse_symlink_policy(std::string_view text) {
  for (const auto value : {SymlinkPolicy::kIgnore, SymlinkPolicy::kKeep, SymlinkPolicy::kCopy}) {
    if (text == to_string(value)) return value;
  }
  return make_error(Code::kInvalid, "symlinks '{}': use ignore, keep or copy", text);
}

}  // namespace wherry::engine
