// SPDX-License-Identifier: Apache-2.0
#include "jobs/room.h"

#include <gtest/gtest.h>

namespace wherry::jobs {
namespace {

using By = Room::Options::By;

// How many such jobs get room.
std::size_t fill(Room& room, const Resources& resources) {
  std::size_t count = 0;
  while (room.take(resources)) ++count;
  return count;
}

TEST(Room, SoManyProcessesOnANodeAsWereAllowed) {
  Room room({.processors = {2, 2}, .processes_per_node = 7});
  EXPECT_EQ(room.most(), 14u);
  EXPECT_EQ(room.free_places(), 14u);
  EXPECT_EQ(fill(room, {.threads_per_rank = 64, .node_packing_count = 1}), 14u);
  EXPECT_EQ(room.free_places(), 0u);
}

TEST(Room, AJobGetsANodeForItselfUnlessItPacks) {
  Room room({.processors = {8, 8}});
  EXPECT_EQ(fill(room, {}), 2u);
  Room packed({.processors = {8, 8}});
  EXPECT_EQ(fill(packed, {.node_packing_count = 3}), 6u);
}

TEST(Room, PackingDoesNotGiveMoreProcessorsThanThereAre) {
  Room room({.processors = {8}});
  EXPECT_EQ(fill(room, {.ranks_per_node = 2, .threads_per_rank = 2, .node_packing_count = 100}),
            2u);
  Room hyperthreads({.processors = {8}});
  EXPECT_EQ(
      fill(hyperthreads, {.threads_per_rank = 4, .threads_per_core = 2, .node_packing_count = 100}),
      4u);
}

TEST(Room, OnASharedMachineTheProcessorsCount) {
  Room room({.processors = {4}, .processes_per_node = 0, .by = By::kProcessors});
  EXPECT_EQ(room.free_places(), 4u);
  ASSERT_TRUE(room.take({.threads_per_rank = 3}));
  EXPECT_FALSE(room.take({.threads_per_rank = 2}));
  EXPECT_TRUE(room.take({}));
}

TEST(Room, MoreThanANodeHasIsAWholeNode) {
  Room room({.processors = {4}, .processes_per_node = 0, .by = By::kProcessors});
  const auto placement = room.take({.threads_per_rank = 100});
  ASSERT_TRUE(placement);
  EXPECT_EQ(placement->share, Room::kWholeNode);
  EXPECT_FALSE(room.take({}));
}

TEST(Room, AJobOnSeveralNodesGetsDifferentOnes) {
  Room room({.processors = {2, 2, 2}});
  const auto one = room.take({.node_packing_count = 2});
  const auto two = room.take({.num_nodes = 2});
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->nodes, (std::vector<std::size_t>{0}));
  EXPECT_EQ(two->nodes, (std::vector<std::size_t>{1, 2}));
  EXPECT_FALSE(room.take({.num_nodes = 2}));
  room.give_back(*two);
  EXPECT_TRUE(room.take({.num_nodes = 2}));
}

TEST(Room, NodesOfDifferentSizeGiveTheSameShareToOneJob) {
  Room room({.processors = {8, 2}, .processes_per_node = 0, .by = By::kProcessors});
  const auto both = room.take({.num_nodes = 2, .ranks_per_node = 2});
  ASSERT_TRUE(both);
  EXPECT_EQ(both->share, Room::kWholeNode);
  room.give_back(*both);
  ASSERT_TRUE(room.take({}));
  EXPECT_FALSE(room.take({.num_nodes = 2, .ranks_per_node = 2}))
      << "the first is not whole any more";
}

TEST(Room, WhatIsGivenBackIsFreeAgain) {
  Room room({.processors = {1}});
  for (int i = 0; i < 1000; ++i) {
    const auto placement = room.take({.node_packing_count = 3});
    ASSERT_TRUE(placement);
    room.give_back(*placement);
  }
  EXPECT_EQ(fill(room, {}), 1u);
}

TEST(Room, NoGpuIsGivenToTwoJobs) {
  Room room({.processors = {8, 8}, .by = By::kProcessors, .gpus = {4, 2}});
  const auto three = room.take({.ranks_per_node = 3, .gpus_per_rank = 1});
  const auto two = room.take({.gpus_per_rank = 2});
  const auto one = room.take({.ranks_per_node = 2, .gpus_per_rank = 0.5});
  ASSERT_TRUE(three && two && one);
  EXPECT_EQ(three->gpus.front(), (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(two->nodes, (std::vector<std::size_t>{1})) << "the first has one left only";
  EXPECT_EQ(one->gpus.front(), (std::vector<std::size_t>{3}));
  EXPECT_FALSE(room.take({.gpus_per_rank = 1}));
  EXPECT_TRUE(room.take({})) << "processors are left";
  room.give_back(*two);
  EXPECT_EQ(room.take({.gpus_per_rank = 1})->nodes, (std::vector<std::size_t>{1}));
}

TEST(Room, AJobOnSeveralNodesGetsItsGpusOnEach) {
  Room room({.processors = {2, 2}, .gpus = {2, 2}});
  const auto both = room.take({.num_nodes = 2, .gpus_per_rank = 2});
  ASSERT_TRUE(both);
  ASSERT_EQ(both->gpus.size(), 2u);
  EXPECT_EQ(both->gpus[1], (std::vector<std::size_t>{0, 1}));
  EXPECT_FALSE(room.take({.num_nodes = 2, .gpus_per_rank = 3})) << "nowhere are so many";
}

TEST(Room, ProcessesThatWereAllowedGetNoGpuOfAnother) {
  Room room({.processors = {2}, .processes_per_node = 8, .gpus = {1}});
  EXPECT_EQ(fill(room, {.gpus_per_rank = 1}), 1u);
  EXPECT_EQ(fill(room, {}), 7u);
}

TEST(Room, IsFullWhenNotEvenTheSmallestFits) {
  Room room({.processors = {4}, .by = By::kProcessors});
  const auto most = room.take({.threads_per_rank = 3});
  EXPECT_FALSE(room.is_full());
  EXPECT_EQ(room.free_places(), 0u) << "none like the last one";
  ASSERT_TRUE(room.take({}));
  EXPECT_TRUE(room.is_full());
  room.give_back(*most);
  EXPECT_FALSE(room.is_full());
}

}  // namespace
}  // namespace wherry::jobs
