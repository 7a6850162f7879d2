// SPDX-License-Identifier: Apache-2.0
// Finds transfers that would copy a tree into itself or a file onto itself, also when two endpoints
// lead to the same directory of this host, and through symlinks.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "endpoints/endpoint.h"
#include "tasks/types.h"

namespace wherry::tasks {

class OverlapCheck {
 public:
  struct Sides {
    EndpointId source;
    EndpointId target;
    // Of the endpoints on this host, if they are there.
    std::optional<std::string> source_root;
    std::optional<std::string> target_root;
    bool deletes_extra = false;
  };
  explicit OverlapCheck(const Sides& sides);

  // Whether any item could be refused.
  bool is_possible() const { return possible_; }
  // kInvalid if the item's target is its source, or within it, or, where what is extra at the
  // target is deleted, around it.
  Result<void> check(const engine::TransferItem& item);

 private:
  // The path with every symlink resolved that exists, relative to the host's root if that is known.
  RelPath real_path(const std::string& root, const RelPath& path);
  struct Directory {
    std::string path;     // canonical, as far as it exists
    bool exists = false;  // as a whole
  };
  const Directory& real_directory(const std::string& directory);

  const bool same_endpoint_;
  const bool deletes_extra_;
  std::string source_root_;  // canonical; empty if not of this host
  std::string target_root_;
  bool possible_ = false;
  std::unordered_map<std::string, Directory> directories_;  // what was looked up, bounded
};

}  // namespace wherry::tasks
