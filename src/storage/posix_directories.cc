// SPDX-License-Identifier: Apache-2.0
#include "storage/posix_directories.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/hash.h"

namespace wherry::storage {
namespace {

// Most directories that are held open at once: a quarter of what the process may open.
int most_open_directories() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 16;
  return static_cast<int>(std::clamp<rlim_t>(limit.rlim_cur / 4, 4, 256));
}

// A descriptor for syncfs, which does not take one that was opened with O_PATH. Where the directory
// itself cannot be read (a drop box), an unnamed file in it does.
UniqueFd open_for_flush(int directory) {
  UniqueFd fd(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) fd = UniqueFd(::openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  return fd;
}

Result<void> flush_whole(int fd) {
  if (::syncfs(fd) != 0) return errno_error(errno, "flush file system");
  return {};
}

}  // namespace

Result<void> FileSystem::flush() {
  auto done = flush_whole(fd.get());
  if (!done) ++failures;
  return done;
}

OpenDirectory::OpenDirectory(RelPath directory_path, UniqueFd directory_fd, std::atomic<int>& live)
    : path(std::move(directory_path)), fd(std::move(directory_fd)), live_(live) {
  ++live_;
}

PosixDirectories::PosixDirectories(const PosixRoot& root)
    : root_(root), limit_(most_open_directories()) {}

Result<std::shared_ptr<OpenDirectory>> PosixDirectories::acquire(const RelPath& path) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = directories_.find(path.text());
    if (known != directories_.end()) {
      if (auto directory = known->second.lock()) return directory;
    }
  }
  TRY_ASSIGN(UniqueFd fd, root_.open_directory(path));
  auto directory = std::make_shared<OpenDirectory>(path, std::move(fd), live_);
  struct stat status;
  if (::fstat(directory->fd.get(), &status) != 0) return path_error(errno, "stat", path);
  directory->device = status.st_dev;
  directory->inode = status.st_ino;

  const std::lock_guard lock(mutex_);
  auto& known = directories_[path.text()];
  if (auto other = known.lock()) return other;  // somebody was faster
  directory->file_system = file_system_of(*directory);
  known = directory;
  if (directories_.size() >= forget_at_) forget_unused();
  return directory;
}

std::shared_ptr<FileSystem> PosixDirectories::file_system_of(const OpenDirectory& directory) {
  auto& known = file_systems_[directory.device];
  auto file_system = known.lock();
  if (!file_system) {
    file_system = std::make_shared<FileSystem>();
    file_system->device = directory.device;
    file_system->fd = open_for_flush(directory.fd.get());
    known = file_system;
  }
  return file_system;
}

void PosixDirectories::forget_unused() {
  std::erase_if(directories_, [](const auto& entry) { return entry.second.expired(); });
  forget_at_ = std::max<std::size_t>(256, 2 * directories_.size());
}

// Should two names ever have one key, the later one waits as if it were the same.
std::optional<PosixDirectories::NameKey> PosixDirectories::take(const OpenDirectory& directory,
                                                                std::string_view name) {
  const std::array<std::uint64_t, 3> parts{directory.device, directory.inode, checksum64(name)};
  const NameKey key =
      checksum64(std::string_view(reinterpret_cast<const char*>(parts.data()), sizeof parts));
  const std::lock_guard lock(mutex_);
  if (!taken_.insert(key).second) return std::nullopt;
  return key;
}

void PosixDirectories::give_back(NameKey key) {
  const std::lock_guard lock(mutex_);
  taken_.erase(key);
}

Result<void> PosixDirectories::check_still_there(const OpenDirectory& directory) {
  const auto now = root_.open_path(directory.path, O_PATH | O_DIRECTORY);
  struct stat status;
  if (now && ::fstat(now->get(), &status) == 0 && status.st_dev == directory.device &&
      status.st_ino == directory.inode) {
    return {};
  }
  const std::lock_guard lock(mutex_);
  directories_.erase(directory.path.text());
  return Error{Code::kConflict, Retry::kLater,
               fmt::format("directory '{}' was moved or replaced while files were written into it",
                           escape_bytes(directory.path.text()))};
}

Result<void> PosixDirectories::flush(std::span<const RelPath> directories) {
  std::set<dev_t> flushed;
  for (const RelPath& path : directories) {
    TRY_ASSIGN(UniqueFd fd, root_.open_directory(path));
    struct stat status;
    if (::fstat(fd.get(), &status) != 0) return path_error(errno, "stat", path);
    if (flushed.contains(status.st_dev)) continue;
    const bool singly = directories.size() <= kFlushSingly;
    if (singly && ::fsync(fd.get()) == 0) continue;
    if (singly && errno != EBADF) return path_error(errno, "flush directory", path);
    const UniqueFd whole = open_for_flush(fd.get());  // EBADF: it cannot be read, only searched
    if (!whole && (errno == EACCES || errno == EROFS)) continue;  // nor written: no name is ours
    TRY(flush_whole(whole.get()), "flush directory '{}'", escape_bytes(path.text()));
    flushed.insert(status.st_dev);
  }
  return {};
}

}  // namespace wherry::storage
