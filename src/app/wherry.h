// SPDX-License-Identifier: Apache-2.0
// The library's front door: turns settings into the objects that do the work. Everything that uses
// Wherry as a whole (the command line, bindings, tests of the whole) begins here.
#pragma once

#include <memory>
#include <string>

#include "app/remote.h"
#include "app/settings.h"
#include "base/database.h"
#include "base/options.h"
#include "base/result.h"
#include "endpoints/endpoint.h"
#include "endpoints/permissions.h"
#include "flow/executors.h"
#include "jobs/jobs.h"
#include "server/identities.h"
#include "sync/sync.h"
#include "tasks/local_service.h"

namespace wherry::app {

// Opens the log where `settings` say, if they differ from the defaults (warnings to standard
// error). Called once, before threads start.
Result<void> open_log_of(const Options& settings);

// One open state directory. Safe for concurrent calls; references live as long as this object.
class Wherry {
 public:
  struct Opening {
    Options settings;
    std::string directory;  // state_directory(...)
    // Which tasks this process runs.
    tasks::Execution execution = tasks::Execution::kOnlyNamed;
    Environment environment = process_environment();  // for services on other machines
  };
  // Makes the state directory (mode 0700) if it is missing and brings the database to the current
  // version.
  static Result<std::unique_ptr<Wherry>> open(Opening opening);
  ~Wherry();

  const Options& settings() const;
  const std::string& directory() const;
  // Who submits: the name of the user whose rights this process has.
  const std::string& owner() const;

  Database& database();
  endpoints::Endpoints& endpoints();
  endpoints::Permissions& permissions();
  // Users and clients of the service.
  server::Identities& identities();
  // The embedded service; it and what stands on it are made at the first call.
  tasks::LocalService& service();
  // The service of that name, as the setting `service` takes it, but not "local".
  Result<RemoteService*> remote(const std::string& name);
  // Their passes are run with Execution::kAll: what they submit must be run by somebody.
  Result<sync::SyncService*> syncs();
  // Sites, apps, jobs and transfer items.
  jobs::Stores& jobs();
  // Where commands of flows run.
  flow::Executors& executors();
  // The service of that name, as the setting `service` takes it, "local" too.
  Result<tasks::TransferService*> service_of(const std::string& name);
  // Whether that is the embedded service, which is asked without a request being sent.
  static bool is_embedded(std::string_view name);

 private:
  struct Parts;
  explicit Wherry(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace wherry::app
