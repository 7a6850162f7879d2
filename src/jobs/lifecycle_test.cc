// SPDX-License-Identifier: Apache-2.0
// Names of defects (B1 to B22) are those of the system whose words these are.
#include "jobs/lifecycle.h"

#include "jobs/store_fixture.h"

namespace wherry::jobs {
namespace {

using J = JobState;
using I = ItemState;

const tasks::TaskError kNoSuchFile{"FILE_NOT_FOUND", "no such file"};

class LifecycleTest : public StoreTest {
 protected:
  // Past the tables: to try what each state allows.
  void force(JobId id, J to) {
    const std::string text(to_string(to));
    const long long job = id;
    database_
        ->write([&](soci::session& sql) -> Result<void> {
          sql << "update job set state = :state where id = :id", soci::use(text), soci::use(job);
          return {};
        })
        .value();
  }
};

TEST_F(LifecycleTest, AJobWithoutInputsIsStagedInAtOnce) {
  EXPECT_EQ(make(bare("a")).state, J::kStagedIn);
}

TEST_F(LifecycleTest, AJobIsStagedInWhenItsLastInputIsDone) {
  put_app("two", {{"a", {Direction::kIn, true, "a", false, ""}},
                  {"b", {Direction::kIn, true, "b", false, ""}}});
  NewJob two = bare("two");
  two.app = "two";
  two.transfers = {{"a", {"lab", "/a"}}, {"b", {"archive", "/b"}}};
  const JobId id = make(two).id;
  EXPECT_EQ(state(id), J::kReady);
  bring(items(id)[1]);
  EXPECT_EQ(state(id), J::kReady);
  bring(items(id)[0]);
  EXPECT_EQ(state(id), J::kStagedIn);
}

TEST_F(LifecycleTest, StagedOutStandsInTheEvents) {
  const JobId moving = make(work("a")).id, bare_one = make(bare("b")).id;
  run(moving);
  EXPECT_EQ(state(moving), J::kPostprocessed);
  bring(output(moving));
  run(bare_one);
  for (const JobId id : {moving, bare_one}) {
    EXPECT_EQ(state(id), J::kJobFinished);
    EXPECT_TRUE(history(id).ends_with("POSTPROCESSED STAGED_OUT JOB_FINISHED")) << history(id);
  }
}

// Scenario 4: in the transaction that finishes their parent.
TEST_F(LifecycleTest, B5ChildrenAreReleasedWhenStageOutFinishesTheirParent) {
  const JobId parent = make(work("parent")).id;
  std::vector<JobId> children;
  for (const char* name : {"a", "b", "c"}) children.push_back(make(bare(name, {parent})).id);
  for (const JobId child : children) EXPECT_EQ(state(child), J::kAwaitingParents);
  run(parent);
  ASSERT_TRUE(move_item(output(parent).id, I::kActive));
  for (const JobId child : children) EXPECT_EQ(state(child), J::kAwaitingParents);
  ASSERT_TRUE(move_item(output(parent).id, I::kDone));
  for (const JobId child : children) EXPECT_EQ(state(child), J::kStagedIn);
}

TEST_F(LifecycleTest, B5ChildrenAreReleasedByAParentThatMovesNothing) {
  const JobId parent = make(bare("parent")).id, child = make(bare("child", {parent})).id;
  run(parent);
  EXPECT_EQ(state(child), J::kStagedIn);
}

TEST_F(LifecycleTest, AChildWaitsForAllItsParents) {
  const JobId one = make(bare("one")).id, two = make(bare("two")).id;
  const JobId child = make(bare("child", {one, two, one})).id;
  run(one);
  EXPECT_EQ(state(child), J::kAwaitingParents);
  run(two);
  EXPECT_EQ(state(child), J::kStagedIn);
}

TEST_F(LifecycleTest, InputsOfAChildWaitForItsParents) {
  const JobId parent = make(bare("parent")).id;
  NewJob job = work("child");
  job.parents = {parent};
  const JobId child = make(job).id;
  EXPECT_EQ(input(child).state, I::kAwaitingJob);
  EXPECT_TRUE(stores_->items.pending(site_, 10, clock_.now()).value().empty());
  run(parent);
  EXPECT_EQ(state(child), J::kReady);
  EXPECT_EQ(input(child).state, I::kPending);
  EXPECT_EQ(output(child).state, I::kAwaitingJob);
}

TEST_F(LifecycleTest, AJobMadeBehindAFinishedParentDoesNotWait) {
  const JobId parent = make(bare("parent")).id;
  run(parent);
  EXPECT_EQ(make(bare("child", {parent})).state, J::kStagedIn);
}

TEST_F(LifecycleTest, B4AnItemThatCannotSucceedFailsItsJobAndSaysWhy) {
  const JobId id = make(work("a")).id;
  ASSERT_TRUE(move_item(input(id).id, I::kActive));
  ASSERT_TRUE(move_item(input(id).id, I::kError, kNoSuchFile));
  EXPECT_EQ(state(id), J::kFailed);
  EXPECT_EQ(input(id).error, kNoSuchFile);
  EventFilter filter;
  filter.jobs = {id};
  filter.to = "FAILED";
  const auto events = stores_->jobs.events(filter).value();
  ASSERT_EQ(events.count, 1u);
  EXPECT_EQ(events.rows[0].message, "input 'image', 'lab:/images/a': FILE_NOT_FOUND");
}

TEST_F(LifecycleTest, AJobStaysWhereItIsIfThePolicyHoldsIt) {
  const JobId id = make(work("a")).id;
  ASSERT_TRUE(move_item(input(id).id, I::kActive));
  ASSERT_TRUE(move_item(input(id).id, I::kError, kNoSuchFile, OfJob::kStays));
  EXPECT_EQ(state(id), J::kReady);
  ASSERT_TRUE(move_item(input(id).id, I::kPending));
  bring(input(id));
  EXPECT_EQ(state(id), J::kStagedIn);
}

TEST_F(LifecycleTest, AnOptionalItemInErrorHoldsNobodyUp) {
  put_app("lax", {{"extra", {Direction::kIn, false, "extra", false, ""}}});
  NewJob job = bare("a");
  job.app = "lax";
  job.transfers["extra"] = {"lab", "/extra"};
  const JobId id = make(job).id;
  EXPECT_EQ(state(id), J::kReady);
  ASSERT_TRUE(move_item(input(id).id, I::kActive));
  ASSERT_TRUE(move_item(input(id).id, I::kError, kNoSuchFile));
  EXPECT_EQ(state(id), J::kStagedIn);
}

TEST_F(LifecycleTest, OnlyWhatTheTableAllowsHappensWhoeverAsks) {
  const JobId id = make(bare("a")).id;
  for (const J from : all_job_states()) {
    for (const J to : all_job_states()) {
      if (may_move(from, to)) continue;
      force(id, from);
      const auto moved = move(id, to);
      ASSERT_FALSE(moved) << to_string(from) << " to " << to_string(to);
      EXPECT_EQ(moved.error().code, Code::kConflict);
      EXPECT_EQ(state(id), from);
    }
  }
}

TEST_F(LifecycleTest, ARefusalNamesBothStatesAndWhatIsAllowed) {
  const JobId id = make(bare("a")).id;
  const auto moved = move(id, J::kRunning);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().message,
            fmt::format("job {} is STAGED_IN and cannot become RUNNING; from there it can become "
                        "PREPROCESSED, FAILED",
                        id));
}

TEST_F(LifecycleTest, NobodyGetsAJobPastAnInputThatHasNotCome) {
  const JobId id = make(work("a")).id;
  EXPECT_EQ(move(id, J::kStagedIn).error().code, Code::kConflict);
  ASSERT_TRUE(move(id, J::kFailed));
  for (const J to : {J::kStagedIn, J::kRestartReady, J::kRunDone, J::kPostprocessed})
    EXPECT_EQ(move(id, to).error().code, Code::kConflict) << to_string(to);
  EXPECT_EQ(state(id), J::kFailed);
  EXPECT_TRUE(move(id, J::kReady));
}

TEST_F(LifecycleTest, NobodyGetsAJobPastAParentThatIsNotFinished) {
  const JobId parent = make(bare("parent")).id, child = make(bare("child", {parent})).id;
  for (const J to : {J::kReady, J::kStagedIn})
    EXPECT_EQ(move(child, to).error().code, Code::kConflict) << to_string(to);
  ASSERT_TRUE(move(child, J::kFailed));
  EXPECT_EQ(move(child, J::kReady).error().code, Code::kConflict);
}

TEST_F(LifecycleTest, NobodyHasAnOutputMovedBeforeItIsMade) {
  const JobId id = make(work("a")).id;
  EXPECT_EQ(move_item(output(id).id, I::kPending).error().code, Code::kConflict);
  EXPECT_EQ(output(id).state, I::kAwaitingJob);
}

TEST_F(LifecycleTest, AFailedJobGivesUpWhatHasNotBeenMoved) {
  const JobId id = make(work("a")).id;
  ASSERT_TRUE(move_item(input(id).id, I::kActive));
  ASSERT_TRUE(move(id, J::kFailed, "cancelled"));
  for (const TransferItem& item : items(id)) {
    EXPECT_EQ(item.state, I::kError);
    ASSERT_TRUE(item.error);
    EXPECT_EQ(item.error->code, kJobFailed);
  }
}

// From where a job failed, where a retry takes it: a job with an input that has come.
TEST_F(LifecycleTest, ARetryTakesAJobToWhereItCanGoOn) {
  struct Case {
    J failed_from;
    J goes_on;
  };
  const Case cases[] = {
      {J::kStagedIn, J::kStagedIn},         {J::kPreprocessed, J::kStagedIn},
      {J::kRunning, J::kRestartReady},      {J::kRunDone, J::kRunDone},
      {J::kRunError, J::kRestartReady},     {J::kRunTimeout, J::kRestartReady},
      {J::kRestartReady, J::kRestartReady}, {J::kPostprocessed, J::kPostprocessed},
  };
  for (const Case& c : cases) {
    const JobId id = make(work(std::string(to_string(c.failed_from)))).id;
    bring(input(id));
    force(id, c.failed_from);
    ASSERT_TRUE(move(id, J::kFailed));
    const auto retried = stores_->jobs.retry(id);
    ASSERT_TRUE(retried) << retried.error().message;
    EXPECT_EQ(retried->state, c.goes_on) << "failed from " << to_string(c.failed_from);
    EXPECT_EQ(input(id).state, I::kDone);
    EXPECT_EQ(output(id).state, c.goes_on == J::kPostprocessed ? I::kPending : I::kAwaitingJob);
  }
}

TEST_F(LifecycleTest, ARetryMovesAgainOnlyWhatHasNotCome) {
  put_app("two", {{"a", {Direction::kIn, true, "a", false, ""}},
                  {"b", {Direction::kIn, true, "b", false, ""}}});
  NewJob two = bare("two");
  two.app = "two";
  two.transfers = {{"a", {"lab", "/a"}}, {"b", {"lab", "/b"}}};
  const JobId id = make(two).id;
  bring(items(id)[0]);
  ASSERT_TRUE(move_item(items(id)[1].id, I::kActive));
  ASSERT_TRUE(move_item(items(id)[1].id, I::kError, kNoSuchFile));
  ASSERT_EQ(stores_->jobs.retry(id)->state, J::kReady);
  EXPECT_EQ(items(id)[0].state, I::kDone);
  EXPECT_EQ(items(id)[1].state, I::kPending);
  EXPECT_EQ(items(id)[1].attempts, 0);
  EXPECT_FALSE(items(id)[1].error);
  bring(items(id)[1]);
  EXPECT_EQ(state(id), J::kStagedIn);
}

TEST_F(LifecycleTest, ARetriedChildWaitsAgain) {
  const JobId parent = make(bare("parent")).id;
  NewJob job = work("child");
  job.parents = {parent};
  const JobId child = make(job).id;
  ASSERT_TRUE(stores_->jobs.cancel(child));
  EXPECT_EQ(stores_->jobs.retry(child)->state, J::kAwaitingParents);
  EXPECT_EQ(input(child).state, I::kAwaitingJob);
  run(parent);
  EXPECT_EQ(state(child), J::kReady);
}

TEST_F(LifecycleTest, OnlyAFailedJobCanBeRetried) {
  const JobId id = make(work("a")).id;
  EXPECT_EQ(stores_->jobs.retry(id).error().code, Code::kConflict);
}

TEST_F(LifecycleTest, OutputsAreMovedAnewWhenAFailedJobRunsAgain) {
  put_app("results", {{"a", {Direction::kOut, true, "a", false, ""}},
                      {"b", {Direction::kOut, true, "b", false, ""}}});
  NewJob job = bare("job");
  job.app = "results";
  job.transfers = {{"a", {"lab", "/a"}}, {"b", {"lab", "/b"}}};
  const JobId id = make(job).id;
  run(id);
  bring(items(id)[0]);
  ASSERT_TRUE(move_item(items(id)[1].id, I::kActive));
  ASSERT_TRUE(move_item(items(id)[1].id, I::kError, kNoSuchFile));
  ASSERT_EQ(state(id), J::kFailed);
  ASSERT_TRUE(move(id, J::kRestartReady));
  for (const TransferItem& item : items(id)) EXPECT_EQ(item.state, I::kAwaitingJob);
  advance(id, {J::kRunning, J::kRunDone, J::kPostprocessed});
  for (const TransferItem& item : items(id)) bring(item);
  EXPECT_EQ(state(id), J::kJobFinished);
}

TEST_F(LifecycleTest, RunsThatAreRepeatedAreCounted) {
  const JobId id = make(bare("a")).id;
  advance(id, {J::kPreprocessed, J::kRunning, J::kRunError, J::kRestartReady, J::kRunning,
               J::kRunTimeout, J::kRestartReady, J::kRunning, J::kRunTimeout, J::kRestartReady});
  EXPECT_EQ(job(id).error_retries, 1);
  EXPECT_EQ(job(id).timeout_retries, 2);
  advance(id, {J::kFailed});
  ASSERT_TRUE(stores_->jobs.retry(id));
  EXPECT_EQ(job(id).error_retries, 0);
  EXPECT_EQ(job(id).timeout_retries, 0);
}

// Each event begins where the one before it ended, for the job and for each of its items.
TEST_F(LifecycleTest, EveryChangeHasItsEvent) {
  const JobId id = make(work("a")).id;
  ASSERT_TRUE(move_item(input(id).id, I::kActive));
  ASSERT_TRUE(move_item(input(id).id, I::kInactive));
  ASSERT_TRUE(move_item(input(id).id, I::kError, kNoSuchFile));
  ASSERT_TRUE(stores_->jobs.retry(id));
  run(id);
  bring(output(id));
  ASSERT_EQ(state(id), J::kJobFinished);
  std::map<ItemId, std::string> last;
  EventFilter filter;
  filter.jobs = {id};
  filter.sorting = Sorting::kAscending;
  const auto rows = stores_->jobs.events(filter).value().rows;
  for (const JobEvent& event : rows) {
    std::string& before = last[event.item.value_or(0)];
    EXPECT_EQ(event.from, before);
    EXPECT_NE(event.to, before);
    before = event.to;
  }
  EXPECT_EQ(last[0], "JOB_FINISHED");
  EXPECT_EQ(last[input(id).id], "done");
  EXPECT_EQ(last[output(id).id], "done");
}

}  // namespace
}  // namespace wherry::jobs
