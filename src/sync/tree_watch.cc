// SPDX-License-Identifier: Apache-2.0
#include "sync/tree_watch.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "sync/plan.h"

namespace wherry::sync {
namespace {

// Not IN_MODIFY: a file that is being written is not quiet, and its writer closes it in the end.
constexpr std::uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO |
                                  IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                                  IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

bool is_directory(const std::string& host_path, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat status;
  return ::lstat((host_path + "/" + entry.d_name).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::optional<std::pair<dev_t, ino_t>> id_of(const std::string& host_path) {
  struct stat status;
  if (::stat(host_path.c_str(), &status) != 0) return std::nullopt;
  return std::pair(status.st_dev, status.st_ino);
}

}  // namespace

Result<std::unique_ptr<TreeWatch>> TreeWatch::open(const std::string& directory,
                                                   const Rules& rules) {
  UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) {
    return Error{Code::kNoSpace, Retry::kAfterUser,
                 fmt::format("watch '{}': {}; raise sysctl fs.inotify.max_user_instances",
                             escape_bytes(directory), std::strerror(errno))};
  }
  std::unique_ptr<TreeWatch> watch(new TreeWatch(directory, rules, std::move(fd)));
  TRY(watch->watch_all());
  return watch;
}

Result<void> TreeWatch::watch_all() {
  root_id_ = id_of(host_path("")).value_or(std::pair<dev_t, ino_t>());
  TRY_ASSIGN(const bool there, watch_one(""));
  if (!there) {
    return make_error(Code::kNotFound, "watch '{}': there is no such directory",
                      escape_bytes(root_));
  }
  return watch_below("", nullptr);
}

bool TreeWatch::is_in_place() const { return id_of(host_path("")) == root_id_; }

// False if the directory has gone or cannot be read.
Result<bool> TreeWatch::watch_one(const std::string& path) {
  const int watch = ::inotify_add_watch(fd_.get(), host_path(path).c_str(), kEvents);
  if (watch >= 0) {
    paths_[watch] = path;
    return true;
  }
  if (errno == ENOSPC || errno == ENOMEM) {
    return Error{Code::kNoSpace, Retry::kAfterUser,
                 fmt::format("the system allows no more than {} watched directories here; raise "
                             "sysctl fs.inotify.max_user_watches",
                             paths_.size())};
  }
  return false;
}

Result<void> TreeWatch::watch_below(const std::string& top, std::vector<std::string>* found) {
  std::vector<std::string> pending = {top};
  while (!pending.empty()) {
    const std::string path = std::move(pending.back());
    pending.pop_back();
    TRY_ASSIGN(const bool there, watch_one(path));
    if (!there) continue;
    if (found != nullptr) found->push_back(path);
    const std::string place = host_path(path);
    const std::unique_ptr<DIR, CloseDirectory> opened(::opendir(place.c_str()));
    if (opened == nullptr) continue;  // a scan reports it
    while (const dirent* entry = ::readdir(opened.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == ".." || !is_directory(place, *entry) ||
          !rules_.includes(entry->d_name, true))
        continue;
      pending.push_back(join(path, name));
    }
  }
  return {};
}

// A directory that was moved keeps its watches under names that are no longer true.
void TreeWatch::forget_below(const std::string& path) {
  const std::string inside = path + "/";
  for (auto it = paths_.begin(); it != paths_.end();) {
    if (it->second == path || it->second.starts_with(inside)) {
      ::inotify_rm_watch(fd_.get(), it->first);
      it = paths_.erase(it);
    } else {
      ++it;
    }
  }
}

Result<void> TreeWatch::take(const char* record, Events& events) {
  inotify_event event;
  std::memcpy(&event, record, sizeof event);
  if ((event.mask & (IN_Q_OVERFLOW | IN_UNMOUNT)) != 0) {
    events.lost = true;
    return {};
  }
  const auto watched = paths_.find(event.wd);
  if (watched == paths_.end()) return {};
  const std::string path = watched->second;
  if ((event.mask & IN_IGNORED) != 0) {
    paths_.erase(watched);
    return {};
  }
  if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
    if (path.empty()) events.lost = true;
    return {};  // the parent tells of the others
  }
  const std::string_view name = event.len == 0 ? "" : record + sizeof event;
  if (!name.empty() && !rules_.includes(name.data(), (event.mask & IN_ISDIR) != 0)) return {};
  events.dirty.push_back(path);
  if ((event.mask & IN_ISDIR) == 0 || name.empty()) return {};
  const std::string below = join(path, name);
  if ((event.mask & (IN_MOVED_FROM | IN_DELETE)) != 0) forget_below(below);
  if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) return watch_below(below, &events.dirty);
  return {};
}

Result<TreeWatch::Events> TreeWatch::read() {
  Events events;
  alignas(inotify_event) std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != EAGAIN) return errno_error(errno, "read events of directories");
    if (count <= 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(count);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      TRY(take(buffer.data() + at, events));
      at += sizeof event + event.len;
    }
  }
  std::sort(events.dirty.begin(), events.dirty.end());
  events.dirty.erase(std::unique(events.dirty.begin(), events.dirty.end()), events.dirty.end());
  return events;
}

}  // namespace wherry::sync
