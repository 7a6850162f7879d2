// SPDX-License-Identifier: Apache-2.0
#include "catalog/block.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/hash.h"

namespace wherry::catalog {
namespace {

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const std::size_t limit = std::min(a.size(), b.size());
  std::size_t size = 0;
  while (size < limit && a[size] == b[size]) ++size;
  return size;
}

std::size_t common_suffix(std::string_view a, std::string_view b) {
  const std::size_t limit = std::min(a.size(), b.size());
  std::size_t size = 0;
  while (size < limit && a[a.size() - 1 - size] == b[b.size() - 1 - size]) ++size;
  return size;
}

// How a name is made from the one before it: its first `shared` bytes, new bytes, its last `tail`.
struct NameParts {
  std::size_t shared;
  std::size_t middle;
  std::size_t tail;
};

NameParts split_name(std::string_view before, std::string_view name) {
  const std::size_t shared = common_prefix(before, name);
  const std::size_t tail = common_suffix(before.substr(shared), name.substr(shared));
  return {shared, name.size() - shared - tail, tail};
}

template <class Number>
void fill(std::vector<std::uint64_t>& column, std::span<const Entry> entries, Number number) {
  column.clear();
  for (const Entry& entry : entries) column.push_back(static_cast<std::uint64_t>(number(entry)));
}

std::uint64_t block_checksum(const BlockHeader& header, std::string_view payload) {
  // One pass over contiguous bytes: a header and its payload always lie side by side.
  const char* begin = payload.data() - sizeof(BlockHeader) + sizeof header.checksum;
  return checksum64({begin, sizeof(BlockHeader) - sizeof header.checksum + payload.size()});
}

}  // namespace

std::size_t BlockEncoder::next_block(std::span<const Entry> entries) {
  std::size_t text = 0;
  std::size_t count = 0;
  while (count < entries.size() && count < kMaxBlockEntries) {
    text += entries[count].name.size() + entries[count].symlink_target.size();
    if (text > kMaxBlockText) break;
    ++count;
  }
  return count;
}

void BlockEncoder::append(std::string& out, std::span<const Entry> entries) {
  CHECK(!entries.empty() && next_block(entries) == entries.size());
  raw_.clear();
  append_names(entries);
  append_observations(entries);
  append_targets(entries);
  CHECK(raw_.size() <= kMaxBlockRaw);

  std::size_t text = 0;
  for (const Entry& entry : entries) text += entry.name.size() + entry.symlink_target.size();
  const Compressor::Packed packed = compressor_.pack(raw_);
  BlockHeader header{};
  header.stored_size = static_cast<std::uint32_t>(packed.bytes.size());
  header.raw_size = static_cast<std::uint32_t>(raw_.size());
  header.text_size = static_cast<std::uint32_t>(text);
  header.entry_count = static_cast<std::uint16_t>(entries.size());
  header.codec = packed.codec;

  const std::size_t begin = out.size();
  append_record(out, header);
  out += packed.bytes;
  header.checksum = block_checksum(header, std::string_view(out).substr(begin + sizeof header));
  std::memcpy(out.data() + begin, &header.checksum, sizeof header.checksum);
}

// Three columns of lengths, and the new bytes kept for append_targets.
void BlockEncoder::append_names(std::span<const Entry> entries) {
  auto& [shared, middle, tail] = columns_;
  for (auto& column : columns_) column.clear();
  middles_.clear();
  std::string_view before;
  for (const Entry& entry : entries) {
    CHECK(&entry == entries.data() || before < entry.name);
    const NameParts parts = split_name(before, entry.name);
    shared.push_back(parts.shared);
    middle.push_back(parts.middle);
    tail.push_back(parts.tail);
    middles_ += entry.name.substr(parts.shared, parts.middle);
    before = entry.name;
  }
  append_column(raw_, shared);
  append_column(raw_, middle);
  append_column(raw_, tail);
}

void BlockEncoder::append_observations(std::span<const Entry> entries) {
  std::vector<std::uint64_t>& column = columns_[0];
  std::vector<std::uint64_t>& mtimes = columns_[1];
  fill(column, entries, [](const Entry& e) { return e.observation.type; });
  append_column(raw_, column);
  fill(column, entries, [](const Entry& e) { return e.observation.mode; });
  append_column(raw_, column);
  fill(column, entries, [](const Entry& e) { return e.observation.size; });
  append_column(raw_, column);
  fill(mtimes, entries, [](const Entry& e) { return e.observation.mtime_ns; });
  append_column(raw_, mtimes);
  fill(column, entries, [](const Entry& e) { return e.observation.ctime_ns; });
  append_column(raw_, column, mtimes);
  fill(column, entries, [](const Entry& e) { return e.observation.inode; });
  append_column(raw_, column);
}

// The lengths of symlink targets, the new bytes of all names, the targets.
void BlockEncoder::append_targets(std::span<const Entry> entries) {
  std::vector<std::uint64_t>& lengths = columns_[0];
  lengths.clear();
  for (const Entry& entry : entries) {
    const bool is_symlink = entry.observation.type == EntryType::kSymlink;
    CHECK(is_symlink || entry.symlink_target.empty());
    if (is_symlink) lengths.push_back(entry.symlink_target.size());
  }
  append_column(raw_, lengths);
  raw_ += middles_;
  for (const Entry& entry : entries) raw_ += entry.symlink_target;
}

Problem take_block(std::string_view& rest, Block& block) {
  if (rest.size() < sizeof(BlockHeader)) return "a block's header is cut off";
  block.header = load<BlockHeader>(rest);
  const BlockHeader& header = block.header;
  rest.remove_prefix(sizeof header);
  if (header.stored_size > rest.size()) return "a block is cut off";
  if (header.entry_count == 0 || header.entry_count > kMaxBlockEntries ||
      header.text_size > kMaxBlockText || header.raw_size > kMaxBlockRaw || header.reserved != 0) {
    return "a block claims impossible sizes";
  }
  block.payload = rest.substr(0, header.stored_size);
  rest.remove_prefix(header.stored_size);
  if (!checksum_holds(header.checksum, block_checksum(header, block.payload)))
    return "a block's checksum is wrong";
  return {};
}

namespace {

// Makes room for `more` bytes of text. Views that point into the old buffer are moved along.
void grow_names(DirectoryEntries& out, std::size_t more) {
  const std::size_t size = out.names.size() + more;
  if (size > out.names.capacity()) {
    std::string larger;
    larger.reserve(std::max(size, 2 * out.names.capacity()));
    larger = out.names;
    const auto moved = [&](std::string_view view) {
      return std::string_view(larger.data() + (view.data() - out.names.data()), view.size());
    };
    for (Entry& entry : out.entries) {
      entry.name = moved(entry.name);
      entry.symlink_target =
          entry.symlink_target.empty() ? std::string_view() : moved(entry.symlink_target);
    }
    out.names.swap(larger);
  }
  out.names.resize(size);
}

// Decodes one block behind what `out` holds.
class BlockDecoder {
 public:
  BlockDecoder(const Block& block, BlockScratch& scratch, DirectoryEntries& out)
      : count_(block.header.entry_count),
        text_left_(block.header.text_size),
        scratch_(scratch),
        out_(out) {}

  Problem decode(std::string_view raw) {
    const std::size_t first = out_.entries.size();
    const std::size_t text_begin = out_.names.size();
    grow_names(out_, text_left_);
    out_.entries.resize(first + count_);
    entries_ = out_.entries.data() + first;
    text_ = out_.names.data() + text_begin;

    ByteCursor cursor(raw);
    decode_lengths(cursor, scratch_.shared, count_);
    const std::uint64_t middle_size = decode_lengths(cursor, scratch_.middle, count_);
    decode_lengths(cursor, scratch_.tail, count_);
    decode_observations(cursor);
    if (cursor.failed() || impossible_) return "a block holds impossible numbers";
    if (Problem problem = decode_text(cursor, middle_size); !problem.empty()) return problem;
    if (first > 0 && entries_[-1].name >= entries_[0].name) return "names are not in order";
    return {};
  }

 private:
  std::uint64_t decode_lengths(ByteCursor& cursor,
                               std::array<std::uint16_t, kMaxBlockEntries>& lengths,
                               std::size_t count) {
    std::uint64_t sum = 0;
    std::uint64_t all = 0;
    decode_column(cursor, count, [&](std::size_t i, std::uint64_t value) {
      lengths[i] = static_cast<std::uint16_t>(value);
      all |= value;
      sum += lengths[i];
    });
    impossible_ |= all > std::numeric_limits<std::uint16_t>::max();
    return sum;
  }

  void decode_observations(ByteCursor& cursor) {
    Entry* const entries = entries_;
    std::uint64_t all_types = 0;
    std::uint64_t all_modes = 0;
    decode_column(cursor, count_, [&](std::size_t i, std::uint64_t value) {
      entries[i].observation.type = static_cast<EntryType>(value & 3);
      all_types |= value;
    });
    decode_column(cursor, count_, [&](std::size_t i, std::uint64_t value) {
      entries[i].observation.mode = static_cast<std::uint32_t>(value);
      all_modes |= value;
    });
    decode_column(cursor, count_,
                  [&](std::size_t i, std::uint64_t value) { entries[i].observation.size = value; });
    decode_column(cursor, count_, [&](std::size_t i, std::uint64_t value) {
      entries[i].observation.mtime_ns = static_cast<std::int64_t>(value);
    });
    decode_column(
        cursor, count_,
        [&](std::size_t i) { return static_cast<std::uint64_t>(entries[i].observation.mtime_ns); },
        [&](std::size_t i, std::uint64_t value) {
          entries[i].observation.ctime_ns = static_cast<std::int64_t>(value);
        });
    decode_column(cursor, count_, [&](std::size_t i, std::uint64_t value) {
      entries[i].observation.inode = value;
    });
    impossible_ |= all_types > 3 || all_modes > std::numeric_limits<std::uint32_t>::max();
  }

  Problem decode_text(ByteCursor& cursor, std::uint64_t middle_size) {
    std::size_t symlinks = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      entries_[i].symlink_target = {};
      if (entries_[i].observation.type == EntryType::kSymlink) ++symlinks;
    }
    decode_lengths(cursor, scratch_.target, symlinks);
    const std::string_view middles = cursor.take(middle_size);
    if (cursor.failed() || impossible_) return "a block holds impossible numbers";
    if (Problem problem = decode_names(middles); !problem.empty()) return problem;
    return decode_targets(cursor);
  }

  Problem decode_names(std::string_view middles) {
    if (middles.find('/') != std::string_view::npos || middles.find('\0') != std::string_view::npos)
      return "a name holds a slash or NUL";
    const char* middle = middles.data();  // its lengths sum to its size: no bound to check below
    const char* before = text_;
    std::size_t before_size = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      const NameParts parts{scratch_.shared[i], scratch_.middle[i], scratch_.tail[i]};
      const std::size_t size = parts.shared + parts.middle + parts.tail;
      if (parts.shared + parts.tail > before_size || size == 0 || size > kMaxEntryName ||
          size > text_left_) {
        return "a name has an impossible length";
      }
      char* const name = text_;
      std::memcpy(name, before, parts.shared);
      std::memcpy(name + parts.shared, middle, parts.middle);
      std::memcpy(name + parts.shared + parts.middle, before + before_size - parts.tail,
                  parts.tail);
      if (i > 0 && !ordered(before, before_size, {name, size}, parts.shared))
        return "names are not in order";
      if (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')))
        return "a name is '.' or '..'";
      entries_[i].name = {name, size};
      before = name;
      before_size = size;
      middle += parts.middle;
      text_ += size;
      text_left_ -= size;
    }
    return {};
  }

  // A writer shares as many bytes as it can, so the first byte after them decides the order.
  static bool ordered(const char* before, std::size_t before_size, std::string_view name,
                      std::size_t shared) {
    if (name.size() == shared) return false;
    if (before_size == shared) return true;
    return static_cast<unsigned char>(before[shared]) < static_cast<unsigned char>(name[shared]);
  }

  Problem decode_targets(ByteCursor& cursor) {
    std::size_t symlink = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      if (entries_[i].observation.type != EntryType::kSymlink) continue;
      const std::string_view target = cursor.take(scratch_.target[symlink++]);
      if (cursor.failed() || target.size() > kMaxSymlinkTarget || target.size() > text_left_)
        return "a symlink's target has an impossible length";
      std::memcpy(text_, target.data(), target.size());
      entries_[i].symlink_target = {text_, target.size()};
      text_ += target.size();
      text_left_ -= target.size();
    }
    if (text_left_ != 0 || cursor.remaining() != 0) return "a block holds more than its entries";
    return {};
  }

  const std::size_t count_;
  std::size_t text_left_;
  BlockScratch& scratch_;
  DirectoryEntries& out_;
  Entry* entries_ = nullptr;
  char* text_ = nullptr;
  bool impossible_ = false;
};

}  // namespace

Problem decode_block(const Block& block, BlockScratch& scratch, DirectoryEntries& out) {
  const auto raw =
      scratch.decompressor.unpack(block.header.codec, block.payload, block.header.raw_size);
  if (!raw) return "a block does not decompress";
  return BlockDecoder(block, scratch, out).decode(*raw);
}

}  // namespace wherry::catalog
