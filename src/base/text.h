// SPDX-License-Identifier: Apache-2.0
// Text of protocols and files: ASCII, whatever the locale is.
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

}  // namespace wherry
