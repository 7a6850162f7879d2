// SPDX-License-Identifier: Apache-2.0
// Which transfers travel in one task: those between the same two endpoints with the same options
// that come within a window of time. Pure: neither clock nor thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/path.h"
#include "base/types.h"
#include "tasks/types.h"

namespace wherry::flow {

class Coalescer {
 public:
  struct Options {
    Duration window{0};  // from the first of a batch to its end
    std::size_t max_items = tasks::kMaxItems;
  };
  struct Key {
    tasks::EndpointId source;
    tasks::EndpointId target;
    engine::TransferOptions options;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Batch {
    Key key;
    std::vector<std::uint64_t> transfers;  // as they were added
  };

  explicit Coalescer(const Options& options) : options_(options) {}

  // `transfer` is the caller's number for it. Two whose targets are the same, or one within the
  // other, never share a task.
  void add(std::uint64_t transfer, const Key& key, const RelPath& target, Duration now);
  // False if it is in no batch that waits.
  bool remove(std::uint64_t transfer);
  // The batches that are full or have waited for the window, oldest first.
  std::vector<Batch> take(Duration now);
  // When take() has something to answer again; nothing while none waits.
  std::optional<Duration> next() const;

 private:
  struct Open {
    Batch batch;
    std::vector<RelPath> targets;  // by transfer
    std::set<RelPath> occupied;
    Duration closes{0};
  };
  static bool is_free(const Open& open, const RelPath& target);

  const Options options_;
  std::vector<Open> open_;
};

}  // namespace wherry::flow
