// SPDX-License-Identifier: Apache-2.0
#include "job_checks.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "jobs/lifecycle.h"
#include "storage/testing/content.h"

namespace wherry::sim {

using jobs::ItemState;
using jobs::JobState;

namespace {

constexpr ByteCount kLargest = 1'000'000;
constexpr std::size_t kLargeInput = 10'000;  // more than a range of the engine
constexpr int kMostAttempts = 3;             // the default of max_attempts

// Whether a job in that state has got past its parents, and past its inputs.
bool is_behind_parents(JobState state) {
  return state != JobState::kCreated && state != JobState::kAwaitingParents &&
         state != JobState::kFailed;
}
bool is_behind_inputs(JobState state) {
  return is_behind_parents(state) && state != JobState::kReady;
}

}  // namespace

std::string content_of(const std::string& path) {
  std::string content = fmt::format("what is at {}", path);
  const std::uint64_t hash = checksum64(path);
  if (hash % 3 == 0) {
    while (content.size() < kLargeInput) content += fmt::format(" {}", hash + content.size());
  }
  return content;
}

std::vector<jobs::Job> JobChecks::all_jobs() {
  return world_.job_site.observer().jobs.list({}).value().rows;
}

std::vector<jobs::TransferItem> JobChecks::all_items() {
  return world_.job_site.observer().items.list({}).value().rows;
}

bool JobChecks::is_at_rest() {
  States states;
  const std::vector<jobs::Job> jobs = all_jobs();
  for (const jobs::Job& job : jobs) states[job.id] = job.state;
  const auto has_ended = [&](const jobs::Job& job) {
    if (job.state != JobState::kAwaitingParents) return jobs::is_final(job.state);
    return std::any_of(job.parents.begin(), job.parents.end(), [&](const jobs::JobId parent) {
      return states.contains(parent) && states[parent] != JobState::kJobFinished;
    });
  };
  return std::all_of(jobs.begin(), jobs.end(), has_ended) &&
         world_.job_site.observer().items.open_tasks(world_.job_site.site().id)->empty();
}

// Files ------------------------------------------------------------------------------------------

std::optional<std::string> JobChecks::read(const KnownJob& known, std::string_view name) {
  auto content = read_file(world_.job_site.file(known.workdir(), name), kLargest);
  if (!content) return std::nullopt;
  return std::move(*content);
}

bool JobChecks::may_be_input(const KnownJob& known, const std::string& content) const {
  if (!known.maker) return content == content_of(known.input);
  const KnownJob& maker = known_.at(*known.maker);
  // Of a parent that was retried and then removed, nobody can say which run was the last to count.
  if (known.is_touched)
    return std::find(maker.results.begin(), maker.results.end(), content) != maker.results.end();
  return !maker.results.empty() && content == maker.results.back();
}

bool JobChecks::has_input(const KnownJob& known) {
  const auto input = read(known, "input");
  return input && may_be_input(known, *input);
}

// Invariants 1, 2 and 3, for one job.
void JobChecks::check_job(const jobs::Job& job, const States& states) {
  const auto at = known_.find(job.id);
  if (at == known_.end()) return checks_.fail("job {} was made by nobody", job.id);
  const KnownJob& known = at->second;
  check_parents(job, states);
  const auto input = read(known, "input");
  const bool is_whole = input && may_be_input(known, *input);
  if (input && !is_whole)
    checks_.fail("the input of job {} is torn or another one's: {} bytes", job.id, input->size());
  if (is_behind_inputs(job.state) && !is_whole)
    checks_.fail("job {} is {}, and its input is not there", job.id, to_string(job.state));
  if (job.state != JobState::kJobFinished || !known.has_output) return;
  storage::Storage& shelf = world_.memory(Place::kShelf);
  const bool is_there = storage::exists(shelf, known.output());
  if (known.results.empty() || !is_there ||
      storage::get_file(shelf, known.output()) != known.results.back())
    checks_.fail("job {} is finished, and its result at the shelf is {}", job.id,
                 is_there ? "another one" : "missing");
}

void JobChecks::check_parents(const jobs::Job& job, const States& states) {
  if (!is_behind_parents(job.state)) return;
  for (const jobs::JobId parent : job.parents) {
    const auto state = states.find(parent);
    if (state != states.end() && state->second != JobState::kJobFinished)
      checks_.fail("job {} is {}, and its parent {} is {}", job.id, to_string(job.state), parent,
                   to_string(state->second));
  }
}

// Invariants 2 and 6: under each name is the whole of what somebody put or made, and nothing else
// has come there.
void JobChecks::check_shelf() {
  std::map<std::string, const KnownJob*> makers;
  for (const auto& [id, known] : known_) makers[known.output()] = &known;
  const Tree shelf = read_tree(world_.memory(Place::kShelf));
  for (const auto& [path, node] : shelf) {
    if (!node.is_file() || is_temporary(path)) continue;
    const auto maker = makers.find(path);
    const auto& results =
        maker == makers.end() ? std::vector{content_of(path)} : maker->second->results;
    if (std::find(results.begin(), results.end(), node.content) == results.end())
      checks_.fail("'{}' at the shelf is torn or nobody's: {}", path, describe(shelf, path));
  }
}

// Steps ------------------------------------------------------------------------------------------

std::string JobChecks::target_of(const jobs::TransferItem& item) {
  const auto known = known_.find(item.job);
  if (known == known_.end() || item.direction == jobs::Direction::kOut) return item.remote_path;
  return world_.job_site.file(known->second.workdir(), "input");
}

void JobChecks::begin_step() {
  arrived_.clear();
  for (const jobs::TransferItem& item : all_items()) {
    if (item.state == ItemState::kDone) arrived_[target_of(item)] = {item.id, item.attempts};
  }
  (void)world_.job_site.take_commits();
  (void)world_.take_commits(Place::kShelf);
}

void JobChecks::end_step() {
  States states;
  const std::vector<jobs::Job> jobs = all_jobs();
  for (const jobs::Job& job : jobs) states[job.id] = job.state;
  for (const jobs::Job& job : jobs) check_job(job, states);
  for (const auto& [id, known] : known_) {
    if (!known.is_removed && !states.contains(id)) checks_.fail("job {} is lost", id);
  }
  check_shelf();
  check_moved_once();
  check_tasks();
}

// Invariant 4: a task goes on only as long as the site knows of it.
void JobChecks::check_tasks() {
  std::set<tasks::SubmissionId> open;
  const auto stages =
      world_.job_site.observer().items.open_tasks(world_.job_site.site().id).value();
  for (const jobs::StageTask& stage : stages) open.insert(stage.submission_id);
  for (const tasks::Task& task : checks_.all_tasks()) {
    if (task.owner != kSiteOwner || tasks::is_final(task.state)) continue;
    if (!open.contains(task.submission_id))
      checks_.fail("task {} of the site is {}, and the site has forgotten it", task.id,
                   to_string(task.state));
  }
}

// Invariant 4: what has arrived is not moved again.
void JobChecks::check_moved_once() {
  std::map<jobs::ItemId, jobs::TransferItem> items;
  for (jobs::TransferItem& item : all_items()) items.emplace(item.id, std::move(item));
  std::vector<std::string> commits = world_.job_site.take_commits();
  for (const std::string& path : world_.take_commits(Place::kShelf)) commits.push_back("/" + path);
  for (const std::string& path : commits) {
    const auto arrived = arrived_.find(path);
    if (arrived == arrived_.end()) continue;
    const auto item = items.find(arrived->second.item);
    const bool is_same = item != items.end() && item->second.state == ItemState::kDone &&
                         item->second.attempts == arrived->second.attempts;
    if (is_same) checks_.fail("'{}' was moved again, and had arrived", path);
  }
}

// The end ----------------------------------------------------------------------------------------

void JobChecks::check_quiet() {
  States states;
  const std::vector<jobs::Job> jobs = all_jobs();
  for (const jobs::Job& job : jobs) states[job.id] = job.state;
  for (const jobs::Job& job : jobs) check_end(job, known_.at(job.id), states);
  if (!is_at_rest()) checks_.fail("a task of the site is open, and nobody needs it");
  for (const tasks::SubmissionId& id : world_.job_site.changed_requests())
    checks_.fail("submission {} was sent again with other items", id);
  check_events();
  check_attempts();
}

void JobChecks::check_end(const jobs::Job& job, const KnownJob& known, const States& states) {
  const bool waits =
      std::any_of(job.parents.begin(), job.parents.end(), [&](const jobs::JobId parent) {
        return states.contains(parent) && states.at(parent) != JobState::kJobFinished;
      });
  switch (job.state) {
    case JobState::kJobFinished: {
      const std::string litter = world_.job_site.file(known.workdir(), kLitter);
      if (std::filesystem::exists(litter)) checks_.fail("job {} has left '{}'", job.id, litter);
      return;
    }
    case JobState::kAwaitingParents:
      if (!waits) checks_.fail("job {} waits for parents, all of which are finished", job.id);
      return;
    case JobState::kFailed:
      if (!may_have_failed(job, known))
        checks_.fail("job {} has failed, and there was no reason for it", job.id);
      return;
    default:
      checks_.fail("job {} is stuck: {}", job.id, to_string(job.state));
  }
}

bool JobChecks::may_have_failed(const jobs::Job& job, const KnownJob& known) {
  if (known.is_touched || known.was_struck || known.lacked_output) return true;
  if (known.failed_runs > kErrorRetries || known.cut_off_runs > kTimeoutRetries) return true;
  jobs::ItemFilter filter;
  filter.jobs = {job.id};
  const auto items = world_.job_site.observer().items.list(filter).value().rows;
  return std::any_of(items.begin(), items.end(), [&](const jobs::TransferItem& item) {
    if (item.state != ItemState::kError || !item.error || item.error->code == jobs::kJobFailed)
      return false;
    if (item.error->code == "FILE_NOT_FOUND") return known.lacked_input;
    return item.attempts >= kMostAttempts;
  });
}

void JobChecks::check_events() {
  jobs::EventFilter filter;
  filter.sorting = jobs::Sorting::kAscending;
  std::map<jobs::JobId, std::string> of_jobs;
  std::map<jobs::ItemId, std::string> of_items;
  const auto events = world_.job_site.observer().jobs.events(filter).value().rows;
  for (const jobs::JobEvent& event : events) {
    if (event.item)
      check_item_event(event, of_items);
    else
      check_job_event(event, of_jobs);
  }
  for (const jobs::Job& job : all_jobs()) {
    if (of_jobs[job.id] != to_string(job.state))
      checks_.fail("job {} is {}, and its last event says {}", job.id, to_string(job.state),
                   of_jobs[job.id]);
  }
  for (const jobs::TransferItem& item : all_items()) {
    if (of_items[item.id] != to_string(item.state))
      checks_.fail("transfer item {} is {}, and its last event says {}", item.id,
                   to_string(item.state), of_items[item.id]);
  }
}

// Each change begins where the one before ended, the table has it, and parents come first.
void JobChecks::check_job_event(const jobs::JobEvent& event,
                                std::map<jobs::JobId, std::string>& last) {
  const bool is_chained = event.from == last[event.job];
  const bool is_allowed = event.from.empty() || may_move(jobs::parse_job_state(event.from).value(),
                                                         jobs::parse_job_state(event.to).value());
  if (!is_chained || !is_allowed)
    checks_.fail("job {} was {} and went from '{}' to {}", event.job, last[event.job], event.from,
                 event.to);
  last[event.job] = event.to;
  const auto known = known_.find(event.job);
  if (known == known_.end() || known->second.is_touched || event.to != "STAGED_IN") return;
  for (const jobs::JobId parent : known->second.parents) {
    if (last[parent] != "JOB_FINISHED")
      checks_.fail("job {} became {} while its parent {} was {}", event.job, event.to, parent,
                   last[parent]);
  }
}

void JobChecks::check_item_event(const jobs::JobEvent& event,
                                 std::map<jobs::ItemId, std::string>& last) {
  const bool is_chained = event.from == last[*event.item];
  const bool is_allowed = event.from.empty() || may_move(jobs::parse_item_state(event.from).value(),
                                                         jobs::parse_item_state(event.to).value());
  if (!is_chained || !is_allowed)
    checks_.fail("transfer item {} was {} and went from '{}' to {}", *event.item, last[*event.item],
                 event.from, event.to);
  last[*event.item] = event.to;
}

// Invariant 4: the site knows of each task that carried an item, and no item was sent in secret.
void JobChecks::check_attempts() {
  std::set<tasks::SubmissionId> accepted;
  for (const tasks::Task& task : checks_.all_tasks()) accepted.insert(task.submission_id);
  std::map<std::string, int> sent;
  for (const auto& [submission, request] : world_.job_site.requests()) {
    if (!accepted.contains(submission)) continue;
    for (const auto& line : request.items) ++sent["/" + line.target.text()];
  }
  for (const jobs::TransferItem& item : all_items()) {
    const bool is_shared =
        world_.job_site.shares_inputs() && item.direction == jobs::Direction::kIn;
    if (known_.at(item.job).is_touched || is_shared) continue;
    if (sent[target_of(item)] != item.attempts)
      checks_.fail("transfer item {} was sent {} times, and {} are known", item.id,
                   sent[target_of(item)], item.attempts);
  }
}

}  // namespace wherry::sim
