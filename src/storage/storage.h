// SPDX-License-Identifier: Apache-2.0
// A storage: one place that holds named bytes. The engine copies between any two of them.
//
// Safe for concurrent calls. Calls never retry (retrying.h does) and never follow a symlink out of
// the storage's root. Paths are relative to the root and in normal form. Unless a sentence says
// otherwise, an operation follows symlinks in the directories of its path, and not one that the
// last component names. Errors carry the path that failed. Of all operations: kNotFound if a
// directory on the way is missing, kInvalid if it is no directory or a name is too long, kDenied if
// a symlink on the way leaves the storage. A storage outlives the files that it opened.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/path.h"
#include "base/result.h"
#include "base/types.h"

namespace wherry::storage {

using wherry::EntryType;

// What a storage knows of one name. A field that the traits say is not kept is zero.
struct Attributes {
  EntryType type = EntryType::kFile;
  std::uint32_t mode = 0;  // permission bits, 07777
  ByteCount size = 0;      // of a file; of a symlink, the length of its target
  TimePoint mtime;
  TimePoint ctime;          // last change of data or attributes, by the storage's own clock
  std::uint64_t inode = 0;  // identity within one file system while the thing exists
  std::uint32_t owner_id = 0;
  std::uint32_t group_id = 0;

  friend bool operator==(const Attributes&, const Attributes&) = default;
};

struct Entry {
  std::string name;
  Attributes attributes;       // of the link itself, for a symlink
  std::string symlink_target;  // empty unless a symlink

  friend bool operator==(const Entry&, const Entry&) = default;
};

// Facts about a storage, so that the engine asks "can you?" and never "which are you?".
struct Traits {
  bool atomic_replace = false;  // commit() swaps old content for new with nothing between
  bool durable = false;         // flush() reaches stable storage
  bool symlinks = false;
  bool modes = false;           // keeps permission bits
  bool mtimes = false;          // keeps a modification time that is set
  Duration mtime_precision{1};  // of kept times
  bool inodes = false;          // inode and ctime are meaningful
  bool sparse = false;          // holes are kept, next_data() finds them
  bool case_sensitive = true;
  std::size_t max_connections = 64;  // how many operations may usefully run at once
};

enum class Visit { kContinue, kStop };

// An open file, for ranged reads; keeps reading the same content when the name is replaced. For one
// thread at a time.
class ReadFile {
 public:
  virtual ~ReadFile() = default;
  // Fills `buffer` from `offset`; fewer bytes only at end of file.
  virtual Result<std::size_t> read(ByteCount offset, std::span<char> buffer) = 0;
  // As they are now, of the open file.
  virtual Result<Attributes> attributes() = 0;
  // The first run of data at or after `offset`; nothing when only a hole is left. Storages that do
  // not know answer one run to the end.
  struct Extent {
    ByteCount offset = 0;
    ByteCount length = 0;
  };
  virtual Result<std::optional<Extent>> next_data(ByteCount offset) = 0;
};

// Content in the making, under a temporary name beside its target. Destroying it before commit()
// removes the temporary, unless keep() was called. write() may be called by several threads for
// disjoint ranges; everything else is for one thread at a time.
class TemporaryFile {
 public:
  virtual ~TemporaryFile() = default;
  virtual const RelPath& target() const = 0;
  // Bytes that an earlier, kept temporary of the same name left.
  virtual ByteCount existing_size() const = 0;
  // Fastest where the storage holds no cache: from 512 KiB on, with `offset` and the address of
  // `bytes` at multiples of 4096. `bytes` are all written or the call fails. Writing beyond the end
  // leaves a hole.
  virtual Result<void> write(ByteCount offset, std::span<const char> bytes) = 0;
  // Reads back what was written, from wherever it now is.
  virtual Result<std::size_t> read(ByteCount offset, std::span<char> buffer) = 0;
  struct Finish {
    ByteCount size = 0;                 // the final size: cuts, or extends with a hole
    std::optional<std::uint32_t> mode;  // permission bits; as it was created, if nothing
    std::optional<TimePoint> mtime;
  };
  // Declares the content complete. Afterwards only flush, commit, keep and destruction are allowed.
  virtual Result<void> finish(const Finish& finish) = 0;
  // Leaves the temporary in place for a later run to resume. Afterwards only destruction is
  // allowed.
  virtual void keep() = 0;
};

struct CreateTemporary {
  RelPath target;
  std::string temporary_name;   // a name in target's directory; see temporary_name()
  std::uint32_t mode = 0600;    // of the new file, exactly (no umask)
  ByteCount expected_size = 0;  // helps the storage to choose how to write; may prove wrong
  // Of a temporary that an earlier run left; kResume takes it only if nobody else can have put
  // bytes into it.
  enum class Existing { kTruncate, kResume } existing = Existing::kTruncate;
};

enum class Replace { kNo, kYes };

class Storage {
 public:
  virtual ~Storage() = default;
  virtual const Traits& traits() const = 0;

  // Calls `visit` once per entry of `directory`, sorted by name bytes, until it returns kStop. What
  // is removed meanwhile may be left out. The visitor may call the storage.
  // kNotFound if it does not exist, kInvalid if it is no directory; an empty one is success with no
  // calls. Follows a symlink that `directory` names.
  virtual Result<void> list(const RelPath& directory,
                            const std::function<Visit(const Entry&)>& visit) = 0;
  enum class Follow { kNo, kYes };
  virtual Result<Entry> stat(const RelPath& path, Follow follow) = 0;
  // Follows a symlink that `path` names. kInvalid if it is no regular file.
  virtual Result<std::unique_ptr<ReadFile>> open_read(const RelPath& path) = 0;
  // Writing. Protocol (invariant 2): create_temporary, write, finish, then for a group of files:
  // flush(all), commit(each), flush_directories(their parents).
  virtual Result<std::unique_ptr<TemporaryFile>> create_temporary(
      const CreateTemporary& request) = 0;
  // Makes the content of finished temporaries durable. An error is of all of them: none may be
  // committed as durable.
  virtual Result<void> flush(std::span<TemporaryFile* const> files) = 0;
  // Gives the file its final name, replacing a file or symlink of that name (kAlreadyExists for a
  // directory). Not durable before flush_directories.
  virtual Result<void> commit(TemporaryFile& file) = 0;
  // Makes names in these directories durable.
  virtual Result<void> flush_directories(std::span<const RelPath> directories) = 0;

  // Removes a kept or orphaned temporary, or any other file or symlink. kNotFound if there is none,
  // kInvalid for a directory.
  virtual Result<void> remove_file(const RelPath& path) = 0;
  // kAlreadyExists if it is not empty.
  virtual Result<void> remove_directory(const RelPath& path) = 0;
  // Makes one directory with exactly that mode (a set-group-id bit is inherited); its parent must
  // exist. kAlreadyExists if the name is taken.
  virtual Result<void> make_directory(const RelPath& path, std::uint32_t mode) = 0;
  // Renames a file, directory or symlink. With Replace::kNo, kAlreadyExists if `to` exists. With
  // kYes a file or symlink replaces a file or symlink, and a directory an empty directory, in one
  // step; kAlreadyExists for anything else. kInvalid for a directory into itself.
  virtual Result<void> rename(const RelPath& from, const RelPath& to, Replace replace) = 0;
  // With Replace::kYes an existing file or symlink is swapped for the new one in one step.
  virtual Result<void> make_symlink(const RelPath& path, std::string_view target,
                                    Replace replace) = 0;

  struct SetAttributes {
    std::optional<std::uint32_t> mode;
    std::optional<TimePoint> mtime;
  };
  // Of a symlink itself only the mtime: kUnsupported with a mode.
  virtual Result<void> set_attributes(const RelPath& path, const SetAttributes& attributes) = 0;

  struct Space {
    ByteCount free = 0;
    ByteCount total = 0;
  };
  virtual Result<Space> space() = 0;

  // Optional: the storage computes a file's checksum where the bytes are. kUnsupported: the engine
  // reads the file instead.
  virtual Result<std::string> checksum(const RelPath& path, HashAlgorithm algorithm);
  // Optional: copies inside one file system without moving bytes (reflink). kUnsupported: the
  // engine copies. `file` is a fresh temporary of `this`.
  virtual Result<void> clone_from(Storage& source, const RelPath& path, TemporaryFile& file);
  // Optional: a storage whose root is this directory, and which nothing leads out of, nor out of
  // this one. What bounds this storage bounds both together. It may outlive this one. kNotFound or
  // kInvalid if there is no such directory; kUnsupported where the storage cannot confine.
  virtual Result<std::unique_ptr<Storage>> subdirectory(const RelPath& directory);
  // Optional: the directory of this host that is the root, for callers that watch or scan it
  // directly (sync).
  virtual std::optional<std::string> host_directory() const { return std::nullopt; }
  // Optional: whether what was opened is still what is found at its place: not removed, unmounted
  // or replaced by something else. Who opens anew then sees what is there now.
  virtual bool is_in_place() const { return true; }
};

// Names of temporaries: ".wherry-<owner>-<16 hex digits>", where the first 13 bytes of `owner` (48
// bits of a task id, say) let a later run find what a dead one left, and the digits hash the
// target's name, so that the same file gets the same temporary again. Never longer than 38 bytes:
// Linux keeps names below 40 with the entries of its directory cache (include/linux/dcache.h).
std::string temporary_name(std::string_view owner, const RelPath& target);
// Whether `name` is a temporary of `owner`; of anybody, if `owner` is empty.
bool is_temporary_name(std::string_view name, std::string_view owner);

}  // namespace wherry::storage
