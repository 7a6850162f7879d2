// SPDX-License-Identifier: Apache-2.0
// The states of jobs, transfer items and batch jobs, and the one table each of who may move them
// from where to where. Every writer asks here; nobody writes a state past it (lifecycle.h).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wherry::jobs {

enum class JobState {
  kCreated,
  kAwaitingParents,  // a parent is not JOB_FINISHED
  kReady,            // its inputs are to be moved
  kStagedIn,         // every input has arrived and was verified (or there is none)
  kPreprocessed,     // its work directory is made: it can run
  kRunning,          // a launcher's session holds it
  kRunDone,
  kRunError,       // its command failed
  kRunTimeout,     // it was cut off: wall time, or its launcher died
  kRestartReady,   // to be run once more
  kPostprocessed,  // its outputs are to be moved
  kStagedOut,      // every output has arrived and was verified; JOB_FINISHED follows at once
  kJobFinished,
  kFailed,  // it will not go on by itself; a person may retry it
};

enum class ItemState {
  kAwaitingJob,  // an output of a job that is not POSTPROCESSED, an input of one not yet READY
  kPending,      // to be carried by a task
  kActive,       // a task carries it
  kInactive,     // its task waits for a person
  kDone,         // moved and verified, or not needed
  kError,        // it cannot succeed by itself
};

enum class BatchJobState {
  kPendingSubmission,
  kQueued,
  kRunning,
  kFinished,
  kSubmitFailed,
  kPendingDeletion,  // to be cancelled at the scheduler
};

std::span<const JobState> all_job_states();
std::span<const ItemState> all_item_states();
std::span<const BatchJobState> all_batch_job_states();

template <class State>
struct Transition {
  State from;
  State to;
  std::string_view why;
};
std::span<const Transition<JobState>> job_transitions();
std::span<const Transition<ItemState>> item_transitions();
std::span<const Transition<BatchJobState>> batch_job_transitions();
bool may_move(JobState from, JobState to);
bool may_move(ItemState from, ItemState to);
bool may_move(BatchJobState from, BatchJobState to);

// The states that a person may set by hand (`wherry job modify`, PUT /v1/jobs), from `from`; the
// others are for the site and its launchers alone. Every one is in the table; the lifecycle still
// looks whether the job's data is there: nobody sets a job past an input that has not come.
std::span<const JobState> settable_by_hand(JobState from);

bool is_final(JobState state);     // JOB_FINISHED, FAILED
bool is_runnable(JobState state);  // PREPROCESSED, RESTART_READY
bool is_final(ItemState state);    // done, error
bool is_final(BatchJobState state);

std::string_view to_string(JobState state);       // "JOB_FINISHED", …
std::string_view to_string(ItemState state);      // "awaiting_job", …
std::string_view to_string(BatchJobState state);  // "pending_submission", …
// Without regard to case; kInvalid lists what there is.
Result<JobState> parse_job_state(std::string_view text);
Result<ItemState> parse_item_state(std::string_view text);
Result<BatchJobState> parse_batch_job_state(std::string_view text);

// The tables as Markdown and as a graph (DOT): docs/reference/job-states.md.
std::string states_markdown();

}  // namespace wherry::jobs
