// SPDX-License-Identifier: Apache-2.0
#include "sync/difference.h"

#include "catalog/diff.h"

namespace wherry::sync {

using catalog::Entry;
using catalog::EntryType;

namespace {

// As no file has it; 0 would stand for not known, and is what directories have.
constexpr std::int64_t kDisbelieved = -1;

}  // namespace

void disbelieve(Entry& entry) {
  entry.observation.mtime_ns = kDisbelieved;
  entry.observation.ctime_ns = 0;
  entry.observation.inode = 0;
}

std::optional<EntryState> difference(const Entry& before, const Entry& now) {
  const EntryType type = now.observation.type;
  const bool is_directory = type == EntryType::kDirectory;
  const catalog::Change change = catalog::classify(type, catalog::differing_fields(before, now));
  if (change == catalog::Change::kTypeChanged) return EntryState::kTypeChanged;
  if (is_directory && before.observation.mtime_ns == kDisbelieved) return EntryState::kDoubted;
  if (change == catalog::Change::kNone) return {};
  if (change == catalog::Change::kModified) return EntryState::kModified;
  return is_directory ? EntryState::kDirectoryAttributes : EntryState::kAttributes;
}

}  // namespace wherry::sync
