// SPDX-License-Identifier: Apache-2.0
#include "catalog/diff.h"

namespace wherry::catalog {
namespace {

// Whether two numbers differ, where 0 stands for "not known".
template <class Number>
bool known_to_differ(Number a, Number b) {
  return a != b && a != 0 && b != 0;
}

}  // namespace

Fields differing_fields(const Entry& before, const Entry& now) {
  const Observation& a = before.observation;
  const Observation& b = now.observation;
  Fields fields = 0;
  if (a.type != b.type) fields |= kTypeField;
  if (a.mode != b.mode) fields |= kModeField;
  if (known_to_differ(a.inode, b.inode)) fields |= kInodeField;
  if (a.type == EntryType::kDirectory && b.type == EntryType::kDirectory) return fields;
  if (a.size != b.size) fields |= kSizeField;
  if (a.mtime_ns != b.mtime_ns) fields |= kMtimeField;
  if (known_to_differ(a.ctime_ns, b.ctime_ns)) fields |= kCtimeField;
  if (before.symlink_target != now.symlink_target) fields |= kTargetField;
  return fields;
}

Change classify(EntryType type, Fields fields) {
  if (fields == 0) return Change::kNone;
  if ((fields & kTypeField) != 0) return Change::kTypeChanged;
  if (type == EntryType::kDirectory) return Change::kAttributesOnly;
  constexpr Fields kContent = kSizeField | kMtimeField | kInodeField | kTargetField;
  return (fields & kContent) != 0 ? Change::kModified : Change::kAttributesOnly;
}

}  // namespace wherry::catalog
