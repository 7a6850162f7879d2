// SPDX-License-Identifier: Apache-2.0
// Pages of the index: kPageDirectories directories each, in path order, front-coded. A page's
// number follows from a directory's position, so the table of pages is one offset a page.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog/block.h"
#include "catalog/codec.h"
#include "catalog/format.h"
#include "catalog/reader.h"

namespace wherry::catalog {

// One directory as the index knows it.
struct DirectoryRecord {
  Directory directory;
  std::uint64_t files = 0;
  std::uint64_t symlinks = 0;
  std::uint64_t bytes = 0;
  std::uint64_t data_begin = 0;  // of its blocks, from the start of the data
  std::uint64_t data_size = 0;
};

// Collects the records of one page after another.
class PageEncoder {
 public:
  // The record's data_begin must be where the one before ended (CHECKed).
  void add(const DirectoryRecord& record);
  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == kPageDirectories; }
  // Appends the page to `out` and starts the next.
  void finish(Compressor& compressor, std::string& out);

 private:
  std::size_t count_ = 0;
  std::string raw_;
  std::string first_path_;
  DirectoryRecord before_;
  std::uint64_t data_begin_ = 0;
};

// A page in a mapped file, its header's limits checked.
struct Page {
  PageHeader header;
  std::string_view first_path;
  std::string_view payload;
  std::size_t size() const { return sizeof header + first_path.size() + payload.size(); }
};

// The page at the front of `bytes`. Does not verify its checksum: a search looks at many.
Problem view_page(std::string_view bytes, Page& page);
bool page_checksum_holds(const Page& page);
// Fills `records` (whose strings are reused) and verifies that paths are in normal form and order.
Problem decode_page(const Page& page, Decompressor& decompressor,
                    std::vector<DirectoryRecord>& records);

}  // namespace wherry::catalog
