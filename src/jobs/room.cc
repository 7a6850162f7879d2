// SPDX-License-Identifier: Apache-2.0
#include "jobs/room.h"

#include <algorithm>

#include "base/check.h"
#include "jobs/gpus.h"

namespace wherry::jobs {
namespace {

// More jobs on one node are not started at once, whatever they say: a process costs memory, and two
// descriptors here.
constexpr std::size_t kMostOnANode = 256;

std::size_t positive(int number) { return static_cast<std::size_t>(std::max(number, 1)); }

std::size_t processors_of(const Resources& resources) {
  const std::size_t threads =
      positive(resources.ranks_per_node) * positive(resources.threads_per_rank);
  const std::size_t per_core = positive(resources.threads_per_core);
  return (threads + per_core - 1) / per_core;
}

}  // namespace

Room::Room(const Options& options) : options_(options), taken_(options.processors.size(), 0) {
  CHECK(!taken_.empty());
  for (std::size_t& processors : options_.processors)
    processors = std::clamp<std::size_t>(processors, 1, kMostOnANode);
  options_.processes_per_node = std::min(options_.processes_per_node, kMostOnANode);
  options_.gpus.resize(taken_.size(), 0);
  for (const std::size_t gpus : options_.gpus) gpu_is_taken_.emplace_back(gpus, false);
  last_share_ = smallest_share_ = share_of({}, 0);
}

std::uint64_t Room::share_of(const Resources& resources, std::size_t node) const {
  if (options_.processes_per_node > 0)
    return resources.num_nodes > 1 ? kWholeNode : kWholeNode / options_.processes_per_node;
  const std::size_t processors = options_.processors[node];
  const std::uint64_t by_processors =
      kWholeNode * std::min(processors_of(resources), processors) / processors;
  if (options_.by == Options::By::kProcessors) return by_processors;
  const std::size_t packed = std::min(positive(resources.node_packing_count), kMostOnANode);
  return std::max<std::uint64_t>(by_processors, kWholeNode / packed);
}

// Numbers of GPUs that nobody has: `most`, or none at all if there are fewer.
std::vector<std::size_t> Room::free_gpus(std::size_t node, std::size_t most) const {
  std::vector<std::size_t> free;
  for (std::size_t gpu = 0; gpu < gpu_is_taken_[node].size() && free.size() < most; ++gpu)
    if (!gpu_is_taken_[node][gpu]) free.push_back(gpu);
  if (free.size() < most) free.clear();
  return free;
}

std::optional<Placement> Room::take(const Resources& resources) {
  const std::size_t wanted = std::min(positive(resources.num_nodes), nodes());
  const std::size_t gpus = gpus_on_a_node(resources);
  Placement placement;
  for (std::size_t node = 0; node < nodes() && placement.nodes.size() < wanted; ++node) {
    const std::uint64_t share = share_of(resources, node);
    smallest_share_ = std::min(smallest_share_, share);
    if (kWholeNode - taken_[node] < share || free_gpus(node, gpus).size() < gpus) continue;
    // The same of all of its nodes: the most that one of them asks for. Where that does not fit any
    // more, the node is left out.
    placement.share = std::max(placement.share, share);
    placement.nodes.push_back(node);
  }
  std::erase_if(placement.nodes,
                [&](std::size_t node) { return kWholeNode - taken_[node] < placement.share; });
  if (placement.nodes.size() < wanted) return std::nullopt;
  for (const std::size_t node : placement.nodes) {
    taken_[node] += placement.share;
    if (gpus == 0) continue;
    placement.gpus.push_back(free_gpus(node, gpus));
    for (const std::size_t gpu : placement.gpus.back()) gpu_is_taken_[node][gpu] = true;
  }
  last_share_ = placement.share;
  return placement;
}

void Room::give_back(const Placement& placement) {
  for (std::size_t i = 0; i < placement.nodes.size(); ++i) {
    const std::size_t node = placement.nodes[i];
    CHECK(taken_[node] >= placement.share);
    taken_[node] -= placement.share;
    if (placement.gpus.empty()) continue;
    for (const std::size_t gpu : placement.gpus[i]) {
      CHECK(gpu_is_taken_[node][gpu]);
      gpu_is_taken_[node][gpu] = false;
    }
  }
}

std::size_t Room::free_places() const {
  std::size_t places = 0;
  for (const std::uint64_t taken : taken_)
    places += static_cast<std::size_t>((kWholeNode - taken) / last_share_);
  return places;
}

bool Room::is_full() const {
  return std::all_of(taken_.begin(), taken_.end(),
                     [&](std::uint64_t taken) { return kWholeNode - taken < smallest_share_; });
}

bool Room::is_no_larger_than_last(const Resources& resources) const {
  return resources.num_nodes <= 1 && gpus_on_a_node(resources) == 0 &&
         share_of(resources, 0) <= last_share_;
}

std::size_t Room::most() const {
  if (options_.processes_per_node > 0) return nodes() * options_.processes_per_node;
  std::size_t most = 0;
  for (const std::size_t processors : options_.processors) most += processors;
  return most;
}

}  // namespace wherry::jobs
