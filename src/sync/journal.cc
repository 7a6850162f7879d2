// SPDX-License-Identifier: Apache-2.0
#include "sync/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/hash.h"
#include "base/path.h"

namespace wherry::sync {
namespace {

constexpr std::array<char, 8> kMagic = {'w', 'h', 'r', 'y', 'j', 'r', 'n', '\n'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kBufferSize = std::size_t{1} << 20;

// Records are copied between file and memory as they are (little-endian; catalog/format.h asserts
// it of the machine).
struct FileHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t reserved;
};
static_assert(sizeof(FileHeader) == 16);

struct StoredObservation {
  std::uint64_t size;
  std::int64_t mtime_ns;
  std::int64_t ctime_ns;
  std::uint64_t inode;
  std::uint32_t mode;
  std::uint8_t type;
  std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(StoredObservation) == 40);

struct DirectoryHeader {
  std::uint64_t position;
  StoredObservation observation;
  std::uint32_t entry_count;
  std::uint32_t entry_bytes;
  std::uint16_t path_size;
  std::uint8_t flags;  // 1: can_trust, 2: unreadable
  std::array<std::uint8_t, 5> reserved;
};
static_assert(sizeof(DirectoryHeader) == 64);

struct EntryHeader {
  StoredObservation observation;
  std::uint16_t name_size;
  std::uint16_t target_size;
  std::uint8_t state;
  std::uint8_t old_type;
  std::array<std::uint8_t, 2> reserved;
};
static_assert(sizeof(EntryHeader) == 48);

struct RenameHeader {
  std::uint64_t size;
  std::uint64_t added;
  std::uint64_t removed;
  std::uint16_t from_size;
  std::uint16_t to_size;
  std::uint32_t is_directory;
};
static_assert(sizeof(RenameHeader) == 32);

struct Footer {
  std::uint64_t pass;
  std::uint64_t base;
  std::uint64_t index_offset;
  std::uint64_t index_count;
  std::uint64_t rename_count;
  std::uint64_t decision_count;
  std::uint64_t checksum;  // of everything before it
  std::array<char, 8> magic;
};
static_assert(sizeof(Footer) == 64);

template <class Record>
void append(std::string& out, const Record& record) {
  out.append(reinterpret_cast<const char*>(&record), sizeof record);
}

template <class Record>
Record read_record(std::string_view bytes) {
  CHECK(bytes.size() >= sizeof(Record));
  Record record;
  std::memcpy(&record, bytes.data(), sizeof record);
  return record;
}

StoredObservation pack(const catalog::Observation& o) {
  return {o.size, o.mtime_ns, o.ctime_ns, o.inode, o.mode, static_cast<std::uint8_t>(o.type), {}};
}

catalog::Observation unpack(const StoredObservation& o) {
  return {static_cast<catalog::EntryType>(o.type), o.mode, o.size, o.mtime_ns, o.ctime_ns, o.inode};
}

void append_directory(std::string& out, const JournalDirectory& directory,
                      std::span<const JournalEntry> entries) {
  const std::size_t begin = out.size();
  DirectoryHeader header{};
  header.position = directory.position;
  header.observation = pack(directory.observation);
  header.entry_count = static_cast<std::uint32_t>(entries.size());
  header.path_size = static_cast<std::uint16_t>(directory.path.size());
  header.flags =
      static_cast<std::uint8_t>((directory.can_trust ? 1 : 0) | (directory.unreadable ? 2 : 0));
  append(out, header);
  out += directory.path;
  const std::size_t entries_begin = out.size();
  for (const JournalEntry& entry : entries) {
    EntryHeader stored{};
    stored.observation = pack(entry.observation);
    stored.name_size = static_cast<std::uint16_t>(entry.name.size());
    stored.target_size = static_cast<std::uint16_t>(entry.symlink_target.size());
    stored.state = static_cast<std::uint8_t>(entry.state);
    stored.old_type = static_cast<std::uint8_t>(entry.old_type);
    append(out, stored);
    out += entry.name;
    out += entry.symlink_target;
  }
  header.entry_bytes = static_cast<std::uint32_t>(out.size() - entries_begin);
  std::memcpy(out.data() + begin, &header, sizeof header);
}

std::string_view path_at(std::string_view file, std::uint64_t offset) {
  const std::string_view record = file.substr(offset);
  return record.substr(sizeof(DirectoryHeader), read_record<DirectoryHeader>(record).path_size);
}

Error corrupt(const std::string& path, std::string_view what) {
  return make_error(Code::kCorrupt,
                    "journal '{}' is damaged: {}; remove it: the next pass finds the changes again",
                    escape_bytes(path), what);
}

}  // namespace

bool EntryCursor::next(JournalEntry& entry) {
  if (left_ == 0) return false;
  --left_;
  const auto stored = read_record<EntryHeader>(rest_);
  entry.state = static_cast<EntryState>(stored.state);
  entry.old_type = static_cast<catalog::EntryType>(stored.old_type);
  entry.observation = unpack(stored.observation);
  entry.name = rest_.substr(sizeof stored, stored.name_size);
  entry.symlink_target = rest_.substr(sizeof stored + stored.name_size, stored.target_size);
  rest_.remove_prefix(sizeof stored + stored.name_size + stored.target_size);
  return true;
}

JournalDirectory Journal::directory(std::size_t i) const {
  const std::string_view record = file_.bytes().substr(index_[i].offset);
  const auto header = read_record<DirectoryHeader>(record);
  JournalDirectory directory;
  directory.path = record.substr(sizeof header, header.path_size);
  directory.position = header.position;
  directory.observation = unpack(header.observation);
  directory.can_trust = (header.flags & 1) != 0;
  directory.unreadable = (header.flags & 2) != 0;
  directory.entry_count = header.entry_count;
  return directory;
}

EntryCursor Journal::entries(std::size_t i) const {
  const std::string_view record = file_.bytes().substr(index_[i].offset);
  const auto header = read_record<DirectoryHeader>(record);
  return {record.substr(sizeof header + header.path_size, header.entry_bytes), header.entry_count};
}

std::size_t Journal::directory_of(std::uint64_t ordinal) const {
  CHECK(ordinal < decisions_.size());
  const auto after = std::upper_bound(
      index_.begin(), index_.end(), ordinal,
      [](std::uint64_t wanted, const IndexEntry& entry) { return wanted < entry.first_ordinal; });
  return static_cast<std::size_t>(after - index_.begin()) - 1;
}

std::size_t Journal::lower_bound(std::string_view path) const {
  const auto place = std::lower_bound(
      index_.begin(), index_.end(), path, [&](const IndexEntry& entry, std::string_view wanted) {
        return compare_paths(path_at(file_.bytes(), entry.offset), wanted) < 0;
      });
  return static_cast<std::size_t>(place - index_.begin());
}

bool Journal::has_actions() const {
  return std::any_of(decisions_.begin(), decisions_.end(),
                     [](std::uint8_t decision) { return action_of(decision) != Action::kNothing; });
}

bool Journal::moves_things() const {
  return !renames_.empty() ||
         std::any_of(decisions_.begin(), decisions_.end(),
                     [](std::uint8_t decision) { return (decision & kClearFirst) != 0; });
}

std::optional<std::size_t> Journal::find(std::string_view path) const {
  const std::size_t place = lower_bound(path);
  if (place == index_.size() || path_at(file_.bytes(), index_[place].offset) != path)
    return std::nullopt;
  return place;
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  TRY_ASSIGN(MappedFile file, MappedFile::open(path));
  std::unique_ptr<Journal> journal(new Journal(std::move(file)));
  auto loaded = journal->load();
  if (!loaded) return corrupt(path, loaded.error().message);
  return journal;
}

// The checksum covers every byte, so that only the outline has to be looked at again.
Result<void> Journal::load() {
  const std::string_view bytes = file_.bytes();
  const auto damaged = [](std::string_view what) { return make_error(Code::kCorrupt, "{}", what); };
  if (bytes.size() < sizeof(FileHeader) + sizeof(Footer)) return damaged("it is too short");
  const auto header = read_record<FileHeader>(bytes);
  const auto footer = read_record<Footer>(bytes.substr(bytes.size() - sizeof(Footer)));
  if (header.magic != kMagic || footer.magic != kMagic) return damaged("it is no journal");
  if (header.version != kVersion) return damaged("another version of Wherry wrote it");
  const std::size_t covered = bytes.size() - sizeof(Footer) + offsetof(Footer, checksum);
  if (checksum64(bytes.substr(0, covered)) != footer.checksum)
    return damaged("its checksum does not match");
  pass_ = footer.pass;
  base_ = footer.base;
  std::string_view rest = bytes.substr(footer.index_offset);
  index_.resize(footer.index_count);
  std::memcpy(index_.data(), rest.data(), index_.size() * sizeof(IndexEntry));
  rest.remove_prefix(index_.size() * sizeof(IndexEntry));
  for (std::uint64_t i = 0; i < footer.rename_count; ++i) {
    const auto stored = read_record<RenameHeader>(rest);
    rest.remove_prefix(sizeof stored);
    renames_.push_back({std::string(rest.substr(0, stored.from_size)),
                        std::string(rest.substr(stored.from_size, stored.to_size)),
                        stored.is_directory != 0, stored.size, stored.added, stored.removed});
    rest.remove_prefix(std::size_t{stored.from_size} + stored.to_size);
  }
  decisions_.assign(rest.begin(),
                    rest.begin() + static_cast<std::ptrdiff_t>(footer.decision_count));
  return {};
}

JournalWriter::~JournalWriter() {
  if (fd_ && !sealed_) ::unlink(temporary().c_str());
}

bool JournalWriter::empty() const {
  const std::lock_guard lock(mutex_);
  return offsets_.empty();
}

Result<void> JournalWriter::flush_locked() {
  if (!fd_) {
    fd_ = UniqueFd(::open(temporary().c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd_) return errno_error(errno, fmt::format("make '{}'", escape_bytes(temporary())));
  }
  TRY(write_locked(buffer_));
  buffer_.clear();
  return {};
}

// Behind what was flushed; the file is open.
Result<void> JournalWriter::write_locked(std::string_view bytes) {
  TRY(write_fully(fd_.get(), bytes, written_), "write '{}'", escape_bytes(temporary()));
  written_ += bytes.size();
  return {};
}

Result<void> JournalWriter::add(const JournalDirectory& directory,
                                std::span<const JournalEntry> entries) {
  const std::lock_guard lock(mutex_);
  if (written_ == 0 && buffer_.empty()) append(buffer_, FileHeader{kMagic, kVersion, 0});
  offsets_.push_back(written_ + buffer_.size());
  append_directory(buffer_, directory, entries);
  return buffer_.size() < kBufferSize ? Result<void>() : flush_locked();
}

Result<std::unique_ptr<Journal>> JournalWriter::view() {
  const std::lock_guard lock(mutex_);
  TRY(flush_locked());
  TRY_ASSIGN(MappedFile file, MappedFile::open(temporary()));
  std::unique_ptr<Journal> journal(new Journal(std::move(file)));
  const std::string_view bytes = journal->file_.bytes();
  std::sort(offsets_.begin(), offsets_.end(), [&](std::uint64_t a, std::uint64_t b) {
    const auto order = compare_paths(path_at(bytes, a), path_at(bytes, b));
    return order != 0 ? order < 0 : a > b;
  });
  const auto end = std::unique(
      offsets_.begin(), offsets_.end(),
      [&](std::uint64_t a, std::uint64_t b) { return path_at(bytes, a) == path_at(bytes, b); });
  offsets_.erase(end, offsets_.end());
  std::uint64_t ordinal = 0;
  journal->index_.reserve(offsets_.size());
  for (const std::uint64_t offset : offsets_) {
    journal->index_.push_back({offset, ordinal});
    ordinal += read_record<DirectoryHeader>(bytes.substr(offset)).entry_count;
  }
  journal->decisions_.assign(ordinal, static_cast<std::uint8_t>(Action::kNothing));
  return journal;
}

Result<void> JournalWriter::seal(const Journal& plan, const Identity& identity) {
  const std::lock_guard lock(mutex_);
  Footer footer{};
  footer.pass = identity.pass;
  footer.base = identity.base;
  footer.index_offset = written_ + buffer_.size();
  footer.index_count = plan.index_.size();
  footer.rename_count = plan.renames_.size();
  footer.decision_count = plan.decisions_.size();
  footer.magic = kMagic;
  for (const Journal::IndexEntry& entry : plan.index_) append(buffer_, entry);
  for (const Rename& rename : plan.renames_) {
    append(buffer_, RenameHeader{rename.size, rename.added, rename.removed,
                                 static_cast<std::uint16_t>(rename.from.size()),
                                 static_cast<std::uint16_t>(rename.to.size()),
                                 rename.is_directory ? 1u : 0u});
    buffer_ += rename.from;
    buffer_ += rename.to;
  }
  TRY(flush_locked());
  TRY(write_locked(
      {reinterpret_cast<const char*>(plan.decisions_.data()), plan.decisions_.size()}));
  append(buffer_, footer);
  buffer_.resize(buffer_.size() - sizeof footer + offsetof(Footer, checksum));
  TRY(flush_locked());
  {
    TRY_ASSIGN(const MappedFile file, MappedFile::open(temporary()));
    footer.checksum = checksum64(file.bytes());
  }
  append(buffer_, footer.checksum);
  append(buffer_, footer.magic);
  TRY(flush_locked());
  TRY(durable_rename(temporary(), path_), "keep the journal");
  sealed_ = true;
  return {};
}

}  // namespace wherry::sync
