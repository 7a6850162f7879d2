// SPDX-License-Identifier: Apache-2.0
#include "tree.h"

#include <vector>

#include "base/path.h"

namespace wherry::sim {
namespace {

using storage::Entry;
using storage::Storage;

constexpr std::size_t kShownBytes = 24;

class TreeReader {
 public:
  TreeReader(Storage& storage, Links links) : storage_(storage), links_(links) {}

  Tree read() {
    read_directory(RelPath());
    return std::move(tree_);
  }

 private:
  void read_directory(const RelPath& directory) {
    std::vector<Entry> entries;
    storage_
        .list(directory,
              [&](const Entry& entry) {
                entries.push_back(entry);
                return storage::Visit::kContinue;
              })
        .value();
    for (const Entry& entry : entries) read_entry(directory.child(entry.name), entry);
  }

  void read_entry(const RelPath& path, const Entry& entry) {
    Node node{entry.attributes, entry.symlink_target};
    if (node.is_symlink() && links_ == Links::kFollowed) {
      const auto resolved = storage_.stat(path, Storage::Follow::kYes);
      if (!resolved) return;
      node = {resolved->attributes, {}};
    }
    if (node.is_file()) node.content = read_content(path, node.attributes.size);
    if (!node.is_directory()) {
      tree_.emplace(path.text(), std::move(node));
      return;
    }
    for (const std::uint64_t above : above_) {
      if (above == node.attributes.inode) return;
    }
    above_.push_back(node.attributes.inode);
    tree_.emplace(path.text(), std::move(node));
    read_directory(path);
    above_.pop_back();
  }

  std::string read_content(const RelPath& path, ByteCount size) {
    std::string content(static_cast<std::size_t>(size), '\0');
    const auto file = storage_.open_read(path).value();
    content.resize(file->read(0, content).value());
    return content;
  }

  Storage& storage_;
  Links links_;
  Tree tree_;
  std::vector<std::uint64_t> above_;
};

}  // namespace

Tree read_tree(Storage& storage, Links links) { return TreeReader(storage, links).read(); }

bool is_within(const std::string& path, const std::string& top) {
  return RelPath::from_normal(path).is_within(RelPath::from_normal(top));
}

bool is_temporary(const std::string& path) {
  return storage::is_temporary_name(RelPath::from_normal(path).name(), {});
}

bool looks_same(const Node& a, const Node& b) {
  return a.attributes.type == b.attributes.type && a.content == b.content;
}

std::string describe(const Tree& tree, const std::string& path) {
  const auto found = tree.find(path);
  if (found == tree.end()) return "nothing";
  const Node& node = found->second;
  if (node.is_directory()) return "a directory";
  if (node.is_symlink()) return "a symlink to " + escape_bytes(node.content);
  return fmt::format("a file of {} bytes '{}'", node.content.size(),
                     escape_bytes(node.content.substr(0, kShownBytes)));
}

}  // namespace wherry::sim
