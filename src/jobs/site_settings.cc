// SPDX-License-Identifier: Apache-2.0
#include "jobs/site_settings.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/random.h"
#include "base/yaml.h"

namespace wherry::jobs {
namespace {

constexpr std::int64_t kMaxTasks = 1'000;
constexpr std::int64_t kMaxItemsOfTask = 100'000;  // of the transfer contract
constexpr std::int64_t kMaxAttempts = 1'000;
constexpr std::int64_t kMaxGpus = 1'000;
constexpr Duration kDay = std::chrono::hours(24);
constexpr Duration kShortestPeriod = std::chrono::milliseconds(10);

// ---- locations

bool is_alias(std::string_view alias) {
  return !alias.empty() && std::all_of(alias.begin(), alias.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

Result<void> read_file_url(std::string_view path, Location& location) {
  if (!path.starts_with('/'))
    return make_error(
        Code::kInvalid,
        "'{}' is of another machine: a file:// URL has three slashes, file:///DIRECTORY",
        escape_bytes(location.url));
  location.endpoint = "local";
  TRY_ASSIGN(location.base, RelPath::parse(path), "'{}'", escape_bytes(location.url));
  return {};
}

Result<void> read_endpoint_url(std::string_view endpoint, Location& location) {
  if (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  if (endpoint.empty() || endpoint.find('/') != std::string_view::npos)
    return make_error(Code::kInvalid,
                      "'{}' does not name an endpoint alone; directories are in the paths of jobs, "
                      "ALIAS:/DIRECTORY/FILE",
                      escape_bytes(location.url));
  location.endpoint = std::string(endpoint);
  return {};
}

Result<void> read_url(std::string_view url, Location& location) {
  const std::size_t end = url.find("://");
  const std::string_view scheme = url.substr(0, end);
  location.url = std::string(url);
  const std::string_view rest =
      end == std::string_view::npos ? std::string_view() : url.substr(end + 3);
  if (end != std::string_view::npos && scheme == "file") return read_file_url(rest, location);
  if (end != std::string_view::npos && scheme == "wherry") return read_endpoint_url(rest, location);
  if (end != std::string_view::npos && scheme == "globus") {
    TRY(read_endpoint_url(rest, location));
    if (is_uuid(location.endpoint)) return {};
    return make_error(Code::kInvalid, "'{}': after globus:// stands the UUID of a collection",
                      escape_bytes(url));
  }
  return make_error(Code::kInvalid,
                    "'{}' is no location; they are globus://UUID, wherry://ENDPOINT and "
                    "file:///DIRECTORY",
                    escape_bytes(url));
}

Result<void> read_location(const YamlNode& node, Location& location) {
  if (node.kind == YamlNode::Kind::kScalar) {
    const auto read = read_url(node.text, location);
    return read ? Result<void>() : node.wrong(read.error().message);
  }
  const YamlField fields[] = {
      {"url",
       [&](const YamlNode& value) -> Result<void> {
         const auto read = read_url(value.text, location);
         return read ? Result<void>() : value.wrong(read.error().message);
       }},
      integer_field("max_concurrent_transfers", location.max_concurrent_transfers, 1, kMaxTasks),
      integer_field("transfer_batch_size", location.transfer_batch_size, 1, kMaxItemsOfTask),
      {"daily_quota",
       [&](const YamlNode& value) -> Result<void> {
         TRY_ASSIGN(location.daily_quota, value.as_bytes());
         return {};
       }},
  };
  TRY(read_fields(node, fields));
  if (location.url.empty()) return node.wrong("the location has no 'url'");
  return {};
}

Result<void> read_locations(const YamlNode& node, TransferSettings& transfers) {
  if (node.kind == YamlNode::Kind::kScalar || node.kind == YamlNode::Kind::kList)
    return node.wrong("wants names of locations, each with its URL");
  for (const YamlNode& child : node.children) {
    if (!is_alias(child.key))
      return child.wrong("a location's name is of letters, digits, '_', '-' and '.'");
    TRY(read_location(child, transfers.transfer_locations[child.key]));
  }
  return {};
}

// ---- sections

// A field that takes one of some words.
template <class Value>
YamlField choice_field(std::string_view key, Value& into,
                       std::vector<std::pair<std::string_view, Value>> choices) {
  return {key, [&into, choices = std::move(choices)](const YamlNode& node) -> Result<void> {
            std::string words;
            for (const auto& [word, value] : choices) {
              if (node.text == word) {
                into = value;
                return {};
              }
              words += fmt::format("{}{}", words.empty() ? "" : ", ", word);
            }
            return node.wrong(fmt::format("'{}' is not one of {}", escape_bytes(node.text), words));
          }};
}

Result<void> read_site_path(const YamlNode& node, std::string& into) {
  TRY_ASSIGN(into, node.as_text());
  if (into.empty()) return {};  // `null`, as Balsam's files have it: the same paths
  if (!into.starts_with('/')) return node.wrong("the path does not begin with '/'");
  if (const auto path = RelPath::parse(into); !path) return node.wrong(path.error().message);
  return {};
}

// The endpoint that the service must know, and the scheme that names it.
Result<void> check_service(const YamlNode& node, const TransferSettings& transfers) {
  for (const auto& [alias, location] : transfers.transfer_locations) {
    const YamlNode* const list = node.find("transfer_locations");
    const YamlNode& at = *list->find(alias);
    if (location.url.starts_with("file:") && transfers.service != "local")
      return at.wrong(
          fmt::format("'{}' is of this machine, which the service '{}' does not know: "
                      "name an endpoint of it",
                      escape_bytes(location.url), escape_bytes(transfers.service)));
    if (location.url.starts_with("wherry:") && transfers.service == "globus")
      return at.wrong("the service is Globus, whose locations are globus://UUID");
  }
  if (transfers.service != "local" && transfers.globus_endpoint_id.empty() &&
      !transfers.transfer_locations.empty())
    return node.wrong(
        fmt::format("the service is '{}': set 'globus_endpoint_id' to the endpoint "
                    "of it that has the site's directory",
                    escape_bytes(transfers.service)));
  return {};
}

Result<void> read_transfers(const YamlNode& node, TransferSettings& transfers) {
  if (node.kind == YamlNode::Kind::kNull) {
    transfers.is_on = false;
    return {};
  }
  using Share = TransferSettings::Share;
  const YamlField fields[] = {
      text_field("service", transfers.service),
      {"transfer_locations",
       [&](const YamlNode& value) { return read_locations(value, transfers); }},
      text_field("globus_endpoint_id", transfers.globus_endpoint_id),
      {"globus_endpoint_site_path",
       [&](const YamlNode& value) {
         return read_site_path(value, transfers.globus_endpoint_site_path);
       }},
      integer_field("max_concurrent_transfers", transfers.max_concurrent_transfers, 1, kMaxTasks),
      integer_field("transfer_batch_size", transfers.transfer_batch_size, 1, kMaxItemsOfTask),
      integer_field("num_items_query_limit", transfers.num_items_query_limit, 1, kMaxItemsOfTask),
      duration_field("service_period", transfers.service_period, kShortestPeriod, kDay),
      duration_field("max_batch_wait", transfers.max_batch_wait, Duration(0), kDay),
      choice_field<OnError>("on_error", transfers.on_error,
                            {{"fail", OnError::kFail}, {"hold", OnError::kHold}}),
      integer_field("max_attempts", transfers.max_attempts, 1, kMaxAttempts),
      duration_field("retry_delay", transfers.retry_delay, Duration(0), kDay),
      choice_field<Share>("share_inputs", transfers.share_inputs,
                          {{"no", Share::kNo}, {"link", Share::kLink}, {"copy", Share::kCopy}}),
  };
  TRY(read_fields(node, fields));
  if (transfers.service.empty())
    return node.wrong("'service' is empty; it is local, globus or an address");
  return check_service(node, transfers);
}

// One line of options each, from a list or a text.
Result<void> read_submit_arguments(const YamlNode& node, std::string& into) {
  if (node.kind != YamlNode::Kind::kList) {
    TRY_ASSIGN(into, node.as_text());
    return {};
  }
  TRY_ASSIGN(const std::vector<std::string> lines, node.as_text_list());
  for (const std::string& line : lines) into += line + '\n';
  return {};
}

Result<void> read_launcher(const YamlNode& node, LauncherSettings& launcher) {
  const YamlField fields[] = {
      integer_field("local_processes", launcher.local_processes, 0, 100'000),
      switch_field("run_locally", launcher.run_locally),
      integer_field("gpus_per_node", launcher.gpus_per_node, 0, kMaxGpus),
      choice_field<std::string>("scheduler", launcher.scheduler, {{"slurm", "slurm"}}),
      {"submit_arguments",
       [&](const YamlNode& value) {
         return read_submit_arguments(value, launcher.submit_arguments);
       }},
      duration_field("idle_time", launcher.idle_time, Duration(0), 365 * kDay),
      refused_field("idle_ttl_sec", "write 'idle_time: 10s'"),
      refused_field("compute_node", "nodes are found by the scheduler, and on this machine"),
      refused_field("mpi_app_launcher", "write how it is launched into the app's 'command'"),
      refused_field("local_app_launcher", "write how it is launched into the app's 'command'"),
      refused_field("mpirun_allows_node_packing",
                    "set 'resources: {node_packing_count: …}' of the app"),
      refused_field("max_concurrent_mpirun", "set 'local_processes'"),
  };
  return read_fields(node, fields);
}

Result<void> read_file_cleaner(const YamlNode& node, SiteSettings& settings) {
  const YamlField fields[] = {
      duration_field("service_period", settings.cleanup_period, kShortestPeriod, kDay),
      integer_field("cleanup_batch_size", settings.cleanup_batch_size, 1, kMaxItemsOfTask),
  };
  return read_fields(node, fields);
}

std::vector<YamlField> site_fields(SiteSettings& settings) {
  return {
      {"transfers", [&](const YamlNode& node) { return read_transfers(node, settings.transfers); }},
      {"launcher", [&](const YamlNode& node) { return read_launcher(node, settings.launcher); }},
      {"file_cleaner", [&](const YamlNode& node) { return read_file_cleaner(node, settings); }},
      // What Balsam's files have besides.
      refused_field("site_id", "leave it out: a site is known by its directory"),
      refused_field("logging", "leave it out: see the setting 'log.level' of 'wherry config show'"),
      refused_field("processing", "leave it out: jobs are prepared as their data arrives"),
      refused_field("scheduler", "write 'launcher: {scheduler: slurm, submit_arguments: […]}'"),
      refused_field("queue_maintainer", "leave it out: submit with 'wherry queue submit'"),
      refused_field("elastic_queue", "leave it out: submit with 'wherry queue submit'"),
  };
}

}  // namespace

Result<SiteSettings> parse_site_settings(std::string_view yaml) {
  TRY_ASSIGN(const YamlNode file, parse_yaml(yaml));
  SiteSettings settings;
  TRY(read_fields(file, site_fields(settings)));
  return settings;
}

Result<RelPath> endpoint_path(const TransferSettings& settings, std::string_view site_path,
                              std::string_view host_path) {
  if (!site_path.starts_with('/') || !host_path.starts_with('/'))
    return make_error(Code::kInvalid, "'{}' is not absolute",
                      escape_bytes(site_path.starts_with('/') ? host_path : site_path));
  TRY_ASSIGN(const RelPath site, RelPath::parse(site_path), "path of the site");
  TRY_ASSIGN(const RelPath path, RelPath::parse(host_path));
  if (!path.is_within(site))
    return make_error(Code::kInvalid, "'{}' is not below the site's directory, '{}'",
                      escape_bytes(host_path), escape_bytes(site_path));
  if (settings.globus_endpoint_site_path.empty()) return path;
  TRY_ASSIGN(const RelPath there, RelPath::parse(settings.globus_endpoint_site_path),
             "globus_endpoint_site_path");
  return RelPath::parse(there.join(path.relative_to(site)).text());
}

Result<RelPath> remote_path(const Location& location, std::string_view path) {
  if (!path.starts_with('/'))
    return make_error(Code::kInvalid, "the path '{}' does not begin with '/'", escape_bytes(path));
  TRY_ASSIGN(const RelPath below, RelPath::parse(path));
  // Both are in bounds; together they need not be.
  return RelPath::parse(location.base.join(below).text());
}

std::string sample_site_settings() {
  return R"(# Settings of a site. `wherry site sync` puts changes into force; nothing that is under way is
# lost. What is left out has the value that is shown.

# How the data of jobs is moved. `transfers: null` turns it off: jobs then have no inputs to wait for.
transfers:
  # Who moves it: local (Wherry itself), globus, or the address of a Wherry elsewhere.
  service: local

  # Where the data of jobs comes from and goes to, by the name that jobs use (`-s SLOT=NAME:/path`):
  # globus://UUID, wherry://ENDPOINT, or, of the service local, file:///DIRECTORY. One that needs
  # bounds of its own is written as the last one here.
  #
  # transfer_locations:
  #   als: globus://aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee
  #   lab: wherry://lab
  #   shared: file:///srv/shared
  #   drive:
  #     url: wherry://drive
  #     max_concurrent_transfers: 1
  #     transfer_batch_size: 1000
  #     daily_quota: 750GB
  transfer_locations: {}

  # The endpoint that has this directory: an id or a name. Empty: this machine's own, `local`.
  globus_endpoint_id: ""
  # What stands before a path there in place of this directory's path. Empty: paths are the same.
  globus_endpoint_site_path: ""

  # Tasks at once (Globus runs 3 of a user), and items in one of them.
  max_concurrent_transfers: 3
  transfer_batch_size: 100
  # Items that are looked at in one round, shared evenly between locations.
  num_items_query_limit: 2000
  # At most so long between two looks at the work; what changes meanwhile is seen at once.
  service_period: 5s
  # How long an item may wait for its batch to fill.
  max_batch_wait: 0s

  # When an item fails for a reason that may pass: how many tasks may carry it, how long before the
  # second one (doubled for each more), and then: fail (its job is FAILED) or hold (its job waits
  # until somebody retries the item).
  max_attempts: 3
  retry_delay: 30s
  on_error: fail

  # One remote file that is an input of many jobs is moved: no (for each), link or copy (once, and
  # then linked or copied to the others).
  share_inputs: "no"

# Who runs jobs.
launcher:
  # Whether `wherry site start` runs them on this machine, and how many at once (0: as many as there
  # are processors).
  run_locally: true
  local_processes: 0
  # GPUs of each node for jobs, none for two at once; without it, those that a launcher finds.
  # gpus_per_node: 4
  # For `wherry queue submit`: the scheduler, and options for each of its scripts.
  scheduler: slurm
  submit_arguments: []
  # A launcher that finds nothing to run ends after it.
  idle_time: 1m

# Removes the cleanup_files of finished jobs.
file_cleaner:
  service_period: 30s
  cleanup_batch_size: 180
)";
}

}  // namespace wherry::jobs
