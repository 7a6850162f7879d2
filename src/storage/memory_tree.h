// SPDX-License-Identifier: Apache-2.0
// What a memory storage is made of: a tree of nodes, each of which knows what it is and what a
// power cut would leave of it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/path.h"
#include "storage/storage.h"

namespace wherry::storage {

// A file's bytes in blocks, so that holes take no room.
class MemoryContent {
 public:
  ByteCount size() const { return size_; }
  // Bytes that are stored, not counting holes.
  ByteCount stored() const;
  // How many bytes more would be stored after write(offset, bytes of `size`), at most.
  ByteCount growth(ByteCount offset, ByteCount size) const;
  void write(ByteCount offset, std::span<const char> bytes);
  std::size_t read(ByteCount offset, std::span<char> buffer) const;
  void resize(ByteCount size);
  std::optional<ReadFile::Extent> next_data(ByteCount offset) const;

 private:
  ByteCount size_ = 0;
  std::map<ByteCount, std::string> blocks_;  // by number; what a block lacks is zero
};

struct MemoryNode;
using MemoryNodePointer = std::shared_ptr<MemoryNode>;
using MemoryEntries = std::map<std::string, MemoryNodePointer, std::less<>>;

struct MemoryNode {
  EntryType type = EntryType::kFile;
  std::uint32_t mode = 0;
  TimePoint mtime;
  TimePoint ctime;
  std::uint64_t inode = 0;
  std::string symlink_target;

  // Of a file. Copied before it is changed while somebody shares it (durable, or a clone).
  std::shared_ptr<MemoryContent> content;
  struct Durable {
    std::shared_ptr<MemoryContent> content;
    std::uint32_t mode = 0;
    TimePoint mtime;
  };
  Durable durable;

  // Of a directory.
  MemoryEntries entries;
  MemoryEntries durable_entries;
  bool removed = false;

  MemoryContent& writable_content();
  Attributes attributes() const;
};

// The nodes with their names, without locks. "Place" is a name in a directory, taken or not.
class MemoryTree {
 public:
  explicit MemoryTree(const Clock& clock);

  struct Place {
    MemoryNodePointer parent;  // of the root and of "..": none
    std::string name;
    MemoryNodePointer node;  // nothing there: null
  };
  // kNotFound, or kInvalid for a file on the way, if the parent does not exist; kDenied where a
  // symlink leaves the storage, as every absolute one does.
  Result<Place> find(const RelPath& path, Storage::Follow last) const;
  Result<MemoryNodePointer> find_directory(const RelPath& path) const;

  MemoryNodePointer make_node(EntryType type, std::uint32_t mode);
  // Puts `node` under a name, in place of what was there.
  void put(MemoryNode& directory, std::string_view name, MemoryNodePointer node);
  void erase(MemoryNode& directory, std::string_view name);
  void touch(MemoryNode& node);         // content or entries changed now
  void touch_status(MemoryNode& node);  // attributes changed now
  ByteCount stored() const;
  // Leaves durable content and names only.
  void lose_power();

 private:
  const Clock& clock_;
  std::uint64_t last_inode_ = 1;
  MemoryNodePointer root_;
};

// "<doing> '<path>': <reason>" with `code`.
Error memory_error(Code code, std::string_view doing, const RelPath& path, std::string_view reason);

}  // namespace wherry::storage
