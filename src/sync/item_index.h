// SPDX-License-Identifier: Apache-2.0
// Finds the items of a task by their paths, for services that tell outcomes by path alone.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tasks/types.h"

namespace wherry::sync {

class ItemIndex {
 public:
  // Items are added in their order; paths are absolute within their endpoints, as outcomes have
  // them. The source path of a deletion is empty.
  void add(std::string source_path, std::string target_path);

  // Which item was moved; the number of items if none.
  std::uint64_t find(const tasks::SuccessfulTransfer& row) const;
  // Which items an error is about: the one of either path; where a target refuses a permission, all
  // of the same directory, because what it refuses one it refuses all; all that is below, if the
  // path is a directory above items.
  std::vector<std::uint64_t> find(const tasks::ItemError& row) const;

 private:
  std::vector<std::uint64_t> below(const std::string& directory) const;

  std::vector<std::string> targets_;
  std::vector<std::string> sources_;
  std::unordered_map<std::string, std::uint64_t> by_source_;
  std::unordered_map<std::string, std::uint64_t> by_target_;
};

}  // namespace wherry::sync
