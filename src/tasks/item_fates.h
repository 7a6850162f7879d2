// SPDX-License-Identifier: Apache-2.0
// What has become of each item of a transfer task, from what its service tells. Nothing is taken
// for moved that is not proven: its row among the successful transfers, or the end of a task that
// had every operation's outcome and no error that concerns it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/result.h"
#include "tasks/item_index.h"
#include "tasks/transfer_service.h"

namespace wherry::tasks {

class ItemFates {
 public:
  // What a source error is that the service was told to skip, for the item that it concerns.
  enum class Skipped { kIsFailure, kIsFine };
  explicit ItemFates(std::span<const engine::TransferItem> items,
                     Skipped skipped = Skipped::kIsFailure);

  // Reads on where it stopped before. Services that tell nothing of a task before it has ended are
  // fine. An error is one that may pass.
  Result<void> read(TransferService& service, const Task& task);
  // The errors alone: enough for a task that succeeded, however much it has moved.
  Result<void> read_errors(TransferService& service, const Task& task);
  // False once the service had nothing to tell of a task that went on.
  bool is_told_early() const { return is_told_early_; }

  struct Verdict {
    enum class Kind {
      kOpen,      // its task goes on
      kArrived,   // proven
      kFailed,    // `error` names it
      kHeldBack,  // not proven, and its task has ended: `error` is why
    } kind = Kind::kOpen;
    TaskError error;
  };
  Verdict verdict(std::uint64_t item, const Task& task) const;
  // Whether the fate of each item is known: then the task is about to end.
  bool is_complete() const;
  // Whether an error of the task is one of its items.
  bool is_somebodys_fault() const { return !failures_.empty(); }

  // What was moved of an item, as far as it was told.
  struct Moved {
    std::uint64_t files = 0;
    ByteCount bytes = 0;
  };
  const Moved& moved(std::uint64_t item) const { return moved_[item]; }

 private:
  struct Failure {
    TaskError error;
    bool is_named = false;  // not only told of with others
  };
  Result<void> read_successes(TransferService& service, const Task& task);
  Result<void> unless_silent(const Error& error, const Task& task);
  void note(const ItemError& row);
  bool is_named(std::uint64_t item, const ItemError& row) const;

  ItemIndex index_;
  const Skipped skipped_;
  std::vector<bool> is_single_;  // by item: exactly one file
  std::vector<bool> arrived_;
  std::vector<Moved> moved_;
  std::map<std::uint64_t, Failure> failures_;
  std::uint64_t marker_ = 0;
  std::size_t seen_on_page_ = 0;  // of the page that begins there
  bool is_told_early_ = true;
  bool are_errors_known_ = false;
  bool is_any_unplaced_ = false;  // an error that is nobody's as far as can be seen
};

}  // namespace wherry::tasks
