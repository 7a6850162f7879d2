// SPDX-License-Identifier: Apache-2.0
// Keeps syncs up to date in one process: one thread waits for events of all of them (and costs
// nothing meanwhile), passes run on a few workers, each sync by itself.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "sync/pass.h"
#include "sync/types.h"

namespace wherry::sync {

struct WatchOptions {
  std::vector<std::string> names;  // empty: all, also those that are added while it runs
  std::size_t passes = 2;          // at once
  std::size_t scan_threads = 2;
  // Told from the worker that ran the pass; calls come one at a time. May be empty.
  std::function<void(std::string_view sync, const Result<PassReport>& report)> on_pass;
  // Told when a sync is watched, or why it is only scanned at intervals. May be empty.
  std::function<void(std::string_view sync, std::string_view message)> on_note;
  // How often definitions are read again, so that a sync that was added, changed or paused is seen,
  // and whether a source has come, gone or was replaced.
  Duration refresh = std::chrono::seconds(10);
};

// Returns when a stop is requested and the passes that run have ended (they are told to stop, too).
// An error is a sync that does not exist, or a database that cannot be read at the start.
Result<void> watch_syncs(const PassParts& parts, const WatchOptions& options, std::stop_token stop);

}  // namespace wherry::sync
