// SPDX-License-Identifier: Apache-2.0
// How transfers and removals get to the service: what they mean, what travels together, and the
// sending. data_follow.cc has what becomes of them.
#include "flow/data_loop.h"

#include <algorithm>

#include "base/back_off.h"
#include "flow/data_paths.h"
#include "flow/place.h"

namespace wherry::flow {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(500);
constexpr Duration kLongestPause = std::chrono::seconds(30);
constexpr Duration kLongestTimeout = std::chrono::hours(24 * 365);  // more would overflow
constexpr Duration kNothingToDo = std::chrono::hours(1);
constexpr std::size_t kSubmissionsPerStep = 50;
// Removals from an endpoint, each a task of its own, that have not ended. More would only wait at
// the service, which looks through all that wait each time it begins one.
constexpr std::size_t kMostRemovals = 100;

// Whether the same call may be answered later. kConflict: there is no room for another task now.
bool may_be_sent_later(const Error& error) {
  return error.retry == Retry::kLater || error.code == Code::kConflict ||
         error.code == Code::kCancelled;
}

// Growing, and never the same for two, so that what failed together is not repeated together.
Duration pause_after(int failures, Random& random) {
  const Duration pause = growing_pause(kFirstPause, failures, kLongestPause);
  const auto half = static_cast<std::uint64_t>(pause.count() / 2);
  return pause + Duration(static_cast<Duration::rep>(random.below(half + 1)));
}

// "a" for those who all said so; "a and 2 more" for others, as far as a label reaches.
std::string joint_label(const std::vector<EntryPointer>& entries) {
  const std::string& first = entries.front()->transfer().label;
  const bool all_same = std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
    return entry->transfer().label == first;
  });
  if (all_same) return first;
  const std::string rest = fmt::format("{} more", entries.size() - 1);
  if (first.empty()) return rest;
  std::string begin = first.substr(0, tasks::kMaxLabelCharacters - rest.size() - 8);
  // Never half a character.
  while (begin.size() < first.size() && !begin.empty() &&
         (static_cast<unsigned char>(first[begin.size()]) & 0xc0) == 0x80)
    begin.pop_back();
  return fmt::format("{} and {}", begin, rest);
}

std::string shown_place(const Removal& removal) {
  return FlowPlace{removal.endpoint, removal.path}.shown();
}

}  // namespace

std::string description_of(const DataTask::Entry& entry) {
  if (!entry.is_transfer()) return fmt::format("removal of '{}'", shown_place(entry.removal()));
  const Transfer& transfer = entry.transfer();
  return fmt::format("transfer of '{}' to '{}'",
                     FlowPlace{transfer.source_endpoint, transfer.source_path}.shown(),
                     FlowPlace{transfer.target_endpoint, transfer.target_path}.shown());
}

void set_trouble(std::span<const EntryPointer> entries, const std::string& trouble) {
  for (const EntryPointer& entry : entries) entry->set_trouble(trouble);
}

DataLoop::DataLoop(DataTasks::Parts parts, const DataTasks::Options& options, std::stop_token stop)
    : parts_(std::move(parts)),
      options_(options),
      stop_(std::move(stop)),
      view_(parts_.service.until(stop_)),
      link_(std::make_shared<DataLink>(parts_.service,
                                       [this](EntryPointer entry) { cancel_later(entry); })),
      names_(parts_.clock),
      coalescer_({options_.window}),
      pace_(options_.looks_per_second, parts_.clock.monotonic()) {}

DataLoop::~DataLoop() { end(); }

void DataLoop::end() {
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  take_arrivals();
  while (!deadlines_.empty()) {
    const EntryPointer entry = deadlines_.begin()->second;
    const auto place = entry->place();
    end_entry(entry, make_error(Code::kCancelled, "{}: nobody waits for it any more{}",
                                description_of(*entry),
                                place ? fmt::format("; task {} goes on", place->task_id) : ""));
  }
  link_->close();
}

// ---- What comes ---------------------------------------------------------------------------------

EntryPointer DataLoop::make_entry(std::variant<Transfer, Removal> request) {
  const auto entry = std::make_shared<DataTask::Entry>(std::move(request), link_);
  const Duration timeout =
      entry->is_transfer() ? entry->transfer().timeout : entry->removal().timeout;
  entry->deadline = now() + std::clamp(timeout, Duration(0), kLongestTimeout);
  entry->promise.on_cancel([weak = std::weak_ptr(entry)] {
    if (auto alive = weak.lock()) alive->link->cancel(alive);
  });
  return entry;
}

void DataLoop::put(Arrival arrival) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_closed_) {
      inbox_.push_back(std::move(arrival));
      came_.notify_all();
      return;
    }
  }
  for (const EntryPointer& entry : arrival.entries) {
    entry->promise.set(
        make_error(Code::kCancelled, "{}: what it was given to has ended", description_of(*entry)));
  }
}

DataTask DataLoop::arrive(std::variant<Transfer, Removal> request) {
  Arrival arrival;
  arrival.entries.push_back(make_entry(std::move(request)));
  DataTask task(arrival.entries.front());
  put(std::move(arrival));
  return task;
}

DataTask DataLoop::transfer(const Transfer& transfer) { return arrive(transfer); }

DataTask DataLoop::remove(const Removal& removal) { return arrive(removal); }

std::vector<DataTask> DataLoop::resubmit_transfers(const tasks::SubmissionId& id,
                                                   const std::vector<Transfer>& transfers) {
  Arrival arrival;
  arrival.id = id;
  std::vector<DataTask> answer;
  for (const Transfer& transfer : transfers) {
    arrival.entries.push_back(make_entry(transfer));
    answer.emplace_back(arrival.entries.back());
  }
  if (!transfers.empty()) put(std::move(arrival));
  return answer;
}

DataTask DataLoop::resubmit_removal(const tasks::SubmissionId& id, const Removal& removal) {
  Arrival arrival;
  arrival.id = id;
  arrival.entries.push_back(make_entry(removal));
  DataTask task(arrival.entries.front());
  put(std::move(arrival));
  return task;
}

void DataLoop::cancel_later(EntryPointer entry) {
  {
    const std::lock_guard lock(mutex_);
    cancels_.push_back(std::move(entry));
  }
  came_.notify_all();
}

void DataLoop::take_arrivals() {
  std::vector<Arrival> arrivals;
  {
    const std::lock_guard lock(mutex_);
    arrivals.swap(inbox_);
  }
  for (Arrival& arrival : arrivals) {
    for (const EntryPointer& entry : arrival.entries) {
      entry->number = next_number_++;
      // A cancel may have overtaken it.
      if (!entry->has_ended) deadlines_.emplace(entry->deadline, entry);
    }
    unprepared_.push_back(std::move(arrival));
  }
}

void DataLoop::rest(Duration pause, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  came_.wait_for(lock, stop, pause, [this] { return !inbox_.empty() || !cancels_.empty(); });
}

// ---- One step -----------------------------------------------------------------------------------

Duration DataLoop::step() {
  take_arrivals();
  prepare_all();
  cancel_all();
  end_timed_out();
  for (const Coalescer::Batch& batch : coalescer_.take(now())) {
    std::vector<EntryPointer> entries;
    for (const std::uint64_t number : batch.transfers) {
      const auto entry = coalescing_.find(number);
      CHECK(entry != coalescing_.end());
      entries.push_back(std::move(entry->second));
      coalescing_.erase(entry);
    }
    add_submission(std::move(entries));
  }
  send_all();
  cancel_wanted_all();
  look();
  for (auto at = submissions_.begin(); at != submissions_.end();) {
    const auto next = std::next(at);
    if (at->is_over()) {
      if (by_task_.erase(at->task_id) > 0 && !at->is_transfer())
        --removals_[at->entries.front()->source];
      submissions_.erase(at);
    }
    at = next;
  }
  return until_next();
}

Duration DataLoop::until_next() const {
  Duration next = now() + kNothingToDo;
  for (const Arrival& arrival : unprepared_) next = std::min(next, arrival.next_try);
  if (const auto closes = coalescer_.next()) next = std::min(next, *closes);
  for (const Submission& one : submissions_) {
    const bool wants_cancel = one.is_cancel_wanted && !one.is_cancelled;
    const bool may_be_sent = one.task_id.empty() && has_room(one);
    if (may_be_sent || wants_cancel) next = std::min(next, one.next_try);
  }
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first);
  if (!by_task_.empty()) next = std::min(next, pace_.next());
  return std::max(next - now(), Duration(0));
}

// ---- What a request means -----------------------------------------------------------------------

void DataLoop::prepare_all() {
  for (auto at = unprepared_.begin(); at != unprepared_.end() && !is_stopped();) {
    const auto next = std::next(at);
    if (at->next_try <= now() && prepare(*at)) unprepared_.erase(at);
    at = next;
  }
}

// Whether nothing remains to be prepared of it.
bool DataLoop::prepare(Arrival& arrival) {
  const auto has_ended = [](const EntryPointer& entry) { return entry->has_ended; };
  if (std::all_of(arrival.entries.begin(), arrival.entries.end(), has_ended)) return true;
  for (const EntryPointer& entry : arrival.entries) {
    const bool is_new = !arrival.id;
    const auto prepared =
        entry->is_transfer() ? prepare_transfer(*entry) : prepare_removal(*entry, is_new);
    if (prepared) continue;
    const Error& error = prepared.error();
    if (error.retry == Retry::kLater || error.code == Code::kCancelled) {
      set_trouble(arrival.entries, error.message);
      arrival.next_try = now() + pause_after(++arrival.failures, parts_.random);
      return false;
    }
    // What was recorded goes as a whole or not at all.
    for (const EntryPointer& refused : arrival.entries) end_entry(refused, error);
    return true;
  }
  const EntryPointer& first = arrival.entries.front();
  const bool shares = !arrival.id && first->is_transfer() && !first->transfer().alone &&
                      options_.window > Duration(0);
  if (!shares) {
    add_submission(std::move(arrival.entries), arrival.id);
    return true;
  }
  coalescer_.add(first->number, {first->source, first->target, first->transfer().options},
                 first->target_path, now());
  coalescing_[first->number] = first;
  return true;
}

Result<void> DataLoop::prepare_transfer(DataTask::Entry& entry) {
  const Transfer& transfer = entry.transfer();
  TRY_ASSIGN(const auto source,
             names_.find(service(), transfer.source_endpoint, EndpointNames::Side::kSource));
  TRY_ASSIGN(const auto target,
             names_.find(service(), transfer.target_endpoint, EndpointNames::Side::kTarget));
  TRY_ASSIGN(entry.source_path, read_path(transfer.source_path, source), "source path '{}'",
             escape_bytes(transfer.source_path));
  TRY_ASSIGN(entry.target_path, read_path(transfer.target_path, target), "destination path '{}'",
             escape_bytes(transfer.target_path));
  entry.source = source.id;
  entry.target = target.id;
  return {};
}

// `is_new`: it was never sent before; else the first time may have removed it.
Result<void> DataLoop::prepare_removal(DataTask::Entry& entry, bool is_new) {
  const Removal& removal = entry.removal();
  TRY_ASSIGN(const auto endpoint,
             names_.find(service(), removal.endpoint, EndpointNames::Side::kSource));
  TRY_ASSIGN(entry.source_path, read_removable_path(removal.path, endpoint));
  entry.source = endpoint.id;
  if (!is_new) return {};
  const auto there = service().stat(entry.source, entry.source_path);
  // Some services cannot tell, or not everybody: then the task finds out.
  if (!there && (there.error().code == Code::kUnsupported || there.error().code == Code::kDenied))
    return {};
  TRY(Result<void>(there ? Result<void>() : there.error()), "removal of '{}'",
      shown_place(removal));
  const bool is_directory = there->attributes.type == EntryType::kDirectory && !there->is_link;
  if (!is_directory || removal.recursive) return {};
  return make_error(Code::kInvalid,
                    "'{}' on endpoint '{}' is a directory; removing it with all that it holds "
                    "is refused unless `recursive` is given",
                    escape_bytes(removal.path), endpoint.display_name);
}

// ---- Sending ------------------------------------------------------------------------------------

void DataLoop::add_submission(std::vector<EntryPointer> entries,
                              std::optional<tasks::SubmissionId> id) {
  submissions_.emplace_back();
  Submission& submission = submissions_.back();
  submission.entries = std::move(entries);
  if (id) {
    submission.id = *id;
    submission.is_recorded = true;
    submission.is_sent = true;  // perhaps
  }
  for (const EntryPointer& entry : submission.entries) {
    entry->submission = &submission;
    ++entry->submissions;
    if (!entry->has_ended) ++submission.open;
  }
}

void DataLoop::send_all() {
  std::size_t sent = 0;
  for (auto at = submissions_.begin(); at != submissions_.end() && !is_stopped(); ++at) {
    if (!at->task_id.empty() || at->is_over() || at->next_try > now() || !has_room(*at)) continue;
    if (++sent > kSubmissionsPerStep) return;
    send(*at);
  }
}

// What was sent before, perhaps in vain, has its place.
bool DataLoop::has_room(const Submission& submission) const {
  if (submission.is_transfer() || submission.is_sent) return true;
  const auto found = removals_.find(submission.entries.front()->source);
  return found == removals_.end() || found->second < kMostRemovals;
}

void DataLoop::send(Submission& submission) {
  if (submission.id.empty()) {
    std::erase_if(submission.entries, [](const EntryPointer& entry) { return entry->has_ended; });
    auto id = service().new_submission_id();
    if (!id) return not_sent(submission, id.error());
    submission.id = *std::move(id);
  }
  if (!submission.lines) {
    auto lines = std::make_shared<Lines>();
    for (const EntryPointer& entry : submission.entries) {
      if (!entry->is_transfer()) break;
      lines->emplace_back();
      lines->back().source = entry->source_path;
      lines->back().target = entry->target_path;
      lines->back().recursion = entry->transfer().recursive ? engine::TransferItem::Recursion::kYes
                                                            : engine::TransferItem::Recursion::kNo;
    }
    submission.lines = std::move(lines);
  }
  if (const auto recorded = record(submission); !recorded)
    return end_all(submission, recorded.error());
  submission.is_sent = true;
  const auto submitted = submit(submission);
  if (!submitted) return not_sent(submission, submitted.error());
  submission.task_id = submitted->task_id;
  submission.failures = 0;
  submission.next_try = Duration(0);
  if (submission.is_transfer()) {
    using Skipped = tasks::ItemFates::Skipped;
    const bool may_skip = submission.entries.front()->transfer().options.skip_source_errors;
    submission.fates.emplace(*submission.lines, may_skip ? Skipped::kIsFine : Skipped::kIsFailure);
  }
  std::uint64_t line = 0;
  for (const EntryPointer& entry : submission.entries)
    entry->set_place({submission.task_id, submission.lines, line++});
  const bool is_new = by_task_.insert_or_assign(submission.task_id, &submission).second;
  if (is_new && !submission.is_transfer()) ++removals_[submission.entries.front()->source];
  pace_.submitted(now());
}

Result<void> DataLoop::record(Submission& submission) {
  if (submission.is_recorded || !parts_.record) return {};
  std::vector<std::string> keys;
  for (const EntryPointer& entry : submission.entries)
    keys.push_back(entry->is_transfer() ? entry->transfer().key : entry->removal().key);
  TRY(parts_.record(submission.id, keys), "record the submission {}", submission.id);
  submission.is_recorded = true;
  return {};
}

Result<tasks::Submitted> DataLoop::submit(const Submission& submission) {
  const DataTask::Entry& first = *submission.entries.front();
  if (!submission.is_transfer()) {
    tasks::DeleteRequest request;
    request.submission_id = submission.id;
    request.owner = parts_.owner;
    request.endpoint = first.source;
    request.label = first.removal().label;
    request.options.recursive = first.removal().recursive;
    request.items.push_back({first.source_path});
    return service().submit(request);
  }
  tasks::TransferRequest request;
  request.submission_id = submission.id;
  request.owner = parts_.owner;
  request.source_endpoint = first.source;
  request.target_endpoint = first.target;
  request.label = joint_label(submission.entries);
  request.options = first.transfer().options;
  // What is missing or denied fails its own transfer, and neither holds up nor fails the others.
  request.options.skip_source_errors = true;
  request.items = *submission.lines;
  return service().submit(request);
}

void DataLoop::not_sent(Submission& submission, const Error& error) {
  if (may_be_sent_later(error)) {
    set_trouble(submission.entries, error.message);
    submission.next_try = now() + pause_after(++submission.failures, parts_.random);
    return;
  }
  // One that makes no sense, or is not allowed, is found by sending the others without it. What is
  // refused to the second half in the words in which it was refused to all is not about one.
  const bool is_about_one =
      error.code == Code::kInvalid ||
      (error.code == Code::kDenied && error.message != submission.refused_before);
  if (!is_about_one || submission.entries.size() < 2 || submission.id.empty())
    return end_all(submission, error);
  split(submission, error.message);
}

void DataLoop::split(Submission& submission, const std::string& why) {
  std::vector<EntryPointer> first;
  for (const EntryPointer& entry : submission.entries) {
    if (!entry->has_ended && entry->submission == &submission) first.push_back(entry);
  }
  const auto middle = first.begin() + static_cast<std::ptrdiff_t>((first.size() + 1) / 2);
  std::vector<EntryPointer> second(middle, first.end());
  first.erase(middle, first.end());
  submission.open = 0;
  if (!first.empty()) add_submission(std::move(first));
  if (second.empty()) return;
  add_submission(std::move(second));
  submissions_.back().refused_before = why;
}

// ---- The end of one -----------------------------------------------------------------------------

void DataLoop::end_entry(const EntryPointer& entry, Result<Done> result) {
  if (entry->has_ended) return;
  entry->has_ended = true;
  deadlines_.erase({entry->deadline, entry});
  if (entry->submission != nullptr) --entry->submission->open;
  coalescing_.erase(entry->number);
  entry->promise.set(std::move(result));
}

void DataLoop::end_all(Submission& submission, const Error& error) {
  const std::vector<EntryPointer> entries = submission.entries;
  for (const EntryPointer& entry : entries) {
    if (entry->submission == &submission)
      end_entry(entry, Error(error).with_context(description_of(*entry)));
  }
}

void DataLoop::cancel_all() {
  std::vector<EntryPointer> cancels;
  {
    const std::lock_guard lock(mutex_);
    cancels.swap(cancels_);
  }
  for (const EntryPointer& entry : cancels) cancel(entry);
}

void DataLoop::cancel(const EntryPointer& entry) {
  if (entry->has_ended) return;
  Submission* const submission = entry->submission;
  if (submission == nullptr || !submission->is_sent) {
    coalescer_.remove(entry->number);
    return end_entry(entry, make_error(Code::kCancelled, "{}: cancelled before it was submitted",
                                       description_of(*entry)));
  }
  if (submission->open > 1) {
    return end_entry(
        entry, make_error(Code::kCancelled, "{}: cancelled; its task goes on for the others in it",
                          description_of(*entry)));
  }
  submission->is_cancel_wanted = true;  // it ends when the task has
}

Result<void> DataLoop::cancel_task(Submission& submission) {
  const auto cancelled = service().cancel(submission.task_id);
  const bool is_over = !cancelled && (cancelled.error().code == Code::kConflict ||
                                      cancelled.error().code == Code::kNotFound);
  if (!cancelled && !is_over) return cancelled;
  submission.is_cancelled = true;
  pace_.submitted(now());
  return {};
}

void DataLoop::cancel_wanted_all() {
  for (Submission& submission : submissions_) {
    const bool is_wanted = submission.is_cancel_wanted && !submission.is_cancelled;
    if (!is_wanted || submission.task_id.empty() || submission.next_try > now()) continue;
    const auto cancelled = cancel_task(submission);
    if (cancelled) continue;
    set_trouble(submission.entries, cancelled.error().message);
    submission.next_try = now() + pause_after(++submission.failures, parts_.random);
  }
}

void DataLoop::end_timed_out() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now()) {
    const EntryPointer entry = deadlines_.begin()->second;
    end_entry(entry, time_out(*entry));
  }
}

// Says what goes on after that.
Error DataLoop::time_out(DataTask::Entry& entry) {
  const std::string what = description_of(entry);
  std::string trouble = entry.trouble();
  if (!trouble.empty()) trouble.insert(0, ": ");
  Submission* const submission = entry.submission;
  if (submission == nullptr || !submission->is_sent) {
    coalescer_.remove(entry.number);
    return make_error(Code::kTimeout, "{}: the time was up before it could be submitted{}", what,
                      trouble);
  }
  const OnTimeout wanted =
      entry.is_transfer() ? entry.transfer().on_timeout : entry.removal().on_timeout;
  const bool is_last = submission->open == 1;
  if (wanted == OnTimeout::kCancel && is_last) submission->is_cancel_wanted = true;
  if (submission->task_id.empty()) {
    return make_error(Code::kTimeout,
                      "{}: the time was up, and whether the service has accepted it is not known "
                      "(submission {}){}",
                      what, submission->id, trouble);
  }
  if (wanted == OnTimeout::kLeave)
    return make_error(Code::kTimeout, "{}: the time was up; task {} goes on", what,
                      submission->task_id);
  if (!is_last)
    return make_error(Code::kTimeout, "{}: the time was up; task {} goes on for the others in it",
                      what, submission->task_id);
  if (const auto cancelled = cancel_task(*submission); !cancelled)
    return make_error(Code::kTimeout,
                      "{}: the time was up; task {} goes on, it could not be cancelled yet: {}",
                      what, submission->task_id, cancelled.error().message);
  return make_error(Code::kTimeout, "{}: the time was up; task {} was cancelled", what,
                    submission->task_id);
}

}  // namespace wherry::flow
