// SPDX-License-Identifier: Apache-2.0
#include "sync/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/path.h"
#include "base/process.h"
#include "base/units.h"

namespace wherry::sync {

Result<SyncLock> SyncLock::take(const std::string& path, std::string_view sync,
                                const Clock& clock) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return errno_error(errno, fmt::format("open '{}'", escape_bytes(path)));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error(errno, fmt::format("lock '{}'", path));
    std::string holder(200, '\0');
    TRY_ASSIGN(const std::size_t size, read_fully(fd.get(), holder, 0));
    holder.resize(size);
    return Error{Code::kConflict, Retry::kLater,
                 fmt::format("sync '{}' is being run by {}; wait until it is done", sync,
                             holder.empty() ? "another process" : holder)};
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

}  // namespace wherry::sync
