// SPDX-License-Identifier: Apache-2.0
#include "api/job_requests.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <span>

#include "api/json.h"
#include "api/paths.h"
#include "base/path.h"

namespace wherry::api {
namespace {

namespace json = boost::json;

using Names = std::span<const std::string_view>;

std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

std::string place_of(std::string_view what, std::size_t number) {
  return fmt::format("{} {}", what, number + 1);
}

std::string below(const std::string& where, std::string_view name) {
  return where.empty() ? std::string(name) : fmt::format("{}: {}", where, name);
}

// One object of a request. Every member that it has must be one of those that are read.
class Part {
 public:
  explicit Part(const json::object& object, std::string where = {})
      : object_(object), where_(std::move(where)), members_(object, where_) {}

  const std::string& where() const { return where_; }
  const json::object& object() const { return object_; }
  const Members& members() const { return members_; }

  Result<void> knows(std::vector<std::string_view> known,
                     std::initializer_list<Names> more = {}) const {
    for (const Names& names : more) known.insert(known.end(), names.begin(), names.end());
    for (const auto& member : object_) {
      const std::string_view name = view(member.key());
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      return members_.error(escape_bytes(name),
                            fmt::format("is not known here: {}", fmt::join(known, ", ")));
    }
    return {};
  }

  Result<void> whole(std::string_view name, int& out, int least = 0) const {
    std::optional<std::int64_t> number;
    TRY(members_.get(name, number));
    if (!number) return {};
    constexpr int kMost = std::numeric_limits<int>::max();
    if (*number < least || *number > kMost)
      return members_.error(name, fmt::format("must be {} to {}", least, kMost));
    out = static_cast<int>(*number);
    return {};
  }
  Result<void> whole(std::string_view name, std::optional<int>& out, int least = 0) const {
    if (!members_.has(name)) return {};
    return whole(name, out.emplace(), least);
  }
  Result<void> map(std::string_view name, jobs::TextMap& out) const {
    TRY_ASSIGN(const json::object* map, members_.object(name));
    if (map == nullptr) return {};
    jobs::TextMap read;
    const Members values(*map, below(where_, name));
    for (const auto& member : *map) {
      const std::string_view key = view(member.key());
      TRY(values.require(key, read[std::string(key)]));
    }
    out = std::move(read);
    return {};
  }
  Result<void> map(std::string_view name, std::optional<jobs::TextMap>& out) const {
    if (!members_.has(name)) return {};
    return map(name, out.emplace());
  }
  Result<void> path(std::string_view name, std::string& out) const {
    std::optional<std::string> text;
    TRY(members_.get(name, text));
    if (text) out = decode_bytes(*text);
    return {};
  }
  // A word that `parse` knows.
  template <class Word>
  Result<void> word(std::string_view name, Word& out,
                    Result<Word> (*parse)(std::string_view)) const {
    std::optional<std::string> text;
    TRY(members_.get(name, text));
    if (!text) return {};
    const auto parsed = parse(*text);
    if (!parsed) return members_.error(name, ": " + parsed.error().message);
    out = *parsed;
    return {};
  }
  template <class Word>
  Result<void> word(std::string_view name, std::optional<Word>& out,
                    Result<Word> (*parse)(std::string_view)) const {
    if (!members_.has(name)) return {};
    return word(name, out.emplace(), parse);
  }
  Result<void> numbers(std::string_view name, std::vector<std::int64_t>& out) const {
    TRY_ASSIGN(const json::array* array, members_.array(name));
    if (array == nullptr) return {};
    for (const json::value& value : *array) {
      if (!value.is_int64()) return members_.error(name, "must hold whole numbers");
      out.push_back(value.get_int64());
    }
    return {};
  }
  Result<void> texts(std::string_view name, std::vector<std::string>& out) const {
    TRY_ASSIGN(const json::array* array, members_.array(name));
    if (array == nullptr) return {};
    std::vector<std::string> read;
    for (const json::value& value : *array) {
      if (!value.is_string()) return members_.error(name, "must hold strings");
      read.emplace_back(view(value.get_string()));
    }
    out = std::move(read);
    return {};
  }

 private:
  const json::object& object_;
  const std::string where_;
  const Members members_;
};

// ---- resources

constexpr std::string_view kResources[] = {
    "num_nodes",     "ranks_per_node",     "threads_per_rank", "threads_per_core",
    "gpus_per_rank", "node_packing_count", "wall_time_min",    "launch_params"};

Result<ResourceChange> read_resources(const Part& part) {
  ResourceChange change;
  TRY(part.whole("num_nodes", change.num_nodes, 1));
  TRY(part.whole("ranks_per_node", change.ranks_per_node, 1));
  TRY(part.whole("threads_per_rank", change.threads_per_rank, 1));
  TRY(part.whole("threads_per_core", change.threads_per_core, 1));
  TRY(part.whole("node_packing_count", change.node_packing_count, 1));
  TRY(part.whole("wall_time_min", change.wall_time_min));
  TRY(part.members().get("gpus_per_rank", change.gpus_per_rank));
  constexpr double kMostGpus = 1'000'000;
  if (!(change.gpus_per_rank.value_or(0) >= 0 && change.gpus_per_rank.value_or(0) <= kMostGpus))
    return part.members().error("gpus_per_rank", "must be 0 or more");
  TRY(part.map("launch_params", change.launch_params));
  return change;
}

// ---- apps

constexpr std::string_view kAppMembers[] = {"description",   "command",       "parameters",
                                            "transfers",     "preamble",      "environment",
                                            "cleanup_files", "error_retries", "timeout_retries"};

Result<jobs::Parameter> read_parameter(const Part& part) {
  TRY(part.knows({"required", "default", "help"}));
  jobs::Parameter parameter;
  // One that has a default needs not be given.
  parameter.required = !part.members().has("default");
  TRY(part.members().get("required", parameter.required));
  TRY(part.members().get("default", parameter.default_text));
  TRY(part.members().get("help", parameter.help));
  return parameter;
}

Result<jobs::Slot> read_slot(const Part& part) {
  TRY(part.knows({"required", "direction", "local_path", "description", "recursive"}));
  jobs::Slot slot;
  if (!part.members().has("direction")) return part.members().error("direction", "is missing");
  if (!part.members().has("local_path")) return part.members().error("local_path", "is missing");
  TRY(part.word("direction", slot.direction, jobs::parse_direction));
  TRY(part.path("local_path", slot.local_path));
  TRY(part.members().get("required", slot.required));
  TRY(part.members().get("description", slot.description));
  TRY(part.members().get("recursive", slot.recursive));
  return slot;
}

// {"name": {…}, …}, each read by `read`.
template <class T>
Result<void> read_each(const Part& part, std::string_view name, Result<T> (*read)(const Part&),
                       std::map<std::string, T, std::less<>>& out) {
  TRY_ASSIGN(const json::object* map, part.members().object(name));
  if (map == nullptr) return {};
  std::map<std::string, T, std::less<>> all;
  const std::string where = below(part.where(), name);
  for (const auto& member : *map) {
    const std::string key(view(member.key()));
    const json::object* object = member.value().if_object();
    if (object == nullptr)
      return make_error(Code::kInvalid, "{}: {} must be an object", where, escape_bytes(key));
    TRY_ASSIGN(all[key], read(Part(*object, below(where, escape_bytes(key)))));
  }
  out = std::move(all);
  return {};
}

Result<void> read_app_members(const Part& part, jobs::App& app) {
  const Members& members = part.members();
  TRY(members.get("description", app.description));
  TRY(members.get("command", app.command));
  TRY(read_each(part, "parameters", read_parameter, app.parameters));
  TRY(read_each(part, "transfers", read_slot, app.transfers));
  TRY(members.get("preamble", app.preamble));
  TRY(part.map("environment", app.environment));
  TRY(part.texts("cleanup_files", app.cleanup_files));
  TRY(part.whole("error_retries", app.error_retries));
  TRY(part.whole("timeout_retries", app.timeout_retries));
  TRY_ASSIGN(const ResourceChange resources, read_resources(part));
  app.resources = resources.onto(app.resources);
  return {};
}

// ---- jobs

constexpr std::string_view kJobMembers[] = {"workdir", "tags", "parameters", "data"};

// "alias:/path", or its two parts.
Result<jobs::RemotePath> read_remote_path(const std::string& where, const json::value& value) {
  if (const json::string* text = value.if_string()) {
    TRY_ASSIGN(auto path, jobs::parse_remote_path(decode_bytes(view(*text))), "{}", where);
    return path;
  }
  const json::object* object = value.if_object();
  if (object == nullptr) {
    return make_error(Code::kInvalid,
                      "{} must be \"alias:/path\" or {{\"location_alias\", "
                      "\"path\"}}",
                      where);
  }
  const Part part(*object, where);
  TRY(part.knows({"location_alias", "path"}));
  jobs::RemotePath path;
  TRY(part.members().require("location_alias", path.location_alias));
  TRY(part.members().require("path", path.path));
  path.path = decode_bytes(path.path);
  return path;
}

Result<void> read_transfers(const Part& part, jobs::NewJob& job) {
  TRY_ASSIGN(const json::object* map, part.members().object("transfers"));
  if (map == nullptr) return {};
  for (const auto& member : *map) {
    const std::string slot(view(member.key()));
    const std::string where = below(part.where(), "transfers: " + escape_bytes(slot));
    TRY_ASSIGN(job.transfers[slot], read_remote_path(where, member.value()));
  }
  return {};
}

// As text, for it is the client's own.
Result<void> read_data(const Part& part, std::string& out) {
  TRY_ASSIGN(const json::object* data, part.members().object("data"));
  if (data == nullptr) return {};
  out = to_text(*data);
  if (out.size() <= jobs::kMaxDataBytes) return {};
  return part.members().error(
      "data", fmt::format("has {} bytes, at most {} are allowed", out.size(), jobs::kMaxDataBytes));
}

Result<JobPatch> read_change(const Part& part) {
  JobPatch patch;
  jobs::JobChange& change = patch.change;
  TRY(part.word("state", change.state, jobs::parse_job_state));
  if (part.members().has("workdir")) TRY(part.path("workdir", change.workdir.emplace()));
  TRY(part.map("tags", change.tags));
  TRY(part.map("parameters", change.parameters));
  if (part.members().has("data")) TRY(read_data(part, change.data.emplace()));
  TRY(part.members().get("pending_file_cleanup", change.pending_file_cleanup));
  // 128 + n if signal n ended it; a negative one is a signal too, in Python.
  TRY(part.whole("return_code", change.return_code, std::numeric_limits<int>::min()));
  TRY_ASSIGN(patch.resources, read_resources(part));
  return patch;
}

constexpr std::string_view kChangeMembers[] = {"state", "pending_file_cleanup", "return_code"};

// The object of that number, and its `id`.
Result<const json::object*> numbered(const json::array& array, std::size_t number,
                                     std::string_view what, std::int64_t& id) {
  const json::object* object = array[number].if_object();
  if (object == nullptr)
    return make_error(Code::kInvalid, "{} must be an object", place_of(what, number));
  TRY(Members(*object, place_of(what, number)).require("id", id));
  return object;
}

// ---- transfer items

constexpr std::string_view kItemMembers[] = {"state", "task_id", "transfer_info"};

Result<void> read_item_members(const Part& part, jobs::Items::Change& change) {
  TRY(part.word("state", change.state, jobs::parse_item_state));
  TRY(part.members().get("task_id", change.task_id));
  TRY_ASSIGN(const json::object* info, part.members().object("transfer_info"));
  if (info == nullptr) return {};
  const Part error(*info, below(part.where(), "transfer_info"));
  TRY(error.knows({"error", "code"}));
  if (!error.members().has("error")) return {};
  tasks::TaskError& told = change.error.emplace();
  told.code = "UNKNOWN";
  TRY(error.members().get("error", told.description));
  TRY(error.members().get("code", told.code));
  return {};
}

// ---- launchers

Result<jobs::BatchJobs::Change> read_batch_job_members(const Part& part) {
  jobs::BatchJobs::Change change;
  if (!part.members().has("state")) return part.members().error("state", "is missing");
  TRY(part.word("state", change.state, jobs::parse_batch_job_state));
  if (change.state != jobs::BatchJobState::kPendingDeletion) {
    return part.members().error(
        "state", "must be pending_deletion; the site's process sets the others as they come");
  }
  return change;
}

Result<jobs::RunEnd> read_run_end(const json::array& array, std::size_t number) {
  TRY_ASSIGN(const json::object* object, object_at(array, number, "ended"));
  const Part part(*object, place_of("ended", number));
  TRY(part.knows({"job_id", "state", "return_code", "message"}));
  jobs::RunEnd end;
  TRY(part.members().require("job_id", end.job));
  if (!part.members().has("state")) return part.members().error("state", "is missing");
  TRY(part.word("state", end.state, jobs::parse_job_state));
  using jobs::JobState;
  constexpr JobState kEnds[] = {JobState::kRunDone, JobState::kRunError, JobState::kRunTimeout,
                                JobState::kRestartReady};
  if (std::find(std::begin(kEnds), std::end(kEnds), end.state) == std::end(kEnds)) {
    return part.members().error("state",
                                "must be RUN_DONE, RUN_ERROR, RUN_TIMEOUT or RESTART_READY");
  }
  TRY(part.whole("return_code", end.return_code, std::numeric_limits<int>::min()));
  TRY(part.members().get("message", end.message));
  return end;
}

}  // namespace

bool ResourceChange::is_empty() const {
  return !num_nodes && !ranks_per_node && !threads_per_rank && !threads_per_core &&
         !node_packing_count && !wall_time_min && !gpus_per_rank && !launch_params;
}

jobs::Resources ResourceChange::onto(jobs::Resources base) const {
  base.num_nodes = num_nodes.value_or(base.num_nodes);
  base.ranks_per_node = ranks_per_node.value_or(base.ranks_per_node);
  base.threads_per_rank = threads_per_rank.value_or(base.threads_per_rank);
  base.threads_per_core = threads_per_core.value_or(base.threads_per_core);
  base.node_packing_count = node_packing_count.value_or(base.node_packing_count);
  base.wall_time_min = wall_time_min.value_or(base.wall_time_min);
  base.gpus_per_rank = gpus_per_rank.value_or(base.gpus_per_rank);
  if (launch_params) base.launch_params = *launch_params;
  return base;
}

Result<SiteRequest> read_site(const json::object& document) {
  const Part part(document);
  TRY(part.knows({"name", "path", "settings"}));
  SiteRequest request;
  TRY(part.members().get("name", request.name));
  if (part.members().has("path")) TRY(part.path("path", request.path.emplace()));
  TRY(part.members().get("settings", request.settings));
  return request;
}

Result<jobs::App> read_app(const json::object& document) {
  const Part part(document);
  TRY(part.knows({"site_id", "name"}, {kAppMembers, kResources}));
  jobs::App app;
  TRY(part.members().require("site_id", app.site));
  TRY(part.members().require("name", app.name));
  if (!part.members().has("command")) return part.members().error("command", "is missing");
  TRY(read_app_members(part, app));
  return app;
}

Result<void> read_app_change(const json::object& document, jobs::App& app) {
  const Part part(document);
  TRY(part.knows({"id", "site_id", "name"}, {kAppMembers, kResources}));
  jobs::App named = app;
  TRY(part.members().get("id", named.id));
  TRY(part.members().get("site_id", named.site));
  TRY(part.members().get("name", named.name));
  if (named.id != app.id || named.site != app.site || named.name != app.name)
    return part.members().error("name", "and site_id of an app cannot be changed; make another");
  return read_app_members(part, app);
}

Result<JobRequest> read_new_job(const json::array& document, std::size_t number) {
  const std::string where = place_of("job", number);
  const json::object* object = document[number].if_object();
  if (object == nullptr) return make_error(Code::kInvalid, "{} must be an object", where);
  const Part part(*object, where);
  TRY(part.knows({"app_id", "app", "site_id", "parent_ids", "transfers"},
                 {kJobMembers, kResources}));
  JobRequest request;
  TRY(part.members().get("app_id", request.app_id));
  TRY(part.members().get("site_id", request.site_id));
  TRY(part.members().get("app", request.job.app));
  if (!request.app_id && request.job.app.empty())
    return part.members().error("app_id", "is missing");
  if (request.app_id && !request.job.app.empty())
    return part.members().error("app", "and app_id exclude each other");
  if (!request.app_id && !request.site_id)
    return part.members().error("site_id", "is missing: the name of an app is that of a site");
  if (!part.members().has("workdir")) return part.members().error("workdir", "is missing");
  TRY(part.path("workdir", request.job.workdir));
  TRY(part.map("tags", request.job.tags));
  TRY(part.map("parameters", request.job.parameters));
  TRY(read_data(part, request.job.data));
  TRY(part.numbers("parent_ids", request.job.parents));
  TRY(read_transfers(part, request.job));
  TRY_ASSIGN(request.resources, read_resources(part));
  return request;
}

Result<JobPatch> read_job_change(const json::object& document) {
  const Part part(document);
  TRY(part.knows({}, {kJobMembers, kChangeMembers, kResources}));
  return read_change(part);
}

Result<NumberedJobPatch> read_job_patch(const json::array& document, std::size_t number) {
  NumberedJobPatch numbered_patch;
  TRY_ASSIGN(const json::object* object, numbered(document, number, "job", numbered_patch.id));
  const Part part(*object, place_of("job", number));
  TRY(part.knows({"id"}, {kJobMembers, kChangeMembers, kResources}));
  TRY_ASSIGN(numbered_patch.patch, read_change(part));
  return numbered_patch;
}

Result<jobs::Items::Change> read_item_change(const json::object& document, jobs::ItemId id) {
  const Part part(document);
  TRY(part.knows({}, {kItemMembers}));
  jobs::Items::Change change;
  change.id = id;
  TRY(read_item_members(part, change));
  return change;
}

Result<jobs::Items::Change> read_item_patch(const json::array& document, std::size_t number) {
  jobs::Items::Change change;
  TRY_ASSIGN(const json::object* object, numbered(document, number, "transfer", change.id));
  const Part part(*object, place_of("transfer", number));
  TRY(part.knows({"id"}, {kItemMembers}));
  TRY(read_item_members(part, change));
  return change;
}

Result<jobs::BatchJob> read_batch_job(const json::object& document) {
  const Part part(document);
  TRY(part.knows({"site_id", "project", "queue", "optional_params", "num_nodes", "wall_time_min",
                  "job_mode", "filter_tags"}));
  jobs::BatchJob batch_job;
  TRY(part.members().require("site_id", batch_job.site));
  TRY(part.members().get("project", batch_job.project));
  TRY(part.members().get("queue", batch_job.queue));
  TRY(part.map("optional_params", batch_job.optional_params));
  TRY(part.whole("num_nodes", batch_job.num_nodes, 1));
  TRY(part.whole("wall_time_min", batch_job.wall_time_min));
  TRY(part.word("job_mode", batch_job.job_mode, jobs::parse_job_mode));
  TRY(part.map("filter_tags", batch_job.filter_tags));
  return batch_job;
}

Result<jobs::BatchJobs::Change> read_batch_job_change(const json::object& document) {
  const Part part(document);
  TRY(part.knows({"state"}));
  return read_batch_job_members(part);
}

Result<jobs::BatchJobs::Numbered> read_batch_job_patch(const json::array& document,
                                                       std::size_t number) {
  jobs::BatchJobs::Numbered patch;
  TRY_ASSIGN(const json::object* object, numbered(document, number, "batch job", patch.id));
  const Part part(*object, place_of("batch job", number));
  TRY(part.knows({"id", "state"}));
  TRY_ASSIGN(patch.change, read_batch_job_members(part));
  return patch;
}

Result<SessionRequest> read_session(const json::object& document) {
  const Part part(document);
  TRY(part.knows({"site_id", "batch_job_id", "holder"}));
  SessionRequest request;
  TRY(part.members().require("site_id", request.site));
  TRY(part.members().get("batch_job_id", request.batch_job));
  TRY(part.members().get("holder", request.holder));
  return request;
}

Result<jobs::Acquire> read_acquire(const json::object& document) {
  const Part part(document);
  TRY(part.knows({"max_num_jobs", "max_nodes_per_job", "max_wall_time_min", "filter_tags", "states",
                  "app_ids"}));
  jobs::Acquire acquire;
  int most = 1;
  TRY(part.whole("max_num_jobs", most, 1));
  if (static_cast<std::size_t>(most) > jobs::kMaxAcquire) {
    return part.members().error("max_num_jobs",
                                fmt::format("must be {} at most", jobs::kMaxAcquire));
  }
  acquire.max_jobs = static_cast<std::size_t>(most);
  TRY(part.whole("max_nodes_per_job", acquire.max_nodes_per_job, 1));
  TRY(part.whole("max_wall_time_min", acquire.max_wall_time_min));
  TRY(part.map("filter_tags", acquire.filter_tags));
  TRY(part.numbers("app_ids", acquire.apps));
  std::vector<std::string> states;
  TRY(part.texts("states", states));
  for (const std::string& state : states) {
    TRY_ASSIGN(acquire.states.emplace_back(), jobs::parse_job_state(state), "states");
  }
  return acquire;
}

Result<SessionReport> read_session_report(const json::object& document) {
  const Part part(document);
  TRY(part.knows({"started", "running", "ended"}));
  SessionReport report;
  TRY(part.numbers("started", report.started));
  TRY(part.numbers("running", report.running));
  TRY_ASSIGN(const json::array* ended, part.members().array("ended"));
  if (ended == nullptr) return report;
  for (std::size_t number = 0; number < ended->size(); ++number) {
    TRY_ASSIGN(report.ended.emplace_back(), read_run_end(*ended, number));
  }
  return report;
}

}  // namespace wherry::api
