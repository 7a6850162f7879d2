// SPDX-License-Identifier: Apache-2.0
#include "api/paths.h"

#include <fmt/format.h>

namespace wherry::api {
namespace {

// The part behind a leading "~" or "/~"; nothing if the path does not begin so.
std::optional<std::string_view> behind_tilde(std::string_view text) {
  if (text.starts_with("/~")) text.remove_prefix(1);
  if (!text.starts_with('~')) return std::nullopt;
  text.remove_prefix(1);
  // "~ada" and "~backup" are names.
  if (!text.empty() && text.front() != '/') return std::nullopt;
  return text;
}

}  // namespace

std::string decode_bytes(std::string_view text) {
  constexpr std::size_t kEscapeLength = 4;  // \xHH
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('\\'), text.size());
    bytes += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto escape = unescape_bytes(text.substr(0, kEscapeLength));
    bytes += escape ? *escape : std::string(1, '\\');
    text.remove_prefix(escape ? std::min(kEscapeLength, text.size()) : 1);
  }
  return bytes;
}

bool is_below_default_directory(std::string_view text) {
  return !text.starts_with('/') || behind_tilde(text).has_value();
}

Result<RelPath> read_path(std::string_view text, std::string_view default_directory) {
  const auto below = behind_tilde(text);
  const std::string bytes = decode_bytes(below.value_or(text));
  if (!is_below_default_directory(text)) return RelPath::parse(bytes);
  return RelPath::parse(fmt::format("{}/{}", default_directory, bytes));
}

std::string path_text(const RelPath& path) {
  // What is really called "~" must not be taken for the default directory.
  const std::string absolute = '/' + escape_bytes(path.text());
  return behind_tilde(absolute) ? "/." + absolute : absolute;
}

std::string directory_text(const RelPath& path) {
  return path.is_root() ? "/" : path_text(path) + '/';
}

}  // namespace wherry::api
