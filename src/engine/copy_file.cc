// SPDX-License-Identifier: Apache-2.0
#include "engine/copy_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace wherry::engine {

using storage::Attributes;
using storage::CreateTemporary;
using storage::ReadFile;
using storage::Storage;
using storage::TemporaryFile;

namespace {

constexpr std::size_t kBufferBytes = 1U << 20;
// At most so much is written before it is read back: it is still in the page cache then.
constexpr ByteCount kVerifiedAtOnce = 64ULL << 20;
constexpr ByteCount kSmallestWithHoles =
    1U << 16;  // below, looking for holes costs more than it saves
constexpr std::uint32_t kModeWhenNotPreserved = 0644;
// The set-user and set-group bits are left behind: the copy may belong to somebody else.
constexpr std::uint32_t kPreservedModeBits = 0777;

// Whether a file is the one that was seen before: a writer cannot leave all of these as they were.
bool unchanged(const Attributes& before, const Attributes& after, bool has_inodes) {
  return before.size == after.size && before.mtime == after.mtime &&
         (!has_inodes || (before.ctime == after.ctime && before.inode == after.inode));
}

void update_with_zeros(Hasher& hasher, ByteCount count) {
  static constexpr std::array<char, 65536> kZeros{};
  while (count > 0) {
    const auto part = static_cast<std::size_t>(std::min<ByteCount>(count, kZeros.size()));
    hasher.update(std::span(kZeros).first(part));
    count -= part;
  }
}

Error stopped_error() { return make_error(Code::kCancelled, "stopped"); }

}  // namespace

void KeptTemporaries::add(RelPath temporary) {
  const std::lock_guard lock(mutex_);
  temporaries_.insert(std::move(temporary));
}

void KeptTemporaries::remove(const RelPath& temporary) {
  const std::lock_guard lock(mutex_);
  temporaries_.erase(temporary);
}

std::vector<RelPath> KeptTemporaries::all() const {
  const std::lock_guard lock(mutex_);
  return {temporaries_.begin(), temporaries_.end()};
}

// The checksums of one pass over a file's content, and of the part that was not read back yet.
class FileCopier::Hashes {
 public:
  explicit Hashes(const std::optional<ExternalChecksum>& asked)
      : fast_(make_hasher(HashAlgorithm::kXxh3_128)),
        item_(asked ? make_hasher(asked->algorithm) : nullptr) {}

  void update(std::span<const char> bytes) {
    fast_->update(bytes);
    if (item_) item_->update(bytes);
    if (part_) part_->update(bytes);
  }
  void update_with_zeros(ByteCount count) {
    engine::update_with_zeros(*fast_, count);
    if (item_) engine::update_with_zeros(*item_, count);
    if (part_) engine::update_with_zeros(*part_, count);
  }
  // A part's own checksum; where there are no parts, the content's is that of all.
  void begin_part() { part_ = make_hasher(HashAlgorithm::kXxh3_128); }
  bool has_part() const { return part_ != nullptr; }
  std::string end_part() { return std::exchange(part_, nullptr)->finish(); }
  Content content(ByteCount bytes) {
    return {bytes, fast_->finish(), item_ ? item_->finish() : std::string()};
  }

 private:
  std::unique_ptr<Hasher> fast_;
  std::unique_ptr<Hasher> item_;
  std::unique_ptr<Hasher> part_;
};

FileCopier::FileCopier(CopyEnvironment& environment)
    : environment_(environment), buffer_(new char[kBufferBytes]) {}

wherry::Result<CopiedFile> FileCopier::copy(const Operation& operation, int attempt) {
  CHECK(operation.kind == OperationKind::kCopyFile);
  failed_checksum_of_item_ = false;
  if (operation.if_same != Operation::IfSame::kCopy) {
    TRY_ASSIGN(auto same, same_at_target(operation));
    if (same) return CopiedFile{nullptr, true, same->bytes, std::move(same->checksum)};
  }
  Attributes seen = operation.attributes;
  for (int round = 1;; ++round) {
    side_ = Side::kSource;
    TRY_ASSIGN(const auto source, environment_.source.open_read(operation.source));
    TRY_ASSIGN(auto copied, copy_as_seen(operation, *source, seen, attempt + round - 1));
    side_ = Side::kSource;
    TRY_ASSIGN(const auto now, source->attributes());
    if (unchanged(seen, now, environment_.source.traits().inodes) && copied.bytes == now.size) {
      TRY(finish(*copied.file, operation, seen));
      return copied;
    }
    if (round >= environment_.limits.changed_source_attempts) {
      side_ = Side::kSource;
      return make_error(Code::kConflict, "'{}': source changed while it was copied",
                        escape_bytes(operation.source.text()));
    }
    seen = now;
  }
}

// Content is copied and verified; whether the source held still meanwhile, the caller finds out.
wherry::Result<CopiedFile> FileCopier::copy_as_seen(const Operation& operation, ReadFile& source,
                                                    const Attributes& seen, int attempt) {
  side_ = Side::kTarget;
  TRY_ASSIGN(auto file, create(operation, seen, attempt));
  TRY_ASSIGN(const bool cloned, clone(operation, *file));
  if (cloned) return CopiedFile{std::move(file), false, seen.size, {}};
  auto content = transfer(operation, source, *file, seen.size);
  if (!content) {
    keep_after(content.error(), operation, seen.size, *file);
    return std::move(content).error();
  }
  if (content->bytes == seen.size) TRY(check_item_checksum(operation, *content));
  return CopiedFile{std::move(file), false, content->bytes, std::move(content->checksum)};
}

wherry::Result<std::unique_ptr<TemporaryFile>> FileCopier::create(const Operation& operation,
                                                                  const Attributes& seen,
                                                                  int attempt) {
  CreateTemporary request;
  request.target = operation.target;
  request.temporary_name = storage::temporary_name(environment_.owner, operation.target);
  request.expected_size = seen.size;
  request.mode = final_mode(seen);  // from the start, which saves a call per file
  if (is_resumable(seen.size) && (environment_.recovering || attempt > 1))
    request.existing = CreateTemporary::Existing::kResume;
  TRY_ASSIGN(auto file, environment_.target.create_temporary(request));
  if (is_resumable(seen.size)) environment_.kept.remove(temporary_of(operation));
  return file;
}

RelPath FileCopier::temporary_of(const Operation& operation) const {
  const RelPath& target = operation.target;
  return target.parent().child(storage::temporary_name(environment_.owner, target));
}

std::uint32_t FileCopier::final_mode(const Attributes& seen) const {
  const bool keeps = environment_.options.preserve_mode && environment_.source.traits().modes;
  return keeps ? seen.mode & kPreservedModeBits : kModeWhenNotPreserved;
}

// What somebody is going to continue: after a stop, when there is space again, or later.
void FileCopier::keep_after(const Error& error, const Operation& operation, ByteCount size,
                            TemporaryFile& file) const {
  const bool goes_on = error.code == Code::kCancelled || error.code == Code::kNoSpace ||
                       error.retry == Retry::kLater;
  if (!goes_on || !is_resumable(size)) return;
  file.keep();
  environment_.kept.add(temporary_of(operation));
}

wherry::Result<bool> FileCopier::clone(const Operation& operation, TemporaryFile& file) {
  if (operation.checksum || !environment_.may_clone.load(std::memory_order_relaxed)) return false;
  auto cloned = environment_.target.clone_from(environment_.source, operation.source, file);
  if (cloned) {
    environment_.progress.bytes_moved.fetch_add(operation.attributes.size);
    return true;
  }
  if (cloned.error().code != Code::kUnsupported) return std::move(cloned).error();
  environment_.may_clone.store(false, std::memory_order_relaxed);
  return false;
}

wherry::Result<FileCopier::Content> FileCopier::transfer(const Operation& operation,
                                                         ReadFile& source, TemporaryFile& file,
                                                         ByteCount size) {
  const bool sparse = size >= kSmallestWithHoles && environment_.source.traits().sparse &&
                      environment_.target.traits().sparse;
  const bool verifies = environment_.options.verify == Verify::kChecksum;
  Hashes hashes(operation.checksum);
  if (verifies && size > kVerifiedAtOnce) hashes.begin_part();
  ByteCount verified = 0;
  const ByteCount existing = file.existing_size();  // below, the temporary holds older bytes
  ByteCount resumed = existing;                     // below, they may be the right ones
  ByteCount offset = 0;
  ByteCount data_end = sparse ? 0 : size;  // below, `offset` is known to be in data
  std::size_t last_read = 0;               // bytes that are in the buffer
  while (offset < size) {
    if (offset > 0 && environment_.interrupted()) return stopped_error();
    // Holes are skipped only beyond an earlier run's bytes, which may be other than zero.
    if (offset >= data_end && offset >= existing) {
      side_ = Side::kSource;
      TRY_ASSIGN(const auto extent, source.next_data(offset));
      const ByteCount start = extent ? std::min(extent->offset, size) : size;
      CHECK(start >= offset);
      hashes.update_with_zeros(start - offset);
      offset = start;
      data_end = extent ? std::min(extent->offset + extent->length, size) : size;
      continue;
    }
    const ByteCount end = offset >= data_end ? std::min(existing, size) : data_end;
    const std::size_t want =
        static_cast<std::size_t>(std::min<ByteCount>(end - offset, kBufferBytes));
    side_ = Side::kSource;
    TRY_ASSIGN(const std::size_t got, source.read(offset, std::span(buffer_.get(), want)));
    if (got == 0) break;  // cut off since it was seen
    last_read = got;
    const std::span<const char> bytes(buffer_.get(), got);
    hashes.update(bytes);
    side_ = Side::kTarget;
    bool held = false;
    if (offset < resumed) {
      TRY_ASSIGN(held, holds(file, offset, bytes));
      if (!held) resumed = offset;
    }
    if (!held) {
      TRY(file.write(offset, bytes));
      environment_.progress.bytes_moved.fetch_add(got, std::memory_order_relaxed);
    }
    offset += got;
    if (hashes.has_part() && offset - verified >= kVerifiedAtOnce) {
      TRY(verify(file, verified, offset, hashes.end_part()));
      verified = offset;
      hashes.begin_part();
    }
  }
  Content content = hashes.content(offset);
  if (!verifies) return content;
  // What is still in the buffer as a whole, as most files are, need not be hashed once more.
  if (last_read == offset) {
    TRY_ASSIGN(const bool held, holds(file, 0, std::span(buffer_.get(), last_read)));
    if (held) {
      environment_.progress.bytes_checksummed.fetch_add(offset, std::memory_order_relaxed);
      return content;
    }
  }
  TRY(verify(file, verified, offset, hashes.has_part() ? hashes.end_part() : content.checksum));
  return content;
}

wherry::Result<bool> FileCopier::holds(TemporaryFile& file, ByteCount offset,
                                       std::span<const char> bytes) {
  if (!second_) second_.reset(new char[kBufferBytes]);
  TRY_ASSIGN(const std::size_t got, file.read(offset, std::span(second_.get(), bytes.size())));
  return got == bytes.size() && std::memcmp(second_.get(), bytes.data(), got) == 0;
}

// Reads back what was written, from wherever it is by now.
wherry::Result<void> FileCopier::verify(TemporaryFile& file, ByteCount begin, ByteCount end,
                                        const std::string& expected) {
  side_ = Side::kTarget;
  const auto hasher = make_hasher(HashAlgorithm::kXxh3_128);
  ByteCount offset = begin;
  while (offset < end) {
    if (offset > begin && environment_.interrupted()) return stopped_error();
    const std::size_t want =
        static_cast<std::size_t>(std::min<ByteCount>(end - offset, kBufferBytes));
    TRY_ASSIGN(const std::size_t got, file.read(offset, std::span(buffer_.get(), want)));
    if (got == 0) break;
    hasher->update(std::span<const char>(buffer_.get(), got));
    offset += got;
  }
  // A hole at the end is not there before the file is finished.
  update_with_zeros(*hasher, end - offset);
  environment_.progress.bytes_checksummed.fetch_add(end - begin, std::memory_order_relaxed);
  const std::string found = hasher->finish();
  if (found == expected) return {};
  return make_error(
      Code::kCorrupt,
      "'{}': bytes {} to {} of the target read back as {}, those of the source are {}",
      escape_bytes(file.target().text()), begin, end, found, expected);
}

wherry::Result<void> FileCopier::check_item_checksum(const Operation& operation,
                                                     const Content& content) {
  if (!operation.checksum || lower_case(operation.checksum->digest) == content.item_checksum)
    return {};
  side_ = Side::kSource;
  failed_checksum_of_item_ = true;
  return make_error(Code::kCorrupt, "'{}': the {} checksum is {}, but the request says {}",
                    escape_bytes(operation.source.text()), to_string(operation.checksum->algorithm),
                    content.item_checksum, operation.checksum->digest);
}

wherry::Result<void> FileCopier::finish(TemporaryFile& file, const Operation& operation,
                                        const Attributes& seen) {
  side_ = Side::kTarget;
  TemporaryFile::Finish request;
  request.size = seen.size;
  if (environment_.target.traits().modes) request.mode = final_mode(seen);
  if (environment_.options.preserve_mtime && environment_.target.traits().mtimes)
    request.mtime = seen.mtime;
  TRY(file.finish(request), "'{}'", escape_bytes(operation.target.text()));
  return {};
}

// Compares before it copies. Sizes are equal, or the plan would not ask.
wherry::Result<std::optional<FileCopier::Content>> FileCopier::same_at_target(
    const Operation& operation) {
  if (!second_) second_.reset(new char[kBufferBytes]);
  side_ = Side::kSource;
  TRY_ASSIGN(const auto source, environment_.source.open_read(operation.source));
  side_ = Side::kTarget;
  auto target = environment_.target.open_read(operation.target);
  if (!target) return std::optional<Content>();  // the copy will say what is wrong with it
  Hashes hashes(operation.checksum);
  ByteCount offset = 0;
  for (;;) {
    if (offset > 0 && environment_.interrupted()) return stopped_error();
    side_ = Side::kSource;
    TRY_ASSIGN(const std::size_t got, source->read(offset, std::span(buffer_.get(), kBufferBytes)));
    side_ = Side::kTarget;
    TRY_ASSIGN(const std::size_t there,
               (*target)->read(offset, std::span(second_.get(), kBufferBytes)));
    if (got != there || std::memcmp(buffer_.get(), second_.get(), got) != 0)
      return std::optional<Content>();
    if (got == 0) break;
    hashes.update(std::span<const char>(buffer_.get(), got));
    offset += got;
  }
  const Content content = hashes.content(offset);
  environment_.progress.bytes_checksummed.fetch_add(offset, std::memory_order_relaxed);
  TRY(check_item_checksum(operation, content));
  return std::optional<Content>(content);
}

}  // namespace wherry::engine
