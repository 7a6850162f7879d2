// SPDX-License-Identifier: Apache-2.0
// Paths as byte strings. File names have no encoding: what the file system holds is what travels.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry {

constexpr std::size_t kMaxPathBytes = 4095;  // PATH_MAX less its terminator
constexpr std::size_t kMaxNameBytes = 255;   // NAME_MAX

// A path below some root, in normal form: no leading or trailing slash, no empty component, no "."
// and no "..". The empty path is the root itself. The form is an invariant of the type: a RelPath
// cannot name anything outside of its root (symlinks are the storage's concern).
class RelPath {
 public:
  RelPath() = default;

  // Takes "a/b", "/a/b", "a//b/", "./a". Refuses "..", NUL bytes, over-long names and paths
  // (kInvalid).
  static Result<RelPath> parse(std::string_view text);
  // For text that is known to be in normal form (CHECKed only for its ends).
  static RelPath from_normal(std::string text);

  const std::string& text() const { return text_; }
  bool is_root() const { return text_.empty(); }
  // The last component; empty for the root.
  std::string_view name() const;
  // The path without its last component. The root is its own parent.
  RelPath parent() const;
  // This path with one more component: `name` is not empty, "." or "..", and holds no slash.
  RelPath child(std::string_view name) const;
  // This path with `below` appended.
  RelPath join(const RelPath& below) const;
  // Whether this is `ancestor` or below it.
  bool is_within(const RelPath& ancestor) const;
  // This path relative to `ancestor`, in which it must be.
  RelPath relative_to(const RelPath& ancestor) const;

  friend bool operator==(const RelPath&, const RelPath&) = default;
  // The order of a depth-first walk that visits names by their bytes: component by component, so a
  // directory comes directly before what it contains.
  friend std::strong_ordering operator<=>(const RelPath& a, const RelPath& b);

 private:
  std::string text_;
};

// Compares two paths in normal form as RelPath's operator does.
std::strong_ordering compare_paths(std::string_view a, std::string_view b);

// Whether `bytes` are UTF-8 throughout (RFC 3629); nothing is.
bool is_utf8(std::string_view bytes);

// Writes bytes so that they are valid UTF-8 on one line and can be read back: a byte that is not
// part of a valid UTF-8 sequence, a control character and the backslash become \xHH. Used in text
// output and logs; JSON documents carry names by the same rule.
std::string escape_bytes(std::string_view bytes);
// The reverse; kInvalid when an escape is malformed.
Result<std::string> unescape_bytes(std::string_view text);

}  // namespace wherry
