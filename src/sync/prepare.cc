// SPDX-License-Identifier: Apache-2.0
#include "sync/prepare.h"

#include <algorithm>

#include "base/log.h"
#include "sync/plan.h"

namespace wherry::sync {
namespace {

using catalog::EntryType;

constexpr int kMaxArchives = 100;  // of one pass, each for names that those before it have

// An error that ends the pass rather than one operation. What an endpoint has refused for good, it
// would refuse in the next pass, too.
bool ends_the_pass(const Error& error) {
  const bool is_away = error.code == Code::kUnavailable || error.code == Code::kTimeout;
  return error.code == Code::kCancelled || (is_away && error.retry == Retry::kLater);
}

// Calls visit(ordinal, path, entry) -> Result<void> for every entry of the journal.
template <class Visit>
Result<void> for_entries(const Journal& journal, Visit visit) {
  for (std::size_t i = 0; i < journal.directory_count(); ++i) {
    const std::string_view path = journal.directory(i).path;
    std::uint64_t ordinal = journal.first_ordinal(i);
    JournalEntry entry;
    for (EntryCursor cursor = journal.entries(i); cursor.next(entry); ++ordinal)
      TRY(visit(ordinal, path, entry));
  }
  return {};
}

}  // namespace

Result<void> TargetTree::make_root() {
  if (context_.definition.target.path.is_root()) return {};
  return ensure_directory(context_.definition.target.path);
}

Result<void> TargetTree::ensure_directory(const RelPath& path) {
  const tasks::EndpointId& endpoint = context_.definition.target.endpoint;
  auto made = context_.service.make_directory(endpoint, path);
  if (!made && made.error().code == Code::kNotFound && !path.is_root()) {
    TRY(ensure_directory(path.parent()));
    made = context_.service.make_directory(endpoint, path);
  }
  if (made) return {};
  if (made.error().code != Code::kAlreadyExists) return std::move(made).error();
  TRY_ASSIGN(const tasks::FileInfo there, context_.service.stat(endpoint, path));
  if (there.attributes.type == storage::EntryType::kDirectory && !there.is_link) return {};
  // Outside of the target's own directory a link may well stand for a directory.
  const RelPath& root = context_.definition.target.path;
  if (!path.is_within(root) || path == root) {
    if (there.attributes.type == storage::EntryType::kDirectory) return {};
    return make_error(Code::kAlreadyExists, "'{}' is in the way at the target and is no directory",
                      escape_bytes(path.text()));
  }
  // A file or link that the catalog does not know. It is put aside rather than overwritten, and
  // certainly not followed.
  const std::string below = path.relative_to(root).text();
  TRY(archive(below, below), "clear the way for a directory");
  return context_.service.make_directory(endpoint, path);
}

// Each directory on the way, so that none of them is a link to elsewhere.
Result<void> TargetTree::ensure_way(const RelPath& path) {
  if (path == context_.definition.target.path || path.is_root()) return {};
  TRY(ensure_way(path.parent()));
  return ensure_directory(path);
}

bool TargetTree::is_link(const std::string& path) const {
  const auto there =
      context_.service.stat(context_.definition.target.endpoint, context_.at_target(path));
  return there && there->is_link;
}

// A link may lead to another part of the mirror.
Error TargetTree::is_not_written_through(const std::string& path, const Error& error) const {
  return {error.code, Retry::kAfterUser,
          fmt::format("nothing is written through the symlink '{}' that is at the target where a "
                      "directory belongs, and it cannot be put aside: {}. Remove it, and run the "
                      "sync again",
                      escape_bytes(context_.at_target(path).text()), error.message)};
}

Result<void> TargetTree::make_and_rename(Preparation& preparation) {
  TRY(rename_all(Which::kDirectories, preparation));
  TRY(make_directories(Directories::kEmpty));
  return rename_all(Which::kFiles, preparation);
}

Result<void> TargetTree::rename_all(Which which, Preparation& preparation) {
  auto& failed = preparation.failed_renames;
  for (std::uint64_t i = 0; i < journal_.renames().size(); ++i) {
    const Rename& item = journal_.renames()[i];
    if (item.is_directory != (which == Which::kDirectories)) continue;
    Result<void> done;
    if (std::find(failed.begin(), failed.end(), i) != failed.end()) {
      outcome_.fail(item.to, fmt::format("rename '{}': it failed", escape_bytes(item.from)));
      continue;
    }
    if (!preparation.is_done) done = rename(item);
    if (done) {
      outcome_.confirmed[item.added] = true;
      if (item.removed != kNowhere) outcome_.confirmed[item.removed] = true;
      continue;
    }
    if (ends_the_pass(done.error())) return done;
    outcome_.fail(item.to, std::move(done)
                               .error()
                               .with_context(fmt::format("rename '{}'", escape_bytes(item.from)))
                               .message);
    failed.push_back(i);
    TRY(context_.store.put_preparation(context_.definition.name, context_.pass, preparation));
  }
  return {};
}

Result<void> TargetTree::make_remaining() { return make_directories(Directories::kAll); }

bool TargetTree::has_copies(const std::string& path) const {
  const auto record = journal_.find(path);
  if (!record) return false;
  std::uint64_t ordinal = journal_.first_ordinal(*record);
  JournalEntry entry;
  for (EntryCursor cursor = journal_.entries(*record); cursor.next(entry); ++ordinal) {
    if (journal_.action(ordinal) == Action::kCopy) return true;
  }
  return false;
}

// Whether something has arrived in the directory or below, so that it is there. A copy has flushed
// the names of all that is above it; what this class does itself counts if it has not failed.
bool TargetTree::has_confirmed(const std::string& path) const {
  const bool is_unsure = unsure_.contains(path);
  const RelPath top = RelPath::from_normal(path);
  for (std::size_t i = journal_.lower_bound(path); i < journal_.directory_count(); ++i) {
    const JournalDirectory directory = journal_.directory(i);
    if (!RelPath::from_normal(std::string(directory.path)).is_within(top)) return false;
    const std::uint64_t first = journal_.first_ordinal(i);
    for (std::uint64_t ordinal = first; ordinal < first + directory.entry_count; ++ordinal) {
      const Action action = journal_.action(ordinal);
      const bool brings =
          action == Action::kCopy ||
          (!is_unsure && (action == Action::kRename || action == Action::kMakeDirectory));
      if (brings && outcome_.confirmed[ordinal]) return true;
    }
  }
  return false;
}

Result<void> TargetTree::make_directories(Directories which) {
  bool announced = false;
  return for_entries(
      journal_,
      [&](std::uint64_t ordinal, std::string_view directory,
          const JournalEntry& entry) -> Result<void> {
        if (journal_.action(ordinal) != Action::kMakeDirectory || outcome_.confirmed[ordinal])
          return {};
        const std::string path = join(directory, entry.name);
        if (which == Directories::kEmpty && has_copies(path)) return make_way(path);
        if (has_confirmed(path)) {
          outcome_.confirmed[ordinal] = true;
          return {};
        }
        if (which == Directories::kEmpty && !announced)
          log_info("sync {}: creating empty directories", context_.definition.name);
        announced = true;
        auto made = ensure_directory(context_.at_target(path));
        if (made) {
          outcome_.confirmed[ordinal] = true;
        } else if (ends_the_pass(made.error())) {
          return std::move(made).error();
        } else if (is_link(path)) {
          return is_not_written_through(path, made.error());
        } else if (which == Directories::kEmpty) {  // the first try is not the last
          unsure_.insert(path);
        } else {
          outcome_.fail(path, made.error().message);
        }
        return {};
      });
}

// A directory that its files will bring: something that the catalog does not know may have its
// name, and files would be written through it, or fail at it. Below what is not there nothing is.
Result<void> TargetTree::make_way(const std::string& path) {
  if (absent_ && RelPath::from_normal(path).is_within(*absent_)) return {};
  const RelPath target = context_.at_target(path);
  const auto there = context_.service.stat(context_.definition.target.endpoint, target);
  if (!there && there.error().code == Code::kNotFound) absent_ = RelPath::from_normal(path);
  if (!there) return ends_the_pass(there.error()) ? there.error() : Result<void>();
  if (there->attributes.type == storage::EntryType::kDirectory && !there->is_link) return {};
  auto made = ensure_directory(target);
  if (made || ends_the_pass(made.error())) return made;
  // Any other failure shows again with the files.
  unsure_.insert(path);
  return is_link(path) ? is_not_written_through(path, made.error()) : Result<void>();
}

// The plan has seen that the new path was free. If it is taken now, an earlier run of this pass has
// done the rename already: nothing else has been done at the target by then.
Result<void> TargetTree::rename(const Rename& item) {
  TRY(context_.reach("before rename"));
  const tasks::EndpointId& endpoint = context_.definition.target.endpoint;
  const RelPath to = context_.at_target(item.to);
  if (const auto there = context_.service.stat(endpoint, to)) {
    // Again, for what a call does also when there is nothing to rename: the names become durable.
    const auto again = context_.service.rename(endpoint, context_.at_target(item.from), to);
    if (again || again.error().code == Code::kNotFound) return {};
    if (again.error().code != Code::kAlreadyExists) return again;
    const auto old = context_.service.stat(endpoint, context_.at_target(item.from));
    if (!old && old.error().code == Code::kNotFound) return {};
    return old ? again : Result<void>(old.error());
  }
  // Files come when all directories have been made.
  TRY(item.is_directory ? ensure_way(to.parent()) : ensure_directory(to.parent()));
  TRY(context_.service.rename(endpoint, context_.at_target(item.from), to));
  log_info("sync {}: renamed {} to {}", context_.definition.name, escape_bytes(item.from),
           escape_bytes(item.to));
  return {};
}

// A name in the archive may be taken: an earlier run of this pass died in the middle, and a power
// cut may have left both names of what it moved. Then this goes beside it.
Result<void> TargetTree::archive(const std::string& path, const std::string& there) {
  TRY(context_.reach("before archive"));
  const tasks::EndpointId& endpoint = context_.definition.target.endpoint;
  const RelPath archives = context_.definition.target.path.child(kArchiveDirectory);
  std::string place = context_.label;
  for (int n = 1;; ++n) {
    const RelPath to = archives.child(place).join(RelPath::from_normal(path));
    TRY(ensure_directory(to.parent()));
    const auto moved = context_.service.rename(endpoint, context_.at_target(there), to);
    // Not there: nothing to keep.
    if (moved || moved.error().code == Code::kNotFound) return {};
    if (moved.error().code != Code::kAlreadyExists || n == kMaxArchives) return moved;
    const auto left = context_.service.stat(endpoint, context_.at_target(there));
    if (!left) return left.error().code == Code::kNotFound ? Result<void>() : left.error();
    place = fmt::format("{}.{}", context_.label, n + 1);
  }
}

// Whether what was at `there` is not any more.
Result<bool> TargetTree::is_out_of_the_way(const std::string& there, EntryType was) {
  const auto now =
      context_.service.stat(context_.definition.target.endpoint, context_.at_target(there));
  if (now) return (now->is_link ? EntryType::kSymlink : now->attributes.type) != was;
  if (ends_the_pass(now.error())) return now.error();
  return now.error().code == Code::kNotFound;
}

Result<void> TargetTree::archive_in_the_way(const Preparation& preparation) {
  return for_entries(
      journal_,
      [&](std::uint64_t ordinal, std::string_view directory,
          const JournalEntry& entry) -> Result<void> {
        if ((journal_.decision(ordinal) & kClearFirst) == 0 || outcome_.cleared[ordinal]) return {};
        const bool was_directory = entry.old_type == EntryType::kDirectory;
        const bool was_link = entry.old_type == EntryType::kSymlink;
        const bool is_deleted =
            context_.definition.deletions == Deletions::kPropagate ||
            (!was_directory && context_.definition.deletions == Deletions::kKeep);
        if (is_deleted && !was_link) return {};  // by a task, or it has failed there
        const std::string path = join(directory, entry.name);
        const std::string there = preparation.is_done ? path : before_renames(journal_, path);
        TRY_ASSIGN(bool is_free, is_out_of_the_way(there, entry.old_type));
        Result<void> moved;
        if (!is_free && !preparation.is_done) {
          moved = archive(path, there);
          if (!moved && ends_the_pass(moved.error())) return moved;
          TRY_ASSIGN(is_free, is_out_of_the_way(there, entry.old_type));
        }
        // The process before may have renamed what it is in.
        if (is_free && there != path) {
          TRY_ASSIGN(is_free, is_out_of_the_way(path, entry.old_type));
        }
        outcome_.cleared[ordinal] = is_free;
        // What fails otherwise shows again, with its reason, when the way is not free.
        if (!is_free && was_link && !moved) return is_not_written_through(path, moved.error());
        return {};
      });
}

Result<void> TargetTree::archive_removed() {
  return for_entries(journal_,
                     [&](std::uint64_t ordinal, std::string_view directory,
                         const JournalEntry& entry) -> Result<void> {
                       if (journal_.action(ordinal) != Action::kArchive) return {};
                       const std::string path = join(directory, entry.name);
                       auto moved = archive(path, path);
                       if (!moved && ends_the_pass(moved.error())) return moved;
                       if (moved) {
                         outcome_.confirmed[ordinal] = true;
                       } else {
                         outcome_.fail(path, moved.error().message);
                       }
                       return {};
                     });
}

}  // namespace wherry::sync
