// SPDX-License-Identifier: Apache-2.0
// Runs the plan of one task: pulls operations from the stream, copies with bounded workers, commits
// in groups, retries what may be retried, and hands outcomes to the caller. Knows no task id, user
// or network.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "engine/types.h"

namespace wherry::engine {

// Where items come from, in the order of their ordinals, page by page from the store. Called from
// one thread.
template <class Item>
class ItemSource {
 public:
  virtual ~ItemSource() = default;
  struct Numbered {
    std::uint64_t ordinal = 0;
    Item item;
  };
  // The next item, or nothing after the last.
  virtual wherry::Result<std::optional<Numbered>> next() = 0;
};

// What the runner tells while it runs. Calls come from several threads, one at a time.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  // Makes outcomes durable; they count from when this returns. An error ends the run.
  virtual wherry::Result<void> record(std::span<const Outcome> outcomes) = 0;
  // An operation failed and will be tried again, or a group could not be committed.
  virtual void fault(const Operation& operation, Side side, const Error& error) = 0;
  // Whether an earlier run recorded this operation as done. Asked only when `recovering`.
  virtual wherry::Result<bool> is_done(std::uint64_t item, const RelPath& below) = 0;
};

// Counters that anybody may read while the run goes on.
struct Progress {
  std::atomic<std::uint64_t> files_found{0};  // file operations that the plan has produced
  std::atomic<std::uint64_t> directories{0};
  std::atomic<std::uint64_t> symlinks{0};
  std::atomic<std::uint64_t> files_done{0};     // moved
  std::atomic<std::uint64_t> files_skipped{0};  // up to date or ignored
  std::atomic<std::uint64_t> skipped_errors{0};
  std::atomic<std::uint64_t> files_failed{0};
  std::atomic<std::uint64_t> removed{0};
  std::atomic<ByteCount> bytes_found{0};
  std::atomic<ByteCount> bytes_done{0};   // of committed files
  std::atomic<ByteCount> bytes_moved{0};  // also of files under way and of repeats
  std::atomic<ByteCount> bytes_checksummed{0};
  std::atomic<std::uint64_t> faults{0};
  std::atomic<bool> plan_complete{false};

  std::string current_file() const;
  void set_current_file(std::string_view path);

 private:
  mutable std::mutex mutex_;
  std::string current_file_;
};

struct RunLimits {
  std::size_t workers = 0;               // 0: as the storages and the machine suggest
  std::size_t queue = 1024;              // operations planned ahead
  ByteCount range_bytes = 64ULL << 20;   // files above it are copied in ranges that can resume
  ByteCount group_bytes = 128ULL << 20;  // a group commit closes at this many bytes,
  std::size_t group_files = 2048;        // this many files,
  Duration group_age = std::chrono::milliseconds(500);  // this age, or when nothing else waits
  int changed_source_attempts = 3;  // how often a file that changes under the copy is begun again
  Duration retry_base = std::chrono::milliseconds(200);
  Duration retry_longest = std::chrono::seconds(60);
  int retry_attempts = 0;  // 0: until the deadline
};

// How the run ended. The counts are in Progress.
enum class RunEnd {
  kCompleted,  // every operation has an outcome
  kStopped,    // the stop token; what is unfinished can be resumed
  kDeadline,   // what is unfinished was not done
  kNoSpace,    // the target is full: nothing more was begun
  kFatal,      // an external checksum did not match, or the observer failed: `error`
};

struct RunReport {
  RunEnd end = RunEnd::kCompleted;
  std::optional<Error> error;  // the first final failure, whatever the end
  std::uint64_t failed = 0;    // operations that failed for good
  // Left at the target for a later run of the same owner, which goes on with them. When there is to
  // be none, the caller removes them.
  std::vector<RelPath> kept;
};

struct RunContext {
  std::string owner;  // names the temporaries; the same after a restart (the task id)
  bool recovering =
      false;  // an earlier run of the same task may have left outcomes and temporaries
  TimePoint deadline = TimePoint::max();
  RunLimits limits;
  Clock& clock;
  Random& random;
  std::stop_token stop;
  // Asked before each file with its size; blocks (daily quotas) or answers at once. May be empty.
  std::function<wherry::Result<void>(ByteCount bytes, std::stop_token stop)> admit;
};

// Lent for the call: source, target, items, observer, progress. `source` and `target` may be the
// same storage. An Error is a failure to start; everything later is in the report.
wherry::Result<RunReport> run_transfer(storage::Storage& source, storage::Storage& target,
                                       ItemSource<TransferItem>& items,
                                       const TransferOptions& options, const RunContext& context,
                                       RunObserver& observer, Progress& progress);

wherry::Result<RunReport> run_delete(storage::Storage& storage, ItemSource<DeleteItem>& items,
                                     const DeleteOptions& options, const RunContext& context,
                                     RunObserver& observer, Progress& progress);

}  // namespace wherry::engine
