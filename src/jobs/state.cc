// SPDX-License-Identifier: Apache-2.0
#include "jobs/state.h"

#include <algorithm>
#include <string>

#include "base/path.h"

namespace wherry::jobs {
namespace {

using J = JobState;
constexpr Transition<JobState> kJobTransitions[] = {
    {J::kCreated, J::kAwaitingParents, "a parent is not finished"},
    {J::kCreated, J::kReady, "it has inputs and no parent to wait for"},
    {J::kCreated, J::kStagedIn, "nothing is to be moved before it runs"},
    {J::kCreated, J::kFailed, "it was cancelled"},
    {J::kAwaitingParents, J::kReady, "its last parent is finished, and it has inputs"},
    {J::kAwaitingParents, J::kStagedIn, "its last parent is finished, and nothing is to be moved"},
    {J::kAwaitingParents, J::kFailed, "a parent is gone, or it was cancelled"},
    {J::kReady, J::kStagedIn, "every input has arrived"},
    {J::kReady, J::kFailed, "a required input cannot come, or it was cancelled"},
    {J::kStagedIn, J::kPreprocessed, "its work directory is made"},
    {J::kStagedIn, J::kFailed, "its work directory cannot be made, or it was cancelled"},
    {J::kPreprocessed, J::kRunning, "a launcher started it"},
    {J::kPreprocessed, J::kFailed, "it was cancelled"},
    {J::kRunning, J::kRunDone, "its command ended with 0"},
    {J::kRunning, J::kRunError, "its command failed"},
    {J::kRunning, J::kRunTimeout, "it was cut off, or its launcher died"},
    {J::kRunning, J::kRestartReady, "its launcher gave it back without having begun"},
    {J::kRunning, J::kFailed, "it was cancelled"},
    {J::kRunDone, J::kPostprocessed, "every required output is there"},
    {J::kRunDone, J::kFailed, "a required output is missing, or it was cancelled"},
    {J::kRunError, J::kRestartReady, "its app allows one more run, or somebody asked for it"},
    {J::kRunError, J::kFailed, "its runs are used up, or it was cancelled"},
    {J::kRunTimeout, J::kRestartReady, "its app allows one more run, or somebody asked for it"},
    {J::kRunTimeout, J::kFailed, "its runs are used up, or it was cancelled"},
    {J::kRestartReady, J::kRunning, "a launcher started it again"},
    {J::kRestartReady, J::kFailed, "it was cancelled"},
    {J::kPostprocessed, J::kStagedOut, "every output has arrived, or there is none"},
    {J::kPostprocessed, J::kFailed, "a required output cannot be moved, or it was cancelled"},
    {J::kStagedOut, J::kJobFinished, "nothing is left to do"},
    // By `wherry job retry`, or by hand: from where it can go on.
    {J::kFailed, J::kAwaitingParents, "retried: it had not got past its parents"},
    {J::kFailed, J::kReady, "retried: an input is missing"},
    {J::kFailed, J::kStagedIn, "retried: its inputs are there, and it has not run"},
    {J::kFailed, J::kRestartReady, "retried: it is to run once more"},
    {J::kFailed, J::kRunDone, "retried: its outputs are looked for again"},
    {J::kFailed, J::kPostprocessed, "retried: an output is to be moved"},
};

using I = ItemState;
constexpr Transition<ItemState> kItemTransitions[] = {
    {I::kAwaitingJob, I::kPending, "its job is POSTPROCESSED; of an input: READY"},
    {I::kAwaitingJob, I::kDone, "its job did not make it, and need not have"},
    {I::kAwaitingJob, I::kError, "its job has failed"},
    {I::kPending, I::kActive, "a task carries it"},
    {I::kPending, I::kDone, "it is not needed, or came with another job's"},
    {I::kPending, I::kError, "it cannot be moved, or its job has failed"},
    {I::kPending, I::kAwaitingJob, "an output whose job runs once more"},
    {I::kActive, I::kPending, "the attempt failed, and another may succeed"},
    {I::kActive, I::kInactive, "its task waits for a person"},
    {I::kActive, I::kDone, "it was moved and verified"},
    {I::kActive, I::kError, "it cannot be moved, or its job has failed"},
    {I::kInactive, I::kActive, "its task goes on"},
    {I::kInactive, I::kPending, "its task ended without it, and another may succeed"},
    {I::kInactive, I::kDone, "it was moved and verified"},
    {I::kInactive, I::kError, "it cannot be moved, or its job has failed"},
    {I::kDone, I::kAwaitingJob, "an output whose job runs once more and makes it anew"},
    {I::kError, I::kPending, "somebody retries it"},
    {I::kError, I::kAwaitingJob, "its job is retried, and does not want it moved yet"},
    {I::kError, I::kDone, "somebody has seen to it by other means"},
};

using B = BatchJobState;
constexpr Transition<BatchJobState> kBatchJobTransitions[] = {
    {B::kPendingSubmission, B::kQueued, "the scheduler has it"},
    {B::kPendingSubmission, B::kRunning, "the scheduler had it already, and runs it"},
    {B::kPendingSubmission, B::kSubmitFailed, "the scheduler refused it"},
    {B::kPendingSubmission, B::kPendingDeletion, "somebody cancelled it"},
    {B::kPendingSubmission, B::kFinished, "the scheduler had it already, and it has ended"},
    {B::kQueued, B::kRunning, "the scheduler runs it"},
    {B::kQueued, B::kFinished, "it ended between two looks"},
    {B::kQueued, B::kPendingDeletion, "somebody cancelled it"},
    {B::kRunning, B::kQueued, "the scheduler put it back into its queue"},
    {B::kRunning, B::kFinished, "it has ended"},
    {B::kRunning, B::kPendingDeletion, "somebody cancelled it"},
    {B::kPendingDeletion, B::kFinished, "the scheduler has ended it, or never had it"},
};

constexpr JobState kAllJobStates[] = {
    J::kCreated,       J::kAwaitingParents, J::kReady,       J::kStagedIn,   J::kPreprocessed,
    J::kRunning,       J::kRunDone,         J::kRunError,    J::kRunTimeout, J::kRestartReady,
    J::kPostprocessed, J::kStagedOut,       J::kJobFinished, J::kFailed,
};
constexpr ItemState kAllItemStates[] = {
    I::kAwaitingJob, I::kPending, I::kActive, I::kInactive, I::kDone, I::kError,
};
constexpr BatchJobState kAllBatchJobStates[] = {
    B::kPendingSubmission, B::kQueued,       B::kRunning,
    B::kFinished,          B::kSubmitFailed, B::kPendingDeletion,
};

template <class State>
bool is_row(std::span<const Transition<State>> table, State from, State to) {
  return std::any_of(table.begin(), table.end(), [&](const Transition<State>& row) {
    return row.from == from && row.to == to;
  });
}

bool equal_but_for_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

template <class State>
Result<State> parse_state(std::string_view text, std::span<const State> all,
                          std::string_view what) {
  std::string names;
  for (const State state : all) {
    if (equal_but_for_case(text, to_string(state))) return state;
    names += names.empty() ? "" : ", ";
    names += to_string(state);
  }
  return make_error(Code::kInvalid, "'{}' is no state of a {}; they are {}", escape_bytes(text),
                    what, names);
}

}  // namespace

std::span<const Transition<JobState>> job_transitions() { return kJobTransitions; }
std::span<const Transition<ItemState>> item_transitions() { return kItemTransitions; }
std::span<const Transition<BatchJobState>> batch_job_transitions() { return kBatchJobTransitions; }

std::span<const JobState> all_job_states() { return kAllJobStates; }
std::span<const ItemState> all_item_states() { return kAllItemStates; }
std::span<const BatchJobState> all_batch_job_states() { return kAllBatchJobStates; }

bool may_move(JobState from, JobState to) { return is_row(job_transitions(), from, to); }
bool may_move(ItemState from, ItemState to) { return is_row(item_transitions(), from, to); }
bool may_move(BatchJobState from, BatchJobState to) {
  return is_row(batch_job_transitions(), from, to);
}

std::span<const JobState> settable_by_hand(JobState from) {
  static constexpr JobState kCancelled[] = {J::kFailed};
  static constexpr JobState kRunAgain[] = {J::kRestartReady, J::kFailed};
  static constexpr JobState kRetried[] = {J::kReady, J::kRestartReady};
  switch (from) {
    case J::kCreated:
    case J::kAwaitingParents:
    case J::kReady:
    case J::kStagedIn:
    case J::kPreprocessed:
    case J::kRunning:
    case J::kRunDone:
    case J::kRestartReady:
    case J::kPostprocessed:
      return kCancelled;
    case J::kRunError:
    case J::kRunTimeout:
      return kRunAgain;
    case J::kFailed:
      return kRetried;
    case J::kStagedOut:
    case J::kJobFinished:
      return {};
  }
  CHECK(false && "a job in no state");
  return {};
}

bool is_final(JobState state) { return state == J::kJobFinished || state == J::kFailed; }
bool is_runnable(JobState state) { return state == J::kPreprocessed || state == J::kRestartReady; }
bool is_final(ItemState state) { return state == I::kDone || state == I::kError; }
bool is_final(BatchJobState state) { return state == B::kFinished || state == B::kSubmitFailed; }

std::string_view to_string(JobState state) {
  switch (state) {
    case J::kCreated:
      return "CREATED";
    case J::kAwaitingParents:
      return "AWAITING_PARENTS";
    case J::kReady:
      return "READY";
    case J::kStagedIn:
      return "STAGED_IN";
    case J::kPreprocessed:
      return "PREPROCESSED";
    case J::kRunning:
      return "RUNNING";
    case J::kRunDone:
      return "RUN_DONE";
    case J::kRunError:
      return "RUN_ERROR";
    case J::kRunTimeout:
      return "RUN_TIMEOUT";
    case J::kRestartReady:
      return "RESTART_READY";
    case J::kPostprocessed:
      return "POSTPROCESSED";
    case J::kStagedOut:
      return "STAGED_OUT";
    case J::kJobFinished:
      return "JOB_FINISHED";
    case J::kFailed:
      return "FAILED";
  }
  CHECK(false && "a job state without a name");
  return "";
}

std::string_view to_string(ItemState state) {
  switch (state) {
    case I::kAwaitingJob:
      return "awaiting_job";
    case I::kPending:
      return "pending";
    case I::kActive:
      return "active";
    case I::kInactive:
      return "inactive";
    case I::kDone:
      return "done";
    case I::kError:
      return "error";
  }
  CHECK(false && "an item state without a name");
  return "";
}

std::string_view to_string(BatchJobState state) {
  switch (state) {
    case B::kPendingSubmission:
      return "pending_submission";
    case B::kQueued:
      return "queued";
    case B::kRunning:
      return "running";
    case B::kFinished:
      return "finished";
    case B::kSubmitFailed:
      return "submit_failed";
    case B::kPendingDeletion:
      return "pending_deletion";
  }
  CHECK(false && "a batch job state without a name");
  return "";
}

Result<JobState> parse_job_state(std::string_view text) {
  return parse_state(text, all_job_states(), "job");
}
Result<ItemState> parse_item_state(std::string_view text) {
  return parse_state(text, all_item_states(), "transfer item");
}
Result<BatchJobState> parse_batch_job_state(std::string_view text) {
  return parse_state(text, all_batch_job_states(), "batch job");
}

}  // namespace wherry::jobs
