// SPDX-License-Identifier: Apache-2.0
// Whether the target still holds what the catalog says, and how to get a catalog back that was
// lost.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "sync/pass.h"
#include "sync/types.h"

namespace wherry::sync {

struct VerifyReport {
  std::uint64_t files = 0;  // compared
  std::uint64_t links = 0;
  ByteCount bytes = 0;        // read on each side
  bool by_content = false;    // otherwise by size and time: a side cannot be read from here
  std::uint64_t changed = 0;  // at the source since the last pass: due anyway, not compared
  std::uint64_t differing = 0;
  std::uint64_t missing = 0;  // at the target
  std::uint64_t unreadable = 0;
  std::vector<Problem> problems;  // at most kMaxProblems

  bool is_good() const { return differing + missing + unreadable == 0; }
};

// Reads both sides of everything that the catalog holds. Changes nothing. kNotFound before the
// first pass.
Result<VerifyReport> verify_sync(const PassParts& parts, const SyncDefinition& definition,
                                 std::size_t threads, std::stop_token stop);

struct RebuildReport {
  std::uint64_t directories = 0;
  std::uint64_t confirmed = 0;  // files and symlinks that the target has with size and time
  std::uint64_t due = 0;        // the others: the next pass sends them
};

// Replaces the catalog by one made from both sides: what the target has with the size and time that
// it has at the source counts as confirmed. kConflict while the sync runs; kUnsupported if it does
// not preserve times.
Result<RebuildReport> rebuild_sync(const PassParts& parts, const SyncDefinition& definition,
                                   std::stop_token stop);

}  // namespace wherry::sync
