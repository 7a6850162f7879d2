// SPDX-License-Identifier: Apache-2.0
// Blocks: the entries of one directory, up to kMaxBlockEntries each, as columns. A block knows
// nothing of its directory or of other blocks, which is what lets a writer copy it as it stands.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/codec.h"
#include "catalog/format.h"
#include "catalog/reader.h"

namespace wherry::catalog {

// Why bytes are no block or page; empty if they are one. The reader adds file and offset.
using Problem = std::string_view;

// Turns entries into blocks. For one thread at a time.
class BlockEncoder {
 public:
  // The compressor outlives the encoder.
  explicit BlockEncoder(Compressor& compressor) : compressor_(compressor) {}

  // How many of the first `entries` make up the next block.
  static std::size_t next_block(std::span<const Entry> entries);
  // Appends one block with `entries`, which are sorted (CHECKed) and fit in one.
  void append(std::string& out, std::span<const Entry> entries);

 private:
  void append_names(std::span<const Entry> entries);
  void append_observations(std::span<const Entry> entries);
  void append_targets(std::span<const Entry> entries);

  Compressor& compressor_;
  std::string raw_;
  std::string middles_;
  std::array<std::vector<std::uint64_t>, 3> columns_;  // reused
};

// A block in a mapped file, its header's limits checked.
struct Block {
  BlockHeader header;
  std::string_view payload;
};

// Takes the block at the front of `rest` off it, and verifies its limits and checksum.
Problem take_block(std::string_view& rest, Block& block);

// Buffers that decoding reuses. For one thread at a time.
struct BlockScratch {
  Decompressor decompressor;
  std::array<std::uint16_t, kMaxBlockEntries> shared;  // bytes at the front as in the name before
  std::array<std::uint16_t, kMaxBlockEntries> middle;  // bytes that are new
  std::array<std::uint16_t, kMaxBlockEntries> tail;    // bytes at the end as in the name before
  std::array<std::uint16_t, kMaxBlockEntries> target;  // of symlinks only
};

// Appends the entries of `block` to `out`. Trusts nothing: not the sizes, not the names, not their
// order, not the order against what `out` holds.
Problem decode_block(const Block& block, BlockScratch& scratch, DirectoryEntries& out);

}  // namespace wherry::catalog
