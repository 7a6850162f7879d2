// SPDX-License-Identifier: Apache-2.0
#include "jobs/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

namespace wherry::jobs {
namespace {

using J = JobState;
using I = ItemState;
using B = BatchJobState;

template <class State>
using Pairs = std::set<std::pair<State, State>>;

template <class State>
void expect_exactly(std::span<const State> states, std::span<const Transition<State>> table,
                    const Pairs<State>& allowed) {
  for (const State from : states) {
    for (const State to : states) {
      EXPECT_EQ(may_move(from, to), allowed.count({from, to}) != 0)
          << to_string(from) << " to " << to_string(to);
    }
  }
  EXPECT_EQ(table.size(), allowed.size()) << "a pair stands twice";
  for (const Transition<State>& row : table) EXPECT_FALSE(row.why.empty());
}

// Where a walk by the table can lead from `from`, itself included.
std::set<J> reachable(J from) {
  std::set<J> found{from};
  for (bool grew = true; grew;) {
    grew = false;
    for (const auto& row : job_transitions())
      if (found.count(row.from) != 0 && found.insert(row.to).second) grew = true;
  }
  return found;
}

TEST(JobStates, OnlyThePairsOfTheTableMayMove) {
  Pairs<J> allowed = {
      {J::kCreated, J::kAwaitingParents},  {J::kCreated, J::kReady},
      {J::kCreated, J::kStagedIn},         {J::kAwaitingParents, J::kReady},
      {J::kAwaitingParents, J::kStagedIn}, {J::kReady, J::kStagedIn},
      {J::kStagedIn, J::kPreprocessed},    {J::kPreprocessed, J::kRunning},
      {J::kRunning, J::kRunDone},          {J::kRunning, J::kRunError},
      {J::kRunning, J::kRunTimeout},       {J::kRunning, J::kRestartReady},
      {J::kRunDone, J::kPostprocessed},    {J::kRunError, J::kRestartReady},
      {J::kRunTimeout, J::kRestartReady},  {J::kRestartReady, J::kRunning},
      {J::kPostprocessed, J::kStagedOut},  {J::kStagedOut, J::kJobFinished},
      {J::kFailed, J::kAwaitingParents},   {J::kFailed, J::kReady},
      {J::kFailed, J::kStagedIn},          {J::kFailed, J::kRestartReady},
      {J::kFailed, J::kRunDone},           {J::kFailed, J::kPostprocessed},
  };
  // Whatever is not at its end can be cancelled.
  for (const J from : all_job_states())
    if (!is_final(from) && from != J::kStagedOut) allowed.insert({from, J::kFailed});
  expect_exactly(all_job_states(), job_transitions(), allowed);
}

TEST(JobStates, EveryStateLeadsToAnEndAndIsReachedFromTheBeginning) {
  const std::set<J> from_the_beginning = reachable(J::kCreated);
  for (const J state : all_job_states()) {
    EXPECT_EQ(from_the_beginning.count(state), 1U) << to_string(state);
    EXPECT_EQ(reachable(state).count(J::kJobFinished), 1U) << to_string(state);
  }
}

TEST(JobStates, NoWayLeadsToRunningButThroughARunnableState) {
  for (const auto& row : job_transitions())
    EXPECT_TRUE(row.to != J::kRunning || is_runnable(row.from)) << to_string(row.from);
}

TEST(JobStates, AFinishedJobStaysFinished) {
  for (const J to : all_job_states()) EXPECT_FALSE(may_move(J::kJobFinished, to));
  EXPECT_TRUE(settable_by_hand(J::kJobFinished).empty());
}

TEST(JobStates, ByHandIsNothingThatTheTableForbids) {
  for (const J from : all_job_states())
    for (const J to : settable_by_hand(from))
      EXPECT_TRUE(may_move(from, to)) << to_string(from) << " to " << to_string(to);
}

TEST(JobStates, ByHandNobodyClaimsWhatOnlyTheSiteCanKnow) {
  const std::set<J> told_by_the_site = {J::kStagedIn,      J::kPreprocessed, J::kRunning,
                                        J::kRunDone,       J::kRunError,     J::kRunTimeout,
                                        J::kPostprocessed, J::kStagedOut,    J::kJobFinished};
  for (const J from : all_job_states())
    for (const J to : settable_by_hand(from))
      EXPECT_EQ(told_by_the_site.count(to), 0U) << to_string(from) << " to " << to_string(to);
}

TEST(JobStates, NamesAreBalsams) {
  const std::set<std::string_view> balsams = {
      "CREATED",       "AWAITING_PARENTS", "READY",        "STAGED_IN",   "PREPROCESSED",
      "RUNNING",       "RUN_DONE",         "RUN_ERROR",    "RUN_TIMEOUT", "RESTART_READY",
      "POSTPROCESSED", "STAGED_OUT",       "JOB_FINISHED", "FAILED"};
  std::set<std::string_view> names;
  for (const J state : all_job_states()) {
    names.insert(to_string(state));
    EXPECT_EQ(parse_job_state(to_string(state)).value(), state);
  }
  EXPECT_EQ(names, balsams);
}

TEST(JobStates, AnyCaseIsReadAndAnUnknownNameIsRefusedWithTheGoodOnes) {
  EXPECT_EQ(parse_job_state("restart_Ready").value(), J::kRestartReady);
  const auto parsed = parse_job_state("READ\nY");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, Code::kInvalid);
  EXPECT_THAT(parsed.error().message, testing::HasSubstr("READ\\x0aY"));
  EXPECT_THAT(parsed.error().message, testing::HasSubstr("READY, STAGED_IN"));
  EXPECT_FALSE(parse_job_state(""));
  EXPECT_FALSE(parse_job_state("READYX"));
}

TEST(ItemStates, OnlyThePairsOfTheTableMayMove) {
  expect_exactly(all_item_states(), item_transitions(),
                 {{I::kAwaitingJob, I::kPending},
                  {I::kAwaitingJob, I::kDone},
                  {I::kAwaitingJob, I::kError},
                  {I::kPending, I::kActive},
                  {I::kPending, I::kDone},
                  {I::kPending, I::kError},
                  {I::kPending, I::kAwaitingJob},
                  {I::kActive, I::kPending},
                  {I::kActive, I::kInactive},
                  {I::kActive, I::kDone},
                  {I::kActive, I::kError},
                  {I::kInactive, I::kActive},
                  {I::kInactive, I::kPending},
                  {I::kInactive, I::kDone},
                  {I::kInactive, I::kError},
                  {I::kDone, I::kAwaitingJob},
                  {I::kError, I::kPending},
                  {I::kError, I::kAwaitingJob},
                  {I::kError, I::kDone}});
}

TEST(ItemStates, OnlyAPendingItemIsTakenByATask) {
  for (const I from : all_item_states())
    EXPECT_EQ(may_move(from, I::kActive), from == I::kPending || from == I::kInactive);
}

TEST(ItemStates, NamesAreBalsamsAndReadBack) {
  std::set<std::string_view> names;
  for (const I state : all_item_states()) {
    names.insert(to_string(state));
    EXPECT_EQ(parse_item_state(to_string(state)).value(), state);
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"awaiting_job", "pending", "active", "inactive",
                                               "done", "error"}));
  EXPECT_EQ(parse_item_state("Done").value(), I::kDone);
  EXPECT_THAT(parse_item_state("finished").error().message, testing::HasSubstr("inactive, done"));
}

TEST(BatchJobStates, OnlyThePairsOfTheTableMayMove) {
  expect_exactly(all_batch_job_states(), batch_job_transitions(),
                 {{B::kPendingSubmission, B::kQueued},
                  {B::kPendingSubmission, B::kRunning},
                  {B::kPendingSubmission, B::kSubmitFailed},
                  {B::kPendingSubmission, B::kPendingDeletion},
                  {B::kPendingSubmission, B::kFinished},
                  {B::kQueued, B::kRunning},
                  {B::kQueued, B::kFinished},
                  {B::kQueued, B::kPendingDeletion},
                  {B::kRunning, B::kQueued},
                  {B::kRunning, B::kFinished},
                  {B::kRunning, B::kPendingDeletion},
                  {B::kPendingDeletion, B::kFinished}});
}

TEST(BatchJobStates, TheEndIsForEver) {
  for (const B from : all_batch_job_states())
    for (const B to : all_batch_job_states()) EXPECT_FALSE(is_final(from) && may_move(from, to));
}

TEST(BatchJobStates, NamesAreBalsamsAndReadBack) {
  std::set<std::string_view> names;
  for (const B state : all_batch_job_states()) {
    names.insert(to_string(state));
    EXPECT_EQ(parse_batch_job_state(to_string(state)).value(), state);
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"pending_submission", "queued", "running",
                                               "finished", "submit_failed", "pending_deletion"}));
}

TEST(StatesPage, HasEveryStateAndEveryRowOfTheTables) {
  const std::string page = states_markdown();
  for (const J state : all_job_states())
    EXPECT_THAT(page, testing::HasSubstr(fmt::format("\n| `{}` | ", to_string(state))));
  for (const auto& row : job_transitions()) {
    EXPECT_THAT(page, testing::HasSubstr(fmt::format("| `{}` | `{}` | {} |", to_string(row.from),
                                                     to_string(row.to), row.why)));
    EXPECT_THAT(page, testing::HasSubstr(
                          fmt::format("  {} -> {};", to_string(row.from), to_string(row.to))));
  }
  for (const auto& row : item_transitions())
    EXPECT_THAT(page, testing::HasSubstr(
                          fmt::format("  {} -> {};", to_string(row.from), to_string(row.to))));
  EXPECT_TRUE(page.ends_with("```\n"));
}

}  // namespace
}  // namespace wherry::jobs
