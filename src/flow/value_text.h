// SPDX-License-Identifier: Apache-2.0
// Parameters and results as JSON, for columns of the state database. Text is escaped
// (escape_bytes), because JSON cannot hold every byte; reading undoes it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "flow/flow_file.h"
#include "flow/store.h"

namespace wherry::flow {

std::string to_json(const ParameterValues& values);
std::string to_json(const Results& results);

// kCorrupt for what to_json() cannot have written.
Result<ParameterValues> parse_parameter_values(std::string_view json);
Result<Results> parse_results(std::string_view json);

}  // namespace wherry::flow
