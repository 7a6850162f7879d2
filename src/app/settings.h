// SPDX-License-Identifier: Apache-2.0
// The settings of Wherry: the one table of what can be set, and where the values come from.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/options.h"
#include "base/result.h"
#include "flow/executors.h"

namespace wherry::app {

using Environment = std::function<std::optional<std::string>(std::string_view variable)>;
// The variables of this process.
Environment process_environment();

// Every setting there is, sorted by name.
std::span<const OptionDeclaration> setting_declarations();

// $WHERRY_SETTINGS, or settings.yml in $XDG_CONFIG_HOME/wherry (~/.config/wherry). A relative
// $XDG_CONFIG_HOME is ignored, as the XDG specification asks.
std::string settings_file(const Environment& environment);

// Reads file, variables and overrides ("log.level" -> "debug"; from flags), the later winning.
Result<Options> load_settings(const Environment& environment,
                              const std::map<std::string, std::string, std::less<>>& overrides);

// Where commands of flows run: the section `executors` of the file.
Result<flow::ExecutorMap> executor_settings(const Options& settings);

// The setting state.dir or, where it is empty, wherry in $XDG_STATE_HOME (~/.local/state).
std::string state_directory(const Options& settings, const Environment& environment);

}  // namespace wherry::app
