// SPDX-License-Identifier: Apache-2.0
#include "sync/schedule.h"

#include <algorithm>

#include "base/back_off.h"
#include "base/check.h"

namespace wherry::sync {
namespace {

constexpr std::size_t kMaxDirty = 10'000;  // directories; beyond, everything is looked at
constexpr Duration kRest = std::chrono::milliseconds(500);
constexpr Duration kFirstRetry = std::chrono::seconds(30);
constexpr Duration kLongestRetry = std::chrono::minutes(10);
// Passes take what is due within this time, so that files of one burst go together.
constexpr Duration kTogether = std::chrono::milliseconds(200);

}  // namespace

SyncSchedule::SyncSchedule(const SyncDefinition& definition, bool has_events, Duration monotonic,
                           TimePoint wall)
    : definition_(definition), has_events_(has_events) {
  if (!definition.cron.empty()) {
    if (auto parsed = CronSchedule::parse(definition.cron)) cron_ = std::move(parsed).value();
  }
  plan_next_full(monotonic, wall);
  full_due_ = Duration(0);
}

Duration SyncSchedule::interval() const {
  if (definition_.every != Duration(0)) return definition_.every;
  // No event tells of what lies behind a symlink that is followed.
  const bool sees_all = has_events_ && definition_.symlinks != engine::SymlinkPolicy::kCopy;
  return sees_all ? kFullScanWatched : kFullScanUnwatched;
}

void SyncSchedule::plan_next_full(Duration monotonic, TimePoint wall) {
  full_due_ = cron_ ? Duration::max() : monotonic + interval();
  if (cron_) plan_cron(wall);
}

void SyncSchedule::plan_cron(TimePoint wall) {
  cron_due_ = cron_->next_after(wall);
  cron_planned_ = wall;
}

void SyncSchedule::touch(const std::vector<std::string>& directories, Duration monotonic) {
  // The first event counts: its file is quiet first.
  for (const std::string& directory : directories)
    dirty_.try_emplace(directory, monotonic + definition_.settle);
  if (dirty_.size() > kMaxDirty) {
    dirty_.clear();
    full_due_ = std::min(full_due_, monotonic + definition_.settle);
  }
}

void SyncSchedule::set_events(bool has_events) {
  if (has_events) not_before_ = Duration(0);
  if (has_events || has_events_) need_full();  // what happened meanwhile was not told
  has_events_ = has_events;
}

std::optional<Duration> SyncSchedule::wait(Duration monotonic, TimePoint wall) const {
  if (running_) return std::nullopt;
  Duration due = full_due_;
  if (!is_stopped_) {
    for (const auto& [directory, quiet] : dirty_) due = std::min(due, quiet);
  }
  if (cron_due_ != TimePoint::max()) due = std::min(due, monotonic + (cron_due_ - wall));
  due = std::max(due, not_before_);
  return std::max(due - monotonic, Duration(0));
}

std::optional<SyncSchedule::Due> SyncSchedule::take(Duration monotonic, TimePoint wall) {
  // The clock was set back: what it said before holds nothing back.
  if (cron_ && wall < cron_planned_) plan_cron(wall);
  const auto left = wait(monotonic, wall);
  if (!left || *left > Duration(0)) return std::nullopt;
  Due due;
  if (full_due_ <= monotonic || cron_due_ <= wall) {
    due.full = true;
    // What changes from now on is told again; what is not quiet yet, by the report.
    dirty_.clear();
    plan_next_full(monotonic, wall);
  } else {
    due.gone_before = gone_;
    for (auto it = dirty_.begin(); it != dirty_.end();) {
      if (it->second > monotonic + kTogether) {
        ++it;
        continue;
      }
      due.directories.push_back(RelPath::from_normal(it->first));
      it = dirty_.erase(it);
    }
  }
  running_ = due;
  return due;
}

void SyncSchedule::ended(const PassReport& report, Duration monotonic, TimePoint wall) {
  CHECK(running_.has_value());
  const bool was_full = running_->full;
  running_.reset();
  not_before_ = monotonic + kRest;
  if (was_full) gone_ = 0;
  gone_ += report.end == PassEnd::kStopped ? 0 : report.counts.removed;
  // Once it stops at the brake, small steps must not get around it.
  if (report.end == PassEnd::kStopped) is_stopped_ = true;
  if (was_full && report.end != PassEnd::kStopped) is_stopped_ = false;
  failures_ = report.end == PassEnd::kIncomplete ? failures_ + 1 : 0;
  if (failures_ > 0) {
    const Duration longest = std::max(interval(), kFirstRetry);
    full_due_ = std::min(full_due_, monotonic + growing_pause(kFirstRetry, failures_, longest));
  }
  if (report.quiet_at) {
    const Duration quiet = monotonic + std::max(*report.quiet_at - wall, Duration(0));
    for (const RelPath& directory : report.unquiet_directories) {
      const auto [place, added] = dirty_.try_emplace(directory.text(), quiet);
      if (!added) place->second = std::min(place->second, quiet);
    }
  }
}

void SyncSchedule::failed(Duration monotonic) {
  CHECK(running_.has_value());
  running_.reset();
  ++failures_;
  not_before_ = monotonic + growing_pause(kFirstRetry, failures_, kLongestRetry);
  full_due_ = not_before_;  // whatever was due is among everything
}

}  // namespace wherry::sync
