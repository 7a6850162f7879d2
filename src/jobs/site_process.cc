// SPDX-License-Identifier: Apache-2.0
#include "jobs/site_process.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/back_off.h"
#include "base/log.h"
#include "base/thread_annotations.h"
#include "base/worker_pool.h"
#include "jobs/item_store.h"
#include "jobs/launcher.h"
#include "jobs/location_trouble.h"
#include "jobs/session_store.h"
#include "jobs/site_settings.h"
#include "jobs/site_store.h"
#include "tasks/claim.h"

namespace wherry::jobs {
namespace {

constexpr Duration kBetweenClaims = std::chrono::seconds(2);
// How soon a change in the database is seen. Asking costs microseconds.
constexpr Duration kLook = std::chrono::milliseconds(100);
// How long a process on another host may be silent, of which it would be kHeartbeat usually.
constexpr Duration kSilence = std::chrono::seconds(60);
constexpr Duration kBeat = std::chrono::seconds(1);
constexpr Duration kHeartbeat = std::chrono::seconds(10);
constexpr Duration kFirstRestart = std::chrono::seconds(1);
constexpr Duration kLongestRestart = std::chrono::minutes(1);
constexpr Duration kProcessingPeriod = std::chrono::seconds(30);
constexpr Duration kBatchJobsPeriod = std::chrono::seconds(5);
constexpr std::size_t kJobsAtOnce = 200;  // each may carry half a megabyte of data
constexpr std::size_t kParts = 5;

// What came of one turn of a part.
struct Turn {
  bool progressed = false;
  std::string alert;         // what a person has to do; empty: nothing
  Duration pause{0};         // until the next turn
  bool wakes_early = false;  // when something changes in the database
};

struct Part {
  std::string name;  // as the alert has it
  std::function<Result<Turn>(std::stop_token)> turn;
};

class SiteProcess {
 public:
  SiteProcess(const SiteProcessParts& parts, const Site& site, SiteSettings settings,
              std::stop_token stop)
      : parts_(parts),
        site_(site),
        sites_(parts.database, parts.clock),
        items_(parts.database, parts.clock),
        sessions_(parts.database, parts.clock),
        outer_stop_(std::move(stop)),
        settings_text_(site.settings),
        settings_(std::move(settings)) {}

  Result<void> run();

 private:
  std::vector<Part> make_parts();
  void run_part(const Part& part);
  // What was so before a turn: when it is not any more, there may be something to do.
  struct Before {
    Result<std::int64_t> version;  // of the database
    std::uint64_t generation = 0;  // of the settings
  };
  Before before();
  void wait(const Before& as_it_was, const Turn& turn);
  Result<Turn> stage();
  Result<void> renew_stager();
  Result<Turn> process();
  Result<Turn> follow_batches();
  Result<Turn> launch_here(std::stop_token stop);
  Result<Turn> clean();

  Result<void> watch();
  Result<void> look_at_site();
  Result<void> check_claim();
  void forget_launcher_alert();
  std::string alert_text();
  void set_alert(const std::string& part, const std::string& text);
  SiteSettings settings() {
    const std::lock_guard lock(mutex_);
    return settings_;
  }
  void note(std::string_view line) {
    const std::lock_guard lock(telling_);
    if (parts_.on_note) parts_.on_note(line);
  }

  const SiteProcessParts& parts_;
  const Site site_;
  Sites sites_;
  Items items_;
  Sessions sessions_;
  const std::stop_token outer_stop_;
  std::stop_source stop_;  // of the parts
  std::atomic<bool> progressed_ = false;
  // Monotonic. A launcher runs for days; when it has for a while, what was wrong before is not now.
  std::atomic<Duration::rep> launching_since_ = 0;

  std::mutex look_mutex_;
  std::mutex mutex_;
  std::string settings_text_ GUARDED_BY(mutex_);
  SiteSettings settings_ GUARDED_BY(mutex_);
  std::uint64_t generation_ GUARDED_BY(mutex_) = 1;  // of the settings
  std::map<std::string, std::string> alerts_ GUARDED_BY(mutex_);
  std::mutex telling_;

  // Of the part that stages.
  std::unique_ptr<Stager> stager_;
  std::string service_name_;
  std::uint64_t stager_generation_ = 0;
  std::uint64_t draining_generation_ = 0;
  std::optional<Duration> next_expiry_;  // monotonic; of the part that processes
};

// ---- The parts ----------------------------------------------------------------------------------

std::vector<Part> SiteProcess::make_parts() {
  return {{"staging", [this](std::stop_token) { return stage(); }},
          {"processing", [this](std::stop_token) { return process(); }},
          {"batch jobs", [this](std::stop_token) { return follow_batches(); }},
          {"launcher", [this](std::stop_token stop) { return launch_here(std::move(stop)); }},
          {"clean-up", [this](std::stop_token) { return clean(); }}};
}

void SiteProcess::run_part(const Part& part) {
  const std::stop_token stop = stop_.get_token();
  int failures = 0;
  while (!stop.stop_requested()) {
    const Before as_it_was = before();
    auto turn = part.turn(stop);
    if (stop.stop_requested()) return;
    if (turn) {
      failures = 0;
      set_alert(part.name, turn->alert);
      if (turn->progressed) progressed_ = true;
      wait(as_it_was, *turn);
      continue;
    }
    const Duration pause = LocationTrouble::spread(
        growing_pause(kFirstRestart, ++failures, kLongestRestart), parts_.random);
    log_error("site {}: {}: {}", site_.name, part.name, turn.error().message);
    set_alert(part.name,
              fmt::format("{} failed and is started again: {}", part.name, turn.error().message));
    parts_.clock.sleep(pause, stop);
  }
}

SiteProcess::Before SiteProcess::before() {
  auto version = parts_.database.version();
  const std::lock_guard lock(mutex_);
  return {std::move(version), generation_};
}

void SiteProcess::wait(const Before& as_it_was, const Turn& turn) {
  const std::stop_token stop = stop_.get_token();
  const Duration until = parts_.clock.monotonic() + turn.pause;
  for (;;) {
    const Duration left = until - parts_.clock.monotonic();
    // Even what is due at once gives others a chance.
    if (!parts_.clock.sleep(turn.wakes_early ? kLook : std::max(left, kLook), stop)) return;
    if (parts_.clock.monotonic() >= until) return;
    if (!turn.wakes_early) continue;
    const Before now = before();
    if (!as_it_was.version || !now.version || *now.version != *as_it_was.version ||
        now.generation != as_it_was.generation)
      return;
  }
}

// The stager for the settings that are in force. One that serves another service than they name
// first follows to its end what it has sent there.
Result<void> SiteProcess::renew_stager() {
  SiteSettings wanted;
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(mutex_);
    wanted = settings_;
    generation = generation_;
  }
  const std::string& name = wanted.transfers.service;
  if (stager_ && name != service_name_) {
    TRY_ASSIGN(const auto open, items_.open_tasks(site_.id));
    if (!open.empty()) {
      if (draining_generation_ == generation) return {};
      draining_generation_ = generation;
      note(fmt::format("service '{}' comes into force when {} transfers at '{}' have ended", name,
                       open.size(), service_name_));
      wanted.transfers.service = service_name_;
      wanted.transfers.is_on = false;
      stager_->set_settings(wanted);
      return {};
    }
    stager_.reset();
  }
  if (!stager_) {
    TRY_ASSIGN(tasks::TransferService * service, parts_.service_of(name), "service '{}'", name);
    const auto is_up_to_date = [this]() -> Result<bool> {
      TRY(look_at_site());
      const std::lock_guard lock(mutex_);
      return generation_ == stager_generation_;
    };
    const StagerParts parts{*service, parts_.database, parts_.clock, parts_.random,
                            {},       is_up_to_date};
    stager_ = std::make_unique<Stager>(parts, site_, wanted);
    service_name_ = name;
  } else if (stager_generation_ != generation) {
    stager_->set_settings(wanted);
  }
  stager_generation_ = generation;
  return {};
}

Result<Turn> SiteProcess::stage() {
  TRY(look_at_site());
  TRY(renew_stager());
  TRY_ASSIGN(const Stager::Step step, stager_->step(stop_.get_token()));
  Turn turn;
  turn.progressed = step.progressed;
  for (const Alert& alert : step.alerts) {
    turn.alert += turn.alert.empty() ? "" : "; ";
    if (!alert.location.empty())
      turn.alert += fmt::format("location '{}': ", escape_bytes(alert.location));
    turn.alert += alert.message;
  }
  turn.wakes_early = true;
  const Duration period = settings().transfers.service_period;
  turn.pause = step.until ? std::min(*step.until, period) : period;
  return turn;
}

Result<Turn> SiteProcess::process() {
  const Duration now = parts_.clock.monotonic();
  Turn turn;
  turn.pause = kProcessingPeriod;
  turn.wakes_early = true;
  if (!next_expiry_ || now >= *next_expiry_) {
    next_expiry_ = now + kProcessingPeriod;
    TRY_ASSIGN(const std::size_t expired, sessions_.expire(), "look for dead launchers");
    if (expired > 0) note(fmt::format("{} launchers have died; their jobs are free", expired));
  }
  for (;;) {
    TRY_ASSIGN(const std::size_t moved,
               process_jobs(parts_.database, parts_.clock, site_, kJobsAtOnce));
    if (moved > 0) turn.progressed = progressed_ = true;
    if (moved < kJobsAtOnce || stop_.stop_requested()) return turn;
  }
}

Result<Turn> SiteProcess::follow_batches() {
  const auto in_force = [this]() -> Result<SiteSettings> {
    TRY(look_at_site());
    return settings();
  };
  Turn turn;
  turn.pause = kBatchJobsPeriod;
  TRY_ASSIGN(turn.progressed, follow_batch_jobs(parts_, site_, in_force));
  return turn;
}

Result<Turn> SiteProcess::launch_here(std::stop_token stop) {
  const LauncherSettings launcher = settings().launcher;
  Turn turn;
  turn.pause = kHeartbeat;
  if (!launcher.run_locally) return turn;
  LauncherOptions options;
  options.site = site_.id;
  options.site_path = site_.path;
  options.processes_per_node = launcher.local_processes;
  options.gpus_per_node = launcher.gpus_per_node;
  options.on_left = [this](const std::string& why) { set_alert("jobs left", why); };
  options.idle_time = Duration(0);
  launching_since_ = parts_.clock.monotonic().count();
  TRY_ASSIGN(const LauncherReport report,
             launch({parts_.database, parts_.clock}, options, std::move(stop)));
  launching_since_ = 0;
  turn.progressed = report.done + report.failed + report.cut_off > 0;
  turn.pause = kBeat;
  return turn;
}

Result<Turn> SiteProcess::clean() {
  const SiteSettings now = settings();
  Turn turn;
  turn.pause = now.cleanup_period;
  TRY_ASSIGN(const std::size_t cleaned, clean_up(parts_.database, parts_.clock, site_,
                                                 std::max<std::size_t>(now.cleanup_batch_size, 1)));
  if (cleaned >= now.cleanup_batch_size) turn.pause = kBeat;
  return turn;
}

// ---- The whole ----------------------------------------------------------------------------------

void SiteProcess::set_alert(const std::string& part, const std::string& text) {
  std::string before;
  {
    const std::lock_guard lock(mutex_);
    std::string& alert = alerts_[part];
    if (alert == text) return;
    before = std::exchange(alert, text);
  }
  note(!text.empty() ? fmt::format("{}: {}", part, text) : fmt::format("{}: all is well", part));
}

std::string SiteProcess::alert_text() {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const auto& [part, alert] : alerts_) {
    if (alert.empty()) continue;
    if (!text.empty()) text += "; ";
    text += alert;
  }
  return text;
}

void SiteProcess::forget_launcher_alert() {
  const Duration since{launching_since_.load()};
  if (since == Duration(0) || parts_.clock.monotonic() - since < kHeartbeat) return;
  launching_since_ = 0;
  set_alert("launcher", "");
}

// Whether the claim still stands: somebody may have told another host that this one is dead.
Result<void> SiteProcess::check_claim() {
  tasks::Claims claims(parts_.database, parts_.clock);
  TRY_ASSIGN(const auto holder, claims.holder(kSiteClaim, site_claim_id(site_.id)));
  if (holder && holder->process == this_process()) return {};
  return make_error(Code::kConflict, "the claim on site '{}' was taken{}", site_.name,
                    holder ? " by " + tasks::describe(*holder) : std::string());
}

// Changed settings come into force: whoever reads jobs and then looks treats those that were made
// after `wherry site sync` as that says. A site that is gone or elsewhere ends the process.
Result<void> SiteProcess::look_at_site() {
  const std::lock_guard one_at_a_time(look_mutex_);
  TRY_ASSIGN(const Site now, sites_.get(site_.id), "site '{}'", site_.name);
  if (now.path != site_.path) {
    return make_error(Code::kConflict, "site '{}' was moved to '{}'; start it again there",
                      site_.name, escape_bytes(now.path));
  }
  {
    const std::lock_guard lock(mutex_);
    if (now.settings == settings_text_) return {};
    settings_text_ = now.settings;
  }
  auto parsed = parse_site_settings(now.settings);
  if (!parsed) {
    set_alert("settings",
              fmt::format("the new settings are not in force: {}", parsed.error().message));
    return {};
  }
  set_alert("settings", "");
  {
    const std::lock_guard lock(mutex_);
    settings_ = std::move(*parsed);
    ++generation_;
  }
  note("changed settings are in force (how jobs are launched here, from the next start)");
  return {};
}

// Tells the truth about the site until it is to stop.
Result<void> SiteProcess::watch() {
  std::optional<Duration> told;
  std::string told_alert;
  Result<std::int64_t> seen = std::int64_t{-1};
  do {
    const auto version = parts_.database.version();
    forget_launcher_alert();
    if (!version || !seen || *version != *seen) {
      seen = version;
      const auto looked = look_at_site();
      const bool may_pass = !looked && looked.error().retry == Retry::kLater;
      if (!looked && !may_pass) return looked;
    }
    const Duration now = parts_.clock.monotonic();
    std::string alert = alert_text();
    if (told && !progressed_ && alert == told_alert && now - *told < kHeartbeat) continue;
    if (auto held = check_claim(); !held && held.error().retry != Retry::kLater) return held;
    const bool has_progressed = progressed_.exchange(false);
    if (const auto refreshed = sites_.refresh(site_.id, has_progressed, alert); !refreshed) {
      if (has_progressed) progressed_ = true;
      log_warning("site {}: {}", site_.name, refreshed.error().message);
      continue;
    }
    told = now;
    told_alert = std::move(alert);
  } while (parts_.clock.sleep(kBeat, outer_stop_));
  return {};
}

Result<void> SiteProcess::run() {
  const std::stop_callback forward(outer_stop_, [this] { stop_.request_stop(); });
  const std::vector<Part> all = make_parts();
  CHECK(all.size() == kParts);
  Result<void> ended;
  {
    WorkerPool pool({kParts, kParts});
    for (const Part& part : all) pool.submit([this, &part] { run_part(part); });
    ended = watch();
    stop_.request_stop();
  }
  // What the parts did last.
  if (progressed_) (void)sites_.refresh(site_.id, true, alert_text());
  return ended;
}

// Looks after the claim of a process on another host, which cannot be looked at: while it lives it
// refreshes the site, and by our own clock, since theirs may go otherwise.
class OtherHost {
 public:
  OtherHost(const SiteProcessParts& parts, SiteId site)
      : parts_(parts), sites_(parts.database, parts.clock), site_(site) {}

  // Ends the claim of one that has shown no sign of life for long; answers whether it did.
  Result<bool> take_over() {
    tasks::Claims claims(parts_.database, parts_.clock);
    TRY_ASSIGN(const auto holder, claims.holder(kSiteClaim, site_claim_id(site_)));
    TRY_ASSIGN(const Site site, sites_.get(site_));
    const Duration now = parts_.clock.monotonic();
    const bool is_here = !holder || holder->process.host == this_process().host;
    if (is_here || !since_ || site.last_refresh != last_refresh_) {
      last_refresh_ = site.last_refresh;
      since_ = now;
      return false;
    }
    if (now - *since_ < kSilence) return false;
    TRY(claims.take_from_other_host(kSiteClaim, site_claim_id(site_)));
    if (parts_.on_note)
      parts_.on_note(fmt::format("taken over: {} is silent", tasks::describe(*holder)));
    return true;
  }

 private:
  const SiteProcessParts& parts_;
  Sites sites_;
  const SiteId site_;
  std::optional<TimePoint> last_refresh_;
  std::optional<Duration> since_;  // monotonic
};

}  // namespace

Result<void> run_site(const SiteProcessParts& parts, SiteId id, std::stop_token stop) {
  Sites sites(parts.database, parts.clock);
  tasks::Claims claims(parts.database, parts.clock);
  TRY_ASSIGN(Site site, sites.get(id));
  OtherHost other(parts, id);
  std::string told;
  for (;;) {
    auto claim = claims.acquire(kSiteClaim, site_claim_id(id));
    if (claim) {
      TRY_ASSIGN(site, sites.get(id));  // it may have changed while this waited
      TRY_ASSIGN(SiteSettings settings, parse_site_settings(site.settings), "settings of site '{}'",
                 site.name);
      return SiteProcess(parts, site, std::move(settings), stop).run();
    }
    if (claim.error().code != Code::kConflict) return std::move(claim).error();
    if (told != claim.error().message && parts.on_note)
      parts.on_note(fmt::format("waiting: {}", claim.error().message));
    told = claim.error().message;
    TRY_ASSIGN(const bool is_free, other.take_over());
    if (!is_free && !parts.clock.sleep(kBetweenClaims, stop)) return {};
  }
}

}  // namespace wherry::jobs
