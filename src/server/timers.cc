// SPDX-License-Identifier: Apache-2.0
#include "server/timers.h"

#include <soci/soci.h>

#include <algorithm>

#include "base/back_off.h"
#include "base/path.h"
#include "base/text.h"
#include "server/stored_time.h"
#include "server/timer_schedule.h"

namespace wherry::server {
namespace {

using api::TimerRun;
using api::TimerStatus;

constexpr Migration kTimerMigrations[] = {
    {"timer", 1,
     "create table timer ("
     " number integer primary key autoincrement, id text not null unique, owner text not null,"
     " name text not null, start integer not null, interval integer not null,"
     // 0 where there is none.
     " end_runs integer not null, end_time integer not null, body text not null,"
     " status text not null, cause text not null default '', submitted integer not null,"
     " last_ran integer not null default 0, next_run integer not null,"
     " runs integer not null default 0, errors integer not null default 0,"
     // The run that is being submitted, if any.
     " submission_id text not null default '', attempt_started integer not null default 0,"
     " failures integer not null default 0, not_before integer not null default 0) strict;"
     "create index timer_owner on timer (owner, number);"
     "create index timer_due on timer (next_run) where status in ('new', 'loaded');"
     "create table timer_run ("
     " timer text not null, number integer not null, submission_id text not null,"
     " started integer not null, ended integer not null, task_id text not null,"
     " error text not null, primary key (timer, number)) strict, without rowid;"},
};

constexpr std::string_view kColumns =
    "id, owner, name, start, interval, end_runs, end_time, body, status, cause, submitted,"
    " last_ran, next_run, runs, errors, submission_id, attempt_started, failures";
constexpr Duration kFirstRetry = std::chrono::seconds(30);
constexpr Duration kLongestRetry = std::chrono::minutes(10);

std::optional<TimePoint> restored_or_none(long long time) {
  if (time == 0) return std::nullopt;
  return restored(time);
}

Error unknown_timer(std::string_view id) {
  return make_error(Code::kNotFound, "no timer '{}'", escape_bytes(id));
}

struct Row {
  Timer timer;
  std::string status;
  long long start = 0, interval = 0, end_runs = 0, end_time = 0, submitted = 0;
  long long last_ran = 0, next_run = 0, runs = 0, errors = 0;
  std::string submission_id;
  long long attempt_started = 0;
  int failures = 0;

  Timer read() const {
    Timer out = timer;
    out.schedule.start = restored(start);
    out.schedule.interval = Duration(interval);
    if (end_runs != 0) out.schedule.end_runs = static_cast<std::uint64_t>(end_runs);
    out.schedule.end_time = restored_or_none(end_time);
    const auto parsed = api::parse_timer_status(status);
    CHECK(parsed.has_value());
    out.status = *parsed;
    out.submitted = restored(submitted);
    out.last_ran = restored_or_none(last_ran);
    if (*parsed != TimerStatus::kEnded) out.next_run = restored(next_run);
    out.runs = static_cast<std::uint64_t>(runs);
    out.errors = static_cast<std::uint64_t>(errors);
    if (!submission_id.empty()) {
      out.attempt = Timer::Attempt{.submission_id = submission_id,
                                   .started = restored(attempt_started),
                                   .failures = failures};
    }
    return out;
  }
};

void load_results(soci::session& sql, Timer& timer) {
  TimerRun run;
  long long number = 0, started = 0, ended = 0;
  soci::statement statement =
      (sql.prepare << "select number, submission_id, started, ended, task_id, error from timer_run"
                      " where timer = :id order by number desc",
       soci::use(timer.id), soci::into(number), soci::into(run.submission_id), soci::into(started),
       soci::into(ended), soci::into(run.task_id), soci::into(run.error));
  statement.execute();
  while (statement.fetch()) {
    run.number = static_cast<std::uint64_t>(number);
    run.started = restored(started);
    run.ended = restored(ended);
    timer.results.push_back(run);
  }
}

// `condition` takes :key.
std::vector<Timer> load(soci::session& sql, std::string_view condition, const std::string& key) {
  Row row;
  soci::statement statement =
      (sql.prepare << "select " << kColumns << " from timer where " << condition
                   << " order by number",
       soci::use(key, "key"), soci::into(row.timer.id), soci::into(row.timer.owner),
       soci::into(row.timer.name), soci::into(row.start), soci::into(row.interval),
       soci::into(row.end_runs), soci::into(row.end_time), soci::into(row.timer.body),
       soci::into(row.status), soci::into(row.timer.inactive_cause), soci::into(row.submitted),
       soci::into(row.last_ran), soci::into(row.next_run), soci::into(row.runs),
       soci::into(row.errors), soci::into(row.submission_id), soci::into(row.attempt_started),
       soci::into(row.failures));
  std::vector<Timer> found;
  statement.execute();
  while (statement.fetch()) found.push_back(row.read());
  for (Timer& timer : found) load_results(sql, timer);
  return found;
}

std::optional<Timer> load_one(soci::session& sql, const std::string& id) {
  std::vector<Timer> found = load(sql, "id = :key", id);
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<Timer> load_own(soci::session& sql, const std::string& owner, std::string_view id) {
  std::optional<Timer> timer = load_one(sql, lower_case(id));
  if (!timer || timer->owner != owner) return unknown_timer(id);
  return std::move(*timer);
}

Result<void> check_room(soci::session& sql, const std::string& owner, std::size_t bytes) {
  long long count = 0, sum = 0;
  sql << "select count(*), coalesce(sum(length(body)), 0) from timer where owner = :owner",
      soci::use(owner), soci::into(count), soci::into(sum);
  if (static_cast<std::size_t>(count) < kMaxTimers &&
      static_cast<std::size_t>(sum) + bytes <= kMaxTimerBytes)
    return {};
  return make_error(Code::kConflict,
                    "there are {} timers of yours with {} bytes, at most {} and {} are allowed;"
                    " delete those that have ended",
                    count, sum, kMaxTimers, kMaxTimerBytes);
}

void insert(soci::session& sql, const Timer& timer) {
  const long long start = stored(timer.schedule.start), end = stored(timer.schedule.end_time);
  const long long interval = timer.schedule.interval.count();
  const auto end_runs = static_cast<long long>(timer.schedule.end_runs.value_or(0));
  const long long submitted = stored(timer.submitted), next_run = stored(timer.next_run);
  const std::string status(to_string(timer.status));
  sql << "insert into timer (id, owner, name, start, interval, end_runs, end_time, body, status,"
         " submitted, next_run) values (:id, :owner, :name, :start, :interval, :end_runs,"
         " :end_time, :body, :status, :submitted, :next_run)",
      soci::use(timer.id), soci::use(timer.owner), soci::use(timer.name), soci::use(start),
      soci::use(interval), soci::use(end_runs), soci::use(end), soci::use(timer.body),
      soci::use(status), soci::use(submitted), soci::use(next_run);
}

void set_status(soci::session& sql, const std::string& id, TimerStatus status,
                const std::string& cause) {
  const std::string name(to_string(status));
  sql << "update timer set status = :status, cause = :cause where id = :id", soci::use(name),
      soci::use(cause), soci::use(id);
}

void insert_run(soci::session& sql, const std::string& id, const TimerRun& run) {
  const auto number = static_cast<long long>(run.number);
  const long long started = stored(run.started), ended = stored(run.ended);
  sql << "insert into timer_run (timer, number, submission_id, started, ended, task_id, error)"
         " values (:id, :number, :submission, :started, :ended, :task, :error)",
      soci::use(id), soci::use(number), soci::use(run.submission_id), soci::use(started),
      soci::use(ended), soci::use(run.task_id), soci::use(run.error);
  const long long oldest = number - static_cast<long long>(kMaxTimerResults);
  sql << "delete from timer_run where timer = :id and number <= :oldest", soci::use(id),
      soci::use(oldest);
}

bool is_same_attempt(const Timer& timer, const std::string& submission_id) {
  return timer.attempt && timer.attempt->submission_id == submission_id;
}

}  // namespace

std::span<const Migration> timer_migrations() { return kTimerMigrations; }

Result<Timer> Timers::create(const std::string& owner, const api::TimerCreation& creation) {
  Timer timer;
  timer.id = new_uuid(parts_.random);
  timer.owner = owner;
  timer.name = creation.name;
  timer.schedule = creation.schedule;
  timer.body = creation.body;
  timer.submitted = parts_.clock.now();
  timer.next_run = creation.schedule.start;
  return parts_.database.write([&](soci::session& sql) -> Result<Timer> {
    TRY(check_room(sql, owner, timer.body.size()));
    insert(sql, timer);
    return timer;
  });
}

Result<Timer> Timers::get(const std::string& owner, std::string_view id) {
  return parts_.database.read([&](soci::session& sql) { return load_own(sql, owner, id); });
}

Result<std::vector<Timer>> Timers::list(const std::string& owner, const TimerFilter& filter) {
  TRY_ASSIGN(std::vector<Timer> timers,
             parts_.database.read([&](soci::session& sql) -> Result<std::vector<Timer>> {
               return load(sql, "owner = :key", owner);
             }));
  std::erase_if(timers, [&](const Timer& timer) {
    const bool has_status =
        filter.statuses.empty() || std::find(filter.statuses.begin(), filter.statuses.end(),
                                             timer.status) != filter.statuses.end();
    return !has_status || lower_case(timer.name).find(lower_case(filter.name)) == std::string::npos;
  });
  return timers;
}

Result<Timer> Timers::rename(const std::string& owner, std::string_view id,
                             const std::string& name) {
  return parts_.database.write([&](soci::session& sql) -> Result<Timer> {
    TRY_ASSIGN(Timer timer, load_own(sql, owner, id));
    sql << "update timer set name = :name where id = :id", soci::use(name), soci::use(timer.id);
    timer.name = name;
    return timer;
  });
}

Result<Timer> Timers::remove(const std::string& owner, std::string_view id) {
  return parts_.database.write([&](soci::session& sql) -> Result<Timer> {
    TRY_ASSIGN(Timer timer, load_own(sql, owner, id));
    sql << "delete from timer where id = :id", soci::use(timer.id);
    sql << "delete from timer_run where timer = :id", soci::use(timer.id);
    return timer;
  });
}

Result<void> Timers::pause(const std::string& owner, std::string_view id) {
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const Timer timer, load_own(sql, owner, id));
    if (timer.status == TimerStatus::kEnded)
      return make_error(Code::kConflict, "timer {} has ended", timer.id);
    set_status(sql, timer.id, TimerStatus::kInactive, "user");
    return {};
  });
}

Result<void> Timers::resume(const std::string& owner, std::string_view id) {
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const Timer timer, load_own(sql, owner, id));
    if (timer.status == TimerStatus::kEnded)
      return make_error(Code::kConflict, "timer {} has ended", timer.id);
    if (timer.status == TimerStatus::kInactive) set_status(sql, timer.id, TimerStatus::kLoaded, "");
    return {};
  });
}

Result<std::vector<std::string>> Timers::due(std::size_t limit) {
  const long long now = stored(parts_.clock.now());
  const auto count = static_cast<long long>(limit);
  return parts_.database.read([&](soci::session& sql) -> Result<std::vector<std::string>> {
    std::string id;
    soci::statement statement =
        (sql.prepare << "select id from timer where status in ('new', 'loaded') and (status = 'new'"
                        " or (next_run <= :now and not_before <= :now)) order by next_run limit :n",
         soci::use(now, "now"), soci::use(count, "n"), soci::into(id));
    std::vector<std::string> ids;
    statement.execute();
    while (statement.fetch()) ids.push_back(id);
    return ids;
  });
}

Result<std::optional<Timer>> Timers::begin(const std::string& id) {
  const TimePoint now = parts_.clock.now();
  return parts_.database.write([&](soci::session& sql) -> Result<std::optional<Timer>> {
    std::optional<Timer> timer = load_one(sql, id);
    if (timer && timer->status == TimerStatus::kNew) {
      timer->status = TimerStatus::kLoaded;
      set_status(sql, id, TimerStatus::kLoaded, "");
    }
    if (!timer || timer->status != TimerStatus::kLoaded || timer->next_run > now)
      return std::optional<Timer>();
    if (!timer->attempt) {
      timer->attempt = Timer::Attempt{.submission_id = new_uuid(parts_.random), .started = now};
      const long long started = stored(now);
      sql << "update timer set submission_id = :submission, attempt_started = :started,"
             " failures = 0 where id = :id",
          soci::use(timer->attempt->submission_id), soci::use(started), soci::use(id);
    }
    return timer;
  });
}

Result<void> Timers::end_run(const std::string& id, const TimerRun& ended) {
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    const std::optional<Timer> timer = load_one(sql, id);
    if (!timer || !is_same_attempt(*timer, ended.submission_id)) return {};
    TimerRun run = ended;
    run.number = timer->runs + 1;
    const auto next = run_after(timer->schedule, *timer->next_run, run.number, run.ended);
    const int errors = run.task_id.empty() ? 1 : 0;
    const long long last_ran = stored(run.started), next_run = stored(next);
    sql << "update timer set runs = runs + 1, errors = errors + :errors, last_ran = :last,"
           " next_run = :next, submission_id = '', failures = 0, not_before = 0 where id = :id",
        soci::use(errors), soci::use(last_ran), soci::use(next_run), soci::use(id);
    if (!next) set_status(sql, id, TimerStatus::kEnded, "");
    insert_run(sql, id, run);
    return {};
  });
}

Result<void> Timers::succeed(const std::string& id, const Timer::Attempt& attempt,
                             const std::string& task_id) {
  return end_run(id, {.submission_id = attempt.submission_id,
                      .started = attempt.started,
                      .ended = parts_.clock.now(),
                      .task_id = task_id,
                      .error = {}});
}

Result<void> Timers::fail(const std::string& id, const Timer::Attempt& attempt,
                          const std::string& error) {
  return end_run(id, {.submission_id = attempt.submission_id,
                      .started = attempt.started,
                      .ended = parts_.clock.now(),
                      .task_id = {},
                      .error = error});
}

Result<void> Timers::try_later(const std::string& id, const Timer::Attempt& attempt) {
  const int failures = attempt.failures + 1;
  const TimePoint again = parts_.clock.now() + growing_pause(kFirstRetry, failures, kLongestRetry);
  const long long not_before = stored(again);
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    sql << "update timer set failures = :failures, not_before = :time"
           " where id = :id and submission_id = :submission",
        soci::use(failures), soci::use(not_before), soci::use(id), soci::use(attempt.submission_id);
    return {};
  });
}

Result<void> Timers::deactivate(const std::string& id, const std::string& cause) {
  return parts_.database.write([&](soci::session& sql) -> Result<void> {
    set_status(sql, id, TimerStatus::kInactive, cause);
    return {};
  });
}

}  // namespace wherry::server
