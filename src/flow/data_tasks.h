// SPDX-License-Identifier: Apache-2.0
// Transfers and removals as futures. Transfers that are asked for close together between the same
// two endpoints with the same options travel in one task, each with its own fate; everybody's
// waiting is done by one thread that looks at all tasks together. A submission's id is recorded
// before it is sent, and sent again with that id when the answer is lost: nothing is submitted
// twice.
//
// A future is complete with success only when its own files are proven at the target. A task that
// FAILED, was cancelled or is INACTIVE is an error. Errors of futures, whose messages say what and
// why:
//   kInvalid      the request, or a removal that is refused as dangerous; nothing was submitted
//   kNotFound     an endpoint ("Source endpoint 'X' could not be found", "Destination endpoint 'X'
//                 could not be found"), or the file or directory
//   kConflict     several endpoints bear the name
//   kTimeout      says whether the task goes on or was asked to end
//   kCancelled    cancel(), or the task was cancelled by somebody else
//   kDenied, kNoSpace, kCorrupt, kLoginNeeded, kUnavailable …  as the service told
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "flow/future.h"
#include "tasks/transfer_service.h"

namespace wherry::flow {

// When the time of a future is up: its task goes on without it, or is asked to end, unless others
// travel in it.
enum class OnTimeout { kLeave, kCancel };

struct Transfer {
  std::string source_endpoint;  // name or id
  std::string target_endpoint;
  std::string source_path;  // from the endpoint's root; "~/a" from its default directory
  std::string target_path;
  bool recursive = false;  // needed for directories
  engine::TransferOptions options;
  std::string label;
  Duration timeout = std::chrono::hours(1);
  OnTimeout on_timeout = OnTimeout::kLeave;
  // Called by the thread that waits, when its task has changed; must not block.
  std::function<void(const tasks::Task&)> on_progress;
  bool alone = false;  // never shares a task
  std::string key;     // whose submission it is, for Parts::record
};

struct Removal {
  std::string endpoint;  // name or id
  std::string path;
  bool recursive = false;  // needed for directories
  std::string label;
  Duration timeout = std::chrono::hours(1);
  OnTimeout on_timeout = OnTimeout::kLeave;
  std::string key;
};

// What became of one transfer or removal, without the others of its task.
struct Done {
  tasks::TaskId task_id;
  std::uint64_t files = 0;  // moved; 0 if all was there already, or the service does not tell
  ByteCount bytes = 0;
};

// A handle; copies share one state. Safe for concurrent calls. The calls to the service need the
// DataTasks it came from; afterwards they answer kCancelled.
class DataTask {
 public:
  Future<Done> future() const;
  // Nothing before it was submitted.
  std::optional<tasks::TaskId> task_id() const;
  // What keeps the service from answering, if it did not the last time; asked again until it does.
  std::string trouble() const;
  // As the service has it now. kConflict before it was submitted.
  Result<tasks::Task> progress() const;
  // The files of this transfer alone that are proven at the target so far.
  Result<std::vector<tasks::SuccessfulTransfer>> files() const;
  // Of a task of its own: asks the service to cancel it, and the future ends when it has. Of a
  // shared task: the future ends at once and the task goes on for the others, files of this one
  // included; the last one that is cancelled so takes the task with it. Before it was submitted, it
  // never is.
  void cancel() const;

  class Entry;
  explicit DataTask(std::shared_ptr<Entry> entry);

 private:
  std::shared_ptr<Entry> entry_;
};

// Safe for concurrent calls. Ends its thread when destroyed; futures that wait then end with
// kCancelled, and their tasks go on. That thread completes the futures: what is chained to them
// must not block it for long, nor destroy the DataTasks.
class DataTasks {
 public:
  struct Parts {
    tasks::TransferService& service;  // all outlive it
    Clock& clock;
    Random& random;
    std::string owner;
    // Keeps the id of a submission for the keys of what it carries, in that order, before it is
    // sent; durable when it returns. Its error fails the futures, and nothing is sent. What was
    // held back by others in its task goes again without them, under another id. May be empty.
    std::function<Result<void>(const tasks::SubmissionId&, const std::vector<std::string>& keys)>
        record;
  };
  struct Options {
    // How long the first transfer of a task waits for others that may share it. 0: none shares.
    Duration window = std::chrono::milliseconds(50);
    // Looks at waiting tasks: more often at first, and this often once that did not help. 0: the
    // service is in this process, where a look costs nothing: what is short is always seen soon.
    double looks_per_second = 1.8;
  };

  static std::unique_ptr<DataTasks> create(Parts parts, Options options);
  virtual ~DataTasks() = default;

  // Never block for the service: what is wrong with a request, its future tells.
  virtual DataTask transfer(const Transfer& transfer) = 0;
  virtual DataTask remove(const Removal& removal) = 0;

  // After a crash: what was recorded under that id, the same in the same order. If the service has
  // the submission, its task is taken up again; else it is submitted now.
  virtual std::vector<DataTask> resubmit_transfers(const tasks::SubmissionId& id,
                                                   const std::vector<Transfer>& transfers) = 0;
  virtual DataTask resubmit_removal(const tasks::SubmissionId& id, const Removal& removal) = 0;
};

// For chains, where the handle is not needed.
inline Future<Done> transfer(DataTasks& tasks, const Transfer& transfer) {
  return tasks.transfer(transfer).future();
}
inline Future<Done> remove(DataTasks& tasks, const Removal& removal) {
  return tasks.remove(removal).future();
}

}  // namespace wherry::flow
