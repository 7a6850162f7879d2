// SPDX-License-Identifier: Apache-2.0
// Answers that hold until something is committed to the database, kept to be given again: without a
// worker thread, a route or a look at the database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/database.h"
#include "base/thread_annotations.h"
#include "server/http.h"

namespace wherry::server {

struct Route;

// Safe for concurrent calls. What it gives is never stale: it was made of what the database holds
// now, for a token that is still good.
class AnswerCache {
 public:
  struct Limits {
    std::size_t answers = 1000;  // beyond either of the two all are forgotten
    std::size_t bytes = 16 << 20U;
    std::size_t answer_bytes = 64 << 10U;  // a longer one is not kept
  };
  struct Kept {
    const Route* route = nullptr;  // outlives the cache
    std::string identity;          // who asked
    TimePoint expires;             // of the token
    Response response;
  };
  // `database` and `clock` outlive it.
  AnswerCache(Database& database, Clock& clock, const Limits& limits)
      : database_(database), clock_(clock), limits_(limits) {}
  AnswerCache(Database& database, Clock& clock) : AnswerCache(database, clock, Limits()) {}

  // Of the database, for keep(); nothing if it cannot be told.
  std::optional<std::int64_t> version();
  // The answer to the same request with the same token; null if there is none. Never waits.
  std::shared_ptr<const Kept> find(const Request& request);
  // Keeps an answer for which Response::holds_until_commit is set. `version` is from
  // before anything that went into the answer was looked at, the token included.
  void keep(const Request& request, std::int64_t version, Kept kept);

 private:
  using Answers = std::unordered_map<std::string, std::shared_ptr<const Kept>>;

  Database& database_;
  Clock& clock_;
  const Limits limits_;
  std::mutex mutex_;
  std::int64_t version_ GUARDED_BY(mutex_) = -1;
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
  Answers answers_ GUARDED_BY(mutex_);
};

}  // namespace wherry::server
