// SPDX-License-Identifier: Apache-2.0
// Commands for sh that hold values of users: no value becomes a part of a command.
#pragma once

#include <string>
#include <string_view>

namespace wherry {

// `text` as one word of sh.
std::string shell_quote(std::string_view text);

}  // namespace wherry
