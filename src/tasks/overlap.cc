// SPDX-License-Identifier: Apache-2.0
#include "tasks/overlap.h"

#include "base/path.h"

namespace wherry::tasks {
namespace {

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

Result<void> OverlapCheck::check(const engine::TransferItem& item) {
  if (!possible_) return {};
  const bool on_host = !source_root_.empty() && !target_root_.empty();
  const bool is_symlink = item.kind == engine::TransferItem::Kind::kSymlink;  // itself is copied
  const auto real = [&](const std::string& root, const RelPath& path) {
    return real_paths_.of(root, path,
                          is_symlink ? RealPaths::Last::kAsItIs : RealPaths::Last::kFollowed);
  };
  const RelPath source = on_host ? real(source_root_, item.source) : item.source;
  const RelPath target = on_host ? real(target_root_, item.target) : item.target;
  if (source == target) return overlap_error(item, "source and target are the same");
  if (item.recursion == engine::TransferItem::Recursion::kNo || is_symlink) return {};
  if (target.is_within(source))
    return overlap_error(item, "the target is within the source, which would copy it into itself");
  if (deletes_extra_ && source.is_within(target)) {
    return overlap_error(item,
                         "the source is within the target, where what is extra is to be deleted");
  }
  return {};
}

}  // namespace wherry::tasks
