// SPDX-License-Identifier: Apache-2.0
#include "tasks/overlap.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "base/path.h"

namespace wherry::tasks {
namespace {

constexpr std::size_t kKnownDirectories = 10'000;

std::optional<std::string> canonical(const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return std::nullopt;
  return std::string(resolved);
}

RelPath below_host_root(const std::string& absolute) {
  const std::size_t begin = absolute.find_first_not_of('/');
  return begin == std::string::npos ? RelPath() : RelPath::from_normal(absolute.substr(begin));
}

Error overlap_error(const engine::TransferItem& item, std::string_view why) {
  return make_error(Code::kInvalid,
                    "item '/{}' to '/{}': {}; choose a target outside of the source",
                    escape_bytes(item.source.text()), escape_bytes(item.target.text()), why);
}

}  // namespace

OverlapCheck::OverlapCheck(const Sides& sides)
    : same_endpoint_(sides.source == sides.target), deletes_extra_(sides.deletes_extra) {
  if (sides.source_root) source_root_ = canonical(*sides.source_root).value_or("");
  if (sides.target_root) target_root_ = canonical(*sides.target_root).value_or("");
  if (source_root_.empty() || target_root_.empty()) {
    possible_ = same_endpoint_;
    return;
  }
  // A storage follows no symlink out of its root: apart roots stay apart.
  const RelPath source = below_host_root(source_root_);
  const RelPath target = below_host_root(target_root_);
  possible_ = source.is_within(target) || target.is_within(source);
}

// The nearest directory above that exists, resolved, with the rest as it is written.
const OverlapCheck::Directory& OverlapCheck::real_directory(const std::string& directory) {
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

// A request has many items of few directories: those are remembered, and of an item only the last
// component is looked at, with one system call.
RelPath OverlapCheck::real_path(const std::string& root, const RelPath& path) {
  if (root.empty() || path.is_root()) return below_host_root(root).join(path);
  const std::string base = root == "/" ? "" : root;
  const RelPath parent = path.parent();
  const Directory& directory = real_directory(parent.is_root() ? root : base + "/" + parent.text());
  std::string full = directory.path == "/" ? "" : directory.path;
  full += '/';
  full += path.name();
  char target[1];
  if (directory.exists && ::readlink(full.c_str(), target, sizeof target) >= 0) {
    if (auto resolved = canonical(full)) full = std::move(*resolved);
  }
  return below_host_root(full);
}

Result<void> OverlapCheck::check(const engine::TransferItem& item) {
  if (!possible_) return {};
  const bool on_host = !source_root_.empty() && !target_root_.empty();
  const RelPath source = on_host ? real_path(source_root_, item.source) : item.source;
  const RelPath target = on_host ? real_path(target_root_, item.target) : item.target;
  if (source == target) return overlap_error(item, "source and target are the same");
  if (item.recursion == engine::TransferItem::Recursion::kNo ||
      item.kind == engine::TransferItem::Kind::kSymlink)
    return {};
  if (target.is_within(source))
    return overlap_error(item, "the target is within the source, which would copy it into itself");
  if (deletes_extra_ && source.is_within(target)) {
    return overlap_error(item,
                         "the source is within the target, where what is extra is to be deleted");
  }
  return {};
}

}  // namespace wherry::tasks
