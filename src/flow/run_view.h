// SPDX-License-Identifier: Apache-2.0
// What others see of a run while it goes on. Safe for concurrent calls.
#pragma once

#include <mutex>
#include <vector>

#include "base/thread_annotations.h"
#include "flow/run.h"

namespace wherry::flow {

class RunView {
 public:
  void show(std::size_t at, const Node& node, WorkKind kind) {
    const std::lock_guard lock(mutex_);
    if (views_.size() <= at) views_.resize(at + 1);
    NodeView& view = views_[at];
    const bool is_new_attempt = view.node.attempt != node.attempt;
    view.node = node;
    view.node.request.clear();
    view.kind = kind;
    if (is_new_attempt) view.files = view.files_found = view.bytes = view.bytes_found = 0;
  }
  void count(std::size_t at, const tasks::Counts& counts) {
    const std::lock_guard lock(mutex_);
    if (views_.size() <= at) return;
    NodeView& view = views_[at];
    view.files = counts.files_transferred + counts.files_skipped + counts.removed;
    view.files_found = counts.files;
    view.bytes = counts.bytes_transferred;
    view.bytes_found = counts.bytes;
  }
  std::vector<NodeView> all() const {
    const std::lock_guard lock(mutex_);
    return views_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<NodeView> views_ GUARDED_BY(mutex_);
};

}  // namespace wherry::flow
