// SPDX-License-Identifier: Apache-2.0
#include "sync/scan.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/worker_pool.h"
#include "sync/difference.h"

namespace wherry::sync {
namespace {

using catalog::EntryType;

constexpr std::size_t kMaxUnquietDirectories = 10'000;  // beyond, a caller looks everywhere

// A directory to look into.
struct Visit {
  std::string path;
  std::uint64_t position = kNowhere;  // in the catalog
  bool into_known = true;             // go on into sub-directories that the catalog knows
};

// Last in, first out, so that it holds about one directory's children for each level of the tree.
class Queue {
 public:
  void push(Visit visit) {
    {
      const std::lock_guard lock(mutex_);
      visits_.push_back(std::move(visit));
    }
    changed_.notify_one();
  }
  // Waits for a directory; nothing when all are done. The caller calls done() after each.
  std::optional<Visit> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !visits_.empty() || busy_ == 0 || closed_; });
    if (visits_.empty() || closed_) return std::nullopt;
    Visit visit = std::move(visits_.back());
    visits_.pop_back();
    ++busy_;
    return visit;
  }
  void done() {
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0 && visits_.empty()) changed_.notify_all();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Visit> visits_ GUARDED_BY(mutex_);
  std::size_t busy_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

std::int64_t to_ns(TimePoint time) { return time.time_since_epoch().count(); }

// When the storage last saw it change: by the storage's own clock, where it has one.
std::int64_t changed_ns(const catalog::Observation& seen) {
  return seen.ctime_ns != 0 ? seen.ctime_ns : seen.mtime_ns;
}

// One thread's part of a scan.
class Worker {
 public:
  Worker(const ScanRequest& request, Queue& queue, JournalWriter& journal)
      : request_(request), queue_(queue), journal_(journal) {}

  Result<void> look_into(const Visit& visit);

  ScanResult result;

 private:
  Result<void> load_known(const Visit& visit);
  Result<void> load_known_entries(const Visit& visit);
  Result<void> record_unreadable(const Visit& visit, Error error);
  void compare();
  void found(const catalog::Entry& now, EntryState state, EntryType old_type);
  void gone(const catalog::Entry& before);
  bool is_quiet(const catalog::Observation& seen);
  Result<void> push_directories(const Visit& visit);
  Result<void> push(const Visit& parent, std::string_view name, bool known);
  Result<void> record(const Visit& visit);
  void take_counts(const Visit& visit);

  const ScanRequest& request_;
  Queue& queue_;
  JournalWriter& journal_;
  // Reused from directory to directory.
  Listing now_;
  catalog::DirectoryEntries known_;
  bool has_known_ = false;
  std::uint64_t known_files_ = 0;  // files and symlinks; counted only when directories are trusted
  std::vector<JournalEntry> found_;
  TimePoint began_;
  bool has_unquiet_ = false;
};

// Where the directory's times may say everything, its entries are not decoded before they do not.
Result<void> Worker::load_known(const Visit& visit) {
  has_known_ = visit.position != kNowhere;
  known_.entries.clear();
  if (!has_known_) return {};
  if (request_.trust != Trust::kDirectories) return request_.catalog->read(visit.position, known_);
  TRY_ASSIGN(catalog::StoredDirectory stored, request_.catalog->stored(visit.position));
  known_.directory = std::move(stored.directory);
  known_files_ = stored.files + stored.symlinks;
  return {};
}

// What load_known() has left out, unless the directory is unchanged and has no sub-directories.
Result<void> Worker::load_known_entries(const Visit& visit) {
  if (!has_known_ || request_.trust != Trust::kDirectories) return {};
  if (now_.same_files && known_files_ == known_.directory.entry_count) return {};
  return request_.catalog->read(visit.position, known_);
}

Result<void> Worker::look_into(const Visit& visit) {
  found_.clear();
  has_unquiet_ = false;
  TRY(load_known(visit));
  began_ = request_.clock.now();
  auto read = request_.tree.read(visit.path, has_known_ ? &known_ : nullptr, request_.trust, now_);
  if (!read) {
    if (visit.path.empty() || request_.tree.is_out_of_reach(read.error()))
      return std::move(read).error();
    return record_unreadable(visit, std::move(read).error());
  }
  TRY(load_known_entries(visit));
  if (!now_.same_files) compare();
  TRY(push_directories(visit));
  TRY(record(visit));
  take_counts(visit);
  return {};
}

Result<void> Worker::record_unreadable(const Visit& visit, Error error) {
  if (!visit.into_known && error.code == Code::kNotFound) return {};  // its parent will tell
  ++result.counts.unreadable;
  if (result.problems.size() < kMaxProblems) result.problems.push_back({visit.path, error.message});
  JournalDirectory directory;
  directory.path = visit.path;
  directory.position = visit.position;
  directory.unreadable = true;
  return journal_.add(directory, {});
}

void Worker::compare() {
  const auto& before = known_.entries;
  const auto& now = now_.entries;
  std::size_t b = 0;
  std::size_t n = 0;
  while (b < before.size() || n < now.size()) {
    const int order = b == before.size() ? 1
                      : n == now.size()  ? -1
                                         : before[b].name.compare(now[n].name);
    if (order < 0) {
      gone(before[b++]);
    } else if (order > 0) {
      found(now[n], EntryState::kAdded, now[n].observation.type);
      ++n;
    } else {
      if (const auto state = difference(before[b], now[n]))
        found(now[n], *state, before[b].observation.type);
      ++b;
      ++n;
    }
  }
}

void Worker::found(const catalog::Entry& now, EntryState state, EntryType old_type) {
  if (now.observation.type != EntryType::kDirectory && !is_quiet(now.observation))
    state = EntryState::kNotQuiet;
  found_.push_back({state, old_type, now.observation, now.name, now.symlink_target});
}

void Worker::gone(const catalog::Entry& before) {
  const EntryType type = before.observation.type;
  // A name that could not be looked at is not gone: the catalog keeps what it has.
  for (const Problem& problem : now_.problems) {
    if (RelPath::from_normal(problem.path).name() == before.name) return;
  }
  // The name may be there and excluded now. It stays at the target: the rules changed, not the
  // data.
  const std::string name(before.name);
  const bool followed =
      request_.rules.includes(name.c_str(), type == EntryType::kDirectory) &&
      (type != EntryType::kSymlink || request_.rules.symlinks == engine::SymlinkPolicy::kKeep);
  found_.push_back({followed ? EntryState::kRemoved : EntryState::kForgotten, type,
                    before.observation, before.name, before.symlink_target});
}

// A change time far in the future comes from a clock that was turned back, and says nothing.
bool Worker::is_quiet(const catalog::Observation& seen) {
  const Duration age(to_ns(began_) - changed_ns(seen));
  if (age >= request_.settle || age < -request_.settle) return true;
  has_unquiet_ = true;
  const TimePoint quiet_at = TimePoint(Duration(changed_ns(seen))) + request_.settle;
  result.quiet_at = std::min(result.quiet_at.value_or(quiet_at), quiet_at);
  return false;
}

Result<void> Worker::push_directories(const Visit& visit) {
  const auto& entries = now_.same_files ? known_.entries : now_.entries;
  std::size_t b = 0;
  for (const catalog::Entry& entry : entries) {
    if (entry.observation.type != EntryType::kDirectory) continue;
    while (b < known_.entries.size() && known_.entries[b].name < entry.name) ++b;
    const bool known = b < known_.entries.size() && known_.entries[b].name == entry.name &&
                       known_.entries[b].observation.type == EntryType::kDirectory;
    if (!known || visit.into_known) TRY(push(visit, entry.name, known));
  }
  return {};
}

Result<void> Worker::push(const Visit& parent, std::string_view name, bool known) {
  Visit visit;
  visit.path.reserve(parent.path.size() + 1 + name.size());
  visit.path = parent.path;
  if (!visit.path.empty()) visit.path += '/';
  visit.path += name;
  if (known) {
    TRY_ASSIGN(const auto position, request_.catalog->find(visit.path));
    visit.position = position.value_or(kNowhere);
  }
  queue_.push(std::move(visit));
  return {};
}

Result<void> Worker::record(const Visit& visit) {
  JournalDirectory directory;
  directory.path = visit.path;
  directory.position = visit.position;
  directory.observation = now_.directory;
  const std::int64_t youngest = std::max(now_.directory.mtime_ns, now_.directory.ctime_ns);
  directory.can_trust = request_.tree.keeps_directory_times() && now_.problems.empty() &&
                        youngest + kTimesMargin.count() <= to_ns(began_);
  // Worth a new catalog only if a later pass will be spared a listing.
  const bool better_known =
      directory.can_trust && has_known_ &&
      !(known_.directory.trusted && known_.directory.observation == now_.directory);
  if (found_.empty() && has_known_ && !better_known) return {};
  return journal_.add(directory, found_);
}

void Worker::take_counts(const Visit& visit) {
  Counts& counts = result.counts;
  ++counts.directories;
  if (visit.path.empty()) result.names_in_root = now_.names_seen;
  if (now_.same_files) counts.files += known_files_;
  for (const catalog::Entry& entry : now_.entries)
    counts.files += entry.observation.type == EntryType::kDirectory ? 0 : 1;
  for (const JournalEntry& entry : found_)
    counts.not_quiet += entry.state == EntryState::kNotQuiet ? 1 : 0;
  counts.links_skipped += now_.links_skipped;
  counts.specials_skipped += now_.specials_skipped;
  for (const Problem& problem : now_.problems) {
    ++counts.failed;
    if (result.problems.size() < kMaxProblems) result.problems.push_back(problem);
  }
  if (has_unquiet_ && result.unquiet_directories.size() < kMaxUnquietDirectories)
    result.unquiet_directories.push_back(RelPath::from_normal(visit.path));
}

// The first error of any thread.
class FirstError {
 public:
  void set(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  std::optional<Error> take() {
    const std::lock_guard lock(mutex_);
    return std::move(error_);
  }

 private:
  std::mutex mutex_;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

void run_worker(const ScanRequest& request, Queue& queue, Worker& worker, FirstError& error) {
  while (const auto visit = queue.pop()) {
    auto looked = request.stop.stop_requested()
                      ? Result<void>(make_error(Code::kCancelled, "the scan was stopped"))
                      : worker.look_into(*visit);
    if (!looked) {
      error.set(std::move(looked).error());
      queue.close();
    }
    queue.done();
  }
}

void merge(const ScanResult& from, ScanResult& into) {
  Counts& counts = into.counts;
  counts.directories += from.counts.directories;
  counts.files += from.counts.files;
  counts.not_quiet += from.counts.not_quiet;
  counts.links_skipped += from.counts.links_skipped;
  counts.specials_skipped += from.counts.specials_skipped;
  counts.unreadable += from.counts.unreadable;
  counts.failed += from.counts.failed;
  into.names_in_root += from.names_in_root;
  for (const Problem& problem : from.problems) {
    if (into.problems.size() < kMaxProblems) into.problems.push_back(problem);
  }
  if (from.quiet_at)
    into.quiet_at = std::min(into.quiet_at.value_or(*from.quiet_at), *from.quiet_at);
  into.unquiet_directories.insert(into.unquiet_directories.end(), from.unquiet_directories.begin(),
                                  from.unquiet_directories.end());
}

Result<void> push_first(const ScanRequest& request, Queue& queue) {
  const bool fresh = request.catalog == nullptr || request.catalog->directory_count() == 0;
  if (fresh || request.only_directories == nullptr) {
    queue.push({"", fresh ? kNowhere : 0, true});
    return {};
  }
  for (const RelPath& path : *request.only_directories) {
    TRY_ASSIGN(const auto position, request.catalog->find(path.text()));
    // A directory that the catalog does not know is found new by way of its parent.
    if (position) queue.push({path.text(), *position, false});
  }
  return {};
}

}  // namespace

Result<ScanResult> scan(const ScanRequest& request, JournalWriter& journal) {
  Queue queue;
  TRY(push_first(request, queue));
  const std::size_t threads = std::max<std::size_t>(1, request.threads);
  std::vector<std::unique_ptr<Worker>> workers;
  FirstError error;
  {
    WorkerPool pool({threads, threads});
    for (std::size_t i = 0; i < threads; ++i) {
      workers.push_back(std::make_unique<Worker>(request, queue, journal));
      pool.submit(
          [&, worker = workers.back().get()] { run_worker(request, queue, *worker, error); });
    }
  }
  if (auto failed = error.take()) return std::move(*failed);
  ScanResult result;
  for (const auto& worker : workers) merge(worker->result, result);
  return result;
}

}  // namespace wherry::sync
