// SPDX-License-Identifier: Apache-2.0
#include "tasks/store.h"

#include <gtest/gtest.h>

#include "tasks/items.h"
#include "tasks/outcome_store.h"
#include "tasks/test_world.h"

namespace wherry::tasks {
namespace {

class StoreTest : public testing::Test {
 protected:
  TestWorld world_;
  Store store_{*world_.database, world_.clock};
};

TEST_F(StoreTest, ItemsComeBackInOrderAndWhole) {
  using Item = engine::TransferItem;
  auto request = world_.transfer("run", "copy");
  request.items.clear();
  for (int i = 0; i < 2500; ++i) {
    Item item;
    item.source = RelPath::parse(fmt::format("from/{}\xff\n", i)).value();
    item.target = RelPath::parse(fmt::format("to/{}", i)).value();
    item.recursion = static_cast<Item::Recursion>(i % 3);
    if (item.recursion == Item::Recursion::kNo)
      item.checksum = engine::ExternalChecksum{HashAlgorithm::kSha1, std::string(40, 'a')};
    if (i == 1) item = {Item::Kind::kSymlink, item.source, item.target, {}, {}};
    request.items.push_back(item);
  }
  const TaskKey key = store_.key(world_.submit(request)).value();
  const auto items = read_transfer_items(*world_.database, key);
  for (std::size_t i = 0; i < request.items.size(); ++i) {
    const auto next = items->next();
    ASSERT_TRUE(next) << next.error().message;
    ASSERT_TRUE(next->has_value());
    EXPECT_EQ((*next)->ordinal, i);
    EXPECT_EQ((*next)->item, request.items[i]);
  }
  EXPECT_FALSE(items->next()->has_value());
  EXPECT_FALSE(items->next()->has_value());
}

TEST_F(StoreTest, OptionsComeBackWhole) {
  engine::TransferOptions options;
  options.sync_level = engine::SyncLevel::kNewer;
  options.verify = engine::Verify::kSize;
  options.durability = engine::Durability::kNoFlush;
  options.symlinks = engine::SymlinkPolicy::kCopy;
  options.preserve_mtime = true;
  options.preserve_mode = false;
  options.delete_extra = true;
  options.skip_source_errors = true;
  options.fail_on_quota_errors = true;
  using Rule = engine::FilterRule;
  options.filters = {{Rule::Method::kInclude, " two  blanks", Rule::Applies::kFiles},
                     {Rule::Method::kExclude, "\n\xff*", Rule::Applies::kDirectories}};
  EXPECT_EQ(decode_transfer_options(encode_options(options)).value(), options);
  EXPECT_EQ(decode_transfer_options(encode_options(engine::TransferOptions())).value(),
            engine::TransferOptions());
  const engine::DeleteOptions removal{true, false, true};
  EXPECT_EQ(decode_delete_options(encode_options(removal)).value(), removal);
}

TEST_F(StoreTest, OptionsThatCannotBeReadAreCorrupt) {
  for (const char* text : {"", "1 2 3", "a b c d e f g h i", "3 1 0 0 0 1 0 0 0\n1 1"})
    EXPECT_EQ(decode_transfer_options(text).error().code, Code::kCorrupt) << text;
}

TEST_F(StoreTest, ATaskIsStartedByOneOnly) {
  const TaskId id = world_.submit(world_.transfer("run", "copy"));
  const auto start = store_.start(id);
  ASSERT_TRUE(start);
  EXPECT_FALSE(start->recovering);
  EXPECT_EQ(store_.start(id).error().code, Code::kConflict);
}

TEST_F(StoreTest, ASecondStartRecovers) {
  const TaskId id = world_.submit(world_.transfer("run", "copy"));
  { const auto first = store_.start(id); }
  EXPECT_TRUE(store_.start(id)->recovering);
}

TEST_F(StoreTest, HandedBackATaskIsRunnableAgain) {
  const TaskId id = world_.submit(world_.transfer("run", "copy"));
  auto start = store_.start(id).value();
  EXPECT_TRUE(store_.runnable(4)->empty());
  ASSERT_TRUE(store_.hand_back(start, {}));
  ASSERT_EQ(store_.runnable(4)->size(), 1u);
  EXPECT_EQ(store_.runnable(4)->front().id, id);
}

TEST_F(StoreTest, OfEachOwnerAndPairOfEndpointsTheOldestAreRunnable) {
  std::vector<TaskId> ada;
  for (int i = 0; i < 5; ++i) ada.push_back(world_.submit(world_.transfer("run", "copy")));
  auto request = world_.transfer("run", "copy");
  request.owner = "bob";
  const TaskId bob = world_.submit(request);
  const auto start = store_.start(ada[0]);
  std::vector<TaskId> found;
  const auto runnable = store_.runnable(2).value();
  for (const Task& task : runnable) found.push_back(task.id);
  EXPECT_EQ(found, (std::vector<TaskId>{ada[1], ada[2], bob}));
}

TEST_F(StoreTest, SettledAreThoseThatAreNotActive) {
  const TaskId active = world_.submit(world_.transfer("run", "copy"));
  const TaskId ended = world_.submit(world_.transfer("run", "copy"));
  ASSERT_TRUE(store_.cancel(ended).value());
  EXPECT_EQ(store_.settled({active, ended}).value(), std::vector<TaskId>{ended});
}

TEST_F(StoreTest, AResumedTaskHasTimeAgain) {
  const TaskId id = world_.submit(world_.transfer("run", "copy"));
  world_.clock.advance(std::chrono::hours(30));
  ASSERT_EQ(store_.expire()->size(), 1u);
  ASSERT_TRUE(store_.resume(id));
  const Task task = store_.task(id).value();
  EXPECT_EQ(task.state, TaskState::kActive);
  EXPECT_EQ(task.deadline, world_.clock.now() + std::chrono::hours(24));
  EXPECT_FALSE(task.completed);
  EXPECT_FALSE(task.fatal_error);
}

TEST_F(StoreTest, ASucceededTaskIsNotResumed) {
  world_.add_source_file("run/a", "a");
  const Task task = world_.run(world_.transfer("run", "copy"));
  EXPECT_EQ(store_.resume(task.id).error().code, Code::kConflict);
}

TEST_F(StoreTest, AnInactiveTaskCanBeCancelled) {
  const TaskId id = world_.submit(world_.transfer("run", "copy"));
  auto start = store_.start(id).value();
  Ending ending;
  ending.state = TaskState::kInactive;
  ending.nice_status = "NO_SPACE_LEFT";
  ASSERT_TRUE(store_.end(start, {}, ending));
  EXPECT_EQ(store_.task(id)->nice_status, "NO_SPACE_LEFT");
  EXPECT_TRUE(store_.cancel(id).value());
  EXPECT_EQ(store_.task(id)->fatal_error->code, "CANCELED");
}

TEST_F(StoreTest, WhatIsCancelledAsItsRunEndsDoesNotWaitForAPerson) {
  const TaskId id = world_.submit(world_.transfer("run", "copy"));
  auto start = store_.start(id).value();
  EXPECT_FALSE(store_.cancel(id).value());
  Ending ending;
  ending.state = TaskState::kInactive;
  ending.nice_status = "NO_SPACE_LEFT";
  ASSERT_TRUE(store_.end(start, {}, ending));
  EXPECT_EQ(store_.task(id)->state, TaskState::kFailed);
  EXPECT_EQ(store_.task(id)->fatal_error->code, "CANCELED");
}

TEST_F(StoreTest, WhatIsCancelledAsItIsHandedBackDoesNotRunAgain) {
  const TaskId id = world_.submit(world_.transfer("run", "copy"));
  auto start = store_.start(id).value();
  EXPECT_FALSE(store_.cancel(id).value());
  ASSERT_TRUE(store_.hand_back(start, {}));
  EXPECT_TRUE(store_.runnable(4)->empty());
  EXPECT_EQ(store_.task(id)->fatal_error->code, "CANCELED");
}

TEST_F(StoreTest, PurgingRemovesEveryRowOfATask) {
  world_.add_source_file("run/a", "a");
  const Task task = world_.run(world_.transfer("run", "copy"));
  const TaskKey key = store_.key(task.id).value();
  EXPECT_EQ(store_.purge(world_.clock.now()).value(), 0u);
  world_.clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(store_.purge(world_.clock.now()).value(), 1u);
  OutcomeStore outcomes(*world_.database, world_.clock);
  EXPECT_TRUE(outcomes.successes(key, 0)->rows.empty());
  EXPECT_TRUE(outcomes.events(key, 10, 0)->empty());
  EXPECT_FALSE(read_transfer_items(*world_.database, key)->next()->has_value());
}

TEST_F(StoreTest, TheNumberOfTasksThatIsKeptIsTheNumberThatIsCounted) {
  const auto expect_count = [&](std::optional<TaskState> state, std::uint64_t number) {
    TaskFilter kept;
    kept.owner = world_.transfer("a", "b").owner;
    kept.types = {TaskType::kTransfer};
    if (state) kept.states = {*state};
    EXPECT_EQ(store_.count(kept).value(), number);
    TaskFilter counted = kept;
    counted.requested_after = TimePoint();
    EXPECT_EQ(store_.count(counted).value(), number);
    kept.types = {TaskType::kDelete};
    EXPECT_EQ(store_.count(kept).value(), 0u);
  };
  expect_count({}, 0);
  world_.add_source_file("run/a", "a");
  const Task succeeded = world_.run(world_.transfer("run", "copy"));
  ASSERT_EQ(succeeded.state, TaskState::kSucceeded);
  const TaskId cancelled = world_.submit(world_.transfer("run", "copy"));
  world_.submit(world_.transfer("run", "elsewhere"));
  expect_count({}, 3);
  expect_count(TaskState::kActive, 2);
  ASSERT_TRUE(store_.cancel(cancelled).value());
  expect_count(TaskState::kActive, 1);
  expect_count(TaskState::kFailed, 1);
  expect_count(TaskState::kSucceeded, 1);
  world_.clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(store_.purge(world_.clock.now()).value(), 2u);
  expect_count({}, 1);
  expect_count(TaskState::kSucceeded, 0);
}

TEST_F(StoreTest, TasksAreFoundByTheirEndpoints) {
  TestWorld& world = world_;
  world.add_source_file("a.txt", "alpha");
  const TaskId id = world.submit(world.transfer("a.txt", "b.txt"));
  const auto found = [&](const EndpointId& endpoint, EndpointUse use) {
    TaskFilter filter;
    filter.endpoints = {endpoint};
    filter.endpoint_use = use;
    return world.service->tasks(filter).value().size();
  };
  EXPECT_EQ(found(world.source, EndpointUse::kEither), 1u);
  EXPECT_EQ(found(world.target, EndpointUse::kEither), 1u);
  EXPECT_EQ(found(world.source, EndpointUse::kSource), 1u);
  EXPECT_EQ(found(world.source, EndpointUse::kTarget), 0u);
  EXPECT_EQ(found(world.target, EndpointUse::kTarget), 1u);
  EXPECT_EQ(found("' or 1 --", EndpointUse::kEither), 0u);
}

}  // namespace
}  // namespace wherry::tasks
