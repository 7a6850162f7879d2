// SPDX-License-Identifier: Apache-2.0
#include "sync/save.h"

#include <charconv>
#include <optional>

#include "catalog/writer.h"
#include "sync/difference.h"
#include "sync/plan.h"

namespace wherry::sync {
namespace {

using catalog::Entry;
using catalog::EntryType;

// A sub-directory of the directory that is being written, and where its old content comes from.
struct Child {
  std::string name;
  enum class Source {
    kWalk,   // by its record in the journal, or as the catalog has it
    kCarry,  // as the catalog has it, whatever the journal says
    kDoubt,  // its names only, because the target may not have all of it any more
  } source = Source::kWalk;
};

// `old`, of the subtree `old_path`, as it is called when that is called `path`.
catalog::Directory moved(const catalog::Directory& old, const std::string& old_path,
                         const std::string& path) {
  catalog::Directory directory = old;
  directory.path = path;
  if (old.path.size() > old_path.size()) {
    const std::size_t skip = old_path.empty() ? 0 : old_path.size() + 1;
    directory.path = join(path, std::string_view(old.path).substr(skip));
  }
  return directory;
}

// Writes the merged tree, depth first, which is the order of a catalog. Holds, for each level, the
// names of the sub-directories still to come.
class Merger {
 public:
  Merger(const SaveRequest& request, catalog::Writer& writer)
      : before_(request.before), request_(request), journal_(request.journal), writer_(writer) {}

  // The directory `path`; `old_path` is where the catalog has what became of it.
  Result<void> write(const std::string& path, const std::string& old_path) {
    const auto record = journal_.find(path);
    if (!record) {
      if (!has_records_below(path)) return carry(old_path, path);
      return write_unchanged(path, old_path);
    }
    const JournalDirectory directory = journal_.directory(*record);
    TRY_ASSIGN(const std::string base, base_path(directory));
    if (directory.unreadable) return carry(base, path);
    return write_changed(path, base, *record);
  }

 private:
  Result<std::string> base_path(const JournalDirectory& directory) const {
    if (directory.position == kNowhere) return std::string(directory.path);
    TRY_ASSIGN(catalog::Directory base, before_->directory(directory.position));
    return std::move(base.path);
  }

  // Whether the journal has anything of a directory below `path`.
  bool has_records_below(const std::string& path) const {
    const std::size_t next = journal_.lower_bound(path);
    return next < journal_.directory_count() &&
           RelPath::from_normal(std::string(journal_.directory(next).path))
               .is_within(RelPath::from_normal(path));
  }

  // The whole subtree as the catalog has it, under `path`.
  Result<void> carry(const std::string& old_path, const std::string& path) {
    if (before_ == nullptr) return {};
    return for_subtree(*before_, old_path,
                       [&](std::uint64_t position, const catalog::Directory& old) -> Result<void> {
                         return writer_.copy(*before_, position, moved(old, old_path, path));
                       });
  }

  // The same as names of which nothing is believed: what the source has of it is due.
  Result<void> doubt(const std::string& old_path, const std::string& path) {
    catalog::DirectoryEntries old;
    return for_subtree(*before_, old_path,
                       [&](std::uint64_t position, const catalog::Directory&) -> Result<void> {
                         TRY(before_->read(position, old));
                         for (Entry& entry : old.entries) disbelieve(entry);
                         catalog::Directory directory = moved(old.directory, old_path, path);
                         directory.trusted = false;  // its times say nothing of the target
                         return writer_.add(directory, old.entries);
                       });
  }

  Result<void> write_unchanged(const std::string& path, const std::string& old_path) {
    std::vector<Child> children;
    {
      TRY_ASSIGN(const auto position, before_->find(old_path));
      if (!position) return {};
      catalog::DirectoryEntries old;
      TRY(before_->read(*position, old));
      catalog::Directory directory = old.directory;
      directory.path = path;
      TRY(writer_.copy(*before_, *position, directory));
      for (const Entry& entry : old.entries) {
        if (entry.observation.type == EntryType::kDirectory)
          children.push_back({std::string(entry.name), Child::Source::kWalk});
      }
    }
    return write_children(path, old_path, children);
  }

  Result<void> write_children(const std::string& path, const std::string& old_path,
                              const std::vector<Child>& children) {
    for (const Child& child : children) {
      const std::string name = join(path, child.name);
      const std::string old_name = join(old_path, child.name);
      switch (child.source) {
        case Child::Source::kWalk:
          TRY(write(name, old_name));
          break;
        case Child::Source::kCarry:
          TRY(carry(old_name, name));
          break;
        case Child::Source::kDoubt:
          TRY(doubt(old_name, name));
          break;
      }
    }
    return {};
  }

  Result<void> write_changed(const std::string& path, const std::string& base, std::size_t record) {
    std::vector<Child> children;
    {
      const JournalDirectory seen = journal_.directory(record);
      catalog::DirectoryEntries old;
      if (seen.position != kNowhere) TRY(before_->read(seen.position, old));
      std::vector<Entry> entries;
      const Applied applied = apply(old.entries, record, entries, children);
      catalog::Directory directory;
      directory.path = path;
      directory.observation = seen.observation;
      // Trust says that the names are known, all of them.
      directory.trusted = seen.can_trust && applied.all;
      TRY(applied.any || seen.position == kNowhere
              ? writer_.add(directory, entries)
              : writer_.copy(*before_, seen.position, directory));
    }
    return write_children(path, base, children);
  }

  struct Applied {
    bool any = false;
    bool all = true;
  };

  bool is_applied(std::uint64_t ordinal) const {
    return journal_.action(ordinal) == Action::kRecord || request_.confirmed[ordinal];
  }

  // Merges the old entries with the journal's, name by name.
  Applied apply(const std::vector<Entry>& old, std::size_t record, std::vector<Entry>& entries,
                std::vector<Child>& children) const {
    Applied applied;
    std::size_t o = 0;
    const auto keep = [&](Child::Source source) {
      entries.push_back(old[o]);
      if (old[o].observation.type == EntryType::kDirectory)
        children.push_back({std::string(old[o].name), source});
      ++o;
    };
    std::uint64_t ordinal = journal_.first_ordinal(record);
    JournalEntry entry;
    for (EntryCursor cursor = journal_.entries(record); cursor.next(entry); ++ordinal) {
      while (o < old.size() && old[o].name < entry.name) keep(Child::Source::kWalk);
      const bool is_old = o < old.size() && old[o].name == entry.name;
      if (!is_applied(ordinal)) {
        applied.all = false;
        if (!is_old) continue;
        const bool is_gone = request_.cleared[ordinal];
        const bool is_doubtful = journal_.action(ordinal) == Action::kDelete ||
                                 (journal_.decision(ordinal) & kClearFirst) != 0;
        applied.any = applied.any || is_gone || is_doubtful;
        if (is_gone) {
          ++o;
        } else {
          keep(is_doubtful ? Child::Source::kDoubt : Child::Source::kCarry);
          if (is_doubtful) disbelieve(entries.back());
        }
        continue;
      }
      applied.any = true;
      if (is_old) ++o;
      if (entry.state == EntryState::kRemoved || entry.state == EntryState::kForgotten) continue;
      entries.push_back({entry.name, entry.observation, entry.symlink_target});
      if (entry.observation.type == EntryType::kDirectory)
        children.push_back({std::string(entry.name), Child::Source::kWalk});
    }
    while (o < old.size()) keep(Child::Source::kWalk);
    return applied;
  }

  const catalog::Reader* before_;
  const SaveRequest& request_;
  const Journal& journal_;
  catalog::Writer& writer_;
};

}  // namespace

std::string CatalogNote::format() const {
  return fmt::format("sync {}\npass {}\nrules {}\n", sync, pass, rules);
}

CatalogNote CatalogNote::parse(std::string_view note) {
  CatalogNote parsed;
  while (!note.empty()) {
    const std::size_t end = std::min(note.find('\n'), note.size());
    const std::string_view line = note.substr(0, end);
    note.remove_prefix(std::min(end + 1, note.size()));
    if (line.starts_with("sync ")) parsed.sync = line.substr(5);
    if (line.starts_with("rules ")) parsed.rules = line.substr(6);
    if (line.starts_with("pass "))
      std::from_chars(line.data() + 5, line.data() + line.size(), parsed.pass);
  }
  return parsed;
}

Result<void> save_catalog(const SaveRequest& request, const std::string& path) {
  TRY_ASSIGN(const auto writer, catalog::Writer::create(path, {request.note.format(), 1}));
  TRY(Merger(request, *writer).write("", ""));
  return writer->finish();
}

}  // namespace wherry::sync
