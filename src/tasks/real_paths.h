// SPDX-License-Identifier: Apache-2.0
// Where paths of endpoints on this host really lead, with every symlink resolved that exists.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "base/path.h"

namespace wherry::tasks {

std::optional<std::string> canonical(const std::string& path);
RelPath below_host_root(const std::string& absolute);

// A request has many items of few directories: those are remembered, and of an item only the last
// component is looked at, with one system call.
class RealPaths {
 public:
  enum class Last { kFollowed, kAsItIs };  // if the last component is a symlink
  // `path` below `root`, which is canonical, relative to the host's root.
  RelPath of(const std::string& root, const RelPath& path, Last last);

 private:
  struct Directory {
    std::string path;     // canonical, as far as it exists
    bool exists = false;  // as a whole
  };
  const Directory& real_directory(const std::string& directory);

  std::unordered_map<std::string, Directory> directories_;  // what was looked up, bounded
};

}  // namespace wherry::tasks
