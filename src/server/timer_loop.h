// SPDX-License-Identifier: Apache-2.0
// Runs what timers are due for: submits their transfers, in the name of their owners.
#pragma once

#include <functional>

#include "base/clock.h"
#include "base/database.h"
#include "server/timer_request.h"
#include "server/timers.h"
#include "tasks/claim.h"
#include "tasks/scheduler.h"
#include "tasks/transfer_service.h"

namespace wherry::server {

// Several processes may run one on the same database: each run is submitted once, also if a process
// dies in the middle of it.
class TimerLoop {
 public:
  struct Parts {
    Timers& timers;  // all references outlive this object
    tasks::TransferService& service;
    Database& database;  // migrated with task_migrations() for the claims
    Clock& clock;
    FindEndpoint find_endpoint;
    // Whether there still is such an identity: kNotFound if it was removed.
    std::function<Result<void>(const std::string& owner)> find_owner;
  };
  explicit TimerLoop(Parts parts);

  // Begins to run timers in a thread of its own, until stop() or the end of this object.
  void start() { loop_.wake(); }
  void stop() { loop_.stop(); }
  // One round, for tests: begins every run that is due. Returns how many transfers were submitted.
  Result<std::size_t> step();

 private:
  Duration beat();
  Result<bool> run(const std::string& id);
  Result<tasks::TaskId> submit(const Timer& timer);

  const Parts parts_;
  tasks::Claims claims_;
  tasks::SchedulerLoop loop_;  // last: it calls into the others
};

}  // namespace wherry::server
