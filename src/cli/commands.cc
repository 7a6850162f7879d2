// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"

namespace wherry::cli {

std::span<const Command> commands() {
  static const std::vector<Command> all = [] {
    std::vector<Command> table;
    for (const auto part :
         {sync_commands,          sync_run_commands,   site_commands,     site_run_commands,
          site_share_commands,    app_commands,        job_commands,      job_wait_commands,
          transfer_item_commands, queue_commands,      flow_run_commands, flow_commands,
          transfer_commands,      task_commands,       file_commands,     delete_commands,
          endpoint_commands,      permission_commands, bookmark_commands, catalog_commands,
          config_commands,        serve_commands,      identity_commands, login_commands,
          completion_commands,    help_commands}) {
      const std::span<const Command> some = part();
      table.insert(table.end(), some.begin(), some.end());
    }
    return table;
  }();
  return all;
}

}  // namespace wherry::cli
