// SPDX-License-Identifier: Apache-2.0
// Maps, slots, resources and lists as JSON, for columns of the state database. Text is escaped
// (escape_bytes), because JSON cannot hold every byte; reading undoes it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jobs/types.h"

namespace wherry::jobs {

using ParameterMap = std::map<std::string, Parameter, std::less<>>;
using SlotMap = std::map<std::string, Slot, std::less<>>;

std::string to_json(const TextMap& map);
std::string to_json(const ParameterMap& parameters);
std::string to_json(const SlotMap& slots);
std::string to_json(const Resources& resources);
std::string to_json(const std::vector<std::string>& list);
std::string to_json(const std::vector<JobId>& ids);

// kCorrupt for what to_json() cannot have written. Of slots, parameters and resources, fields that
// are missing have their defaults: later versions may add some.
Result<TextMap> parse_text_map(std::string_view json);
Result<ParameterMap> parse_parameters(std::string_view json);
Result<SlotMap> parse_slots(std::string_view json);
Result<Resources> parse_resources(std::string_view json);
Result<std::vector<std::string>> parse_text_list(std::string_view json);
Result<std::vector<JobId>> parse_ids(std::string_view json);

// Whether a user's `data` of a job is a JSON object of at most kMaxDataBytes; kInvalid.
Result<void> check_data(std::string_view json);

}  // namespace wherry::jobs
