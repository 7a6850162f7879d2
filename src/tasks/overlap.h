// SPDX-License-Identifier: Apache-2.0
// Finds transfers that would copy a tree into itself or a file onto itself, also when two endpoints
// lead to the same directory of this host, and through symlinks.
#pragma once

#include <optional>
#include <string>

#include "endpoints/endpoint.h"
#include "tasks/real_paths.h"
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
  const bool same_endpoint_;
  const bool deletes_extra_;
  std::string source_root_;  // canonical; empty if not of this host
  std::string target_root_;
  bool possible_ = false;
  RealPaths real_paths_;
};

}  // namespace wherry::tasks
