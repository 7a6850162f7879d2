// SPDX-License-Identifier: Apache-2.0
// What syncs remember in the state database: definitions, the history of passes, the submissions of
// a pass that runs, and which files failed when. (What the target holds is in the catalog.)
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/database.h"
#include "sync/types.h"

namespace wherry::sync {

std::span<const Migration> sync_migrations();

// One transfer or delete task of a pass. The row is stored before the request is sent, so that
// after a crash the same request goes out again under the same id.
struct Submission {
  std::uint64_t sequence = 0;  // within the pass
  enum class Kind { kClear, kCopy, kCheck, kDelete } kind = Kind::kCopy;
  std::uint64_t first = 0;  // ordinal of the journal at which its items begin
  std::uint64_t count = 0;  // of items
  tasks::SubmissionId submission_id;
  tasks::TaskId task_id;  // empty until the service has answered
};

// How far the single operations have come that go before the transfers. They cannot be told from
// their effects any more once files have been copied.
struct Preparation {
  bool is_done = false;
  std::vector<std::uint64_t> failed_renames;  // indices into Journal::renames()
};

struct Failure {
  std::string path;
  int attempts = 0;
  TimePoint next_try;
  std::string message;
};

// A row of history; `ended` is missing while the pass runs (or when it died).
struct PassRecord {
  PassReport report;
  std::optional<TimePoint> ended;
  bool full = false;  // looked at every file
  Preparation preparation;
};

// Safe for concurrent calls.
class Store {
 public:
  // `database` outlives it and is migrated with sync_migrations().
  explicit Store(Database& database) : database_(database) {}

  Result<void> add(const SyncDefinition& definition);     // kAlreadyExists
  Result<void> update(const SyncDefinition& definition);  // kNotFound
  Result<void> remove(std::string_view name);             // with history; kNotFound
  Result<SyncDefinition> get(std::string_view name);      // kNotFound names the nearest
  Result<std::vector<SyncDefinition>> list();             // sorted by name

  // Begins the next pass; what an older one left unfinished counts as ended.
  Result<std::uint64_t> begin_pass(std::string_view sync, const PassRecord& record);
  // Stores how a pass ended, with the failures that it leaves, and forgets its submissions.
  Result<void> end_pass(std::string_view sync, const PassRecord& record,
                        std::span<const Failure> failed, std::span<const std::string> recovered);
  Result<std::vector<PassRecord>> history(std::string_view sync, std::size_t limit);
  // The pass that was begun and has not ended, if any.
  Result<std::optional<PassRecord>> unfinished_pass(std::string_view sync);
  // When the last pass began that looked at every file and ended well.
  Result<std::optional<TimePoint>> last_full_pass(std::string_view sync);

  Result<std::vector<Submission>> submissions(std::string_view sync, std::uint64_t pass);
  Result<void> put_submission(std::string_view sync, std::uint64_t pass,
                              const Submission& submission);

  Result<void> put_preparation(std::string_view sync, std::uint64_t pass,
                               const Preparation& preparation);

  Result<std::vector<Failure>> failures(std::string_view sync);

 private:
  Database& database_;
};

}  // namespace wherry::sync
