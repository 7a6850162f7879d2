// SPDX-License-Identifier: Apache-2.0
// What goes wrong in a run: storages and database fail, the process is killed, somebody interferes.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/thread_annotations.h"
#include "storage/decorator.h"
#include "storage/testing/faulty.h"

namespace wherry::sim {

// One for all storages, the database, the passes, the stager and the service of a world. After a
// kill every call on any of them fails until clear(). Safe for concurrent calls.
class Trouble {
 public:
  // The process is killed at the n-th (from 1) such moment from now.
  void kill_at_storage(storage::Operation operation, std::uint64_t n);
  void kill_at_database(std::uint64_t n);  // each write has three moments
  void kill_at_point(std::uint64_t n);     // of a pass or of the stager
  void kill();
  // The n-th write from now fails, and the `times` - 1 after it.
  void fail_database(std::uint64_t n, std::uint64_t times);
  // At the n-th such operation of any storage, `interfere` runs first, once.
  void interfere_at(storage::Operation operation, std::uint64_t n, std::function<void()> interfere);
  // Likewise at the n-th point of a pass or of the stager.
  void interfere_at_point(std::uint64_t n, std::function<void()> interfere);
  // Of what the site asks its service, the n-th call from now and the `times` - 1 after it get lost
  // on the way there, or their answers on the way back.
  enum class Lost { kCall, kAnswer };
  void lose(Lost what, std::uint64_t n, std::uint64_t times);
  bool is_dead() const { return storages.dead(); }
  // Requested at death, so that what the dead process still does takes no time.
  std::stop_token stop() const;
  void clear();

  // Where the world asks.
  Result<void> at_database(std::string_view point);
  Result<void> at_point(std::string_view point);
  Result<void> at_call();
  Result<void> at_answer();
  void before(storage::Operation operation);
  void after_operation();

  storage::Faults storages;

 private:
  struct Interference {
    storage::Operation operation;
    std::uint64_t after;
    std::function<void()> act;
  };
  // The n-th moment from now, and some after it.
  struct Stretch {
    std::uint64_t n = 0;
    std::uint64_t times = 0;
    bool strikes();
  };
  mutable std::mutex mutex_;
  // How many moments are left; 0: never.
  std::uint64_t kill_at_database_ GUARDED_BY(mutex_) = 0;
  std::uint64_t kill_at_point_ GUARDED_BY(mutex_) = 0;
  Stretch fail_database_ GUARDED_BY(mutex_);
  Stretch lose_calls_ GUARDED_BY(mutex_);
  Stretch lose_answers_ GUARDED_BY(mutex_);
  std::vector<Interference> interferences_ GUARDED_BY(mutex_);
  std::uint64_t interfere_at_point_ GUARDED_BY(mutex_) = 0;
  std::function<void()> interfere_ GUARDED_BY(mutex_);
  std::stop_source stop_ GUARDED_BY(mutex_);
};

// A storage as the world uses it: tells `trouble` before each operation, and keeps the names that
// were given to new content.
class WatchedStorage : public storage::Decorator {
 public:
  WatchedStorage(std::unique_ptr<storage::Storage> inner, Trouble& trouble)
      : Decorator(std::move(inner)), trouble_(trouble) {}

  Result<void> commit(storage::TemporaryFile& file) override;
  // Since the last call.
  std::vector<std::string> take_commits();

 protected:
  Result<void> around(Call& call, const std::function<Result<void>()>& body) override;

 private:
  Trouble& trouble_;
  std::mutex mutex_;
  std::vector<std::string> commits_ GUARDED_BY(mutex_);
};

}  // namespace wherry::sim
