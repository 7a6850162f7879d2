// SPDX-License-Identifier: Apache-2.0
// Version 1 of the catalog file: its fixed-width records, its limits, and the two encodings that
// everything else is made of, varints and columns. docs/formats/catalog.md explains it.
//
//   file = FileHeader, block..., page..., page offsets (8 bytes each), note, Footer
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/path.h"

namespace wherry::catalog {

// Records are copied between file and memory as they are: the format is little-endian.
static_assert(std::endian::native == std::endian::little,
              "a big-endian machine needs byte swaps in load() and append_record()");

constexpr std::uint32_t kVersion = 1;
constexpr std::array<char, 8> kMagic = {'w', 'h', 'r', 'y', 'c', 'a', 't', '\n'};
constexpr std::array<char, 8> kEndMagic = {'w', 'h', 'r', 'y', 'e', 'n', 'd', '\n'};

// Limits. They bound what a reader allocates for one block or page, whatever a file claims.
constexpr std::size_t kMaxBlockEntries = 4096;
constexpr std::size_t kMaxBlockText = std::size_t{1} << 20;  // names and symlink targets, decoded
constexpr std::size_t kMaxBlockRaw = std::size_t{2} << 20;   // a block's payload, decompressed
constexpr std::size_t kMaxEntryName = kMaxPathBytes;
constexpr std::size_t kMaxSymlinkTarget = kMaxPathBytes;
constexpr std::size_t kPageDirectories = 64;  // in every page but the last
constexpr std::size_t kMaxPageRaw = std::size_t{1} << 19;
constexpr std::size_t kMaxNote = std::size_t{64} << 10;

constexpr std::size_t kMaxVarint = 10;  // bytes
constexpr std::size_t kBlockColumns = 10;
static_assert(kBlockColumns * (1 + kMaxVarint * kMaxBlockEntries) + kMaxBlockText <= kMaxBlockRaw,
              "the largest block that a writer can make must be one that a reader takes");
static_assert(kPageDirectories * (kMaxPathBytes + 1 + 13 * kMaxVarint) <= kMaxPageRaw);

enum class Codec : std::uint8_t { kStored = 0, kZstd = 1 };

// Every checksum is the XXH3-64 of the bytes named.
struct FileHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t reserved;
  std::uint64_t checksum;  // of the 16 bytes before it, in every version
};
static_assert(sizeof(FileHeader) == 24 && offsetof(FileHeader, checksum) == 16);

// Stands before each block's payload. A directory is zero or more blocks, one after another.
struct BlockHeader {
  std::uint64_t checksum;  // of the rest of this header and the payload
  std::uint32_t stored_size;
  std::uint32_t raw_size;
  std::uint32_t text_size;  // bytes of names and targets when decoded
  std::uint16_t entry_count;
  Codec codec;
  std::uint8_t reserved;
};
static_assert(sizeof(BlockHeader) == 24);

// Stands before each page of the index of directories. The page's first path follows in the clear,
// so that a search need not decompress, then the payload.
struct PageHeader {
  std::uint64_t checksum;    // of the rest of this header, the first path and the payload
  std::uint64_t data_begin;  // where the first directory's blocks lie, from the start of the data
  std::uint32_t stored_size;
  std::uint32_t raw_size;
  std::uint16_t directory_count;
  std::uint16_t first_path_size;
  Codec codec;
  std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(PageHeader) == 32);

struct Footer {
  std::uint64_t data_size;   // bytes of all blocks; they begin after the FileHeader
  std::uint64_t index_size;  // bytes of all pages; they begin after the data
  std::uint64_t page_count;
  std::uint64_t note_size;
  std::uint64_t directories;
  std::uint64_t files;
  std::uint64_t symlinks;
  std::uint64_t bytes;
  std::uint64_t note_checksum;
  std::uint64_t checksum;  // of the 72 bytes before it
  std::array<char, 8> magic;
};
static_assert(sizeof(Footer) == 88 && offsetof(Footer, checksum) == 72);

// The record at the start of `bytes`, which holds at least its size.
template <class Record>
Record load(std::string_view bytes) {
  Record record;
  std::memcpy(&record, bytes.data(), sizeof record);
  return record;
}

template <class Record>
void append_record(std::string& out, const Record& record) {
  out.append(reinterpret_cast<const char*>(&record), sizeof record);
}

// The bytes of a record between two offsets: what a checksum covers.
template <class Record>
std::string_view record_bytes(const Record& record, std::size_t begin, std::size_t end) {
  return std::string_view(reinterpret_cast<const char*>(&record), sizeof record)
      .substr(begin, end - begin);
}

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
// A fuzzer takes every checksum, so that damage reaches the code behind it.
inline bool takes_every_checksum = false;
#else
inline constexpr bool takes_every_checksum = false;
#endif

// Whether a stored checksum holds.
inline bool checksum_holds(std::uint64_t stored, std::uint64_t computed) {
  return stored == computed || takes_every_checksum;
}

// Unsigned integers in 7-bit groups, lowest first; the top bit says that more follow.
void append_varint(std::string& out, std::uint64_t value);
std::size_t varint_size(std::uint64_t value);

// Small numbers of either sign to small unsigned ones: 0, -1, 1, -2 ... become 0, 1, 2, 3 ...
constexpr std::uint64_t zigzag(std::uint64_t value) { return (value << 1) ^ (0 - (value >> 63)); }
constexpr std::uint64_t unzigzag(std::uint64_t value) { return (value >> 1) ^ (0 - (value & 1)); }

// Takes fields from the front of untrusted bytes. After the first impossible one, failed() stays
// true and every further field is 0 or empty.
class ByteCursor {
 public:
  explicit ByteCursor(std::string_view bytes)
      : position_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && position_ != end_; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(*position_++);
      if (shift == 63 && byte > 1) break;  // more than 64 bits
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail();
    return 0;
  }
  std::uint8_t byte() {
    if (position_ == end_) {
      fail();
      return 0;
    }
    return static_cast<std::uint8_t>(*position_++);
  }
  std::string_view take(std::uint64_t size) {
    if (size > remaining()) {
      fail();
      return {};
    }
    const std::string_view bytes(position_, static_cast<std::size_t>(size));
    position_ += size;
    return bytes;
  }
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - position_); }
  void fail() {
    failed_ = true;
    position_ = end_;
  }
  bool failed() const { return failed_; }

 private:
  const char* position_;
  const char* end_;
  bool failed_ = false;
};

// A column holds one number for each entry of a block: a tag, then zigzag varints. The tag says
// what the numbers are and whether each stands for itself or for a run.
enum class Transform : std::uint8_t {
  kValue = 0,   // the value
  kDelta = 1,   // the difference to the entry before (0 before the first)
  kOffset = 2,  // the difference to the same entry's number in a reference column
};
constexpr std::uint8_t kRunsBit = 0x10;  // a varint (length of the run less one) before each number

// Appends `values` in the smallest of the forms. `reference` is empty or as long as `values`.
void append_column(std::string& out, std::span<const std::uint64_t> values,
                   std::span<const std::uint64_t> reference = {});

// Calls sink(i, value) for each i below `count`; `reference(i)` is asked only for kOffset. The
// cursor fails if the column is malformed; the sink may have been called for some by then.
template <class Reference, class Sink>
void decode_column(ByteCursor& cursor, std::size_t count, Reference reference, Sink sink) {
  if (count == 0) return;
  const std::uint8_t tag = cursor.byte();
  const bool runs = (tag & kRunsBit) != 0;
  const auto transform = static_cast<Transform>(tag & ~kRunsBit);
  if (transform > Transform::kOffset) return cursor.fail();
  std::uint64_t previous = 0;
  for (std::size_t i = 0; i < count;) {
    const std::uint64_t more = runs ? cursor.varint() : 0;
    if (more >= count - i) return cursor.fail();
    const std::uint64_t number = unzigzag(cursor.varint());
    for (const std::size_t end = i + 1 + static_cast<std::size_t>(more); i < end; ++i) {
      if (transform == Transform::kDelta) {
        previous += number;
      } else {
        previous = transform == Transform::kOffset ? reference(i) + number : number;
      }
      sink(i, previous);
    }
  }
}

template <class Sink>
void decode_column(ByteCursor& cursor, std::size_t count, Sink sink) {
  decode_column(
      cursor, count, [](std::size_t) { return std::uint64_t{0}; }, sink);
}

}  // namespace wherry::catalog
