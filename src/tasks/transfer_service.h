// SPDX-License-Identifier: Apache-2.0
// THE interface between those who want data moved (sync, jobs, flows, the command line, the server)
// and those who move it: the embedded service (local_service.h), and, over HTTPS, Globus or another
// Wherry. Its meaning is the Globus Transfer contract's.
//
// Safe for concurrent calls. Calls block until answered; none waits for a task to end, except
// wait(). Paths in requests are relative to an endpoint's root. Errors: kNotFound, kDenied,
// kInvalid (the request), kConflict (state), kUnavailable (try again later).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "base/result.h"
#include "tasks/types.h"

namespace wherry::tasks {

class TransferService {
 public:
  virtual ~TransferService() = default;

  // A fresh id. Store it before you submit: submitting again with it, also after a crash, answers
  // the first task (Submitted::Kind::kDuplicate) and creates nothing.
  virtual Result<SubmissionId> new_submission_id() = 0;
  // Validates every field and stores the task durably before it answers.
  virtual Result<Submitted> submit(const TransferRequest& request) = 0;
  virtual Result<Submitted> submit(const DeleteRequest& request) = 0;

  virtual Result<Task> task(const TaskId& id) = 0;
  virtual Result<std::vector<Task>> tasks(const TaskFilter& filter) = 0;
  // Asks the task to end; it is FAILED with the error CANCELED when it has. kConflict if it has
  // ended.
  virtual Result<void> cancel(const TaskId& id) = 0;
  // Makes an INACTIVE task, or a FAILED one that was not cancelled, ACTIVE again: what is done
  // stays done. kConflict if a live process runs it (which, since when) or it succeeded.
  virtual Result<void> resume(const TaskId& id) = 0;
  virtual Result<void> update(const TaskId& id, const TaskChange& change) = 0;
  // Newest first.
  virtual Result<std::vector<Event>> events(const TaskId& id, std::size_t limit,
                                            std::size_t offset) = 0;
  // In the order of recording; `marker` 0 begins. Pages hold up to 10,000 rows.
  virtual Result<Page<SuccessfulTransfer>> successful_transfers(const TaskId& id,
                                                                std::uint64_t marker) = 0;
  virtual Result<Page<ItemError>> item_errors(const TaskId& id, std::uint64_t marker) = 0;
  // Blocks until the task is not ACTIVE, the time is up (kTimeout) or a stop is requested
  // (kCancelled). All waiters of a service share one watcher.
  virtual Result<Task> wait(const TaskId& id, Duration timeout, std::stop_token stop) = 0;

  virtual Result<endpoints::Endpoint> endpoint(std::string_view name_or_id) = 0;
  virtual Result<std::vector<endpoints::Endpoint>> search_endpoints(std::string_view text,
                                                                    std::size_t limit,
                                                                    std::size_t offset) = 0;

  // File operations on an endpoint, done and durable before they answer; also what was there or
  // done already, when they say so.
  virtual Result<std::vector<FileInfo>> list(const EndpointId& endpoint, const RelPath& path) = 0;
  virtual Result<FileInfo> stat(const EndpointId& endpoint, const RelPath& path) = 0;
  virtual Result<void> make_directory(const EndpointId& endpoint, const RelPath& path) = 0;
  virtual Result<void> rename(const EndpointId& endpoint, const RelPath& from,
                              const RelPath& to) = 0;
  virtual Result<void> make_symlink(const EndpointId& endpoint, const RelPath& path,
                                    std::string_view target) = 0;

  // The directory of this host where the endpoint's root is, if this process can read it: then a
  // sync scans and watches it directly instead of through list().
  virtual Result<std::optional<std::string>> host_directory(const EndpointId& endpoint) = 0;

  // The same service, each of whose calls ends with kCancelled when a stop is requested: for work
  // that makes many calls and may be stopped between any two. Null: no call of this service waits
  // for anything that a stop could end. This service outlives what it answers.
  virtual std::unique_ptr<TransferService> until(std::stop_token /*stop*/) { return nullptr; }
};

}  // namespace wherry::tasks
