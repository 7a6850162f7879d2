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
  // Of each of these nodes, numbers from 0; empty for a job that asks for none. No other job has
  // them meanwhile.
  std::vector<std::vector<std::size_t>> gpus = {};
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
    std::vector<std::size_t> gpus = {};  // of each node; empty: there are none
  };
  explicit Room(const Options& options);

  // On the first nodes with room for it; nothing while there is none. A job that asks for more
  // processors than a node has gets a whole one; one that asks for more GPUs never gets room.
  std::optional<Placement> take(const Resources& resources);
  void give_back(const Placement& placement);

  std::size_t nodes() const { return taken_.size(); }
  // How many jobs like the last one that got room would get room now.
  std::size_t free_places() const;
  // That can ever run at once.
  std::size_t most() const;
  // Whether not even the smallest job that was seen so far would get room now.
  bool is_full() const;
  // Whether it needs no more than what the last one gives back that got room.
  bool is_no_larger_than_last(const Resources& resources) const;

 private:
  std::uint64_t share_of(const Resources& resources, std::size_t node) const;
  std::vector<std::size_t> free_gpus(std::size_t node, std::size_t most) const;

  Options options_;
  std::vector<std::uint64_t> taken_;
  std::vector<std::vector<bool>> gpu_is_taken_;
  std::uint64_t last_share_;
  std::uint64_t smallest_share_;
};

}  // namespace wherry::jobs
