// SPDX-License-Identifier: Apache-2.0
// Watches every directory of a tree of this host with inotify(7) and says in which of them
// something changed. It is a hint, never the truth: the pass looks for itself, and a full scan
// comes at an interval.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "sync/source_tree.h"

namespace wherry::sync {

// For one thread at a time.
class TreeWatch {
 public:
  // kNoSpace, with the sysctl to raise, if the system allows no more watches; nothing is watched
  // then.
  static Result<std::unique_ptr<TreeWatch>> open(const std::string& directory, const Rules& rules);

  int fd() const { return fd_.get(); }  // readable when there are events; does not block

  struct Events {
    bool lost = false;               // some were dropped, or the root went: look everywhere
    std::vector<std::string> dirty;  // directories, relative to the root
  };
  // What has happened since the last call.
  Result<Events> read();
  // Watches everything anew, after events were lost.
  Result<void> watch_all();
  // Whether the root's path still leads to the directory that is watched. It does not once
  // something was mounted over it, or a symlink above it leads elsewhere: no event tells of that.
  bool is_in_place() const;
  std::size_t directory_count() const { return paths_.size(); }

 private:
  TreeWatch(std::string root, Rules rules, UniqueFd fd)
      : root_(std::move(root)), rules_(std::move(rules)), fd_(std::move(fd)) {}

  // Watches `path` and what is below; adds each directory to `found`, if given.
  Result<void> watch_below(const std::string& path, std::vector<std::string>* found);
  Result<bool> watch_one(const std::string& path);
  void forget_below(const std::string& path);
  Result<void> take(const char* record, Events& events);
  // The root, with a slash behind it, may be a symlink.
  std::string host_path(const std::string& path) const { return root_ + "/" + path; }

  std::string root_;
  Rules rules_;
  UniqueFd fd_;
  std::unordered_map<int, std::string> paths_;  // by watch descriptor
  std::pair<dev_t, ino_t> root_id_;
};

}  // namespace wherry::sync
