// SPDX-License-Identifier: Apache-2.0
#include "storage/memory_tree.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "storage/symlink_walk.h"

namespace wherry::storage {
namespace {

constexpr ByteCount kBlock = 4096;

// Calls `visit(number, begin in block, count)` for each block that the range touches.
template <class Visitor>
void for_each_block(ByteCount offset, ByteCount size, Visitor visit) {
  while (size > 0) {
    const ByteCount begin = offset % kBlock;
    const ByteCount count = std::min(size, kBlock - begin);
    visit(offset / kBlock, static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
    offset += count;
    size -= count;
  }
}

}  // namespace

Error memory_error(Code code, std::string_view doing, const RelPath& path,
                   std::string_view reason) {
  const std::string name = path.is_root() ? "/" : escape_bytes(path.text());
  return make_error(code, "{} '{}': {}", doing, name, reason);
}

ByteCount MemoryContent::stored() const {
  ByteCount sum = 0;
  for (const auto& [number, block] : blocks_) sum += block.size();
  return sum;
}

ByteCount MemoryContent::growth(ByteCount offset, ByteCount size) const {
  ByteCount sum = 0;
  for_each_block(offset, size, [&](ByteCount number, std::size_t begin, std::size_t count) {
    const auto block = blocks_.find(number);
    const std::size_t before = block == blocks_.end() ? 0 : block->second.size();
    sum += std::max(before, begin + count) - before;
  });
  return sum;
}

void MemoryContent::write(ByteCount offset, std::span<const char> bytes) {
  std::size_t done = 0;
  for_each_block(offset, bytes.size(), [&](ByteCount number, std::size_t begin, std::size_t count) {
    std::string& block = blocks_[number];
    if (block.size() < begin + count) block.resize(begin + count);
    std::memcpy(block.data() + begin, bytes.data() + done, count);
    done += count;
  });
  if (!bytes.empty()) size_ = std::max<ByteCount>(size_, offset + bytes.size());
}

std::size_t MemoryContent::read(ByteCount offset, std::span<char> buffer) const {
  if (offset >= size_) return 0;
  const auto size = static_cast<std::size_t>(std::min<ByteCount>(buffer.size(), size_ - offset));
  std::size_t done = 0;
  for_each_block(offset, size, [&](ByteCount number, std::size_t begin, std::size_t count) {
    char* const to = buffer.data() + done;
    std::memset(to, 0, count);
    const auto block = blocks_.find(number);
    if (block != blocks_.end() && block->second.size() > begin)
      std::memcpy(to, block->second.data() + begin, std::min(count, block->second.size() - begin));
    done += count;
  });
  return size;
}

void MemoryContent::resize(ByteCount size) {
  if (size < size_) {
    blocks_.erase(blocks_.lower_bound((size + kBlock - 1) / kBlock), blocks_.end());
    const auto last = blocks_.find(size / kBlock);
    if (last != blocks_.end()) {
      const auto left = static_cast<std::size_t>(size % kBlock);
      if (last->second.size() > left) last->second.resize(left);
    }
  }
  size_ = size;
}

std::optional<ReadFile::Extent> MemoryContent::next_data(ByteCount offset) const {
  auto block = blocks_.lower_bound(offset / kBlock);
  if (offset >= size_ || block == blocks_.end()) return std::nullopt;
  const ByteCount begin = std::max(offset, block->first * kBlock);
  ByteCount number = block->first;
  while (block != blocks_.end() && block->first == number) {
    ++number;
    ++block;
  }
  return ReadFile::Extent{begin, std::min(size_, number * kBlock) - begin};
}

MemoryContent& MemoryNode::writable_content() {
  if (content.use_count() > 1) content = std::make_shared<MemoryContent>(*content);
  return *content;
}

Attributes MemoryNode::attributes() const {
  Attributes a;
  a.type = type;
  a.mode = mode;
  if (type == EntryType::kFile) a.size = content->size();
  if (type == EntryType::kSymlink) a.size = symlink_target.size();
  a.mtime = mtime;
  a.ctime = ctime;
  a.inode = inode;
  return a;
}

MemoryTree::MemoryTree(const Clock& clock)
    : clock_(clock), root_(make_node(EntryType::kDirectory, 0755)) {}

Result<MemoryTree::Place> MemoryTree::find(const RelPath& path, Storage::Follow last) const {
  const std::vector<std::string> start = path_components(path.text());
  std::deque<std::string> left(start.begin(), start.end());
  std::vector<MemoryNodePointer> above = {root_};
  int symlinks = 0;
  while (!left.empty()) {
    const std::string part = std::move(left.front());
    left.pop_front();
    if (part == "..") {
      above.pop_back();
      if (above.empty())
        return memory_error(Code::kDenied, "open", path, "a symlink in it leaves the storage");
      continue;
    }
    const MemoryNodePointer parent = above.back();
    if (part.size() > kMaxNameBytes)
      return memory_error(Code::kInvalid, "open", path, "file name too long");
    const auto entry = parent->entries.find(part);
    const MemoryNodePointer node = entry == parent->entries.end() ? nullptr : entry->second;
    const bool is_last = left.empty();
    if (node && node->type == EntryType::kSymlink && (!is_last || last == Storage::Follow::kYes)) {
      if (++symlinks > kMaxSymlinks)
        return memory_error(Code::kInvalid, "open", path, "too many levels of symbolic links");
      if (node->symlink_target.starts_with('/'))
        return memory_error(Code::kDenied, "open", path, "a symlink in it leaves the storage");
      const std::vector<std::string> parts = path_components(node->symlink_target);
      left.insert(left.begin(), parts.begin(), parts.end());
      continue;
    }
    if (is_last) return Place{parent, part, node};
    if (!node) return memory_error(Code::kNotFound, "open", path, "no such file or directory");
    if (node->type != EntryType::kDirectory)
      return memory_error(Code::kInvalid, "open", path, "not a directory");
    above.push_back(node);
  }
  return Place{nullptr, "", above.back()};
}

Result<MemoryNodePointer> MemoryTree::find_directory(const RelPath& path) const {
  TRY_ASSIGN(const Place place, find(path, Storage::Follow::kYes));
  if (!place.node) return memory_error(Code::kNotFound, "open", path, "no such file or directory");
  if (place.node->type != EntryType::kDirectory)
    return memory_error(Code::kInvalid, "open", path, "not a directory");
  return place.node;
}

MemoryNodePointer MemoryTree::make_node(EntryType type, std::uint32_t mode) {
  auto node = std::make_shared<MemoryNode>();
  node->type = type;
  node->mode = mode & 07777U;
  node->inode = ++last_inode_;
  if (type == EntryType::kFile) {
    node->content = std::make_shared<MemoryContent>();
    node->durable.content = std::make_shared<MemoryContent>();
    node->durable.mode = node->mode;
  }
  touch(*node);
  return node;
}

void MemoryTree::put(MemoryNode& directory, std::string_view name, MemoryNodePointer node) {
  touch_status(*node);
  directory.entries.insert_or_assign(std::string(name), std::move(node));
  touch(directory);
}

void MemoryTree::erase(MemoryNode& directory, std::string_view name) {
  const auto entry = directory.entries.find(name);
  if (entry == directory.entries.end()) return;
  directory.entries.erase(entry);
  touch(directory);
}

void MemoryTree::touch(MemoryNode& node) { node.mtime = node.ctime = clock_.now(); }
void MemoryTree::touch_status(MemoryNode& node) { node.ctime = clock_.now(); }

ByteCount MemoryTree::stored() const {
  ByteCount sum = 0;
  std::vector<const MemoryNode*> left = {root_.get()};
  while (!left.empty()) {
    const MemoryNode* node = left.back();
    left.pop_back();
    if (node->type == EntryType::kFile) sum += node->content->stored();
    for (const auto& [name, child] : node->entries) left.push_back(child.get());
  }
  return sum;
}

// A directory that was moved may be durable at both its names, even each inside of the other; it
// keeps the first that is met.
void MemoryTree::lose_power() {
  std::set<const MemoryNode*> met = {root_.get()};
  std::vector<MemoryNode*> left = {root_.get()};
  while (!left.empty()) {
    MemoryNode& node = *left.back();
    left.pop_back();
    if (node.type == EntryType::kFile) {
      node.content = node.durable.content;
      node.mode = node.durable.mode;
      node.mtime = node.durable.mtime;
    }
    if (node.type != EntryType::kDirectory) continue;
    std::erase_if(node.durable_entries, [&](const auto& entry) {
      return entry.second->type == EntryType::kDirectory && !met.insert(entry.second.get()).second;
    });
    node.removed = false;
    node.entries = node.durable_entries;
    for (const auto& [name, child] : node.entries) left.push_back(child.get());
  }
}

}  // namespace wherry::storage
