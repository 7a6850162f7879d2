// SPDX-License-Identifier: Apache-2.0
// One thread plans: it pulls operations from the stream, makes directories and removes, in the
// stream's order, because what follows builds on them. Workers copy files and make symlinks. Two
// more threads commit groups while the next ones are being copied.
#include "engine/runner.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/worker_pool.h"
#include "engine/copy_file.h"
#include "engine/delete_tree.h"
#include "engine/filter.h"
#include "engine/group_commit.h"
#include "engine/plan.h"
#include "engine/run_state.h"
#include "engine/work_queue.h"

namespace wherry::engine {

using storage::EntryType;
using storage::Storage;

namespace {

constexpr std::uint32_t kOwnerAll = 0700;
constexpr std::uint32_t kDirectoryModeWhenNotPreserved = 0755;
constexpr std::uint32_t kPreservedDirectoryBits = 03777;
constexpr std::size_t kKnownParents = 4096;  // directories remembered as made
constexpr std::size_t kCommitters = 2;       // one flushes while the other gives names

std::size_t worker_count(const RunLimits& limits, const Storage& source, const Storage& target) {
  const std::size_t useful =
      std::min(source.traits().max_connections, target.traits().max_connections);
  // More than cores, because a worker often waits for a disk; not many more, because those that
  // make files in one directory wait for each other.
  const std::size_t cores = std::thread::hardware_concurrency();
  const std::size_t wanted =
      limits.workers > 0 ? limits.workers : std::clamp<std::size_t>(cores + cores / 2, 3, 16);
  return std::max<std::size_t>(std::min(wanted, useful), 1);
}

// Removes one name. What is gone already counts as removed: the aim is that it is not there.
wherry::Result<void> remove_entry(Storage& storage, const Operation& operation) {
  const bool directory = operation.attributes.type == EntryType::kDirectory;
  auto removed = directory ? storage.remove_directory(operation.target)
                           : storage.remove_file(operation.target);
  if (!removed && removed.error().code == Code::kNotFound) return {};
  return removed;
}

// A temporary that an earlier attempt or run kept, and that nobody will go on with.
void remove_leftover(const CopyEnvironment& environment, const Operation& operation) {
  const bool is_large = operation.kind == OperationKind::kCopyFile &&
                        operation.attributes.size > environment.limits.range_bytes;
  // In recovery of any kind: what is a symlink or directory now may have been a file before.
  if (!(environment.recovering || is_large) || operation.target.is_root()) return;
  const RelPath& target = operation.target;
  // If it cannot be removed, or is not there, nothing more can be said than was said already.
  (void)environment.target.remove_file(
      target.parent().child(storage::temporary_name(environment.owner, target)));
}

// What transfers and deletes have in common: settled operations, and the ones that the planning
// thread does itself.
class PlanningThread {
 public:
  PlanningThread(RunState& state, GroupCommit& groups) : state_(state), groups_(groups) {}

  void settle(const Operation& operation, Outcome::Result result,
              std::optional<RelPath> touched = std::nullopt) {
    groups_.add_settled({outcome_of(operation, result), std::move(touched), 0});
  }

  void settle_planned(const Operation& operation) {
    switch (operation.settled) {
      case Operation::Settled::kUpToDate:
        return settle(operation, Outcome::Result::kUpToDate);
      case Operation::Settled::kIgnored:
        return settle(operation, Outcome::Result::kIgnored);
      case Operation::Settled::kFailed:
        CHECK(operation.error.has_value());
        return fail(operation, operation.side, *operation.error, 1);
      case Operation::Settled::kNo:
        break;
    }
    CHECK(false && "an operation that is not settled");
  }

  void fail(const Operation& operation, Side side, const Error& error, int attempts) {
    const Verdict verdict = state_.judge(operation, side, error, attempts);
    if (verdict == Verdict::kAbandon) return;
    // Whoever may try again has done so before it came here.
    const Verdict last = verdict == Verdict::kRetry ? Verdict::kFinal : verdict;
    groups_.add_settled({failure_of(operation, last, side, error, attempts), std::nullopt, 0});
  }

  // Calls `action` until it succeeds or is not worth another try; false after a failure, which then
  // has its outcome.
  template <class Action>
  bool attempt(const Operation& operation, const Action& action) {
    for (int attempts = 1;; ++attempts) {
      auto result = action();
      if (result) return true;
      if (state_.try_again(operation, Side::kTarget, result.error(), attempts)) continue;
      if (!state_.is_halted()) fail(operation, Side::kTarget, result.error(), attempts);
      return false;
    }
  }

  void remove(Storage& storage, const Operation& operation) {
    if (attempt(operation, [&] { return remove_entry(storage, operation); }))
      settle(operation, Outcome::Result::kDone, operation.target.parent());
  }

  TryAgain try_again() {
    return [this](const Error& error, Side side, int attempts) {
      return state_.try_again(Operation(), side, error, attempts);
    };
  }

  // Whether an earlier run recorded it. An error of the observer ends the run.
  bool done_before(const Operation& operation) {
    if (!state_.context().recovering) return false;
    auto done = state_.is_done(operation);
    if (!done) {
      state_.halt(RunEnd::kFatal, std::move(done).error());
      return true;
    }
    return *done;
  }

 private:
  RunState& state_;
  GroupCommit& groups_;
};

// Takes work from the queue until there is none.
class Worker {
 public:
  Worker(CopyEnvironment& environment, RunState& state, WorkQueue& queue, GroupCommit& groups)
      : environment_(environment),
        state_(state),
        queue_(queue),
        groups_(groups),
        copier_(environment) {}

  void run() {
    std::vector<Work> batch;
    while (queue_.pop(batch)) {
      state_.progress().set_current_file(batch.front().operation.source.text());
      members_.finished.reserve(batch.size());
      for (Work& work : batch) {
        if (state_.check_deadline()) break;
        perform(std::move(work));
      }
      groups_.add(std::exchange(members_, {}));
    }
  }

 private:
  void perform(Work work) {
    if (work.operation.kind == OperationKind::kMakeSymlink) {
      make_symlink(std::move(work));
      return;
    }
    auto copied = copier_.copy(work.operation, work.attempts + 1);
    if (copied) {
      // Nobody needs what an earlier run had begun.
      if (copied->was_there) remove_leftover(environment_, work.operation);
      members_.finished.push_back({std::move(work), std::move(copied).value()});
      return;
    }
    const bool fatal = copier_.failed_checksum_of_item();
    fail(std::move(work), copier_.failed_side(), copied.error());
    if (!fatal) return;
    // The one error that the contract lets end everything: the caller's own checksum says that the
    // source is not what was meant.
    state_.halt(RunEnd::kFatal, std::move(copied).error());
  }

  void make_symlink(Work work) {
    const Operation& operation = work.operation;
    auto made = environment_.target.make_symlink(operation.target, operation.symlink_target,
                                                 storage::Replace::kYes);
    if (!made) {
      fail(std::move(work), Side::kTarget, made.error());
      return;
    }
    members_.settled.push_back(
        {outcome_of(operation, Outcome::Result::kDone), operation.target.parent(), work.key});
  }

  void fail(Work work, Side side, const Error& error) {
    const int attempts = ++work.attempts;
    const Verdict verdict = state_.judge(work.operation, side, error, attempts);
    switch (verdict) {
      case Verdict::kRetry:
        queue_.push_later(std::move(work), state_.backoff(attempts));
        return;
      case Verdict::kAbandon:
        return;
      case Verdict::kFinal:
      case Verdict::kSkipped:
        remove_leftover(environment_, work.operation);
        members_.settled.push_back(
            {failure_of(work.operation, verdict, side, error, attempts), std::nullopt, work.key});
        return;
    }
  }

  CopyEnvironment& environment_;
  RunState& state_;
  WorkQueue& queue_;
  GroupCommit& groups_;
  FileCopier copier_;
  GroupCommit::Members members_;  // of the batch under way
};

class TransferRun {
 public:
  TransferRun(Storage& source, Storage& target, ItemSource<TransferItem>& items,
              const TransferOptions& options, const RunContext& context, RunState& state);
  void run();
  // Once run() has ended.
  std::vector<RelPath> kept() const { return environment_.kept.all(); }

 private:
  void plan_all();
  bool interrupted();
  void handle(Operation operation);
  void count_found(const Operation& operation);
  void make_directory(const Operation& operation);
  wherry::Result<bool> make_or_find(const Operation& operation, std::uint32_t mode);
  void queue_work(Operation operation);
  void start_threads();
  bool admit(const Operation& operation);
  bool ensure_parent(const Operation& operation);
  wherry::Result<void> make_parents(const RelPath& directory);
  void touch_all(RelPath directory);
  void remember_parent(const RelPath& directory);
  void set_final_modes();

  Storage& target_;
  const TransferOptions& options_;
  const RunContext& context_;
  RunState& state_;
  CopyEnvironment environment_;
  GroupCommit groups_;
  WorkQueue queue_;
  PlanningThread thread_;
  Plan plan_;
  std::size_t workers_;
  RelPath last_parent_;  // exists at the target
  std::unordered_set<std::string> known_parents_;
  // Directories that are made writable until they have their content; their outcomes wait for it.
  struct Closing {
    Operation operation;
    std::uint32_t mode;
    Outcome::Result result;
  };
  std::vector<Closing> closing_;
  std::size_t queued_ = 0;  // operations for workers
  WorkerPool committers_;
  WorkerPool pool_;
};

TransferRun::TransferRun(Storage& source, Storage& target, ItemSource<TransferItem>& items,
                         const TransferOptions& options, const RunContext& context, RunState& state)
    : target_(target),
      options_(options),
      context_(context),
      state_(state),
      environment_{source,           target,
                   options,          context.limits,
                   context.owner,    context.recovering,
                   state.progress(), [this] { return interrupted(); }},
      groups_(target, options.durability, state),
      queue_({std::max<std::size_t>(context.limits.queue, 1),
              worker_count(context.limits, source, target), [this] { groups_.close_soon(); }},
             context.clock, state.halted()),
      thread_(state, groups_),
      plan_(
          {source, target, items, options, context.owner, context.recovering, thread_.try_again()}),
      workers_(worker_count(context.limits, source, target)),
      committers_({kCommitters, kCommitters}),
      pool_({workers_, workers_}) {
  groups_.return_to(queue_);
}

void TransferRun::run() {
  committers_.submit([this] { groups_.run(); });
  plan_all();
  if (queue_.wait_settled()) set_final_modes();
  queue_.close();
  pool_.wait_idle();
  groups_.shut_down();
  committers_.wait_idle();
}

// With each operation one of each kind, until there are all: a single file costs the start of two
// threads.
void TransferRun::start_threads() {
  ++queued_;
  if (queued_ <= workers_)
    pool_.submit([this] { Worker(environment_, state_, queue_, groups_).run(); });
  if (queued_ > 1 && queued_ <= kCommitters) committers_.submit([this] { groups_.run(); });
}

// Asked by workers in the middle of large files, during which small ones may wait for their group.
bool TransferRun::interrupted() {
  groups_.close_if_old();
  return state_.check_deadline();
}

void TransferRun::plan_all() {
  while (!state_.check_deadline()) {
    auto operation = plan_.next();
    if (!operation) {
      state_.halt(RunEnd::kFatal, std::move(operation).error());
      return;
    }
    if (!*operation) {
      state_.progress().plan_complete = !state_.is_halted();
      return;
    }
    handle(std::move(**operation));
  }
}

void TransferRun::count_found(const Operation& operation) {
  Progress& progress = state_.progress();
  switch (operation.kind) {
    case OperationKind::kCopyFile:
      progress.files_found.fetch_add(1, std::memory_order_relaxed);
      progress.bytes_found.fetch_add(operation.attributes.size, std::memory_order_relaxed);
      return;
    case OperationKind::kMakeDirectory:
      progress.directories.fetch_add(1, std::memory_order_relaxed);
      return;
    case OperationKind::kMakeSymlink:
      progress.symlinks.fetch_add(1, std::memory_order_relaxed);
      return;
    case OperationKind::kRemove:
      return;
  }
}

void TransferRun::handle(Operation operation) {
  // A halt may have cut short what the plan was told, and made it look like a failure.
  if (state_.is_halted()) return;
  count_found(operation);
  if (operation.settled != Operation::Settled::kNo) {
    if (context_.recovering) remove_leftover(environment_, operation);
    const bool failed = operation.settled == Operation::Settled::kFailed;
    if (failed || !thread_.done_before(operation)) thread_.settle_planned(operation);
    return;
  }
  switch (operation.kind) {
    case OperationKind::kMakeDirectory:
      make_directory(operation);
      return;
    case OperationKind::kRemove:
      thread_.remove(target_, operation);
      return;
    case OperationKind::kCopyFile:
    case OperationKind::kMakeSymlink:
      if (!thread_.done_before(operation)) queue_work(std::move(operation));
      return;
  }
}

void TransferRun::queue_work(Operation operation) {
  if (!ensure_parent(operation)) return;
  if (operation.kind == OperationKind::kCopyFile && !admit(operation)) return;
  start_threads();
  queue_.push({std::move(operation), 0, 0});
}

bool TransferRun::admit(const Operation& operation) {
  if (!context_.admit) return true;
  return thread_.attempt(
      operation, [&] { return context_.admit(operation.attributes.size, state_.halted()); });
}

// Directories ------------------------------------------------------------------------------------

// True if the directory is or may be new. With leave to remove, a file or dangling symlink in its
// place gives way.
wherry::Result<bool> TransferRun::make_or_find(const Operation& operation, std::uint32_t mode) {
  auto made = target_.make_directory(operation.target, mode);
  if (made) return true;
  if (made.error().code == Code::kNotFound && operation.below.is_root()) {
    TRY(make_parents(operation.target.parent()));
    TRY(target_.make_directory(operation.target, mode));
    return true;
  }
  // Some storages deny before they look: what counts is whether there is a directory. After any
  // other failure it may be the one that this call has made.
  auto existing = target_.stat(operation.target, Storage::Follow::kYes);
  const Code code = made.error().code;
  if (existing && existing->attributes.type == EntryType::kDirectory)
    return code != Code::kAlreadyExists && code != Code::kDenied;
  if (code != Code::kAlreadyExists) return std::move(made).error();
  if (!existing && existing.error().retry == Retry::kLater) return std::move(existing).error();
  if (options_.delete_extra) {
    TRY_ASSIGN(const Entry there, target_.stat(operation.target, Storage::Follow::kNo));
    if (is_included(options_.filters, operation.target.name(), there.attributes.type)) {
      TRY(target_.remove_file(operation.target));
      TRY(target_.make_directory(operation.target, mode));
      return true;
    }
  }
  return make_error(Code::kAlreadyExists, "'{}' is in the way of a directory",
                    escape_bytes(operation.target.text()));
}

void TransferRun::make_directory(const Operation& operation) {
  const bool keeps = options_.preserve_mode && environment_.source.traits().modes;
  const std::uint32_t mode =
      keeps ? operation.attributes.mode & kPreservedDirectoryBits : kDirectoryModeWhenNotPreserved;
  const bool opened = (mode & kOwnerAll) != kOwnerAll && target_.traits().modes;
  bool may_be_new = false;
  bool is_new = false;
  bool tried = context_.recovering;
  const bool made = thread_.attempt(operation, [&]() -> wherry::Result<void> {
    // A call that failed, or a run that died, may have made it all the same, and those above it.
    if (std::exchange(tried, true)) touch_all(operation.target);
    auto found = make_or_find(operation, mode | kOwnerAll);
    may_be_new = !found || *found;
    TRY_ASSIGN(is_new, std::move(found));
    if (opened && !is_new) {
      // If this is refused, so will be what needs it, and says so.
      (void)target_.set_attributes(operation.target, {mode | kOwnerAll, std::nullopt});
    }
    return {};
  });
  if (!made) {
    plan_.prune();
    return;
  }
  remember_parent(operation.target);
  const auto result = is_new ? Outcome::Result::kDone : Outcome::Result::kUpToDate;
  if (may_be_new) groups_.touch(operation.target.parent());
  if (opened) {
    closing_.push_back({operation, mode, result});
  } else if (!thread_.done_before(operation)) {
    thread_.settle(operation, result);
  }
}

// When all that a directory holds is committed, it gets the mode that would have been in the way.
void TransferRun::set_final_modes() {
  for (auto closing = closing_.rbegin(); closing != closing_.rend(); ++closing) {
    const Operation& operation = closing->operation;
    const bool set = thread_.attempt(operation, [&] {
      return target_.set_attributes(operation.target, {closing->mode, std::nullopt});
    });
    if (state_.is_halted()) return;
    if (set && !thread_.done_before(operation)) thread_.settle(operation, closing->result);
  }
}

// A single file brings the directories with it that its target lacks.
bool TransferRun::ensure_parent(const Operation& operation) {
  RelPath parent = operation.target.parent();
  if (parent == last_parent_ || known_parents_.contains(parent.text())) return true;
  bool tried = context_.recovering;
  const bool made = thread_.attempt(operation, [&] {
    if (std::exchange(tried, true)) touch_all(parent);
    return make_parents(parent);
  });
  if (!made) return false;
  remember_parent(parent);
  return true;
}

void TransferRun::remember_parent(const RelPath& directory) {
  if (known_parents_.size() >= kKnownParents) known_parents_.clear();
  known_parents_.insert(directory.text());
  last_parent_ = directory;
}

// For directories of which nobody knows whether they have just been made.
void TransferRun::touch_all(RelPath directory) {
  while (!directory.is_root()) {
    directory = directory.parent();
    groups_.touch(directory);
  }
}

wherry::Result<void> TransferRun::make_parents(const RelPath& directory) {
  if (directory.is_root()) return {};
  auto made = target_.make_directory(directory, kDirectoryModeWhenNotPreserved);
  if (!made && made.error().code == Code::kNotFound) {
    TRY(make_parents(directory.parent()));
    made = target_.make_directory(directory, kDirectoryModeWhenNotPreserved);
  }
  if (made) {
    groups_.touch(directory.parent());
    return {};
  }
  auto existing = target_.stat(directory, Storage::Follow::kYes);
  if (!existing) return std::move(made).error();
  if (existing->attributes.type == EntryType::kDirectory) {
    // A call that failed may have made it all the same.
    if (made.error().code != Code::kAlreadyExists) groups_.touch(directory.parent());
    return {};
  }
  return make_error(Code::kConflict, "'{}' is no directory", escape_bytes(directory.text()));
}

}  // namespace

wherry::Result<RunReport> run_transfer(Storage& source, Storage& target,
                                       ItemSource<TransferItem>& items,
                                       const TransferOptions& options, const RunContext& context,
                                       RunObserver& observer, Progress& progress) {
  if (context.owner.empty() || context.owner.find('/') != std::string::npos)
    return make_error(Code::kInvalid, "'{}' cannot name temporaries", context.owner);
  RunState state(context, observer, progress, options.skip_source_errors);
  TransferRun run(source, target, items, options, context, state);
  run.run();
  RunReport report = state.report();
  report.kept = run.kept();
  return report;
}

wherry::Result<RunReport> run_delete(Storage& storage, ItemSource<DeleteItem>& items,
                                     const DeleteOptions& options, const RunContext& context,
                                     RunObserver& observer, Progress& progress) {
  RunState state(context, observer, progress, false);
  GroupCommit groups(storage, Durability::kFlush, state);
  PlanningThread thread(state, groups);
  DeletePlan plan({storage, items, options, context.recovering, thread.try_again()});
  WorkerPool committer({1, 1});
  committer.submit([&groups] { groups.run(); });
  while (!state.check_deadline()) {
    auto operation = plan.next();
    if (!operation) {
      state.halt(RunEnd::kFatal, std::move(operation).error());
      break;
    }
    if (!*operation) {
      progress.plan_complete = !state.is_halted();
      break;
    }
    if (state.is_halted()) break;
    progress.files_found.fetch_add(1, std::memory_order_relaxed);
    if (thread.done_before(**operation)) continue;
    if ((*operation)->settled != Operation::Settled::kNo)
      thread.settle_planned(**operation);
    else
      thread.remove(storage, **operation);
  }
  groups.shut_down();
  committer.wait_idle();
  return state.report();
}

}  // namespace wherry::engine
