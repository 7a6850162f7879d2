// SPDX-License-Identifier: Apache-2.0
// The directories into which a posix storage is writing just now. Small files are bound by the
// system calls around them, so the temporaries of one directory share one descriptor of it, and
// name themselves relative to that.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/file.h"
#include "base/path.h"
#include "base/thread_annotations.h"
#include "storage/posix_root.h"

namespace wherry::storage {

// A file system in which temporaries are outstanding, for syncfs. The kernel tells a descriptor
// only of failures since it was opened, and each failure once. Hence one descriptor, opened before
// the first write and shared by all who flush; and whoever learns of a failure tells the others by
// counting it here: a temporary from before a failure may be the one that was lost.
struct FileSystem {
  dev_t device = 0;
  UniqueFd fd;  // invalid where nothing in the directory may be opened: flush file by file
  std::atomic<std::uint64_t> failures{0};

  Result<void> flush();
};

struct OpenDirectory {
  OpenDirectory(RelPath path, UniqueFd fd, std::atomic<int>& live);
  ~OpenDirectory() { --live_; }
  OpenDirectory(const OpenDirectory&) = delete;
  OpenDirectory& operator=(const OpenDirectory&) = delete;

  RelPath path;
  UniqueFd fd;
  dev_t device = 0;
  ino_t inode = 0;
  std::shared_ptr<FileSystem> file_system;

 private:
  std::atomic<int>& live_;
};

// Safe for concurrent calls. Outlives what it hands out.
class PosixDirectories {
 public:
  explicit PosixDirectories(const PosixRoot& root);

  // The directory, shared with whoever holds it already.
  Result<std::shared_ptr<OpenDirectory>> acquire(const RelPath& path);
  // Whether so many are held that one should be given back and acquired again later: a process may
  // have only so many descriptors, and a thousand files may wait in as many directories.
  bool crowded() const { return live_ > limit_; }
  // The sole right to a name in a directory, until give_back() has the key: two paths may name one
  // directory. Nothing if somebody has it.
  using NameKey = std::uint64_t;
  std::optional<NameKey> take(const OpenDirectory& directory, std::string_view name);
  void give_back(NameKey key);
  // kConflict if the path names another directory by now: what was written went elsewhere. Others
  // that acquire it get the new one.
  Result<void> check_still_there(const OpenDirectory& directory);
  // Makes names durable.
  Result<void> flush(std::span<const RelPath> directories);

 private:
  std::shared_ptr<FileSystem> file_system_of(const OpenDirectory& directory) REQUIRES_LOCK(mutex_);
  void forget_unused() REQUIRES_LOCK(mutex_);

  const PosixRoot& root_;
  const int limit_;
  std::atomic<int> live_{0};
  std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<OpenDirectory>> directories_ GUARDED_BY(mutex_);
  std::map<dev_t, std::weak_ptr<FileSystem>> file_systems_ GUARDED_BY(mutex_);
  std::unordered_set<NameKey> taken_ GUARDED_BY(mutex_);
  std::size_t forget_at_ GUARDED_BY(mutex_) = 256;
};

// Up to how many things are flushed one by one, which does not wait for what others write. Beyond,
// one flush of the whole file system is faster (reference: a tenth of the cost of 20,000 single
// flushes).
constexpr std::size_t kFlushSingly = 8;

}  // namespace wherry::storage
