// SPDX-License-Identifier: Apache-2.0
#include "engine/group_commit.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace wherry::engine {

using storage::TemporaryFile;

namespace {

constexpr std::size_t kMostAbove = 100'000;   // directories that are remembered
constexpr std::size_t kFewestAtTheEnd = 256;  // files of a group, of the last ones

// Members come directory by directory, so that looking at the last one finds most repeats early.
void add_directory(std::vector<RelPath>& directories, RelPath directory) {
  if (directories.empty() || directories.back() != directory)
    directories.push_back(std::move(directory));
}

// Whether `directory` is the parent of `path`, without building the parent.
bool is_parent(const RelPath& directory, const RelPath& path) {
  const std::size_t name = path.name().size();
  const std::size_t length = path.text().size();
  if (name == length) return directory.is_root();
  return path.text().compare(0, length - name - 1, directory.text()) == 0;
}

void touch_parent(std::vector<RelPath>& directories, const RelPath& path) {
  if (directories.empty() || !is_parent(directories.back(), path))
    directories.push_back(path.parent());
}

}  // namespace

GroupCommit::GroupCommit(storage::Storage& target, Durability durability, RunState& state)
    : target_(target), durability_(durability), state_(state) {}

void GroupCommit::wait_for_room(std::unique_lock<std::mutex>& lock) {
  const std::size_t most = 2 * state_.context().limits.group_files;
  room_made_.wait(lock, [&] { return open_.size() < most; });
}

// The last groups are smaller and smaller, so that little is left to commit when the last file has
// been copied: the workers have nothing to do meanwhile.
std::size_t GroupCommit::files_of_a_group() const {
  const std::size_t most = state_.context().limits.group_files;
  if (queue_ == nullptr) return most;
  const auto left = queue_->last_left();
  return left ? std::min(most, std::max(*left, kFewestAtTheEnd)) : most;
}

void GroupCommit::note_arrival(ByteCount bytes) {
  const RunLimits& limits = state_.context().limits;
  const Duration now = state_.context().clock.monotonic();
  open_.bytes += bytes;
  if (open_.bytes >= limits.group_bytes || open_.size() >= files_of_a_group() ||
      now - open_.opened >= limits.group_age) {
    close_requested_ = true;
    work_arrived_.notify_one();
  }
}

void GroupCommit::add(Members members) {
  if (members.empty()) return;
  ByteCount bytes = 0;
  for (const Finished& file : members.finished) bytes += file.copied.bytes;
  std::unique_lock lock(mutex_);
  CHECK(!shutting_down_);
  wait_for_room(lock);
  const bool first = open_.empty();
  for (Finished& file : members.finished) open_.members.finished.push_back(std::move(file));
  for (Settled& one : members.settled) open_.members.settled.push_back(std::move(one));
  if (first) open_.opened = state_.context().clock.monotonic();
  note_arrival(bytes);
}

void GroupCommit::add_settled(Settled settled) {
  std::unique_lock lock(mutex_);
  CHECK(!shutting_down_);
  wait_for_room(lock);
  const bool first = open_.empty();
  open_.members.settled.push_back(std::move(settled));
  if (first) open_.opened = state_.context().clock.monotonic();
  note_arrival(0);
}

void GroupCommit::touch(const RelPath& directory) {
  const std::lock_guard lock(mutex_);
  add_directory(open_.touched, directory);
}

void GroupCommit::close_soon() {
  const std::lock_guard lock(mutex_);
  if (open_.empty()) return;
  close_requested_ = true;
  work_arrived_.notify_one();
}

void GroupCommit::close_if_old() {
  const std::lock_guard lock(mutex_);
  if (!open_.empty()) note_arrival(0);
}

void GroupCommit::shut_down() {
  const std::lock_guard lock(mutex_);
  shutting_down_ = true;
  work_arrived_.notify_all();
}

void GroupCommit::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_arrived_.wait(lock, [this] { return close_requested_ || shutting_down_; });
    close_requested_ = false;
    if (open_.empty()) {
      if (shutting_down_) return;
      continue;
    }
    Group group = std::exchange(open_, Group());
    group.number = closed_++;
    lock.unlock();
    room_made_.notify_all();
    commit(std::move(group));
    lock.lock();
  }
}

// Invariant 2 for a group; docs/architecture.md numbers the steps. Names are flushed and recorded
// group by group: what is below a directory must not be recorded before the group that made it.
void GroupCommit::commit(Group group) {
  const bool deaf = state_.is_deaf();  // the temporaries go with the group
  if (!deaf) {
    flush_content(group);
    rename_all(group);
  }
  wait_for_turn(group);
  if (!deaf) {
    flush_names(group);
    record(group);
  }
  end_turn();
}

void GroupCommit::wait_for_turn(const Group& group) {
  std::unique_lock lock(mutex_);
  turn_ended_.wait(lock, [&] { return turn_ == group.number; });
}

void GroupCommit::end_turn() {
  const std::lock_guard lock(mutex_);
  ++turn_;
  turn_ended_.notify_all();
}

// 3. Everything that was written reaches stable storage, before any of it gets its name. Where that
//    fails for all together, each file is flushed alone, so that one cannot fail the others.
void GroupCommit::flush_content(Group& group) {
  std::vector<TemporaryFile*> files;
  files.reserve(group.members.finished.size());
  for (const Finished& file : group.members.finished)
    if (file.copied.file) files.push_back(file.copied.file.get());
  if (files.empty() || durability_ == Durability::kNoFlush) return;
  if (target_.flush(files)) return;
  keep_finished(group, [&](Finished& file) -> wherry::Result<void> {
    TemporaryFile* const one = file.copied.file.get();
    if (one == nullptr) return {};
    return target_.flush({&one, 1});
  });
}

// 4. Each file gets its final name. One that cannot fails alone.
void GroupCommit::rename_all(Group& group) {
  keep_finished(group, [&](Finished& file) -> wherry::Result<void> {
    if (const auto temporary = std::exchange(file.copied.file, nullptr))
      TRY(target_.commit(*temporary));
    touch_parent(group.touched, file.work.operation.target);
    return {};
  });
}

// 5. The names reach stable storage. Where that fails for all directories together, each is flushed
//    alone, and only what is in one that fails has not been done.
void GroupCommit::flush_names(Group& group) {
  if (durability_ == Durability::kNoFlush) return;
  const std::vector<RelPath> changed = touched_directories(group);
  const std::vector<RelPath> touched = with_those_above(changed);
  owed_.clear();
  if (touched.empty() || target_.flush_directories(touched)) return;
  for (const RelPath& directory : touched) {
    auto flushed = flush_directory(directory);
    if (flushed) continue;
    // One above that cannot be flushed at all, such as an automounter's, is nobody's failure.
    const bool has_changed = std::binary_search(changed.begin(), changed.end(), directory);
    if (!has_changed && flushed.error().retry == Retry::kNever) continue;
    // What later groups put below it lasts no longer than its names do.
    owed_.push_back(directory);
    fail_within(directory, flushed.error(), group);
  }
}

wherry::Result<void> GroupCommit::flush_directory(const RelPath& directory) {
  Operation operation;  // for the observer
  operation.kind = OperationKind::kMakeDirectory;
  operation.target = directory;
  for (int attempts = 1;; ++attempts) {
    auto flushed = target_.flush_directories({&directory, 1});
    // Where the directory is gone, so are its names.
    if (flushed || flushed.error().code == Code::kNotFound) return {};
    if (!state_.try_again(operation, Side::kTarget, flushed.error(), attempts)) return flushed;
  }
}

// Each once, without those that were removed in the meantime.
std::vector<RelPath> GroupCommit::touched_directories(Group& group) {
  std::vector<RelPath> touched = std::move(group.touched);
  touched.insert(touched.end(), owed_.begin(), owed_.end());
  std::unordered_set<std::string_view> removed;
  for (const Settled& settled : group.members.settled) {
    if (settled.touched) add_directory(touched, *settled.touched);
    if (settled.outcome.kind == OperationKind::kRemove)
      removed.insert(settled.outcome.target.text());
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  touched.erase(std::remove_if(touched.begin(), touched.end(),
                               [&](const RelPath& at) { return removed.contains(at.text()); }),
                touched.end());
  return touched;
}

// Names last no longer than those of the directories above them, which this run may have found:
// made by another one that was killed before it flushed them. Each is flushed once in a run.
std::vector<RelPath> GroupCommit::with_those_above(const std::vector<RelPath>& directories) {
  if (above_.size() > kMostAbove) above_.clear();
  std::vector<RelPath> all = directories;
  for (RelPath at : directories) {
    while (!at.is_root()) {
      at = at.parent();
      if (!above_.insert(at.text()).second) break;
      if (!std::binary_search(directories.begin(), directories.end(), at)) all.push_back(at);
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

void GroupCommit::fail_within(const RelPath& directory, const Error& error, Group& group) {
  for (Settled& settled : group.members.settled) {
    Outcome& outcome = settled.outcome;
    if (outcome.result != Outcome::Result::kDone || !outcome.target.is_within(directory)) continue;
    outcome.result = Outcome::Result::kFailed;
    outcome.error = error;
    outcome.side = Side::kTarget;
  }
  keep_finished(group, [&](const Finished& file) -> wherry::Result<void> {
    if (file.work.operation.target.is_within(directory)) return error;
    return {};
  });
}

// Those with which `action` fails have failed; the others stay, in their order.
template <class Action>
void GroupCommit::keep_finished(Group& group, const Action& action) {
  std::vector<Finished>& files = group.members.finished;
  auto kept = files.begin();
  for (Finished& file : files) {
    const wherry::Result<void> done = action(file);
    if (!done) {
      fail(std::move(file), done.error(), group);
      continue;
    }
    if (&*kept != &file) *kept = std::move(file);
    ++kept;
  }
  files.erase(kept, files.end());
}

// 6. One record for the group; the operations leave the run.
void GroupCommit::record(Group& group) {
  std::vector<Outcome> outcomes;
  std::vector<std::uint64_t> keys;
  outcomes.reserve(group.size());
  keys.reserve(group.size());
  for (Settled& settled : group.members.settled) {
    if (settled.key != 0) keys.push_back(settled.key);
    outcomes.push_back(std::move(settled.outcome));
  }
  for (Finished& file : group.members.finished) {
    const Operation& operation = file.work.operation;
    const bool up_to_date =
        file.copied.was_there && operation.if_same == Operation::IfSame::kUpToDate;
    Outcome outcome =
        outcome_of(operation, up_to_date ? Outcome::Result::kUpToDate : Outcome::Result::kDone);
    if (!up_to_date) outcome.bytes = file.copied.bytes;
    outcome.checksum = std::move(file.copied.checksum);
    outcome.attempts = file.work.attempts + 1;
    keys.push_back(file.work.key);
    outcomes.push_back(std::move(outcome));
  }
  if (outcomes.empty()) return;
  if (state_.record(outcomes) && !keys.empty()) queue_->settle(keys);
}

void GroupCommit::fail(Finished file, const Error& error, Group& group) {
  const int attempts = ++file.work.attempts;
  const Operation& operation = file.work.operation;
  const Verdict verdict = state_.judge(operation, Side::kTarget, error, attempts);
  file.copied.file.reset();
  switch (verdict) {
    case Verdict::kRetry:
      queue_->push_later(std::move(file.work), state_.backoff(attempts));
      return;
    case Verdict::kAbandon:
      return;
    case Verdict::kFinal:
    case Verdict::kSkipped:
      group.members.settled.push_back(
          {failure_of(operation, verdict, Side::kTarget, error, attempts), std::nullopt,
           file.work.key});
      return;
  }
}

}  // namespace wherry::engine
