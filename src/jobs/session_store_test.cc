// SPDX-License-Identifier: Apache-2.0
#include "jobs/session_store.h"

#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "base/worker_pool.h"
#include "jobs/store_fixture.h"

namespace wherry::jobs {
namespace {

using J = JobState;

class SessionStoreTest : public StoreTest {
 protected:
  std::vector<JobId> make_runnable(std::size_t count) {
    std::vector<JobId> ids;
    for (std::size_t i = 0; i < count; ++i) {
      ids.push_back(make(bare(fmt::format("run/{}", made_++))).id);
      advance(ids.back(), {J::kPreprocessed});
    }
    return ids;
  }
  SessionId open(std::string_view holder = "launcher") {
    return stores_->sessions.open(site_, std::nullopt, holder).value().id;
  }
  std::vector<JobId> acquire(SessionId session, std::size_t count) {
    Acquire what;
    what.max_jobs = count;
    std::vector<JobId> ids;
    const auto rows = stores_->sessions.acquire(session, what).value();
    for (const AcquiredJob& acquired : rows) ids.push_back(acquired.job.id);
    return ids;
  }
  void end(SessionId session, JobId job, J state, std::optional<int> code = std::nullopt) {
    const RunEnd run_end{job, state, code, ""};
    ASSERT_TRUE(stores_->sessions.ended(session, {&run_end, 1}));
  }

  std::size_t made_ = 0;
};

TEST_F(SessionStoreTest, TheOldestRunnableJobsAreTakenFirst) {
  const auto jobs = make_runnable(4);
  advance(jobs[3], {J::kRunning, J::kRunError, J::kRestartReady});
  const SessionId session = open();
  EXPECT_EQ(acquire(session, 2), (std::vector<JobId>{jobs[0], jobs[1]}));
  EXPECT_EQ(acquire(session, 10), (std::vector<JobId>{jobs[2], jobs[3]}));
  EXPECT_TRUE(acquire(session, 10).empty());
}

TEST_F(SessionStoreTest, NoJobEverHasTwoHolders) {
  const auto jobs = make_runnable(200);
  std::mutex mutex;
  std::map<JobId, SessionId> held;
  std::set<JobId> twice;
  {
    WorkerPool pool({.threads = 4});
    for (int launcher = 0; launcher < 4; ++launcher) {
      pool.submit([&] {
        const SessionId session = open();
        for (;;) {
          const auto taken = acquire(session, 3);
          if (taken.empty()) return;
          const std::lock_guard lock(mutex);
          for (const JobId id : taken)
            if (!held.emplace(id, session).second) twice.insert(id);
        }
      });
    }
  }
  EXPECT_TRUE(twice.empty());
  EXPECT_EQ(held.size(), jobs.size());
  for (const auto& [id, session] : held) EXPECT_EQ(job(id).session, session);
}

TEST_F(SessionStoreTest, JobsThatDoNotFitAreLeft) {
  NewJob wide = bare("wide"), lengthy = bare("lengthy"), tagged = bare("tagged");
  wide.resources = Resources();
  wide.resources->num_nodes = 4;
  lengthy.resources = Resources();
  lengthy.resources->wall_time_min = 120;
  tagged.tags = {{"queue", "fast"}};
  std::vector<JobId> ids;
  for (const NewJob& job : {wide, lengthy, tagged}) {
    ids.push_back(make(job).id);
    advance(ids.back(), {J::kPreprocessed});
  }
  const SessionId session = open();
  Acquire what;
  what.max_jobs = 10;
  what.max_wall_time_min = 60;
  what.filter_tags = {{"queue", "fast"}};
  const auto fast = stores_->sessions.acquire(session, what).value();
  ASSERT_EQ(fast.size(), 1u);
  EXPECT_EQ(fast[0].job.id, ids[2]);
  EXPECT_EQ(fast[0].app.name, "bare");
  what.filter_tags.clear();
  EXPECT_TRUE(stores_->sessions.acquire(session, what).value().empty());
  what.max_nodes_per_job = 4;
  EXPECT_EQ(stores_->sessions.acquire(session, what).value().size(), 1u);
  what.max_wall_time_min = 0;
  EXPECT_EQ(stores_->sessions.acquire(session, what).value().size(), 1u);
}

TEST_F(SessionStoreTest, ARunGoesFromTheLauncherIntoTheJob) {
  const JobId id = make_runnable(1)[0];
  const SessionId session = open("launcher, process 12 on node3");
  acquire(session, 1);
  EXPECT_EQ(state(id), J::kPreprocessed);
  EXPECT_TRUE(stores_->sessions.started(session, {&id, 1}).value().empty());
  EXPECT_EQ(state(id), J::kRunning);
  EXPECT_EQ(job(id).session, session);
  end(session, id, J::kRunError, 137);
  EXPECT_EQ(state(id), J::kRunError);
  EXPECT_EQ(job(id).return_code, 137);
  EXPECT_FALSE(job(id).session);
}

TEST_F(SessionStoreTest, AJobRemembersTheAllocationThatRanIt) {
  const JobId id = make_runnable(1)[0];
  BatchJob batch;
  batch.site = site_;
  const BatchJobId batch_job = stores_->batch_jobs.create(batch).value().id;
  const SessionId session = stores_->sessions.open(site_, batch_job, "launcher").value().id;
  acquire(session, 1);
  ASSERT_TRUE(stores_->sessions.started(session, {&id, 1}));
  EXPECT_EQ(job(id).batch_job, batch_job);
  JobFilter filter;
  filter.batch_job = batch_job;
  EXPECT_EQ(stores_->jobs.list(filter).value().count, 1u);
}

TEST_F(SessionStoreTest, AJobThatWasNotRunIsFreeAgain) {
  const auto jobs = make_runnable(2);
  const SessionId session = open();
  acquire(session, 2);
  ASSERT_TRUE(stores_->sessions.started(session, {&jobs[0], 1}));
  end(session, jobs[0], J::kRestartReady);
  end(session, jobs[1], J::kRestartReady);
  EXPECT_EQ(state(jobs[0]), J::kRestartReady);
  EXPECT_EQ(state(jobs[1]), J::kPreprocessed);
  EXPECT_EQ(acquire(open(), 10), jobs);
}

TEST_F(SessionStoreTest, ALauncherLearnsWhichJobsAreNotItsOwnAnyMore) {
  const auto jobs = make_runnable(4);
  const SessionId session = open();
  acquire(session, 4);
  const std::vector<JobId> running = {jobs[0], jobs[1], jobs[2]};
  ASSERT_TRUE(stores_->sessions.started(session, running));
  ASSERT_TRUE(stores_->jobs.cancel(jobs[0]));
  ASSERT_TRUE(stores_->jobs.cancel(jobs[3]));
  JobFilter removed;
  removed.ids = {jobs[1]};
  ASSERT_TRUE(stores_->jobs.remove(removed));
  EXPECT_EQ(stores_->sessions.tick(session, running).value(),
            (std::vector<JobId>{jobs[0], jobs[1]}));
  EXPECT_EQ(stores_->sessions.started(session, {&jobs[3], 1}).value(), std::vector<JobId>{jobs[3]});
  EXPECT_EQ(state(jobs[3]), J::kFailed);
}

TEST_F(SessionStoreTest, TheEndOfARunOfACancelledJobChangesNothing) {
  const JobId id = make_runnable(1)[0];
  const SessionId session = open();
  acquire(session, 1);
  ASSERT_TRUE(stores_->sessions.started(session, {&id, 1}));
  ASSERT_TRUE(stores_->jobs.cancel(id));
  end(session, id, J::kRunDone, 0);
  EXPECT_EQ(state(id), J::kFailed);
  EXPECT_FALSE(job(id).return_code);
}

TEST_F(SessionStoreTest, ARetriedJobIsTakenOnlyWhenWhoRanItHasEndedIt) {
  const auto jobs = make_runnable(2);
  const SessionId first = open("first"), second = open("second");
  acquire(first, 2);
  ASSERT_TRUE(stores_->sessions.started(first, {&jobs[0], 1}));
  for (const JobId id : jobs) {
    ASSERT_TRUE(stores_->jobs.cancel(id));
    ASSERT_TRUE(stores_->jobs.retry(id));
  }
  advance(jobs[1], {J::kPreprocessed});
  EXPECT_TRUE(acquire(second, 10).empty());
  EXPECT_TRUE(acquire(first, 10).empty());
  EXPECT_EQ(stores_->sessions.tick(first, jobs).value(), jobs);
  EXPECT_TRUE(acquire(second, 10).empty());
  EXPECT_EQ(stores_->sessions.tick(first, {&jobs[0], 1}).value(), std::vector<JobId>{jobs[0]});
  EXPECT_EQ(acquire(second, 10), std::vector<JobId>{jobs[1]});
  ASSERT_TRUE(stores_->sessions.close(first));
  EXPECT_EQ(acquire(second, 10), std::vector<JobId>{jobs[0]});
}

TEST_F(SessionStoreTest, JobsOfADeadLauncherAreCutOffAndThoseItOnlyHeldAreFree) {
  const auto jobs = make_runnable(2);
  const SessionId dead = open("dead"), alive = open("alive");
  acquire(dead, 2);
  ASSERT_TRUE(stores_->sessions.started(dead, {&jobs[0], 1}));
  clock_.advance(kSessionLease - std::chrono::seconds(1));
  ASSERT_TRUE(stores_->sessions.tick(alive, {}));
  EXPECT_EQ(stores_->sessions.expire().value(), 0u);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(stores_->sessions.expire().value(), 1u);
  EXPECT_EQ(state(jobs[0]), J::kRunTimeout);
  EXPECT_EQ(acquire(alive, 10), std::vector<JobId>{jobs[1]});
  EXPECT_EQ(stores_->sessions.tick(dead, {}).error().code, Code::kNotFound);
  EXPECT_EQ(stores_->sessions.acquire(dead, {}).error().code, Code::kNotFound);
  // Late news of a launcher that was thought dead.
  end(dead, jobs[0], J::kRunDone, 0);
  EXPECT_EQ(state(jobs[0]), J::kRunTimeout);
}

TEST_F(SessionStoreTest, ASessionEndsWithItsAllocation) {
  const JobId id = make_runnable(1)[0];
  BatchJob batch;
  batch.site = site_;
  const BatchJobId batch_job = stores_->batch_jobs.create(batch).value().id;
  const SessionId session = stores_->sessions.open(site_, batch_job, "launcher").value().id;
  acquire(session, 1);
  ASSERT_TRUE(stores_->sessions.started(session, {&id, 1}));
  EXPECT_EQ(stores_->sessions.expire().value(), 0u);
  BatchJobs::Change change;
  change.state = BatchJobState::kFinished;
  ASSERT_TRUE(stores_->batch_jobs.modify(batch_job, change));
  EXPECT_EQ(stores_->sessions.expire().value(), 1u);
  EXPECT_EQ(state(id), J::kRunTimeout);
}

TEST_F(SessionStoreTest, AClosedSessionHoldsNothing) {
  const auto jobs = make_runnable(2);
  const SessionId session = open();
  acquire(session, 2);
  ASSERT_TRUE(stores_->sessions.started(session, {&jobs[0], 1}));
  ASSERT_TRUE(stores_->sessions.close(session));
  EXPECT_EQ(state(jobs[0]), J::kRunTimeout);
  EXPECT_FALSE(job(jobs[1]).session);
  EXPECT_TRUE(stores_->sessions.list({}).value().empty());
  EXPECT_TRUE(stores_->sessions.close(session)) << "once more does no harm";
}

TEST_F(SessionStoreTest, OnlyRunnableJobsAreHandedOut) {
  make(bare("staged in"));
  const SessionId session = open();
  EXPECT_TRUE(acquire(session, 10).empty());
  Acquire what;
  what.states = {J::kStagedIn};
  EXPECT_EQ(stores_->sessions.acquire(session, what).error().code, Code::kInvalid);
}

TEST_F(SessionStoreTest, BatchJobsFollowTheirTable) {
  BatchJob batch;
  batch.site = site_;
  batch.queue = "debug";
  batch.optional_params = {{"gres", "gpu:1"}};
  batch.filter_tags = {{"run", "1"}};
  batch.num_nodes = 2;
  batch.job_mode = JobMode::kMpi;
  const BatchJob made = stores_->batch_jobs.create(batch).value();
  EXPECT_EQ(made.optional_params, batch.optional_params);
  EXPECT_EQ(made.filter_tags, batch.filter_tags);
  EXPECT_EQ(made.job_mode, JobMode::kMpi);
  BatchJobs::Change change;
  change.state = BatchJobState::kQueued;
  change.scheduler_id = "4711";
  ASSERT_TRUE(stores_->batch_jobs.modify(made.id, change));
  EXPECT_EQ(stores_->batch_jobs.remove(made.id).error().code, Code::kConflict);
  change.state = BatchJobState::kPendingSubmission;
  EXPECT_EQ(stores_->batch_jobs.modify(made.id, change).error().code, Code::kConflict);
  change.state = BatchJobState::kFinished;
  EXPECT_EQ(stores_->batch_jobs.modify(made.id, change)->ended, clock_.now());
  BatchJobFilter filter;
  filter.scheduler_id = "4711";
  filter.states = {BatchJobState::kFinished};
  EXPECT_EQ(stores_->batch_jobs.list(filter).value().count, 1u);
  EXPECT_TRUE(stores_->batch_jobs.remove(made.id));
  batch.num_nodes = 0;
  EXPECT_EQ(stores_->batch_jobs.create(batch).error().code, Code::kInvalid);
}

TEST_F(SessionStoreTest, BatchJobsAreFoundByTheirTimesAndTags) {
  std::vector<BatchJobId> ids;
  for (const char* run : {"1", "2", "2"}) {
    BatchJob batch;
    batch.site = site_;
    batch.filter_tags = {{"run", run}, {"a:b", "c"}};
    ids.push_back(stores_->batch_jobs.create(batch).value().id);
  }
  const TimePoint noon = clock_.now();
  const auto ran = [&](BatchJobId id, std::chrono::minutes from, std::chrono::minutes until) {
    BatchJobs::Change change;
    change.state = BatchJobState::kQueued;
    ASSERT_TRUE(stores_->batch_jobs.modify(id, change));
    change.state = BatchJobState::kRunning;
    change.started = noon + from;
    ASSERT_TRUE(stores_->batch_jobs.modify(id, change));
    change.state = BatchJobState::kFinished;
    change.ended = noon + until;
    ASSERT_TRUE(stores_->batch_jobs.modify(id, change));
  };
  using std::chrono::minutes;
  ran(ids[0], minutes(10), minutes(20));
  ran(ids[1], minutes(5), minutes(30));
  const auto found = [&](const std::function<void(BatchJobFilter&)>& ask) {
    BatchJobFilter filter;
    ask(filter);
    std::vector<BatchJobId> numbers;
    const auto page = stores_->batch_jobs.list(filter).value();
    for (const BatchJob& one : page.rows) numbers.push_back(one.id);
    return numbers;
  };
  using Ids = std::vector<BatchJobId>;
  using Filter = BatchJobFilter;
  EXPECT_EQ(found([](Filter& f) { f.filter_tags = {{"run", "2"}}; }), (Ids{ids[1], ids[2]}));
  EXPECT_EQ(found([](Filter& f) {
              f.filter_tags = {{"run", "2"}, {"a:b", "c"}};
            }),
            (Ids{ids[1], ids[2]}));
  EXPECT_EQ(found([](Filter& f) { f.filter_tags = {{"run", "2"}, {"a:b", "d"}}; }), Ids{});
  EXPECT_EQ(found([&](Filter& f) { f.started_after = noon + minutes(6); }), Ids{ids[0]});
  EXPECT_EQ(found([&](Filter& f) { f.started_before = noon + minutes(60); }), (Ids{ids[0], ids[1]}))
      << "what has not started fits no time";
  EXPECT_EQ(found([&](Filter& f) { f.ended_after = noon + minutes(25); }), Ids{ids[1]});
  EXPECT_EQ(found([&](Filter& f) { f.ended_before = noon + minutes(25); }), Ids{ids[0]});
  EXPECT_EQ(found([](Filter& f) {
              f.order = Filter::Order::kStarted;
              f.sorting = Sorting::kDescending;
            }),
            (Ids{ids[0], ids[1], ids[2]}));
  EXPECT_EQ(found([](Filter& f) { f.order = Filter::Order::kEnded; }),
            (Ids{ids[2], ids[0], ids[1]}));
}

TEST_F(SessionStoreTest, SeveralBatchJobsChangeAllOrNone) {
  BatchJob batch;
  batch.site = site_;
  std::vector<BatchJobs::Numbered> changes(2);
  for (BatchJobs::Numbered& one : changes) {
    one.id = stores_->batch_jobs.create(batch).value().id;
    one.change.state = BatchJobState::kPendingDeletion;
  }
  changes.push_back(changes.back());
  changes.back().id = 77;
  EXPECT_EQ(stores_->batch_jobs.modify(changes).error().code, Code::kNotFound);
  EXPECT_EQ(stores_->batch_jobs.get(changes[0].id)->state, BatchJobState::kPendingSubmission);
  changes.pop_back();
  ASSERT_TRUE(stores_->batch_jobs.modify(changes));
  for (const BatchJobs::Numbered& one : changes)
    EXPECT_EQ(stores_->batch_jobs.get(one.id)->state, BatchJobState::kPendingDeletion);
  changes.resize(kMaxBulk + 1);
  EXPECT_EQ(stores_->batch_jobs.modify(changes).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::jobs
