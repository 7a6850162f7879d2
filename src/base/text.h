// SPDX-License-Identifier: Apache-2.0
// Text of protocols, files and commands: ASCII, whatever the locale is.
#pragma once

#include <string>
#include <string_view>

namespace wherry {

// Changes A to Z alone.
inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// As one word of sh.
inline std::string shell_quote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + '\'';
}

}  // namespace wherry
