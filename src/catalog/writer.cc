// SPDX-License-Identifier: Apache-2.0
// The writer streams: blocks go to the temporary as they come, the index to a spill file beside it
// (only once it outgrows a buffer), and is appended at the end.
#include "catalog/writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
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

constexpr std::size_t kBufferSize = std::size_t{1} << 20;

Error system_error(std::string_view doing, const std::string& path) {
  return errno_error(errno, fmt::format("{} '{}'", doing, escape_bytes(path)));
}

// Opens a temporary for one writer alone, and empties what a killed one has left in it. The lock
// goes with the descriptor. kConflict if another writer is at work.
Result<UniqueFd> open_temporary(const std::string& path) {
  for (;;) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return system_error("make", path);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return system_error("lock", path);
      return make_error(Code::kConflict, "another process is writing '{}'", escape_bytes(path));
    }
    // Between open and lock the last writer may have renamed this file into place. Then it is the
    // finished catalog, and a new temporary is needed.
    struct stat by_name;
    struct stat by_fd;
    if (::fstat(fd.get(), &by_fd) != 0) return system_error("stat", path);
    if (::stat(path.c_str(), &by_name) != 0 || by_name.st_ino != by_fd.st_ino ||
        by_name.st_dev != by_fd.st_dev)
      continue;
    if (::ftruncate(fd.get(), 0) != 0) return system_error("empty", path);
    return fd;
  }
}

// Bytes that are needed again at the end: in memory while few, then in a file without a name.
class Spill {
 public:
  explicit Spill(std::string path) : path_(std::move(path)) {}

  Result<void> append(std::string_view bytes) {
    buffer_ += bytes;
    return buffer_.size() < kBufferSize ? Result<void>() : flush();
  }
  // Hands all bytes, in order and in pieces, to `take`.
  Result<void> drain(const std::function<Result<void>(std::string_view)>& take) {
    std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(kBufferSize, on_disk_)), 0);
    for (std::uint64_t offset = 0; offset < on_disk_; offset += piece.size()) {
      piece.resize(
          static_cast<std::size_t>(std::min<std::uint64_t>(kBufferSize, on_disk_ - offset)));
      TRY_ASSIGN(const std::size_t count, read_fully(fd_.get(), piece, offset));
      if (count != piece.size()) {
        return make_error(Code::kUnavailable, "'{}' lost bytes while in use", escape_bytes(path_));
      }
      TRY(take(piece));
    }
    return take(buffer_);
  }
  std::uint64_t size() const { return on_disk_ + buffer_.size(); }

 private:
  Result<void> flush() {
    if (!fd_) {
      ::unlink(path_.c_str());  // of a writer that was killed before it could
      fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      if (!fd_) return system_error("make", path_);
      ::unlink(path_.c_str());
    }
    TRY(write_fully(fd_.get(), buffer_, on_disk_), "write '{}'", escape_bytes(path_));
    on_disk_ += buffer_.size();
    buffer_.clear();
    return {};
  }

  std::string path_;
  UniqueFd fd_;
  std::uint64_t on_disk_ = 0;
  std::string buffer_;
};

// What the world can hand in that a catalog cannot hold.
Result<void> validate(const Directory& directory, std::span<const Entry> entries) {
  if (directory.path.size() > kMaxPathBytes) {
    return make_error(Code::kInvalid, "directory path of {} bytes, at most {} are possible",
                      directory.path.size(), kMaxPathBytes);
  }
  for (const Entry& entry : entries) {
    const std::string_view name = entry.name;
    if (name.empty() || name.size() > kMaxEntryName || name == "." || name == ".." ||
        name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos) {
      return make_error(Code::kInvalid, "'{}' in directory '{}' is no possible file name",
                        escape_bytes(name.substr(0, 300)), escape_bytes(directory.path));
    }
    if (entry.symlink_target.size() > kMaxSymlinkTarget) {
      return make_error(Code::kInvalid, "symlink '{}' in directory '{}' has a target of {} bytes",
                        escape_bytes(name), escape_bytes(directory.path),
                        entry.symlink_target.size());
    }
  }
  return {};
}

class FileWriter : public Writer {
 public:
  FileWriter(const std::string& path, UniqueFd fd, const Options& options)
      : path_(path),
        temporary_(path + ".tmp"),
        fd_(std::move(fd)),
        note_(options.note),
        compressor_(options.zstd_level),
        encoder_(compressor_),
        index_(path + ".index.tmp"),
        page_offsets_(path + ".pages.tmp") {
    FileHeader header{};
    header.magic = kMagic;
    header.version = kVersion;
    header.checksum = checksum64(record_bytes(header, 0, offsetof(FileHeader, checksum)));
    append_record(buffer_, header);
  }
  ~FileWriter() override {
    if (!finished_) ::unlink(temporary_.c_str());  // under the lock, so it is our own
  }

  Result<void> add(const Directory& directory, std::span<const Entry> entries) override;
  Result<void> copy(const Reader& source, std::uint64_t position,
                    const Directory& directory) override;
  Result<void> finish() override;

 private:
  Result<void> add_record(const Directory& directory, DirectoryRecord record);
  Result<void> finish_page();
  Result<void> append_footer();
  Result<void> append(std::string_view bytes);
  Result<void> flush();
  std::uint64_t size() const { return written_ + buffer_.size(); }

  std::string path_;
  std::string temporary_;
  UniqueFd fd_;
  std::string note_;
  Compressor compressor_;
  BlockEncoder encoder_;

  std::string buffer_;  // of the file, from `written_`
  std::uint64_t written_ = 0;
  PageEncoder page_;
  Spill index_;
  Spill page_offsets_;
  std::uint64_t page_count_ = 0;
  std::string last_path_;
  Totals totals_;
  bool finished_ = false;
};

Result<void> FileWriter::flush() {
  TRY(write_fully(fd_.get(), buffer_, written_), "write catalog '{}'", escape_bytes(temporary_));
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<void> FileWriter::append(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() < kBufferSize ? Result<void>() : flush();
}

Result<void> FileWriter::add(const Directory& directory, std::span<const Entry> entries) {
  TRY(validate(directory, entries), "write catalog '{}'", escape_bytes(path_));
  DirectoryRecord record;
  record.directory.entry_count = entries.size();
  record.data_begin = size() - sizeof(FileHeader);
  for (const Entry& entry : entries) {
    if (entry.observation.type == EntryType::kSymlink) ++record.symlinks;
    if (entry.observation.type != EntryType::kFile) continue;
    ++record.files;
    record.bytes += entry.observation.size;
  }
  std::string_view last_name;
  while (!entries.empty()) {
    CHECK(last_name < entries.front().name);  // within a block the encoder checks
    const std::size_t count = BlockEncoder::next_block(entries);
    encoder_.append(buffer_, entries.first(count));
    if (buffer_.size() >= kBufferSize) TRY(flush());
    last_name = entries[count - 1].name;
    entries = entries.subspan(count);
  }
  record.data_size = size() - sizeof(FileHeader) - record.data_begin;
  return add_record(directory, std::move(record));
}

Result<void> FileWriter::copy(const Reader& source, std::uint64_t position,
                              const Directory& directory) {
  TRY(validate(directory, {}), "write catalog '{}'", escape_bytes(path_));
  TRY_ASSIGN(const StoredDirectory stored, source.stored(position), "copy directory '{}'",
             escape_bytes(directory.path));
  DirectoryRecord record;
  record.directory.entry_count = stored.directory.entry_count;
  record.files = stored.files;
  record.symlinks = stored.symlinks;
  record.bytes = stored.bytes;
  record.data_begin = size() - sizeof(FileHeader);
  record.data_size = stored.blocks.size();
  TRY(append(stored.blocks));
  return add_record(directory, std::move(record));
}

// Completes `record`, which lacks what `directory` holds, and puts it into the index.
Result<void> FileWriter::add_record(const Directory& directory, DirectoryRecord record) {
  CHECK(!finished_);
  const bool is_first = totals_.directories == 0;
  CHECK(is_first ? directory.path.empty() : compare_paths(last_path_, directory.path) < 0);
  last_path_ = directory.path;
  record.directory.path = directory.path;
  record.directory.observation = directory.observation;
  record.directory.trusted = directory.trusted;
  ++totals_.directories;
  totals_.files += record.files;
  totals_.symlinks += record.symlinks;
  totals_.bytes += record.bytes;
  page_.add(record);
  return page_.full() ? finish_page() : Result<void>();
}

Result<void> FileWriter::finish_page() {
  std::string offset;
  append_record(offset, index_.size());
  TRY(page_offsets_.append(offset));
  ++page_count_;
  std::string page;
  page_.finish(compressor_, page);
  return index_.append(page);
}

Result<void> FileWriter::append_footer() {
  Footer footer{};
  footer.data_size = size() - sizeof(FileHeader);
  footer.index_size = index_.size();
  footer.page_count = page_count_;
  footer.note_size = note_.size();
  footer.directories = totals_.directories;
  footer.files = totals_.files;
  footer.symlinks = totals_.symlinks;
  footer.bytes = totals_.bytes;
  footer.note_checksum = checksum64(note_);
  footer.checksum = checksum64(record_bytes(footer, 0, offsetof(Footer, checksum)));
  footer.magic = kEndMagic;

  TRY(index_.drain([&](std::string_view bytes) { return append(bytes); }));
  TRY(page_offsets_.drain([&](std::string_view bytes) { return append(bytes); }));
  TRY(append(note_));
  std::string bytes;
  append_record(bytes, footer);
  return append(bytes);
}

Result<void> FileWriter::finish() {
  CHECK(!finished_);
  if (!page_.empty()) TRY(finish_page());
  TRY(append_footer());
  TRY(flush());
  TRY(durable_rename(temporary_, path_), "write catalog");
  finished_ = true;
  return {};
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::create(const std::string& path, const Options& options) {
  if (options.note.size() > kMaxNote) {
    return make_error(Code::kInvalid, "a catalog's note has {} bytes, at most {} are possible",
                      options.note.size(), kMaxNote);
  }
  TRY_ASSIGN(UniqueFd fd, open_temporary(path + ".tmp"), "write catalog");
  return std::unique_ptr<Writer>(std::make_unique<FileWriter>(path, std::move(fd), options));
}

}  // namespace wherry::catalog
