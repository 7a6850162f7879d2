// SPDX-License-Identifier: Apache-2.0
// Syncs, for those who use them: the command line, the library, the server. A sync keeps a
// directory mirrored at another endpoint; it knows of endpoints and tasks only through the
// TransferService.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "sync/pass.h"
#include "sync/store.h"
#include "sync/types.h"
#include "sync/verify.h"
#include "sync/watch.h"
#include "tasks/transfer_service.h"

namespace wherry::sync {

struct SyncStatus {
  SyncDefinition definition;
  std::optional<PassRecord> last;         // the newest pass
  std::optional<PassRecord> interrupted;  // one that the next run finishes
  std::optional<catalog::Totals> known;   // what the catalog holds; none before the first pass
  std::vector<Failure> failures;
  std::optional<tasks::Holder> holder;  // the process that runs a pass now, and since when
};

// Safe for concurrent calls.
class SyncService {
 public:
  struct Parts {
    tasks::TransferService& service;
    Database& database;  // migrated with task_migrations() and sync_migrations()
    Clock& clock;
    std::string directory;      // for catalogs and journals; it exists
    std::string owner;          // of the tasks that are submitted
    FaultHook fault;            // for tests
    ServiceOf service_of = {};  // for syncs that name a service; empty: there are no others
  };
  // What `parts` refers to outlives it.
  explicit SyncService(Parts parts);

  // The endpoints may be given by name; what is stored has their ids. kInvalid for a bad name, a
  // source that is no directory, a source and target that overlap, a cron line that never fires;
  // kDenied if the target cannot be written to; kAlreadyExists; kNotFound for an endpoint.
  Result<SyncDefinition> add(SyncDefinition definition);
  // The same checks. The source and target of a sync cannot be changed.
  Result<SyncDefinition> update(SyncDefinition definition);
  // With its catalog and history; what is at the target stays. kConflict while it runs.
  Result<void> remove(std::string_view name);
  Result<void> pause(std::string_view name);
  Result<void> resume(std::string_view name);

  Result<SyncDefinition> get(std::string_view name);
  Result<std::vector<SyncDefinition>> list();  // sorted by name
  Result<SyncStatus> status(std::string_view name);
  Result<std::vector<PassRecord>> history(std::string_view name,
                                          std::size_t limit);  // newest first
  std::string catalog_file(std::string_view name) const { return parts_.files.catalog(name); }

  // One pass, now. kConflict if the sync is paused, or runs already (which process, since when).
  Result<PassReport> run(std::string_view name, const PassOptions& options, std::stop_token stop);
  // Ends the claim of a process on another host, which the caller knows to be dead. kConflict if a
  // live process of this host runs it.
  Result<void> take_over(std::string_view name);
  // Keeps syncs up to date until a stop is requested; see watch.h.
  Result<void> watch(const WatchOptions& options, std::stop_token stop);
  // Re-reads both sides; see verify.h.
  Result<VerifyReport> verify(std::string_view name, std::size_t threads, std::stop_token stop);
  // Makes a lost catalog again from the target; see verify.h.
  Result<RebuildReport> rebuild(std::string_view name, std::stop_token stop);

 private:
  Result<void> validate(SyncDefinition& definition);
  Result<void> check_places(SyncDefinition& definition);
  Result<void> set_paused(std::string_view name, bool paused);

  Store store_;
  tasks::Claims claims_;
  PassParts parts_;
};

}  // namespace wherry::sync
