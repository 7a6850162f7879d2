// SPDX-License-Identifier: Apache-2.0
// Moves the data of a site's jobs: groups pending items into few transfer tasks, follows those, and
// gives each item its own outcome. One stager runs for a site at a time (the caller holds the claim
// "site").
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "jobs/item_store.h"
#include "jobs/site_settings.h"
#include "jobs/types.h"
#include "tasks/transfer_service.h"

namespace wherry::jobs {

// For crash tests: asked before each step that matters; an error ends the step there, as if the
// process had died. May be empty.
using FaultHook = std::function<Result<void>(std::string_view point)>;

struct StagerParts {
  tasks::TransferService& service;
  Database& database;  // migrated with task_migrations() and job_migrations()
  Clock& clock;
  Random& random;
  FaultHook fault = {};
  // Whether the settings are those in force. Asked when the items that are to be moved have been
  // read; if not, nothing new is sent by them. May be empty.
  std::function<Result<bool>()> is_up_to_date = {};
};

// What is wrong and what a person has to do; the items that it concerns wait.
struct Alert {
  std::string location;  // alias; empty: the whole site
  std::string message;   // with the command to run
};

// Not for concurrent calls.
class Stager {
 public:
  // What `parts` refers to outlives it.
  Stager(const StagerParts& parts, const Site& site, const SiteSettings& settings);
  ~Stager();

  struct Step {
    bool progressed = false;        // a job or an item changed its state
    std::vector<Alert> alerts;      // that hold now
    std::optional<Duration> until;  // when there is something to do again, if nothing changes
  };
  // Everything that can be done now without waiting, and without blocking on a task: submits what
  // an earlier run left unsent, asks for all open tasks in one call, settles items, cancels tasks
  // that carry nobody's items, submits new batches. A location that fails holds up no other one.
  // An error is one of the database: nothing of the state is known.
  Result<Step> step(std::stop_token stop);
  // From now on; what is under way goes on as it was submitted.
  void set_settings(const SiteSettings& settings);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wherry::jobs
