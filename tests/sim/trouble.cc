// SPDX-License-Identifier: Apache-2.0
#include "trouble.h"

#include <algorithm>
#include <utility>

namespace wherry::sim {
namespace {

Error killed() { return make_error(Code::kUnavailable, "the process was killed"); }

// Whether the moment has come that was `left` moments away.
bool strikes(std::uint64_t& left) { return left > 0 && --left == 0; }

}  // namespace

bool Trouble::Stretch::strikes() {
  if (times == 0) return false;
  if (n > 1) {
    --n;
    return false;
  }
  --times;
  return true;
}

void Trouble::kill_at_storage(storage::Operation operation, std::uint64_t n) {
  storages.on(operation, {.kind = storage::Fault::Kind::kDie}, 1, n - 1);
}

void Trouble::kill_at_database(std::uint64_t n) {
  const std::lock_guard lock(mutex_);
  kill_at_database_ = n;
}

void Trouble::kill_at_point(std::uint64_t n) {
  const std::lock_guard lock(mutex_);
  kill_at_point_ = n;
}

void Trouble::kill() { storages.die(); }

void Trouble::fail_database(std::uint64_t n, std::uint64_t times) {
  const std::lock_guard lock(mutex_);
  fail_database_ = {n, times};
}

void Trouble::lose(Lost what, std::uint64_t n, std::uint64_t times) {
  const std::lock_guard lock(mutex_);
  (what == Lost::kCall ? lose_calls_ : lose_answers_) = {n, times};
}

void Trouble::interfere_at(storage::Operation operation, std::uint64_t n,
                           std::function<void()> interfere) {
  const std::lock_guard lock(mutex_);
  interferences_.push_back({operation, n, std::move(interfere)});
}

void Trouble::interfere_at_point(std::uint64_t n, std::function<void()> interfere) {
  const std::lock_guard lock(mutex_);
  interfere_at_point_ = n;
  interfere_ = std::move(interfere);
}

void Trouble::clear() {
  const std::lock_guard lock(mutex_);
  storages.clear();
  kill_at_database_ = kill_at_point_ = interfere_at_point_ = 0;
  fail_database_ = lose_calls_ = lose_answers_ = {};
  interferences_.clear();
  stop_ = std::stop_source();
}

std::stop_token Trouble::stop() const {
  const std::lock_guard lock(mutex_);
  return stop_.get_token();
}

Result<void> Trouble::at_database(std::string_view point) {
  if (is_dead()) return killed();
  const std::lock_guard lock(mutex_);
  if (strikes(kill_at_database_)) {
    storages.die();
    return killed();
  }
  if (point != "begin" || !fail_database_.strikes()) return {};
  return make_error(Code::kUnavailable, "injected fault: the database is locked");
}

Result<void> Trouble::at_point(std::string_view /*point*/) {
  if (is_dead()) return killed();
  std::function<void()> act;
  {
    const std::lock_guard lock(mutex_);
    if (strikes(interfere_at_point_)) act = std::exchange(interfere_, {});
    if (strikes(kill_at_point_)) storages.die();
  }
  if (act) act();
  return is_dead() ? killed() : Result<void>();
}

Result<void> Trouble::at_call() {
  if (is_dead()) return killed();
  const std::lock_guard lock(mutex_);
  if (!lose_calls_.strikes()) return {};
  return make_error(Code::kUnavailable, "injected fault: the service cannot be reached");
}

Result<void> Trouble::at_answer() {
  if (is_dead()) return killed();
  const std::lock_guard lock(mutex_);
  if (!lose_answers_.strikes()) return {};
  return make_error(Code::kTimeout, "injected fault: the service does not answer");
}

void Trouble::before(storage::Operation operation) {
  if (is_dead()) return;
  std::function<void()> act;
  {
    const std::lock_guard lock(mutex_);
    for (Interference& interference : interferences_) {
      if (interference.operation == operation && strikes(interference.after))
        act = std::exchange(interference.act, {});
    }
  }
  if (act) act();
}

void Trouble::after_operation() {
  if (!is_dead()) return;
  std::stop_source stop;
  {
    const std::lock_guard lock(mutex_);
    stop = stop_;
  }
  stop.request_stop();
}

Result<void> WatchedStorage::around(Call& call, const std::function<Result<void>()>& body) {
  trouble_.before(call.operation);
  auto done = body();
  trouble_.after_operation();
  return done;
}

Result<void> WatchedStorage::commit(storage::TemporaryFile& file) {
  const std::string target = file.target().text();
  TRY(Decorator::commit(file));
  const std::lock_guard lock(mutex_);
  commits_.push_back(target);
  return {};
}

std::vector<std::string> WatchedStorage::take_commits() {
  const std::lock_guard lock(mutex_);
  return std::exchange(commits_, {});
}

}  // namespace wherry::sim
