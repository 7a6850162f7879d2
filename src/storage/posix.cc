// SPDX-License-Identifier: Apache-2.0
// The posix storage: a directory of this host. posix_root.h keeps every path inside of it,
// posix_temporary.h writes, posix_directories.h shares descriptors; here is the interface.
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <set>
#include <vector>

#include "base/check.h"
#include "storage/backends.h"
#include "storage/posix_directories.h"
#include "storage/posix_root.h"
#include "storage/posix_temporary.h"

namespace wherry::storage {
namespace {

constexpr std::size_t kChecksumBuffer = 1 << 20;

Error not_a_file(const RelPath& path) {
  return make_error(Code::kInvalid, "'{}' is not a regular file", escape_bytes(path.text()));
}

Error is_the_root(std::string_view doing) {
  return make_error(Code::kInvalid, "{}: the root of the storage itself is meant", doing);
}

class PosixReadFile : public ReadFile {
 public:
  PosixReadFile(UniqueFd fd, const struct stat& status, RelPath path)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        size_(static_cast<ByteCount>(status.st_size)),
        dense_(static_cast<ByteCount>(status.st_blocks) * 512 >= size_) {}

  Result<std::size_t> read(ByteCount offset, std::span<char> buffer) override {
    TRY_ASSIGN(const std::size_t count, read_fully(fd_.get(), buffer, offset), "read '{}'",
               escape_bytes(path_.text()));
    return count;
  }

  Result<Attributes> attributes() override {
    struct stat status;
    if (::fstat(fd_.get(), &status) != 0) return path_error(errno, "stat", path_);
    return attributes_of(status);
  }

  Result<std::optional<Extent>> next_data(ByteCount offset) override {
    // Most files have no hole: their blocks tell so without a call.
    if (dense_ && offset < size_) return std::optional(Extent{offset, size_ - offset});
    const off_t data = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return std::optional<Extent>();
    if (data < 0) return path_error(errno, "find data of", path_);
    const off_t hole = ::lseek(fd_.get(), data, SEEK_HOLE);
    if (hole < 0 && errno == ENXIO) return std::optional<Extent>();  // cut short meanwhile
    if (hole < 0) return path_error(errno, "find holes of", path_);
    return std::optional(Extent{static_cast<ByteCount>(data), static_cast<ByteCount>(hole - data)});
  }

 private:
  UniqueFd fd_;
  RelPath path_;
  ByteCount size_;
  bool dense_;
};

// What the file system under `fd` keeps. All but the FAT family keeps everything.
Traits traits_of(int fd) {
  constexpr long kExfatMagic = 0x2011BAB0;  // not yet in the headers of older systems
  Traits traits;
  traits.atomic_replace = true;
  traits.durable = true;
  traits.symlinks = true;
  traits.modes = true;
  traits.mtimes = true;
  traits.inodes = true;
  traits.sparse = true;
  struct statfs status;
  if (::fstatfs(fd, &status) != 0) return traits;
  if (status.f_type == MSDOS_SUPER_MAGIC || status.f_type == kExfatMagic) {
    traits.symlinks = traits.modes = traits.inodes = traits.sparse = traits.case_sensitive = false;
    traits.mtime_precision = std::chrono::seconds(2);
  }
  return traits;
}

class PosixStorage : public Storage {
 public:
  explicit PosixStorage(PosixRoot root)
      : root_(std::move(root)), directories_(root_), traits_(traits_of(root_.fd())) {}

  const Traits& traits() const override { return traits_; }
  Result<void> list(const RelPath& directory,
                    const std::function<Visit(const Entry&)>& visit) override;
  Result<Entry> stat(const RelPath& path, Follow follow) override;
  Result<std::unique_ptr<ReadFile>> open_read(const RelPath& path) override;
  Result<std::unique_ptr<TemporaryFile>> create_temporary(const CreateTemporary& request) override;
  Result<void> flush(std::span<TemporaryFile* const> files) override;
  Result<void> commit(TemporaryFile& file) override;
  Result<void> flush_directories(std::span<const RelPath> directories) override;
  Result<void> remove_file(const RelPath& path) override;
  Result<void> remove_directory(const RelPath& path) override;
  Result<void> make_directory(const RelPath& path, std::uint32_t mode) override;
  Result<void> rename(const RelPath& from, const RelPath& to, Replace replace) override;
  Result<void> make_symlink(const RelPath& path, std::string_view target, Replace replace) override;
  Result<void> set_attributes(const RelPath& path, const SetAttributes& attributes) override;
  Result<Space> space() override;
  Result<std::string> checksum(const RelPath& path, HashAlgorithm algorithm) override;
  Result<void> clone_from(Storage& source, const RelPath& path, TemporaryFile& file) override;
  Result<std::unique_ptr<Storage>> subdirectory(const RelPath& directory) override {
    TRY_ASSIGN(PosixRoot root, root_.open_root(directory));
    return std::make_unique<PosixStorage>(std::move(root));
  }
  std::optional<std::string> host_directory() const override { return root_.directory(); }
  bool is_in_place() const override { return root_.is_in_place(); }

 private:
  // A name in an open directory: what the *at() calls work on.
  struct Place {
    UniqueFd directory;
    std::string name;
  };
  Result<Place> place_of(const RelPath& path) const;
  Result<UniqueFd> open_file(const RelPath& path, struct stat& status) const;
  Result<void> check_directories(std::span<TemporaryFile* const> files);
  Result<void> replace_with_symlink(const Place& place, const RelPath& path,
                                    const std::string& target);

  PosixRoot root_;
  PosixDirectories directories_;
  const Traits traits_;
  std::mutex symlink_mutex_;  // the temporary name of a symlink is used by one thread at a time
};

// The engine hands back only what create_temporary() gave it.
PosixTemporary& posix_temporary(TemporaryFile& file) {
  auto* temporary = dynamic_cast<PosixTemporary*>(&file);
  CHECK(temporary != nullptr);
  return *temporary;
}

Result<PosixStorage::Place> PosixStorage::place_of(const RelPath& path) const {
  TRY_ASSIGN(UniqueFd directory, root_.open_path(path.parent(), O_PATH | O_DIRECTORY));
  return Place{std::move(directory), std::string(path.name())};
}

// Names first, then their attributes in sorted order: readdir's order is arbitrary.
Result<std::vector<std::string>> names_in(UniqueFd fd, const RelPath& directory) {
  DIR* stream = ::fdopendir(fd.get());
  if (stream == nullptr) return path_error(errno, "list", directory);
  (void)fd.release();  // closedir closes it
  std::vector<std::string> names;
  int error = 0;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream);  // NOLINT: the stream is this thread's alone
    if (entry == nullptr) {
      error = errno;
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(stream);
  if (error != 0) return path_error(error, "list", directory);
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> PosixStorage::list(const RelPath& directory,
                                const std::function<Visit(const Entry&)>& visit) {
  TRY_ASSIGN(const UniqueFd fd, root_.open_path(directory, O_RDONLY | O_DIRECTORY));
  UniqueFd for_names(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!for_names) return path_error(errno, "list", directory);
  TRY_ASSIGN(const auto names, names_in(std::move(for_names), directory));
  for (const std::string& name : names) {
    struct stat status;
    if (::fstatat(fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // it vanished meanwhile
      return path_error(errno, "stat", directory.child(name));
    }
    Entry entry{name, attributes_of(status), {}};
    if (entry.attributes.type == EntryType::kSymlink) {
      auto target = read_link(fd.get(), name);
      if (!target) continue;  // replaced meanwhile: the next listing has what is there then
      entry.symlink_target = std::move(*target);
    }
    if (visit(entry) == Visit::kStop) break;
  }
  return {};
}

Result<Entry> PosixStorage::stat(const RelPath& path, Follow follow) {
  const int flags = O_PATH | (follow == Follow::kNo ? O_NOFOLLOW : 0);
  TRY_ASSIGN(const UniqueFd fd, root_.open_path(path, flags));
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return path_error(errno, "stat", path);
  Entry entry{std::string(path.name()), attributes_of(status), {}};
  if (entry.attributes.type == EntryType::kSymlink) {
    TRY_ASSIGN(entry.symlink_target, read_link(fd.get(), ""), "stat '{}'",
               escape_bytes(path.text()));
  }
  return entry;
}

Result<UniqueFd> PosixStorage::open_file(const RelPath& path, struct stat& status) const {
  // O_NONBLOCK: a pipe without a writer would hold us for ever.
  auto fd = root_.open_path(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) {
    const auto what = root_.open_path(path, O_PATH);  // a socket, say, cannot be opened at all
    const bool other = what && ::fstat(what->get(), &status) == 0 && !S_ISREG(status.st_mode);
    return other ? not_a_file(path) : std::move(fd).error();
  }
  if (::fstat(fd->get(), &status) != 0) return path_error(errno, "stat", path);
  if (!S_ISREG(status.st_mode)) return not_a_file(path);
  return fd;
}

Result<std::unique_ptr<ReadFile>> PosixStorage::open_read(const RelPath& path) {
  struct stat status;
  TRY_ASSIGN(UniqueFd fd, open_file(path, status));
  return std::make_unique<PosixReadFile>(std::move(fd), status, path);
}

Result<std::unique_ptr<TemporaryFile>> PosixStorage::create_temporary(
    const CreateTemporary& request) {
  if (request.target.is_root()) return is_the_root("create a file");
  TRY_ASSIGN(auto file, PosixTemporary::create(directories_, request));
  return std::unique_ptr<TemporaryFile>(std::move(file));
}

Result<void> PosixStorage::flush(std::span<TemporaryFile* const> files) {
  const bool singly = files.size() <= kFlushSingly;
  std::set<FileSystem*> whole;
  for (TemporaryFile* file : files) {
    PosixTemporary& temporary = posix_temporary(*file);
    FileSystem& file_system = temporary.file_system();
    if (singly || !file_system.fd) {
      auto flushed = temporary.flush();
      if (flushed) continue;
      // A file that its own mode closes to us is flushed with all others.
      if (flushed.error().code != Code::kDenied || !file_system.fd) return flushed;
    }
    whole.insert(&file_system);
  }
  for (FileSystem* file_system : whole) TRY(file_system->flush());
  for (TemporaryFile* file : files) TRY(posix_temporary(*file).check_not_lost());
  return check_directories(files);
}

// Each directory once, for its path to name still what we write into.
Result<void> PosixStorage::check_directories(std::span<TemporaryFile* const> files) {
  std::set<OpenDirectory*> checked;
  for (TemporaryFile* file : files) {
    TRY_ASSIGN(const auto directory, posix_temporary(*file).directory());
    if (checked.insert(directory.get()).second) TRY(directories_.check_still_there(*directory));
  }
  return {};
}

Result<void> PosixStorage::commit(TemporaryFile& file) { return posix_temporary(file).commit(); }

Result<void> PosixStorage::flush_directories(std::span<const RelPath> directories) {
  return directories_.flush(directories);
}

Result<void> PosixStorage::remove_file(const RelPath& path) {
  if (path.is_root()) return is_the_root("remove a file");
  TRY_ASSIGN(const Place place, place_of(path));
  if (::unlinkat(place.directory.get(), place.name.c_str(), 0) != 0)
    return path_error(errno, "remove", path);
  return {};
}

Result<void> PosixStorage::remove_directory(const RelPath& path) {
  if (path.is_root()) return is_the_root("remove a directory");
  TRY_ASSIGN(const Place place, place_of(path));
  if (::unlinkat(place.directory.get(), place.name.c_str(), AT_REMOVEDIR) != 0)
    return path_error(errno, "remove directory", path);
  return {};
}

Result<void> PosixStorage::make_directory(const RelPath& path, std::uint32_t mode) {
  if (path.is_root()) return path_error(EEXIST, "make directory", path);
  TRY_ASSIGN(const Place place, place_of(path));
  const int at = place.directory.get();
  mode &= 07777U;
  if (::mkdirat(at, place.name.c_str(), mode) != 0)
    return path_error(errno, "make directory", path);
  struct stat status;
  if (::fstatat(at, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return path_error(errno, "stat", path);
  // umask, an ACL or a set-group-id parent got in the way. The latter's bit is inherited on
  // purpose, and stays.
  const std::uint32_t inherited = status.st_mode & S_ISGID;
  if ((status.st_mode & 07777U) != (mode | inherited) &&
      ::fchmodat(at, place.name.c_str(), mode | inherited, AT_SYMLINK_NOFOLLOW) != 0) {
    return path_error(errno, "set the mode of", path);
  }
  return {};
}

// renameat2(RENAME_NOREPLACE) for file systems that lack it. linkat fails if the name is taken, so
// nothing but a directory ever passes through the gap between the look and the rename; and a
// directory replaces at most an empty one.
int rename_without_replacing(int from_at, const char* from, int to_at, const char* to) {
  struct stat status;
  if (::fstatat(to_at, to, &status, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
    return -1;
  }
  if (::fstatat(from_at, from, &status, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  if (S_ISDIR(status.st_mode)) return ::renameat(from_at, from, to_at, to);
  if (::linkat(from_at, from, to_at, to, 0) != 0) return -1;
  return ::unlinkat(from_at, from, 0);
}

Result<void> PosixStorage::rename(const RelPath& from, const RelPath& to, Replace replace) {
  if (from.is_root() || to.is_root()) return is_the_root("rename");
  TRY_ASSIGN(const Place source, place_of(from));
  TRY_ASSIGN(const Place target, place_of(to));
  const int from_at = source.directory.get();
  const int to_at = target.directory.get();
  const char* from_name = source.name.c_str();
  const char* to_name = target.name.c_str();
  int done = 0;
  if (replace == Replace::kYes) {
    done = ::renameat(from_at, from_name, to_at, to_name);
  } else {
    done = ::renameat2(from_at, from_name, to_at, to_name, RENAME_NOREPLACE);
    if (done != 0 && errno == EINVAL)
      done = rename_without_replacing(from_at, from_name, to_at, to_name);
  }
  if (done == 0) return {};
  // Both parents are directories, so these say that what is at `to` does not fit what is at `from`.
  if (errno == EISDIR || errno == ENOTDIR || errno == ENOTEMPTY) errno = EEXIST;
  return path_error(errno, errno == EEXIST ? "rename to" : "rename", errno == EEXIST ? to : from);
}

Result<void> PosixStorage::make_symlink(const RelPath& path, std::string_view target,
                                        Replace replace) {
  if (path.is_root()) return is_the_root("make a symlink");
  TRY_ASSIGN(const Place place, place_of(path));
  const std::string text(target);
  if (::symlinkat(text.c_str(), place.directory.get(), place.name.c_str()) == 0) return {};
  if (errno == EEXIST && replace == Replace::kYes) return replace_with_symlink(place, path, text);
  return path_error(errno, "make symlink", path);
}

Result<void> PosixStorage::replace_with_symlink(const Place& place, const RelPath& path,
                                                const std::string& target) {
  const int at = place.directory.get();
  const std::string temporary = temporary_name(fmt::format("link.{}", ::getpid()), path);
  const std::lock_guard lock(symlink_mutex_);
  int made = ::symlinkat(target.c_str(), at, temporary.c_str());
  if (made != 0 && errno == EEXIST) {  // of a dead process with our id
    (void)::unlinkat(at, temporary.c_str(), 0);
    made = ::symlinkat(target.c_str(), at, temporary.c_str());
  }
  if (made != 0) return path_error(errno, "make symlink", path);
  if (::renameat(at, temporary.c_str(), at, place.name.c_str()) == 0) return {};
  const int error = errno == EISDIR ? EEXIST : errno;
  (void)::unlinkat(at, temporary.c_str(), 0);
  return path_error(error, "make symlink", path);
}

Result<void> PosixStorage::set_attributes(const RelPath& path, const SetAttributes& attributes) {
  TRY_ASSIGN(const Place place, place_of(path));
  const int at = place.directory.get();
  const char* name = path.is_root() ? "." : place.name.c_str();
  if (attributes.mode &&
      ::fchmodat(at, name, *attributes.mode & 07777U, AT_SYMLINK_NOFOLLOW) != 0) {
    return path_error(errno, "set the mode of", path);
  }
  if (attributes.mtime) {
    const timespec times[2] = {{0, UTIME_OMIT}, to_timespec(*attributes.mtime)};
    if (::utimensat(at, name, times, AT_SYMLINK_NOFOLLOW) != 0)
      return path_error(errno, "set the mtime of", path);
  }
  return {};
}

Result<Storage::Space> PosixStorage::space() {
  struct statvfs status;
  if (::fstatvfs(root_.fd(), &status) != 0) return path_error(errno, "free space of", RelPath());
  const ByteCount unit = status.f_frsize;
  return Space{status.f_bavail * unit, status.f_blocks * unit};
}

Result<std::string> PosixStorage::checksum(const RelPath& path, HashAlgorithm algorithm) {
  struct stat status;
  TRY_ASSIGN(const UniqueFd fd, open_file(path, status));
  (void)::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);  // a hint
  const auto hasher = make_hasher(algorithm);
  std::vector<char> buffer(kChecksumBuffer);
  for (ByteCount offset = 0;;) {
    TRY_ASSIGN(const std::size_t count, read_fully(fd.get(), buffer, offset), "checksum '{}'",
               escape_bytes(path.text()));
    hasher->update(std::span(buffer).first(count));
    offset += count;
    if (count < buffer.size()) return hasher->finish();
  }
}

Result<void> PosixStorage::clone_from(Storage& source, const RelPath& path, TemporaryFile& file) {
  auto* posix = dynamic_cast<PosixStorage*>(&source);
  if (posix == nullptr) return Storage::clone_from(source, path, file);
  struct stat status;
  TRY_ASSIGN(const UniqueFd fd, posix->open_file(path, status));
  return posix_temporary(file).clone_from(fd.get(), path);
}

}  // namespace

Result<std::unique_ptr<Storage>> open_posix(const std::string& directory) {
  TRY_ASSIGN(PosixRoot root, PosixRoot::open(directory));
  return std::make_unique<PosixStorage>(std::move(root));
}

}  // namespace wherry::storage
