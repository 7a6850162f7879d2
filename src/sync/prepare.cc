// SPDX-License-Identifier: Apache-2.0
#include "sync/prepare.h"

#include "base/log.h"
#include "sync/plan.h"

namespace wherry::sync {
namespace {

using catalog::EntryType;

// An error that ends the pass rather than one operation.
bool ends_the_pass(const Error& error) {
  return error.code == Code::kCancelled || error.code == Code::kUnavailable ||
         error.code == Code::kTimeout;
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
  if (there.attributes.type == storage::EntryType::kDirectory) return {};
  return make_error(Code::kAlreadyExists, "'{}' is in the way at the target and is no directory",
                    escape_bytes(path.text()));
}

Result<void> TargetTree::make_and_rename() {
  for (const Rename& item : journal_.renames()) {
    if (item.is_directory) TRY(rename(item));
  }
  TRY(make_directories(Which::kEmpty));
  for (const Rename& item : journal_.renames()) {
    if (!item.is_directory) TRY(rename(item));
  }
  return {};
}

Result<void> TargetTree::make_remaining() { return make_directories(Which::kAll); }

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

bool TargetTree::has_confirmed(const std::string& path) const {
  const auto record = journal_.find(path);
  if (!record) return false;
  std::uint64_t ordinal = journal_.first_ordinal(*record);
  JournalEntry entry;
  for (EntryCursor cursor = journal_.entries(*record); cursor.next(entry); ++ordinal) {
    if (journal_.action(ordinal) == Action::kCopy && outcome_.confirmed[ordinal]) return true;
  }
  return false;
}

Result<void> TargetTree::make_directories(Which which) {
  bool announced = false;
  return for_entries(
      journal_,
      [&](std::uint64_t ordinal, std::string_view directory,
          const JournalEntry& entry) -> Result<void> {
        if (journal_.action(ordinal) != Action::kMakeDirectory || outcome_.confirmed[ordinal])
          return {};
        const std::string path = join(directory, entry.name);
        if (which == Which::kEmpty ? has_copies(path) : has_confirmed(path)) {
          outcome_.confirmed[ordinal] = which == Which::kAll;
          return {};
        }
        if (which == Which::kEmpty && !announced)
          log_info("sync {}: creating empty directories", context_.definition.name);
        announced = true;
        auto made = ensure_directory(context_.at_target(path));
        if (made) {
          outcome_.confirmed[ordinal] = true;
        } else if (ends_the_pass(made.error())) {
          return std::move(made).error();
        } else if (which == Which::kAll) {  // the first try was not the last
          outcome_.fail(path, made.error().message);
        }
        return {};
      });
}

// The plan has seen that the new path was free. If it is taken now, an earlier run of this pass has
// done the rename already.
Result<void> TargetTree::rename(const Rename& item) {
  TRY(context_.reach("before rename"));
  const tasks::EndpointId& endpoint = context_.definition.target.endpoint;
  const RelPath to = context_.at_target(item.to);
  Result<void> done;
  if (auto there = context_.service.stat(endpoint, to); !there) {
    if (there.error().code != Code::kNotFound) done = std::move(there).error();
    if (done) done = ensure_directory(to.parent());
    if (done) done = context_.service.rename(endpoint, context_.at_target(item.from), to);
  }
  if (!done) {
    if (ends_the_pass(done.error())) return done;
    outcome_.fail(item.to, std::move(done)
                               .error()
                               .with_context(fmt::format("rename '{}'", escape_bytes(item.from)))
                               .message);
    return {};
  }
  log_info("sync {}: renamed {} to {}", context_.definition.name, escape_bytes(item.from),
           escape_bytes(item.to));
  outcome_.confirmed[item.added] = true;
  if (item.removed != kNowhere) outcome_.confirmed[item.removed] = true;
  return {};
}

// What is in the archive already was put there by an earlier run of this pass; what the path holds
// now is newer and stays.
Result<void> TargetTree::archive(const std::string& path) {
  TRY(context_.reach("before archive"));
  const tasks::EndpointId& endpoint = context_.definition.target.endpoint;
  const RelPath to = context_.definition.target.path.child(kArchiveDirectory)
                         .child(context_.label)
                         .join(RelPath::from_normal(path));
  if (context_.service.stat(endpoint, to)) return {};
  TRY(ensure_directory(to.parent()));
  auto moved = context_.service.rename(endpoint, context_.at_target(path), to);
  // Not there: nothing to keep.
  if (!moved && moved.error().code != Code::kNotFound) return moved;
  return {};
}

Result<void> TargetTree::archive_in_the_way() {
  return for_entries(journal_,
                     [&](std::uint64_t ordinal, std::string_view directory,
                         const JournalEntry& entry) -> Result<void> {
                       if ((journal_.decision(ordinal) & kClearFirst) == 0) return {};
                       const bool was_directory = entry.old_type == EntryType::kDirectory;
                       if (context_.definition.deletions == Deletions::kPropagate ||
                           (!was_directory && context_.definition.deletions == Deletions::kKeep))
                         return {};
                       auto moved = archive(join(directory, entry.name));
                       if (!moved && ends_the_pass(moved.error())) return moved;
                       // A failure shows again, with its reason, when the way is not free.
                       return {};
                     });
}

Result<void> TargetTree::archive_removed() {
  return for_entries(journal_,
                     [&](std::uint64_t ordinal, std::string_view directory,
                         const JournalEntry& entry) -> Result<void> {
                       if (journal_.action(ordinal) != Action::kArchive) return {};
                       const std::string path = join(directory, entry.name);
                       auto moved = archive(path);
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
