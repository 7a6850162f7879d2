// SPDX-License-Identifier: Apache-2.0
#include "tasks/item_index.h"

#include <algorithm>

namespace wherry::tasks {

void ItemIndex::add(std::string source_path, std::string target_path) {
  const std::uint64_t item = targets_.size();
  if (!source_path.empty()) by_source_[source_path].push_back(item);
  by_target_[target_path].push_back(item);
  sources_.push_back(std::move(source_path));
  targets_.push_back(std::move(target_path));
}

std::vector<std::uint64_t> ItemIndex::at(const Places& places, const std::string& path) {
  const auto found = places.find(path);
  return found == places.end() ? std::vector<std::uint64_t>() : found->second;
}

// The items of the nearest directory above the path that is one.
std::vector<std::uint64_t> ItemIndex::above(const Places& places, std::string path) {
  while (!path.empty() && path != "/") {
    path.resize(std::max<std::size_t>(path.rfind('/') + 1, 1) - 1);
    auto found = at(places, path.empty() ? "/" : path);
    if (!found.empty()) return found;
  }
  return {};
}

std::uint64_t ItemIndex::find(const SuccessfulTransfer& row) const {
  if (const auto exact = at(by_target_, row.target_path); !exact.empty()) return exact.front();
  // A source that several items share does not tell which of them it was.
  if (const auto exact = at(by_source_, row.source_path); exact.size() == 1) return exact.front();
  if (const auto above_it = above(by_target_, row.target_path); !above_it.empty())
    return above_it.front();
  return size();
}

std::vector<std::uint64_t> ItemIndex::find(const ItemError& row) const {
  const auto at_source = at(by_source_, row.source_path);
  const std::string& target = row.target_path.empty() ? row.source_path : row.target_path;
  const auto at_target = at(by_target_, target);
  // Only what is wrong with a source is skipped.
  if (row.skipped && !at_source.empty()) return at_source;
  if (!at_target.empty()) {
    if (row.code != "PERMISSION_DENIED") return at_target;
    return below(target.substr(0, target.rfind('/')));
  }
  if (!at_source.empty()) return at_source;
  if (auto found = above(by_target_, target); !found.empty()) return found;
  if (auto found = above(by_source_, row.source_path); !found.empty()) return found;
  return target.empty() ? std::vector<std::uint64_t>() : below(target);
}

std::vector<std::uint64_t> ItemIndex::below(const std::string& directory) const {
  std::string prefix = directory;
  while (prefix.ends_with('/')) prefix.pop_back();
  prefix += '/';
  std::vector<std::uint64_t> items;
  // What is named is above something at one of the sides.
  for (const auto* paths : {&targets_, &sources_}) {
    for (std::uint64_t item = 0; item < paths->size(); ++item) {
      if ((*paths)[item].starts_with(prefix)) items.push_back(item);
    }
    if (!items.empty()) break;
  }
  return items;
}

}  // namespace wherry::tasks
