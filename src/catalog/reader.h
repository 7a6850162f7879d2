// SPDX-License-Identifier: Apache-2.0
// Reads a catalog: what a directory tree looked like, one directory at a time, from a mapped file.
// The format is in docs/formats/catalog.md and format.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "base/result.h"
#include "base/types.h"

namespace wherry::catalog {

using wherry::EntryType;

// What was observed of one file, directory or symlink. Never a time of the observer's clock.
struct Observation {
  EntryType type = EntryType::kFile;
  std::uint32_t mode = 0;     // permission bits
  std::uint64_t size = 0;     // bytes
  std::int64_t mtime_ns = 0;  // since 1970-01-01 UTC
  std::int64_t ctime_ns = 0;  // 0 where the storage has none
  std::uint64_t inode = 0;    // 0 where the storage has none

  friend bool operator==(const Observation&, const Observation&) = default;
};

struct Entry {
  std::string_view name;  // bytes; points into the decoded directory
  Observation observation;
  std::string_view symlink_target;
};

// A directory's own record. Sub-directories are entries of their parent as well (name, mode,
// inode).
struct Directory {
  std::string path;  // relative to the root, in normal form; empty for the root
  Observation
      observation;  // read with type kDirectory, whatever was written; when `trusted` is set and
                    // mtime and ctime are still the same, no name was added or removed since
  bool trusted = false;
  std::uint64_t entry_count = 0;  // set by the reader; a writer counts for itself
};

// A decoded directory: entries sorted by name bytes. Reused between calls to save allocations. Can
// be moved (the views stay good) but not copied.
struct DirectoryEntries {
  DirectoryEntries() = default;
  DirectoryEntries(DirectoryEntries&&) = default;
  DirectoryEntries& operator=(DirectoryEntries&&) = default;

  Directory directory;
  std::vector<Entry> entries;
  std::string names;  // what the views point into
};

struct Totals {
  std::uint64_t directories = 0;
  std::uint64_t files = 0;
  std::uint64_t symlinks = 0;
  std::uint64_t bytes = 0;  // sum of the sizes of files
};

// A directory's blocks as they lie in the file, for Writer::copy.
struct StoredDirectory {
  Directory directory;
  std::string_view blocks;  // lives as long as the reader
  std::uint64_t files = 0;
  std::uint64_t symlinks = 0;
  std::uint64_t bytes = 0;
};

// Immutable and safe for concurrent calls. Holds the file open: it stays readable when replaced.
class Reader {
 public:
  // kNotFound if there is none, kCorrupt (with place and what to do) if damaged, kUnsupported if a
  // newer Wherry wrote it. Checks the header and the index, not each block.
  static Result<std::unique_ptr<Reader>> open(const std::string& path);
  // The same for a catalog in memory; `name` stands in messages.
  static Result<std::unique_ptr<Reader>> from_bytes(std::string bytes, std::string name);
  virtual ~Reader() = default;

  virtual const Totals& totals() const = 0;
  // Free text that the writer stored, e.g. which sync and pass made it.
  virtual std::string_view note() const = 0;

  // Position of a directory in the order of the catalog (RelPath's order), if it is there.
  virtual Result<std::optional<std::uint64_t>> find(std::string_view path) const = 0;
  virtual std::uint64_t directory_count() const = 0;
  virtual Result<Directory> directory(std::uint64_t position) const = 0;
  // Decodes one directory; verifies its checksums first. Names are never empty, "." or "..", hold
  // no slash or NUL, and ascend strictly, whatever the file holds. After an error `out` is empty.
  virtual Result<void> read(std::uint64_t position, DirectoryEntries& out) const = 0;
  // One directory with its checksums verified, not decoded.
  virtual Result<StoredDirectory> stored(std::uint64_t position) const = 0;
  // Verifies every checksum, order and count.
  virtual Result<void> check() const = 0;
};

}  // namespace wherry::catalog
