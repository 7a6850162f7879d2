// SPDX-License-Identifier: Apache-2.0
#include "catalog/index.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/hash.h"

namespace wherry::catalog {
namespace {

constexpr std::uint64_t kTrustedBit = 1;

// The parts of a page lie side by side, so one pass covers them.
std::uint64_t page_checksum(const PageHeader& header, const char* first_path, std::size_t size) {
  const char* begin = first_path - sizeof header + sizeof header.checksum;
  return checksum64({begin, sizeof header - sizeof header.checksum + size});
}

bool is_normal_path(std::string_view path) {
  if (path.empty()) return true;
  if (path.size() > kMaxPathBytes || path.find('\0') != std::string_view::npos) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view name = path.substr(begin, end - begin);
    if (name.empty() || name == "." || name == "..") return false;
    begin = end + 1;
  }
  return true;
}

std::uint64_t difference(std::int64_t a, std::int64_t b) {
  return zigzag(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

std::int64_t sum(std::int64_t a, std::uint64_t zigzag_number) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + unzigzag(zigzag_number));
}

}  // namespace

void PageEncoder::add(const DirectoryRecord& record) {
  const Directory& directory = record.directory;
  const Observation& now = directory.observation;
  CHECK(!full() && directory.path.size() <= kMaxPathBytes);
  if (empty()) {
    first_path_ = directory.path;
    data_begin_ = record.data_begin;
    before_ = DirectoryRecord();
    before_.directory.path = first_path_;
    before_.data_begin = record.data_begin;
  }
  CHECK(record.data_begin == before_.data_begin + before_.data_size);

  const std::string_view path = directory.path;
  const std::string_view path_before = before_.directory.path;
  const auto differs =
      std::mismatch(path.begin(), path.end(), path_before.begin(), path_before.end()).first;
  const auto shared = static_cast<std::size_t>(differs - path.begin());
  const Observation& before = before_.directory.observation;
  append_varint(raw_, shared);
  append_varint(raw_, path.size() - shared);
  raw_ += path.substr(shared);
  append_varint(raw_, directory.trusted ? kTrustedBit : 0);
  append_varint(raw_, now.mode);
  append_varint(raw_, now.size);
  append_varint(raw_, difference(now.mtime_ns, before.mtime_ns));
  append_varint(raw_, difference(now.ctime_ns, now.mtime_ns));
  append_varint(raw_, zigzag(now.inode - before.inode));
  append_varint(raw_, directory.entry_count);
  append_varint(raw_, record.files);
  append_varint(raw_, record.symlinks);
  append_varint(raw_, record.bytes);
  append_varint(raw_, record.data_size);
  before_ = record;
  ++count_;
}

void PageEncoder::finish(Compressor& compressor, std::string& out) {
  CHECK(!empty() && raw_.size() <= kMaxPageRaw);
  const Compressor::Packed packed = compressor.pack(raw_);
  PageHeader header{};
  header.data_begin = data_begin_;
  header.stored_size = static_cast<std::uint32_t>(packed.bytes.size());
  header.raw_size = static_cast<std::uint32_t>(raw_.size());
  header.directory_count = static_cast<std::uint16_t>(count_);
  header.first_path_size = static_cast<std::uint16_t>(first_path_.size());
  header.codec = packed.codec;

  const std::size_t begin = out.size();
  append_record(out, header);
  out += first_path_;
  out += packed.bytes;
  header.checksum = page_checksum(header, out.data() + begin + sizeof header,
                                  first_path_.size() + packed.bytes.size());
  std::memcpy(out.data() + begin, &header.checksum, sizeof header.checksum);
  raw_.clear();
  count_ = 0;
}

Problem view_page(std::string_view bytes, Page& page) {
  if (bytes.size() < sizeof(PageHeader)) return "a page's header is cut off";
  page.header = load<PageHeader>(bytes);
  bytes.remove_prefix(sizeof(PageHeader));
  if (page.header.directory_count == 0 || page.header.directory_count > kPageDirectories ||
      page.header.raw_size > kMaxPageRaw || page.header.first_path_size > kMaxPathBytes) {
    return "a page claims impossible sizes";
  }
  if (page.header.first_path_size > bytes.size() ||
      page.header.stored_size > bytes.size() - page.header.first_path_size) {
    return "a page is cut off";
  }
  page.first_path = bytes.substr(0, page.header.first_path_size);
  page.payload = bytes.substr(page.header.first_path_size, page.header.stored_size);
  return {};
}

bool page_checksum_holds(const Page& page) {
  return checksum_holds(page.header.checksum,
                        page_checksum(page.header, page.first_path.data(),
                                      page.first_path.size() + page.payload.size()));
}

namespace {

// Fills `now` from `cursor`; `before` is the record in front of it, or, for the first of a page,
// one with the page's first path and nothing else.
Problem decode_record(ByteCursor& cursor, const DirectoryRecord& before, DirectoryRecord& now) {
  const std::uint64_t shared = cursor.varint();
  const std::string_view rest = cursor.take(cursor.varint());
  const std::string& path_before = before.directory.path;
  if (cursor.failed() || shared > path_before.size() || rest.size() > kMaxPathBytes)
    return "a path has an impossible length";
  Directory& directory = now.directory;
  directory.path.assign(path_before, 0, static_cast<std::size_t>(shared));
  directory.path += rest;

  const std::uint64_t flags = cursor.varint();
  const std::uint64_t mode = cursor.varint();
  Observation& observation = directory.observation;
  observation.type = EntryType::kDirectory;
  observation.mode = static_cast<std::uint32_t>(mode);
  observation.size = cursor.varint();
  observation.mtime_ns = sum(before.directory.observation.mtime_ns, cursor.varint());
  observation.ctime_ns = sum(observation.mtime_ns, cursor.varint());
  observation.inode = before.directory.observation.inode + unzigzag(cursor.varint());
  directory.trusted = (flags & kTrustedBit) != 0;
  directory.entry_count = cursor.varint();
  now.files = cursor.varint();
  now.symlinks = cursor.varint();
  now.bytes = cursor.varint();
  now.data_begin = before.data_begin + before.data_size;
  now.data_size = cursor.varint();
  if (cursor.failed() || flags > kTrustedBit || mode > std::numeric_limits<std::uint32_t>::max() ||
      now.data_begin < before.data_begin) {
    return "a directory's record is impossible";
  }
  if (!is_normal_path(directory.path)) return "a path is not in normal form";
  return {};
}

}  // namespace

Problem decode_page(const Page& page, Decompressor& decompressor,
                    std::vector<DirectoryRecord>& records) {
  const auto raw = decompressor.unpack(page.header.codec, page.payload, page.header.raw_size);
  if (!raw) return "a page does not decompress";
  records.resize(page.header.directory_count);
  ByteCursor cursor(*raw);
  DirectoryRecord start;
  start.directory.path = page.first_path;
  start.data_begin = page.header.data_begin;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const DirectoryRecord& before = i == 0 ? start : records[i - 1];
    if (Problem problem = decode_record(cursor, before, records[i]); !problem.empty())
      return problem;
    const auto order = compare_paths(before.directory.path, records[i].directory.path);
    if (i == 0 ? order != 0 : order >= 0) return "directories are not in order";
  }
  if (cursor.remaining() != 0) return "a page holds more than its directories";
  return {};
}

}  // namespace wherry::catalog
