// SPDX-License-Identifier: Apache-2.0
// Every call is one write transaction, and a job names its one holder in its own row: that is why
// no two sessions ever hold it. Whoever lost it by a cancellation may run it still: until that
// session says that it does not, or has ended, nobody gets it.
#include "jobs/session_store.h"

#include <algorithm>
#include <map>
#include <set>

#include "jobs/job_row.h"
#include "jobs/lifecycle.h"

namespace wherry::jobs {
namespace {

using soci::into;
using soci::use;

struct SessionRow {
  static constexpr std::string_view kSelect =
      "select n.id, n.site, n.batch_job, n.holder, n.created, n.heartbeat from launcher_session n";
  void define(soci::statement& statement) {
    for (long long* field : {&id, &site, &batch_job}) statement.exchange(into(*field));
    statement.exchange(into(holder));
    for (long long* field : {&created, &heartbeat}) statement.exchange(into(*field));
  }
  Session session() const {
    return {id, site, optional_id(batch_job), holder, from_stored(created), from_stored(heartbeat)};
  }
  long long id = 0, site = 0, batch_job = 0, created = 0, heartbeat = 0;
  std::string holder;
};

std::vector<Session> select_sessions(soci::session& sql, const Conditions& conditions) {
  std::vector<Session> sessions;
  RowQuery<SessionRow> query(
      sql, fmt::format("{}{} order by n.id", SessionRow::kSelect, conditions.where()), conditions);
  while (const SessionRow* row = query.next()) sessions.push_back(row->session());
  return sessions;
}

Result<Session> load_session(soci::session& sql, SessionId id) {
  Conditions conditions;
  conditions.add(fmt::format("n.id = {}", id));
  const auto found = select_sessions(sql, conditions);
  if (found.empty()) {
    return make_error(Code::kNotFound,
                      "session {} has expired or was closed; its jobs are not its own any more",
                      id);
  }
  return found.front();
}

void beat(soci::session& sql, SessionId id, TimePoint now) {
  const long long time = to_stored(now), session = id;
  sql << "update launcher_session set heartbeat = :now where id = :id", use(time), use(session);
}

// Those that a session holds.
std::vector<JobId> held_jobs(soci::session& sql, SessionId id) {
  return select_numbers(
      sql, fmt::format("select id from job where session = {} and session > 0 order by id", id));
}

// What the session had lost and does not run any more is anybody's.
void forget_lost(soci::session& sql, SessionId id, std::span<const JobId> running) {
  const auto lost =
      select_numbers(sql, fmt::format("select id from job where lost_by = {} and lost_by > 0", id));
  for (const JobId job : lost) {
    if (std::find(running.begin(), running.end(), job) != running.end()) continue;
    const long long number = job;
    sql << "update job set lost_by = 0 where id = :id", use(number);
  }
}

void set_free(soci::session& sql, JobId id) {
  const long long job = id;
  sql << "update job set session = 0 where id = :id", use(job);
}

// Of each node, as gpus_on_a_node() counts them (a fraction too small to matter aside).
std::string more_gpus_than(std::size_t most) {
  return fmt::format(
      "json_extract(j.resources, '$.gpus_per_rank') *"
      " json_extract(j.resources, '$.ranks_per_node') > {} + 0.000001",
      most);
}

// Oldest first. Each state is asked for alone, because each alone comes from the index in this
// order, however many jobs wait.
Result<std::vector<Job>> runnable_jobs(soci::session& sql, const Session& session,
                                       const Acquire& what, std::size_t limit) {
  std::vector<JobState> states = what.states;
  if (states.empty()) states = {JobState::kPreprocessed, JobState::kRestartReady};
  std::vector<Job> found;
  for (const JobState state : states) {
    if (!is_runnable(state))
      return make_error(Code::kInvalid, "jobs that are {} cannot be run", to_string(state));
    Conditions conditions;
    conditions.add(fmt::format("j.site = {}", session.site));
    conditions.add(fmt::format("j.state = '{}'", to_string(state)));
    conditions.add("j.session = 0");
    conditions.add(
        "(j.lost_by = 0 or not exists"
        " (select 1 from launcher_session n where n.id = j.lost_by))");
    conditions.among("+j.app", what.apps);
    conditions.tagged("j.id", what.filter_tags);
    conditions.add(
        fmt::format("json_extract(j.resources, '$.num_nodes') <= {}", what.max_nodes_per_job));
    if (what.max_wall_time_min > 0) {
      conditions.add(fmt::format("json_extract(j.resources, '$.wall_time_min') <= {}",
                                 what.max_wall_time_min));
    }
    if (what.max_gpus_per_node) {
      conditions.add(fmt::format("not ({})", more_gpus_than(*what.max_gpus_per_node)));
    }
    const std::size_t most = what.fits ? std::max(limit, kMaxLookedAt) : limit;
    TRY_ASSIGN(auto jobs,
               select_jobs(sql,
                           fmt::format("select {} from job j{} order by j.id{}", JobRow::kColumns,
                                       conditions.where(), limit_text(most, 0)),
                           conditions));
    std::move(jobs.begin(), jobs.end(), std::back_inserter(found));
  }
  std::sort(found.begin(), found.end(), [](const Job& a, const Job& b) { return a.id < b.id; });
  if (what.fits) std::erase_if(found, [&](const Job& job) { return !what.fits(job.resources); });
  if (found.size() > limit) found.resize(limit);
  return found;
}

// A job of the session that has not begun to run.
bool is_held(const Job& job, SessionId session) {
  return job.session == session && is_runnable(job.state);
}

Result<void> start(soci::session& sql, Lifecycle& lifecycle, const Session& session, JobId id) {
  TRY(lifecycle.move_job(id, JobState::kRunning, session.holder));
  if (session.batch_job) {
    const long long batch_job = *session.batch_job, job = id;
    sql << "update job set batch_job = :batch where id = :id", use(batch_job), use(job);
  }
  return {};
}

Result<void> end_run(soci::session& sql, Lifecycle& lifecycle, const Session& session,
                     const RunEnd& end) {
  const auto job = load_job(sql, end.job);
  if (!job || job->session != session.id) return {};  // cancelled, deleted, or taken
  if (end.state == JobState::kRestartReady && is_runnable(job->state)) {
    set_free(sql, end.job);
    return {};
  }
  // It could not even be started: that is how its run ended all the same.
  if (is_held(*job, session.id)) TRY(start(sql, lifecycle, session, end.job));
  if (end.return_code) {
    sql << "update job set return_code = :code where id = :id", use(*end.return_code), use(end.job);
  }
  return lifecycle.move_job(end.job, end.state, end.message);
}

Result<void> close_session(soci::session& sql, Lifecycle& lifecycle, SessionId id,
                           std::string_view why) {
  for (const JobId job_id : held_jobs(sql, id)) {
    TRY_ASSIGN(const Job job, load_job(sql, job_id));
    if (job.state == JobState::kRunning)
      TRY(lifecycle.move_job(job_id, JobState::kRunTimeout, why));
    else
      set_free(sql, job_id);
  }
  forget_lost(sql, id, {});
  const long long session = id;
  sql << "delete from launcher_session where id = :id", use(session);
  return {};
}

std::vector<Session> dead_sessions(soci::session& sql, TimePoint now) {
  Conditions dead;
  dead.add(
      fmt::format("(n.heartbeat <= {} or (n.batch_job > 0 and not exists (select 1 from"
                  " batch_job b where b.id = n.batch_job and b.state not in ('{}', '{}'))))",
                  to_stored(now - kSessionLease), to_string(BatchJobState::kFinished),
                  to_string(BatchJobState::kSubmitFailed)));
  return select_sessions(sql, dead);
}

}  // namespace

Result<Session> Sessions::open(SiteId site, std::optional<BatchJobId> batch_job,
                               std::string_view holder) {
  const long long now = to_stored(clock_.now()), batch = batch_job.value_or(0), site_id = site;
  const std::string text(holder);
  return database_.write([&](soci::session& sql) -> Result<Session> {
    if (select_number(sql, fmt::format("select count(*) from site where id = {}", site)) == 0) {
      return make_error(Code::kNotFound,
                        "there is no site {}; `wherry site ls` shows those that exist", site);
    }
    sql << "insert into launcher_session (site, batch_job, holder, created, heartbeat)"
           " values (:site, :batch, :holder, :created, :heartbeat)",
        use(site_id), use(batch), use(text), use(now), use(now);
    return load_session(sql, inserted_id(sql));
  });
}

Result<Session> Sessions::get(SessionId id) {
  return database_.read([&](soci::session& sql) { return load_session(sql, id); });
}

Result<std::vector<Session>> Sessions::list(std::span<const SiteId> sites) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<Session>> {
    Conditions conditions;
    conditions.among("n.site", sites);
    return select_sessions(sql, conditions);
  });
}

Result<std::vector<AcquiredJob>> Sessions::acquire(SessionId id, const Acquire& what) {
  return database_.write([&](soci::session& sql) -> Result<std::vector<AcquiredJob>> {
    TRY_ASSIGN(const Session session, load_session(sql, id));
    beat(sql, id, clock_.now());
    TRY_ASSIGN(auto jobs, runnable_jobs(sql, session, what, std::min(what.max_jobs, kMaxAcquire)));
    long long job_id = 0;
    const long long session_id = id;
    soci::statement hold = (sql.prepare << "update job set session = :session where id = :id",
                            use(session_id), use(job_id));
    std::map<AppId, App> apps;
    std::vector<AcquiredJob> acquired;
    for (Job& job : jobs) {
      if (!apps.contains(job.app)) {
        TRY_ASSIGN(apps[job.app], load_app(sql, job.app));
      }
      job_id = job.id;
      hold.execute(true);
      job.session = id;
      const App& app = apps[job.app];
      acquired.push_back({std::move(job), app});
    }
    return acquired;
  });
}

Result<std::optional<Job>> Sessions::with_more_gpus(SiteId site, std::size_t most) {
  return database_.read([&](soci::session& sql) -> Result<std::optional<Job>> {
    Conditions conditions;
    conditions.add(fmt::format("j.site = {}", site));
    conditions.in_states("j.state",
                         std::vector<JobState>{JobState::kPreprocessed, JobState::kRestartReady});
    conditions.add("j.session = 0");
    conditions.add(more_gpus_than(most));
    TRY_ASSIGN(auto found, select_jobs(sql,
                                       fmt::format("select {} from job j{} limit 1",
                                                   JobRow::kColumns, conditions.where()),
                                       conditions));
    return found.empty() ? std::optional<Job>() : std::optional(std::move(found.front()));
  });
}

Result<std::vector<JobId>> Sessions::started(SessionId id, std::span<const JobId> jobs) {
  return database_.write([&](soci::session& sql) -> Result<std::vector<JobId>> {
    TRY_ASSIGN(const Session session, load_session(sql, id));
    beat(sql, id, clock_.now());
    Lifecycle lifecycle(sql, clock_.now());
    std::vector<JobId> lost;
    for (const JobId job_id : jobs) {
      const auto job = load_job(sql, job_id);
      if (job && is_held(*job, id))
        TRY(start(sql, lifecycle, session, job_id));
      else if (!job || job->session != id)
        lost.push_back(job_id);
    }
    return lost;
  });
}

Result<std::vector<JobId>> Sessions::tick(SessionId id, std::span<const JobId> running) {
  return database_.write([&](soci::session& sql) -> Result<std::vector<JobId>> {
    TRY(load_session(sql, id));
    beat(sql, id, clock_.now());
    forget_lost(sql, id, running);
    const auto held = held_jobs(sql, id);
    std::vector<JobId> lost;
    for (const JobId job : running)
      if (!std::binary_search(held.begin(), held.end(), job)) lost.push_back(job);
    return lost;
  });
}

Result<void> Sessions::ended(SessionId id, std::span<const RunEnd> ends) {
  for (const RunEnd& end : ends) {
    const bool is_end = end.state == JobState::kRunDone || end.state == JobState::kRunError ||
                        end.state == JobState::kRunTimeout || end.state == JobState::kRestartReady;
    if (!is_end) {
      return make_error(Code::kInvalid, "job {}: a run does not end as {}", end.job,
                        to_string(end.state));
    }
  }
  return database_.write([&](soci::session& sql) -> Result<void> {
    const auto session = load_session(sql, id);
    if (!session) return {};  // it holds nothing any more
    beat(sql, id, clock_.now());
    Lifecycle lifecycle(sql, clock_.now());
    for (const RunEnd& end : ends) TRY(end_run(sql, lifecycle, *session, end));
    return {};
  });
}

Result<void> Sessions::close(SessionId id) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    Lifecycle lifecycle(sql, clock_.now());
    return close_session(sql, lifecycle, id, "its launcher ended before it did");
  });
}

Result<std::size_t> Sessions::expire() {
  const TimePoint now = clock_.now();
  TRY_ASSIGN(const bool has_dead, database_.read([&](soci::session& sql) -> Result<bool> {
    return !dead_sessions(sql, now).empty();
  }));
  if (!has_dead) return std::size_t{0};  // the usual case delays no writer
  return database_.write([&](soci::session& sql) -> Result<std::size_t> {
    Lifecycle lifecycle(sql, now);
    const auto dead = dead_sessions(sql, now);
    for (const Session& session : dead) {
      TRY(close_session(sql, lifecycle, session.id,
                        fmt::format("its launcher died: {}", session.holder)));
    }
    return dead.size();
  });
}

}  // namespace wherry::jobs
