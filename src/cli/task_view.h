// SPDX-License-Identifier: Apache-2.0
// Tasks as answers of commands, with the field names of the Globus documents.
#pragma once

#include <map>
#include <string>

#include "cli/output.h"
#include "tasks/transfer_service.h"

namespace wherry::cli {

// Display names of endpoints, asked once each. A deleted endpoint is shown by its id.
class EndpointNames {
 public:
  explicit EndpointNames(tasks::TransferService& service) : service_(service) {}
  std::string name(const tasks::EndpointId& id);

 private:
  tasks::TransferService& service_;
  std::map<tasks::EndpointId, std::string> known_;
};

std::string_view type_name(tasks::TaskType type);  // "TRANSFER", "DELETE"

// All of a task (`task show`).
Record task_record(const tasks::Task& task, EndpointNames& names);

// The same, of which people are shown the few fields that matter at the end of a command.
Record task_summary(const tasks::Task& task, EndpointNames& names);

// The columns of `task list`, and a task as a row of them.
std::vector<Column> task_columns();
std::vector<Value> task_row(const tasks::Task& task, EndpointNames& names);

}  // namespace wherry::cli
