// SPDX-License-Identifier: Apache-2.0
#include "sync/renames.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_set>

#include "base/log.h"
#include "sync/difference.h"

namespace wherry::sync {
namespace {

using catalog::EntryType;

using FailedPaths = std::unordered_set<std::string_view>;

bool is_within(std::string_view path, std::string_view ancestor) {
  return path.starts_with(ancestor) &&
         (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

// A directory of which the scan says that it went or came.
struct Moved {
  std::uint64_t inode;
  std::string path;
};

struct DirectoryMatch {
  std::string from;
  std::string to;
};

// The catalog's path of the directory whose differences `record` holds.
Result<std::string> base_path(const PlanRequest& request, const JournalDirectory& record) {
  if (record.position == kNowhere) return std::string(record.path);
  TRY_ASSIGN(const catalog::Directory base, request.catalog->directory(record.position));
  return base.path;
}

std::vector<Moved> directories_in_state(const Journal& journal, EntryState state) {
  std::vector<Moved> found;
  for (std::size_t i = 0; i < journal.directory_count(); ++i) {
    const std::string_view path = journal.directory(i).path;
    JournalEntry entry;
    for (EntryCursor cursor = journal.entries(i); cursor.next(entry);) {
      if (entry.state == state && entry.observation.type == EntryType::kDirectory &&
          entry.observation.inode != 0)
        found.push_back({entry.observation.inode, join(path, entry.name)});
    }
  }
  return found;
}

// At least half of what the old directory held must be in the new one.
Result<bool> holds_the_same(const PlanRequest& request, const Journal& journal,
                            const std::string& from, std::size_t to) {
  TRY_ASSIGN(const auto position, request.catalog->find(from));
  if (!position) return false;
  catalog::DirectoryEntries old;
  TRY(request.catalog->read(*position, old));
  std::size_t matching = 0;
  std::size_t o = 0;
  JournalEntry entry;
  for (EntryCursor cursor = journal.entries(to); cursor.next(entry);) {
    while (o < old.entries.size() && old.entries[o].name < entry.name) ++o;
    if (o < old.entries.size() && old.entries[o].name == entry.name &&
        old.entries[o].observation.inode == entry.observation.inode)
      ++matching;
  }
  return matching > 0 && matching * 2 >= old.entries.size();
}

RelPath at_target(const PlanRequest& request, const std::string& path) {
  return request.definition.target.path.join(RelPath::from_normal(path));
}

bool is_free(const PlanRequest& request, const std::string& path) {
  const auto taken =
      request.service.stat(request.definition.target.endpoint, at_target(request, path));
  return !taken && taken.error().code == Code::kNotFound;
}

// Whether the target can do `from` -> `to` now without touching anything else. What failed before,
// or lies in a directory that did, is copied instead.
bool is_safe(const PlanRequest& request, const FailedPaths& failed, const std::string& from,
             const std::string& to, const JournalEntry* file) {
  for (RelPath path = RelPath::from_normal(to); !path.is_root(); path = path.parent()) {
    if (failed.contains(path.text())) return false;
  }
  const tasks::EndpointId& endpoint = request.definition.target.endpoint;
  const auto old = request.service.stat(endpoint, at_target(request, from));
  if (!old || old->is_link) return false;
  const storage::EntryType wanted =
      file != nullptr ? storage::EntryType::kFile : storage::EntryType::kDirectory;
  if (old->attributes.type != wanted) return false;
  if (file != nullptr && old->attributes.size != file->observation.size) return false;
  return is_free(request, to);
}

Result<std::vector<DirectoryMatch>> match_directories(const PlanRequest& request,
                                                      const FailedPaths& failed,
                                                      const Journal& journal) {
  std::vector<Moved> removed = directories_in_state(journal, EntryState::kRemoved);
  std::vector<DirectoryMatch> matches;
  if (removed.empty()) return matches;
  std::set<std::string> renamed;
  const auto comes_with_another = [&](const std::string& path) {
    for (RelPath above = RelPath::from_normal(path); !above.is_root(); above = above.parent())
      if (renamed.contains(above.text())) return true;
    return false;
  };
  const auto by_inode = [](const Moved& a, const Moved& b) { return a.inode < b.inode; };
  std::sort(removed.begin(), removed.end(), by_inode);
  for (const Moved& added : directories_in_state(journal, EntryState::kAdded)) {
    // What lies in a renamed directory comes with it.
    if (comes_with_another(added.path)) continue;
    const auto old = std::lower_bound(removed.begin(), removed.end(), added, by_inode);
    if (old == removed.end() || old->inode != added.inode || old->path.empty()) continue;
    const auto record = journal.find(added.path);
    if (!record || journal.directory(*record).unreadable) continue;
    TRY_ASSIGN(const bool same, holds_the_same(request, journal, old->path, *record));
    if (!same || !is_safe(request, failed, old->path, added.path, nullptr)) continue;
    renamed.insert(added.path);
    matches.push_back({std::move(old->path), added.path});
    old->path.clear();
  }
  return matches;
}

// The differences between the old directory in the catalog and the new one in the journal.
void compare_anew(const std::vector<catalog::Entry>& before, const Journal& journal, std::size_t i,
                  std::vector<JournalEntry>& out) {
  std::size_t b = 0;
  const auto gone = [&] {
    out.push_back({EntryState::kRemoved, before[b].observation.type, before[b].observation,
                   before[b].name, before[b].symlink_target});
    ++b;
  };
  JournalEntry entry;
  for (EntryCursor cursor = journal.entries(i); cursor.next(entry);) {
    while (b < before.size() && before[b].name < entry.name) gone();
    if (b == before.size() || before[b].name != entry.name) {
      out.push_back(entry);
      continue;
    }
    const catalog::Entry now{entry.name, entry.observation, entry.symlink_target};
    entry.old_type = before[b].observation.type;
    const auto state = difference(before[b++], now);
    if (!state) continue;
    if (entry.state == EntryState::kAdded) entry.state = *state;
    out.push_back(entry);
  }
  while (b < before.size()) gone();
}

// Writes the records of everything below a renamed directory again, against its old path.
Result<void> rebase(const PlanRequest& request, const Journal& journal, const DirectoryMatch& match,
                    JournalWriter& writer) {
  catalog::DirectoryEntries old;
  std::vector<JournalEntry> differences;
  for (std::size_t i = journal.find(match.to).value(); i < journal.directory_count(); ++i) {
    JournalDirectory record = journal.directory(i);
    if (!is_within(record.path, match.to)) break;
    const std::string from = match.from + std::string(record.path.substr(match.to.size()));
    TRY_ASSIGN(const auto position, request.catalog->find(from));
    if (!position) continue;  // new below the renamed one
    record.position = *position;
    differences.clear();
    TRY(request.catalog->read(*position, old));
    if (!record.unreadable) compare_anew(old.entries, journal, i, differences);
    TRY(writer.add(record, differences));
  }
  return {};
}

// The ordinal and state of the entry for `path` in its parent's record.
std::uint64_t ordinal_of(const Journal& journal, const std::string& path) {
  const RelPath whole = RelPath::from_normal(path);
  const auto parent = journal.find(whole.parent().text());
  if (!parent) return kNowhere;
  std::uint64_t ordinal = journal.first_ordinal(*parent);
  JournalEntry entry;
  for (EntryCursor cursor = journal.entries(*parent); cursor.next(entry); ++ordinal) {
    if (entry.name == whole.name()) return ordinal;
  }
  return kNowhere;
}

void decide_directory_renames(const std::vector<DirectoryMatch>& matches, Journal& journal) {
  for (const DirectoryMatch& match : matches) {
    Rename rename{match.from,
                  match.to,
                  true,
                  0,
                  ordinal_of(journal, match.to),
                  ordinal_of(journal, match.from)};
    CHECK(rename.added != kNowhere && rename.removed != kNowhere);
    journal.decide(rename.added, static_cast<std::uint8_t>(Action::kRename));
    journal.decide(rename.removed, static_cast<std::uint8_t>(Action::kMoved));
    journal.add_rename(std::move(rename));
  }
}

// A file that went. `path` is where the target has it once directories are renamed, `old_path`
// where it has it now.
struct GoneFile {
  std::uint64_t inode;
  std::uint64_t size;
  std::int64_t mtime_ns;
  std::uint64_t ordinal;    // kNowhere within a directory that went as a whole
  std::uint64_t directory;  // index of the journal's record, or, then, position in the catalog
  std::uint32_t entry;      // index in it
  bool used;
};

class FileMatcher {
 public:
  FileMatcher(const PlanRequest& request, const FailedPaths& failed, Journal& journal)
      : request_(request), failed_(failed), journal_(journal) {}

  Result<void> run() {
    TRY(collect());
    if (gone_.empty()) return {};
    std::sort(gone_.begin(), gone_.end(),
              [](const GoneFile& a, const GoneFile& b) { return a.inode < b.inode; });
    std::size_t sent = journal_.renames().size();
    for (std::size_t i = 0; i < journal_.directory_count(); ++i) {
      std::uint64_t ordinal = journal_.first_ordinal(i);
      JournalEntry entry;
      for (EntryCursor cursor = journal_.entries(i); cursor.next(entry); ++ordinal) {
        if (sent >= kMaxRenames) return {};
        if (entry.state != EntryState::kAdded || entry.observation.type != EntryType::kFile)
          continue;
        TRY_ASSIGN(const bool matched, match(i, ordinal, entry));
        sent += matched ? 1 : 0;
      }
    }
    return {};
  }

 private:
  Result<void> collect() {
    for (std::size_t i = 0; i < journal_.directory_count(); ++i) {
      const JournalDirectory record = journal_.directory(i);
      std::uint64_t ordinal = journal_.first_ordinal(i);
      std::uint32_t index = 0;
      JournalEntry entry;
      for (EntryCursor cursor = journal_.entries(i); cursor.next(entry); ++ordinal, ++index) {
        if (entry.state != EntryState::kRemoved || journal_.action(ordinal) == Action::kMoved)
          continue;
        if (entry.observation.type == EntryType::kFile) {
          add(entry.observation, ordinal, i, index);
        } else if (entry.observation.type == EntryType::kDirectory) {
          TRY_ASSIGN(const std::string base, base_path(request_, record));
          // Below a renamed directory the old path is gone by then; such files are copied.
          if (base == record.path) TRY(collect_below(join(base, entry.name)));
        }
      }
    }
    return {};
  }

  Result<void> collect_below(const std::string& path) {
    catalog::DirectoryEntries entries;
    return for_subtree(*request_.catalog, path,
                       [&](std::uint64_t position, const catalog::Directory&) -> Result<void> {
                         TRY(request_.catalog->read(position, entries));
                         for (std::uint32_t i = 0; i < entries.entries.size(); ++i) {
                           const catalog::Observation& seen = entries.entries[i].observation;
                           if (seen.type == EntryType::kFile) add(seen, kNowhere, position, i);
                         }
                         return {};
                       });
  }

  void add(const catalog::Observation& seen, std::uint64_t ordinal, std::uint64_t directory,
           std::uint32_t entry) {
    if (seen.inode == 0) return;
    gone_.push_back({seen.inode, seen.size, seen.mtime_ns, ordinal, directory, entry, false});
  }

  Result<bool> match(std::size_t record, std::uint64_t ordinal, const JournalEntry& entry) {
    const catalog::Observation& seen = entry.observation;
    auto old = std::lower_bound(
        gone_.begin(), gone_.end(), seen.inode,
        [](const GoneFile& file, std::uint64_t inode) { return file.inode < inode; });
    while (old != gone_.end() && old->inode == seen.inode &&
           (old->used || old->size != seen.size || old->mtime_ns != seen.mtime_ns))
      ++old;
    if (old == gone_.end() || old->inode != seen.inode) return false;
    Rename rename;
    rename.to = join(journal_.directory(record).path, entry.name);
    rename.size = seen.size;
    rename.added = ordinal;
    rename.removed = old->ordinal;
    std::string now_at;
    TRY(find_paths(*old, rename.from, now_at));
    if (!is_safe(request_, failed_, now_at, rename.to, &entry)) return false;
    // Also where the new name is now, if its directory is renamed.
    const std::string before = before_renames(journal_, rename.to);
    if (before != rename.to && !is_free(request_, before)) return false;
    old->used = true;
    journal_.decide(ordinal, static_cast<std::uint8_t>(Action::kRename));
    if (rename.removed != kNowhere)
      journal_.decide(rename.removed, static_cast<std::uint8_t>(Action::kMoved));
    journal_.add_rename(std::move(rename));
    return true;
  }

  // `then`: where it is once directories are renamed. `now`: where it is now.
  Result<void> find_paths(const GoneFile& file, std::string& then, std::string& now) {
    if (file.ordinal == kNowhere) {
      catalog::DirectoryEntries entries;
      TRY(request_.catalog->read(file.directory, entries));
      then = now = join(entries.directory.path, entries.entries[file.entry].name);
      return {};
    }
    const JournalDirectory record = journal_.directory(static_cast<std::size_t>(file.directory));
    JournalEntry entry;
    EntryCursor cursor = journal_.entries(static_cast<std::size_t>(file.directory));
    for (std::uint32_t i = 0; i <= file.entry; ++i) CHECK(cursor.next(entry));
    then = join(record.path, entry.name);
    TRY_ASSIGN(const std::string base, base_path(request_, record));
    now = join(base, entry.name);
    return {};
  }

  const PlanRequest& request_;
  const FailedPaths& failed_;
  Journal& journal_;
  std::vector<GoneFile> gone_;
};

}  // namespace

Result<std::unique_ptr<Journal>> find_renames(const PlanRequest& request, JournalWriter& writer) {
  TRY_ASSIGN(auto journal, writer.view());
  if (!request.definition.renames || request.catalog == nullptr) return journal;
  FailedPaths failed;
  for (const Failure& failure : request.failures) failed.insert(failure.path);
  TRY_ASSIGN(const auto matches, match_directories(request, failed, *journal));
  if (!matches.empty()) {
    for (const DirectoryMatch& match : matches) TRY(rebase(request, *journal, match, writer));
    TRY_ASSIGN(journal, writer.view());
    decide_directory_renames(matches, *journal);
  }
  TRY(FileMatcher(request, failed, *journal).run());
  return journal;
}

}  // namespace wherry::sync
