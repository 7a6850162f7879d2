// SPDX-License-Identifier: Apache-2.0
// What a storage holds, read past everything that goes wrong: what the checks compare.
#pragma once

#include <map>
#include <string>

#include "storage/storage.h"

namespace wherry::sim {

struct Node {
  storage::Attributes attributes;
  std::string content;  // of a file its bytes, of a symlink where it leads

  bool is_directory() const { return attributes.type == storage::EntryType::kDirectory; }
  bool is_file() const { return attributes.type == storage::EntryType::kFile; }
  bool is_symlink() const { return attributes.type == storage::EntryType::kSymlink; }
  friend bool operator==(const Node&, const Node&) = default;
};

using Tree = std::map<std::string, Node>;  // by path from the storage's root, which is left out

enum class Links {
  kAsTheyAre,
  kFollowed,  // each is what it leads to; one that leads nowhere or above itself is left out
};

// `storage` works: no call on it fails.
Tree read_tree(storage::Storage& storage, Links links = Links::kAsTheyAre);

// Whether `path` is `top` or below it; the empty path is above everything.
bool is_within(const std::string& path, const std::string& top);
// Whether the last component is the name of a temporary.
bool is_temporary(const std::string& path);
// The same kind of thing with the same content.
bool looks_same(const Node& a, const Node& b);
// "file of 12 bytes 'v3 …'", for messages; of nothing, "nothing".
std::string describe(const Tree& tree, const std::string& path);

}  // namespace wherry::sim
