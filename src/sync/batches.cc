// SPDX-License-Identifier: Apache-2.0
#include "sync/batches.h"

#include <algorithm>

#include "base/log.h"
#include "sync/plan.h"
#include "tasks/hopeless.h"

namespace wherry::sync {
namespace {

constexpr Duration kDeadline = std::chrono::hours(24 * 7);
constexpr Duration kWaitAtATime = std::chrono::hours(1);
// At a service elsewhere, a task is looked at so often for trouble that waiting does not end.
constexpr Duration kLookEvery = std::chrono::seconds(5);
// And so many wait there at once: services bound what one user may have pending.
constexpr std::size_t kMaxUnderWay = 50;
constexpr std::size_t kMaxFailures = 100'000;  // remembered one by one

}  // namespace

void Outcome::fail(std::string path, std::string message) {
  ++failed;
  if (problems.size() < kMaxProblems) problems.push_back({path, message});
  if (failures.size() < kMaxFailures)
    failures.push_back({std::move(path), 0, TimePoint(), std::move(message)});
}

// One batch: the entries of its kind from `first` on.
struct Batches::Batch {
  std::uint64_t first = kNowhere;
  std::uint64_t count = 0;
  std::vector<engine::TransferItem> transfers;
  std::vector<engine::DeleteItem> deletes;
};

Batches::Batches(const PassContext& context, const Journal& journal, Outcome& outcome,
                 std::vector<Submission> stored)
    : context_(context), journal_(journal), outcome_(outcome), stored_(std::move(stored)) {}

bool Batches::belongs(Submission::Kind kind, std::uint64_t ordinal,
                      const JournalEntry& entry) const {
  const std::uint8_t decision = journal_.decision(ordinal);
  switch (kind) {
    case Submission::Kind::kClear:
      // A directory is not thrown away to make room, unless deletions are wanted: it is archived.
      return (decision & kClearFirst) != 0 &&
             (entry.old_type != catalog::EntryType::kDirectory
                  ? context_.definition.deletions != Deletions::kArchive
                  : context_.definition.deletions == Deletions::kPropagate);
    case Submission::Kind::kCopy:
      return action_of(decision) == Action::kCopy;
    case Submission::Kind::kCheck:
      return action_of(decision) == Action::kCheck;
    case Submission::Kind::kDelete:
      return action_of(decision) == Action::kDelete;
  }
  return false;
}

template <class Visit>
Result<void> Batches::for_each(Submission::Kind kind, std::uint64_t first, Visit visit) const {
  if (first >= journal_.entry_count()) return {};
  for (std::size_t i = journal_.directory_of(first); i < journal_.directory_count(); ++i) {
    const std::string_view path = journal_.directory(i).path;
    std::uint64_t ordinal = journal_.first_ordinal(i);
    JournalEntry entry;
    for (EntryCursor cursor = journal_.entries(i); cursor.next(entry); ++ordinal) {
      if (ordinal < first || !belongs(kind, ordinal, entry)) continue;
      TRY_ASSIGN(const bool more, visit(ordinal, path, entry));
      if (!more) return {};
    }
  }
  return {};
}

// Resumed batches are cut as they were, even if the definition says another size by now.
Result<void> Batches::send(Submission::Kind kind) {
  Batch batch;
  const auto limit = [&]() -> std::uint64_t {
    for (const Submission& submission : stored_) {
      if (submission.sequence == next_sequence_) return submission.count;
    }
    return context_.definition.batch_size;
  };
  std::uint64_t size = limit();
  auto sent = for_each(kind, 0,
                       [&](std::uint64_t ordinal, std::string_view directory,
                           const JournalEntry& entry) -> Result<bool> {
                         if (batch.count == 0) batch.first = ordinal;
                         ++batch.count;
                         const std::string path = join(directory, entry.name);
                         if (kind == Submission::Kind::kCopy || kind == Submission::Kind::kCheck) {
                           engine::TransferItem item;
                           if (entry.observation.type == catalog::EntryType::kSymlink)
                             item.kind = engine::TransferItem::Kind::kSymlink;
                           item.source = context_.at_source(path);
                           item.target = context_.at_target(path);
                           item.recursion = engine::TransferItem::Recursion::kNo;
                           batch.transfers.push_back(std::move(item));
                         } else {
                           // What gives way does so before anything is renamed.
                           const std::string there = kind == Submission::Kind::kClear
                                                         ? before_renames(journal_, path)
                                                         : path;
                           batch.deletes.push_back({context_.at_target(there)});
                         }
                         if (batch.count < size) return true;
                         TRY(send_batch(kind, std::move(batch)));
                         batch = Batch();
                         size = limit();
                         return true;
                       });
  if (!sent) return sent;
  return batch.count == 0 ? Result<void>() : send_batch(kind, std::move(batch));
}

Result<void> Batches::send_batch(Submission::Kind kind, Batch batch) {
  TRY_ASSIGN(Submission submission, prepare(kind, batch));
  const bool is_transfer = !batch.transfers.empty();
  log_info("sync {}: initiating {} {} ({} {})", context_.definition.name,
           is_transfer ? "transfer" : "delete", context_.label, batch.count,
           batch.count == 1 ? "file" : "files");
  TRY(context_.reach("before submit"));
  TRY_ASSIGN(const tasks::Submitted submitted,
             is_transfer ? submit(submission, std::move(batch.transfers))
                         : submit_delete(submission, std::move(batch.deletes)),
             "submit {} files", batch.count);
  TRY(context_.reach("after submit"));
  if (submission.task_id != submitted.task_id) {
    submission.task_id = submitted.task_id;
    TRY(context_.store.put_submission(context_.definition.name, context_.pass, submission));
  }
  outcome_.tasks.push_back(submission.task_id);
  sent_.push_back(std::move(submission));
  if (context_.is_elsewhere() && sent_.size() > kMaxUnderWay)
    TRY(wait_for(sent_[sent_.size() - 1 - kMaxUnderWay].task_id));
  return {};
}

// The stored submission of this batch, or a new one, stored before it is sent.
Result<Submission> Batches::prepare(Submission::Kind kind, const Batch& batch) {
  const std::uint64_t sequence = next_sequence_++;
  for (const Submission& submission : stored_) {
    if (submission.sequence != sequence) continue;
    if (submission.kind != kind || submission.first != batch.first ||
        submission.count != batch.count) {
      return make_error(Code::kBug, "pass {} of sync {} was resumed with other batches than it had",
                        context_.pass, context_.definition.name);
    }
    return submission;
  }
  Submission submission;
  submission.sequence = sequence;
  submission.kind = kind;
  submission.first = batch.first;
  submission.count = batch.count;
  TRY_ASSIGN(submission.submission_id, context_.service.new_submission_id());
  TRY(context_.store.put_submission(context_.definition.name, context_.pass, submission));
  return submission;
}

Result<tasks::Submitted> Batches::submit(const Submission& submission,
                                         std::vector<engine::TransferItem> items) {
  tasks::TransferRequest request;
  request.submission_id = submission.submission_id;
  request.owner = context_.owner;
  request.source_endpoint = context_.definition.source.endpoint;
  request.target_endpoint = context_.definition.target.endpoint;
  request.label = context_.label;
  request.deadline = context_.clock.now() + kDeadline;
  request.options.sync_level = submission.kind == Submission::Kind::kCheck
                                   ? engine::SyncLevel::kChecksum
                                   : engine::SyncLevel::kAlways;
  request.options.verify = context_.definition.verify;
  request.options.symlinks = context_.definition.symlinks;
  request.options.preserve_mtime = context_.definition.preserve_mtime;
  // A file that vanished since the scan is reported, and holds back no other.
  request.options.skip_source_errors = true;
  // Elsewhere a full disk would be waited for until the deadline.
  request.options.fail_on_quota_errors = context_.is_elsewhere();
  request.items = std::move(items);
  return context_.service.submit(request);
}

Result<tasks::Submitted> Batches::submit_delete(const Submission& submission,
                                                std::vector<engine::DeleteItem> items) {
  tasks::DeleteRequest request;
  request.submission_id = submission.submission_id;
  request.owner = context_.owner;
  request.endpoint = context_.definition.target.endpoint;
  request.label = context_.label;
  request.deadline = context_.clock.now() + kDeadline;
  request.options.recursive = true;
  request.options.ignore_missing = true;
  request.items = std::move(items);
  return context_.service.submit(request);
}

Result<void> Batches::wait() {
  if (!sent_.empty()) log_info("sync {}: waiting", context_.definition.name);
  for (const Submission& submission : sent_) TRY(confirm(submission));
  sent_.clear();
  return {};
}

Result<tasks::Task> Batches::wait_for(const tasks::TaskId& id) {
  bool resumed = false;
  for (;;) {
    auto waited = context_.service.wait(id, context_.is_elsewhere() ? kLookEvery : kWaitAtATime,
                                        context_.stop);
    if (!waited) {
      if (waited.error().code == Code::kTimeout) {
        if (context_.is_elsewhere())
          TRY(tasks::end_if_hopeless(context_.service, id), "task {}", id);
        continue;
      }
      return std::move(waited).error().with_context(fmt::format("wait for task {}", id));
    }
    if (waited->state == tasks::TaskState::kActive) continue;
    if (waited->state != tasks::TaskState::kInactive) return std::move(waited).value();
    // Interrupted with the process that ran it: go on. If that does not help, a person must.
    if (resumed) {
      return Error{Code::kUnavailable, Retry::kAfterUser,
                   fmt::format("task {} waits: {} {}; when that is settled, run the sync again", id,
                               waited->nice_status, waited->nice_status_details)};
    }
    TRY(context_.service.resume(id), "resume task {}", id);
    resumed = true;
  }
}

// What became of each item of a task.
struct Batches::Fates {
  enum Fate : std::uint8_t { kUnknown, kArrived, kFailed };
  explicit Fates(std::uint64_t count) : fate(count, kUnknown), message_of(count, 0) {}

  // What has arrived stays so, whatever became of its source before the task went on.
  void fail(std::uint64_t item, std::uint32_t message) {
    if (fate[item] != kUnknown) return;
    fate[item] = kFailed;
    message_of[item] = message;
  }

  std::vector<std::uint8_t> fate;
  std::vector<std::string> messages;
  std::vector<std::uint32_t> message_of;
};

// The items of a submission by their paths, as outcomes tell them.
Result<tasks::ItemIndex> Batches::index_of(const Submission& submission) const {
  tasks::ItemIndex index;
  std::uint64_t item = 0;
  const bool is_transfer =
      submission.kind == Submission::Kind::kCopy || submission.kind == Submission::Kind::kCheck;
  TRY(for_each(
      submission.kind, submission.first,
      [&](std::uint64_t, std::string_view directory, const JournalEntry& entry) -> Result<bool> {
        const std::string path = join(directory, entry.name);
        index.add(is_transfer ? "/" + context_.at_source(path).text() : std::string(),
                  "/" + context_.at_target(path).text());
        return ++item < submission.count;
      }));
  return index;
}

Result<Batches::Fates> Batches::fates_of(const Submission& submission, const tasks::Task& task) {
  Fates fates(submission.count);
  std::optional<tasks::ItemIndex> index;
  const auto by_path = [&](const auto& row) -> Result<decltype(index->find(row))> {
    if (!index) {
      TRY_ASSIGN(index, index_of(submission));
    }
    return index->find(row);
  };
  for (std::optional<std::uint64_t> marker = 0;
       marker && task.type == tasks::TaskType::kTransfer;) {
    TRY_ASSIGN(const auto page, context_.service.successful_transfers(task.id, *marker));
    for (const auto& row : page.rows) {
      std::uint64_t item = row.item;
      if (item >= submission.count) {
        TRY_ASSIGN(item, by_path(row));
      }
      if (item < submission.count) fates.fate[item] = Fates::kArrived;
    }
    marker = page.next;
  }
  for (std::optional<std::uint64_t> marker = 0; marker;) {
    TRY_ASSIGN(const auto page, context_.service.item_errors(task.id, *marker));
    for (const auto& row : page.rows) {
      const auto message = static_cast<std::uint32_t>(fates.messages.size());
      fates.messages.push_back(row.details.empty() ? row.code : row.details);
      if (row.item < submission.count) {
        fates.fail(row.item, message);
        continue;
      }
      TRY_ASSIGN(const std::vector<std::uint64_t> items, by_path(row));
      for (const std::uint64_t item : items) fates.fail(item, message);
    }
    marker = page.next;
  }
  return fates;
}

Result<void> Batches::confirm(const Submission& submission) {
  TRY_ASSIGN(const tasks::Task task, wait_for(submission.task_id));
  TRY(context_.reach("after wait"));
  TRY_ASSIGN(const Fates fates, fates_of(submission, task));
  const bool all_ended = task.state == tasks::TaskState::kSucceeded || !task.cut_short;
  const std::string ended = task.fatal_error ? task.fatal_error->description : "the task failed";
  std::uint64_t item = 0;
  return for_each(submission.kind, submission.first,
                  [&](std::uint64_t ordinal, std::string_view directory,
                      const JournalEntry& entry) -> Result<bool> {
                    // Of a task that came to its end, what has no error is done or was up to
                    // date, whatever became of the others.
                    const bool arrived = fates.fate[item] == Fates::kArrived ||
                                         (fates.fate[item] == Fates::kUnknown && all_ended);
                    if (fates.fate[item] == Fates::kFailed) {
                      outcome_.fail(join(directory, entry.name),
                                    fates.messages[fates.message_of[item]]);
                    } else if (!arrived) {
                      ++outcome_.failed;
                      if (outcome_.problems.size() < kMaxProblems)
                        outcome_.problems.push_back({join(directory, entry.name), ended});
                    } else if (submission.kind == Submission::Kind::kClear) {
                      outcome_.cleared[ordinal] = true;
                    } else {
                      outcome_.confirmed[ordinal] = true;
                    }
                    return ++item < submission.count;
                  });
}

}  // namespace wherry::sync
