// SPDX-License-Identifier: Apache-2.0
// Finds the items of a task by their paths, for services that tell outcomes by path alone.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tasks/types.h"

namespace wherry::tasks {

class ItemIndex {
 public:
  // Items are added in their order; paths are absolute within their endpoints, as outcomes have
  // them. The source path of a deletion is empty. Several items may have one source.
  void add(std::string source_path, std::string target_path);
  std::uint64_t size() const { return targets_.size(); }
  const std::string& source_path(std::uint64_t item) const { return sources_[item]; }
  const std::string& target_path(std::uint64_t item) const { return targets_[item]; }

  // Which item was moved, or has what was moved below it; size() if none.
  std::uint64_t find(const SuccessfulTransfer& row) const;
  // Which items an error is about: the one of its target, or those of its source; where a target
  // refuses a permission, all of the same directory, because what it refuses one it refuses all;
  // else the one that is a directory above the path; else all that is below the path.
  std::vector<std::uint64_t> find(const ItemError& row) const;

 private:
  using Places = std::unordered_map<std::string, std::vector<std::uint64_t>>;
  static std::vector<std::uint64_t> at(const Places& places, const std::string& path);
  static std::vector<std::uint64_t> above(const Places& places, std::string path);
  std::vector<std::uint64_t> below(const std::string& directory) const;

  std::vector<std::string> targets_;
  std::vector<std::string> sources_;
  Places by_source_;
  Places by_target_;
};

}  // namespace wherry::tasks
