// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "base/path.h"

namespace wherry {
namespace {

struct Meaning {
  Code code;
  Retry retry;
};

Meaning meaning_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return {Code::kNotFound, Retry::kNever};
    case ENOTDIR:
    case EISDIR:
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EILSEQ:
      return {Code::kInvalid, Retry::kNever};
    case EEXIST:
    case ENOTEMPTY:
      return {Code::kAlreadyExists, Retry::kNever};
    case EACCES:
    case EPERM:
    case EROFS:
    case EXDEV:
      return {Code::kDenied, Retry::kAfterUser};
    case ENOSPC:
    case EDQUOT:
      return {Code::kNoSpace, Retry::kAfterUser};
    case EOPNOTSUPP:
    case ENOSYS:
    case EFBIG:  // of this file system, or for this process: more room would not help
      return {Code::kUnsupported, Retry::kNever};
    case ETXTBSY:
    case EBUSY:
      return {Code::kConflict, Retry::kLater};
    case ETIMEDOUT:
      return {Code::kTimeout, Retry::kLater};
    case EBADF:
    case EFAULT:
      return {Code::kBug, Retry::kNever};
    default:
      return {Code::kUnavailable, Retry::kLater};
  }
}

std::string parent_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return errno_error(errno, fmt::format("open '{}'", escape_bytes(path)));
  return fd;
}

Result<void> write_new_file(const std::string& path, std::string_view bytes, mode_t mode) {
  TRY_ASSIGN(const UniqueFd fd, open_file(path, O_WRONLY | O_CREAT | O_EXCL, mode));
  return write_fully(fd.get(), bytes, 0);
}

bool is_directory(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

Error errno_error(int error_number, std::string_view what) {
  const Meaning meaning = meaning_of(error_number);
  std::string reason = std::generic_category().message(error_number);
  if (!reason.empty())
    reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
  return Error{meaning.code, meaning.retry, fmt::format("{}: {}", what, reason)};
}

void UniqueFd::reset() {
  if (fd_ >= 0)
    ::close(fd_);  // nothing to do on failure: data was flushed before, or is not wanted
  fd_ = -1;
}

Result<std::string> read_file(const std::string& path, ByteCount limit) {
  TRY_ASSIGN(const UniqueFd fd, open_file(path, O_RDONLY));
  std::string bytes;
  for (;;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + 65536);
    TRY_ASSIGN(const std::size_t count,
               read_fully(fd.get(), std::span(bytes).subspan(before), before), "read '{}'",
               escape_bytes(path));
    bytes.resize(before + count);
    if (bytes.size() > limit) {
      return make_error(Code::kInvalid,
                        "'{}' is larger than the {} bytes that are read of such a file",
                        escape_bytes(path), limit);
    }
    if (count < 65536) return bytes;
  }
}

Result<void> durable_write_file(const std::string& path, std::string_view bytes, mode_t mode) {
  static std::atomic<unsigned> count = 0;  // two threads may write the same file
  const std::string temporary = fmt::format("{}.{}.{}.tmp", path, ::getpid(), ++count);
  ::unlink(temporary.c_str());  // of a process that died and had our pid; it may have another mode
  auto written = write_new_file(temporary, bytes, mode);
  if (written) written = durable_rename(temporary, path);
  if (written) return {};
  ::unlink(temporary.c_str());
  return std::move(written).error().with_context(fmt::format("write '{}'", escape_bytes(path)));
}

Result<void> durable_rename(const std::string& from, const std::string& to) {
  {
    TRY_ASSIGN(const UniqueFd fd, open_file(from, O_RDONLY));
    if (::fsync(fd.get()) != 0)
      return errno_error(errno, fmt::format("flush '{}'", escape_bytes(from)));
  }
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return errno_error(errno,
                       fmt::format("rename '{}' to '{}'", escape_bytes(from), escape_bytes(to)));
  }
  return sync_directory(parent_directory(to));
}

Result<void> sync_directory(const std::string& path) {
  TRY_ASSIGN(const UniqueFd fd, open_file(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0)
    return errno_error(errno, fmt::format("flush '{}'", escape_bytes(path)));
  return {};
}

Result<void> make_directories(const std::string& path, mode_t mode) {
  int failure = ::mkdir(path.c_str(), mode) == 0 ? 0 : errno;
  if (failure == ENOENT && parent_directory(path) != path) {
    TRY(make_directories(parent_directory(path), mode));
    failure = ::mkdir(path.c_str(), mode) == 0 ? 0 : errno;
  }
  // Also when somebody else makes the same directories meanwhile, and when `path` ends in a slash.
  if (failure == 0 || (failure == EEXIST && is_directory(path))) return {};
  return errno_error(failure, fmt::format("make directory '{}'", escape_bytes(path)));
}

Result<void> write_fully(int fd, std::span<const char> bytes, ByteCount offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, fmt::format("write at byte {}", offset));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<ByteCount>(count);
  }
  return {};
}

Result<std::size_t> read_fully(int fd, std::span<char> buffer, ByteCount offset) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t count =
        ::pread(fd, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, fmt::format("read at byte {}", offset + done));
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  TRY_ASSIGN(const UniqueFd fd, open_file(path, O_RDONLY));
  struct stat status;
  if (::fstat(fd.get(), &status) != 0)
    return errno_error(errno, fmt::format("stat '{}'", escape_bytes(path)));
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return MappedFile(nullptr, 0);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return errno_error(errno, fmt::format("map '{}'", escape_bytes(path)));
  return MappedFile(static_cast<const char*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);  // NOLINT: munmap takes no const
}

std::string home_directory() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return home;
  const passwd* entry = ::getpwuid(::getuid());
  return entry != nullptr ? entry->pw_dir : "/";
}

}  // namespace wherry
