// SPDX-License-Identifier: Apache-2.0
// What has become of each item of a stage task, which one or several lines of its request serve.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "jobs/stage_request.h"
#include "tasks/item_fates.h"

namespace wherry::jobs {

class StageFates {
 public:
  using Verdict = tasks::ItemFates::Verdict;
  explicit StageFates(StageRequest request);

  const StageRequest& request() const { return request_; }

  Result<void> read(tasks::TransferService& service, const tasks::Task& task) {
    return fates_.read(service, task);
  }
  Verdict verdict(ItemId item, const tasks::Task& task) const;
  bool is_complete() const { return fates_.is_complete(); }
  bool is_somebodys_fault() const { return fates_.is_somebodys_fault(); }

 private:
  StageRequest request_;
  std::map<ItemId, std::vector<std::uint64_t>> lines_of_;
  tasks::ItemFates fates_;
};

}  // namespace wherry::jobs
