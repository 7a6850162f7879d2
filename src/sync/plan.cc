// SPDX-License-Identifier: Apache-2.0
#include "sync/plan.h"

#include <unordered_map>

#include "sync/renames.h"

namespace wherry::sync {
namespace {

using catalog::EntryType;

class Planner {
 public:
  Planner(const PlanRequest& request, Journal& journal) : request_(request), journal_(journal) {
    if (request.ignore_back_off) return;
    for (const Failure& failure : request.failures) {
      // Beyond the longest it was set by a clock that was ahead.
      if (failure.next_try > request.now && failure.next_try - request.now <= kLongestBackOff)
        waiting_.emplace(failure.path, failure.next_try);
    }
  }

  void run() {
    for (std::size_t i = 0; i < journal_.directory_count(); ++i) {
      const std::string_view path = journal_.directory(i).path;
      std::uint64_t ordinal = journal_.first_ordinal(i);
      JournalEntry entry;
      for (EntryCursor cursor = journal_.entries(i); cursor.next(entry); ++ordinal) {
        if (journal_.action(ordinal) == Action::kNothing)  // else a rename has decided
          journal_.decide(ordinal, decide(path, entry));
      }
    }
  }

 private:
  std::uint8_t decide(std::string_view directory, const JournalEntry& entry) {
    Action action = wanted(directory, entry);
    const bool has_work = action != Action::kNothing && action != Action::kRecord;
    if (has_work && !waiting_.empty() && waiting_.contains(join(directory, entry.name)))
      action = Action::kDelayed;
    auto decision = static_cast<std::uint8_t>(action);
    // Anything may take the place of a file or symlink in one step, but not of a directory, and a
    // directory not of anything.
    const bool directory_involved =
        entry.old_type == EntryType::kDirectory || entry.observation.type == EntryType::kDirectory;
    if (entry.state == EntryState::kTypeChanged && directory_involved && has_work &&
        action != Action::kDelayed)
      decision |= kClearFirst;
    return decision;
  }

  Action wanted(std::string_view directory, const JournalEntry& entry) const {
    switch (entry.state) {
      case EntryState::kNotQuiet:
        return Action::kNothing;
      case EntryState::kForgotten:
      case EntryState::kDirectoryAttributes:
        return Action::kRecord;
      case EntryState::kRemoved:
        switch (request_.definition.deletions) {
          case Deletions::kKeep:
            return Action::kRecord;
          case Deletions::kPropagate:
            return Action::kDelete;
          case Deletions::kArchive:
            return Action::kArchive;
        }
        return Action::kNothing;
      case EntryState::kAttributes:
        return Action::kCheck;
      case EntryState::kAdded:
      case EntryState::kModified:
      case EntryState::kTypeChanged:
      case EntryState::kDoubted:
        return entry.observation.type == EntryType::kDirectory ? want_directory(directory, entry)
                                                               : Action::kCopy;
    }
    return Action::kNothing;
  }

  // One that could not be read is not made: it is due when it can be. Of one that the catalog knows
  // there is a record only if something in it differs.
  Action want_directory(std::string_view directory, const JournalEntry& entry) const {
    const auto record = journal_.find(join(directory, entry.name));
    const bool is_there =
        record ? !journal_.directory(*record).unreadable : entry.state == EntryState::kDoubted;
    return is_there ? Action::kMakeDirectory : Action::kNothing;
  }

  const PlanRequest& request_;
  Journal& journal_;
  std::unordered_map<std::string, TimePoint> waiting_;
};

// Counts, and tells changes.
class Teller {
 public:
  Teller(const Journal& journal, const catalog::Reader* catalog,
         const std::function<void(const Change&)>& on_change)
      : journal_(journal), catalog_(catalog), on_change_(on_change) {
    if (on_change_) {
      for (const Rename& rename : journal.renames()) origins_.emplace(rename.added, rename.from);
    }
  }

  Result<Tally> run() {
    for (std::size_t i = 0; i < journal_.directory_count(); ++i) {
      const JournalDirectory record = journal_.directory(i);
      std::uint64_t ordinal = journal_.first_ordinal(i);
      JournalEntry entry;
      for (EntryCursor cursor = journal_.entries(i); cursor.next(entry); ++ordinal)
        TRY(take(record, entry, ordinal));
    }
    tally_.counts.renamed = journal_.renames().size();
    for (const Rename& rename : journal_.renames()) {
      // Out of a directory that went as a whole: counted with it.
      if (!rename.is_directory && rename.removed == kNowhere && tally_.gone > 0) --tally_.gone;
    }
    tally_.counts.removed = tally_.gone;
    return tally_;
  }

 private:
  Result<void> take(const JournalDirectory& record, const JournalEntry& entry,
                    std::uint64_t ordinal) {
    Counts& counts = tally_.counts;
    const bool is_directory = entry.observation.type == EntryType::kDirectory;
    const bool moved =
        entry.state == EntryState::kRemoved && journal_.action(ordinal) == Action::kMoved;
    if (entry.state == EntryState::kRemoved && !moved)
      TRY(count_gone(record, entry, entry.observation.type));
    if (entry.state == EntryState::kTypeChanged && entry.old_type == EntryType::kDirectory) {
      const std::uint64_t before = tally_.gone;
      TRY(count_gone(record, entry, entry.old_type));
      tally_.replaced += tally_.gone - before;
    }
    if (journal_.action(ordinal) == Action::kDelayed) ++counts.delayed;
    const Action action = journal_.action(ordinal);
    if (!is_directory && (action == Action::kCopy || action == Action::kCheck)) {
      std::uint64_t& count = entry.state == EntryState::kAdded        ? counts.added
                             : entry.state == EntryState::kAttributes ? counts.attributes
                                                                      : counts.modified;
      ++count;
      if (action == Action::kCopy) counts.bytes += entry.observation.size;
    }
    if (on_change_ && !moved) tell(record, entry, ordinal);
    return {};
  }

  Result<void> count_gone(const JournalDirectory& record, const JournalEntry& entry,
                          EntryType type) {
    if (type != EntryType::kDirectory) {
      ++tally_.gone;
      return {};
    }
    CHECK(catalog_ != nullptr && record.position != kNowhere);
    TRY_ASSIGN(const catalog::Directory base, catalog_->directory(record.position));
    return for_subtree(*catalog_, join(base.path, entry.name),
                       [&](std::uint64_t position, const catalog::Directory&) -> Result<void> {
                         TRY_ASSIGN(const auto stored, catalog_->stored(position));
                         tally_.gone += stored.files + stored.symlinks;
                         return {};
                       });
  }

  void tell(const JournalDirectory& record, const JournalEntry& entry, std::uint64_t ordinal) {
    if (entry.state == EntryState::kForgotten || entry.state == EntryState::kDirectoryAttributes)
      return;
    Change change;
    change.path = join(record.path, entry.name);
    change.is_directory = entry.observation.type == EntryType::kDirectory;
    change.size = change.is_directory ? 0 : entry.observation.size;
    change.kind = kind_of(entry.state, journal_.action(ordinal));
    if (const auto origin = origins_.find(ordinal); origin != origins_.end())
      change.from = origin->second;
    on_change_(change);
  }

  static ChangeKind kind_of(EntryState state, Action action) {
    if (action == Action::kRename) return ChangeKind::kRenamed;
    if (action == Action::kDelayed) return ChangeKind::kDelayed;
    switch (state) {
      case EntryState::kAdded:
      case EntryState::kDoubted:
        return ChangeKind::kAdded;
      case EntryState::kModified:
        return ChangeKind::kModified;
      case EntryState::kTypeChanged:
        return ChangeKind::kTypeChanged;
      case EntryState::kRemoved:
        return ChangeKind::kRemoved;
      case EntryState::kNotQuiet:
        return ChangeKind::kNotQuiet;
      default:
        return ChangeKind::kAttributes;
    }
  }

  const Journal& journal_;
  const catalog::Reader* catalog_;
  const std::function<void(const Change&)>& on_change_;
  std::unordered_map<std::uint64_t, std::string> origins_;
  Tally tally_;
};

}  // namespace

std::string join(std::string_view directory, std::string_view name) {
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path = directory;
  if (!path.empty()) path += '/';
  path += name;
  return path;
}

std::string before_renames(const Journal& journal, const std::string& path) {
  const RelPath whole = RelPath::from_normal(path);
  for (const Rename& rename : journal.renames()) {
    if (!rename.is_directory) break;  // those of directories come first
    const RelPath to = RelPath::from_normal(rename.to);
    if (!whole.is_within(to)) continue;
    return RelPath::from_normal(rename.from).join(whole.relative_to(to)).text();
  }
  return path;
}

Result<void> for_subtree(
    const catalog::Reader& catalog, std::string_view path,
    const std::function<Result<void>(std::uint64_t, const catalog::Directory&)>& visit) {
  TRY_ASSIGN(const auto first, catalog.find(path));
  if (!first) return {};
  const RelPath top = RelPath::from_normal(std::string(path));
  for (std::uint64_t i = *first; i < catalog.directory_count(); ++i) {
    TRY_ASSIGN(const catalog::Directory directory, catalog.directory(i));
    if (!RelPath::from_normal(directory.path).is_within(top)) break;
    TRY(visit(i, directory));
  }
  return {};
}

Result<std::unique_ptr<Journal>> make_plan(const PlanRequest& request, JournalWriter& writer) {
  TRY_ASSIGN(auto journal, find_renames(request, writer));
  Planner(request, *journal).run();
  return journal;
}

Result<Tally> tally(const Journal& journal, const catalog::Reader* catalog,
                    const std::function<void(const Change&)>& on_change) {
  return Teller(journal, catalog, on_change).run();
}

}  // namespace wherry::sync
