// SPDX-License-Identifier: Apache-2.0
#include "completion.h"

#include <algorithm>

#include "engine/filter.h"

namespace wherry::sim {

using engine::SyncLevel;
using tasks::TaskState;

namespace {

// Whether the task said that this, or something above, could not be done.
bool is_reported(const Rows& rows, const std::string& source, const std::string& target) {
  return std::any_of(rows.errors.begin(), rows.errors.end(), [&](const tasks::ItemError& error) {
    return is_within(source, error.source_path.substr(1)) ||
           is_within(target, error.target_path.substr(1));
  });
}

std::size_t count_errors(const Rows& rows, bool skipped) {
  return static_cast<std::size_t>(
      std::count_if(rows.errors.begin(), rows.errors.end(),
                    [&](const tasks::ItemError& error) { return error.skipped == skipped; }));
}

}  // namespace

Links links_of(const engine::TransferOptions& options) {
  return options.symlinks == engine::SymlinkPolicy::kCopy ? Links::kFollowed : Links::kAsTheyAre;
}

std::string moved(const std::string& path, const std::string& from, const std::string& to) {
  const RelPath below = RelPath::from_normal(path).relative_to(RelPath::from_normal(from));
  return RelPath::from_normal(to).join(below).text();
}

bool is_excluded(std::span<const engine::FilterRule> rules, const Tree& tree,
                 const std::string& top, const std::string& path) {
  if (rules.empty()) return false;
  const RelPath end = RelPath::from_normal(top);
  for (RelPath at = RelPath::from_normal(path); at != end; at = at.parent()) {
    const auto node = tree.find(at.text());
    if (node == tree.end()) continue;
    if (!engine::is_included(rules, at.name(), node->second.attributes.type)) return true;
  }
  return false;
}

void CompletionCheck::check(const Asked& asked, const tasks::Task& task, const Rows& rows) {
  check_honest(task, rows);
  if (asked.disturbed || !ended_by_itself(task)) return;
  target_ = read_tree(world_.memory(Place::kScratch));
  if (asked.transfer) check_transfer(*asked.transfer, asked, task, rows);
  if (asked.deletion && task.state == TaskState::kSucceeded) check_deletion(*asked.deletion, task);
}

// Invariant 7.
void CompletionCheck::check_honest(const tasks::Task& task, const Rows& rows) {
  const std::size_t failed = count_errors(rows, false);
  const std::size_t skipped = count_errors(rows, true);
  if (task.state == TaskState::kSucceeded && (failed > 0 || task.fatal_error))
    violation_.report("task {} is SUCCEEDED, with {} failed operations", task.id, failed);
  if (task.state == TaskState::kFailed && !task.fatal_error)
    violation_.report("task {} is FAILED, and does not say why", task.id);
  if (task.counts.files_failed != failed || task.counts.skipped_errors != skipped)
    violation_.report("task {} counts {} failed and {} skipped, and lists {} and {}", task.id,
                      task.counts.files_failed, task.counts.skipped_errors, failed, skipped);
  if (task.type == tasks::TaskType::kTransfer &&
      task.counts.files_transferred != rows.successes.size())
    violation_.report("task {} counts {} files transferred, and lists {}", task.id,
                      task.counts.files_transferred, rows.successes.size());
}

// Neither a person nor a deadline nor a full disk cut it short: each operation has an outcome.
bool CompletionCheck::ended_by_itself(const tasks::Task& task) {
  if (task.state == TaskState::kSucceeded) return true;
  if (task.state != TaskState::kFailed) return false;
  const auto events = world_.observer().events(task.id, 1, 0).value();
  static const std::set<std::string> cuts = {"CANCELED", "EXPIRED", "NO_SPACE_LEFT",
                                             "QUOTA_EXCEEDED"};
  return events.empty() || !cuts.contains(events.front().code);
}

void CompletionCheck::check_transfer(const tasks::TransferRequest& request, const Asked& asked,
                                     const tasks::Task& task, const Rows& rows) {
  const bool keeps_links = request.options.symlinks == engine::SymlinkPolicy::kKeep;
  // A link that was made in an earlier run may lead later ones elsewhere.
  if (keeps_links && source_.changes() != asked.submitted_at) return;
  for (const engine::TransferItem& item : request.items) {
    check_item(request, item, asked, task, rows);
    if (request.options.delete_extra && task.state == TaskState::kSucceeded &&
        source_.changes() == asked.submitted_at)
      check_no_extras(request, item, task);
  }
}

// Whether a path has been what it is, where it is, since the task was submitted.
bool CompletionCheck::held_still(const std::string& top, const std::string& path,
                                 const Asked& asked, Links links) const {
  const RelPath above_top = RelPath::from_normal(top).parent();
  for (RelPath at = RelPath::from_normal(path); at != above_top; at = at.parent()) {
    if (source_.changed_at(at.text(), links) > asked.submitted_at) return false;
  }
  return true;
}

// Invariant 1: nothing that could be moved was left behind, whatever happened to others.
void CompletionCheck::check_item(const tasks::TransferRequest& request,
                                 const engine::TransferItem& item, const Asked& asked,
                                 const tasks::Task& task, const Rows& rows) {
  const Links links = links_of(request.options);
  const Tree& tree = source_.now(links);
  const std::string& top = item.source.text();
  for (auto at = tree.lower_bound(top); at != tree.end(); ++at) {
    const auto& [path, node] = *at;
    if (!is_within(path, top)) continue;
    const bool is_top_link =
        path == top && node.is_symlink() && item.kind == engine::TransferItem::Kind::kPath;
    if (is_top_link || !held_still(top, path, asked, links)) continue;
    if (is_excluded(request.options.filters, tree, top, path)) continue;
    const std::string at_target = moved(path, top, item.target.text());
    if (!is_reported(rows, path, at_target)) check_arrived(request, task, path, node, at_target);
  }
}

void CompletionCheck::check_arrived(const tasks::TransferRequest& request, const tasks::Task& task,
                                    const std::string& path, const Node& node,
                                    const std::string& at_target) {
  const engine::TransferOptions& options = request.options;
  if (node.is_symlink() && options.symlinks == engine::SymlinkPolicy::kIgnore) return;
  const auto there = target_.find(at_target);
  const bool exists = there != target_.end();
  bool good = exists;
  if (node.is_directory())
    good = exists && there->second.is_directory();
  else if (options.sync_level == SyncLevel::kAlways || options.sync_level == SyncLevel::kChecksum)
    good = exists && looks_same(there->second, node);
  if (good) return;
  violation_.report("task {} is {} and reports nothing of '{}': expected it at '{}', found {}",
                    task.id, to_string(task.state), escape_bytes(path), escape_bytes(at_target),
                    describe(target_, at_target));
}

void CompletionCheck::check_no_extras(const tasks::TransferRequest& request,
                                      const engine::TransferItem& item, const tasks::Task& task) {
  const Tree& tree = source_.now(Links::kAsTheyAre);
  const auto source = tree.find(item.source.text());
  if (source == tree.end() || !source->second.is_directory()) return;
  // A symlink that is ignored has its name all the same, and what is below that at the target
  // stays.
  const auto is_below_ignored_link = [&](const std::string& at_source) {
    if (request.options.symlinks != engine::SymlinkPolicy::kIgnore) return false;
    for (RelPath at = RelPath::from_normal(at_source).parent(); at.is_within(item.source);
         at = at.parent()) {
      const auto above = tree.find(at.text());
      if (above != tree.end() && above->second.is_symlink()) return true;
      if (at == item.source) break;
    }
    return false;
  };
  // Below an excluded name nothing is anybody's business.
  const auto is_left_alone = [&](const std::string& path) {
    const std::string at_source = moved(path, item.target.text(), item.source.text());
    return is_temporary(path) || is_below_ignored_link(at_source) ||
           is_excluded(request.options.filters, target_, item.target.text(), path) ||
           is_excluded(request.options.filters, tree, item.source.text(), at_source);
  };
  for (const auto& [path, node] : target_) {
    if (!is_within(path, item.target.text()) || is_left_alone(path)) continue;
    const std::string at_source = moved(path, item.target.text(), item.source.text());
    if (source_.now(links_of(request.options)).contains(at_source) || tree.contains(at_source))
      continue;
    // And directories stay with what they hold of it.
    const bool holds_such = std::any_of(target_.begin(), target_.end(), [&](const auto& other) {
      return is_within(other.first, path) && is_left_alone(other.first);
    });
    if (node.is_directory() && holds_such) continue;
    violation_.report("task {} was to delete what is extra: '{}' is still there", task.id,
                      escape_bytes(path));
  }
}

void CompletionCheck::check_deletion(const tasks::DeleteRequest& request, const tasks::Task& task) {
  for (const engine::DeleteItem& item : request.items) {
    if (!target_.contains(item.path.text())) continue;
    violation_.report("task {} is SUCCEEDED: '{}' was to be deleted, and is still there", task.id,
                      escape_bytes(item.path.text()));
  }
}

}  // namespace wherry::sim
