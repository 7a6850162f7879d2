// SPDX-License-Identifier: Apache-2.0
// Ready text for those who start Wherry at other times: systemd and cron.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace wherry::cli {

// How the program is to be started so that it finds the same state as now.
struct Invocation {
  std::string program;                                             // absolute
  std::vector<std::string> words;                                  // "sync", "watch", …
  std::vector<std::pair<std::string, std::string>> environment{};  // WHERRY_STATE_DIR, …
};

struct SystemdUnit {
  std::string_view name;         // "wherry-sync"
  std::string_view description;  // one line
  std::string_view type;         // of the service: when systemd takes it for started
};
// The text of a unit for ~/.config/systemd/user (or, with User= added, /etc/systemd/system).
std::string systemd_unit(const SystemdUnit& unit, const Invocation& invocation);

// The line for `crontab -e`. `schedule` has five fields.
std::string crontab_line(std::string_view schedule, const Invocation& invocation);

// "*/15 * * * *" for 15 minutes. kInvalid for what cron cannot say: less than a minute, or no
// divisor of an hour or a day.
Result<std::string> cron_schedule(Duration every);

}  // namespace wherry::cli
