// SPDX-License-Identifier: Apache-2.0
// When a sync that is watched runs, and over what. Pure bookkeeping: the loop in watch.cc feeds it
// with events and results and asks what is due. Times are Clock::monotonic(), but for cron lines.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sync/cron.h"
#include "sync/types.h"

namespace wherry::sync {

// How often a watched sync looks at everything, if its definition does not say.
inline constexpr Duration kFullScanWatched = std::chrono::hours(1);
inline constexpr Duration kFullScanUnwatched = std::chrono::minutes(5);

class SyncSchedule {
 public:
  // `has_events`: changes are told by touch(); otherwise only scans find them.
  SyncSchedule(const SyncDefinition& definition, bool has_events, Duration monotonic,
               TimePoint wall);

  // Something happened in these directories.
  void touch(const std::vector<std::string>& directories, Duration monotonic);
  // Events were lost: everything is looked at, as soon as a pass may run.
  void need_full() { full_due_ = Duration(0); }
  // From now on changes are told by touch(), or are not any more. Where they begin to be, whatever
  // held the sync back has perhaps gone.
  void set_events(bool has_events);

  struct Due {
    bool full = false;
    std::vector<RelPath> directories;
    std::uint64_t gone_before = 0;  // see PassOptions
  };
  // What to run now, if anything; it counts as running until ended() or failed().
  std::optional<Due> take(Duration monotonic, TimePoint wall);
  void ended(const PassReport& report, Duration monotonic, TimePoint wall);
  void failed(Duration monotonic);
  bool is_running() const { return running_.has_value(); }
  // How long until take() has something; nothing while running.
  std::optional<Duration> wait(Duration monotonic, TimePoint wall) const;

 private:
  void plan_next_full(Duration monotonic, TimePoint wall);
  void plan_cron(TimePoint wall);
  Duration interval() const;

  SyncDefinition definition_;
  bool has_events_;
  std::optional<CronSchedule> cron_;
  std::map<std::string, Duration> dirty_;  // directory -> when its files are quiet
  Duration full_due_{0};                   // the first thing is to look at everything
  TimePoint cron_due_ = TimePoint::max();
  TimePoint cron_planned_;  // when that was computed
  std::optional<Due> running_;
  Duration not_before_{0};   // a little rest between passes, longer after failures
  int failures_ = 0;         // one after another
  bool is_stopped_ = false;  // by the brake: only a scan of everything may lift it
  std::uint64_t gone_ = 0;   // since the last full scan
};

}  // namespace wherry::sync
