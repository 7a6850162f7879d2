// SPDX-License-Identifier: Apache-2.0
// A TransferService for the tests of this module: endpoints are directories, a task is done, file
// by file, when somebody waits for it, and anything can be made to fail.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "tasks/transfer_service.h"

namespace wherry::sync {

class TestService : public tasks::TransferService {
 public:
  // The endpoint `id` is `directory`.
  void add_endpoint(const std::string& id, const std::string& directory);

  // --- Faults and observations. Paths are those within the endpoint. ---
  std::set<std::string> failing_sources;      // reported as skipped source errors
  std::set<std::string> failing_targets;      // fail the task
  std::set<std::string> failing_deletes;      // a directory loses one entry; then the task fails
  std::set<std::string> refused_directories;  // that make_directory() never makes
  std::set<std::string> failing_flushes;      // that it makes, and fails all the same
  bool denies_existing = false;               // make_directory() denies before it looks
  bool fail_tasks = false;                    // tasks end FAILED before any file
  // Never arrive: the task stays ACTIVE, in trouble, until it is cancelled. One error tells of the
  // first of them.
  std::set<std::string> stuck_targets;
  bool tells_items = true;  // outcomes know their item; else their paths only
  bool is_remote = false;   // no host_directory
  bool can_rename = true;
  std::function<void()> before_task;                        // called when a task begins to run
  std::function<Result<void>(const RelPath&)> before_list;  // may fail it
  std::vector<std::string> copied;                          // source paths, in order
  std::vector<std::string> deleted;                         // target paths
  std::vector<std::string> renamed;                         // "from -> to"
  std::vector<std::string> made;                            // directories
  std::vector<tasks::TransferRequest> transfers;            // that were accepted
  std::vector<tasks::DeleteRequest> deletes;
  std::size_t duplicates = 0;
  void forget();  // the observations

  Result<tasks::SubmissionId> new_submission_id() override;
  Result<tasks::Submitted> submit(const tasks::TransferRequest& request) override;
  Result<tasks::Submitted> submit(const tasks::DeleteRequest& request) override;
  Result<tasks::Task> task(const tasks::TaskId& id) override;
  Result<std::vector<tasks::Task>> tasks(const tasks::TaskFilter& filter) override;
  Result<void> cancel(const tasks::TaskId& id) override;
  Result<void> resume(const tasks::TaskId& id) override;
  Result<void> update(const tasks::TaskId& id, const tasks::TaskChange& change) override;
  Result<std::vector<tasks::Event>> events(const tasks::TaskId& id, std::size_t limit,
                                           std::size_t offset) override;
  Result<tasks::Page<tasks::SuccessfulTransfer>> successful_transfers(
      const tasks::TaskId& id, std::uint64_t marker) override;
  Result<tasks::Page<tasks::ItemError>> item_errors(const tasks::TaskId& id,
                                                    std::uint64_t marker) override;
  Result<tasks::Task> wait(const tasks::TaskId& id, Duration timeout,
                           std::stop_token stop) override;
  Result<endpoints::Endpoint> endpoint(std::string_view name_or_id) override;
  Result<std::vector<endpoints::Endpoint>> search_endpoints(std::string_view text,
                                                            std::size_t limit,
                                                            std::size_t offset) override;
  Result<std::vector<tasks::FileInfo>> list(const tasks::EndpointId& endpoint,
                                            const RelPath& path) override;
  Result<tasks::FileInfo> stat(const tasks::EndpointId& endpoint, const RelPath& path) override;
  Result<void> make_directory(const tasks::EndpointId& endpoint, const RelPath& path) override;
  Result<void> rename(const tasks::EndpointId& endpoint, const RelPath& from,
                      const RelPath& to) override;
  Result<void> make_symlink(const tasks::EndpointId& endpoint, const RelPath& path,
                            std::string_view target) override;
  Result<std::optional<std::string>> host_directory(const tasks::EndpointId& endpoint) override;

 private:
  struct Work {
    tasks::Task task;
    std::vector<engine::TransferItem> transfers;
    std::vector<engine::DeleteItem> deletes;
    std::vector<tasks::SuccessfulTransfer> done;
    std::vector<tasks::ItemError> errors;
    bool ran = false;
    bool is_stuck = false;
  };
  Result<std::string> host_path(const tasks::EndpointId& endpoint, const RelPath& path) const;
  template <class Row>
  tasks::Page<Row> without_items(tasks::Page<Row> page) const;
  void run(Work& work);
  void copy(Work& work, std::uint64_t ordinal);
  void fail(Work& work, std::uint64_t ordinal, const std::string& code, bool skipped);
  Result<tasks::Submitted> accept(Work work);

  std::recursive_mutex mutex_;  // of everything: passes of several syncs may run at once
  std::map<std::string, std::string> directories_;
  std::map<tasks::TaskId, Work> tasks_;
  std::map<tasks::SubmissionId, tasks::TaskId> by_submission_;
  SeededRandom random_{7};
};

}  // namespace wherry::sync
