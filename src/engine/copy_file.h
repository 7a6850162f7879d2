// SPDX-License-Identifier: Apache-2.0
// Copies the content of one file to a temporary beside its target, verified and finished: the first
// half of invariant 2. The second half, under which it gets its name, is group_commit.h.
#pragma once

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/thread_annotations.h"
#include "engine/runner.h"
#include "engine/types.h"

namespace wherry::engine {

// The temporaries at the target that wait for a later attempt. Safe for concurrent calls.
class KeptTemporaries {
 public:
  void add(RelPath temporary);
  void remove(const RelPath& temporary);
  std::vector<RelPath> all() const;

 private:
  mutable std::mutex mutex_;
  std::set<RelPath> temporaries_ GUARDED_BY(mutex_);
};

// What all copies of a run share. Outlives the copiers.
struct CopyEnvironment {
  storage::Storage& source;
  storage::Storage& target;
  const TransferOptions& options;
  const RunLimits& limits;
  std::string owner;
  bool recovering = false;
  Progress& progress;
  // Asked between the parts of a large file; true when the copy shall end.
  std::function<bool()> interrupted;
  std::atomic<bool> may_clone{true};  // until the target says that it cannot
  KeptTemporaries kept{};
};

struct CopiedFile {
  std::unique_ptr<storage::TemporaryFile> file;  // finished, not yet flushed
  bool was_there = false;  // the target holds the same content already: there is no file
  ByteCount bytes = 0;
  std::string checksum;  // XXH3-128 in hex; empty when nothing was read
};

// For one thread at a time; keeps its buffers from file to file.
class FileCopier {
 public:
  explicit FileCopier(CopyEnvironment& environment);

  // kConflict when the source keeps changing, kCorrupt when the target does not hold what was
  // written or the content does not meet the item's checksum, kCancelled after a stop. `attempt`
  // counts from 1. After a failure nothing is left at the target, except what a later attempt at a
  // large file can build on.
  wherry::Result<CopiedFile> copy(const Operation& operation, int attempt);

  // Of the last failure.
  Side failed_side() const { return side_; }
  bool failed_checksum_of_item() const { return failed_checksum_of_item_; }

 private:
  using Buffer = std::unique_ptr<char[]>;
  struct Content {
    ByteCount bytes = 0;
    std::string checksum;
    std::string item_checksum;  // by the item's own algorithm, if it names one
  };
  class Hashes;

  wherry::Result<CopiedFile> copy_as_seen(const Operation& operation, storage::ReadFile& source,
                                          const storage::Attributes& seen, int attempt);
  wherry::Result<std::unique_ptr<storage::TemporaryFile>> create(const Operation& operation,
                                                                 const storage::Attributes& seen,
                                                                 int attempt);
  wherry::Result<bool> clone(const Operation& operation, storage::TemporaryFile& file);
  wherry::Result<Content> transfer(const Operation& operation, storage::ReadFile& source,
                                   storage::TemporaryFile& file, ByteCount size);
  // Whether the temporary holds these bytes already, left by an earlier run.
  wherry::Result<bool> holds(storage::TemporaryFile& file, ByteCount offset,
                             std::span<const char> bytes);
  // Whether the target holds at [begin, end) what has the XXH3-128 checksum `expected`.
  wherry::Result<void> verify(storage::TemporaryFile& file, ByteCount begin, ByteCount end,
                              const std::string& expected);
  wherry::Result<void> check_item_checksum(const Operation& operation, const Content& content);
  wherry::Result<void> finish(storage::TemporaryFile& file, const Operation& operation,
                              const storage::Attributes& seen);
  wherry::Result<std::optional<Content>> same_at_target(const Operation& operation);
  std::uint32_t final_mode(const storage::Attributes& seen) const;
  // Large enough that a later attempt may go on with what is there.
  bool is_resumable(ByteCount size) const { return size > environment_.limits.range_bytes; }
  void keep_after(const Error& error, const Operation& operation, ByteCount size,
                  storage::TemporaryFile& file) const;
  RelPath temporary_of(const Operation& operation) const;

  CopyEnvironment& environment_;
  Buffer buffer_;
  Buffer second_;  // what is compared with the first
  Side side_ = Side::kSource;
  bool failed_checksum_of_item_ = false;
};

}  // namespace wherry::engine
