// SPDX-License-Identifier: Apache-2.0
#include "sync/types.h"

namespace wherry::sync {

std::string_view to_string(Deletions deletions) {
  switch (deletions) {
    case Deletions::kKeep:
      return "keep";
    case Deletions::kPropagate:
      return "propagate";
    case Deletions::kArchive:
      return "archive";
  }
  return "";
}

Result<Deletions> parse_deletions(std::string_view text) {
  for (const auto value : {Deletions::kKeep, Deletions::kPropagate, Deletions::kArchive}) {
    if (text == to_string(value)) return value;
  }
  return make_error(Code::kInvalid, "deletions '{}': use keep, propagate or archive", text);
}

std::string_view to_string(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kAdded:
      return "added";
    case ChangeKind::kModified:
      return "modified";
    case ChangeKind::kAttributes:
      return "attributes";
    case ChangeKind::kTypeChanged:
      return "type changed";
    case ChangeKind::kRemoved:
      return "removed";
    case ChangeKind::kRenamed:
      return "renamed";
    case ChangeKind::kNotQuiet:
      return "not quiet yet";
    case ChangeKind::kDelayed:
      return "delayed";
  }
  return "";
}

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::kScan:
      return "scan";
    case Phase::kPlan:
      return "plan";
    case Phase::kPrepare:
      return "prepare";
    case Phase::kTransfer:
      return "transfer";
    case Phase::kDelete:
      return "delete";
    case Phase::kSave:
      return "save";
  }
  return "";
}

std::string_view to_string(PassEnd end) {
  switch (end) {
    case PassEnd::kDone:
      return "done";
    case PassEnd::kIncomplete:
      return "incomplete";
    case PassEnd::kStopped:
      return "stopped";
    case PassEnd::kFailed:
      return "failed";
  }
  return "";
}

}  // namespace wherry::sync
