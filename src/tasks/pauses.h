// SPDX-License-Identifier: Apache-2.0
// Which ACTIVE tasks are held back: by pause rules of their endpoints, or one by one by somebody
// who looks after an endpoint. What holds a task is noted in its row, so that every process that
// would start it, runs it or shows it sees the same.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "endpoints/endpoint.h"
#include "endpoints/pause_rules.h"
#include "tasks/types.h"

namespace wherry::tasks {

// Safe for concurrent calls.
class Pauses {
 public:
  // All outlive it; the database is migrated with task_migrations() and endpoint_migrations().
  struct Parts {
    Database& database;
    endpoints::Endpoints& endpoints;
    endpoints::PauseRules& rules;
    Clock& clock;
  };
  explicit Pauses(const Parts& parts) : parts_(parts) {}

  // Notes what the rules in force hold back, and what they do no longer, with an event for each
  // task. Where nothing is held and no rule is there it costs one look.
  Result<void> refresh();
  // The rules in force that hold the task.
  Result<std::vector<endpoints::PauseRule>> rules_of(const Task& task);

  // kConflict if the task has ended.
  Result<void> pause(const TaskId& id, const std::string& message);
  Result<void> resume(const TaskId& id);

 private:
  // Tasks that no rule tells apart.
  struct Group {
    TaskType type = TaskType::kTransfer;
    std::string owner;
    EndpointId source;
    EndpointId target;
    bool is_held = false;  // as noted
  };
  Result<std::vector<Group>> groups();
  Result<void> note(const Group& group, const std::optional<std::string>& message);
  Result<std::vector<endpoints::PauseRule>> holding(const Group& group,
                                                    const std::vector<endpoints::PauseRule>& rules);

  const Parts parts_;
};

}  // namespace wherry::tasks
