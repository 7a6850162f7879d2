// SPDX-License-Identifier: Apache-2.0
// Syncs, passes and changes as answers of commands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"
#include "cli/task_view.h"
#include "sync/store.h"
#include "sync/sync.h"
#include "sync/types.h"

namespace wherry::cli {

// "lab:/run42" of a sync's side.
std::string place_text(const sync::Place& place, EndpointNames& names);

Record sync_record(const sync::SyncDefinition& definition, EndpointNames& names);
std::vector<Column> sync_columns();
std::vector<Value> sync_row(const sync::SyncDefinition& definition, EndpointNames& names);

// All of one pass, e.g. when it has ended.
Record pass_record(std::string_view sync, const sync::PassRecord& pass);
std::vector<Column> pass_columns();
std::vector<Value> pass_row(const sync::PassRecord& pass);

// What is known of a sync now, with its last pass.
Record status_record(const sync::SyncStatus& status, EndpointNames& names);

Record verify_record(const sync::VerifyReport& report);

// "modified  a/b.tif", "renamed   a -> b"
std::string change_text(const sync::Change& change);

}  // namespace wherry::cli
