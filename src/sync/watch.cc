// SPDX-License-Identifier: Apache-2.0
#include "sync/watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>

#include "base/log.h"
#include "base/worker_pool.h"
#include "sync/schedule.h"
#include "sync/tree_watch.h"

namespace wherry::sync {
namespace {

// Where the system allows no more watches, for one: how long until they are tried again.
constexpr Duration kNextWatch = kFullScanUnwatched;
constexpr std::size_t kMaxSyncs = 4096;

// Wakes the loop from other threads.
class WakeUp {
 public:
  WakeUp() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { CHECK(fd_.get() >= 0); }
  int fd() const { return fd_.get(); }
  void ring() const {
    const std::uint64_t one = 1;
    (void)!::write(fd_.get(), &one, sizeof one);  // full: it rings already
  }
  void clear() const {
    std::uint64_t count = 0;
    (void)!::read(fd_.get(), &count, sizeof count);
  }

 private:
  UniqueFd fd_;
};

struct Watched {
  Watched(SyncDefinition watched, SyncSchedule plan)
      : definition(std::move(watched)), schedule(std::move(plan)) {}

  SyncDefinition definition;
  std::unique_ptr<TreeWatch> watch;  // null: scans only
  Duration next_watch{0};            // while there is none: no new one before
  std::string note;                  // the last one that was told
  SyncSchedule schedule;
  bool is_dropped = false;  // paused, removed or changed; goes when its pass has ended
};

class WatchLoop {
 public:
  WatchLoop(const PassParts& parts, const WatchOptions& options, std::stop_token stop)
      : parts_(parts),
        options_(options),
        stop_(std::move(stop)),
        pool_({std::max<std::size_t>(1, options.passes), kMaxSyncs}) {}

  Result<void> run();

 private:
  struct Finished {
    std::string sync;
    Result<PassReport> report;
  };

  Result<void> refresh();
  void add(const SyncDefinition& definition);
  std::string host_directory(const SyncDefinition& definition);
  void open_watch(Watched& watched);
  void look_after_watch(Watched& watched);
  void fall_back(Watched& watched, const Error& error);
  void scan_only(Watched& watched, std::string why, Duration next_watch);
  void start_due();
  void start(Watched& watched, SyncSchedule::Due due);
  void wait_for_events();
  void read_events(Watched& watched);
  void take_finished();
  void note(Watched& watched, std::string message);

  const PassParts& parts_;
  const WatchOptions& options_;
  std::stop_token stop_;
  std::map<std::string, std::unique_ptr<Watched>> syncs_;
  Duration next_refresh_{0};
  WakeUp wake_;
  std::mutex mutex_;
  std::vector<Finished> finished_ GUARDED_BY(mutex_);
  std::mutex telling_;
  WorkerPool pool_;  // the last member: its work uses the others
};

void WatchLoop::note(Watched& watched, std::string message) {
  if (watched.note == message) return;
  watched.note = std::move(message);
  if (options_.on_note) options_.on_note(watched.definition.name, watched.note);
}

// Where the source is on this host; empty: elsewhere.
std::string WatchLoop::host_directory(const SyncDefinition& definition) {
  if (!definition.source.host.empty()) return definition.source.host;
  if (!definition.service.empty()) return {};
  const auto root = parts_.service.host_directory(definition.source.endpoint);
  if (!root || !*root) return {};
  const RelPath& path = definition.source.path;
  return path.is_root() ? **root : **root + "/" + path.text();
}

// First the watch, then the scan that it asks for: nothing can happen between them unseen.
void WatchLoop::open_watch(Watched& watched) {
  const SyncDefinition& definition = watched.definition;
  const std::string directory = host_directory(definition);
  if (directory.empty())
    return scan_only(watched, "the source is not on this host: it is scanned at intervals",
                     kNextWatch);
  auto watch = TreeWatch::open(directory, {definition.symlinks, definition.filters});
  if (!watch) return fall_back(watched, watch.error());
  note(watched, fmt::format("watching {} directories", (*watch)->directory_count()));
  watched.watch = std::move(watch).value();
  watched.schedule.set_events(true);
}

void WatchLoop::look_after_watch(Watched& watched) {
  if (watched.watch != nullptr && watched.watch->is_in_place()) return;
  if (watched.watch == nullptr && parts_.clock.monotonic() < watched.next_watch) return;
  watched.watch.reset();
  open_watch(watched);
}

void WatchLoop::add(const SyncDefinition& definition) {
  const SyncSchedule schedule(definition, false, parts_.clock.monotonic(), parts_.clock.now());
  auto& watched = syncs_[definition.name] = std::make_unique<Watched>(definition, schedule);
  open_watch(*watched);
}

Result<void> WatchLoop::refresh() {
  next_refresh_ = parts_.clock.monotonic() + options_.refresh;
  TRY_ASSIGN(const std::vector<SyncDefinition> definitions, parts_.store.list());
  std::map<std::string, const SyncDefinition*> wanted;
  for (const SyncDefinition& definition : definitions) {
    const auto& names = options_.names;
    const bool named =
        names.empty() || std::find(names.begin(), names.end(), definition.name) != names.end();
    if (named && !definition.paused) wanted[definition.name] = &definition;
  }
  for (auto it = syncs_.begin(); it != syncs_.end();) {
    const auto now = wanted.find(it->first);
    if (now == wanted.end() || *now->second != it->second->definition)
      it->second->is_dropped = true;
    const bool can_go = it->second->is_dropped && !it->second->schedule.is_running();
    it = can_go ? syncs_.erase(it) : std::next(it);
  }
  for (const auto& [name, definition] : wanted) {
    const auto known = syncs_.find(name);
    if (known == syncs_.end()) {
      add(*definition);
    } else if (!known->second->is_dropped) {
      look_after_watch(*known->second);
    }
  }
  return {};
}

void WatchLoop::fall_back(Watched& watched, const Error& error) {
  const bool is_gone = error.code == Code::kNotFound;  // that it is there again is soon seen
  scan_only(watched, fmt::format("{}; until then it is scanned at intervals", error.message),
            is_gone ? Duration(0) : kNextWatch);
}

void WatchLoop::scan_only(Watched& watched, std::string why, Duration next_watch) {
  note(watched, std::move(why));
  watched.watch.reset();
  watched.schedule.set_events(false);
  watched.next_watch = parts_.clock.monotonic() + next_watch;
}

void WatchLoop::read_events(Watched& watched) {
  auto events = watched.watch->read();
  if (!events) return fall_back(watched, events.error());
  if (events->lost) {
    log_info("sync {}: not all changes were heard, everything is looked at",
             watched.definition.name);
    watched.schedule.need_full();
    if (auto again = watched.watch->watch_all(); !again) return fall_back(watched, again.error());
  }
  watched.schedule.touch(events->dirty, parts_.clock.monotonic());
}

void WatchLoop::start(Watched& watched, SyncSchedule::Due due) {
  pool_.submit([this, definition = watched.definition, due = std::move(due)] {
    PassOptions options;
    options.threads = options_.scan_threads;
    options.gone_before = due.gone_before;
    if (!due.full) options.only_directories = &due.directories;
    auto report = run_pass(parts_, definition, options, stop_);
    if (options_.on_pass) {
      const std::lock_guard lock(telling_);
      options_.on_pass(definition.name, report);
    }
    {
      const std::lock_guard lock(mutex_);
      finished_.push_back({definition.name, std::move(report)});
    }
    wake_.ring();
  });
}

void WatchLoop::start_due() {
  for (auto& [name, watched] : syncs_) {
    if (watched->is_dropped) continue;
    auto due = watched->schedule.take(parts_.clock.monotonic(), parts_.clock.now());
    if (due) start(*watched, std::move(*due));
  }
}

void WatchLoop::take_finished() {
  std::vector<Finished> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const Finished& pass : finished) {
    SyncSchedule& schedule = syncs_.at(pass.sync)->schedule;
    if (pass.report) {
      schedule.ended(*pass.report, parts_.clock.monotonic(), parts_.clock.now());
    } else {
      schedule.failed(parts_.clock.monotonic());
    }
  }
}

void WatchLoop::wait_for_events() {
  Duration timeout = std::max(next_refresh_ - parts_.clock.monotonic(), Duration(0));
  std::vector<pollfd> fds = {{wake_.fd(), POLLIN, 0}};
  std::vector<Watched*> watched_fds = {nullptr};
  for (auto& [name, watched] : syncs_) {
    if (watched->watch != nullptr) {
      fds.push_back({watched->watch->fd(), POLLIN, 0});
      watched_fds.push_back(watched.get());
    }
    if (watched->is_dropped) continue;
    const auto left = watched->schedule.wait(parts_.clock.monotonic(), parts_.clock.now());
    if (left) timeout = std::min(timeout, *left);
  }
  // Rounded up, so that what is due is due when it wakes.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(ms));
  if (ready <= 0) return;
  if (fds[0].revents != 0) wake_.clear();
  for (std::size_t i = 1; i < fds.size(); ++i) {
    if (fds[i].revents != 0) read_events(*watched_fds[i]);
  }
}

Result<void> WatchLoop::run() {
  const std::stop_callback wake_on_stop(stop_, [this] { wake_.ring(); });
  for (const std::string& name : options_.names) TRY(parts_.store.get(name));
  TRY(refresh());
  while (!stop_.stop_requested()) {
    start_due();
    wait_for_events();
    take_finished();
    if (parts_.clock.monotonic() < next_refresh_) continue;
    // A database that is busy for once is no reason to stop.
    if (auto refreshed = refresh(); !refreshed) log_warning("watch: {}", refreshed.error().message);
  }
  pool_.wait_idle();
  return {};
}

}  // namespace

Result<void> watch_syncs(const PassParts& parts, const WatchOptions& options,
                         std::stop_token stop) {
  return WatchLoop(parts, options, std::move(stop)).run();
}

}  // namespace wherry::sync
