// SPDX-License-Identifier: Apache-2.0
#include "checks.h"

#include <algorithm>

#include "base/hash.h"
#include "completion.h"
#include "sync_checks.h"

namespace wherry::sim {

using tasks::TaskState;

namespace {

constexpr std::size_t kManyTasks = 100'000;

template <class Row, class Ask>
std::vector<Row> all_pages(const Ask& ask) {
  std::vector<Row> rows;
  for (std::optional<std::uint64_t> marker = 0; marker;) {
    auto page = ask(*marker).value();
    for (Row& row : page.rows) rows.push_back(std::move(row));
    marker = page.next;
  }
  return rows;
}

Rows rows_of(tasks::TransferService& service, const tasks::TaskId& id) {
  return {all_pages<tasks::SuccessfulTransfer>(
              [&](std::uint64_t marker) { return service.successful_transfers(id, marker); }),
          all_pages<tasks::ItemError>(
              [&](std::uint64_t marker) { return service.item_errors(id, marker); })};
}

// The first directory of a path at the scratch place: an area that tasks may share.
std::string area_of(const RelPath& path) { return path.text().substr(0, path.text().find('/')); }

std::set<std::string> areas_of(const Asked& asked) {
  std::set<std::string> areas;
  if (asked.transfer) {
    for (const auto& item : asked.transfer->items) areas.insert(area_of(item.target));
  }
  if (asked.deletion) {
    for (const auto& item : asked.deletion->items) areas.insert(area_of(item.path));
  }
  return areas;
}

Place place_of(const Asked& asked) {
  return asked.transfer || asked.deletion ? Place::kScratch : Place::kArchive;
}

}  // namespace

Checks::Checks(World& world, Source& source, const Character& character)
    : world_(world),
      source_(source),
      character_(character),
      sync_(std::make_unique<SyncChecks>(world, source, character.sync, violation_)) {
  world_.listener = this;
}

Checks::~Checks() { world_.listener = nullptr; }

// Tasks ------------------------------------------------------------------------------------------

std::vector<tasks::Task> Checks::all_tasks() {
  tasks::TaskFilter filter;
  filter.limit = kManyTasks;
  return world_.observer().tasks(filter).value();
}

void Checks::asking(const tasks::TransferRequest& request) {
  if (submissions_.contains(request.submission_id)) return;
  requests_[request.submission_id].transfer = request;
  requests_[request.submission_id].submitted_at = source_.changes();
}

void Checks::asking(const tasks::DeleteRequest& request) {
  if (submissions_.contains(request.submission_id)) return;
  requests_[request.submission_id].deletion = request;
  requests_[request.submission_id].submitted_at = source_.changes();
}

void Checks::answered(const tasks::SubmissionId& submission, const tasks::TaskId& id) {
  const auto known = submissions_.find(submission);
  if (known != submissions_.end() && known->second != id)
    fail("submission {} was task {} and is now task {}", submission, known->second, id);
  check_tasks();
  if (!asked_.contains(id)) fail("task {} was accepted, and is not there", id);
}

// Invariant 4: none lost, none doubled, and what succeeded stays so.
void Checks::check_tasks() {
  std::set<tasks::TaskId> found;
  for (const tasks::Task& task : all_tasks()) {
    found.insert(task.id);
    const auto [known, is_new] = submissions_.emplace(task.submission_id, task.id);
    if (!is_new && known->second != task.id)
      fail("tasks {} and {} are of one submission", known->second, task.id);
    if (is_new) {
      const auto request = requests_.find(task.submission_id);
      if (task.owner == kOwner && request == requests_.end())
        fail("task {} was asked for by nobody", task.id);
      Asked asked;
      if (request != requests_.end()) asked = request->second;
      asked.is_of_site = task.owner == kSiteOwner;
      asked_.emplace(task.id, std::move(asked));
    }
    if (task.state == TaskState::kSucceeded) succeeded_.insert(task.id);
    if (succeeded_.contains(task.id) && task.state != TaskState::kSucceeded)
      fail("task {} was SUCCEEDED and is {}", task.id, to_string(task.state));
  }
  for (const auto& [id, asked] : asked_) {
    if (!found.contains(id)) fail("task {} is lost", id);
  }
}

void Checks::widen_scope(const Asked& asked) {
  if (asked.transfer) {
    const engine::TransferOptions& options = asked.transfer->options;
    for (const auto& item : asked.transfer->items) {
      // Through a symlink that it has made, a task may reach other parts of its area.
      const bool anywhere = options.symlinks == engine::SymlinkPolicy::kKeep;
      scope_.push_back({Place::kScratch, anywhere ? area_of(item.target) : item.target.text(),
                        options.delete_extra});
    }
  } else if (asked.deletion) {
    for (const auto& item : asked.deletion->items)
      scope_.push_back({Place::kScratch, item.path.text(), true});
  } else {
    scope_.push_back({Place::kArchive, std::string(kSync), true});
  }
}

void Checks::disturb_others(const tasks::TaskId& id, const Asked& asked) {
  const std::set<std::string> areas = areas_of(asked);
  for (auto& [other, theirs] : asked_) {
    if (other == id || !theirs.begun || theirs.ended) continue;
    for (const std::string& area : areas_of(theirs)) {
      if (areas.contains(area)) theirs.disturbed = true;
    }
  }
}

void Checks::before_run(const tasks::TaskId& id) {
  check_tasks();
  Asked& asked = asked_[id];
  if (asked.is_of_site) return;
  widen_scope(asked);
  disturb_others(id, asked);
  asked.begun = true;
  for (const Place place : kTargets) (void)world_.take_commits(place);
}

void Checks::after_run(const tasks::TaskId& id) {
  Asked& asked = asked_[id];
  if (asked.is_of_site) return;
  const tasks::Task task = world_.observer().task(id).value();
  const Rows rows = rows_of(world_.observer(), id);
  check_not_repeated(id, asked, place_of(asked));
  check_recorded(id, asked, rows);
  const bool was_ended = asked.ended;
  asked.ended = tasks::is_final(task.state);
  asked.cut_off = asked.cut_off || !asked.ended || world_.trouble.is_dead();
  if (!asked.ended || was_ended) return;
  CompletionCheck(world_, source_, violation_).check(asked, task, rows);
  check_litter(id, asked);
}

namespace {

// Of a directory that became one after its symlink was copied: what is in it is where that leads.
bool is_below_symlink(const Tree& tree, const std::string& path) {
  for (RelPath above = RelPath::from_normal(path).parent(); !above.is_root();
       above = above.parent()) {
    const auto node = tree.find(above.text());
    if (node != tree.end() && node->second.is_symlink()) return true;
  }
  return false;
}

}  // namespace

// Invariant 3: what counts as moved is there, as the checksum says.
void Checks::check_recorded(const tasks::TaskId& id, Asked& asked, const Rows& rows) {
  const Place place = place_of(asked);
  const Tree now = tree(place);
  if (rows.successes.size() < asked.rows)
    fail("task {} had {} files done, and has {}", id, asked.rows, rows.successes.size());
  for (std::size_t i = asked.rows; i < rows.successes.size(); ++i) {
    const tasks::SuccessfulTransfer& row = rows.successes[i];
    const std::string path = row.target_path.substr(1);
    if (!asked.recorded.insert(path).second)
      fail("task {} recorded '{}' twice", id, escape_bytes(path));
    if (is_below_symlink(now, path)) continue;
    const auto node = now.find(path);
    const bool good = node != now.end() && node->second.is_file() &&
                      node->second.content.size() == row.size &&
                      hash_bytes(HashAlgorithm::kXxh3_128, node->second.content) == row.checksum;
    if (!good)
      fail("task {} recorded '{}' as moved ({} bytes, checksum {}); found {}", id,
           escape_bytes(path), row.size, row.checksum, describe(now, path));
    if (good) confirmed_[index(place)][path] = node->second.content;
  }
  asked.rows = rows.successes.size();
}

// Invariant 4: what was recorded is not done again.
void Checks::check_not_repeated(const tasks::TaskId& id, const Asked& asked, Place place) {
  for (const std::string& path : world_.take_commits(place)) {
    if (asked.recorded.contains(path))
      fail("task {} moved '{}' again, which was recorded as done", id, escape_bytes(path));
  }
}

// Steps ------------------------------------------------------------------------------------------

// The removal of a temporary need not last: a power cut may bring it back.
void Checks::power_was_cut() {
  power_cut_ = true;
  for (const Place place : kTargets) {
    for (const auto& [path, node] : tree(place)) {
      if (is_temporary(path) && !before_[index(place)].contains(path)) known_litter_.insert(path);
    }
  }
}

void Checks::begin_step() {
  scope_.clear();
  power_cut_ = false;
  for (const Place place : kTargets) before_[index(place)] = tree(place);
}

void Checks::begin_pass(const sync::PassOptions& options) {
  scope_.push_back({Place::kArchive, std::string(kSync), true});
  sync_->begin_pass(options);
}

void Checks::end_pass(const Result<sync::PassReport>& report) { sync_->end_pass(report); }

bool Checks::is_stuck_as_documented(const sync::PassReport& report) {
  if (character_.sync.deletions != sync::Deletions::kKeep) return false;
  const Tree target = tree(Place::kArchive);
  const auto in_the_way = [&](const sync::Problem& problem) {
    const auto there = target.find(std::string(kSync) + "/" + problem.path);
    return there != target.end() && there->second.is_directory();
  };
  return report.problems.size() == report.counts.failed &&
         std::all_of(report.problems.begin(), report.problems.end(), in_the_way);
}

void Checks::end_step() {
  check_tasks();
  check_source();
  for (const Place place : kTargets) {
    const Tree now = tree(place);
    check_whole(place, now);
    if (!power_cut_) check_changes(place, now);
    check_confirmed(place, now);
    if (place == Place::kArchive) sync_->check_catalog(now);
    before_[index(place)] = now;
  }
}

// Invariant 6: nobody writes to a source.
void Checks::check_source() {
  const Tree now = tree(Place::kLab);
  if (now == source_.now(Links::kAsTheyAre)) return;
  for (const auto& [path, node] : now) {
    const auto& tree = source_.now(Links::kAsTheyAre);
    const auto known = tree.find(path);
    if (known == tree.end() || !(known->second == node))
      fail("the source was changed: '{}' is {}, expected {}", escape_bytes(path),
           describe(now, path), describe(tree, path));
  }
  fail("something was removed from the source");
}

// Invariant 2: under each name is the whole of a content that the source had.
void Checks::check_whole(Place place, const Tree& now) {
  for (const auto& [path, node] : now) {
    if (!node.is_file() || is_temporary(path) || may_hold(place, path, node.content)) continue;
    fail("'{}' at {} is torn or in the wrong place: {}", escape_bytes(path), to_string(place),
         describe(now, path));
  }
}

bool Checks::may_hold(Place place, const std::string& path, const std::string& content) const {
  const std::string area = area_of(RelPath::from_normal(path));
  // What a sync renames and archives, and what is reached through symlinks, bears other names.
  if (place == Place::kArchive || !area.starts_with("in")) return source_.is_known(content);
  return source_.had(moved(path, area, std::string(kData)), content);
}

bool Checks::in_scope(Place place, const std::string& path, bool removed) const {
  return std::any_of(scope_.begin(), scope_.end(), [&](const Scope& scope) {
    return scope.place == place && is_within(path, scope.top) && (!removed || scope.may_remove);
  });
}

// Invariants 2 and 6: nothing outside of what was asked for changes, and what is there is replaced
// in one step, never missing.
void Checks::check_changes(Place place, const Tree& now) {
  const Tree& before = before_[index(place)];
  for (const auto& [path, node] : before) {
    if (is_temporary(path) || now.contains(path)) continue;
    if (!in_scope(place, path, true))
      fail("'{}' has gone from {}, and nobody was to remove it", escape_bytes(path),
           to_string(place));
  }
  for (const auto& [path, node] : now) {
    const auto was = before.find(path);
    if (is_temporary(path) || (was != before.end() && looks_same(was->second, node))) continue;
    const bool leads_there =
        node.is_directory() && std::any_of(scope_.begin(), scope_.end(), [&](const Scope& scope) {
          return scope.place == place && is_within(scope.top, path);
        });
    if (!leads_there && !in_scope(place, path, false))
      fail("'{}' at {} was changed from {} to {}, and nobody was to do it", escape_bytes(path),
           to_string(place), describe(before, path), describe(now, path));
  }
}

// Invariant 3: what was recorded as done stays, through power cuts too, until somebody is to change
// it.
void Checks::check_confirmed(Place place, const Tree& now) {
  std::erase_if(confirmed_[index(place)], [&](const auto& entry) {
    const auto& [path, content] = entry;
    const auto node = now.find(path);
    if (node != now.end() && node->second.is_file() && node->second.content == content)
      return false;
    if (!in_scope(place, path, false))
      fail("'{}' was recorded as moved to {}, and is now {}{}", escape_bytes(path),
           to_string(place), describe(now, path), power_cut_ ? ", after a power cut" : "");
    return true;
  });
}

// When a task ends, its temporaries are gone. The exceptions are known: after a run that was cut
// off nobody looks for them if the task is cancelled or too late, nor in a directory that failed as
// a whole, and not all are found if the source has changed since it was asked for.
void Checks::check_litter(const tasks::TaskId& id, const Asked& asked) {
  const Place place = place_of(asked);
  const tasks::Task task = world_.observer().task(id).value();
  const bool cut_short = task.fatal_error && (task.fatal_error->code == "CANCELED" ||
                                              task.fatal_error->code == "EXPIRED");
  const Rows rows = rows_of(world_.observer(), id);
  const auto was_out_of_reach = [&](const std::string& path) {
    return std::any_of(rows.errors.begin(), rows.errors.end(), [&](const tasks::ItemError& error) {
      return is_within(path, error.target_path.substr(1));
    });
  };
  for (const auto& [path, node] : tree(place)) {
    const RelPath whole = RelPath::from_normal(path);
    if (!storage::is_temporary_name(whole.name(), id)) continue;
    if (path.find(sync::kArchiveDirectory) != std::string::npos) continue;  // moved with the rest
    const bool changed = source_.changes() != asked.submitted_at;
    if (asked.cut_off && (cut_short || changed || was_out_of_reach(path))) {
      known_litter_.insert(path);
      continue;
    }
    fail("task {}, {}, has left '{}' behind at {}", id, to_string(task.state), escape_bytes(path),
         to_string(place));
  }
}

void Checks::check_quiet() {
  for (const auto& [id, asked] : asked_) {
    if (!asked.ended && !asked.is_of_site) check_litter(id, asked);  // it ended while nobody ran it
  }
  for (const tasks::Task& task : all_tasks()) {
    if (!tasks::is_final(task.state))
      fail("task {} is stuck: {} {}", task.id, to_string(task.state), task.nice_status);
  }
  for (const Place place : kTargets) {
    const Tree now = tree(place);
    for (const auto& [path, node] : now) {
      const bool archived = path.find(sync::kArchiveDirectory) != std::string::npos;
      if (is_temporary(path) && !archived && !known_litter_.contains(path))
        fail("'{}' was left behind at {}", escape_bytes(path), to_string(place));
    }
  }
}

}  // namespace wherry::sim
