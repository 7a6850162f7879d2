// SPDX-License-Identifier: Apache-2.0
// Rows of jobs, items and events as SOCI reads them, and what they mean. For the stores' .cc files.
#pragma once

#include <string>
#include <string_view>

#include "jobs/query.h"

namespace wherry::jobs {

// Of `job j`.
struct JobRow {
  static constexpr std::string_view kColumns =
      "j.id, j.site, j.app, j.state, j.session, j.batch_job, j.created, j.last_update,"
      " j.return_code, j.error_retries, j.timeout_retries, j.pending_file_cleanup, j.workdir,"
      " j.resources, j.parents, j.tags, j.parameters, j.data";
  void define(soci::statement& statement);
  Result<Job> job() const;  // kCorrupt
  std::size_t bytes() const;

  long long id = 0, site = 0, app = 0, session = 0, batch_job = 0, created = 0, last_update = 0;
  int return_code = 0, error_retries = 0, timeout_retries = 0, pending_file_cleanup = 0;
  soci::indicator has_return_code = soci::i_null;
  std::string state, workdir, resources, parents, tags, parameters, data;
};

// Of `transfer_item i`.
struct ItemRow {
  static constexpr std::string_view kColumns =
      "i.id, i.job, i.site, i.slot, i.direction, i.location_alias, i.remote_path, i.local_path,"
      " i.recursive, i.required, i.state, i.task_id, i.attempts, i.next_try, i.error_code,"
      " i.error_description, i.created, i.last_update";
  void define(soci::statement& statement);
  Result<TransferItem> item() const;  // kCorrupt
  std::size_t bytes() const;

  long long id = 0, job = 0, site = 0, next_try = 0, created = 0, last_update = 0;
  int recursive = 0, required = 0, attempts = 0;
  std::string slot, direction, location_alias, remote_path, local_path, state, task_id, error_code,
      error_description;
};

// Of `job_event e`.
struct EventRow {
  static constexpr std::string_view kSelect =
      "select e.id, e.job, e.item, e.time, e.from_state, e.to_state, e.message from job_event e";
  void define(soci::statement& statement);
  JobEvent event() const;
  std::size_t bytes() const;

  long long id = 0, job = 0, item = 0, time = 0;
  std::string from, to, message;
};

// Of `app a`.
struct AppRow {
  static constexpr std::string_view kSelect =
      "select a.id, a.site, a.name, a.description, a.command, a.parameters, a.transfers,"
      " a.preamble, a.environment, a.cleanup_files, a.resources, a.error_retries,"
      " a.timeout_retries from app a";
  void define(soci::statement& statement);
  Result<App> app() const;  // kCorrupt

  long long id = 0, site = 0;
  int error_retries = 0, timeout_retries = 0;
  std::string name, description, command, parameters, transfers, preamble, environment,
      cleanup_files, resources;
};

// All conditions of a filter but its page, of `job j` and of `transfer_item i`. SQLite has no
// statistics of the tables: which index it may use is said here, by a + before the other columns.
Conditions conditions_of(const JobFilter& filter, Search search = Search::kGather);
Conditions conditions_of(const ItemFilter& filter, Search search = Search::kGather);

// A work directory without what is superfluous in it; kInvalid unless it is relative and stays
// below where it starts.
Result<std::string> normal_workdir(std::string_view workdir);

// How much the rows of a page hold, beside what may be kept of them in memory.
class PageBytes {
 public:
  explicit PageBytes(std::size_t most) : most_(most) {}
  // Of one more row. kInvalid when the page holds too much: it says how many rows would not.
  Result<void> add(std::size_t bytes);

 private:
  const std::size_t most_;
  std::size_t bytes_ = 0;
  std::size_t rows_ = 0;
};

Result<std::vector<Job>> select_jobs(soci::session& sql, const std::string& text,
                                     const Conditions& conditions,
                                     std::size_t max_bytes = kAnyBytes);
Result<std::vector<TransferItem>> select_items(soci::session& sql, const std::string& text,
                                               const Conditions& conditions,
                                               std::size_t max_bytes = kAnyBytes);
Result<Job> load_job(soci::session& sql, JobId id);             // kNotFound
Result<TransferItem> load_item(soci::session& sql, ItemId id);  // kNotFound
Result<App> load_app(soci::session& sql, AppId id);             // kNotFound

}  // namespace wherry::jobs
