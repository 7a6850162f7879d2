// SPDX-License-Identifier: Apache-2.0
#include "storage/posix_temporary.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/check.h"

namespace wherry::storage {
namespace {

// From this size on a file goes past the page cache: measured to be faster and above all steady
// from there, while the page cache's write-back swings by a factor of three.
constexpr ByteCount kDirectFrom = 512 << 10;
// What O_DIRECT wants of offsets, lengths and addresses. Some devices take less; whole pages also
// keep direct and buffered writes to one file apart.
constexpr std::size_t kAlignment = 4096;
constexpr std::size_t kSmallestDirect = 64 << 10;  // below, a synchronous write is not worth it
constexpr std::uint32_t kOwnerReadWrite = 0600;
constexpr std::uint32_t kSetIdBits = 06000;

}  // namespace

Result<std::unique_ptr<PosixTemporary>> PosixTemporary::create(PosixDirectories& directories,
                                                               const CreateTemporary& request) {
  TRY_ASSIGN(auto directory, directories.acquire(request.target.parent()));
  auto file = std::unique_ptr<PosixTemporary>(
      new PosixTemporary(directories, request, std::move(directory)));
  TRY(file->open(request));
  return file;
}

PosixTemporary::PosixTemporary(PosixDirectories& directories, const CreateTemporary& request,
                               std::shared_ptr<OpenDirectory> directory)
    : directories_(directories),
      target_(request.target),
      name_(request.temporary_name),
      wanted_mode_(request.mode & 07777U),
      directory_(std::move(directory)),
      file_system_(directory_->file_system),
      failures_before_(file_system_->failures) {}

PosixTemporary::~PosixTemporary() {
  if (state_ == State::kCommitted || state_ == State::kKept) return;
  if (state_ == State::kWriting && !fd_) return;  // it was never made
  if (const auto at = directory()) ::unlinkat((*at)->fd.get(), name_.c_str(), 0);
}

Result<std::shared_ptr<OpenDirectory>> PosixTemporary::directory() {
  if (directory_) return directory_;
  return directories_.acquire(target_.parent());
}

Result<void> PosixTemporary::open(const CreateTemporary& request) {
  const bool resumed = request.existing == CreateTemporary::Existing::kResume && open_existing();
  if (!resumed) TRY(open_new());
  if (request.expected_size >= kDirectFrom) open_direct();
  return {};
}

// Takes over what an earlier run left, if it is a plain file of our own; nobody else can have put
// bytes there, or can go on writing them under another name.
bool PosixTemporary::open_existing() {
  UniqueFd fd(::openat(directory_->fd.get(), name_.c_str(),
                       O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status;
  if (!fd || ::fstat(fd.get(), &status) != 0) return false;
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1 || status.st_uid != ::geteuid())
    return false;
  fd_ = std::move(fd);
  mode_ = status.st_mode & 07777U;
  existing_size_ = static_cast<ByteCount>(status.st_size);
  end_ = existing_size_;
  return true;
}

// Makes the file with its final mode, save that the owner can always read and write it: a kept
// temporary of a read-only file is to be resumed. finish() takes that away again.
Result<void> PosixTemporary::open_new() {
  const int at = directory_->fd.get();
  const std::uint32_t mode = wanted_mode_ | kOwnerReadWrite;
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  fd_ = UniqueFd(::openat(at, name_.c_str(), kFlags, mode));
  if (!fd_ && errno == EEXIST) {
    // An orphan, or a trap. Never written through: removed.
    if (::unlinkat(at, name_.c_str(), 0) != 0 && errno != ENOENT)
      return path_error(errno, "remove the old temporary of", target_);
    fd_ = UniqueFd(::openat(at, name_.c_str(), kFlags, mode));
  }
  if (!fd_) return path_error(errno, "create a temporary for", target_);
  struct stat status;
  if (::fstat(fd_.get(), &status) != 0) return path_error(errno, "stat the temporary of", target_);
  mode_ = status.st_mode & 07777U;  // less than asked for where umask or an ACL got in the way
  return {};
}

void PosixTemporary::open_direct() {
  direct_fd_ = UniqueFd(::openat(directory_->fd.get(), name_.c_str(),
                                 O_RDWR | O_DIRECT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat direct;
  struct stat buffered;
  direct_works_ = direct_fd_ && ::fstat(direct_fd_.get(), &direct) == 0 &&
                  ::fstat(fd_.get(), &buffered) == 0 && direct.st_dev == buffered.st_dev &&
                  direct.st_ino == buffered.st_ino;
}

bool PosixTemporary::use_direct(ByteCount offset, const char* buffer, std::size_t size) const {
  return direct_works_ && size >= kSmallestDirect && offset % kAlignment == 0 &&
         reinterpret_cast<std::uintptr_t>(buffer) % kAlignment == 0;
}

// Writes whole pages of `bytes` and answers how much that was; the rest is for the page cache.
Result<std::size_t> PosixTemporary::write_direct(ByteCount offset, std::span<const char> bytes) {
  const std::size_t whole = bytes.size() - bytes.size() % kAlignment;
  std::size_t done = 0;
  while (done < whole) {
    const ssize_t count = ::pwrite(direct_fd_.get(), bytes.data() + done, whole - done,
                                   static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EINVAL) {  // the file system takes the flag and refuses the write
      direct_works_ = false;
      break;
    }
    if (count < 0) return path_error(errno, "write", target_);
    done += static_cast<std::size_t>(count);
    if (static_cast<std::size_t>(count) % kAlignment != 0) break;  // a partial one: go on buffered
  }
  return done;
}

Result<void> PosixTemporary::write(ByteCount offset, std::span<const char> bytes) {
  CHECK(state_ == State::kWriting && fd_);
  extend_to(offset + bytes.size());
  if (use_direct(offset, bytes.data(), bytes.size())) {
    TRY_ASSIGN(const std::size_t done, write_direct(offset, bytes));
    offset += done;
    bytes = bytes.subspan(done);
  }
  TRY(write_fully(fd_.get(), bytes, offset), "write '{}'", escape_bytes(target_.text()));
  return {};
}

void PosixTemporary::extend_to(ByteCount end) {
  ByteCount before = end_;
  while (before < end && !end_.compare_exchange_weak(before, end)) {
  }
}

// A direct read comes from the medium and leaves no pages behind; the kernel writes back what the
// page cache holds of the range first.
Result<std::size_t> PosixTemporary::read(ByteCount offset, std::span<char> buffer) {
  CHECK(state_ == State::kWriting && fd_);
  const bool direct =
      use_direct(offset, buffer.data(), buffer.size()) && buffer.size() % kAlignment == 0;
  std::size_t done = 0;
  if (direct) {
    const ssize_t count =
        ::pread(direct_fd_.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (count > 0) done = static_cast<std::size_t>(count);
  }
  // Short at end of file, or refused: a buffered read tells which.
  TRY_ASSIGN(const std::size_t rest, read_fully(fd_.get(), buffer.subspan(done), offset + done),
             "read back '{}'", escape_bytes(target_.text()));
  return done + rest;
}

Result<void> PosixTemporary::finish(const Finish& finish) {
  CHECK(state_ == State::kWriting && fd_);
  if (finish.size != end_ && ::ftruncate(fd_.get(), static_cast<off_t>(finish.size)) != 0)
    return path_error(errno, "set the size of", target_);
  const std::uint32_t mode = finish.mode.value_or(wanted_mode_) & 07777U;
  // Writing takes the set-id bits away, so they are always set again.
  if ((mode != mode_ || (mode & kSetIdBits) != 0) && ::fchmod(fd_.get(), mode) != 0)
    return path_error(errno, "set the mode of", target_);
  if (finish.mtime) {
    const timespec times[2] = {{0, UTIME_OMIT}, to_timespec(*finish.mtime)};
    if (::futimens(fd_.get(), times) != 0) return path_error(errno, "set the mtime of", target_);
  }
  TRY(close_writable());
  state_ = State::kFinished;
  if (directories_.crowded()) directory_.reset();
  return {};
}

// Network file systems report on closing what they could not write.
Result<void> PosixTemporary::close_writable() {
  direct_fd_.reset();
  if (::close(fd_.release()) != 0 && errno != EINTR) {
    const int error = errno;
    state_ = State::kFinished;  // so that the temporary is removed
    return path_error(error, "close", target_);
  }
  return {};
}

void PosixTemporary::keep() {
  CHECK(state_ != State::kCommitted);
  direct_fd_.reset();
  fd_.reset();
  state_ = State::kKept;
}

Result<void> PosixTemporary::check_not_lost() const {
  if (file_system_->failures == failures_before_) return {};
  return make_error(Code::kUnavailable,
                    "'{}': the file system failed to flush while this file waited; write it again",
                    escape_bytes(target_.text()));
}

Result<void> PosixTemporary::flush() {
  CHECK(state_ == State::kFinished);
  TRY_ASSIGN(const auto at, directory());
  const UniqueFd fd(::openat(at->fd.get(), name_.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  // fsync, not fdatasync: the mtime that finish() set belongs to what is promised.
  if (!fd || ::fsync(fd.get()) != 0) return path_error(errno, "flush", target_);
  return {};
}

Result<void> PosixTemporary::commit() {
  CHECK(state_ == State::kFinished);
  TRY_ASSIGN(const auto at, directory());
  const std::string final_name(target_.name());
  if (::renameat(at->fd.get(), name_.c_str(), at->fd.get(), final_name.c_str()) != 0) {
    if (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST) errno = EEXIST;
    return path_error(errno, "commit", target_);
  }
  state_ = State::kCommitted;
  directory_.reset();
  return {};
}

Result<void> PosixTemporary::clone_from(int source, const RelPath& path) {
  CHECK(state_ == State::kWriting && fd_);
  struct stat status;
  if (::fstat(source, &status) != 0) return path_error(errno, "stat", path);
  if (::ioctl(fd_.get(), FICLONE, source) == 0) {
    end_ = static_cast<ByteCount>(status.st_size);
    // The source may have grown since: its size now is what was cloned.
    if (::fstat(fd_.get(), &status) == 0) end_ = static_cast<ByteCount>(status.st_size);
    return {};
  }
  if (errno == EOPNOTSUPP || errno == EXDEV || errno == EINVAL || errno == ENOTTY ||
      errno == ENOSYS || errno == EPERM) {
    return make_error(Code::kUnsupported, "'{}' cannot be cloned to '{}' by the file system",
                      escape_bytes(path.text()), escape_bytes(target_.text()));
  }
  return path_error(errno, "clone", path);
}

}  // namespace wherry::storage
