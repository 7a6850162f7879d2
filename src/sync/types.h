// SPDX-License-Identifier: Apache-2.0
// The words of syncing: what a sync is, what a pass may be asked, what it answers.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "base/result.h"
#include "base/types.h"
#include "tasks/types.h"

namespace wherry::sync {

// A directory at an endpoint.
struct Place {
  tasks::EndpointId endpoint;
  RelPath path;
  // The same directory on this host, if it is there although the service does not know; read
  // directly then. Absolute; empty: as TransferService::host_directory() says.
  std::string host = {};
  friend bool operator==(const Place&, const Place&) = default;
};

// What happens at the target to what has gone from the source.
enum class Deletions {
  kKeep,       // it stays
  kPropagate,  // it is deleted
  kArchive,    // it is moved into kArchiveDirectory/<label of the pass>/
};
inline constexpr std::string_view kArchiveDirectory = ".wherry-archive";

std::string_view to_string(Deletions deletions);  // "keep", "propagate", "archive"
Result<Deletions> parse_deletions(std::string_view text);

struct SyncDefinition {
  std::string name;  // letters, digits, '-', '_' and '.'; at most 64 bytes
  Place source;
  Place target;
  Duration every{0};  // between full scans of a watched sync, 0: as `cron` says, or the default
  std::string cron;   // five fields, in local time; empty if unused
  Duration settle = std::chrono::seconds(10);  // how long a file must be left alone before it goes
  Deletions deletions = Deletions::kKeep;
  double max_delete = 50;  // percent of the catalog's files; more than that stops a pass
  engine::SymlinkPolicy symlinks = engine::SymlinkPolicy::kIgnore;
  std::vector<engine::FilterRule> filters;
  std::string label_pattern = "AUTO_%Y-%m-%d_%H%M%S";  // strftime(3), in local time
  std::size_t batch_size = 20'000;                     // files of one transfer task
  engine::Verify verify = engine::Verify::kChecksum;
  bool preserve_mtime = true;
  bool renames = true;             // renames at the target what was renamed at the source
  bool trust_directories = false;  // a directory with unchanged times is not looked into ...
  Duration full_every = std::chrono::hours(24);  // ... except by one pass in this time
  bool paused = false;
  std::string service;  // "globus" or an address, where the endpoints are; empty: here
  TimePoint created;

  friend bool operator==(const SyncDefinition&, const SyncDefinition&) = default;
};

// What a pass found of one name, or means to do about it.
enum class ChangeKind : std::uint8_t {
  kAdded,
  kModified,    // size, time, inode or symlink target differ
  kAttributes,  // only ctime or mode differ: sent only if the content proves different
  kTypeChanged,
  kRemoved,
  kRenamed,   // was `from`
  kNotQuiet,  // changed within the settle time: left for a later pass
  kDelayed,   // failed before, and its time to be tried again has not come
};
std::string_view to_string(ChangeKind kind);  // "added", ...

struct Change {
  ChangeKind kind = ChangeKind::kAdded;
  std::string path;  // relative to the source's directory
  std::string from;  // of kRenamed
  bool is_directory = false;
  ByteCount size = 0;
};

struct PassOptions {
  bool dry_run = false;              // find the changes and tell them, do nothing
  bool allow_deletions = false;      // whatever share of the files is gone
  std::optional<double> max_delete;  // in place of the definition's
  bool full = false;                 // look at every file, whatever the definition trusts
  // Looks only into these directories (and into new ones below); null: everywhere.
  const std::vector<RelPath>* only_directories = nullptr;
  // Files that earlier partial passes found gone since the last one over everything: the brake
  // counts them too, so that a tree is not deleted in small steps.
  std::uint64_t gone_before = 0;
  std::size_t threads = 2;  // of the scan; more pay on cold or networked storage
  // Told each change, in the order of paths. May be empty.
  std::function<void(const Change&)> on_change;
};

enum class Phase { kScan, kPlan, kPrepare, kTransfer, kDelete, kSave };
inline constexpr std::size_t kPhases = 6;
std::string_view to_string(Phase phase);

// Something that a pass could not do, for a person to read.
struct Problem {
  std::string path;
  std::string message;
};
inline constexpr std::size_t kMaxProblems = 100;  // listed; all are counted

struct Counts {
  std::uint64_t directories = 0;  // looked into
  std::uint64_t files = 0;        // seen
  std::uint64_t added = 0;        // files and symlinks; likewise below
  std::uint64_t modified = 0;
  std::uint64_t attributes = 0;
  std::uint64_t renamed = 0;  // operations; a renamed directory is one
  std::uint64_t removed = 0;  // files that are gone and were not renamed
  std::uint64_t directories_made = 0;
  std::uint64_t not_quiet = 0;
  std::uint64_t delayed = 0;
  std::uint64_t links_skipped = 0;
  std::uint64_t specials_skipped = 0;  // devices, pipes, sockets
  std::uint64_t unreadable = 0;        // directories; their content stays as it was known
  std::uint64_t failed = 0;            // changes that did not reach the target
  ByteCount bytes = 0;                 // of the added and modified

  friend bool operator==(const Counts&, const Counts&) = default;
};

enum class PassEnd {
  kDone,        // nothing failed
  kIncomplete,  // something failed; it is due again
  kStopped,     // the brake: nothing was done
  kFailed,      // could not go on: `message`
};
std::string_view to_string(PassEnd end);

struct PassReport {
  std::uint64_t number = 0;  // of the pass, from 1; 0 for a dry run
  std::string label;
  PassEnd end = PassEnd::kDone;
  std::string message;   // why it did not end well, and what to do
  bool resumed = false;  // finished a pass that had died
  TimePoint started;
  Counts counts;
  std::array<Duration, kPhases> seconds{};
  std::vector<tasks::TaskId> tasks;
  std::vector<Problem> problems;
  // When the first of the files that were left out will be quiet, and in which directories they
  // are.
  std::optional<TimePoint> quiet_at;
  std::vector<RelPath> unquiet_directories;
};

}  // namespace wherry::sync
