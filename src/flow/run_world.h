// SPDX-License-Identifier: Apache-2.0
// What the tests of runs share: two endpoints on scratch directories, the embedded service as
// another process would run it, and processes that run flows and can die at any step.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/scratch_directory.h"
#include "flow/run.h"
#include "tasks/local_service.h"
#include "tasks/testing/distant_service.h"

namespace wherry::flow {

// Counts the steps that a process makes, and lets it die before one of them: from then on nothing
// that it does has any effect.
class Death {
 public:
  // The steps are counted from 1; 0: never.
  explicit Death(std::size_t at = 0) : at_(at) {}
  Result<void> step();
  bool has_come();
  std::size_t steps();
  // Stopped when it has come: what only waits notices nothing.
  std::stop_token token() const { return stop_.get_token(); }

 private:
  const std::size_t at_;
  std::mutex mutex_;
  std::size_t steps_ = 0;
  bool is_dead_ = false;
  std::stop_source stop_;
};

class RunWorld {
 public:
  RunWorld();
  ~RunWorld();

  std::string at(const std::string& place, const std::string& path) const;
  void write(const std::string& place, const std::string& path, const std::string& content);
  std::string read(const std::string& place, const std::string& path) const;  // "<missing>"
  bool is_there(const std::string& place, const std::string& path) const;

  // Stores a run of this text; its directory is "work" of the scratch directory.
  RunRecord create(const std::string& yaml, const std::vector<std::string>& parameters = {});

  // What a process makes of the run. Of one that dies, an error.
  Result<RunEnd> run(RunId id, Death& death, const std::optional<std::string>& text = {},
                     std::stop_token stop = {});
  Result<RunEnd> run(RunId id);
  Result<RunEnd> cancel(RunId id);

  Node node(RunId id, const std::string& name);
  // "stage=SUCCEEDED clean=BLOCKED", in the order of their making.
  std::string states(RunId id);
  std::vector<tasks::Task> tasks();
  // The same when all have ended: a task ends a moment after the last of its items.
  std::vector<tasks::Task> ended_tasks(const tasks::TaskFilter& filter = {});

  ScratchDirectory scratch;
  std::unique_ptr<Database> database;
  std::unique_ptr<endpoints::Endpoints> endpoints;
  std::unique_ptr<tasks::LocalService> service;
  std::unique_ptr<Store> store;
  std::unique_ptr<Executors> executors;  // of all processes: to make one takes a process
  std::function<void(const Node&)> on_change;
  Duration cancel_patience = std::chrono::minutes(2);
  tasks::DistantService::Hook service_fault;  // of the calls of all processes; may be empty
};

}  // namespace wherry::flow
