// SPDX-License-Identifier: Apache-2.0
// The words of jobs, with Balsam's meanings: a site runs apps; a job is one run of an app whose
// inputs arrive before it and whose results leave after it; a slot says what an app wants moved, a
// transfer item is one slot of one job. Plain data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "jobs/state.h"
#include "tasks/types.h"

namespace wherry::jobs {

// Rows are numbered from 1; a number is never used again.
using SiteId = std::int64_t;
using AppId = std::int64_t;
using JobId = std::int64_t;
using ItemId = std::int64_t;
using StageTaskId = std::int64_t;
using SessionId = std::int64_t;
using BatchJobId = std::int64_t;

using TextMap = std::map<std::string, std::string, std::less<>>;

inline constexpr std::size_t kMaxBulk = 5'000;    // jobs or changes in one call
inline constexpr std::size_t kMaxPage = 100'000;  // rows of one answer
inline constexpr std::size_t kMaxDataBytes = 512'000;
inline constexpr std::size_t kMaxPageBytes = std::size_t{128} << 20;  // of a page for a client
inline constexpr std::size_t kAnyBytes = SIZE_MAX;

// ---- sites

// A directory in which jobs run: `settings.yml`, `apps/`, `data/` (the work directories), `log/`.
struct Site {
  SiteId id = 0;
  std::string name;   // unique for its owner; at most 100 characters
  std::string path;   // absolute
  std::string owner;  // as of tasks
  TimePoint created;
  std::string settings;  // the text of settings.yml that is in force (site_settings.h)
  // What the process of the site tells about itself; missing before it first ran.
  std::optional<TimePoint> last_refresh;   // it lived
  std::optional<TimePoint> last_progress;  // it changed the state of a job or an item
  std::string alert;                       // what a person has to do; empty: nothing

  std::string data_directory() const { return path + "/data"; }
};

// ---- apps

enum class Direction { kIn, kOut };
std::string_view to_string(Direction direction);  // "in", "out"
Result<Direction> parse_direction(std::string_view text);

struct Slot {
  Direction direction = Direction::kIn;
  bool required = true;  // of an input: a job must fill it; of an output: it must have been made
  // Below the work directory. Of an input, "." keeps the name of the remote file; of an output, the
  // last component may hold * ? [..].
  std::string local_path;
  bool recursive = false;
  std::string description;
  friend bool operator==(const Slot&, const Slot&) = default;
};

struct Parameter {
  bool required = true;  // false: `default_text` stands in
  std::string default_text;
  std::string help;
  friend bool operator==(const Parameter&, const Parameter&) = default;
};

// What one run needs.
struct Resources {
  int num_nodes = 1;
  int ranks_per_node = 1;
  int threads_per_rank = 1;
  int threads_per_core = 1;
  double gpus_per_rank = 0;
  int node_packing_count = 1;  // how many such jobs share a node
  int wall_time_min = 0;       // 0: no bound
  TextMap launch_params = {};
  friend bool operator==(const Resources&, const Resources&) = default;
};

struct App {
  AppId id = 0;
  SiteId site = 0;
  std::string name;  // letters, digits, '_', '-' and '.'; unique in its site; at most 200
  std::string description;
  std::string command;  // with {{ parameter }}s; run by sh (app_command.h)
  std::map<std::string, Parameter, std::less<>> parameters;
  std::map<std::string, Slot, std::less<>> transfers;
  std::string preamble;  // lines of sh that are run before the command
  TextMap environment;
  std::vector<std::string> cleanup_files;  // glob patterns below the work directory
  Resources resources;                     // of jobs that name none of their own
  // How often a run that failed, or was cut off, is repeated before the job is FAILED.
  int error_retries = 0;
  int timeout_retries = 3;
  friend bool operator==(const App&, const App&) = default;
};

// ---- jobs

// A file or directory at a location of the site's settings.
struct RemotePath {
  std::string location_alias;
  std::string path;  // absolute; may hold colons, spaces and any byte but NUL
  friend bool operator==(const RemotePath&, const RemotePath&) = default;
};
// kInvalid unless it has an alias and an absolute path that could be one of a file (no "..", no
// NUL, no component of more than 255 bytes).
Result<void> check_remote_path(const RemotePath& place);
// "alias:/path"; the first colon separates. The path is checked, and stays as it is written.
Result<RemotePath> parse_remote_path(std::string_view text);

struct NewJob {
  std::string app;      // name, or number
  std::string workdir;  // relative, below the site's data directory
  TextMap tags;
  TextMap parameters;
  std::map<std::string, RemotePath, std::less<>> transfers;  // slot -> place
  std::optional<Resources> resources;
  std::vector<JobId> parents;
  std::string data;  // a JSON object as the user wrote it; empty: {}
};

struct Job {
  JobId id = 0;
  SiteId site = 0;
  AppId app = 0;
  std::string workdir;
  TextMap tags;
  TextMap parameters;
  Resources resources;
  std::vector<JobId> parents;
  std::string data;
  JobState state = JobState::kCreated;
  TimePoint created;
  TimePoint last_update;
  std::optional<int> return_code;  // of the last run; 128 + n if signal n ended it
  int error_retries = 0;           // so far
  int timeout_retries = 0;
  std::optional<SessionId> session;  // who holds it: the launcher that runs it
  std::optional<BatchJobId> batch_job;
  bool pending_file_cleanup = true;
};

struct TransferItem {
  ItemId id = 0;
  JobId job = 0;
  SiteId site = 0;
  std::string slot;
  Direction direction = Direction::kIn;
  std::string location_alias;
  std::string remote_path;
  std::string local_path;  // below the work directory, as the slot has it
  bool recursive = false;
  bool required = true;
  ItemState state = ItemState::kPending;
  tasks::TaskId task_id;                  // of the last task that carried it; empty: none yet
  int attempts = 0;                       // tasks that carried it
  TimePoint next_try;                     // of a pending one: not before
  std::optional<tasks::TaskError> error;  // why the last attempt failed
  TimePoint created;
  TimePoint last_update;
};

// One change of state. `item` is missing where the job itself changed.
struct JobEvent {
  std::int64_t id = 0;
  JobId job = 0;
  std::optional<ItemId> item;
  TimePoint time;
  std::string from;  // as to_string() of the state has it; empty: it was created
  std::string to;
  std::string message;
};

// ---- launchers

// Somebody who holds jobs: a launcher that lives as long as its heartbeat is fresh.
struct Session {
  SessionId id = 0;
  SiteId site = 0;
  std::optional<BatchJobId> batch_job;
  std::string holder;  // "launcher, process 12 on node3"
  TimePoint created;
  TimePoint heartbeat;
};
// A session without a heartbeat for so long is dead.
inline constexpr Duration kSessionLease = std::chrono::minutes(5);
inline constexpr Duration kSessionHeartbeat = std::chrono::seconds(30);

enum class JobMode { kSerial, kMpi };
std::string_view to_string(JobMode mode);  // "serial", "mpi"
Result<JobMode> parse_job_mode(std::string_view text);

// An allocation of a scheduler in which a launcher runs jobs.
struct BatchJob {
  BatchJobId id = 0;
  SiteId site = 0;
  std::string scheduler_id;  // of the scheduler; empty before it was submitted
  std::string queue;
  std::string project;
  TextMap optional_params;
  int num_nodes = 1;
  int wall_time_min = 0;  // 0: as the queue has it
  JobMode job_mode = JobMode::kSerial;
  TextMap filter_tags;  // runs only jobs that have these
  BatchJobState state = BatchJobState::kPendingSubmission;
  std::string status_info;
  TimePoint created;
  std::optional<TimePoint> started;
  std::optional<TimePoint> ended;
};

// ---- what lists can be asked; an empty list lets everything pass

enum class Sorting { kAscending, kDescending };

struct JobFilter {
  std::vector<SiteId> sites;
  std::vector<AppId> apps;
  std::vector<JobId> ids;
  std::vector<JobId> parents;
  std::vector<JobState> states;
  std::vector<JobState> excluded_states;
  std::optional<BatchJobId> batch_job;
  TextMap tags;  // all must be there
  std::string workdir_contains;
  std::optional<TimePoint> updated_after;
  std::optional<TimePoint> updated_before;
  std::optional<bool> pending_file_cleanup;
  enum class Order { kId, kLastUpdate, kState, kWorkdir } order = Order::kId;
  Sorting sorting = Sorting::kAscending;
  std::size_t limit = kMaxPage;
  std::size_t offset = 0;
  std::size_t max_bytes = kAnyBytes;  // a page that holds more is refused (kInvalid)
};

struct ItemFilter {
  std::vector<SiteId> sites;
  std::vector<ItemId> ids;
  std::vector<JobId> jobs;
  std::vector<ItemState> states;
  std::optional<Direction> direction;
  std::vector<JobState> job_states;
  std::vector<std::string> location_aliases;
  std::vector<tasks::TaskId> task_ids;
  TextMap tags;  // of the job
  std::string remote_path_contains;
  std::optional<TimePoint> updated_after;
  std::optional<TimePoint> updated_before;
  enum class Order { kId, kLastUpdate, kState } order = Order::kId;
  Sorting sorting = Sorting::kAscending;
  std::size_t limit = kMaxPage;
  std::size_t offset = 0;
  std::size_t max_bytes = kAnyBytes;  // as of jobs
};

struct EventFilter {
  std::vector<std::int64_t> ids;
  std::vector<JobId> jobs;
  std::vector<SiteId> sites;
  std::optional<BatchJobId> batch_job;
  TextMap tags;  // of the job
  std::string from;
  std::string to;
  std::optional<TimePoint> after;
  std::optional<TimePoint> before;
  Sorting sorting = Sorting::kDescending;  // by time
  std::size_t limit = kMaxPage;
  std::size_t offset = 0;
  std::size_t max_bytes = kAnyBytes;  // as of jobs
};

struct BatchJobFilter {
  std::vector<SiteId> sites;
  std::vector<BatchJobId> ids;
  std::vector<BatchJobState> states;
  std::string scheduler_id;
  std::string queue;
  TextMap filter_tags;  // all must be among those that the batch job has
  // One that has not started, or ended, fits no such time.
  std::optional<TimePoint> started_after;
  std::optional<TimePoint> started_before;
  std::optional<TimePoint> ended_after;
  std::optional<TimePoint> ended_before;
  enum class Order { kId, kStarted, kEnded } order = Order::kId;
  Sorting sorting = Sorting::kAscending;
  std::size_t limit = kMaxPage;
  std::size_t offset = 0;
};

// A page, and how many rows there are in all.
template <class T>
struct Listing {
  std::uint64_t count = 0;
  std::vector<T> rows;
};

}  // namespace wherry::jobs
