// SPDX-License-Identifier: Apache-2.0
// One pass of a sync: scan, plan, brake, send, wait, confirm, save. A pass that died is finished by
// the next one, from its journal.
//
// What makes it safe: nothing is sent before the journal is durable; a submission id is stored
// before its request; the catalog takes an entry only when the target has confirmed it; single
// operations at the target look before they act. So a pass may die anywhere, and what the target
// holds is never less than what the catalog says.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "sync/batches.h"
#include "sync/source_tree.h"
#include "sync/store.h"
#include "sync/types.h"
#include "tasks/claim.h"
#include "tasks/transfer_service.h"

namespace wherry::sync {

// Where the files of a sync are.
struct SyncFiles {
  std::string directory;
  std::string catalog(std::string_view sync) const { return file(sync, ".catalog"); }
  std::string journal(std::string_view sync) const { return file(sync, ".journal"); }

 private:
  std::string file(std::string_view sync, std::string_view suffix) const {
    std::string path = directory + "/";
    path += sync;
    path += suffix;
    return path;
  }
};

// The service of that name (SyncDefinition::service); lives as long as what asks for it.
using ServiceOf = std::function<Result<tasks::TransferService*>(const std::string& name)>;

struct PassParts {
  tasks::TransferService& service;  // for syncs that name none
  Store& store;
  tasks::Claims& claims;
  Clock& clock;
  SyncFiles files;
  std::string owner;
  FaultHook fault;
  ServiceOf service_of = {};  // empty: there are no others
};
// The same for one sync: `service` is its own.
Result<PassParts> parts_for(const PassParts& parts, const SyncDefinition& definition);

// Of a sync's claim (tasks/claim.h): held by whoever writes its journal or its catalog.
inline constexpr std::string_view kSyncClaim = "sync";

// An error is a pass that could not begin (kConflict: another runs) or could not go on; then the
// next one goes on where it ended. Everything else is in the report.
Result<PassReport> run_pass(const PassParts& parts, const SyncDefinition& definition,
                            const PassOptions& options, std::stop_token stop);

// The source as it can best be read from here.
Result<std::unique_ptr<SourceTree>> open_source(tasks::TransferService& service,
                                                const Place& source, const Rules& rules);

}  // namespace wherry::sync
