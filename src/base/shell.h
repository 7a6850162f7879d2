// SPDX-License-Identifier: Apache-2.0
// Commands for sh that hold values of users: no value becomes a part of a command.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry {

// `text` as one word of sh.
std::string shell_quote(std::string_view text);

// What stands in a command in place of `{{ inside }}`: words of sh, such as "$variable" with its
// quotes. `inside` comes without the blanks around it.
using WritePlaceholder = std::function<Result<std::string>(std::string_view inside)>;

// A command with its placeholders rewritten. kInvalid for one that is not closed or stands within
// quotes, where another shell could read a value as a command; errors of `write` as they are.
Result<std::string> rewrite_placeholders(std::string_view command, const WritePlaceholder& write);

}  // namespace wherry
