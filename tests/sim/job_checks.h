// SPDX-License-Identifier: Apache-2.0
// What jobs are owed: no one is ahead of its data or its parents, no file is moved again once it
// has arrived, states change by their tables, results are whole, and every job comes to an end for
// which there is a reason. The model is what the history knows of each job, nothing of how the
// product does it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checks.h"
#include "world.h"

namespace wherry::sim {

struct KnownJob {
  std::uint64_t serial = 0;          // names its work directory and its result
  std::string input;                 // its path at the shelf
  std::optional<jobs::JobId> maker;  // whose result that is; else it holds content_of(input)
  std::vector<jobs::JobId> parents;
  bool has_output = false;
  std::vector<std::string> results;  // of its runs, the last one counts
  bool is_removed = false;
  // What may have kept it from its end.
  bool is_touched = false;     // somebody cancelled or retried it, or removed it or a parent
  bool lacked_input = false;   // for a while
  bool lacked_output = false;  // a run that ended well did not make it
  bool was_struck = false;     // a fault met a task that carried its files
  int failed_runs = 0;
  int cut_off_runs = 0;

  std::string workdir() const { return fmt::format("w{}", serial); }
  std::string output() const { return fmt::format("out/{}", serial); }
};
using KnownJobs = std::map<jobs::JobId, KnownJob>;

// What a file of that name at the shelf holds, if it is none that a job has made.
std::string content_of(const std::string& path);

class JobChecks {
 public:
  // `known` is what the history knows of every job that it made, now.
  JobChecks(World& world, Checks& checks, const KnownJobs& known)
      : world_(world), checks_(checks), known_(known) {}

  // Between the two is one step.
  void begin_step();
  void end_step();
  // When everything is said to be done.
  void check_quiet();

  std::vector<jobs::Job> all_jobs();
  // Whether it can go on by itself no more: it has ended, or waits for a parent that has failed.
  bool is_at_rest();
  // Whether what a job finds as its input is what it is to find.
  bool has_input(const KnownJob& known);

 private:
  struct Arrived {
    jobs::ItemId item = 0;
    int attempts = 0;
  };
  using States = std::map<jobs::JobId, jobs::JobState>;

  std::vector<jobs::TransferItem> all_items();
  std::optional<std::string> read(const KnownJob& known, std::string_view name);
  bool may_be_input(const KnownJob& known, const std::string& content) const;
  std::string target_of(const jobs::TransferItem& item);
  void check_job(const jobs::Job& job, const States& states);
  void check_parents(const jobs::Job& job, const States& states);
  void check_shelf();
  void check_moved_once();
  void check_tasks();
  void check_end(const jobs::Job& job, const KnownJob& known, const States& states);
  bool may_have_failed(const jobs::Job& job, const KnownJob& known);
  void check_events();
  void check_job_event(const jobs::JobEvent& event, std::map<jobs::JobId, std::string>& last);
  void check_item_event(const jobs::JobEvent& event, std::map<jobs::ItemId, std::string>& last);
  void check_attempts();

  World& world_;
  Checks& checks_;
  const KnownJobs& known_;
  std::map<std::string, Arrived> arrived_;  // by target, before the step
};

}  // namespace wherry::sim
