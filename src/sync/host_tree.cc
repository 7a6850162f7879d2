// SPDX-License-Identifier: Apache-2.0
// A tree of this host, read with system calls: what a hot pass costs is one statx a file.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "storage/posix_root.h"
#include "sync/source_tree.h"

namespace wherry::sync {
namespace {

using catalog::EntryType;
using engine::SymlinkPolicy;

constexpr unsigned kStatMask =
    STATX_TYPE | STATX_MODE | STATX_SIZE | STATX_MTIME | STATX_CTIME | STATX_INO;
constexpr std::size_t kListBuffer = std::size_t{64} << 10;

// Follows no symlink.
UniqueFd open_beneath(int directory, const char* path, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how)));
}

std::int64_t ns_of(const struct statx_timestamp& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

EntryType type_of(unsigned mode) {
  if (S_ISREG(mode)) return EntryType::kFile;
  if (S_ISDIR(mode)) return EntryType::kDirectory;
  return S_ISLNK(mode) ? EntryType::kSymlink : EntryType::kOther;
}

catalog::Observation observe(const struct statx& status) {
  catalog::Observation seen;
  seen.type = type_of(status.stx_mode);
  seen.mode = status.stx_mode & 07777u;
  seen.size = status.stx_size;
  seen.mtime_ns = ns_of(status.stx_mtime);
  seen.ctime_ns = ns_of(status.stx_ctime);
  seen.inode = status.stx_ino;
  return seen;
}

// Of a directory its parent records only who it is; the rest is in its own record.
void keep_identity_only(catalog::Observation& seen) {
  seen.size = 0;
  seen.mtime_ns = seen.ctime_ns = 0;
}

// A name with its terminator, for system calls, from one without.
class CName {
 public:
  explicit CName(std::string_view name) {
    CHECK(name.size() < sizeof text_);
    std::memcpy(text_, name.data(), name.size());
    text_[name.size()] = '\0';
  }
  const char* text() const { return text_; }

 private:
  char text_[kMaxPathBytes + 1];  // the longest that a catalog can hold
};

class HostTree : public SourceTree {
 public:
  HostTree(storage::PosixRoot root, UniqueFd base_fd, RelPath base, Rules rules)
      : root_(std::move(root)),
        base_fd_(std::move(base_fd)),
        base_(std::move(base)),
        rules_(std::move(rules)) {}

  bool keeps_directory_times() const override { return true; }

  Result<void> read(const std::string& path, const catalog::DirectoryEntries* known, Trust trust,
                    Listing& out) override;

 private:
  enum class Seen { kEntry, kSkipped, kGone };
  Result<UniqueFd> open_directory(const std::string& path) const;
  Result<void> list_names(int fd, const std::string& path, Listing& out) const;
  Result<void> list(int fd, const std::string& path, Listing& out) const;
  Result<bool> look_at_known(int fd, const std::string& path,
                             const catalog::DirectoryEntries& known, Listing& out) const;
  Result<Seen> look_at(int fd, const std::string& path, const char* name,
                       const catalog::Entry* known, catalog::Entry& entry, Listing& out) const;
  Result<Seen> follow(const std::string& path, const char* name, catalog::Entry& entry,
                      Listing& out) const;
  bool is_above(const struct statx& status, const std::string& path) const;

  storage::PosixRoot root_;  // of the endpoint
  UniqueFd base_fd_;         // of the sync
  RelPath base_;
  Rules rules_;
};

Result<UniqueFd> HostTree::open_directory(const std::string& path) const {
  const auto open = [&](int flags) -> Result<UniqueFd> {
    if (rules_.symlinks == SymlinkPolicy::kCopy)
      return root_.open_path(base_.join(RelPath::from_normal(path)), flags);
    UniqueFd fd = open_beneath(base_fd_.get(), path.empty() ? "." : path.c_str(), flags);
    if (!fd) return errno_error(errno, fmt::format("open directory '{}'", escape_bytes(path)));
    return fd;
  };
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  auto fd = open(kFlags | O_NOATIME);
  if (!fd && fd.error().code == Code::kDenied) return open(kFlags);  // that is for the owner only
  return fd;
}

Result<void> HostTree::read(const std::string& path, const catalog::DirectoryEntries* known,
                            Trust trust, Listing& out) {
  out.clear();
  TRY_ASSIGN(const UniqueFd fd, open_directory(path));
  struct statx status;
  if (::statx(fd.get(), "", AT_EMPTY_PATH, kStatMask, &status) != 0)
    return errno_error(errno, fmt::format("stat directory '{}'", escape_bytes(path)));
  out.directory = observe(status);
  out.directory.size = 0;
  const bool unchanged = known != nullptr && known->directory.trusted &&
                         known->directory.observation.mtime_ns == out.directory.mtime_ns &&
                         known->directory.observation.ctime_ns == out.directory.ctime_ns;
  if (unchanged && trust == Trust::kDirectories) {
    out.same_names = out.same_files = true;
    out.names_seen = known->directory.entry_count;
    return {};
  }
  if (unchanged && trust == Trust::kNames) {
    TRY_ASSIGN(const bool complete, look_at_known(fd.get(), path, *known, out));
    if (complete) return {};
    const catalog::Observation directory = out.directory;
    out.clear();
    out.directory = directory;
  }
  return list(fd.get(), path, out);
}

// False if a name has gone: then the directory's times said too much, and it must be listed.
Result<bool> HostTree::look_at_known(int fd, const std::string& path,
                                     const catalog::DirectoryEntries& known, Listing& out) const {
  out.same_names = true;
  out.names_seen = known.entries.size();
  for (const catalog::Entry& before : known.entries) {
    if (before.observation.type == EntryType::kDirectory) {
      out.entries.push_back(before);  // opened later, and looked at then
      continue;
    }
    catalog::Entry entry;
    TRY_ASSIGN(const Seen seen, look_at(fd, path, CName(before.name).text(), &before, entry, out));
    if (seen != Seen::kEntry) return false;
    entry.name = before.name;
    out.entries.push_back(entry);
  }
  return true;
}

Result<void> HostTree::list_names(int fd, const std::string& path, Listing& out) const {
  out.buffer.resize(kListBuffer);
  for (;;) {
    const ssize_t count = ::getdents64(fd, out.buffer.data(), out.buffer.size());
    if (count < 0) return errno_error(errno, fmt::format("list '{}'", escape_bytes(path)));
    if (count == 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(count);) {
      // Records are aligned in the kernel's answer, and the buffer is aligned by its allocator.
      const auto* record = reinterpret_cast<const dirent64*>(out.buffer.data() + at);
      at += record->d_reclen;
      const char* name = record->d_name;
      if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'))) continue;
      ++out.names_seen;
      const bool may_be_followed = record->d_type == DT_LNK || record->d_type == DT_UNKNOWN;
      if (!may_be_followed && !rules_.includes(name, record->d_type == DT_DIR)) continue;
      const std::size_t size = std::strlen(name);
      out.order.push_back({static_cast<std::uint32_t>(out.names.size()),
                           static_cast<std::uint16_t>(size), record->d_type});
      out.names.append(name, size + 1);
    }
  }
  std::sort(out.order.begin(), out.order.end(), [&](const auto& a, const auto& b) {
    return std::string_view(out.names.data() + a.offset, a.size) <
           std::string_view(out.names.data() + b.offset, b.size);
  });
  return {};
}

Result<void> HostTree::list(int fd, const std::string& path, Listing& out) const {
  if (::lseek(fd, 0, SEEK_SET) < 0) return errno_error(errno, "rewind a directory");
  TRY(list_names(fd, path, out));
  const char* names = out.names.data();
  for (const Listing::Name& name : out.order) {
    catalog::Entry entry;
    const char* text = names + name.offset;
    TRY_ASSIGN(const Seen seen, look_at(fd, path, text, nullptr, entry, out));
    if (seen != Seen::kEntry) continue;
    const bool undecided = name.type == DT_LNK || name.type == DT_UNKNOWN;
    if (undecided && !rules_.includes(text, entry.observation.type == EntryType::kDirectory))
      continue;
    entry.name = std::string_view(text, name.size);
    out.entries.push_back(entry);
  }
  return {};
}

Result<HostTree::Seen> HostTree::look_at(int fd, const std::string& path, const char* name,
                                         const catalog::Entry* known, catalog::Entry& entry,
                                         Listing& out) const {
  struct statx status;
  if (::statx(fd, name, AT_SYMLINK_NOFOLLOW, kStatMask, &status) != 0) {
    if (errno == ENOENT) return Seen::kGone;
    return errno_error(errno,
                       fmt::format("stat '{}' in '{}'", escape_bytes(name), escape_bytes(path)));
  }
  entry.observation = observe(status);
  switch (entry.observation.type) {
    case EntryType::kFile:
      return Seen::kEntry;
    case EntryType::kDirectory:
      keep_identity_only(entry.observation);
      return Seen::kEntry;
    case EntryType::kOther:
      ++out.specials_skipped;
      return Seen::kSkipped;
    case EntryType::kSymlink:
      break;
  }
  if (rules_.symlinks == SymlinkPolicy::kIgnore) {
    ++out.links_skipped;
    return Seen::kSkipped;
  }
  if (rules_.symlinks == SymlinkPolicy::kCopy) return follow(path, name, entry, out);
  if (known != nullptr && known->observation == entry.observation) {
    entry.symlink_target = known->symlink_target;
    return Seen::kEntry;
  }
  if (known != nullptr) return Seen::kGone;  // a changed link is read in a listing
  std::array<char, kMaxPathBytes + 1> target;
  const ssize_t size = ::readlinkat(fd, name, target.data(), target.size());
  if (size < 0) return Seen::kGone;
  entry.symlink_target =
      out.link_targets.emplace_back(target.data(), static_cast<std::size_t>(size));
  return Seen::kEntry;
}

// Under the policy "copy" a symlink is what it points to. One that leaves the endpoint, leads
// nowhere or leads to a directory above itself is left out and reported.
Result<HostTree::Seen> HostTree::follow(const std::string& path, const char* name,
                                        catalog::Entry& entry, Listing& out) const {
  const std::string relative = path.empty() ? name : path + "/" + name;
  const auto refuse = [&](std::string why) {
    out.problems.push_back({relative, std::move(why)});
    return Seen::kSkipped;
  };
  const auto fd = root_.open_path(base_.join(RelPath::from_normal(relative)), O_PATH);
  if (!fd) return refuse(fd.error().message);
  struct statx status;
  if (::statx(fd->get(), "", AT_EMPTY_PATH, kStatMask, &status) != 0)
    return errno_error(errno, fmt::format("stat '{}'", escape_bytes(relative)));
  entry.observation = observe(status);
  if (entry.observation.type == EntryType::kOther) {
    ++out.specials_skipped;
    return Seen::kSkipped;
  }
  if (entry.observation.type == EntryType::kDirectory) {
    if (is_above(status, path)) return refuse("the symlink leads to a directory above itself");
    keep_identity_only(entry.observation);
  }
  return Seen::kEntry;
}

// Whether `status` is the directory at `path` or one above it.
bool HostTree::is_above(const struct statx& status, const std::string& path) const {
  RelPath place = base_.join(RelPath::from_normal(path));
  for (;;) {
    const auto fd = root_.open_path(place, O_PATH);
    struct statx above;
    if (fd && ::statx(fd->get(), "", AT_EMPTY_PATH, STATX_INO, &above) == 0 &&
        above.stx_ino == status.stx_ino && above.stx_dev_major == status.stx_dev_major &&
        above.stx_dev_minor == status.stx_dev_minor)
      return true;
    if (place.is_root()) return false;
    place = place.parent();
  }
}

}  // namespace

Result<std::unique_ptr<SourceTree>> open_host_tree(const std::string& root, const RelPath& base,
                                                   const Rules& rules) {
  TRY_ASSIGN(storage::PosixRoot host, storage::PosixRoot::open(root));
  TRY_ASSIGN(UniqueFd base_fd, host.open_path(base, O_PATH | O_DIRECTORY), "below '{}'",
             escape_bytes(root));
  return std::unique_ptr<SourceTree>(
      std::make_unique<HostTree>(std::move(host), std::move(base_fd), base, rules));
}

}  // namespace wherry::sync
