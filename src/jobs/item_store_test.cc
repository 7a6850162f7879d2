// SPDX-License-Identifier: Apache-2.0
// Names of defects (B1 to B22) are those of the system whose words these are.
#include "jobs/item_store.h"

#include <set>

#include <algorithm>

#include "jobs/store_fixture.h"

namespace wherry::jobs {
namespace {

using J = JobState;
using I = ItemState;
using Kind = ItemOutcome::Kind;

const tasks::TaskError kMissing{"FILE_NOT_FOUND", "no such file"};

class ItemStoreTest : public StoreTest {
 protected:
  Items& store() { return stores_->items; }
  std::vector<PendingItem> pending(std::size_t limit = 100) {
    return store().pending(site_, limit, clock_.now()).value();
  }
  ItemOutcome outcome(ItemId item, Kind kind) {
    ItemOutcome outcome;
    outcome.item = item;
    outcome.kind = kind;
    if (kind == Kind::kError || kind == Kind::kRetry) outcome.error = kMissing;
    outcome.next_try = clock_.now();
    return outcome;
  }
  void settle(const StageTask& task, const std::vector<ItemOutcome>& outcomes) {
    const auto applied = store().apply(task.id, outcomes, Items::Task::kSettled);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  void tell(const StageTask& task, const std::vector<ItemOutcome>& outcomes) {
    const auto applied = store().apply(task.id, outcomes, Items::Task::kGoesOn);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  std::optional<StageTask> assign(const std::vector<ItemId>& items, const std::string& id) {
    Batch batch;
    batch.key = {Direction::kIn, "lab", false};
    batch.items = items;
    return store().assign(site_, batch, id).value();
  }
  TransferItem now(ItemId id) { return store().get(id).value(); }
};

TEST_F(ItemStoreTest, PendingItemsAreTheOldestOfEachGroupInEvenShares) {
  for (const Job& job : make_many(20)) (void)job;
  for (int i = 0; i < 3; ++i) {
    NewJob job = work(fmt::format("few/{}", i));
    job.transfers["image"].location_alias = "archive";
    make(job);
  }
  const auto found = pending(10);
  ASSERT_EQ(found.size(), 10u);
  const auto of = [&](std::string_view alias) {
    std::vector<ItemId> ids;
    for (const PendingItem& item : found)
      if (item.location_alias == alias) ids.push_back(item.id);
    return ids;
  };
  EXPECT_EQ(of("archive").size(), 3u);
  EXPECT_EQ(of("lab").size(), 7u);
  EXPECT_EQ(of("lab").front(), input(1).id);
  EXPECT_EQ(pending(100).size(), 23u);
  EXPECT_EQ(pending(1).size(), 1u);
}

TEST_F(ItemStoreTest, WhatATaskCarriesIsNotPendingForAnother) {
  const auto jobs = make_many(3);
  const std::vector<ItemId> ids = {input(jobs[0].id).id, input(jobs[1].id).id};
  const auto task = assign(ids, "one");
  ASSERT_TRUE(task);
  EXPECT_EQ(task->items, ids);
  ASSERT_EQ(pending().size(), 1u);
  EXPECT_EQ(pending()[0].id, input(jobs[2].id).id);
  const auto second = assign({ids[0], input(jobs[2].id).id}, "two");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->items, std::vector<ItemId>{input(jobs[2].id).id});
  EXPECT_FALSE(assign(ids, "three")) << "nothing of it is free";
  EXPECT_EQ(store().open_tasks(site_)->size(), 2u);
}

TEST_F(ItemStoreTest, B6ATaskIsThereBeforeItIsSentAndUntilItIsSettled) {
  const JobId id = make(work("a")).id;
  const auto task = assign({input(id).id}, "submission");
  ASSERT_TRUE(store().record(task->id, "request\n\x01"));
  auto open = store().open_tasks(site_).value();
  ASSERT_EQ(open.size(), 1u);
  EXPECT_EQ(open[0].submission_id, "submission");
  EXPECT_EQ(open[0].request, "request\n\x01");
  EXPECT_EQ(open[0].task_id, "");
  EXPECT_EQ(open[0].key, (BatchKey{Direction::kIn, "lab", false}));
  EXPECT_EQ(input(id).state, I::kPending);
  ASSERT_TRUE(store().accepted(task->id, "task"));
  EXPECT_EQ(store().open_tasks(site_)->front().task_id, "task");
  EXPECT_EQ(input(id).state, I::kActive);
  EXPECT_EQ(input(id).task_id, "task");
  settle(*task, {outcome(input(id).id, Kind::kDone)});
  EXPECT_TRUE(store().open_tasks(site_)->empty());
  EXPECT_EQ(input(id).task_id, "task");
  EXPECT_EQ(state(id), J::kStagedIn);
}

TEST_F(ItemStoreTest, ASubmissionIdIsUsedOnce) {
  const auto jobs = make_many(2);
  ASSERT_TRUE(assign({input(jobs[0].id).id}, "same"));
  Batch batch;
  batch.key = {Direction::kIn, "lab", false};
  batch.items = {input(jobs[1].id).id};
  EXPECT_EQ(store().assign(site_, batch, "same").error().code, Code::kConflict);
  EXPECT_EQ(pending().size(), 1u);
}

TEST_F(ItemStoreTest, AnAnswerThatComesTwiceCountsOnce) {
  const JobId id = make(work("a")).id;
  const auto task = assign({input(id).id}, "one");
  ASSERT_TRUE(store().accepted(task->id, "task"));
  tell(*task, {outcome(input(id).id, Kind::kRetry)});
  ASSERT_TRUE(store().accepted(task->id, "task"));
  EXPECT_EQ(input(id).state, I::kPending);
  EXPECT_EQ(input(id).attempts, 1);
}

TEST_F(ItemStoreTest, B3OneBadFileOfAHundredFailsItsOwnJobAlone) {
  const auto jobs = make_many(100);
  std::vector<ItemId> ids;
  for (const Job& job : jobs) ids.push_back(input(job.id).id);
  const StageTask task = carry(ids, "1");
  tell(task, {outcome(ids[40], Kind::kError)});
  EXPECT_EQ(state(jobs[40].id), J::kFailed);
  std::vector<ItemOutcome> rest;
  for (const ItemId id : ids)
    if (id != ids[40]) rest.push_back(outcome(id, Kind::kDone));
  settle(task, rest);
  EXPECT_EQ(stores_->jobs.count_by_state({}).value(),
            (std::map<J, std::uint64_t>{{J::kStagedIn, 99}, {J::kFailed, 1}}));
  EXPECT_EQ(now(ids[40]).error, kMissing);
}

TEST_F(ItemStoreTest, B4AnErrorThatPolicyHoldsLeavesTheJobAndCanBeRetried) {
  const JobId id = make(work("a")).id;
  const StageTask task = carry({input(id).id}, "1");
  ItemOutcome held = outcome(input(id).id, Kind::kError);
  held.job = ItemOutcome::OfJob::kStays;
  settle(task, {held});
  EXPECT_EQ(state(id), J::kReady);
  EXPECT_EQ(input(id).state, I::kError);
  EXPECT_TRUE(pending().empty());
  EXPECT_EQ(store().retry({}).value(), 1u);
  EXPECT_EQ(pending().size(), 1u);
}

TEST_F(ItemStoreTest, ARetryWaitsForItsTime) {
  const JobId id = make(work("a")).id;
  const StageTask task = carry({input(id).id}, "1");
  ItemOutcome later = outcome(input(id).id, Kind::kRetry);
  later.next_try = clock_.now() + std::chrono::seconds(30);
  settle(task, {later});
  EXPECT_EQ(input(id).state, I::kPending);
  EXPECT_EQ(input(id).error, kMissing);
  EXPECT_EQ(input(id).attempts, 1);
  EXPECT_TRUE(pending().empty());
  EXPECT_EQ(store().next_try(site_).value(), later.next_try);
  clock_.advance(std::chrono::seconds(30));
  EXPECT_EQ(pending().size(), 1u);
  EXPECT_FALSE(store().next_try(site_).value());
}

TEST_F(ItemStoreTest, AClockThatIsPutBackHoldsUpNoNewItem) {
  make(work("a"));
  clock_.jump(-std::chrono::hours(5));
  EXPECT_EQ(pending().size(), 1u);
}

TEST_F(ItemStoreTest, B14ARemovedJobLeavesItsItemsToItsTask) {
  const auto jobs = make_many(2);
  const ItemId gone = input(jobs[0].id).id, kept = input(jobs[1].id).id;
  const StageTask task = carry({gone, kept}, "1");
  JobFilter filter;
  filter.ids = {jobs[0].id};
  ASSERT_TRUE(stores_->jobs.remove(filter));
  EXPECT_EQ(store().open_tasks(site_)->front().items, (std::vector<ItemId>{gone, kept}));
  const auto carried = store().carried(task.id).value();
  ASSERT_EQ(carried.size(), 1u);
  EXPECT_EQ(carried[0].item.id, kept);
  EXPECT_EQ(carried[0].workdir, "many/1");
  EXPECT_EQ(carried[0].job_state, J::kReady);
  settle(task, {outcome(gone, Kind::kDone), outcome(kept, Kind::kDone)});
  EXPECT_EQ(state(jobs[1].id), J::kStagedIn);
}

TEST_F(ItemStoreTest, B14ACancelledJobIsSeenByTheTaskThatCarriesForIt) {
  const JobId id = make(work("a")).id;
  const StageTask task = carry({input(id).id}, "1");
  ASSERT_TRUE(stores_->jobs.cancel(id));
  const auto carried = store().carried(task.id).value();
  ASSERT_EQ(carried.size(), 1u);
  EXPECT_EQ(carried[0].item.state, I::kError);
  EXPECT_EQ(carried[0].job_state, J::kFailed);
}

TEST_F(ItemStoreTest, ARetriedItemWaitsForTheEndOfItsOldTask) {
  const JobId id = make(work("a")).id;
  const StageTask task = carry({input(id).id}, "1");
  ASSERT_TRUE(stores_->jobs.cancel(id));
  ASSERT_EQ(stores_->jobs.retry(id)->state, J::kReady);
  EXPECT_EQ(input(id).state, I::kPending);
  EXPECT_TRUE(pending().empty()) << "two tasks would write one file";
  settle(task, {outcome(input(id).id, Kind::kError)});
  EXPECT_EQ(input(id).state, I::kPending) << "the error is that of the attempt before";
  EXPECT_EQ(state(id), J::kReady);
  EXPECT_EQ(pending().size(), 1u);
}

TEST_F(ItemStoreTest, WhatArrivesAfterItsJobFailedIsNotMovedAgain) {
  const JobId id = make(work("a")).id;
  const StageTask task = carry({input(id).id}, "1");
  ASSERT_TRUE(stores_->jobs.cancel(id));
  settle(task, {outcome(input(id).id, Kind::kDone)});
  EXPECT_EQ(state(id), J::kFailed);
  EXPECT_EQ(stores_->jobs.retry(id)->state, J::kStagedIn);
}

TEST_F(ItemStoreTest, AnItemThatItsEndedTaskDidNotTellOfIsTriedAgain) {
  const JobId id = make(work("a")).id;
  const StageTask task = carry({input(id).id}, "1");
  settle(task, {});
  EXPECT_EQ(input(id).state, I::kPending);
  EXPECT_EQ(pending().size(), 1u);
}

TEST_F(ItemStoreTest, ATaskThatWasNeverSentGivesItsItemsBack) {
  const JobId id = make(work("a")).id;
  const auto task = assign({input(id).id}, "one");
  settle(*task, {});
  EXPECT_EQ(pending().size(), 1u);
  EXPECT_EQ(input(id).attempts, 0);
  const auto refused = assign({input(id).id}, "two");
  settle(*refused, {outcome(input(id).id, Kind::kError)});
  EXPECT_EQ(state(id), J::kFailed);
}

TEST_F(ItemStoreTest, AnItemWaitsWithItsTaskForAPersonAndGoesOn) {
  const JobId id = make(work("a")).id;
  const StageTask task = carry({input(id).id}, "1");
  tell(task, {outcome(input(id).id, Kind::kInactive)});
  EXPECT_EQ(input(id).state, I::kInactive);
  tell(task, {outcome(input(id).id, Kind::kInactive)});
  tell(task, {outcome(input(id).id, Kind::kActive)});
  EXPECT_EQ(input(id).state, I::kActive);
  EXPECT_EQ(input(id).attempts, 1);
}

TEST_F(ItemStoreTest, GroupsAreServedInTurn) {
  const auto jobs = make_many(2);
  EXPECT_TRUE(store().last_served(site_)->empty());
  carry({input(jobs[0].id).id}, "1");
  clock_.advance(std::chrono::seconds(5));
  const StageTask task = carry({input(jobs[1].id).id}, "2");
  settle(task, {outcome(input(jobs[1].id).id, Kind::kDone)});
  const auto served = store().last_served(site_).value();
  ASSERT_EQ(served.size(), 1u);
  EXPECT_EQ(served.at({Direction::kIn, "lab", false}), clock_.now());
}

TEST_F(ItemStoreTest, ARetryBringsBackTheJobsThatFailedForAnItem) {
  const auto jobs = make_many(3);
  const StageTask task =
      carry({input(jobs[0].id).id, input(jobs[1].id).id, input(jobs[2].id).id}, "1");
  settle(task,
         {outcome(input(jobs[0].id).id, Kind::kError), outcome(input(jobs[1].id).id, Kind::kDone),
          outcome(input(jobs[2].id).id, Kind::kRetry)});
  ASSERT_TRUE(stores_->jobs.cancel(jobs[2].id));
  EXPECT_EQ(store().retry({}).value(), 1u);
  EXPECT_EQ(state(jobs[0].id), J::kReady);
  EXPECT_EQ(input(jobs[0].id).state, I::kPending);
  EXPECT_EQ(output(jobs[0].id).state, I::kAwaitingJob);
  EXPECT_EQ(state(jobs[2].id), J::kFailed) << "it was cancelled: that is not for its items to undo";
}

TEST_F(ItemStoreTest, EachFilterLetsPassWhatItSays) {
  NewJob tagged = work("a");
  tagged.tags = {{"run", "1"}};
  tagged.transfers["image"].path = "/data/100%_x";
  const JobId a = make(tagged).id, b = make(work("b")).id;
  carry({input(b).id}, "3fa85f64-5717-4562-b3fc-2c963f66afa6");
  const auto found = [&](const ItemFilter& filter) {
    std::vector<ItemId> ids;
    const auto rows = store().list(filter).value().rows;
    for (const TransferItem& item : rows) ids.push_back(item.id);
    EXPECT_EQ(store().list(filter).value().count, ids.size());
    return ids;
  };
  using Ids = std::vector<ItemId>;
  ItemFilter filter;
  EXPECT_EQ(found(filter).size(), 4u);
  filter.direction = Direction::kIn;
  filter.states = {I::kActive};
  EXPECT_EQ(found(filter), Ids{input(b).id});
  filter = {};
  filter.jobs = {a};
  EXPECT_EQ(found(filter), (Ids{input(a).id, output(a).id}));
  filter.location_aliases = {"archive", "none"};
  EXPECT_EQ(found(filter), Ids{output(a).id});
  filter = {};
  filter.tags = {{"run", "1"}};
  EXPECT_EQ(found(filter), (Ids{input(a).id, output(a).id}));
  filter = {};
  filter.remote_path_contains = "100%_";
  EXPECT_EQ(found(filter), Ids{input(a).id});
  filter = {};
  filter.job_states = {J::kFailed};
  EXPECT_EQ(found(filter), Ids{});
  filter.job_states = {J::kReady};
  EXPECT_EQ(found(filter).size(), 4u);
  filter = {};
  filter.task_ids = {"task 1"};
  EXPECT_EQ(found(filter), Ids{}) << "no id of a task";
  filter = {};
  filter.ids = {output(b).id};
  EXPECT_EQ(found(filter), Ids{output(b).id});
}

TEST_F(ItemStoreTest, ItemsAreFoundByWhenTheyChanged) {
  const JobId early = make(work("early")).id;
  const TimePoint then = clock_.now();
  clock_.advance(std::chrono::minutes(5));
  const JobId late = make(work("late")).id;
  const auto jobs_of = [&](const ItemFilter& filter) {
    std::set<JobId> ids;
    const auto page = store().list(filter).value();
    for (const TransferItem& item : page.rows) ids.insert(item.job);
    EXPECT_EQ(page.count, page.rows.size());
    return ids;
  };
  ItemFilter filter;
  filter.updated_after = then + std::chrono::minutes(1);
  EXPECT_EQ(jobs_of(filter), std::set<JobId>{late});
  EXPECT_EQ(store().count_by_state(filter).value().at(I::kPending), 1u);
  filter = {};
  filter.updated_before = then;
  EXPECT_EQ(jobs_of(filter), std::set<JobId>{early});
  filter.updated_before = clock_.now();
  EXPECT_EQ(jobs_of(filter), (std::set<JobId>{early, late}));
}

TEST_F(ItemStoreTest, AClientSetsStatesByTheTable) {
  const JobId id = make(work("a")).id;
  const ItemId item = input(id).id;
  Items::Change change;
  change.id = item;
  change.state = I::kActive;
  change.task_id = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
  ASSERT_TRUE(store().modify({&change, 1}));
  EXPECT_EQ(now(item).task_id, *change.task_id);
  change.state = I::kAwaitingJob;
  EXPECT_EQ(store().modify({&change, 1}).error().code, Code::kConflict);
  change.state = I::kDone;
  const Items::Change unknown{999, I::kDone, std::nullopt, std::nullopt};
  const Items::Change both[] = {change, unknown};
  EXPECT_EQ(store().modify(both).error().code, Code::kNotFound);
  EXPECT_EQ(now(item).state, I::kActive) << "all or none";
  ASSERT_TRUE(store().modify({&change, 1}));
  EXPECT_EQ(state(id), J::kStagedIn);
}

// Scenario 35.
TEST_F(ItemStoreTest, PagesFollowOneAnotherWhileStatesChange) {
  const auto jobs = make_many(10);
  ItemFilter filter;
  filter.limit = 6;
  std::vector<ItemId> seen;
  for (filter.offset = 0; filter.offset < 20; filter.offset += filter.limit) {
    const auto rows = store().list(filter).value().rows;
    for (const TransferItem& item : rows) seen.push_back(item.id);
    bring(input(jobs[filter.offset / 6].id));
    make(work(fmt::format("new/{}", filter.offset)));
  }
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
  EXPECT_GE(seen.size(), 20u);
}

// Scenario 35; its full size is that of bench/run (jobs-list, jobs-update).
TEST_F(ItemStoreTest, PagesAreRightWhereMoreFitsThanIsSorted) {
  constexpr std::size_t kJobs = 10'001;
  std::vector<NewJob> jobs;
  for (std::size_t i = 0; i < kJobs; ++i) {
    jobs.push_back(work(fmt::format("{}", i)));
    jobs.back().tags = {{"run", "1"}};
  }
  ASSERT_TRUE(stores_->jobs.create_many(site_, jobs));
  ItemFilter filter;
  filter.sites = {site_};
  filter.tags = {{"run", "1"}};
  filter.limit = 3;
  const auto page = [&](ItemFilter::Order order, Sorting sorting, std::size_t offset) {
    filter.order = order;
    filter.sorting = sorting;
    filter.offset = offset;
    const auto listing = store().list(filter).value();
    EXPECT_EQ(listing.count, 2 * kJobs);
    std::vector<ItemId> ids;
    for (const TransferItem& item : listing.rows) ids.push_back(item.id);
    return ids;
  };
  using Ids = std::vector<ItemId>;
  using Order = ItemFilter::Order;
  constexpr ItemId kLast = 2 * kJobs;
  for (const Order order : {Order::kId, Order::kLastUpdate}) {
    EXPECT_EQ(page(order, Sorting::kAscending, 0), (Ids{1, 2, 3}));
    EXPECT_EQ(page(order, Sorting::kAscending, kLast - 2), (Ids{kLast - 1, kLast}));
    EXPECT_EQ(page(order, Sorting::kDescending, 0), (Ids{kLast, kLast - 1, kLast - 2}));
  }
  // Of each job the output, which waits, has the even number.
  EXPECT_EQ(page(Order::kState, Sorting::kAscending, 0), (Ids{2, 4, 6}));
  EXPECT_EQ(page(Order::kState, Sorting::kAscending, kJobs - 1), (Ids{kLast, 1, 3}));
}

}  // namespace
}  // namespace wherry::jobs
