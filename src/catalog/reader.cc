// SPDX-License-Identifier: Apache-2.0
// The reader maps the file and takes every byte of it for hostile: a length or offset is compared
// with what is really there before it is used, also where a checksum already held.
#include "catalog/reader.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/path.h"
#include "catalog/block.h"
#include "catalog/codec.h"
#include "catalog/format.h"
#include "catalog/index.h"

namespace wherry::catalog {
namespace {

// What each thread keeps between calls, for all readers: buffers, and the page of the index that it
// used last. A walk in path order so decodes each page once.
struct ThreadScratch {
  BlockScratch block;
  std::uint64_t page_reader = 0;  // FileReader::id_ of `records`; 0 is nobody
  std::uint64_t page_number = 0;
  std::vector<DirectoryRecord> records;
};

ThreadScratch& thread_scratch() {
  thread_local const auto scratch = std::make_unique<ThreadScratch>();
  return *scratch;
}

std::uint64_t new_reader_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

// The sync's name in "…/NAME.catalog".
std::string sync_name(const std::string& path) {
  constexpr std::string_view kSuffix = ".catalog";
  const std::string_view file = std::string_view(path).substr(path.rfind('/') + 1);
  if (file.size() <= kSuffix.size() || !file.ends_with(kSuffix)) return "NAME";
  return escape_bytes(file.substr(0, file.size() - kSuffix.size()));
}

class FileReader : public Reader {
 public:
  FileReader(std::optional<MappedFile> mapped, std::string owned, std::string path)
      : mapped_(std::move(mapped)),
        owned_(std::move(owned)),
        bytes_(mapped_ ? mapped_->bytes() : std::string_view(owned_)),
        path_(std::move(path)),
        id_(new_reader_id()) {}

  // Verifies header, footer, note, and the place and checksum of every page.
  Result<void> load_index();

  const Totals& totals() const override { return totals_; }
  std::string_view note() const override { return note_; }
  std::uint64_t directory_count() const override { return totals_.directories; }
  Result<std::optional<std::uint64_t>> find(std::string_view path) const override;
  Result<Directory> directory(std::uint64_t position) const override;
  Result<void> read(std::uint64_t position, DirectoryEntries& out) const override;
  Result<StoredDirectory> stored(std::uint64_t position) const override;
  Result<void> check() const override;

 private:
  Error corrupt(std::string_view at, Problem problem) const;
  Result<void> load_header() const;
  Result<Footer> load_footer() const;
  Result<void> verify_pages() const;
  Result<Page> page(std::uint64_t number) const;
  Result<std::uint64_t> page_of(std::string_view path) const;
  Result<const std::vector<DirectoryRecord>*> records(std::uint64_t page_number) const;
  Result<const DirectoryRecord*> record(std::uint64_t position) const;
  Result<std::string_view> blocks(const DirectoryRecord& record) const;
  Result<void> check_directory(const DirectoryRecord& record, DirectoryEntries& entries) const;

  std::optional<MappedFile> mapped_;
  std::string owned_;  // holds the bytes if nothing is mapped
  std::string_view bytes_;
  std::string path_;
  std::uint64_t id_;

  std::string_view data_;   // all blocks
  std::string_view index_;  // all pages
  std::string_view page_offsets_;
  std::string_view note_;
  std::uint64_t page_count_ = 0;
  Totals totals_;
};

// `at` points into bytes_ or to its end.
Error FileReader::corrupt(std::string_view at, Problem problem) const {
  return make_error(
      Code::kCorrupt,
      "catalog '{}' is damaged at byte {}: {}; `wherry sync rebuild {}` makes a new one",
      escape_bytes(path_), at.data() - bytes_.data(), problem, sync_name(path_));
}

Result<void> FileReader::load_header() const {
  if (bytes_.size() < sizeof(FileHeader) + sizeof(Footer))
    return corrupt(bytes_, "it is too short to be a catalog");
  const auto header = load<FileHeader>(bytes_);
  if (header.magic != kMagic) return corrupt(bytes_, "it does not begin like a catalog");
  const auto covered = bytes_.substr(0, offsetof(FileHeader, checksum));
  if (!checksum_holds(header.checksum, checksum64(covered)) || header.version == 0)
    return corrupt(bytes_, "the header's checksum is wrong");
  if (header.version > kVersion) {
    return make_error(Code::kUnsupported,
                      "catalog '{}' has version {}, written by a newer Wherry; this one reads "
                      "versions up to {}: update it, or make a new catalog with `wherry sync "
                      "rebuild {}`",
                      escape_bytes(path_), header.version, kVersion, sync_name(path_));
  }
  return {};
}

Result<Footer> FileReader::load_footer() const {
  const std::string_view at = bytes_.substr(bytes_.size() - sizeof(Footer));
  const auto footer = load<Footer>(at);
  if (footer.magic != kEndMagic) return corrupt(at, "it does not end like a catalog");
  if (!checksum_holds(footer.checksum, checksum64(at.substr(0, offsetof(Footer, checksum)))))
    return corrupt(at, "the footer's checksum is wrong");
  return footer;
}

Result<void> FileReader::load_index() {
  TRY(load_header());
  TRY_ASSIGN(const Footer footer, load_footer());
  ByteCursor cursor(bytes_);
  cursor.take(sizeof(FileHeader));
  data_ = cursor.take(footer.data_size);
  index_ = cursor.take(footer.index_size);
  const bool counts_fit = footer.page_count <= index_.size() / sizeof(PageHeader);
  page_offsets_ = counts_fit ? cursor.take(footer.page_count * sizeof(std::uint64_t)) : "";
  note_ = cursor.take(footer.note_size);
  if (cursor.failed() || !counts_fit || cursor.remaining() != sizeof(Footer) ||
      note_.size() > kMaxNote) {
    return corrupt(bytes_.substr(bytes_.size() - sizeof(Footer)), "the footer's sizes do not fit");
  }
  if (!checksum_holds(footer.note_checksum, checksum64(note_)))
    return corrupt(note_, "the note's checksum is wrong");
  page_count_ = footer.page_count;
  totals_ = {footer.directories, footer.files, footer.symlinks, footer.bytes};
  return verify_pages();
}

Result<void> FileReader::verify_pages() const {
  std::uint64_t end = 0;
  std::uint64_t directories = 0;
  for (std::uint64_t number = 0; number < page_count_; ++number) {
    TRY_ASSIGN(const Page current, page(number));
    const std::string_view at = index_.substr(end);
    if (current.first_path.data() - sizeof(PageHeader) != at.data())
      return corrupt(at, "a page is not where the table says");
    if (!page_checksum_holds(current)) return corrupt(at, "a page's checksum is wrong");
    if (number + 1 < page_count_ && current.header.directory_count != kPageDirectories)
      return corrupt(at, "a page has too few directories");
    end += current.size();
    directories += current.header.directory_count;
  }
  if (end != index_.size() || directories != totals_.directories)
    return corrupt(index_, "the index does not have the size that the footer says");
  return {};
}

// The page by its number, which is below page_count_.
Result<Page> FileReader::page(std::uint64_t number) const {
  const auto offset = load<std::uint64_t>(
      page_offsets_.substr(static_cast<std::size_t>(number) * sizeof(std::uint64_t)));
  if (offset > index_.size()) return corrupt(page_offsets_, "a page lies outside of the index");
  const std::string_view at = index_.substr(static_cast<std::size_t>(offset));
  Page page;
  if (const Problem problem = view_page(at, page); !problem.empty()) return corrupt(at, problem);
  return page;
}

// The last page that does not begin after `path`; the first if all do.
Result<std::uint64_t> FileReader::page_of(std::string_view path) const {
  std::uint64_t low = 0;
  std::uint64_t high = page_count_;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    TRY_ASSIGN(const Page candidate, page(middle));
    (compare_paths(candidate.first_path, path) <= 0 ? low : high) = middle;
  }
  return low;
}

// The records of a page; valid until this thread's next call.
Result<const std::vector<DirectoryRecord>*> FileReader::records(std::uint64_t page_number) const {
  ThreadScratch& scratch = thread_scratch();
  if (scratch.page_reader == id_ && scratch.page_number == page_number) return &scratch.records;
  TRY_ASSIGN(const Page current, page(page_number));
  const std::string_view at = current.first_path;
  scratch.page_reader = 0;
  if (!page_checksum_holds(current)) return corrupt(at, "a page's checksum is wrong");
  const Problem problem = decode_page(current, scratch.block.decompressor, scratch.records);
  if (!problem.empty()) return corrupt(at, problem);
  scratch.page_reader = id_;
  scratch.page_number = page_number;
  return &scratch.records;
}

Result<const DirectoryRecord*> FileReader::record(std::uint64_t position) const {
  CHECK(position < totals_.directories);
  TRY_ASSIGN(const auto* page_records, records(position / kPageDirectories));
  if (position % kPageDirectories >= page_records->size())
    return corrupt(index_, "a page lost directories since the catalog was opened");
  return &(*page_records)[position % kPageDirectories];
}

Result<std::optional<std::uint64_t>> FileReader::find(std::string_view path) const {
  if (page_count_ == 0) return std::optional<std::uint64_t>();
  TRY_ASSIGN(const std::uint64_t number, page_of(path));
  TRY_ASSIGN(const auto* page_records, records(number));
  const auto place = std::lower_bound(page_records->begin(), page_records->end(), path,
                                      [](const DirectoryRecord& record, std::string_view wanted) {
                                        return compare_paths(record.directory.path, wanted) < 0;
                                      });
  if (place == page_records->end() || place->directory.path != path)
    return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(number * kPageDirectories +
                                      static_cast<std::uint64_t>(place - page_records->begin()));
}

Result<Directory> FileReader::directory(std::uint64_t position) const {
  TRY_ASSIGN(const DirectoryRecord* found, record(position));
  return found->directory;
}

Result<std::string_view> FileReader::blocks(const DirectoryRecord& record) const {
  if (record.data_begin > data_.size() || record.data_size > data_.size() - record.data_begin)
    return corrupt(index_, "a directory's blocks lie outside of the data");
  return data_.substr(static_cast<std::size_t>(record.data_begin),
                      static_cast<std::size_t>(record.data_size));
}

Result<void> FileReader::read(std::uint64_t position, DirectoryEntries& out) const {
  // Never within the string object itself: a moved DirectoryEntries takes the buffer along.
  out.names.reserve(64);
  out.names.clear();
  out.entries.clear();
  TRY_ASSIGN(const DirectoryRecord* found, record(position));
  out.directory = found->directory;
  TRY_ASSIGN(std::string_view rest, blocks(*found));
  const auto refuse = [&](std::string_view at, Problem problem) {
    out.entries.clear();
    return corrupt(at, problem)
        .with_context(fmt::format("read directory '{}'", escape_bytes(out.directory.path)));
  };
  BlockScratch& scratch = thread_scratch().block;
  const std::string_view all = rest;
  while (!rest.empty()) {
    const std::string_view at = rest;
    Block block;
    Problem problem = take_block(rest, block);
    if (problem.empty()) problem = decode_block(block, scratch, out);
    if (!problem.empty()) return refuse(at, problem);
  }
  if (out.entries.size() != out.directory.entry_count)
    return refuse(all, "a directory does not have as many entries as the index says");
  return {};
}

Result<StoredDirectory> FileReader::stored(std::uint64_t position) const {
  TRY_ASSIGN(const DirectoryRecord* found, record(position));
  TRY_ASSIGN(const std::string_view all, blocks(*found));
  std::uint64_t entries = 0;
  for (std::string_view rest = all; !rest.empty();) {
    const std::string_view at = rest;
    Block block;
    const Problem problem = take_block(rest, block);
    if (!problem.empty()) return corrupt(at, problem);
    entries += block.header.entry_count;
  }
  if (entries != found->directory.entry_count)
    return corrupt(all, "a directory does not have as many entries as the index says");
  return StoredDirectory{found->directory, all, found->files, found->symlinks, found->bytes};
}

// Compares what the index says of one directory with its entries.
Result<void> FileReader::check_directory(const DirectoryRecord& record,
                                         DirectoryEntries& entries) const {
  std::uint64_t files = 0;
  std::uint64_t symlinks = 0;
  std::uint64_t bytes = 0;
  for (const Entry& entry : entries.entries) {
    if (entry.observation.type == EntryType::kSymlink) ++symlinks;
    if (entry.observation.type != EntryType::kFile) continue;
    ++files;
    bytes += entry.observation.size;
  }
  if (files == record.files && symlinks == record.symlinks && bytes == record.bytes) return {};
  return corrupt(
      data_.substr(static_cast<std::size_t>(record.data_begin)),
      fmt::format("the counts of directory '{}' are wrong", escape_bytes(record.directory.path)));
}

Result<void> FileReader::check() const {
  Totals seen;
  DirectoryEntries entries;
  DirectoryRecord before;
  for (std::uint64_t position = 0; position < totals_.directories; ++position) {
    TRY(read(position, entries));
    TRY_ASSIGN(const DirectoryRecord* found, record(position));
    TRY(check_directory(*found, entries));
    const bool first = position == 0;
    if (first ? !found->directory.path.empty()
              : compare_paths(before.directory.path, found->directory.path) >= 0)
      return corrupt(index_, "directories are not in order");
    if (found->data_begin != before.data_begin + before.data_size)
      return corrupt(index_, "the blocks of directories do not lie side by side");
    before = *found;
    ++seen.directories;
    seen.files += found->files;
    seen.symlinks += found->symlinks;
    seen.bytes += found->bytes;
  }
  if (before.data_begin + before.data_size != data_.size())
    return corrupt(data_, "there is data that belongs to no directory");
  if (seen.files != totals_.files || seen.symlinks != totals_.symlinks ||
      seen.bytes != totals_.bytes)
    return corrupt(bytes_.substr(bytes_.size() - sizeof(Footer)), "the totals are wrong");
  return {};
}

Result<std::unique_ptr<Reader>> finish_open(std::unique_ptr<FileReader> reader) {
  TRY(reader->load_index());
  return std::unique_ptr<Reader>(std::move(reader));
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const std::string& path) {
  TRY_ASSIGN(MappedFile mapped, MappedFile::open(path), "open catalog");
  return finish_open(
      std::make_unique<FileReader>(std::optional<MappedFile>(std::move(mapped)), "", path));
}

Result<std::unique_ptr<Reader>> Reader::from_bytes(std::string bytes, std::string name) {
  return finish_open(std::make_unique<FileReader>(std::nullopt, std::move(bytes), std::move(name)));
}

}  // namespace wherry::catalog
