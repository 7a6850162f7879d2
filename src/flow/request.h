// SPDX-License-Identifier: Apache-2.0
// What one attempt of a task asks for, with everything filled in. It is stored before it is asked
// for, so that after a crash the same is asked again, whatever became of the flow's file meanwhile.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "flow/data_tasks.h"
#include "flow/executor.h"
#include "flow/flow_file.h"

namespace wherry::flow {

struct RemovalRequest {
  Removal removal;
  bool only_verified = false;
};

struct CommandRequest {
  Command command;
  std::vector<std::string> executors;  // one of them; once it is picked, that one
  std::string outputs_file;            // $WHERRY_OUTPUTS
  std::vector<std::string> outputs;    // that it is to write
  std::string shown;                   // the script with its values, for people
};

using Request = std::variant<Transfer, RemovalRequest, CommandRequest>;

// What is filled in beside the task.
struct Filling {
  Lookup lookup;
  std::string directory;  // where commands run that say nothing, and relative paths count from
  std::string label;      // of tasks and commands: "analyse: stage[a.tif]"
  std::string files;      // what the files of a command begin with: "/…/flows/7/count.0.1"
};

Result<Request> fill_in(const FlowTask& task, const Filling& filling);
// In one line, for people: "lab:/a -> /scratch/a".
std::string told(const Request& request);

std::string to_json(const Request& request);
Result<Request> parse_request(std::string_view json);  // kCorrupt

}  // namespace wherry::flow
