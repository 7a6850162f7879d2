// SPDX-License-Identifier: Apache-2.0
// Expands the items of a transfer into operations, one at a time: depth-first, every directory
// before what it holds, names in the order of their bytes. Memory is bounded by the entries of one
// directory and the names of the directories still to be visited on the way down to it.
//
// Looks at both sides and changes neither, with one exception: when it recovers, it removes
// temporaries of its own owner that no file wants any more.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engine/delete_tree.h"
#include "engine/runner.h"
#include "engine/types.h"

namespace wherry::engine {

class Plan {
 public:
  // Lent for the plan's life.
  struct Parts {
    storage::Storage& source;
    storage::Storage& target;
    ItemSource<TransferItem>& items;
    const TransferOptions& options;
    std::string owner;
    bool recovering = false;
    TryAgain again;
  };
  explicit Plan(Parts parts);

  // Nothing after the last. An error is the item source's. A directory comes before what it holds,
  // and a removal before what takes its place: the caller does both before it asks for more.
  wherry::Result<std::optional<Operation>> next();
  // The directory of the operation that next() gave last could not be made: nothing below it is
  // planned, and nothing below it is removed.
  void prune();

 private:
  // What is at the target under the name of a directory, as far as anybody looked.
  enum class AtTarget { kUnknown, kAbsent, kPresent };
  struct Directory {
    std::string name;  // below its parent; empty for the item's own
    storage::Attributes attributes;
    AtTarget at_target = AtTarget::kUnknown;
    bool may_remove = false;
    int links = 0;                    // symlinks that were followed on the way down
    std::optional<RelPath> leads_to;  // of a followed symlink, by its words alone
  };
  struct Frame {
    Directory directory;
    RelPath source;
    RelPath target;
    RelPath below;
    RelPath real;  // `source` without the symlinks in it, as far as their words tell
    std::vector<storage::Entry> entries;
    std::size_t next_entry = 0;
    std::vector<storage::Entry> at_target;
    std::size_t next_at_target = 0;
    // Only where the target does not tell names apart by case: of the source, all and planned.
    std::unordered_set<std::string> folded_names;
    std::unordered_set<std::string> planned_names;
    std::vector<Directory> directories;  // still to be entered, last one first
  };

  wherry::Result<bool> begin_next_item();
  void begin_item(const TransferItem& item);
  void begin_tree(const TransferItem& item, const storage::Attributes& attributes);
  void plan_single_file(const TransferItem& item, const storage::Entry& entry);
  void plan_single_symlink(const TransferItem& item);

  void enter(const Directory& directory, RelPath source, RelPath target, RelPath below,
             RelPath real);
  void advance(Frame& frame);
  wherry::Result<void> list_target(Frame& frame);
  void remove_stale_temporaries(Frame& frame);
  void plan_entry(Frame& frame, storage::Entry& entry, const storage::Entry* existing);
  bool collides(Frame& frame, const storage::Entry& entry);
  void plan_symlink(Frame& frame, storage::Entry& entry, const storage::Entry* existing);
  void plan_followed(Frame& frame, const storage::Entry& entry, const storage::Entry* existing);
  void plan_file(Operation operation, const Frame& frame, const storage::Entry* existing);
  void plan_extra(Frame& frame, const storage::Entry& extra);
  void descend(Frame& frame);
  bool is_left_alone(std::string_view name, storage::EntryType type) const;
  void begin_removal(RemovalWalk::Start start);

  bool clear_directory_in_the_way(Operation& operation, const Frame& frame,
                                  const storage::Entry& existing);
  bool leads_above_itself(const storage::Attributes& attributes,
                          const std::optional<RelPath>& leads_to) const;
  void compare_with(const storage::Attributes& existing, Operation& operation) const;
  Operation operation_for(OperationKind kind, const Frame& frame,
                          const storage::Entry& entry) const;
  void add(Operation operation) { ready_.push_back(std::move(operation)); }
  void add_failed(Operation operation, Side side, Error error);
  bool looks_at_target() const;
  wherry::Result<storage::Entry> stat(Side side, const RelPath& path,
                                      storage::Storage::Follow follow);
  wherry::Result<std::vector<storage::Entry>> list(Side side, const RelPath& directory);

  Parts parts_;
  std::uint64_t item_ = 0;
  std::vector<Frame> frames_;
  std::optional<RemovalWalk> removal_;  // comes before what is ready
  std::deque<Operation> ready_;
};

}  // namespace wherry::engine
