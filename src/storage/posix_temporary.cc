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

// From this size on a piece is worth being written out at once (docs/decisions/0006).
constexpr std::size_t kLargePiece = 512 << 10;
// Larger files give back each piece once it was read back, others all of them at the end.
constexpr ByteCount kCachedWhole = 16 << 20;
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
  // Unless it was never made.
  if (state_ != State::kWriting || fd_) {
    if (const auto at = directory()) ::unlinkat((*at)->fd.get(), name_.c_str(), 0);
  }
  give_name_back();
}

void PosixTemporary::give_name_back() {
  if (taken_) directories_.give_back(*taken_);
  taken_.reset();
}

Result<std::shared_ptr<OpenDirectory>> PosixTemporary::directory() {
  if (directory_) return directory_;
  return directories_.acquire(target_.parent());
}

Result<void> PosixTemporary::open(const CreateTemporary& request) {
  taken_ = directories_.take(*directory_, name_);
  if (!taken_) {
    return Error{Code::kConflict, Retry::kLater,
                 fmt::format("'{}' is being written just now, perhaps by another path to it",
                             escape_bytes(target_.text()))};
  }
  const bool resumed = request.existing == CreateTemporary::Existing::kResume && open_existing();
  if (!resumed) TRY(open_new());
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

// The kernel begins to write large pieces to the disk at once, so that the flush finds little to
// do.
Result<void> PosixTemporary::write(ByteCount offset, std::span<const char> bytes) {
  CHECK(state_ == State::kWriting && fd_);
  extend_to(offset + bytes.size());
  TRY(write_fully(fd_.get(), bytes, offset), "write '{}'", escape_bytes(target_.text()));
  if (bytes.size() >= kLargePiece) TRY(write_out(offset, bytes.size(), SYNC_FILE_RANGE_WRITE));
  return {};
}

Result<void> PosixTemporary::write_out(ByteCount offset, ByteCount size, unsigned how) {
  const int done =
      ::sync_file_range(fd_.get(), static_cast<off64_t>(offset), static_cast<off64_t>(size), how);
  // Where there is no such thing, the flush will have more to do.
  if (done == 0 || errno == ENOSYS || errno == EINVAL || errno == ESPIPE) return {};
  return path_error(errno, "write", target_);
}

// Pages that nobody needs any more are free for the next piece: memory that is in use already is
// much cheaper than more of it, and what other programs have cached stays.
Result<void> PosixTemporary::release_pages(ByteCount offset, ByteCount size) {
  constexpr unsigned kAll =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  TRY(write_out(offset, size, kAll));
  (void)::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(size),
                        POSIX_FADV_DONTNEED);
  return {};
}

// Of a file that is on the disk already. If it cannot be done, the kernel does it when it must.
void PosixTemporary::forget_pages(int directory) const {
  const std::string name(target_.name());
  const UniqueFd fd(
      ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (fd) (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
}

void PosixTemporary::extend_to(ByteCount end) {
  ByteCount before = end_;
  while (before < end && !end_.compare_exchange_weak(before, end)) {
  }
}

// Who reads back verifies, and will not ask for these bytes again.
Result<std::size_t> PosixTemporary::read(ByteCount offset, std::span<char> buffer) {
  CHECK(state_ == State::kWriting && fd_);
  TRY_ASSIGN(const std::size_t got, read_fully(fd_.get(), buffer, offset), "read back '{}'",
             escape_bytes(target_.text()));
  if (got >= kLargePiece && end_ > kCachedWhole) TRY(release_pages(offset, got));
  return got;
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
  if (end_ > kCachedWhole) TRY(release_pages(0, end_));
  TRY(close_writable());
  state_ = State::kFinished;
  if (directories_.crowded()) directory_.reset();
  return {};
}

// Network file systems report on closing what they could not write.
Result<void> PosixTemporary::close_writable() {
  if (::close(fd_.release()) != 0 && errno != EINTR) {
    const int error = errno;
    state_ = State::kFinished;  // so that the temporary is removed
    return path_error(error, "close", target_);
  }
  return {};
}

void PosixTemporary::keep() {
  CHECK(state_ != State::kCommitted);
  fd_.reset();
  state_ = State::kKept;
  give_name_back();
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
  give_name_back();
  if (end_ >= kLargePiece && end_ <= kCachedWhole) forget_pages(at->fd.get());
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
