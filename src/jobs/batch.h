// SPDX-License-Identifier: Apache-2.0
// Which pending items go into which tasks now. Pure: plain data in, plain data out; the stager
// fetches and submits.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/types.h"
#include "jobs/site_settings.h"
#include "jobs/types.h"

namespace wherry::jobs {

// What batching looks at, of an item that may be tried now.
struct PendingItem {
  ItemId id = 0;
  Direction direction = Direction::kIn;
  std::string location_alias;
  bool recursive = false;
  TimePoint since;  // when it became pending
};

// Items that travel in one task.
struct BatchKey {
  Direction direction = Direction::kIn;
  std::string location_alias;
  bool recursive = false;
  friend auto operator<=>(const BatchKey&, const BatchKey&) = default;
};
struct Batch {
  BatchKey key;
  std::vector<ItemId> items;  // oldest first
};

struct BatchLimits {
  std::size_t free_tasks = 3;  // of the whole site
  std::size_t batch_size = 100;
  Duration max_wait{0};  // a batch that is not full waits so long for more, from its oldest item
  struct OfLocation {
    std::size_t free_tasks = SIZE_MAX;
    std::size_t batch_size = 0;  // 0: as of the site
    bool is_held = false;        // nothing goes there now: login, consent, quota, back-off
  };
  std::map<std::string, OfLocation, std::less<>> locations;
};

// The batches to submit, in that order. Groups take turns, the one that has been served least
// recently first (`last_served`: when a task of that group was last submitted), and within a group
// the oldest items go first: none starves, however large another one is. A group whose location is
// held takes no turn. A batch that is not full goes when its oldest item has waited max_wait.
std::vector<Batch> make_batches(std::span<const PendingItem> pending, const BatchLimits& limits,
                                const std::map<BatchKey, TimePoint>& last_served, TimePoint now);

// How long until make_batches() would answer more because items have waited long enough; nothing if
// it would not.
std::optional<Duration> next_batch(std::span<const PendingItem> pending, const BatchLimits& limits,
                                   TimePoint now);

}  // namespace wherry::jobs
