// SPDX-License-Identifier: Apache-2.0
#include "engine/delete_tree.h"

#include <utility>

#include "engine/filter.h"

namespace wherry::engine {

using storage::Entry;
using storage::EntryType;
using storage::Storage;
using storage::Visit;

RemovalWalk::RemovalWalk(Storage& storage, Start start, const TryAgain& again, Keeps keeps)
    : storage_(storage),
      again_(again),
      keeps_(std::move(keeps)),
      item_(start.item),
      start_(std::move(start)) {}

bool RemovalWalk::keeps(std::string_view name, EntryType type) const {
  return keeps_ && keeps_(name, type);
}

void RemovalWalk::note_kept() {
  if (!levels_.empty()) levels_.back().holds_kept = true;
}

Operation RemovalWalk::removal(RelPath path, RelPath below, EntryType type) const {
  Operation operation;
  operation.kind = OperationKind::kRemove;
  operation.item = item_;
  operation.below = std::move(below);
  operation.source = path;
  operation.target = std::move(path);
  operation.attributes.type = type;
  operation.side = Side::kTarget;
  return operation;
}

// What is there now. Lists it if it is a directory: since its parent was listed, a symlink may have
// taken its place, which a listing would follow.
wherry::Result<EntryType> RemovalWalk::look_into(Level& level) const {
  level.children.clear();
  level.holds_kept = false;
  TRY_ASSIGN(const Entry there, storage_.stat(level.path, Storage::Follow::kNo));
  const EntryType type = there.attributes.type;
  if (type != EntryType::kDirectory) return type;
  auto listed = storage_.list(level.path, [&](const Entry& entry) {
    if (keeps(entry.name, entry.attributes.type))
      level.holds_kept = true;
    else
      level.children.push_back({entry.name, entry.attributes.type});
    return Visit::kContinue;
  });
  if (!listed) return std::move(listed).error();
  return type;
}

std::optional<Operation> RemovalWalk::enter(RelPath path, RelPath below) {
  Level level;
  level.path = std::move(path);
  level.below = std::move(below);
  EntryType type = EntryType::kDirectory;
  for (int attempts = 1;; ++attempts) {
    auto looked = look_into(level);
    if (looked) {
      type = *looked;
      break;
    }
    if (again_(looked.error(), Side::kTarget, attempts)) continue;
    const bool gone = looked.error().code == Code::kNotFound;
    Operation operation =
        removal(std::move(level.path), std::move(level.below), EntryType::kDirectory);
    // What is gone counts as removed, as a file does.
    if (gone) return operation;
    operation.settled = Operation::Settled::kFailed;
    operation.error = std::move(looked).error();
    return operation;
  }
  if (type == EntryType::kDirectory) {
    levels_.push_back(std::move(level));
    return std::nullopt;
  }
  if (keeps(level.path.name(), type)) {
    note_kept();
    return std::nullopt;
  }
  return removal(std::move(level.path), std::move(level.below), type);
}

std::optional<Operation> RemovalWalk::next() {
  if (start_) {
    const Start start = std::move(*start_);
    start_.reset();
    if (start.attributes.type != EntryType::kDirectory)
      return removal(start.path, start.below, start.attributes.type);
    if (auto instead = enter(start.path, start.below)) return instead;
  }
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.next_child == level.children.size()) {
      Level left = std::move(level);
      levels_.pop_back();
      if (!left.holds_kept)
        return removal(std::move(left.path), std::move(left.below), EntryType::kDirectory);
      note_kept();
      continue;
    }
    const Child& child = level.children[level.next_child++];
    RelPath path = level.path.child(child.name);
    RelPath below = level.below.child(child.name);
    if (child.type != EntryType::kDirectory)
      return removal(std::move(path), std::move(below), child.type);
    if (auto instead = enter(std::move(path), std::move(below))) return instead;
  }
  return std::nullopt;
}

wherry::Result<std::optional<Operation>> DeletePlan::next() {
  for (;;) {
    if (walk_) {
      if (auto operation = walk_->next()) return operation;
      walk_.reset();
    }
    if (!ready_.empty()) {
      std::optional<Operation> operation = std::move(ready_.front());
      ready_.pop_front();
      return operation;
    }
    if (!matches_.empty()) {
      const Match match = std::move(matches_.front());
      matches_.pop_front();
      begin_path(match);
      continue;
    }
    TRY_ASSIGN(auto item, parts_.items.next(), "next item");
    if (!item) return std::optional<Operation>();
    begin(item->ordinal, item->item.path);
  }
}

void DeletePlan::settle(const Match& match, Operation::Settled settled,
                        std::optional<Error> error) {
  Operation operation;
  operation.kind = OperationKind::kRemove;
  operation.item = match.item;
  operation.below = match.below;
  operation.source = match.path;
  operation.target = match.path;
  operation.settled = settled;
  operation.error = std::move(error);
  operation.side = Side::kTarget;
  ready_.push_back(std::move(operation));
}

void DeletePlan::begin(std::uint64_t item, const RelPath& path) {
  if (parts_.options.interpret_globs && is_delete_glob(path.name())) {
    begin_glob(item, path);
  } else {
    begin_path({item, path, RelPath()});
  }
}

void DeletePlan::begin_glob(std::uint64_t item, const RelPath& pattern) {
  const RelPath directory = pattern.parent();
  std::deque<Match> matches;
  for (int attempts = 1;; ++attempts) {
    matches.clear();
    auto listed = parts_.storage.list(directory, [&](const Entry& entry) {
      if (delete_glob_reaches(pattern.name(), entry.name))
        matches.push_back({item, directory.child(entry.name), RelPath::from_normal(entry.name)});
      return Visit::kContinue;
    });
    if (listed) break;
    if (parts_.again(listed.error(), Side::kTarget, attempts)) continue;
    const bool ignored = listed.error().code == Code::kNotFound && parts_.options.ignore_missing;
    if (ignored) break;
    settle({item, pattern, RelPath()}, Operation::Settled::kFailed, std::move(listed).error());
    return;
  }
  if (!matches.empty()) {
    matches_ = std::move(matches);
  } else if (parts_.recovering) {
    settle({item, pattern, RelPath()}, Operation::Settled::kUpToDate, std::nullopt);
  } else if (parts_.options.ignore_missing) {
    settle({item, pattern, RelPath()}, Operation::Settled::kIgnored, std::nullopt);
  } else {
    settle({item, pattern, RelPath()}, Operation::Settled::kFailed,
           make_error(Code::kNotFound, "nothing matches '{}'", escape_bytes(pattern.text())));
  }
}

void DeletePlan::begin_path(const Match& match) {
  const RelPath& path = match.path;
  if (path.is_root()) {
    settle(match, Operation::Settled::kFailed,
           make_error(Code::kInvalid, "the root of a storage is never deleted"));
    return;
  }
  for (int attempts = 1;; ++attempts) {
    auto entry = parts_.storage.stat(path, Storage::Follow::kNo);
    if (!entry && parts_.again(entry.error(), Side::kTarget, attempts)) continue;
    const bool missing = !entry && entry.error().code == Code::kNotFound;
    if (missing && parts_.recovering) {
      settle(match, Operation::Settled::kUpToDate, std::nullopt);
    } else if (missing && parts_.options.ignore_missing) {
      settle(match, Operation::Settled::kIgnored, std::nullopt);
    } else if (!entry) {
      settle(match, Operation::Settled::kFailed, std::move(entry).error());
    } else if (entry->attributes.type == EntryType::kDirectory && !parts_.options.recursive) {
      settle(match, Operation::Settled::kFailed,
             make_error(Code::kInvalid, "'{}' is a directory: a recursive delete is needed",
                        escape_bytes(path.text())));
    } else {
      walk_.emplace(parts_.storage,
                    RemovalWalk::Start{path, match.below, match.item, entry->attributes},
                    parts_.again);
    }
    return;
  }
}

}  // namespace wherry::engine
