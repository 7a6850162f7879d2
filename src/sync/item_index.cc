// SPDX-License-Identifier: Apache-2.0
#include "sync/item_index.h"

namespace wherry::sync {

void ItemIndex::add(std::string source_path, std::string target_path) {
  const std::uint64_t item = targets_.size();
  if (!source_path.empty()) by_source_.emplace(source_path, item);
  by_target_.emplace(target_path, item);
  sources_.push_back(std::move(source_path));
  targets_.push_back(std::move(target_path));
}

std::uint64_t ItemIndex::find(const tasks::SuccessfulTransfer& row) const {
  if (const auto found = by_source_.find(row.source_path); found != by_source_.end())
    return found->second;
  const auto found = by_target_.find(row.target_path);
  return found != by_target_.end() ? found->second : targets_.size();
}

std::vector<std::uint64_t> ItemIndex::find(const tasks::ItemError& row) const {
  const auto source = by_source_.find(row.source_path);
  // Only what is wrong with a source is skipped.
  if (row.skipped && source != by_source_.end()) return {source->second};
  const std::string& target = row.target_path.empty() ? row.source_path : row.target_path;
  if (const auto found = by_target_.find(target); found != by_target_.end()) {
    if (row.code != "PERMISSION_DENIED") return {found->second};
    return below(target.substr(0, target.rfind('/')));
  }
  if (source != by_source_.end()) return {source->second};
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

}  // namespace wherry::sync
