// SPDX-License-Identifier: Apache-2.0
// Examples of batching, and its promises held against thousands of random backlogs: nothing twice,
// no bound passed, no work left while there is room, nobody served twice before somebody who waits.
#include "jobs/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"

namespace wherry::jobs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using LastServed = std::map<BatchKey, TimePoint>;

const TimePoint kNow = TimePoint(hours(24 * 365 * 50));

PendingItem item(ItemId id, std::string alias, TimePoint since = kNow,
                 Direction direction = Direction::kIn, bool recursive = false) {
  return {id, direction, std::move(alias), recursive, since};
}

std::vector<PendingItem> items(ItemId first, std::size_t count, const std::string& alias,
                               TimePoint since = kNow) {
  std::vector<PendingItem> made;
  for (std::size_t i = 0; i < count; ++i)
    made.push_back(item(first + static_cast<ItemId>(i), alias, since));
  return made;
}

void append(std::vector<PendingItem>& to, const std::vector<PendingItem>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

std::vector<std::string> aliases(const std::vector<Batch>& batches) {
  std::vector<std::string> names;
  for (const Batch& batch : batches) names.push_back(batch.key.location_alias);
  return names;
}

TEST(Batches, NothingPendingMakesNone) { EXPECT_THAT(make_batches({}, {}, {}, kNow), IsEmpty()); }

TEST(Batches, ALoneItemGoesAtOnce) {
  const std::vector<PendingItem> pending = {item(7, "lab")};
  const auto batches = make_batches(pending, {}, {}, kNow);
  ASSERT_THAT(batches, SizeIs(1));
  EXPECT_EQ(batches[0].key, (BatchKey{Direction::kIn, "lab", false}));
  EXPECT_THAT(batches[0].items, ElementsAre(7));
}

TEST(Batches, OnlyItemsOfOneDirectionLocationAndKindTravelTogether) {
  const std::vector<PendingItem> pending = {item(1, "lab"), item(2, "lab", kNow, Direction::kOut),
                                            item(3, "lab", kNow, Direction::kIn, true),
                                            item(4, "als"), item(5, "lab")};
  BatchLimits limits;
  limits.free_tasks = 10;
  const auto batches = make_batches(pending, limits, {}, kNow);
  ASSERT_THAT(batches, SizeIs(4));
  std::set<std::vector<ItemId>> together;
  for (const Batch& batch : batches) together.insert(batch.items);
  EXPECT_EQ(together, (std::set<std::vector<ItemId>>{{1, 5}, {2}, {3}, {4}}));
}

TEST(Batches, TheOldestGoFirstAndOfEqualsTheLowerNumber) {
  const std::vector<PendingItem> pending = {item(1, "lab", kNow), item(2, "lab", kNow - seconds(5)),
                                            item(4, "lab", kNow - seconds(9)),
                                            item(3, "lab", kNow - seconds(9))};
  BatchLimits limits;
  limits.batch_size = 3;
  const auto batches = make_batches(pending, limits, {}, kNow);
  ASSERT_THAT(batches, SizeIs(2));
  EXPECT_THAT(batches[0].items, ElementsAre(3, 4, 2));
  EXPECT_THAT(batches[1].items, ElementsAre(1));
}

// B13
TEST(Defects, B13AGiantBacklogHoldsUpNobodyElse) {
  auto pending = items(1, 5'000, "giant", kNow - hours(1));
  append(pending, items(9'001, 1, "lone", kNow));
  append(pending, items(9'002, 30, "small", kNow - seconds(1)));
  const auto batches = make_batches(pending, {}, {}, kNow);
  EXPECT_THAT(aliases(batches), ElementsAre("giant", "small", "lone"));
}

// B13
TEST(Defects, B13AHeldLocationTakesNoTurnAndNoTask) {
  auto pending = items(1, 500, "expired", kNow - hours(1));
  append(pending, items(901, 1, "lab", kNow));
  BatchLimits limits;
  limits.free_tasks = 1;
  limits.locations["expired"].is_held = true;
  const auto batches = make_batches(pending, limits, {}, kNow);
  EXPECT_THAT(aliases(batches), ElementsAre("lab"));
  EXPECT_EQ(next_batch(pending, limits, kNow), std::nullopt);
}

TEST(Batches, GroupsTakeTurnsTheLeastRecentlyServedFirst) {
  auto pending = items(1, 300, "a", kNow - hours(3));
  append(pending, items(1'001, 300, "b", kNow - hours(2)));
  append(pending, items(2'001, 300, "c", kNow - hours(1)));
  const auto key = [](std::string alias) {
    return BatchKey{Direction::kIn, std::move(alias), false};
  };
  const LastServed served = {{key("a"), kNow - seconds(1)}, {key("b"), kNow - seconds(3)}};
  BatchLimits limits;
  limits.free_tasks = 5;
  EXPECT_THAT(aliases(make_batches(pending, limits, served, kNow)),
              ElementsAre("c", "b", "a", "c", "b"));
}

TEST(Batches, ALocationWithLittleRoomLeavesTheRestToOthers) {
  auto pending = items(1, 300, "drive", kNow - hours(3));
  append(pending, items(1'001, 300, "lab", kNow));
  BatchLimits limits;
  limits.free_tasks = 4;
  limits.locations["drive"].free_tasks = 1;
  limits.locations["drive"].batch_size = 20;
  const auto batches = make_batches(pending, limits, {}, kNow);
  EXPECT_THAT(aliases(batches), ElementsAre("drive", "lab", "lab", "lab"));
  EXPECT_THAT(batches[0].items, SizeIs(20));
  EXPECT_THAT(batches[1].items, SizeIs(100));
}

TEST(Batches, InAndOutShareTheRoomOfTheirLocation) {
  const std::vector<PendingItem> pending = {item(1, "lab", kNow - seconds(1)),
                                            item(2, "lab", kNow, Direction::kOut)};
  BatchLimits limits;
  limits.locations["lab"].free_tasks = 1;
  EXPECT_THAT(make_batches(pending, limits, {}, kNow), SizeIs(1));
}

TEST(Batches, OneThatIsNotFullWaitsForItsOldestItem) {
  auto pending = items(1, 99, "lab", kNow - seconds(2));
  BatchLimits limits;
  limits.max_wait = seconds(10);
  EXPECT_THAT(make_batches(pending, limits, {}, kNow), IsEmpty());
  EXPECT_EQ(next_batch(pending, limits, kNow), Duration(seconds(8)));
  EXPECT_THAT(make_batches(pending, limits, {}, kNow + seconds(8) - Duration(1)), IsEmpty());
  EXPECT_THAT(make_batches(pending, limits, {}, kNow + seconds(8)), SizeIs(1));

  pending.push_back(item(100, "lab", kNow));
  EXPECT_THAT(make_batches(pending, limits, {}, kNow), SizeIs(1)) << "it is full";
}

TEST(Batches, WhatDoesNotFillASecondBatchWaitsOnItsOwn) {
  auto pending = items(1, 100, "lab", kNow - seconds(9));
  append(pending, items(101, 5, "lab", kNow - seconds(4)));
  BatchLimits limits;
  limits.max_wait = seconds(10);
  EXPECT_THAT(make_batches(pending, limits, {}, kNow), SizeIs(1));
  EXPECT_EQ(next_batch(pending, limits, kNow), Duration(seconds(6)));
}

TEST(Batches, NobodyIsWaitedForWhereThereIsNoRoom) {
  const auto pending = items(1, 5, "lab", kNow);
  BatchLimits limits;
  limits.max_wait = seconds(10);
  limits.free_tasks = 0;
  EXPECT_EQ(next_batch(pending, limits, kNow), std::nullopt);
  limits.free_tasks = 3;
  limits.locations["lab"].free_tasks = 0;
  EXPECT_EQ(next_batch(pending, limits, kNow), std::nullopt);
}

TEST(Batches, AClockThatWasSetBackDelaysNobody) {
  auto pending = items(1, 5, "back", kNow + hours(1));
  append(pending, items(101, 5, "lab", kNow - hours(1)));
  BatchLimits limits;
  limits.free_tasks = 1;
  limits.max_wait = seconds(10);
  const LastServed served = {{BatchKey{Direction::kIn, "back", false}, kNow + hours(1)},
                             {BatchKey{Direction::kIn, "lab", false}, kNow - seconds(1)}};
  EXPECT_THAT(aliases(make_batches(pending, limits, served, kNow)), ElementsAre("back"));
}

// ---- properties

// A random backlog with random limits, small enough that bounds are met often.
struct Backlog {
  std::vector<PendingItem> pending;
  BatchLimits limits;
  LastServed served;
};

TimePoint some_time_ago(Random& random) {
  return kNow - milliseconds(static_cast<std::int64_t>(random.below(20'000)));
}

BatchKey some_key(Random& random) {
  return {random.below(2) == 0 ? Direction::kIn : Direction::kOut,
          std::string(1, static_cast<char>('a' + random.below(4))), random.below(4) == 0};
}

Backlog some_backlog(Random& random) {
  Backlog made;
  const std::size_t count = random.below(60);
  for (std::size_t i = 0; i < count; ++i) {
    const BatchKey key = some_key(random);
    made.pending.push_back({static_cast<ItemId>(i + 1), key.direction, key.location_alias,
                            key.recursive, some_time_ago(random)});
  }
  made.limits.free_tasks = random.below(8);
  made.limits.batch_size = 1 + random.below(7);
  made.limits.max_wait = random.below(2) == 0 ? Duration(0) : Duration(seconds(10));
  for (const std::string_view alias : {"a", "b", "c"}) {
    if (random.below(2) == 0) continue;
    auto& location = made.limits.locations[std::string(alias)];
    if (random.below(2) == 0) location.free_tasks = random.below(3);
    location.batch_size = random.below(4);
    location.is_held = random.below(4) == 0;
  }
  for (int i = 0; i < 5; ++i) made.served[some_key(random)] = some_time_ago(random);
  return made;
}

BatchKey key_of(const PendingItem& of) { return {of.direction, of.location_alias, of.recursive}; }

BatchLimits::OfLocation limits_of(const BatchLimits& limits, const std::string& alias) {
  const auto found = limits.locations.find(alias);
  return found == limits.locations.end() ? BatchLimits::OfLocation{} : found->second;
}

std::size_t batch_size_of(const BatchLimits& limits, const std::string& alias) {
  const std::size_t own = limits_of(limits, alias).batch_size;
  return own != 0 ? own : limits.batch_size;
}

void expect_within_bounds(const Backlog& backlog, const std::vector<Batch>& batches) {
  std::map<ItemId, const PendingItem*> by_id;
  for (const PendingItem& of : backlog.pending) by_id[of.id] = &of;
  std::map<std::string, std::size_t> tasks;
  std::set<ItemId> sent;
  EXPECT_LE(batches.size(), backlog.limits.free_tasks);
  for (const Batch& batch : batches) {
    const std::string& alias = batch.key.location_alias;
    EXPECT_FALSE(limits_of(backlog.limits, alias).is_held);
    EXPECT_LE(++tasks[alias], limits_of(backlog.limits, alias).free_tasks);
    EXPECT_FALSE(batch.items.empty());
    EXPECT_LE(batch.items.size(), batch_size_of(backlog.limits, alias));
    const PendingItem* previous = nullptr;
    for (const ItemId id : batch.items) {
      EXPECT_TRUE(sent.insert(id).second) << id << " is sent twice";
      const PendingItem* const of = by_id.at(id);
      EXPECT_EQ(key_of(*of), batch.key);
      if (previous != nullptr) {
        EXPECT_LE(std::tie(previous->since, previous->id), std::tie(of->since, of->id));
      }
      previous = of;
    }
  }
}

// What is left over has no room, is held, or waits for more with time left.
void expect_nothing_left_undone(const Backlog& backlog, const std::vector<Batch>& batches) {
  if (batches.size() == backlog.limits.free_tasks) return;
  std::map<std::string, std::size_t> tasks;
  std::set<ItemId> sent;
  for (const Batch& batch : batches) {
    ++tasks[batch.key.location_alias];
    sent.insert(batch.items.begin(), batch.items.end());
  }
  std::map<BatchKey, std::size_t> left;
  for (const PendingItem& of : backlog.pending) {
    const auto location = limits_of(backlog.limits, of.location_alias);
    if (sent.count(of.id) != 0 || location.is_held) continue;
    if (tasks[of.location_alias] >= location.free_tasks) continue;
    EXPECT_LT(kNow - of.since, backlog.limits.max_wait) << "item " << of.id << " is left";
    EXPECT_LT(++left[key_of(of)], batch_size_of(backlog.limits, of.location_alias));
  }
}

TEST(BatchProperties, NoItemTwiceNoBoundPassedNoRoomUnused) {
  SeededRandom random(1);
  for (int round = 0; round < 5'000 && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(round);
    const Backlog backlog = some_backlog(random);
    const auto batches = make_batches(backlog.pending, backlog.limits, backlog.served, kNow);
    expect_within_bounds(backlog, batches);
    expect_nothing_left_undone(backlog, batches);
  }
}

TEST(BatchProperties, TheOrderOfTheItemsDoesNotMatter) {
  SeededRandom random(2);
  for (int round = 0; round < 1'000 && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(round);
    Backlog backlog = some_backlog(random);
    const auto before = make_batches(backlog.pending, backlog.limits, backlog.served, kNow);
    for (std::size_t i = backlog.pending.size(); i > 1; --i)
      std::swap(backlog.pending[i - 1], backlog.pending[random.below(i)]);
    const auto after = make_batches(backlog.pending, backlog.limits, backlog.served, kNow);
    ASSERT_EQ(before.size(), after.size());
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_EQ(before[i].key, after[i].key);
      EXPECT_EQ(before[i].items, after[i].items);
    }
  }
}

TEST(BatchProperties, NextBatchIsTheFirstMomentAtWhichThereIsMore) {
  SeededRandom random(3);
  int waits = 0;
  for (int round = 0; round < 5'000 && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(round);
    const Backlog backlog = some_backlog(random);
    const auto count_at = [&](TimePoint time) {
      return make_batches(backlog.pending, backlog.limits, backlog.served, time).size();
    };
    const auto wait = next_batch(backlog.pending, backlog.limits, kNow);
    const std::size_t now = count_at(kNow);
    if (!wait) {
      EXPECT_EQ(count_at(kNow + hours(1)), now);
      continue;
    }
    ++waits;
    EXPECT_GT(*wait, Duration(0));
    EXPECT_EQ(count_at(kNow + *wait - Duration(1)), now);
    EXPECT_GT(count_at(kNow + *wait), now);
  }
  EXPECT_GT(waits, 100) << "the backlogs hardly ever wait, and show nothing";
}

// A site over time: groups of very different size, arriving at random, with few free tasks. While
// somebody has work and could be served, nobody else is served twice before.
class Site {
 public:
  explicit Site(Random& random) : random_(random) {
    limits_.batch_size = 5;
    limits_.locations["b"].free_tasks = 1;
    while (keys_.size() < 6) {
      BatchKey key = some_key(random);
      if (std::find(keys_.begin(), keys_.end(), key) == keys_.end())
        keys_.push_back(std::move(key));
    }
  }

  void step() {
    now_ += milliseconds(1 + static_cast<std::int64_t>(random_.below(500)));
    arrive();
    hold_or_release();
    limits_.free_tasks = random_.below(4);
    forget_turns_of_those_who_cannot_go();
    for (const Batch& batch : make_batches(pending_, limits_, served_, now_)) send(batch);
  }

  std::size_t sent() const { return sent_; }

 private:
  void arrive() {
    // The first group gets more than there will ever be room for.
    for (std::size_t i = 0; i < 12; ++i) add(keys_[0]);
    if (random_.below(3) == 0) add(keys_[random_.below(keys_.size())]);
  }
  void add(const BatchKey& key) {
    pending_.push_back({++last_id_, key.direction, key.location_alias, key.recursive, now_});
  }

  void hold_or_release() {
    if (random_.below(10) != 0) return;
    auto& location = limits_.locations[keys_[random_.below(keys_.size())].location_alias];
    location.is_held = !location.is_held;
  }

  bool can_go(const BatchKey& key) const {
    return !limits_of(limits_, key.location_alias).is_held &&
           std::any_of(pending_.begin(), pending_.end(),
                       [&](const PendingItem& of) { return key_of(of) == key; });
  }

  void forget_turns_of_those_who_cannot_go() {
    for (const BatchKey& key : keys_)
      if (!can_go(key)) turns_since_.erase(key);
  }

  void send(const Batch& batch) {
    now_ += Duration(1);  // each is stored after the one before it
    for (const BatchKey& waiting : keys_) {
      if (waiting == batch.key || !can_go(waiting)) continue;
      // A location of one task at a time may be full, while others go on.
      if (waiting.location_alias == "b" || batch.key.location_alias == "b") continue;
      EXPECT_LE(++turns_since_[waiting][batch.key], 1U)
          << batch.key.location_alias << " goes twice while " << waiting.location_alias << " waits";
    }
    turns_since_.erase(batch.key);
    served_[batch.key] = now_;
    sent_ += batch.items.size();
    const std::set<ItemId> gone(batch.items.begin(), batch.items.end());
    std::erase_if(pending_, [&](const PendingItem& of) { return gone.count(of.id) != 0; });
  }

  Random& random_;
  std::vector<BatchKey> keys_;
  std::vector<PendingItem> pending_;
  BatchLimits limits_;
  LastServed served_;
  // For one who can go: how often each other one has gone since it last went.
  std::map<BatchKey, std::map<BatchKey, std::size_t>> turns_since_;
  TimePoint now_ = kNow;
  ItemId last_id_ = 0;
  std::size_t sent_ = 0;
};

TEST(BatchProperties, NobodyGoesTwiceWhileSomebodyElseWaits) {
  for (std::uint64_t seed = 1; seed <= 30 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    Site site(random);
    for (int i = 0; i < 150; ++i) site.step();
    EXPECT_GT(site.sent(), 100U);
  }
}

}  // namespace
}  // namespace wherry::jobs
