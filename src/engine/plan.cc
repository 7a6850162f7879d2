// SPDX-License-Identifier: Apache-2.0
#include "engine/plan.h"

#include <algorithm>
#include <utility>

#include "engine/filter.h"

namespace wherry::engine {

using storage::Attributes;
using storage::Entry;
using storage::EntryType;
using storage::Storage;
using storage::Visit;

namespace {

// As deep as the kernel follows symlinks; for loops that close where nobody sees it.
constexpr int kMaxLinks = 40;

TimePoint floor_to(TimePoint time, Duration precision) {
  if (precision.count() <= 1) return time;
  const auto ticks = time.time_since_epoch().count();
  const auto unit = precision.count();
  const auto rest = ((ticks % unit) + unit) % unit;
  return TimePoint(Duration(ticks - rest));
}

// ASCII letters only: enough to be careful, and what every case-blind file system folds.
std::string fold_case(std::string_view name) {
  std::string folded(name);
  for (char& c : folded)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return folded;
}

bool is_directory(const Entry& entry) { return entry.attributes.type == EntryType::kDirectory; }

// Where a path lies on this host, if its storage is a directory of this host.
std::optional<std::string> host_path(const Storage& storage, const RelPath& path) {
  auto directory = storage.host_directory();
  if (!directory) return std::nullopt;
  return fmt::format("{}/{}/", *directory, path.text());
}

// Where a symlink in `directory` leads, if it is relative and stays inside.
std::optional<RelPath> follow_words(RelPath directory, std::string_view target) {
  if (target.starts_with('/')) return std::nullopt;
  while (!target.empty()) {
    const std::string_view word = target.substr(0, target.find('/'));
    target.remove_prefix(std::min(target.size(), word.size() + 1));
    if (word == "..") {
      if (directory.is_root()) return std::nullopt;
      directory = directory.parent();
    } else if (!word.empty() && word != ".") {
      directory = directory.child(word);
    }
  }
  return directory;
}

enum class Overlap { kNone, kSame, kTargetInSource };

Overlap overlap(const Storage& source, const RelPath& source_path, const Storage& target,
                const RelPath& target_path) {
  std::optional<std::string> from;
  std::optional<std::string> to;
  if (&source == &target) {
    from = fmt::format("/{}/", source_path.text());
    to = fmt::format("/{}/", target_path.text());
  } else {
    from = host_path(source, source_path);
    to = host_path(target, target_path);
  }
  if (!from || !to) return Overlap::kNone;
  for (std::string* text : {&*from, &*to}) {
    while (text->ends_with("//")) text->pop_back();
  }
  if (*from == *to) return Overlap::kSame;
  return to->starts_with(*from) ? Overlap::kTargetInSource : Overlap::kNone;
}

}  // namespace

Plan::Plan(Parts parts) : parts_(std::move(parts)) {}

bool Plan::looks_at_target() const {
  return parts_.options.sync_level != SyncLevel::kAlways || parts_.options.delete_extra ||
         parts_.recovering;
}

wherry::Result<Entry> Plan::stat(Side side, const RelPath& path, Storage::Follow follow) {
  Storage& storage = side == Side::kSource ? parts_.source : parts_.target;
  for (int attempts = 1;; ++attempts) {
    auto entry = storage.stat(path, follow);
    if (entry || !parts_.again(entry.error(), side, attempts)) return entry;
  }
}

wherry::Result<std::vector<Entry>> Plan::list(Side side, const RelPath& directory) {
  Storage& storage = side == Side::kSource ? parts_.source : parts_.target;
  std::vector<Entry> entries;
  for (int attempts = 1;; ++attempts) {
    entries.clear();
    auto listed = storage.list(directory, [&](const Entry& entry) {
      CHECK(entries.empty() || entries.back().name < entry.name);
      entries.push_back(entry);
      return Visit::kContinue;
    });
    if (listed) return entries;
    if (!parts_.again(listed.error(), side, attempts)) return std::move(listed).error();
  }
}

void Plan::add_failed(Operation operation, Side side, Error error) {
  operation.settled = Operation::Settled::kFailed;
  operation.error = std::move(error);
  operation.side = side;
  add(std::move(operation));
}

wherry::Result<std::optional<Operation>> Plan::next() {
  for (;;) {
    if (removal_) {
      if (auto operation = removal_->next()) return operation;
      removal_.reset();
    }
    if (!ready_.empty()) {
      std::optional<Operation> operation = std::move(ready_.front());
      ready_.pop_front();
      return operation;
    }
    if (!frames_.empty()) {
      advance(frames_.back());
      continue;
    }
    TRY_ASSIGN(const bool more, begin_next_item());
    if (!more) return std::optional<Operation>();
  }
}

void Plan::prune() {
  CHECK(!frames_.empty() && ready_.empty() && !removal_);
  CHECK(frames_.back().next_entry == 0 && frames_.back().next_at_target == 0);
  frames_.pop_back();
}

wherry::Result<bool> Plan::begin_next_item() {
  TRY_ASSIGN(auto numbered, parts_.items.next(), "next item");
  if (!numbered) return false;
  item_ = numbered->ordinal;
  begin_item(numbered->item);
  return true;
}

void Plan::begin_item(const TransferItem& item) {
  if (item.kind == TransferItem::Kind::kSymlink) {
    plan_single_symlink(item);
    return;
  }
  Operation operation;
  operation.item = item_;
  operation.source = item.source;
  operation.target = item.target;
  auto entry = stat(Side::kSource, item.source, Storage::Follow::kYes);
  if (!entry) {
    add_failed(std::move(operation), Side::kSource, std::move(entry).error());
    return;
  }
  operation.attributes = entry->attributes;
  const std::string shown = escape_bytes(item.source.text());
  if (is_directory(*entry)) {
    operation.kind = OperationKind::kMakeDirectory;
    if (item.recursion == TransferItem::Recursion::kNo) {
      add_failed(
          std::move(operation), Side::kSource,
          make_error(Code::kInvalid, "'{}' is a directory: a recursive item is needed", shown));
    } else if (overlap(parts_.source, item.source, parts_.target, item.target) != Overlap::kNone) {
      add_failed(std::move(operation), Side::kTarget,
                 make_error(Code::kInvalid, "directory '{}' cannot be copied into itself", shown));
    } else {
      begin_tree(item, entry->attributes);
    }
  } else if (item.recursion == TransferItem::Recursion::kYes) {
    add_failed(
        std::move(operation), Side::kSource,
        make_error(Code::kInvalid, "'{}' is no directory, but the item is recursive", shown));
  } else if (entry->attributes.type != EntryType::kFile) {
    add_failed(std::move(operation), Side::kSource,
               make_error(Code::kInvalid, "'{}' is a device, pipe or socket", shown));
  } else {
    plan_single_file(item, *entry);
  }
}

void Plan::plan_single_file(const TransferItem& item, const Entry& entry) {
  Operation operation;
  operation.item = item_;
  operation.source = item.source;
  operation.target = item.target;
  operation.attributes = entry.attributes;
  operation.checksum = item.checksum;
  if (overlap(parts_.source, item.source, parts_.target, item.target) == Overlap::kSame) {
    add_failed(std::move(operation), Side::kTarget,
               make_error(Code::kInvalid, "'{}' cannot be copied onto itself",
                          escape_bytes(item.source.text())));
    return;
  }
  if (looks_at_target()) {
    auto existing = stat(Side::kTarget, item.target, Storage::Follow::kNo);
    if (existing) {
      compare_with(existing->attributes, operation);
    } else if (existing.error().code != Code::kNotFound) {
      add_failed(std::move(operation), Side::kTarget, std::move(existing).error());
      return;
    }
  }
  add(std::move(operation));
}

void Plan::plan_single_symlink(const TransferItem& item) {
  Operation operation;
  operation.kind = OperationKind::kMakeSymlink;
  operation.item = item_;
  operation.source = item.source;
  operation.target = item.target;
  auto entry = stat(Side::kSource, item.source, Storage::Follow::kNo);
  if (!entry) {
    add_failed(std::move(operation), Side::kSource, std::move(entry).error());
    return;
  }
  operation.attributes = entry->attributes;
  operation.symlink_target = entry->symlink_target;
  if (entry->attributes.type != EntryType::kSymlink) {
    add_failed(std::move(operation), Side::kSource,
               make_error(Code::kInvalid, "'{}' is no symlink", escape_bytes(item.source.text())));
    return;
  }
  add(std::move(operation));
}

void Plan::begin_tree(const TransferItem& item, const Attributes& attributes) {
  Directory top;
  top.attributes = attributes;
  top.may_remove = parts_.options.delete_extra;
  enter(top, item.source, item.target, RelPath(), item.source);
}

// Both sides are listed before the directory is announced: one that cannot be read is one failure,
// and nothing is made or removed for it at the target.
void Plan::enter(const Directory& directory, RelPath source, RelPath target, RelPath below,
                 RelPath real) {
  Operation operation;
  operation.kind = OperationKind::kMakeDirectory;
  operation.item = item_;
  operation.source = source;
  operation.target = target;
  operation.below = below;
  operation.attributes = directory.attributes;
  auto entries = list(Side::kSource, source);
  if (!entries) {
    add_failed(std::move(operation), Side::kSource, std::move(entries).error());
    return;
  }
  Frame frame;
  frame.directory = directory;
  frame.source = std::move(source);
  frame.target = std::move(target);
  frame.below = std::move(below);
  frame.real = std::move(real);
  frame.entries = std::move(entries).value();
  if (!parts_.target.traits().case_sensitive) {
    for (const Entry& entry : frame.entries) frame.folded_names.insert(fold_case(entry.name));
  }
  if (auto listed = list_target(frame); !listed) {
    add_failed(std::move(operation), Side::kTarget, std::move(listed).error());
    return;
  }
  frames_.push_back(std::move(frame));
  add(std::move(operation));
}

// One step through a directory: one name of either side, and after the last one down.
void Plan::advance(Frame& frame) {
  const bool more_here = frame.next_entry < frame.entries.size();
  const bool more_there = frame.next_at_target < frame.at_target.size();
  if (!more_here && !more_there) {
    descend(frame);
    return;
  }
  Entry* here = more_here ? &frame.entries[frame.next_entry] : nullptr;
  const Entry* there = more_there ? &frame.at_target[frame.next_at_target] : nullptr;
  if (here == nullptr || (there != nullptr && there->name < here->name)) {
    ++frame.next_at_target;
    plan_extra(frame, *there);
    return;
  }
  ++frame.next_entry;
  const bool same_name = there != nullptr && there->name == here->name;
  if (same_name) ++frame.next_at_target;
  plan_entry(frame, *here, same_name ? there : nullptr);
}

// Looks at the target's side of a directory, where anybody needs to know. What is no directory
// there holds nothing: the caller of next() makes room for the directory.
wherry::Result<void> Plan::list_target(Frame& frame) {
  if (!looks_at_target() || frame.directory.at_target == AtTarget::kAbsent) return {};
  auto entries = list(Side::kTarget, frame.target);
  if (!entries) {
    const Code code = entries.error().code;
    if (code != Code::kNotFound && code != Code::kInvalid) return std::move(entries).error();
    frame.directory.at_target = AtTarget::kAbsent;
    return {};
  }
  frame.at_target = std::move(entries).value();
  if (parts_.recovering) remove_stale_temporaries(frame);
  return {};
}

void Plan::remove_stale_temporaries(Frame& frame) {
  const auto is_ours = [&](const Entry& entry) {
    return storage::is_temporary_name(entry.name, parts_.owner);
  };
  if (std::none_of(frame.at_target.begin(), frame.at_target.end(), is_ours)) return;
  std::unordered_set<std::string> wanted;
  for (const Entry& entry : frame.entries) {
    // What is a directory by now is copied under other names.
    if (!is_directory(entry))
      wanted.insert(storage::temporary_name(parts_.owner, frame.target.child(entry.name)));
  }
  for (const Entry& entry : frame.at_target) {
    if (!is_ours(entry) || wanted.contains(entry.name)) continue;
    // Litter that stays is no reason to fail: the next recovery finds it again.
    (void)parts_.target.remove_file(frame.target.child(entry.name));
  }
}

Operation Plan::operation_for(OperationKind kind, const Frame& frame, const Entry& entry) const {
  Operation operation;
  operation.kind = kind;
  operation.item = item_;
  operation.source = frame.source.child(entry.name);
  operation.target = frame.target.child(entry.name);
  operation.below = frame.below.child(entry.name);
  operation.attributes = entry.attributes;
  return operation;
}

void Plan::plan_entry(Frame& frame, Entry& entry, const Entry* existing) {
  if (storage::is_temporary_name(entry.name, {})) return;
  const EntryType type = entry.attributes.type;
  if (type == EntryType::kSymlink) {
    plan_symlink(frame, entry, existing);
    return;
  }
  if (!is_included(parts_.options.filters, entry.name, type)) return;
  if (collides(frame, entry)) return;
  switch (type) {
    case EntryType::kFile:
      plan_file(operation_for(OperationKind::kCopyFile, frame, entry), frame, existing);
      return;
    case EntryType::kDirectory: {
      Directory directory;
      directory.name = entry.name;
      directory.attributes = entry.attributes;
      directory.links = frame.directory.links;
      if (frame.directory.at_target == AtTarget::kAbsent || (looks_at_target() && !existing))
        directory.at_target = AtTarget::kAbsent;
      else if (existing != nullptr)
        directory.at_target = AtTarget::kPresent;
      // Through a symlink at the target, what is below belongs to somebody else.
      directory.may_remove =
          frame.directory.may_remove && (existing == nullptr || is_directory(*existing));
      frame.directories.push_back(std::move(directory));
      return;
    }
    case EntryType::kOther: {
      Operation operation = operation_for(OperationKind::kCopyFile, frame, entry);
      operation.settled = Operation::Settled::kIgnored;
      add(std::move(operation));
      return;
    }
    case EntryType::kSymlink:
      break;
  }
  CHECK(false && "symlinks are planned elsewhere");
}

// Two names that the target takes for one: the second would silently replace the first.
bool Plan::collides(Frame& frame, const Entry& entry) {
  if (frame.folded_names.empty() || frame.planned_names.insert(fold_case(entry.name)).second)
    return false;
  const OperationKind kind =
      is_directory(entry) ? OperationKind::kMakeDirectory : OperationKind::kCopyFile;
  add_failed(operation_for(kind, frame, entry), Side::kTarget,
             make_error(Code::kAlreadyExists, "the target takes '{}' and an earlier name for one",
                        escape_bytes(entry.name)));
  return true;
}

void Plan::plan_symlink(Frame& frame, Entry& entry, const Entry* existing) {
  if (parts_.options.symlinks == SymlinkPolicy::kCopy) {
    plan_followed(frame, entry, existing);
    return;
  }
  if (!is_included(parts_.options.filters, entry.name, EntryType::kSymlink)) return;
  Operation operation = operation_for(OperationKind::kMakeSymlink, frame, entry);
  operation.symlink_target = entry.symlink_target;
  if (parts_.options.symlinks == SymlinkPolicy::kIgnore) {
    operation.settled = Operation::Settled::kIgnored;
  } else if (existing != nullptr && is_directory(*existing)) {
    if (!clear_directory_in_the_way(operation, frame, *existing)) return;
  } else if (existing != nullptr) {
    const bool same = existing->attributes.type == EntryType::kSymlink &&
                      existing->symlink_target == entry.symlink_target;
    if (same || parts_.options.sync_level == SyncLevel::kMissing)
      operation.settled = Operation::Settled::kUpToDate;
  }
  add(std::move(operation));
}

// A symlink whose content is copied in its place.
void Plan::plan_followed(Frame& frame, const Entry& entry, const Entry* existing) {
  auto resolved = stat(Side::kSource, frame.source.child(entry.name), Storage::Follow::kYes);
  if (!resolved) {
    if (!is_included(parts_.options.filters, entry.name, EntryType::kSymlink)) return;
    add_failed(operation_for(OperationKind::kCopyFile, frame, entry), Side::kSource,
               std::move(resolved).error());
    return;
  }
  resolved->name = entry.name;
  if (!is_directory(*resolved)) {
    plan_entry(frame, *resolved, existing);
    return;
  }
  if (!is_included(parts_.options.filters, entry.name, EntryType::kDirectory)) return;
  auto leads_to = follow_words(frame.real, entry.symlink_target);
  if (frame.directory.links + 1 >= kMaxLinks ||
      leads_above_itself(resolved->attributes, leads_to)) {
    add_failed(operation_for(OperationKind::kMakeDirectory, frame, *resolved), Side::kSource,
               make_error(Code::kInvalid, "symlink '{}' leads to a directory above itself",
                          escape_bytes(frame.source.child(entry.name).text())));
    return;
  }
  const std::size_t before = frame.directories.size();
  plan_entry(frame, *resolved, existing);
  if (frame.directories.size() == before) return;
  ++frame.directories.back().links;
  frame.directories.back().leads_to = std::move(leads_to);
}

// By identity where the storage knows it, else by where the words of the symlinks lead.
bool Plan::leads_above_itself(const Attributes& attributes,
                              const std::optional<RelPath>& leads_to) const {
  const bool inodes = parts_.source.traits().inodes;
  return std::any_of(frames_.begin(), frames_.end(), [&](const Frame& frame) {
    if (inodes) return frame.directory.attributes.inode == attributes.inode;
    return leads_to.has_value() && frame.real == *leads_to;
  });
}

void Plan::plan_file(Operation operation, const Frame& frame, const Entry* existing) {
  if (existing != nullptr) {
    if (is_directory(*existing)) {
      if (!clear_directory_in_the_way(operation, frame, *existing)) return;
    } else {
      compare_with(existing->attributes, operation);
    }
  }
  add(std::move(operation));
}

// A directory where a file or symlink must be: with leave to remove, its removal comes first. If it
// holds what is left alone it stays, and what must be there fails when it gets its name. False when
// the operation has failed instead.
bool Plan::clear_directory_in_the_way(Operation& operation, const Frame& frame,
                                      const Entry& existing) {
  if (!frame.directory.may_remove || is_left_alone(existing.name, existing.attributes.type)) {
    const std::string shown = escape_bytes(operation.target.text());
    add_failed(std::move(operation), Side::kTarget,
               make_error(Code::kAlreadyExists, "directory '{}' is in the way", shown));
    return false;
  }
  begin_removal({operation.target, operation.below, item_, existing.attributes});
  return true;
}

void Plan::compare_with(const Attributes& existing, Operation& operation) const {
  using Settled = Operation::Settled;
  if (parts_.options.sync_level == SyncLevel::kMissing) {
    operation.settled = Settled::kUpToDate;
    return;
  }
  const Attributes& source = operation.attributes;
  if (existing.type != EntryType::kFile || existing.size != source.size) return;
  switch (parts_.options.sync_level) {
    case SyncLevel::kAlways:
      if (parts_.recovering) operation.if_same = Operation::IfSame::kDone;
      return;
    case SyncLevel::kSize:
      operation.settled = Settled::kUpToDate;
      return;
    case SyncLevel::kNewer: {
      const Duration precision = parts_.target.traits().mtime_precision;
      if (floor_to(source.mtime, precision) <= existing.mtime)
        operation.settled = Settled::kUpToDate;
      return;
    }
    case SyncLevel::kChecksum:
      operation.if_same = Operation::IfSame::kUpToDate;
      return;
    case SyncLevel::kMissing:
      break;
  }
  CHECK(false && "a sync level without a rule");
}

// What the filters exclude and the temporaries of running tasks are no business of this transfer,
// wherever they lie at the target.
bool Plan::is_left_alone(std::string_view name, EntryType type) const {
  return storage::is_temporary_name(name, {}) || !is_included(parts_.options.filters, name, type);
}

void Plan::begin_removal(RemovalWalk::Start start) {
  CHECK(!removal_);
  const auto keeps = [this](std::string_view name, EntryType type) {
    // Of our own, an earlier run's: no file below what is removed wants it any more.
    if (parts_.recovering && storage::is_temporary_name(name, parts_.owner)) return false;
    return is_left_alone(name, type);
  };
  removal_.emplace(parts_.target, std::move(start), parts_.again, keeps);
}

// Something at the target whose name the source does not have.
void Plan::plan_extra(Frame& frame, const Entry& extra) {
  if (!frame.directory.may_remove) return;
  if (is_left_alone(extra.name, extra.attributes.type)) return;
  if (!frame.folded_names.empty() && frame.folded_names.contains(fold_case(extra.name))) return;
  begin_removal(
      {frame.target.child(extra.name), frame.below.child(extra.name), item_, extra.attributes});
}

// The files are done: enters the next subdirectory, or leaves this one.
void Plan::descend(Frame& frame) {
  if (!frame.entries.empty()) {
    frame.entries = {};
    frame.at_target = {};
    frame.next_entry = frame.next_at_target = 0;
    frame.folded_names = {};
    frame.planned_names = {};
    std::reverse(frame.directories.begin(), frame.directories.end());
  }
  if (frame.directories.empty()) {
    frames_.pop_back();
    return;
  }
  const Directory directory = std::move(frame.directories.back());
  frame.directories.pop_back();
  RelPath source = frame.source.child(directory.name);
  RelPath target = frame.target.child(directory.name);
  RelPath below = frame.below.child(directory.name);
  RelPath real = directory.leads_to.value_or(frame.real.child(directory.name));
  // Ends the life of `frame`.
  enter(directory, std::move(source), std::move(target), std::move(below), std::move(real));
}

}  // namespace wherry::engine
