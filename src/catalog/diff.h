// SPDX-License-Identifier: Apache-2.0
// Compares what a directory looked like with what it looks like. Pure: no storage, no clock.
#pragma once

#include <cstdint>
#include <span>

#include "catalog/reader.h"

namespace wherry::catalog {

// Which fields of two entries of one name differ: a set of bits.
using Fields = std::uint32_t;
constexpr Fields kTypeField = 1;
constexpr Fields kSizeField = 2;
constexpr Fields kMtimeField = 4;
constexpr Fields kCtimeField = 8;
constexpr Fields kInodeField = 16;
constexpr Fields kModeField = 32;
constexpr Fields kTargetField = 64;

// An inode or ctime of 0 means that the storage has none, and differs from nothing. Of directories
// only type, mode and inode are compared: size, mtime and ctime follow what they contain, which is
// compared by itself.
Fields differing_fields(const Entry& before, const Entry& now);

enum class Change : std::uint8_t {
  kNone,
  kAdded,           // was not there
  kRemoved,         // is not there any more
  kTypeChanged,     // e.g. a file where a directory was
  kModified,        // the content may differ: size, mtime, inode or symlink target do
  kAttributesOnly,  // only ctime or mode differ, or the inode of a directory
};

// What the fields that differ mean for an entry of type `type` (now).
Change classify(EntryType type, Fields fields);

struct Difference {
  Change change = Change::kNone;  // never kNone in diff()
  Fields fields = 0;              // of kTypeChanged, kModified and kAttributesOnly
  const Entry* before = nullptr;  // null if added
  const Entry* now = nullptr;     // null if removed
};

// Calls visit(const Difference&) for each entry that is not the same, in the order of names. Both
// sides are sorted by name bytes, without doubles. Unchanged entries cost one comparison.
template <class Visit>
void diff(std::span<const Entry> before, std::span<const Entry> now, Visit visit) {
  std::size_t b = 0;
  std::size_t n = 0;
  while (b < before.size() || n < now.size()) {
    const int order = b == before.size() ? 1
                      : n == now.size()  ? -1
                                         : before[b].name.compare(now[n].name);
    if (order < 0) {
      visit(Difference{Change::kRemoved, 0, &before[b++], nullptr});
    } else if (order > 0) {
      visit(Difference{Change::kAdded, 0, nullptr, &now[n++]});
    } else {
      const Fields fields = differing_fields(before[b], now[n]);
      if (fields != 0) {
        visit(Difference{classify(now[n].observation.type, fields), fields, &before[b], &now[n]});
      }
      ++b;
      ++n;
    }
  }
}

}  // namespace wherry::catalog
