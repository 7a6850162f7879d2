// SPDX-License-Identifier: Apache-2.0
// Sends the entries of a journal that share an action as tasks, a batch of consecutive ones each,
// and finds out which of them arrived. The id of each submission is stored before it is sent; after
// a crash the same batches are cut from the same journal and answer the same tasks.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "sync/journal.h"
#include "sync/store.h"
#include "sync/types.h"
#include "tasks/item_index.h"
#include "tasks/transfer_service.h"

namespace wherry::sync {

// For crash tests: asked before each step that matters; an error ends the pass there, as if the
// process had died. May be empty.
using FaultHook = std::function<Result<void>(std::string_view point)>;

// What a pass has achieved so far.
struct Outcome {
  explicit Outcome(std::uint64_t entries) : confirmed(entries), cleared(entries) {}

  std::vector<bool> confirmed;    // by ordinal: the target is as the entry says
  std::vector<bool> cleared;      // by ordinal: what had the name before is gone from the target
  std::vector<Failure> failures;  // single files; attempts and next_try are set at the end
  std::uint64_t failed = 0;
  std::vector<Problem> problems;
  std::vector<tasks::TaskId> tasks;

  void fail(std::string path, std::string message);
};

// What every part of a pass needs. Lent for the pass.
struct PassContext {
  const SyncDefinition& definition;
  std::string owner;
  std::string label;
  std::uint64_t pass = 0;
  tasks::TransferService& service;
  Store& store;
  Clock& clock;
  std::stop_token stop;
  FaultHook fault;

  // Whether the service is another than that of this state directory.
  bool is_elsewhere() const { return !definition.service.empty(); }
  Result<void> reach(std::string_view point) const { return fault ? fault(point) : Result<void>(); }
  RelPath at_source(const std::string& path) const {
    return definition.source.path.join(RelPath::from_normal(path));
  }
  RelPath at_target(const std::string& path) const {
    return definition.target.path.join(RelPath::from_normal(path));
  }
};

class Batches {
 public:
  // All outlive it. `stored` are the submissions that an earlier run of the pass has left.
  Batches(const PassContext& context, const Journal& journal, Outcome& outcome,
          std::vector<Submission> stored);

  // Submits every batch of `kind`.
  Result<void> send(Submission::Kind kind);
  // Waits for all that was sent since the last call and enters what was confirmed and what failed.
  Result<void> wait();

 private:
  struct Batch;
  struct Fates;
  bool belongs(Submission::Kind kind, std::uint64_t ordinal, const JournalEntry& entry) const;
  Result<void> send_batch(Submission::Kind kind, Batch batch);
  Result<Submission> prepare(Submission::Kind kind, const Batch& batch);
  Result<tasks::Submitted> submit(const Submission& submission,
                                  std::vector<engine::TransferItem> items);
  Result<tasks::Submitted> submit_delete(const Submission& submission,
                                         std::vector<engine::DeleteItem> items);
  Result<tasks::Task> wait_for(const tasks::TaskId& id);
  Result<void> confirm(const Submission& submission);
  Result<Fates> fates_of(const Submission& submission, const tasks::Task& task);
  Result<tasks::ItemIndex> index_of(const Submission& submission) const;
  // Calls visit(ordinal, path, entry) for the entries of `kind` from ordinal `first` on.
  template <class Visit>
  Result<void> for_each(Submission::Kind kind, std::uint64_t first, Visit visit) const;

  const PassContext& context_;
  const Journal& journal_;
  Outcome& outcome_;
  std::vector<Submission> stored_;
  std::vector<Submission> sent_;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace wherry::sync
