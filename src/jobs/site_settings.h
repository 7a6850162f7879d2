// SPDX-License-Identifier: Apache-2.0
// `settings.yml` of a site: Balsam's `transfers` section with its keys and meanings, and what
// Wherry adds to it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/path.h"
#include "base/result.h"
#include "base/types.h"
#include "jobs/types.h"

namespace wherry::jobs {

// Where a location alias leads: an endpoint of the site's service, and the directory there that
// stands before every path ("/" but for file:// URLs).
struct Location {
  std::string url;       // as it was written
  std::string endpoint;  // name or id; "local" of file:///…
  RelPath base;
  // Bounds of its own; missing: as of the site.
  std::optional<std::size_t> max_concurrent_transfers;
  std::optional<std::size_t> transfer_batch_size;
  std::optional<ByteCount> daily_quota;  // bytes submitted to or from it in any 24 hours
};

// What becomes of an item, and its job, that failed for a reason that may pass by itself or by a
// person's act once its attempts are used up; what can never succeed (FILE_NOT_FOUND, …) does not
// wait for attempts.
enum class OnError {
  kFail,  // the item is `error` and the job FAILED
  kHold,  // the item is `error`, the job stays where it is until somebody retries the item
};

struct TransferSettings {
  std::string service = "local";  // "local", "globus" or an address, as the setting `service`
  std::map<std::string, Location, std::less<>> transfer_locations;
  std::string globus_endpoint_id;  // the site's own endpoint, name or id; empty: "local"
  // What stands before a path on that endpoint in place of the site's path: only as its leading
  // part. Empty: paths are the same there.
  std::string globus_endpoint_site_path;
  std::size_t max_concurrent_transfers = 3;  // what Globus runs at once
  std::size_t transfer_batch_size = 100;
  std::size_t num_items_query_limit = 2'000;
  Duration service_period = std::chrono::seconds(5);  // at most between two looks at the work
  Duration max_batch_wait{0};  // how long an item may wait for its batch to fill
  OnError on_error = OnError::kFail;
  int max_attempts = 3;  // tasks that may carry an item, of errors that can pass
  Duration retry_delay = std::chrono::seconds(30);  // before the second, doubled for each more
  enum class Share { kNo, kLink, kCopy } share_inputs = Share::kNo;  // identical inputs move once
  bool is_on = true;                                                 // `transfers: null` is off
};

struct LauncherSettings {
  std::size_t local_processes = 0;  // at once, of the launcher `local`; 0: one for each processor
  bool run_locally = true;          // whether the site's own process launches jobs on this machine
  // That a launcher hands out to jobs, of each of its nodes; missing: those that it finds.
  std::optional<std::size_t> gpus_per_node;
  std::string scheduler = "slurm";
  std::string submit_arguments;  // put into every sbatch script, one #SBATCH line each
  Duration idle_time = std::chrono::minutes(1);  // a launcher with nothing to run ends after it
};

struct SiteSettings {
  TransferSettings transfers;
  LauncherSettings launcher;
  Duration cleanup_period = std::chrono::seconds(30);  // of cleanup_files
  std::size_t cleanup_batch_size = 180;
};

// kInvalid names line and key, and the nearest known key of a slip. Unknown Balsam sections
// (`processing`, `launcher.mpi_app_launcher`, …) are errors too, which say what to write instead.
Result<SiteSettings> parse_site_settings(std::string_view yaml);
// A commented file with every key and its default.
std::string sample_site_settings();

// The path on the site's endpoint of a file at `host_path` below the site's directory `site_path`.
// Only a leading `site_path` is replaced, and nothing is resolved.
Result<RelPath> endpoint_path(const TransferSettings& settings, std::string_view site_path,
                              std::string_view host_path);
// The path at a location; kInvalid unless `path` is absolute.
Result<RelPath> remote_path(const Location& location, std::string_view path);

}  // namespace wherry::jobs
