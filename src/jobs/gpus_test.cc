// SPDX-License-Identifier: Apache-2.0
#include "jobs/gpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/child_process.h"
#include "base/file.h"
#include "base/scratch_directory.h"

namespace wherry::jobs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Gpus, RanksMayShareOneAndAFractionIsRoundedUp) {
  EXPECT_EQ(gpus_on_a_node({}), 0u);
  EXPECT_EQ(gpus_on_a_node({.ranks_per_node = 4, .gpus_per_rank = 2}), 8u);
  EXPECT_EQ(gpus_on_a_node({.ranks_per_node = 4, .gpus_per_rank = 0.5}), 2u);
  EXPECT_EQ(gpus_on_a_node({.ranks_per_node = 3, .gpus_per_rank = 0.5}), 2u);
  EXPECT_EQ(gpus_on_a_node({.ranks_per_node = 10, .gpus_per_rank = 0.1}), 1u);
}

TEST(Gpus, WhatASchedulerLeavesVisibleIsWhatThereIs) {
  EXPECT_THAT(find_gpus({.visible = "2,GPU-7f", .is_restricted = true}),
              ElementsAre("2", "GPU-7f"));
  EXPECT_THAT(find_gpus({.visible = "", .is_restricted = true}), IsEmpty());
  EXPECT_THAT(find_gpus({.visible = "NoDevFiles", .is_restricted = true}), IsEmpty());
  EXPECT_THAT(find_gpus({.visible = "1,-1,2", .is_restricted = true}), ElementsAre("1"));
}

TEST(Gpus, ElseTheDevicesOfTheMachineAreCounted) {
  const ScratchDirectory scratch;
  const GpuPlaces places{.devices = scratch.file("dev"), .amd_nodes = scratch.file("nodes")};
  EXPECT_THAT(find_gpus(places), IsEmpty()) << "neither directory is there";
  std::filesystem::create_directories(places.devices);
  for (const char* name : {"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"})
    ASSERT_TRUE(durable_write_file(scratch.file("dev/") + name, "", 0600));
  EXPECT_THAT(find_gpus(places), ElementsAre("0", "1"));
  for (const char* name : {"0", "1", "2", "3"}) {
    const std::string node = places.amd_nodes + "/" + name;
    std::filesystem::create_directories(node);
    // The first node is the processor.
    ASSERT_TRUE(durable_write_file(node + "/gpu_id", name[0] == '0' ? "0\n" : "35432\n", 0600));
  }
  EXPECT_THAT(find_gpus(places), ElementsAre("0", "1", "2"));
}

// What a rank sees when sh has run the lines.
std::string seen(const std::string& lines, const std::string& node, const std::string& rank) {
  const auto output = run_command(
      {.words = {"sh", "-c", lines + "echo $CUDA_VISIBLE_DEVICES $ROCR_VISIBLE_DEVICES"},
       .environment = {{"SLURMD_NODENAME", node}, {"SLURM_LOCALID", rank}}},
      {});
  return output ? output->output : output.error().message;
}

TEST(Gpus, AJobOfOneProcessSeesAllOfItsOwn) {
  const Resources two{.ranks_per_node = 2, .gpus_per_rank = 1};
  const auto lines = gpu_lines(two, JobMode::kSerial, {{"n", {"1", "3"}}});
  EXPECT_EQ(seen(lines, "n", ""), "1,3 1,3\n");
}

TEST(Gpus, AJobThatAsksForNoneSeesNone) {
  for (const JobMode mode : {JobMode::kSerial, JobMode::kMpi})
    EXPECT_EQ(seen(gpu_lines({}, mode, {{"n", {}}}), "n", "0"), "\n");
}

TEST(Gpus, EachRankSeesItsOwn) {
  const Resources whole{.ranks_per_node = 2, .gpus_per_rank = 2};
  const auto lines = gpu_lines(whole, JobMode::kMpi, {{"a", {"0", "1", "4", "5"}}});
  EXPECT_EQ(seen(lines, "a", "0"), "0,1 0,1\n");
  EXPECT_EQ(seen(lines, "a", "1"), "4,5 4,5\n");
  const Resources half{.ranks_per_node = 4, .gpus_per_rank = 0.5};
  const auto shared = gpu_lines(half, JobMode::kMpi, {{"a", {"2", "3"}}});
  EXPECT_EQ(seen(shared, "a", "1"), "2 2\n");
  EXPECT_EQ(seen(shared, "a", "2"), "3 3\n");
}

TEST(Gpus, ANodeOnWhichTheJobHasOtherOnesIsToldThose) {
  const Resources one{.num_nodes = 3, .gpus_per_rank = 1};
  const auto lines = gpu_lines(one, JobMode::kMpi, {{"a", {"0"}}, {"b", {"3"}}, {"c", {"0"}}});
  EXPECT_EQ(seen(lines, "a", "0"), "0 0\n");
  EXPECT_EQ(seen(lines, "b", "0"), "3 3\n");
  EXPECT_EQ(seen(lines, "c", "0"), "0 0\n");
}

}  // namespace
}  // namespace wherry::jobs
