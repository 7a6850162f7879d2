// SPDX-License-Identifier: Apache-2.0
// Writes a catalog, directory by directory in RelPath's order. Memory does not grow with the tree
// (the index is spilled beside the data); the file appears under its name whole and durable, or not
// at all.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/reader.h"

namespace wherry::catalog {

class Writer {
 public:
  struct Options {
    std::string note;
    int zstd_level = 1;  // 0 stores blocks uncompressed
  };
  // kConflict while another writer, of this process or another, has not finished the same catalog.
  static Result<std::unique_ptr<Writer>> create(const std::string& path, const Options& options);
  // Without finish(), removes what was written.
  virtual ~Writer() = default;

  // `entries` are sorted by name bytes, without doubles. Directories come in RelPath's order, the
  // root (path "") first; only symlinks have a target; CHECKed. kInvalid for a name that no
  // directory can hold, and for text past kMaxPathBytes. After an error the writer is of no more
  // use.
  virtual Result<void> add(const Directory& directory, std::span<const Entry> entries) = 0;
  // The same directory as in `source`, its block copied as it stands; with `path` in place of its
  // old path if it moved, and `observation` and `trusted` from `directory`.
  virtual Result<void> copy(const Reader& source, std::uint64_t position,
                            const Directory& directory) = 0;
  // Flushes and renames into place.
  virtual Result<void> finish() = 0;
};

}  // namespace wherry::catalog
