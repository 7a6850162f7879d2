// SPDX-License-Identifier: Apache-2.0
// What a pass does at the target by single operations rather than tasks: directories, renames, and
// moving into the archive. Every one can be repeated after a crash without harm.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>

#include "sync/batches.h"
#include "sync/journal.h"

namespace wherry::sync {

class TargetTree {
 public:
  // All outlive it.
  TargetTree(const PassContext& context, const Journal& journal, Outcome& outcome)
      : context_(context), journal_(journal), outcome_(outcome) {}

  // The target's own directory, with the missing ones above it.
  Result<void> make_root();
  // Moves directories and files out of the way of something of another type, where deletions are
  // not wanted; and symlinks that could not be deleted. An error if a symlink stays where a
  // directory belongs.
  Result<void> archive_in_the_way(const Preparation& preparation);
  // Directory renames, directories that no file will bring, then file renames. Those that
  // `preparation` knows to have failed in an earlier run of the pass are not tried again, and when
  // it is done, none is: files may have been copied since to where they were to go. New failures
  // are stored in it at once.
  Result<void> make_and_rename(Preparation& preparation);
  // After the transfers: directories of which no file arrived.
  Result<void> make_remaining();
  Result<void> archive_removed();

 private:
  enum class Directories { kEmpty, kAll };
  Result<void> make_directories(Directories which);
  enum class Which { kDirectories, kFiles };
  Result<void> rename_all(Which which, Preparation& preparation);
  Result<void> rename(const Rename& item);
  // Archives as `path` what is `there` now.
  Result<void> archive(const std::string& path, const std::string& there);
  Result<bool> is_out_of_the_way(const std::string& there, EntryType was);
  // Answers whether the directory is there; a failure is entered in the outcome.
  Result<void> ensure_directory(const RelPath& path);
  Result<void> ensure_way(const RelPath& path);
  Result<void> make_way(const std::string& path);
  bool is_link(const std::string& path) const;
  Error is_not_written_through(const std::string& path, const Error& error) const;
  bool has_copies(const std::string& path) const;
  bool has_confirmed(const std::string& path) const;

  const PassContext& context_;
  const Journal& journal_;
  Outcome& outcome_;
  std::optional<RelPath> absent_;  // a new directory that the target does not have yet
  // That could not be made at first. They may be there all the same, but not durably.
  std::unordered_set<std::string> unsure_;
};

}  // namespace wherry::sync
