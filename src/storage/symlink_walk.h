// SPDX-License-Identifier: Apache-2.0
// What the storages that resolve symlinks themselves have in common.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace wherry::storage {

inline constexpr int kMaxSymlinks = 40;  // as the kernel's own bound (path_resolution(7))

// "a/./b//c" is a, b and c; ".." stays, for whoever walks.
inline std::vector<std::string> path_components(std::string_view path) {
  std::vector<std::string> components;
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view component = path.substr(begin, end - begin);
    if (!component.empty() && component != ".") components.emplace_back(component);
    begin = end + 1;
  }
  return components;
}

}  // namespace wherry::storage
