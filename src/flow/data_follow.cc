// SPDX-License-Identifier: Apache-2.0
// The half of DataLoop that follows tasks: looks at many together, and gives each transfer in them
// its own outcome.
#include <algorithm>

#include "flow/data_loop.h"
#include "tasks/hopeless.h"
#include "tasks/task_error.h"

namespace wherry::flow {
namespace {

using tasks::Task;
using tasks::TaskState;
using FateKind = tasks::ItemFates::Verdict::Kind;

constexpr std::size_t kTasksAtOnce = 50;  // asked for in one request
constexpr int kMostSubmissions = 20;      // of one transfer; halves of the largest task need 17
constexpr Duration kBetweenHopelessLooks = std::chrono::seconds(3);

bool same_counts(const tasks::Counts& a, const tasks::Counts& b) {
  return a.files == b.files && a.files_transferred == b.files_transferred &&
         a.files_skipped == b.files_skipped && a.skipped_errors == b.skipped_errors &&
         a.files_failed == b.files_failed && a.removed == b.removed &&
         a.bytes_transferred == b.bytes_transferred && a.faults == b.faults;
}

bool same_progress(const Task& a, const Task& b) {
  return a.state == b.state && a.nice_status == b.nice_status && a.is_paused == b.is_paused &&
         same_counts(a.counts, b.counts);
}

// Trouble that some single file may have, so that the others of its task had better go without it.
bool is_of_one_file(const std::string& code) {
  return code == "FILE_NOT_FOUND" || code == "PERMISSION_DENIED" || code == "NOT_A_DIRECTORY" ||
         code == "IS_A_DIRECTORY";
}

Error trouble_of(const DataTask::Entry& entry, const Task& task, const tasks::TaskError& error) {
  return tasks::to_error(error).with_context(
      fmt::format("{}: task {}", description_of(entry), task.id));
}

Error waits_for_somebody(const DataTask::Entry& entry, const Task& task) {
  Error error = tasks::to_error({task.nice_status, task.nice_status_details});
  if (task.nice_status.empty() || task.nice_status == "OK") {
    error = make_error(Code::kUnavailable, "it was interrupted");
  }
  error.message += fmt::format("; it is INACTIVE until `wherry task resume {}`", task.id);
  return std::move(error).with_context(fmt::format("{}: task {}", description_of(entry), task.id));
}

const tasks::TaskError kUntold = {"UNKNOWN", "it failed without telling why"};

}  // namespace

void DataLoop::look() {
  if (by_task_.empty() || is_stopped() || now() < pace_.next()) return;
  // Those behind the last one of the last time, and around.
  tasks::TaskFilter filter;
  auto at = by_task_.upper_bound(looked_at_);
  while (filter.ids.size() < std::min(kTasksAtOnce, by_task_.size())) {
    if (at == by_task_.end()) at = by_task_.begin();
    filter.ids.push_back(at->first);
    ++at;
  }
  filter.limit = filter.ids.size();
  looked_at_ = filter.ids.back();
  const auto found = service().tasks(filter);
  unsigned requests = 1;
  for (const tasks::TaskId& id : filter.ids) {
    if (is_stopped()) break;
    Submission& submission = *by_task_.at(id);
    if (!found) {
      set_trouble(submission.entries, found.error().message);
      continue;
    }
    set_trouble(submission.entries, "");
    if (submission.is_over()) continue;
    const auto task =
        std::find_if(found->begin(), found->end(), [&](const Task& one) { return one.id == id; });
    requests += task == found->end() ? follow_unknown(submission) : follow(submission, *task);
  }
  pace_.asked(requests, now());
}

// A task that the service did not list: purged, somebody else's, or only not listed yet.
unsigned DataLoop::follow_unknown(Submission& submission) {
  const auto task = service().task(submission.task_id);
  if (task) return 1 + follow(submission, *task);
  if (task.error().code != Code::kNotFound && task.error().code != Code::kDenied) return 1;
  end_all(submission,
          make_error(Code::kNotFound, "the service knows nothing of its task {} any more: {}",
                     submission.task_id, task.error().message));
  return 1;
}

// Answers the number of requests that it took to watch it; what its end takes, it takes once.
unsigned DataLoop::follow(Submission& submission, const Task& task) {
  const bool is_changed = !submission.seen || !same_progress(*submission.seen, task);
  submission.seen = task;
  unsigned requests = 0;
  if (!submission.is_transfer()) {
    follow_removal(submission, task);
  } else {
    const std::vector<EntryPointer> entries = submission.entries;
    for (const EntryPointer& entry : entries) {
      if (is_changed && !entry->has_ended && entry->transfer().on_progress)
        entry->transfer().on_progress(task);
    }
    bool is_known = true;
    requests += read_fates(submission, task, is_known);
    if (task.state != TaskState::kActive && !is_known) return requests;
    judge(submission, task);
  }
  if (task.state == TaskState::kActive) requests += look_for_hopeless(submission, task);
  return requests;
}

// Reads what the task has moved and could not move, if that can have changed and helps anybody.
// `is_known`: all that there is to know now.
unsigned DataLoop::read_fates(Submission& submission, const Task& task, bool& is_known) {
  if (task.state == TaskState::kActive) {
    const bool is_shared = submission.entries.size() > 1;
    if (!is_shared || !submission.fates->is_told_early()) return 0;
    if (submission.read_at && same_counts(*submission.read_at, task.counts)) return 0;
  }
  // Of a task of one alone the counters say the rest.
  const bool is_counted = submission.entries.size() == 1 && task.state == TaskState::kSucceeded;
  const auto read = is_counted ? submission.fates->read_errors(service(), task)
                               : submission.fates->read(service(), task);
  is_known = read.has_value();
  if (read) {
    submission.read_at = task.counts;
  } else {
    set_trouble(submission.entries, read.error().message);
  }
  return task.state == TaskState::kActive ? 2 : 0;
}

void DataLoop::judge(Submission& submission, const Task& task) {
  const std::vector<EntryPointer> entries = submission.entries;
  std::vector<EntryPointer> again;
  for (std::uint64_t line = 0; line < entries.size(); ++line) {
    const EntryPointer& entry = entries[line];
    if (entry->has_ended || entry->submission != &submission) continue;
    const auto verdict = submission.fates->verdict(line, task);
    switch (verdict.kind) {
      case FateKind::kOpen:
        if (task.state == TaskState::kInactive) end_entry(entry, waits_for_somebody(*entry, task));
        break;
      case FateKind::kArrived: {
        Done done{task.id, task.counts.files_transferred, task.counts.bytes_transferred};
        if (entries.size() > 1) {
          const auto& moved = submission.fates->moved(line);
          done.files = moved.files;
          done.bytes = moved.bytes;
        }
        end_entry(entry, done);
        break;
      }
      case FateKind::kFailed:
        // Of a directory the rest is still under way.
        if (entry->transfer().recursive && task.state == TaskState::kActive) break;
        end_entry(entry, trouble_of(*entry, task, verdict.error));
        break;
      case FateKind::kHeldBack:
        if (may_go_again(submission, *entry, verdict.error)) {
          again.push_back(entry);
        } else {
          end_entry(entry, trouble_of(*entry, task, submission.hopeless.value_or(verdict.error)));
        }
        break;
    }
  }
  if (!again.empty()) go_again(submission, std::move(again));
}

// Whether it did not travel only because of another one in its task.
bool DataLoop::may_go_again(const Submission& submission, const DataTask::Entry& entry,
                            const tasks::TaskError& error) {
  if (submission.entries.size() < 2 || entry.submissions >= kMostSubmissions) return false;
  if (submission.is_cancel_wanted) return false;
  const tasks::TaskError& cause = submission.hopeless.value_or(error);
  if (cause.code == "CANCELED" || cause.code == "EXPIRED") return false;
  return submission.fates->is_somebodys_fault() || is_of_one_file(cause.code);
}

// Without those who are known to be at fault; while nobody is, in halves, until it is.
void DataLoop::go_again(Submission& submission, std::vector<EntryPointer> entries) {
  submission.open -= entries.size();
  if (submission.fates->is_somebodys_fault() || entries.size() == 1)
    return add_submission(std::move(entries));
  const auto middle = entries.begin() + static_cast<std::ptrdiff_t>(entries.size() / 2);
  add_submission({entries.begin(), middle});
  add_submission({middle, entries.end()});
}

void DataLoop::follow_removal(Submission& submission, const Task& task) {
  const EntryPointer entry = submission.entries.front();
  switch (task.state) {
    case TaskState::kActive:
      return;
    case TaskState::kInactive:
      end_entry(entry, waits_for_somebody(*entry, task));
      return;
    case TaskState::kSucceeded:
      end_entry(entry, Done{task.id, task.counts.removed, 0});
      return;
    case TaskState::kFailed:
      break;
  }
  tasks::TaskError error = submission.hopeless.value_or(task.fatal_error.value_or(kUntold));
  // What it could not remove says more than that it could not.
  const auto rows = service().item_errors(task.id, 0);
  if (!submission.hopeless && rows && !rows->rows.empty())
    error = {rows->rows.front().code, rows->rows.front().details};
  end_entry(entry, trouble_of(*entry, task, error));
}

// Ends a task that only repeats what cannot succeed. One that still gets on with others is left
// alone.
unsigned DataLoop::look_for_hopeless(Submission& submission, const Task& task) {
  if (!tasks::is_in_trouble(task) || task.is_paused) {
    submission.stuck_at.reset();
    return 0;
  }
  if (submission.is_over() || now() < submission.next_hopeless_look) return 0;
  submission.next_hopeless_look = now() + kBetweenHopelessLooks;
  const auto done = std::pair(task.counts.files_transferred, task.counts.bytes_transferred);
  if (submission.stuck_at != done) {
    submission.stuck_at = done;
    return 0;
  }
  const auto trouble = tasks::hopeless_trouble(service(), task);
  if (!trouble || !*trouble) return 1;
  if (const auto cancelled = service().cancel(task.id);
      !cancelled && cancelled.error().code != Code::kConflict)
    return 2;
  submission.hopeless = **trouble;
  return 2;
}

}  // namespace wherry::flow
