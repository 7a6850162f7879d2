// SPDX-License-Identifier: Apache-2.0
// What has become of each item of a stage task, from what its service tells. Nothing is taken for
// moved that is not proven: its row among the successful transfers, or the end of a task that
// had every operation's outcome and no error that concerns it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "jobs/stage_request.h"
#include "tasks/item_index.h"
#include "tasks/transfer_service.h"

namespace wherry::jobs {

class StageFates {
 public:
  explicit StageFates(StageRequest request);

  const StageRequest& request() const { return request_; }

  // Reads on where it stopped before. Services that tell nothing of a task before it has ended are
  // fine. An error is one that may pass.
  Result<void> read(tasks::TransferService& service, const tasks::Task& task);

  struct Verdict {
    enum class Kind {
      kOpen,      // its task goes on
      kArrived,   // proven
      kFailed,    // `error` names it
      kHeldBack,  // not proven, and its task has ended: `error` is why
    } kind = Kind::kOpen;
    tasks::TaskError error;
  };
  Verdict verdict(ItemId item, const tasks::Task& task) const;
  // Whether the fate of each line is known: then the task is about to end.
  bool is_complete() const;
  // Whether an error of the task is one of its items.
  bool is_somebodys_fault() const { return !failures_.empty(); }

 private:
  struct Failure {
    tasks::TaskError error;
    bool is_named = false;  // not only told of with others
  };
  Result<void> read_successes(tasks::TransferService& service, const tasks::TaskId& id);
  Result<void> read_errors(tasks::TransferService& service, const tasks::TaskId& id);
  void note(const tasks::ItemError& row);
  bool is_named(std::uint64_t line, const tasks::ItemError& row) const;

  const StageRequest request_;
  std::map<ItemId, std::vector<std::uint64_t>> lines_of_;
  tasks::ItemIndex index_;
  std::vector<bool> arrived_;  // by line
  std::map<std::uint64_t, Failure> failures_;
  std::uint64_t marker_ = 0;
  bool are_errors_known_ = false;
  bool is_any_unplaced_ = false;  // an error that is nobody's as far as can be seen
};

}  // namespace wherry::jobs
