// SPDX-License-Identifier: Apache-2.0
// The root directory of a posix storage, and the only way from it to what lies beneath. The kernel
// resolves every path from the root's descriptor with openat2(RESOLVE_BENEATH |
// RESOLVE_NO_MAGICLINKS), so that no "..", symlink or concurrent rename can lead outside.
//
// RESOLVE_BENEATH also refuses every absolute symlink. One that points into the root is common in
// practice (a path that users know), so such a path is resolved anew here, component by component,
// and the result goes to the kernel again, which then accepts no symlink at all.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/path.h"
#include "base/result.h"
#include "storage/storage.h"

namespace wherry::storage {

// Safe for concurrent calls.
class PosixRoot {
 public:
  // kNotFound or kInvalid if `directory` is no directory; kUnsupported on a kernel without openat2.
  static Result<PosixRoot> open(const std::string& directory);

  // A root beneath this one, however its path leads there without leaving this one.
  Result<PosixRoot> open_root(const RelPath& directory) const;

  // Opens `path` with open(2)'s flags (never O_CREAT: things are made through their parent's
  // descriptor). With O_NOFOLLOW the last component is not followed. An error names `path`.
  Result<UniqueFd> open_path(const RelPath& path, int flags) const;
  // A directory as the place of operations on its entries. It can be read and flushed unless its
  // permissions forbid reading.
  Result<UniqueFd> open_directory(const RelPath& path) const;

  // Whether the path that was given still leads to the directory that was opened.
  bool is_in_place() const;

  int fd() const { return fd_.get(); }
  // Absolute, without symlinks, as it was when the root was opened.
  const std::string& directory() const { return directory_; }

 private:
  PosixRoot(UniqueFd fd, std::string directory, std::string given);
  int resolve_flags() const;
  Result<UniqueFd> open_resolved(const RelPath& path, int flags) const;
  Result<std::string> resolve(const RelPath& path, Storage::Follow last) const;
  Result<std::vector<std::string>> components_of_link(const RelPath& path, const std::string& link,
                                                      const std::string& target) const;

  UniqueFd fd_;
  std::string directory_;
  std::string given_directory_;  // absolute; may contain symlinks, as those of users do
};

// "<doing> '<path>': <reason>", with the path made printable.
Error path_error(int error_number, std::string_view doing, const RelPath& path);

// What fstat and its like tell, in the storage's words.
Attributes attributes_of(const struct stat& status);
struct timespec to_timespec(TimePoint time);

// The target of the symlink `name` in `directory`; with an empty name, of the link that `directory`
// was opened on.
Result<std::string> read_link(int directory, const std::string& name);

}  // namespace wherry::storage
