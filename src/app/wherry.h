// SPDX-License-Identifier: Apache-2.0
// The library's front door: turns settings into the objects that do the work. Everything that uses
// Wherry as a whole (the command line, bindings, tests of the whole) begins here.
#pragma once

#include <memory>
#include <string>

#include "app/settings.h"
#include "base/database.h"
#include "base/options.h"
#include "base/result.h"
#include "endpoints/endpoint.h"
#include "tasks/local_service.h"

namespace wherry::app {

// Opens the log where `settings` say, if they differ from the defaults (warnings to standard
// error). Called once, before threads start.
Result<void> open_log_of(const Options& settings);

// One open state directory. Safe for concurrent calls; references live as long as this object.
class Wherry {
 public:
  // Makes the state directory (mode 0700) if it is missing and brings the database to the current
  // version. `directory` is state_directory(...).
  static Result<std::unique_ptr<Wherry>> open(Options settings, const std::string& directory);
  ~Wherry();

  const Options& settings() const;
  const std::string& directory() const;
  // Who submits: the name of the user whose rights this process has.
  const std::string& owner() const;

  Database& database();
  endpoints::Endpoints& endpoints();
  // The embedded service, made at the first call; `execution` is the same at each.
  tasks::LocalService& service(tasks::Execution execution = tasks::Execution::kOnlyNamed);

 private:
  struct Parts;
  explicit Wherry(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace wherry::app
