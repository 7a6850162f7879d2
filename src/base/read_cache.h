// SPDX-License-Identifier: Apache-2.0
// What was read from a database, kept until anything is committed there by anybody: never stale,
// and of use where much is read and little is written.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/database.h"
#include "base/result.h"
#include "base/thread_annotations.h"

namespace wherry {

// Safe for concurrent calls.
template <class Value>
class ReadCache {
 public:
  // The first reads keep nothing: to know whether anything was committed takes a session of its
  // own, which costs a command that reads a few rows more than it saves.
  static constexpr int kNotKept = 16;

  // `database` outlives it. When more than `limit` values would be kept, all are forgotten.
  explicit ReadCache(Database& database, std::size_t limit = 1000)
      : database_(database), limit_(limit) {}

  // The value of `key`: as it was kept, or as `load()` reads it, which answers a Result<Value>.
  // Errors are not kept. Not to be called within a transaction.
  template <class Load>
  Result<std::shared_ptr<const Value>> get(const std::string& key, Load&& load) {
    if (reads_.fetch_add(1) < kNotKept) {
      TRY_ASSIGN(Value loaded, load());
      return std::make_shared<const Value>(std::move(loaded));
    }
    TRY_ASSIGN(const std::int64_t version, database_.version());
    {
      const std::lock_guard lock(mutex_);
      const auto found = values_.find(key);
      if (version == version_ && found != values_.end()) return found->second;
    }
    TRY_ASSIGN(Value loaded, load());
    auto value = std::make_shared<const Value>(std::move(loaded));
    const std::lock_guard lock(mutex_);
    if (version != version_ || values_.size() >= limit_) values_.clear();
    version_ = version;
    values_.insert_or_assign(key, value);
    return value;
  }

 private:
  Database& database_;
  const std::size_t limit_;
  std::atomic<std::int64_t> reads_ = 0;
  std::mutex mutex_;
  std::int64_t version_ GUARDED_BY(mutex_) = -1;
  std::map<std::string, std::shared_ptr<const Value>> values_ GUARDED_BY(mutex_);
};

}  // namespace wherry
