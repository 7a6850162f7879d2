// SPDX-License-Identifier: Apache-2.0
// How much of each node is taken, and where the next job goes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "jobs/types.h"

namespace wherry::jobs {

// What a job takes of each of its nodes.
struct Placement {
  std::vector<std::size_t> nodes;  // numbers, from 0
  std::uint64_t share = 0;         // of kWholeNode
};

class Room {
 public:
  static constexpr std::uint64_t kWholeNode = std::uint64_t{1} << 32;

  struct Options {
    std::vector<std::size_t> processors;  // of each node
    // Not 0: so many jobs on a node, whatever they say they need. A job on several nodes takes
    // those whole.
    std::size_t processes_per_node = 0;
    // Else, whether a job takes a part of its node by node_packing_count, but at least the
    // processors that it asks for (as in an allocation), or those processors alone (as on a
    // machine that is nobody's alone).
    enum class By { kPackingCount, kProcessors } by = By::kPackingCount;
  };
  explicit Room(const Options& options);

  // On the first nodes with room for it; nothing while there is none. A job that asks for more than
  // a node has gets a whole one.
  std::optional<Placement> take(const Resources& resources);
  void give_back(const Placement& placement);

  std::size_t nodes() const { return taken_.size(); }
  // How many jobs like the last one that got room would get room now.
  std::size_t free_places() const;
  // That can ever run at once.
  std::size_t most() const;

 private:
  std::uint64_t share_of(const Resources& resources, std::size_t node) const;

  Options options_;
  std::vector<std::uint64_t> taken_;
  std::uint64_t last_share_;
};

}  // namespace wherry::jobs
