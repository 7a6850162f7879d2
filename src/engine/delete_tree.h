// SPDX-License-Identifier: Apache-2.0
// What to remove, as a stream: the entries of a tree, bottom-up, and the items of a delete request.
// Symlinks are removed, never followed. Nothing here removes anything.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/runner.h"
#include "engine/types.h"

namespace wherry::engine {

// Asked after a call failed, with how often it has failed: true when it is worth another try (and
// the time until then has passed).
using TryAgain = std::function<bool(const Error& error, Side side, int attempts)>;

// A directory and everything below it: what a directory holds comes before the directory. A
// directory that cannot be listed gives one operation that is settled as failed; the others go on.
// What is kept stays with all that it holds, and so do the directories above it.
class RemovalWalk {
 public:
  struct Start {
    RelPath path;
    RelPath below;  // of `path`, in the item
    std::uint64_t item = 0;
    storage::Attributes attributes;
  };
  // Whether this name below the start is to stay.
  using Keeps = std::function<bool(std::string_view name, storage::EntryType type)>;
  // Lent for the walk: `storage`, `again`. Without `keeps`, nothing stays.
  RemovalWalk(storage::Storage& storage, Start start, const TryAgain& again, Keeps keeps = {});

  std::optional<Operation> next();

 private:
  struct Child {
    std::string name;
    storage::EntryType type;
  };
  struct Level {
    RelPath path;
    RelPath below;
    std::vector<Child> children;
    std::size_t next_child = 0;
    bool holds_kept = false;
  };
  // Enters a directory, or returns the operation that it has come to instead, if there is one.
  std::optional<Operation> enter(RelPath path, RelPath below);
  wherry::Result<storage::EntryType> look_into(Level& level) const;
  bool keeps(std::string_view name, storage::EntryType type) const;
  void note_kept();  // in the directory that was entered last
  Operation removal(RelPath path, RelPath below, storage::EntryType type) const;

  storage::Storage& storage_;
  const TryAgain& again_;
  const Keeps keeps_;
  std::uint64_t item_;
  std::optional<Start> start_;  // until the first call
  std::vector<Level> levels_;
};

// The operations of a delete request, item by item.
class DeletePlan {
 public:
  // Lent for the plan's life.
  struct Parts {
    storage::Storage& storage;
    ItemSource<DeleteItem>& items;
    const DeleteOptions& options;
    // What is missing may have been removed by an earlier run: it is up to date, not an error.
    bool recovering = false;
    TryAgain again;
  };
  explicit DeletePlan(Parts parts) : parts_(std::move(parts)) {}

  // Nothing after the last. An error is the item source's.
  wherry::Result<std::optional<Operation>> next();

 private:
  void begin(std::uint64_t item, const RelPath& path);
  void begin_glob(std::uint64_t item, const RelPath& pattern);
  // `below` is empty for the item's own path, and the name of what its glob matched.
  struct Match {
    std::uint64_t item = 0;
    RelPath path;
    RelPath below;
  };
  void begin_path(const Match& match);
  void settle(const Match& match, Operation::Settled settled, std::optional<Error> error);

  Parts parts_;
  std::optional<RemovalWalk> walk_;
  std::deque<Match> matches_;  // of a glob, still to be begun
  std::deque<Operation> ready_;
};

}  // namespace wherry::engine
