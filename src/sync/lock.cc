// SPDX-License-Identifier: Apache-2.0
#include "sync/lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/path.h"
#include "base/process.h"
#include "base/units.h"

namespace wherry::sync {
namespace {

// The whole file. Of the kinds of locks this one belongs to the open file: it also keeps out
// another pass in the same process, and can be asked about without being taken.
struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

Result<std::string> holder_text(int fd) {
  std::string text(200, '\0');
  TRY_ASSIGN(const std::size_t size, read_fully(fd, text, 0));
  text.resize(size);
  return text.empty() ? "another process" : text;
}

}  // namespace

Result<SyncLock> SyncLock::take(const std::string& path, std::string_view sync,
                                const Clock& clock) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return errno_error(errno, fmt::format("open '{}'", escape_bytes(path)));
  struct flock lock = whole_file();
  if (::fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES)
      return errno_error(errno, fmt::format("lock '{}'", escape_bytes(path)));
    TRY_ASSIGN(const std::string other, holder_text(fd.get()));
    return Error{Code::kConflict, Retry::kLater,
                 fmt::format("sync '{}' is being run by {}; wait until it is done", sync, other)};
  }
  // For the message above; the lock itself does not depend on it.
  const ProcessIdentity self = this_process();
  const std::string text =
      fmt::format("process {} on {} since {}", self.pid, self.host, format_time(clock.now()));
  TRY(write_fully(fd.get(), text, 0));
  if (::ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0)
    return errno_error(errno, fmt::format("write '{}'", escape_bytes(path)));
  return SyncLock(std::move(fd));
}

Result<std::optional<std::string>> SyncLock::holder(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) return std::optional<std::string>();
    return errno_error(errno, fmt::format("open '{}'", escape_bytes(path)));
  }
  struct flock lock = whole_file();
  if (::fcntl(fd.get(), F_OFD_GETLK, &lock) != 0)
    return errno_error(errno, fmt::format("look at the lock '{}'", escape_bytes(path)));
  if (lock.l_type == F_UNLCK) return std::optional<std::string>();
  TRY_ASSIGN(std::string text, holder_text(fd.get()));
  return std::optional<std::string>(std::move(text));
}

}  // namespace wherry::sync
