// SPDX-License-Identifier: Apache-2.0
// For tests: trees in memory, made by hand or from a seed, and catalogs of them.
#pragma once

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "catalog/reader.h"
#include "catalog/writer.h"

namespace wherry::catalog {

struct PathOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    return compare_paths(a, b) < 0;
  }
};

// An entry that owns its text.
struct OwnedEntry {
  Observation observation;
  std::string symlink_target;

  friend bool operator==(const OwnedEntry&, const OwnedEntry&) = default;
};

struct TestDirectory {
  Observation observation{.type = EntryType::kDirectory, .mode = 0755};
  bool trusted = false;
  std::map<std::string, OwnedEntry> entries;  // std::string compares as unsigned bytes

  friend bool operator==(const TestDirectory&, const TestDirectory&) = default;
};

using TestTree = std::map<std::string, TestDirectory, PathOrder>;

inline std::vector<Entry> views(const TestDirectory& directory) {
  std::vector<Entry> entries;
  for (const auto& [name, entry] : directory.entries)
    entries.push_back({name, entry.observation, entry.symlink_target});
  return entries;
}

inline Directory record_of(const std::string& path, const TestDirectory& directory) {
  return {path, directory.observation, directory.trusted, 0};
}

inline Result<void> write_tree(const std::string& path, const TestTree& tree,
                               const Writer::Options& options = {}) {
  TRY_ASSIGN(const auto writer, Writer::create(path, options));
  for (const auto& [directory_path, directory] : tree)
    TRY(writer->add(record_of(directory_path, directory), views(directory)));
  return writer->finish();
}

inline TestDirectory owned(const DirectoryEntries& decoded) {
  TestDirectory directory;
  directory.observation = decoded.directory.observation;
  directory.trusted = decoded.directory.trusted;
  for (const Entry& entry : decoded.entries) {
    directory.entries[std::string(entry.name)] = {entry.observation,
                                                  std::string(entry.symlink_target)};
  }
  return directory;
}

inline Result<TestTree> read_tree(const Reader& reader) {
  TestTree tree;
  DirectoryEntries decoded;
  for (std::uint64_t position = 0; position < reader.directory_count(); ++position) {
    TRY(reader.read(position, decoded));
    tree[decoded.directory.path] = owned(decoded);
  }
  return tree;
}

// A new empty directory that goes away with the object.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = "/tmp/wherry_catalog_XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder();  // writer_test.cc
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // Names in it, sorted.
  std::vector<std::string> names() const;

 private:
  std::string path_;
};

// Names that break careless code, and observations at the ends of their ranges.
std::string random_name(Random& random);
Observation random_observation(Random& random);
TestTree random_tree(std::uint64_t seed);
// Every kind of entry, few bytes: the worked example of docs/formats/catalog.md.
TestTree small_tree();
// Two pages of the index, a directory of two blocks, enough of everything that zstd pays.
TestTree wide_tree();

}  // namespace wherry::catalog
