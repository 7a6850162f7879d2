// SPDX-License-Identifier: Apache-2.0
#include "server/manager_routes.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/access_documents.h"
#include "api/pause_documents.h"
#include "base/path.h"
#include "base/units.h"
#include "server/manager_tools.h"
#include "server/transfer_routes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using endpoints::Endpoint;
using endpoints::EndpointId;
using endpoints::Role;
using tasks::AdminSide;
using tasks::Task;

constexpr std::uint64_t kUsualManagedTasks = 100;
constexpr std::uint64_t kMostManagedTasks = 1000;
constexpr std::size_t kManagedTasksAtOnce = 1000;

// ---- which tasks

// The sides of the task whose endpoints the caller looks after.
Result<AdminSide> side_of(const TransferParts& parts, const Call& call, const Task& task,
                          Role::Kind kind) {
  bool sides[] = {false, false};
  const EndpointId* const ids[] = {&task.source_endpoint, &task.target_endpoint};
  for (std::size_t i = 0; i < 2; ++i) {
    if (ids[i]->empty()) continue;
    const auto endpoint = parts.endpoints.get(*ids[i]);
    if (!endpoint && endpoint.error().code == Code::kNotFound) continue;
    if (!endpoint) return endpoint.error();
    TRY_ASSIGN(sides[i], looks_after(parts, *call.caller, *endpoint, kind));
  }
  return static_cast<AdminSide>((sides[0] ? 1 : 0) + (sides[1] ? 2 : 0));
}

struct AdminTask {
  Task task;
  AdminSide side = AdminSide::kNone;
};

// kNotFound, as of a task that does not exist, unless the caller may `kind` on one of its sides.
Result<AdminTask> admin_task(const TransferParts& parts, const Call& call, std::string id,
                             Role::Kind kind) {
  for (char& c : id) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  auto task = parts.service.task(id);
  if (!task && task.error().code != Code::kNotFound) return std::move(task).error();
  AdminSide side = AdminSide::kNone;
  if (task) {
    TRY_ASSIGN(side, side_of(parts, call, *task, kind));
  }
  if (side == AdminSide::kNone)
    return make_error(Code::kNotFound, "no such task '{}'", escape_bytes(id));
  return AdminTask{*std::move(task), side};
}

// ---- the list of tasks

struct TaskListRequest {
  tasks::TaskFilter stored;
  std::optional<bool> is_paused;
  std::uint64_t min_faults = 0;
  std::uint64_t limit = kUsualManagedTasks;
  std::string last_key;  // the id of the last task of the page before
};

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    if (comma > at) words.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return words;
}

// "from,to", either of which may be missing.
Result<void> read_completion(const std::string& text, tasks::TaskFilter& filter) {
  const std::size_t comma = text.find(',');
  if (comma == text.npos)
    return make_error(Code::kInvalid, "filter_completion_time must be FROM,TO");
  const std::string from = text.substr(0, comma), to = text.substr(comma + 1);
  if (!from.empty()) {
    TRY_ASSIGN(filter.completed_after, parse_time(from));
  }
  if (!to.empty()) {
    TRY_ASSIGN(filter.completed_before, parse_time(to));
  }
  return {};
}

Result<void> read_endpoint_use(const Call& call, tasks::TaskFilter& filter) {
  const std::string use = query_text(call, "filter_endpoint_use");
  if (use.empty()) return {};
  if (use != "source" && use != "destination")
    return make_error(Code::kInvalid, "filter_endpoint_use must be source or destination");
  filter.endpoint_use = use == "source" ? tasks::EndpointUse::kSource : tasks::EndpointUse::kTarget;
  return {};
}

Result<TaskListRequest> read_task_list(const Call& call) {
  TaskListRequest request;
  tasks::TaskFilter& filter = request.stored;
  for (const std::string& word : words_of(query_text(call, "filter_status"))) {
    TRY_ASSIGN(const tasks::TaskState state, tasks::parse_task_state(word));
    filter.states.push_back(state);
  }
  filter.ids = words_of(query_text(call, "filter_task_id"));
  if (const std::string owner = query_text(call, "filter_owner_id"); !owner.empty())
    filter.owner = owner;
  if (const std::string times = query_text(call, "filter_completion_time"); !times.empty())
    TRY(read_completion(times, filter));
  TRY(read_endpoint_use(call, filter));
  if (!query_text(call, "filter_is_paused").empty()) {
    TRY_ASSIGN(request.is_paused, query_flag(call, "filter_is_paused", false));
  }
  TRY_ASSIGN(request.min_faults, query_number(call, "filter_min_faults", 0));
  TRY_ASSIGN(const Window window, window_of(call, kUsualManagedTasks, kMostManagedTasks));
  request.limit = std::max<std::uint64_t>(window.limit, 1);
  request.last_key = query_text(call, "last_key");
  return request;
}

// Newest first, as the contract's own list; from behind `last_key`, one more than a page.
Result<std::vector<Task>> find_tasks(const TransferParts& parts, TaskListRequest& request) {
  bool has_begun = request.last_key.empty();
  if (!has_begun) {
    TRY_ASSIGN(const Task last, parts.service.task(request.last_key), "last_key");
    request.stored.requested_before = last.requested;
  }
  request.stored.limit = kManagedTasksAtOnce;
  std::vector<Task> found;
  for (;; request.stored.offset += kManagedTasksAtOnce) {
    TRY_ASSIGN(std::vector<Task> page, parts.service.tasks(request.stored));
    for (Task& task : page) {
      const bool is_wanted = has_begun && task.counts.faults >= request.min_faults &&
                             request.is_paused.value_or(task.is_paused) == task.is_paused;
      has_begun = has_begun || task.id == request.last_key;
      if (is_wanted) found.push_back(std::move(task));
      if (found.size() > request.limit) return found;
    }
    if (page.size() < kManagedTasksAtOnce) return found;
  }
}

Result<Response> list_managed_tasks(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(TaskListRequest request, read_task_list(call));
  TRY_ASSIGN(const auto endpoints, looked_after(parts, *call.caller, Role::Kind::kActivityMonitor));
  const std::string wanted = query_text(call, "filter_endpoint");
  for (const Endpoint& endpoint : endpoints) {
    if (wanted.empty() || endpoint.id == wanted) request.stored.endpoints.push_back(endpoint.id);
  }
  std::vector<Task> found;
  // This service has one local user, whose name no task knows.
  const bool is_impossible = !query_text(call, "filter_local_user").empty();
  if (!request.stored.endpoints.empty() && !is_impossible) {
    TRY_ASSIGN(found, find_tasks(parts, request));
  }
  const bool has_next = found.size() > request.limit;
  if (has_next) found.resize(request.limit);
  json::array data;
  for (const Task& task : found) data.push_back(shown_task(parts, task));
  json::object list = api::whole_list("task_list", std::move(data));
  list["limit"] = request.limit;
  list["has_next_page"] = has_next;
  list["last_key"] = found.empty() ? json::value() : json::value(found.back().id);
  return json_answer(list);
}

// ---- endpoints

Result<Response> monitored_endpoints(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const auto endpoints, looked_after(parts, *call.caller, Role::Kind::kActivityMonitor));
  json::array data;
  for (const Endpoint& endpoint : endpoints) {
    TRY_ASSIGN(json::object document, endpoint_view(parts, *call.caller, endpoint));
    data.push_back(std::move(document));
  }
  return json_answer(api::whole_list("monitored_endpoints", std::move(data)));
}

Result<Response> show_managed_endpoint(const TransferParts& parts, const Call& call,
                                       const Endpoint& endpoint) {
  TRY_ASSIGN(const json::object document, endpoint_view(parts, *call.caller, endpoint));
  return json_answer(document);
}

Result<Response> list_hosted(const TransferParts& parts, const Call& call,
                             const Endpoint& endpoint) {
  TRY_ASSIGN(const auto endpoints, looked_after(parts, *call.caller, Role::Kind::kActivityMonitor));
  json::array data;
  for (const Endpoint& guest : endpoints) {
    if (guest.host_endpoint != endpoint.id) continue;
    TRY_ASSIGN(json::object document, endpoint_view(parts, *call.caller, guest));
    data.push_back(std::move(document));
  }
  return json_answer(api::whole_list("endpoint_list", std::move(data)));
}

Result<Response> list_access(const TransferParts& parts, const Call&, const Endpoint& endpoint) {
  TRY_ASSIGN(const auto rules, parts.permissions.rules(endpoint.id));
  json::array data;
  for (const endpoints::AccessRule& rule : rules) data.push_back(api::access_document(rule));
  json::object list = api::whole_list("access_list", std::move(data));
  list["endpoint"] = endpoint.id;
  return json_answer(list);
}

// ---- what managers do

using AdminAction = std::function<Result<void>(const AdminTask&)>;

// All of the tasks are the caller's to manage, or nothing happens. What has ended is passed over.
Result<api::AdminRequest> for_each_task(const TransferParts& parts, const Call& call,
                                        const std::function<AdminAction(std::string)>& action_of) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(api::AdminRequest request, api::read_admin_request(body));
  std::vector<AdminTask> found;
  for (const tasks::TaskId& id : request.tasks) {
    TRY_ASSIGN(AdminTask task, admin_task(parts, call, id, Role::Kind::kActivityManager));
    found.push_back(std::move(task));
  }
  const AdminAction action = action_of(request.message);
  for (const AdminTask& each : found) {
    const auto done = action(each);
    if (!done && done.error().code != Code::kConflict) return done.error();
  }
  return request;
}

Result<Response> pause_tasks(const TransferParts& parts, const Call& call) {
  TRY(for_each_task(parts, call, [&](std::string message) -> AdminAction {
    return [&parts, message](const AdminTask& each) {
      return parts.service.pause_by_admin(each.task.id, message);
    };
  }));
  return result_answer(call, "PauseAccepted", "The tasks are paused until they are resumed.");
}

Result<Response> resume_tasks(const TransferParts& parts, const Call& call) {
  TRY(for_each_task(parts, call, [&](const std::string&) -> AdminAction {
    return [&parts](const AdminTask& each) { return parts.service.resume_by_admin(each.task.id); };
  }));
  return result_answer(call, "ResumeAccepted", "The tasks go on, unless a pause rule holds them.");
}

Result<Response> cancel_answer(const TransferParts& parts, const std::string& id,
                               const std::vector<tasks::TaskId>& ids) {
  bool is_done = true;
  for (const tasks::TaskId& each : ids) {
    const auto task = parts.service.task(each);
    if (!task && task.error().code != Code::kNotFound) return task.error();
    is_done = is_done && (!task || tasks::is_final(task->state));
  }
  return json_answer({{"DATA_TYPE", "admin_cancel"}, {"id", id}, {"done", is_done}});
}

Result<Response> cancel_tasks(const TransferParts& parts, AdminCancels& cancels, const Call& call) {
  TRY_ASSIGN(const api::AdminRequest request,
             for_each_task(parts, call, [&](std::string message) -> AdminAction {
               return [&parts, message](const AdminTask& each) {
                 return parts.service.cancel_by_admin(each.task.id, each.side, message);
               };
             }));
  TRY_ASSIGN(const std::string id, cancels.add(call.caller->identity, request.tasks));
  return cancel_answer(parts, id, request.tasks);
}

Result<Response> show_cancel(const TransferParts& parts, AdminCancels& cancels, const Call& call) {
  const std::string& id = call.parameter("request_id");
  TRY_ASSIGN(const auto ids, cancels.tasks(call.caller->identity, id));
  return cancel_answer(parts, id, ids);
}

// ---- one task

using TaskAnswer = Result<Response> (*)(const TransferParts&, const Call&, const Task&);

Result<Response> show_managed_task(const TransferParts& parts, const Call&, const Task& task) {
  return json_answer(shown_task(parts, task));
}

// Errors only are asked for in other words here than of one's own tasks.
Result<Response> list_events(const TransferParts& parts, const Call& call, const Task& task) {
  TRY_ASSIGN(const bool errors_only, query_flag(call, "filter_is_error", false));
  if (!errors_only) return task_events_answer(parts, call, task);
  Request request = call.request;
  request.query.emplace_back("filter", "is_error:1");
  return task_events_answer(parts, {request, call.caller, call.parameters}, task);
}

Route route_of_task(const TransferParts& parts, std::string_view pattern, std::string_view doc,
                    TaskAnswer answer) {
  return transfer_route(
      {Method::kGet, pattern, doc}, [parts, answer](const Call& call) -> Result<Response> {
        TRY_ASSIGN(const AdminTask found, admin_task(parts, call, call.parameter("task_id"),
                                                     Role::Kind::kActivityMonitor));
        return answer(parts, call, found.task);
      });
}

Route route_of_endpoint(const TransferParts& parts, std::string_view pattern, std::string_view doc,
                        Result<Response> (*answer)(const TransferParts&, const Call&,
                                                   const Endpoint&)) {
  return endpoint_route(
      parts, {Method::kGet, pattern, doc},
      [parts, answer](const Call& call, const Endpoint& endpoint) -> Result<Response> {
        TRY_ASSIGN(const bool may_look,
                   looks_after(parts, *call.caller, endpoint, Role::Kind::kActivityMonitor));
        if (may_look) return answer(parts, call, endpoint);
        return make_error(Code::kDenied, "you do not look after endpoint '{}'",
                          endpoint.display_name);
      });
}

}  // namespace

std::vector<Route> manager_routes(const TransferParts& parts, AdminCancels& cancels) {
  const auto bound = [&parts](auto function) {
    return [parts, function](const Call& call) { return function(parts, call); };
  };
  return {
      transfer_route({Method::kGet, "/v0.10/endpoint_manager/monitored_endpoints",
                      "Endpoints whose tasks the caller may see."},
                     bound(monitored_endpoints)),
      route_of_endpoint(parts, "/v0.10/endpoint_manager/endpoint/{endpoint_id}", "One of them.",
                        show_managed_endpoint),
      route_of_endpoint(parts,
                        "/v0.10/endpoint_manager/endpoint/{endpoint_id}/hosted_endpoint_list",
                        "The guest collections on it.", list_hosted),
      route_of_endpoint(parts, "/v0.10/endpoint_manager/endpoint/{endpoint_id}/access_list",
                        "Its access rules.", list_access),
      transfer_route({Method::kGet, "/v0.10/endpoint_manager/task_list", "Tasks on them."},
                     bound(list_managed_tasks)),
      route_of_task(parts, "/v0.10/endpoint_manager/task/{task_id}", "One of these.",
                    show_managed_task),
      route_of_task(parts, "/v0.10/endpoint_manager/task/{task_id}/event_list", "Its events.",
                    list_events),
      route_of_task(parts, "/v0.10/endpoint_manager/task/{task_id}/successful_transfers",
                    "Files that it moved.", task_successes_answer),
      route_of_task(parts, "/v0.10/endpoint_manager/task/{task_id}/skipped_errors",
                    "Errors that it skipped.", task_skipped_answer),
      route_of_task(parts, "/v0.10/endpoint_manager/task/{task_id}/pause_info",
                    "What holds it back.", pause_info_answer),
      transfer_route({Method::kPost, "/v0.10/endpoint_manager/admin_pause", "Pauses tasks."},
                     bound(pause_tasks)),
      transfer_route({Method::kPost, "/v0.10/endpoint_manager/admin_resume", "Resumes them."},
                     bound(resume_tasks)),
      transfer_route(
          {Method::kPost, "/v0.10/endpoint_manager/admin_cancel", "Cancels tasks."},
          [parts, &cancels](const Call& call) { return cancel_tasks(parts, cancels, call); }),
      transfer_route(
          {Method::kGet, "/v0.10/endpoint_manager/admin_cancel/{request_id}",
           "Whether all of them have ended."},
          [parts, &cancels](const Call& call) { return show_cancel(parts, cancels, call); }),
  };
}

}  // namespace wherry::server
