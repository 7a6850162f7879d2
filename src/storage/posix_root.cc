// SPDX-License-Identifier: Apache-2.0
#include "storage/posix_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <deque>
#include <optional>

#include "storage/symlink_walk.h"

namespace wherry::storage {
namespace {

// openat2 gives EAGAIN when something was renamed anywhere while it walked a "..".
constexpr int kRaceAttempts = 32;

int openat2(int directory, const std::string& path, int flags, int resolve) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = static_cast<unsigned>(resolve);
  const char* text = path.empty() ? "." : path.c_str();
  for (int attempt = 1;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, directory, text, &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno == EINTR || (errno == EAGAIN && attempt < kRaceAttempts)) continue;
    return -1;
  }
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += '/';
    text += part;
  }
  return text;
}

// What of the absolute path `target` lies below the absolute path `root`; nothing if it is outside.
std::optional<std::string_view> below(std::string_view target, std::string_view root) {
  if (root == "/") return target.substr(1);
  if (!target.starts_with(root)) return std::nullopt;
  target.remove_prefix(root.size());
  if (target.empty()) return target;
  if (target.front() != '/') return std::nullopt;
  return target.substr(1);
}

Error leaves_root(const RelPath& path, std::string_view link, std::string_view target) {
  return make_error(
      Code::kDenied,
      "'{}' leaves the endpoint's root through the symlink '{}', which points to '{}'",
      escape_bytes(path.text()), escape_bytes(link), escape_bytes(target));
}

// `directory` as an absolute path without trailing slashes, its symlinks untouched.
std::string absolute(const std::string& directory) {
  std::string path = directory;
  if (path.empty() || path.front() != '/') {
    char* here = ::getcwd(nullptr, 0);
    path = std::string(here != nullptr ? here : "") + '/' + path;
    std::free(here);  // NOLINT: getcwd allocates with malloc
  }
  return '/' + join(path_components(path));
}

}  // namespace

Error path_error(int error_number, std::string_view doing, const RelPath& path) {
  const std::string name = path.is_root() ? "/" : escape_bytes(path.text());
  return errno_error(error_number, fmt::format("{} '{}'", doing, name));
}

Attributes attributes_of(const struct stat& status) {
  const auto time = [](const timespec& t) {
    return TimePoint(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
  };
  Attributes a;
  a.type = S_ISREG(status.st_mode)   ? EntryType::kFile
           : S_ISDIR(status.st_mode) ? EntryType::kDirectory
           : S_ISLNK(status.st_mode) ? EntryType::kSymlink
                                     : EntryType::kOther;
  a.mode = status.st_mode & 07777U;
  if (a.type == EntryType::kFile || a.type == EntryType::kSymlink)
    a.size = static_cast<ByteCount>(status.st_size);
  a.mtime = time(status.st_mtim);
  a.ctime = time(status.st_ctim);
  a.inode = status.st_ino;
  a.owner_id = status.st_uid;
  a.group_id = status.st_gid;
  return a;
}

timespec to_timespec(TimePoint time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  timespec result{};
  result.tv_sec = static_cast<time_t>(seconds.time_since_epoch().count());
  result.tv_nsec = static_cast<long>((time - seconds).count());
  return result;
}

Result<std::string> read_link(int directory, const std::string& name) {
  char buffer[PATH_MAX];  // the kernel makes no longer target
  const ssize_t length = ::readlinkat(directory, name.c_str(), buffer, sizeof buffer);
  if (length < 0) return errno_error(errno, "read symlink");
  return std::string(buffer, static_cast<std::size_t>(length));
}

PosixRoot::PosixRoot(UniqueFd fd, std::string directory, std::string given)
    : fd_(std::move(fd)), directory_(std::move(directory)), given_directory_(std::move(given)) {}

Result<PosixRoot> PosixRoot::open(const std::string& directory) {
  const std::string what = fmt::format("open directory '{}'", escape_bytes(directory));
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == EACCES)
    fd = UniqueFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error(errno, what);

  char* real = ::realpath(directory.c_str(), nullptr);
  if (real == nullptr) return errno_error(errno, what);
  std::string real_path(real);
  std::free(real);  // NOLINT: realpath allocates with malloc

  const UniqueFd probe(openat2(fd.get(), "", O_PATH, RESOLVE_BENEATH));
  if (!probe && (errno == ENOSYS || errno == EPERM)) {
    return make_error(Code::kUnsupported,
                      "{}: the kernel has no openat2 (Linux 5.6), which keeps paths in the "
                      "directory; in a container, let its seccomp profile allow it",
                      what);
  }
  return PosixRoot(std::move(fd), std::move(real_path), absolute(directory));
}

Result<PosixRoot> PosixRoot::open_root(const RelPath& directory) const {
  TRY_ASSIGN(UniqueFd fd, open_directory(directory));
  const std::string base = given_directory_ == "/" ? "" : given_directory_;
  // Where it really is, which only absolute symlinks into it ask for.
  auto real = read_link(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd.get()));
  TRY(real, "find the directory '{}'", escape_bytes(directory.text()));
  std::string given = directory.is_root() ? given_directory_ : base + '/' + directory.text();
  return PosixRoot(std::move(fd), *std::move(real), std::move(given));
}

bool PosixRoot::is_in_place() const {
  struct stat opened;
  struct stat now;
  return ::fstat(fd_.get(), &opened) == 0 && ::stat(given_directory_.c_str(), &now) == 0 &&
         opened.st_dev == now.st_dev && opened.st_ino == now.st_ino;
}

int PosixRoot::resolve_flags() const {
  // From the machine's own root nothing is outside; the kernel may follow absolute symlinks itself.
  const int scope = directory_ == "/" ? RESOLVE_IN_ROOT : RESOLVE_BENEATH;
  return scope | RESOLVE_NO_MAGICLINKS;
}

Result<UniqueFd> PosixRoot::open_path(const RelPath& path, int flags) const {
  UniqueFd fd(openat2(fd_.get(), path.text(), flags, resolve_flags()));
  if (fd) return fd;
  // EXDEV: an absolute symlink, or a way out. EAGAIN: renames kept racing with a "..".
  if (errno == EXDEV || errno == EAGAIN) return open_resolved(path, flags);
  return path_error(errno, "open", path);
}

Result<UniqueFd> PosixRoot::open_directory(const RelPath& path) const {
  auto fd = open_path(path, O_RDONLY | O_DIRECTORY);
  if (!fd && fd.error().code == Code::kDenied) return open_path(path, O_PATH | O_DIRECTORY);
  return fd;
}

Result<UniqueFd> PosixRoot::open_resolved(const RelPath& path, int flags) const {
  const auto last = (flags & O_NOFOLLOW) != 0 ? Storage::Follow::kNo : Storage::Follow::kYes;
  for (int attempt = 0; attempt < kRaceAttempts; ++attempt) {
    TRY_ASSIGN(const std::string resolved, resolve(path, last));
    UniqueFd fd(openat2(fd_.get(), resolved, flags, resolve_flags() | RESOLVE_NO_SYMLINKS));
    if (fd) return fd;
    if (errno != ELOOP) return path_error(errno, "open", path);  // ELOOP: a symlink came meanwhile
  }
  return Error{
      Code::kConflict, Retry::kLater,
      fmt::format("open '{}': its symlinks change all the time", escape_bytes(path.text()))};
}

// The path without symlinks to which `path` leads. Only a hint, as others may change the tree
// meanwhile: the caller opens it with RESOLVE_NO_SYMLINKS.
Result<std::string> PosixRoot::resolve(const RelPath& path, Storage::Follow last) const {
  const std::vector<std::string> start = path_components(path.text());
  std::deque<std::string> left(start.begin(), start.end());
  std::vector<std::string> done;
  std::string via = path.text();
  std::string via_target;
  int symlinks = 0;
  while (!left.empty()) {
    const std::string part = std::move(left.front());
    left.pop_front();
    if (part == "..") {
      if (done.empty()) return leaves_root(path, via, via_target);
      done.pop_back();
      continue;
    }
    done.push_back(part);
    if (left.empty() && last == Storage::Follow::kNo) break;
    const std::string here = join(done);
    const UniqueFd fd(
        openat2(fd_.get(), here, O_PATH | O_NOFOLLOW, resolve_flags() | RESOLVE_NO_SYMLINKS));
    if (!fd &&
        errno == ELOOP) {  // a symlink came meanwhile: the caller's open meets it and retries
      done.insert(done.end(), left.begin(), left.end());
      return join(done);
    }
    if (!fd) return path_error(errno, "open", path);
    struct stat status;
    if (::fstat(fd.get(), &status) != 0) return path_error(errno, "stat", path);
    if (!S_ISLNK(status.st_mode)) continue;
    if (++symlinks > kMaxSymlinks) return path_error(ELOOP, "open", path);
    TRY_ASSIGN(via_target, read_link(fd.get(), ""), "open '{}'", escape_bytes(path.text()));
    via = here;
    TRY_ASSIGN(const auto parts, components_of_link(path, here, via_target));
    left.insert(left.begin(), parts.begin(), parts.end());
    if (via_target.starts_with('/')) {
      done.clear();
    } else {
      done.pop_back();
    }
  }
  return join(done);
}

// The components that the symlink `link` puts in its place: from the root on if `target` is
// absolute, else from the link's directory on. kDenied if it points outside.
Result<std::vector<std::string>> PosixRoot::components_of_link(const RelPath& path,
                                                               const std::string& link,
                                                               const std::string& target) const {
  if (!target.starts_with('/')) return path_components(target);
  for (const std::string& root : {directory_, given_directory_}) {
    if (const auto inside = below(target, root)) return path_components(*inside);
  }
  return leaves_root(path, link, target);
}

}  // namespace wherry::storage
