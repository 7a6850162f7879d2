// SPDX-License-Identifier: Apache-2.0
// The journal of a pass: what the scan found different from the catalog, and what is to be done
// about it. It is complete and durable before anything is sent, so that a pass that dies is
// finished from it by the next one: the same decisions, the same batches under the same submission
// ids. Memory holds 16 bytes a changed directory and one byte a change; the rest stays in the file.
// docs/formats/journal.md has the layout.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "catalog/reader.h"

namespace wherry::sync {

// What the scan found of one name.
enum class EntryState : std::uint8_t {
  kAdded,
  kModified,
  kAttributes,
  kTypeChanged,
  kRemoved,    // its observation is the catalog's
  kForgotten,  // in the catalog, but excluded now: it is no longer followed, and not deleted
  kNotQuiet,   // new or changed within the settle time; the catalog keeps what it has
  kDirectoryAttributes,  // a directory's mode or inode changed: recorded, nothing to send
  kDoubted,              // a directory that the target may not have any more
};

struct JournalEntry {
  EntryState state = EntryState::kAdded;
  catalog::EntryType old_type = catalog::EntryType::kFile;  // of kTypeChanged
  catalog::Observation observation;
  std::string_view name;
  std::string_view symlink_target;
};

inline constexpr std::uint64_t kNowhere = UINT64_MAX;

// A directory that differs from the catalog: its own record, or entries, or both.
struct JournalDirectory {
  std::string_view path;
  std::uint64_t position =
      kNowhere;  // of the directory in the catalog that the entries differ from
  catalog::Observation observation;
  bool can_trust = false;   // its times were old enough when it was listed
  bool unreadable = false;  // nothing is known of it now; it has no entries
  std::uint32_t entry_count = 0;
};

// What is done about an entry; set by the plan (plan.h).
enum class Action : std::uint8_t {
  kNothing,        // the catalog keeps what it has
  kRecord,         // the catalog takes it as it is, nothing to send
  kMakeDirectory,  // made, at the latest when a file in it is copied
  kCopy,
  kCheck,   // copied if the content differs
  kRename,  // comes by a Rename
  kMoved,   // goes by a Rename
  kDelete,
  kArchive,
  kDelayed,  // failed before and has to wait
};
// Of an entry that takes the place of something of another type: that is removed first.
inline constexpr std::uint8_t kClearFirst = 0x80;
inline Action action_of(std::uint8_t decision) {
  return static_cast<Action>(decision & ~kClearFirst);
}

struct Rename {
  std::string from;
  std::string to;
  bool is_directory = false;
  ByteCount size = 0;                // of a file
  std::uint64_t added = kNowhere;    // ordinal of the entry that appeared
  std::uint64_t removed = kNowhere;  // and of the one that went, if it has one
};

// Walks the entries of one directory of a journal.
class EntryCursor {
 public:
  EntryCursor(std::string_view bytes, std::uint32_t count) : rest_(bytes), left_(count) {}
  bool next(JournalEntry& entry);

 private:
  std::string_view rest_;
  std::uint32_t left_;
};

class Journal {
 public:
  // A sealed journal. kNotFound if there is none, kCorrupt if it is damaged.
  static Result<std::unique_ptr<Journal>> open(const std::string& path);

  std::uint64_t pass() const { return pass_; }
  // Identifies the catalog that the entries differ from (catalog_identity in pass.cc).
  std::uint64_t base() const { return base_; }
  std::size_t directory_count() const { return index_.size(); }
  JournalDirectory directory(std::size_t i) const;  // in RelPath's order
  EntryCursor entries(std::size_t i) const;
  std::uint64_t first_ordinal(std::size_t i) const { return index_[i].first_ordinal; }
  // The directory that holds the entry with this ordinal.
  std::size_t directory_of(std::uint64_t ordinal) const;
  std::optional<std::size_t> find(std::string_view path) const;
  // The first directory that is not before `path` in RelPath's order.
  std::size_t lower_bound(std::string_view path) const;

  std::uint64_t entry_count() const { return decisions_.size(); }
  std::uint8_t decision(std::uint64_t ordinal) const { return decisions_[ordinal]; }
  Action action(std::uint64_t ordinal) const { return action_of(decisions_[ordinal]); }
  // Whether anything is to be sent or recorded.
  bool has_actions() const;
  // Whether anything is to be renamed, or put out of the way of something else.
  bool moves_things() const;
  const std::vector<Rename>& renames() const { return renames_; }

  // For the plan, before sealing.
  void decide(std::uint64_t ordinal, std::uint8_t decision) { decisions_[ordinal] = decision; }
  void add_rename(Rename rename) { renames_.push_back(std::move(rename)); }

 private:
  friend class JournalWriter;
  struct IndexEntry {
    std::uint64_t offset = 0;
    std::uint64_t first_ordinal = 0;
  };
  explicit Journal(MappedFile file) : file_(std::move(file)) {}
  Result<void> load();

  MappedFile file_;
  std::uint64_t pass_ = 0;
  std::uint64_t base_ = 0;
  std::vector<IndexEntry> index_;
  std::vector<std::uint8_t> decisions_;
  std::vector<Rename> renames_;
};

// Collects the findings of a scan in a file beside the catalog. add() may be called by several
// threads.
class JournalWriter {
 public:
  // The file "<path>.tmp" is made only when there is something to write.
  explicit JournalWriter(std::string path) : path_(std::move(path)) {}
  ~JournalWriter();  // removes the file unless sealed

  Result<void> add(const JournalDirectory& directory, std::span<const JournalEntry> entries);
  bool empty() const;

  // What was added so far, sorted; every decision is kNothing. Of two records of one directory the
  // later counts.
  Result<std::unique_ptr<Journal>> view();
  // Appends the plan and makes the file durable under its name.
  struct Identity {
    std::uint64_t pass = 0;
    std::uint64_t base = 0;
  };
  Result<void> seal(const Journal& plan, const Identity& identity);

 private:
  Result<void> flush_locked() REQUIRES_LOCK(mutex_);
  Result<void> write_locked(std::string_view bytes) REQUIRES_LOCK(mutex_);
  std::string temporary() const { return path_ + ".tmp"; }

  std::string path_;
  mutable std::mutex mutex_;
  UniqueFd fd_ GUARDED_BY(mutex_);
  std::string buffer_ GUARDED_BY(mutex_);
  std::uint64_t written_ GUARDED_BY(mutex_) = 0;
  std::vector<std::uint64_t> offsets_ GUARDED_BY(mutex_);
  bool sealed_ = false;
};

}  // namespace wherry::sync
