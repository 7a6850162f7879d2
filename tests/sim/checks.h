// SPDX-License-Identifier: Apache-2.0
// Holds a world to the invariants of docs/architecture.md, by a model that is much simpler than the
// product: what the source ever held, what the targets held before a step and hold after it, and
// what the state database says. The first contradiction is kept.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "source.h"
#include "tree.h"
#include "world.h"

namespace wherry::sim {

// The first contradiction that was found: what was expected, and what was there instead.
class Violation {
 public:
  template <class... Args>
  void report(fmt::format_string<Args...> format, Args&&... args) {
    if (!text_) text_ = fmt::format(format, std::forward<Args>(args)...);
  }
  explicit operator bool() const { return text_.has_value(); }
  const std::string& text() const { return *text_; }

 private:
  std::optional<std::string> text_;
};

// What the checks know of one task.
struct Asked {
  std::optional<tasks::TransferRequest> transfer;  // neither: a sync or the site asked
  std::optional<tasks::DeleteRequest> deletion;
  std::uint64_t submitted_at = 0;  // of the source's changes
  bool is_of_site = false;         // judged by job_checks.h
  bool begun = false;
  bool ended = false;
  bool cut_off = false;            // a run ended before the task did
  bool disturbed = false;          // another task worked in the same area since it was begun
  std::size_t rows = 0;            // of successes that were seen
  std::set<std::string> recorded;  // paths at the target
};

// What the state database has of the operations of one task.
struct Rows {
  std::vector<tasks::SuccessfulTransfer> successes;
  std::vector<tasks::ItemError> errors;
};

class Checks : public RunListener {
 public:
  Checks(World& world, Source& source, const Character& character);
  ~Checks() override;

  // A request is about to be sent, perhaps once more.
  void asking(const tasks::TransferRequest& request);
  void asking(const tasks::DeleteRequest& request);
  void answered(const tasks::SubmissionId& submission, const tasks::TaskId& id);

  // Between begin_step() and end_step() runs what one step of the history starts. power_was_cut()
  // belongs to the step in which the process died.
  void begin_step();
  void end_step();
  void power_was_cut();
  void begin_pass(const sync::PassOptions& options);
  void end_pass(const Result<sync::PassReport>& report);
  // Whether all that fails does so for a reason that a person must settle: with deletions "keep", a
  // directory stays at the target, in the way of a file that has its name now.
  bool is_stuck_as_documented(const sync::PassReport& report);
  // When everything is said to be done.
  void check_quiet();

  void before_run(const tasks::TaskId& id) override;
  void after_run(const tasks::TaskId& id) override;

  // Every task that the state database has.
  std::vector<tasks::Task> all_tasks();
  const Violation& violation() const { return violation_; }
  template <class... Args>
  void fail(fmt::format_string<Args...> format, Args&&... args) {
    violation_.report(format, std::forward<Args>(args)...);
  }

 private:
  // Where a step may change something.
  struct Scope {
    Place place;
    std::string top;
    bool may_remove;
  };
  using Confirmed = std::map<std::string, std::string>;  // path to content

  static std::size_t index(Place place) { return static_cast<std::size_t>(place); }
  Tree tree(Place place) { return read_tree(world_.memory(place)); }
  void widen_scope(const Asked& asked);
  void disturb_others(const tasks::TaskId& id, const Asked& asked);
  bool in_scope(Place place, const std::string& path, bool removed) const;

  void check_recorded(const tasks::TaskId& id, Asked& asked, const Rows& rows);
  void check_not_repeated(const tasks::TaskId& id, const Asked& asked, Place place);

  void check_tasks();
  void check_source();
  void check_whole(Place place, const Tree& now);
  bool may_hold(Place place, const std::string& path, const std::string& content) const;
  void check_changes(Place place, const Tree& now);
  void check_confirmed(Place place, const Tree& now);
  void check_litter(const tasks::TaskId& id, const Asked& asked);

  World& world_;
  Source& source_;
  const Character& character_;
  Violation violation_;
  std::map<tasks::SubmissionId, Asked> requests_;  // until the task is seen
  std::map<tasks::TaskId, Asked> asked_;
  std::map<tasks::SubmissionId, tasks::TaskId> submissions_;
  std::set<tasks::TaskId> succeeded_;
  std::array<Tree, kPlaces> before_;
  std::vector<Scope> scope_;
  std::array<Confirmed, kPlaces> confirmed_;
  std::set<std::string> known_litter_;  // temporaries that nobody can be expected to remove
  bool power_cut_ = false;
  class SyncChecks;
  std::unique_ptr<SyncChecks> sync_;
};

// Whether a name on the way to `path`, below `top`, is left out by the rules. `tree` knows what the
// names are.
bool is_excluded(std::span<const engine::FilterRule> rules, const Tree& tree,
                 const std::string& top, const std::string& path);

}  // namespace wherry::sim
