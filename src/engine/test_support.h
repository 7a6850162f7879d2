// SPDX-License-Identifier: Apache-2.0
// What the tests of the engine share: trees in storages, a storage with a hook before every call,
// an observer that remembers, and runs with everything at hand.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "engine/runner.h"
#include "storage/backends.h"
#include "storage/decorator.h"

namespace wherry::engine {

inline RelPath path(std::string_view text) { return RelPath::parse(text).value(); }

// Makes a file with the directories it needs, durably. Replaces what has its name.
void put_file(storage::Storage& storage, std::string_view at, std::string_view content,
              std::uint32_t mode = 0644);
void put_directory(storage::Storage& storage, std::string_view at, std::uint32_t mode = 0755);
void put_symlink(storage::Storage& storage, std::string_view at, std::string_view target);
std::string content_of(storage::Storage& storage, std::string_view at);
bool exists(storage::Storage& storage, std::string_view at);
// Everything below `at`, as "path" -> "d <mode>", "f <mode> <content>" or "l <target>". Temporaries
// are not left out.
std::map<std::string, std::string> tree_of(storage::Storage& storage, std::string_view at = "");
// Directories, files, symlinks and names of all kinds, the same for the same seed.
void put_random_tree(storage::Storage& storage, std::string_view at, std::uint64_t seed);
std::string random_bytes(std::size_t count, std::uint64_t seed);

// Calls a hook before every call that reaches the storage it wraps, also those on open files; an
// error of the hook is the call's.
class HookedStorage : public storage::Decorator {
 public:
  using Hook = std::function<Result<void>(storage::Operation)>;
  explicit HookedStorage(storage::Storage& inner) : Decorator(inner), traits_(inner.traits()) {}
  void set_hook(Hook hook) { hook_ = std::move(hook); }
  const storage::Traits& traits() const override { return traits_; }
  storage::Traits& mutable_traits() { return traits_; }

 protected:
  Result<void> around(Call& call, const std::function<Result<void>()>& body) override {
    if (hook_) TRY(hook_(call.operation));
    return body();
  }

 private:
  storage::Traits traits_;
  Hook hook_;
};

class RecordingObserver : public RunObserver {
 public:
  Result<void> record(std::span<const Outcome> outcomes) override;
  void fault(const Operation& operation, Side side, const Error& error) override;
  Result<bool> is_done(std::uint64_t item, const RelPath& below) override;

  // Outcomes by "item:below"; a second outcome for the same operation is a test failure.
  std::map<std::string, Outcome> outcomes;
  std::vector<std::size_t> records;  // the number of outcomes of each
  std::vector<std::string> faults;   // messages
  std::function<Result<void>(std::span<const Outcome>)> on_record;

  const Outcome& of(std::uint64_t item, std::string_view below) const;
  std::size_t count(Outcome::Result result) const;
};

template <class Item>
class ItemList : public ItemSource<Item> {
 public:
  using typename ItemSource<Item>::Numbered;
  explicit ItemList(std::vector<Item> items) : items_(std::move(items)) {}
  Result<std::optional<Numbered>> next() override {
    if (next_ == items_.size()) return std::optional<Numbered>();
    const std::size_t at = next_++;
    return std::optional<Numbered>(Numbered{at, items_[at]});
  }

 private:
  std::vector<Item> items_;
  std::size_t next_ = 0;
};

inline TransferItem item(std::string_view source, std::string_view target) {
  TransferItem result;
  result.source = path(source);
  result.target = path(target);
  return result;
}

// One run and what came of it. The defaults are those of the product, with a fake clock whose
// sleepers move it.
struct TestRun {
  TransferOptions options;
  DeleteOptions delete_options;
  RunLimits limits;
  bool recovering = false;
  TimePoint deadline = TimePoint::max();
  std::stop_source stop;
  FakeClock clock{TimePoint(std::chrono::seconds(1539601563)), FakeClock::Sleepers::kAdvance};
  SeededRandom random{7};
  std::function<Result<void>(ByteCount, std::stop_token)> admit;
  RecordingObserver observer;
  std::unique_ptr<Progress> progress = std::make_unique<Progress>();

  RunContext context();
  RunReport transfer(storage::Storage& source, storage::Storage& target,
                     std::vector<TransferItem> items);
  RunReport remove(storage::Storage& storage, std::vector<std::string_view> paths);
};

}  // namespace wherry::engine
