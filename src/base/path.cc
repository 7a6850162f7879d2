// SPDX-License-Identifier: Apache-2.0
#include "base/path.h"

#include <algorithm>

namespace wherry {
namespace {

// The length of the valid UTF-8 sequence at the start of `bytes`, or 0. Refuses over-long forms,
// surrogates and code points above U+10FFFF (RFC 3629, section 4).
std::size_t utf8_length(std::string_view bytes) {
  const auto at = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u;
  };
  const auto continues = [&](std::size_t i) { return (at(i) & 0xc0u) == 0x80u; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && at(1) < 0xa0) return 0;
    if (first == 0xed && at(1) > 0x9f) return 0;
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && at(1) < 0x90) return 0;
    if (first == 0xf4 && at(1) > 0x8f) return 0;
    return continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Whether valid UTF-8 begins with a control character: U+0000 to U+001F, or U+007F to U+009F, among
// which are a line break and the start of terminal commands.
bool is_control(std::string_view utf8) {
  const auto first = static_cast<unsigned char>(utf8[0]);
  if (first == 0xc2 && utf8.size() > 1) return static_cast<unsigned char>(utf8[1]) < 0xa0;
  return first < 0x20 || first == 0x7f;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<RelPath> RelPath::parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    return make_error(Code::kInvalid, "path '{}' holds a NUL byte", escape_bytes(text));
  }
  RelPath path;
  path.text_.reserve(text.size());
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    const std::string_view name = text.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      return make_error(Code::kInvalid,
                        "path '{}' holds '..', which could lead out of its directory",
                        escape_bytes(text));
    }
    if (name.size() > kMaxNameBytes) {
      return make_error(Code::kInvalid, "path '{}' has a name of {} bytes, at most {} are possible",
                        escape_bytes(text), name.size(), kMaxNameBytes);
    }
    if (!path.text_.empty()) path.text_ += '/';
    path.text_ += name;
  }
  if (path.text_.size() > kMaxPathBytes) {
    return make_error(Code::kInvalid, "path of {} bytes, at most {} are possible: '{}...'",
                      path.text_.size(), kMaxPathBytes, escape_bytes(path.text_.substr(0, 60)));
  }
  return path;
}

RelPath RelPath::from_normal(std::string text) {
  CHECK(text.empty() || (text.front() != '/' && text.back() != '/'));
  RelPath path;
  path.text_ = std::move(text);
  return path;
}

std::string_view RelPath::name() const {
  const std::string_view text = text_;
  const std::size_t slash = text.rfind('/');
  return slash == std::string_view::npos ? text : text.substr(slash + 1);
}

RelPath RelPath::parent() const {
  const std::size_t slash = text_.rfind('/');
  return slash == std::string::npos ? RelPath() : from_normal(text_.substr(0, slash));
}

RelPath RelPath::child(std::string_view name) const {
  CHECK(!name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos);
  RelPath path;
  path.text_.reserve(text_.size() + 1 + name.size());
  path.text_ = text_;
  if (!path.text_.empty()) path.text_ += '/';
  path.text_ += name;
  return path;
}

RelPath RelPath::join(const RelPath& below) const {
  if (is_root()) return below;
  if (below.is_root()) return *this;
  return from_normal(text_ + '/' + below.text_);
}

bool RelPath::is_within(const RelPath& ancestor) const {
  if (ancestor.is_root()) return true;
  return text_.starts_with(ancestor.text_) &&
         (text_.size() == ancestor.text_.size() || text_[ancestor.text_.size()] == '/');
}

RelPath RelPath::relative_to(const RelPath& ancestor) const {
  CHECK(is_within(ancestor));
  if (ancestor.is_root()) return *this;
  if (text_.size() == ancestor.text_.size()) return RelPath();
  return from_normal(text_.substr(ancestor.text_.size() + 1));
}

std::strong_ordering compare_paths(std::string_view a, std::string_view b) {
  const std::size_t common = std::min(a.size(), b.size());
  const auto mismatch =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(common), b.begin());
  if (mismatch.first == a.begin() + static_cast<std::ptrdiff_t>(common))
    return a.size() <=> b.size();
  // The slash ends a component, so it sorts before every byte of a name.
  const auto rank = [](char c) {
    return c == '/' ? 0 : 1 + static_cast<int>(static_cast<unsigned char>(c));
  };
  return rank(*mismatch.first) <=> rank(*mismatch.second);
}

std::strong_ordering operator<=>(const RelPath& a, const RelPath& b) {
  return compare_paths(a.text_, b.text_);
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string escape_bytes(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length == 0 || bytes[0] == '\\' || is_control(bytes)) {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[0]));
      bytes.remove_prefix(1);
    } else {
      text += bytes.substr(0, length);
      bytes.remove_prefix(length);
    }
  }
  return text;
}

Result<std::string> unescape_bytes(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    const int high = i + 3 < text.size() && text[i + 1] == 'x' ? hex_digit(text[i + 2]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 3]) : -1;
    if (low < 0) {
      return make_error(Code::kInvalid, "'{}' has a backslash at byte {} that does not begin \\xHH",
                        text, i);
    }
    bytes += static_cast<char>(high * 16 + low);
    i += 3;
  }
  return bytes;
}

}  // namespace wherry
