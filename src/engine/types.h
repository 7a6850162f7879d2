// SPDX-License-Identifier: Apache-2.0
// The words of moving data: items, options, operations, outcomes. Plain data; the meaning of each
// field is the Globus Transfer contract's where that has one (docs/architecture.md, glossary).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/path.h"
#include "base/result.h"
#include "base/types.h"
#include "storage/storage.h"

namespace wherry::engine {

// When a file that exists at the target is copied all the same (Globus: sync_level; kAlways: null).
enum class SyncLevel {
  kAlways,
  kMissing,   // 0: only if the target does not exist
  kSize,      // 1: or its size differs
  kNewer,     // 2: or its size differs or the source's mtime is later
  kChecksum,  // 3: or its content differs
};

// What happens to symlinks that are met while recursing (Globus: recursive_symlinks).
enum class SymlinkPolicy {
  kIgnore,  // reported as skipped
  kKeep,    // the link itself is made again
  kCopy,    // what it points to is copied; a link to a directory above itself is an error
};
std::string_view to_string(SymlinkPolicy policy);  // "ignore", "keep", "copy"
Result<SymlinkPolicy> parse_symlink_policy(std::string_view text);

// The first rule that matches a name decides; a name that none matches is included. An excluded
// directory is not entered.
struct FilterRule {
  enum class Method { kInclude, kExclude } method = Method::kExclude;
  std::string pattern;  // fnmatch: * ? [a-z] [!a-z], on the last component
  enum class Applies {
    kAll,
    kFiles,
    kDirectories
  } applies = Applies::kAll;  // kFiles: all but directories

  friend bool operator==(const FilterRule&, const FilterRule&) = default;
};

enum class Verify {
  kSize,      // the target's size
  kChecksum,  // size and XXH3-128 of what was read at the source against what is read at the target
};

enum class Durability {
  kFlush,    // invariant 2: on stable storage before it counts as done
  kNoFlush,  // left to the operating system, for scratch data
};

struct ExternalChecksum {
  HashAlgorithm algorithm = HashAlgorithm::kMd5;
  std::string digest;  // hex
  friend bool operator==(const ExternalChecksum&, const ExternalChecksum&) = default;
};

// One line of a transfer request.
struct TransferItem {
  enum class Kind { kPath, kSymlink } kind = Kind::kPath;  // kSymlink: make the link itself again
  RelPath source;
  RelPath target;
  enum class Recursion { kDetect, kYes, kNo } recursion = Recursion::kDetect;
  std::optional<ExternalChecksum> checksum;  // of a file, to be met by its content

  friend bool operator==(const TransferItem&, const TransferItem&) = default;
};

struct TransferOptions {
  SyncLevel sync_level = SyncLevel::kAlways;
  Verify verify = Verify::kChecksum;
  Durability durability = Durability::kFlush;
  SymlinkPolicy symlinks = SymlinkPolicy::kIgnore;
  std::vector<FilterRule> filters;
  bool preserve_mtime = false;  // of files
  bool preserve_mode = true;    // permission bits, where the target keeps them
  bool delete_extra =
      false;  // remove at the target what the source does not have (recursive items)
  bool skip_source_errors = false;  // a source that is missing or denied is reported, not a failure
  bool fail_on_quota_errors = false;  // target full: end at once, instead of waiting for space

  friend bool operator==(const TransferOptions&, const TransferOptions&) = default;
};

struct DeleteItem {
  RelPath path;
  friend bool operator==(const DeleteItem&, const DeleteItem&) = default;
};

struct DeleteOptions {
  bool recursive = false;  // needed for directories
  bool ignore_missing = false;
  bool interpret_globs = false;  // in the last component; a backslash takes the next byte literally
  friend bool operator==(const DeleteOptions&, const DeleteOptions&) = default;
};

enum class OperationKind { kMakeDirectory, kCopyFile, kMakeSymlink, kRemove };

enum class Side { kSource, kTarget };

// One file, directory or symlink of an expanded item: the unit that is copied, verified, retried
// and reported.
struct Operation {
  OperationKind kind = OperationKind::kCopyFile;
  std::uint64_t item = 0;          // ordinal in the request
  RelPath below;                   // path below the item's source; empty for the item itself
  RelPath source;                  // in the source storage
  RelPath target;                  // in the target storage
  storage::Attributes attributes;  // of the source, as the plan saw them
  std::string symlink_target;
  std::optional<ExternalChecksum> checksum;
  // Why the plan settled it already: up to date, a symlink to ignore, or an error.
  enum class Settled { kNo, kUpToDate, kIgnored, kFailed } settled = Settled::kNo;
  std::optional<Error> error;  // of kFailed
  Side side = Side::kSource;   // where that error happened
  // What follows when source and target hold the same bytes already: the worker compares them
  // first, unless it is kCopy.
  enum class IfSame {
    kCopy,      // nobody asks
    kUpToDate,  // the sync level asks
    kDone,      // an earlier run may have moved the file without living to record it
  } if_same = IfSame::kCopy;
};

struct Outcome {
  enum class Result { kDone, kUpToDate, kIgnored, kSkippedError, kFailed } result = Result::kDone;
  OperationKind kind = OperationKind::kCopyFile;
  std::uint64_t item = 0;
  RelPath below;
  RelPath source;
  RelPath target;
  ByteCount bytes = 0;   // moved
  std::string checksum;  // XXH3-128 of the content in hex, where it was computed
  std::optional<Error> error;
  Side side = Side::kSource;  // where the error happened
  int attempts = 1;
};

}  // namespace wherry::engine
