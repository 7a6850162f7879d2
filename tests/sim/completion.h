// SPDX-License-Identifier: Apache-2.0
// What a task that has ended must have done: whatever it does not report as failed or skipped.
#pragma once

#include "checks.h"

namespace wherry::sim {

class CompletionCheck {
 public:
  CompletionCheck(World& world, const Source& source, Violation& violation)
      : world_(world), source_(source), violation_(violation) {}

  // Of a task that is not ACTIVE.
  void check(const Asked& asked, const tasks::Task& task, const Rows& rows);

 private:
  void check_honest(const tasks::Task& task, const Rows& rows);
  bool ended_by_itself(const tasks::Task& task);
  void check_transfer(const tasks::TransferRequest& request, const Asked& asked,
                      const tasks::Task& task, const Rows& rows);
  void check_item(const tasks::TransferRequest& request, const engine::TransferItem& item,
                  const Asked& asked, const tasks::Task& task, const Rows& rows);
  void check_arrived(const tasks::TransferRequest& request, const tasks::Task& task,
                     const std::string& path, const Node& node, const std::string& at_target);
  void check_no_extras(const tasks::TransferRequest& request, const engine::TransferItem& item,
                       const tasks::Task& task);
  void check_deletion(const tasks::DeleteRequest& request, const tasks::Task& task);
  bool held_still(const std::string& top, const std::string& path, const Asked& asked,
                  Links links) const;

  World& world_;
  const Source& source_;
  Violation& violation_;
  Tree target_;
};

// What a task with these options takes the source's symlinks for.
Links links_of(const engine::TransferOptions& options);
// `path`, which is `from` or below it, as it is called below `to`.
std::string moved(const std::string& path, const std::string& from, const std::string& to);

}  // namespace wherry::sim
