// SPDX-License-Identifier: Apache-2.0
// What can be told of a flow only when all its tasks are known: whether the names that they mention
// mean something, what they need because of that, and whether a deletion may come too early.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "flow/flow_file.h"

namespace wherry::flow {

// Adds what tasks need because they mention it. kInvalid names line and task.
Result<void> check_flow(Flow& flow);

// Every name that a foreach mentions.
std::vector<Name> names_of_items(const Foreach& foreach);

// "; did you mean 'x'?" of a slip, "; there are a, b" of another name; for the end of a message.
std::string meant_among(std::string_view name, const std::vector<std::string>& known);

}  // namespace wherry::flow
