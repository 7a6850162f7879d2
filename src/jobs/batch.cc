// SPDX-License-Identifier: Apache-2.0
#include "jobs/batch.h"

#include <algorithm>
#include <tuple>

namespace wherry::jobs {
namespace {

// The items of one key, oldest first; those before `next` are in a batch.
struct Group {
  BatchKey key;
  std::vector<const PendingItem*> items;
  std::size_t next = 0;
  std::size_t batch_size = 1;
  // Whose turn it is: the least of all groups. Those that were served in this call come behind
  // those that were not; of equals the one with the oldest item.
  TimePoint served = TimePoint::min();
  std::size_t served_now = 0;

  std::size_t size() const { return items.size() - next; }
  const PendingItem& oldest() const { return *items[next]; }
};

BatchLimits::OfLocation limits_of(const BatchLimits& limits, std::string_view alias) {
  const auto found = limits.locations.find(alias);
  return found == limits.locations.end() ? BatchLimits::OfLocation{} : found->second;
}

std::vector<Group> group(std::span<const PendingItem> pending, const BatchLimits& limits) {
  std::map<BatchKey, std::vector<const PendingItem*>> by_key;
  for (const PendingItem& item : pending)
    by_key[{item.direction, item.location_alias, item.recursive}].push_back(&item);
  std::vector<Group> groups;
  for (auto& [key, items] : by_key) {
    const BatchLimits::OfLocation location = limits_of(limits, key.location_alias);
    if (location.is_held) continue;
    std::sort(items.begin(), items.end(), [](const PendingItem* a, const PendingItem* b) {
      return std::tie(a->since, a->id) < std::tie(b->since, b->id);
    });
    Group& made = groups.emplace_back();
    made.key = key;
    made.items = std::move(items);
    made.batch_size = location.batch_size != 0 ? location.batch_size : limits.batch_size;
    CHECK(made.batch_size > 0);
  }
  return groups;
}

// The tasks that may still be submitted: of the site, and to and from each location.
class Room {
 public:
  explicit Room(const BatchLimits& limits) : limits_(limits), free_(limits.free_tasks) {}

  bool is_full() const { return free_ == 0; }
  bool is_full(std::string_view alias) { return is_full() || of(alias) == 0; }
  void take(std::string_view alias) {
    CHECK(!is_full(alias));
    --free_;
    --of(alias);
  }

 private:
  std::size_t& of(std::string_view alias) {
    const auto found = locations_.find(alias);
    if (found != locations_.end()) return found->second;
    return locations_.emplace(std::string(alias), limits_of(limits_, alias).free_tasks)
        .first->second;
  }

  const BatchLimits& limits_;
  std::size_t free_;
  std::map<std::string, std::size_t, std::less<>> locations_;
};

bool has_waited(const Group& group, const BatchLimits& limits, TimePoint now) {
  // An item from the future: the clock was set back, and the wait would last as long as that.
  return group.oldest().since > now || now - group.oldest().since >= limits.max_wait;
}

bool is_ready(const Group& group, const BatchLimits& limits, TimePoint now) {
  if (group.size() == 0) return false;
  return group.size() >= group.batch_size || limits.max_wait <= Duration(0) ||
         has_waited(group, limits, now);
}

Batch cut(Group& group) {
  Batch batch;
  batch.key = group.key;
  const std::size_t count = std::min(group.size(), group.batch_size);
  for (std::size_t i = 0; i < count; ++i) batch.items.push_back(group.items[group.next + i]->id);
  group.next += count;
  return batch;
}

bool is_before(const Group& a, const Group& b) {
  return std::tie(a.served_now, a.served, a.oldest().since, a.key) <
         std::tie(b.served_now, b.served, b.oldest().since, b.key);
}

// The group whose turn it is; null if none has a batch and room for it.
Group* next_turn(std::vector<Group>& groups, const BatchLimits& limits, Room& room, TimePoint now) {
  Group* first = nullptr;
  for (Group& candidate : groups) {
    if (!is_ready(candidate, limits, now) || room.is_full(candidate.key.location_alias)) continue;
    if (first == nullptr || is_before(candidate, *first)) first = &candidate;
  }
  return first;
}

// Cuts batches in turn until there is no room, or nothing is ready. `emit` gets each of them.
template <class Emit>
void take_turns(std::vector<Group>& groups, const BatchLimits& limits, Room& room, TimePoint now,
                const Emit& emit) {
  for (std::size_t turn = 1; !room.is_full(); ++turn) {
    Group* const group = next_turn(groups, limits, room, now);
    if (group == nullptr) return;
    room.take(group->key.location_alias);
    group->served_now = turn;
    emit(cut(*group));
  }
}

}  // namespace

std::vector<Batch> make_batches(std::span<const PendingItem> pending, const BatchLimits& limits,
                                const std::map<BatchKey, TimePoint>& last_served, TimePoint now) {
  std::vector<Group> groups = group(pending, limits);
  for (Group& of_key : groups) {
    const auto found = last_served.find(of_key.key);
    // A time in the future is of a clock that was set back since. Believed, it would put the group
    // behind all others until the clock is there again.
    if (found != last_served.end() && found->second <= now) of_key.served = found->second;
  }
  Room room(limits);
  std::vector<Batch> batches;
  take_turns(groups, limits, room, now, [&](Batch batch) { batches.push_back(std::move(batch)); });
  return batches;
}

std::optional<Duration> next_batch(std::span<const PendingItem> pending, const BatchLimits& limits,
                                   TimePoint now) {
  std::vector<Group> groups = group(pending, limits);
  Room room(limits);
  take_turns(groups, limits, room, now, [](const Batch&) {});
  // What is left and has room only waits for its time.
  std::optional<Duration> soonest;
  for (const Group& waiting : groups) {
    if (waiting.size() == 0 || room.is_full(waiting.key.location_alias)) continue;
    const Duration wait = limits.max_wait - (now - waiting.oldest().since);
    if (!soonest || wait < *soonest) soonest = wait;
  }
  return soonest;
}

}  // namespace wherry::jobs
