// SPDX-License-Identifier: Apache-2.0
#include "flow/coalescer.h"

#include <algorithm>

namespace wherry::flow {

// Directories come directly before what they contain, so the next one tells whether any is below.
bool Coalescer::is_free(const Open& open, const RelPath& target) {
  const auto next = open.occupied.lower_bound(target);
  if (next != open.occupied.end() && next->is_within(target)) return false;
  for (RelPath above = target; !above.is_root();) {
    above = above.parent();
    if (open.occupied.contains(above)) return false;
  }
  return true;
}

void Coalescer::add(std::uint64_t transfer, const Key& key, const RelPath& target, Duration now) {
  auto open = std::find_if(open_.begin(), open_.end(), [&](const Open& one) {
    return one.batch.transfers.size() < options_.max_items && one.batch.key == key &&
           is_free(one, target);
  });
  if (open == open_.end()) {
    open = open_.emplace(open_.end());
    open->batch.key = key;
    open->closes = now + options_.window;
  }
  open->batch.transfers.push_back(transfer);
  open->targets.push_back(target);
  open->occupied.insert(target);
  if (open->batch.transfers.size() >= options_.max_items) open->closes = now;
}

bool Coalescer::remove(std::uint64_t transfer) {
  for (auto open = open_.begin(); open != open_.end(); ++open) {
    auto& transfers = open->batch.transfers;
    const auto found = std::find(transfers.begin(), transfers.end(), transfer);
    if (found == transfers.end()) continue;
    const auto target = open->targets.begin() + (found - transfers.begin());
    open->occupied.erase(*target);
    open->targets.erase(target);
    transfers.erase(found);
    if (transfers.empty()) open_.erase(open);
    return true;
  }
  return false;
}

std::vector<Coalescer::Batch> Coalescer::take(Duration now) {
  std::vector<Batch> batches;
  for (Open& open : open_) {
    if (open.closes <= now) batches.push_back(std::move(open.batch));
  }
  std::erase_if(open_, [&](const Open& open) { return open.closes <= now; });
  return batches;
}

std::optional<Duration> Coalescer::next() const {
  std::optional<Duration> next;
  for (const Open& open : open_) next = std::min(next.value_or(open.closes), open.closes);
  return next;
}

}  // namespace wherry::flow
