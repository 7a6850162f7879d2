// SPDX-License-Identifier: Apache-2.0
#include "tasks/real_paths.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>

namespace wherry::tasks {
namespace {

constexpr std::size_t kKnownDirectories = 10'000;

}  // namespace

std::optional<std::string> canonical(const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return std::nullopt;
  return std::string(resolved);
}

RelPath below_host_root(const std::string& absolute) {
  const std::size_t begin = absolute.find_first_not_of('/');
  return begin == std::string::npos ? RelPath() : RelPath::from_normal(absolute.substr(begin));
}

// The nearest directory above that exists, resolved, with the rest as it is written.
const RealPaths::Directory& RealPaths::real_directory(const std::string& directory) {
  const auto known = directories_.find(directory);
  if (known != directories_.end()) return known->second;
  Directory real;
  if (auto resolved = canonical(directory)) {
    real = {std::move(*resolved), true};
  } else {
    const std::size_t slash = directory.rfind('/');
    real.path = real_directory(slash == 0 ? "/" : directory.substr(0, slash)).path;
    if (real.path == "/") real.path.clear();
    real.path += directory.substr(slash);
  }
  if (directories_.size() >= kKnownDirectories) directories_.clear();
  return directories_.emplace(directory, std::move(real)).first->second;
}

RelPath RealPaths::of(const std::string& root, const RelPath& path, Last last) {
  if (path.is_root()) return below_host_root(root);
  const std::string base = root == "/" ? "" : root;
  const RelPath parent = path.parent();
  const Directory& directory = real_directory(parent.is_root() ? root : base + "/" + parent.text());
  std::string full = directory.path == "/" ? "" : directory.path;
  full += '/';
  full += path.name();
  char target[1];
  if (last == Last::kFollowed && directory.exists &&
      ::readlink(full.c_str(), target, sizeof target) >= 0) {
    if (auto resolved = canonical(full)) full = std::move(*resolved);
  }
  return below_host_root(full);
}

}  // namespace wherry::tasks
