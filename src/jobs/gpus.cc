// SPDX-License-Identifier: Apache-2.0
#include "jobs/gpus.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/shell.h"

namespace wherry::jobs {
namespace {

// What a product of such fractions as 0.1 may be off by.
constexpr double kRounding = 1e-6;

std::size_t floor_of(double value) {
  return static_cast<std::size_t>(std::max(std::floor(value + kRounding), 0.0));
}
std::size_t ceiling_of(double value) {
  return static_cast<std::size_t>(std::max(std::ceil(value - kRounding), 0.0));
}

// The names in a directory; none if it is not there.
std::vector<std::string> device_names(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
    names.push_back(entry->path().filename().string());
  return names;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What is no id ("-1", "NoDevFiles") ends the list, as it does for the libraries that read it.
std::vector<std::string> listed(const std::string& visible) {
  std::vector<std::string> ids;
  for (std::size_t at = 0; at < visible.size();) {
    const std::size_t end = std::min(visible.find(',', at), visible.size());
    const std::string id = visible.substr(at, end - at);
    if (id.empty() || id.front() == '-' || id == "NoDevFiles") break;
    ids.push_back(id);
    at = end + 1;
  }
  return ids;
}

std::size_t count_nvidia(const std::string& devices) {
  constexpr std::string_view kDevice = "nvidia";
  const auto names = device_names(devices);
  return static_cast<std::size_t>(
      std::count_if(names.begin(), names.end(), [&](std::string_view name) {
        return name.starts_with(kDevice) && is_number(name.substr(kDevice.size()));
      }));
}

// A node of the topology that is no GPU has the id 0.
std::size_t count_amd(const std::string& nodes) {
  const auto names = device_names(nodes);
  return static_cast<std::size_t>(
      std::count_if(names.begin(), names.end(), [&](const std::string& name) {
        const auto id = read_file(fmt::format("{}/{}/gpu_id", nodes, name), 64);
        return id && is_number(id->substr(0, id->find('\n'))) && !id->starts_with("0");
      }));
}

// `indent` stands before each line.
std::string export_line(std::string_view indent, const std::vector<std::string>& gpus) {
  return fmt::format("{}export CUDA_VISIBLE_DEVICES={} ROCR_VISIBLE_DEVICES={}\n", indent,
                     shell_quote(fmt::format("{}", fmt::join(gpus, ","))),
                     shell_quote(fmt::format("{}", fmt::join(gpus, ","))));
}

// Of the ranks that one node has.
std::string rank_lines(const Resources& resources, const std::vector<std::string>& gpus) {
  std::string lines = "case \"$SLURM_LOCALID\" in\n";
  for (int rank = 0; rank < std::max(resources.ranks_per_node, 1); ++rank) {
    const std::size_t first = floor_of(rank * resources.gpus_per_rank);
    const std::size_t last =
        std::min(ceiling_of((rank + 1) * resources.gpus_per_rank), gpus.size());
    std::vector<std::string> own;
    for (std::size_t gpu = first; gpu < last; ++gpu) own.push_back(gpus[gpu]);
    lines += fmt::format("  {})\n{}    ;;\n", rank, export_line("    ", own));
  }
  return lines + "esac\n";
}

}  // namespace

std::size_t gpus_on_a_node(const Resources& resources) {
  return ceiling_of(resources.gpus_per_rank * std::max(resources.ranks_per_node, 1));
}

GpuPlaces gpu_places() {
  GpuPlaces places;
  for (const char* name : {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || places.is_restricted) continue;
    places.visible = value;
    places.is_restricted = true;
  }
  return places;
}

std::vector<std::string> find_gpus(const GpuPlaces& places) {
  if (places.is_restricted) return listed(places.visible);
  const std::size_t count = std::max(count_nvidia(places.devices), count_amd(places.amd_nodes));
  std::vector<std::string> ids;
  for (std::size_t gpu = 0; gpu < count; ++gpu) ids.push_back(std::to_string(gpu));
  return ids;
}

std::string gpu_lines(const Resources& resources, JobMode mode,
                      const std::vector<GpusOfNode>& nodes) {
  if (mode == JobMode::kSerial || gpus_on_a_node(resources) == 0)
    return export_line("", nodes.empty() ? std::vector<std::string>() : nodes.front().gpus);
  // Nodes on which it has the same ones, which are usually all of them, have the same lines.
  std::map<std::vector<std::string>, std::vector<std::string>> names;
  for (const GpusOfNode& node : nodes) names[node.gpus].push_back(shell_quote(node.node));
  if (names.size() == 1) return rank_lines(resources, names.begin()->first);
  std::string lines = "case \"$SLURMD_NODENAME\" in\n";
  for (const auto& [gpus, same] : names)
    lines += fmt::format("{})\n{};;\n", fmt::join(same, "|"), rank_lines(resources, gpus));
  return lines + "esac\n";
}

}  // namespace wherry::jobs
