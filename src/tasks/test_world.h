// SPDX-License-Identifier: Apache-2.0
// What the tests of this module share: a database on disk, two endpoints in memory, a clock that
// stands still, and a service on top.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/scratch_directory.h"
#include "endpoints/endpoint.h"
#include "storage/backends.h"
#include "storage/testing/faulty.h"
#include "tasks/local_service.h"

namespace wherry::tasks {

class TestWorld {
 public:
  explicit TestWorld(FakeClock::Sleepers sleepers = FakeClock::Sleepers::kBlock);

  // Another look at the same database, as another process has it.
  std::unique_ptr<Database> open_database();
  // Ends the service and begins another, as after a restart of the process.
  void restart(Execution execution = Execution::kOnlyNamed);

  EndpointId add_endpoint(const std::string& name, std::shared_ptr<storage::Storage> storage,
                          ByteCount daily_quota = 0,
                          endpoints::Access access = endpoints::Access::kReadWrite);
  // Below the source's root; missing directories are made.
  void add_source_file(const std::string& path, const std::string& content);
  // Nothing if there is no such file.
  std::optional<std::string> target_file(const std::string& path);

  TransferRequest transfer(const std::string& source, const std::string& target);
  // Submits and runs until the end.
  Task run(const TransferRequest& request);
  TaskId submit(const TransferRequest& request);
  Task run(const TaskId& id);
  std::vector<std::string> event_codes(const TaskId& id);  // oldest first

  ScratchDirectory scratch;
  FakeClock clock;
  SeededRandom random{42};
  std::function<Result<void>(std::string_view)> fault;  // of the database, when set
  std::unique_ptr<Database> database;
  std::unique_ptr<endpoints::Endpoints> endpoints;
  std::shared_ptr<storage::Storage> source_memory;
  std::shared_ptr<storage::Storage> target_memory;
  storage::Faults source_faults;
  storage::Faults target_faults;
  EndpointId source;
  EndpointId target;
  LocalServiceOptions options;
  std::unique_ptr<LocalService> service;
};

void write_file(storage::Storage& storage, const std::string& path, const std::string& content);
std::optional<std::string> read_file_of(storage::Storage& storage, const std::string& path);

}  // namespace wherry::tasks
