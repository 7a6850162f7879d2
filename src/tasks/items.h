// SPDX-License-Identifier: Apache-2.0
// The items of a task in the database: written all at once, read page by page.
#pragma once

#include <memory>
#include <span>

#include "base/database.h"
#include "engine/runner.h"
#include "tasks/task_row.h"

namespace wherry::tasks {

// Within the transaction that stores the task.
void insert_items(soci::session& sql, TaskKey task, std::span<const engine::TransferItem> items);
void insert_items(soci::session& sql, TaskKey task, std::span<const engine::DeleteItem> items);

// From the first item to the last; memory does not grow with their number. The database outlives
// it.
std::unique_ptr<engine::ItemSource<engine::TransferItem>> read_transfer_items(Database& database,
                                                                              TaskKey task);
std::unique_ptr<engine::ItemSource<engine::DeleteItem>> read_delete_items(Database& database,
                                                                          TaskKey task);

}  // namespace wherry::tasks
