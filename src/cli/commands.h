// SPDX-License-Identifier: Apache-2.0
// The table of commands: what is not in it does not exist. Each file cmd_<noun>.cc gives its part.
#pragma once

#include <span>

#include "cli/command.h"

namespace wherry::cli {

// All commands, in the order of help. Commands of one noun stand together.
std::span<const Command> commands();

std::span<const Command> transfer_commands();
std::span<const Command> task_commands();
std::span<const Command> file_commands();
std::span<const Command> delete_commands();
std::span<const Command> sync_commands();
std::span<const Command> sync_run_commands();
std::span<const Command> site_commands();
std::span<const Command> site_run_commands();
std::span<const Command> site_share_commands();
std::span<const Command> app_commands();
std::span<const Command> job_commands();
std::span<const Command> job_wait_commands();
std::span<const Command> transfer_item_commands();
std::span<const Command> queue_commands();
std::span<const Command> flow_commands();
std::span<const Command> flow_run_commands();
std::span<const Command> endpoint_commands();
std::span<const Command> permission_commands();
std::span<const Command> bookmark_commands();
std::span<const Command> catalog_commands();
std::span<const Command> config_commands();
std::span<const Command> serve_commands();
std::span<const Command> identity_commands();
std::span<const Command> login_commands();
std::span<const Command> help_commands();
std::span<const Command> completion_commands();

}  // namespace wherry::cli
