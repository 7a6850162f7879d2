// SPDX-License-Identifier: Apache-2.0
// GPUs: which ones a machine has, how many a job asks for, and how each of its ranks is told which
// ones are its own (CUDA_VISIBLE_DEVICES of NVIDIA, ROCR_VISIBLE_DEVICES of AMD).
#pragma once

#include <string>
#include <vector>

#include "jobs/types.h"

namespace wherry::jobs {

// gpus_per_rank × ranks_per_node, rounded up: ranks may share a GPU, jobs never do.
std::size_t gpus_on_a_node(const Resources& resources);

// Where a machine tells which GPUs it has.
struct GpuPlaces {
  // What this process may use of them, as those variables have it: a scheduler sets them.
  std::string visible = {};
  bool is_restricted = false;  // whether one of them is set
  std::string devices = "/dev";
  std::string amd_nodes = "/sys/class/kfd/kfd/topology/nodes";
};
GpuPlaces gpu_places();  // of this machine and this process
// Their ids, as the variables take them.
std::vector<std::string> find_gpus(const GpuPlaces& places);

// The GPUs of a job on one of its nodes.
struct GpusOfNode {
  std::string node;
  std::vector<std::string> gpus;  // ids
};
// Lines of sh that let every rank see its own GPUs and no other: of a job of one process all of
// them; of one whose ranks srun starts, rank r of a node the ones from r × gpus_per_rank on. A job
// that has none sees none.
std::string gpu_lines(const Resources& resources, JobMode mode,
                      const std::vector<GpusOfNode>& nodes);

}  // namespace wherry::jobs
