// SPDX-License-Identifier: Apache-2.0
#include "flow/data_paths.h"

#include <optional>
#include <string_view>

namespace wherry::flow {
namespace {

// What stands behind "~" or "~/"; nothing if it does not begin so. "~ada" is a name like others.
std::optional<std::string_view> behind_home(std::string_view text) {
  if (text.starts_with("/~")) text.remove_prefix(1);
  if (text == "~") return "";
  if (text.starts_with("~/")) return text.substr(2);
  return std::nullopt;
}

}  // namespace

Result<RelPath> read_path(const std::string& text, const endpoints::Endpoint& endpoint) {
  if (text.empty()) return make_error(Code::kInvalid, "a path is empty; the root is \"/\"");
  const auto below = behind_home(text);
  if (!below) return RelPath::parse(text);
  return RelPath::parse(fmt::format("{}/{}", endpoint.default_directory, *below));
}

Result<RelPath> read_removable_path(const std::string& text, const endpoints::Endpoint& endpoint) {
  const auto refused = [&](std::string_view what) {
    return make_error(Code::kInvalid,
                      "'{}' is {} endpoint '{}'; removing that is refused: name the files or "
                      "directories to remove",
                      escape_bytes(text), what, endpoint.display_name);
  };
  if (text.empty()) {
    return make_error(Code::kInvalid,
                      "an empty path stands for all that endpoint '{}' holds; removing that is "
                      "refused: name the files or directories to remove",
                      endpoint.display_name);
  }
  TRY_ASSIGN(RelPath path, read_path(text, endpoint));
  if (path.is_root()) return refused("the root of");
  const auto home = RelPath::parse(endpoint.default_directory);
  if (home && home->is_within(path)) return refused("the default directory, or above it, of");
  if (behind_home(text) == "") return refused("the default directory of");
  return path;
}

}  // namespace wherry::flow
