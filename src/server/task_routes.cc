// SPDX-License-Identifier: Apache-2.0
// Submitting tasks and looking after them.
#include <boost/json.hpp>
#include <map>
#include <span>

#include "api/json.h"
#include "api/requests.h"
#include "server/transfer_routes.h"

namespace wherry::server {
namespace {

namespace json = boost::json;
using api::Situation;
using endpoints::Endpoint;
using endpoints::EndpointId;
using tasks::Task;

constexpr std::uint64_t kUsualTasks = 10;
constexpr std::uint64_t kMostTasks = 1000;
constexpr std::uint64_t kUsualEvents = 10;
constexpr std::uint64_t kMostEvents = 10'000;  // newest; beyond, a task tells no more
constexpr std::size_t kTasksAtOnce = 1000;

// Endpoints of tasks, each read once.
class KnownEndpoints {
 public:
  explicit KnownEndpoints(endpoints::Endpoints& endpoints) : endpoints_(endpoints) {}

  // Null if it is gone.
  const Endpoint* find(const EndpointId& id) {
    if (id.empty()) return nullptr;
    const auto known = known_.find(id);
    if (known != known_.end()) return known->second ? &*known->second : nullptr;
    auto endpoint = endpoints_.get(id);
    if (!endpoint && endpoint.error().code != Code::kNotFound) could_not_read_ = true;
    const auto added = known_.emplace(
        id, endpoint ? std::optional(*std::move(endpoint)) : std::optional<Endpoint>());
    return added.first->second ? &*added.first->second : nullptr;
  }
  json::object document(const Task& task) {
    return api::task_document(task, {find(task.source_endpoint), find(task.target_endpoint)});
  }
  // Whether some endpoint may be there although find() has said that it is gone.
  bool could_not_read() const { return could_not_read_; }

 private:
  endpoints::Endpoints& endpoints_;
  std::map<EndpointId, std::optional<Endpoint>> known_;
  bool could_not_read_ = false;
};

// A task that has ended changes in the database alone. One that is active also changes when the
// process that runs it dies.
bool hold_until_commit(std::span<const Task> tasks, const KnownEndpoints& endpoints) {
  const auto has_ended = [](const Task& task) { return tasks::is_final(task.state); };
  return !endpoints.could_not_read() && std::all_of(tasks.begin(), tasks.end(), has_ended);
}

// ---- submission

// An error of looking up an endpoint is told as such, whatever the rest of the request was about.
struct Submission {
  const TransferParts& parts;
  const Call& call;
  std::optional<Error> endpoint_error = std::nullopt;

  Result<Endpoint> endpoint(const EndpointId& id) {
    auto found = visible_endpoint(parts, *call.caller, id);
    if (!found) endpoint_error = found.error();
    return found;
  }
  Result<std::string> default_directory(const EndpointId& id) {
    TRY_ASSIGN(const Endpoint found, endpoint(id));
    return found.default_directory;
  }
  Response refused(const Error& error, bool is_empty = false) const {
    if (endpoint_error) return refusal(call, *endpoint_error, Situation::kEndpoint);
    return refusal(call, error, is_empty ? Situation::kNoItems : Situation::kGeneral);
  }
  Response answer(tasks::TaskType type, const tasks::Submitted& submitted,
                  const tasks::SubmissionId& id) const {
    const bool is_new = submitted.kind == tasks::Submitted::Kind::kAccepted;
    return json_answer(api::submitted_document(type, submitted, id, context_of(call)),
                       is_new ? 202 : 200);
  }
};

std::vector<EndpointId> endpoints_of(const tasks::TransferRequest& request) {
  return {request.source_endpoint, request.target_endpoint};
}
std::vector<EndpointId> endpoints_of(const tasks::DeleteRequest& request) {
  return {request.endpoint};
}

template <class Request>
Result<Response> submit(const TransferParts& parts, const Call& call, tasks::TaskType type,
                        Result<Request> (*read)(const json::object&,
                                                const api::DefaultDirectory&)) {
  TRY_ASSIGN(const json::object body, body_of(call));
  Submission submission{parts, call};
  auto request =
      read(body, [&submission](const EndpointId& id) { return submission.default_directory(id); });
  if (!request) return submission.refused(request.error());
  request->owner = call.caller->identity;
  std::vector<Endpoint> used;
  for (const EndpointId& id : endpoints_of(*request)) {
    auto found = submission.endpoint(id);
    if (!found) return submission.refused(found.error());
    used.push_back(*std::move(found));
  }
  if (auto no = refused_without_consent(parts, call, used)) return *std::move(no);
  const auto submitted = parts.service.submit(*request);
  if (!submitted) return submission.refused(submitted.error(), request->items.empty());
  return submission.answer(type, *submitted, request->submission_id);
}

// ---- lists

struct TaskList {
  std::vector<Task> tasks;
  std::uint64_t total = 0;
};

// What the store cannot match is matched here, page by page, before limit and offset count.
Result<TaskList> matching_tasks(tasks::LocalService& service, const api::TaskSelection& selection,
                                const Window& window) {
  tasks::TaskFilter filter = selection.stored;
  TaskList list;
  if (selection.rest.empty()) {
    filter.limit = window.limit;
    filter.offset = window.offset;
    TRY_ASSIGN(list.tasks, service.tasks(filter));
    TRY_ASSIGN(list.total, service.count_tasks(filter));
    return list;
  }
  filter.limit = kTasksAtOnce;
  for (;; filter.offset += kTasksAtOnce) {
    TRY_ASSIGN(std::vector<Task> page, service.tasks(filter));
    for (Task& task : page) {
      if (!api::matches(selection.rest, api::row_of(task))) continue;
      if (list.total++ >= window.offset && list.tasks.size() < window.limit)
        list.tasks.push_back(std::move(task));
    }
    if (page.size() < kTasksAtOnce) return list;
  }
}

Result<Response> list_tasks(const TransferParts& parts, const Call& call) {
  TRY_ASSIGN(const api::Filter filter,
             api::parse_filter(query_text(call, "filter"), api::task_fields()));
  TRY_ASSIGN(api::TaskSelection selection, api::select_tasks(filter));
  TRY_ASSIGN(const auto order, api::parse_order(query_text(call, "orderby"), api::task_fields()));
  TRY_ASSIGN(selection.stored.order, api::task_order(order));
  TRY_ASSIGN(const Window window, window_of(call, kUsualTasks, kMostTasks));
  selection.stored.owner = call.caller->identity;
  TRY_ASSIGN(const TaskList list, matching_tasks(parts.service, selection, window));
  const auto names = api::parse_field_names(query_text(call, "fields"));
  KnownEndpoints endpoints(parts.endpoints);
  json::array data;
  for (const Task& task : list.tasks) {
    json::object document = endpoints.document(task);
    api::keep_fields(document, names);
    data.push_back(std::move(document));
  }
  Response response = json_answer(
      api::offset_list("task_list", std::move(data), {window.limit, window.offset, list.total}));
  // What is matched here may ask for what only active tasks have.
  response.holds_until_commit = selection.rest.empty() && hold_until_commit(list.tasks, endpoints);
  return response;
}

// ---- one task

Result<Response> show_task(const TransferParts& parts, const Call& call, const Task& task) {
  KnownEndpoints endpoints(parts.endpoints);
  json::object document = endpoints.document(task);
  api::keep_fields(document, api::parse_field_names(query_text(call, "fields")));
  Response response = json_answer(document);
  response.holds_until_commit = hold_until_commit({&task, 1}, endpoints);
  return response;
}

Result<Response> change_task(const TransferParts& parts, const Call& call, const Task& task) {
  TRY_ASSIGN(const json::object body, body_of(call));
  TRY_ASSIGN(const tasks::TaskChange change, api::read_task_change(body));
  TRY(parts.service.update(task.id, change));
  return result_answer(call, "Updated", "Updated task details");
}

Result<Response> cancel_task(const TransferParts& parts, const Call& call, const Task& task) {
  const auto cancelled = parts.service.cancel(task.id);
  if (!cancelled && cancelled.error().code != Code::kConflict) return cancelled.error();
  TRY_ASSIGN(const Task now, parts.service.task(task.id));
  if (!cancelled) {
    return result_answer(call, "TaskComplete",
                         "The task has completed before the cancellation arrived");
  }
  if (tasks::is_final(now.state))
    return result_answer(call, "Canceled", "The task has been cancelled successfully.");
  return result_answer(call, "CancelAccepted",
                       "The task will be cancelled; it ends what it has begun first.");
}

}  // namespace

json::object shown_task(const TransferParts& parts, const Task& task) {
  return KnownEndpoints(parts.endpoints).document(task);
}

Result<Response> task_events_answer(const TransferParts& parts, const Call& call,
                                    const Task& task) {
  TRY_ASSIGN(const api::Filter filter,
             api::parse_filter(query_text(call, "filter"), api::event_fields()));
  TRY_ASSIGN(const Window window, window_of(call, kUsualEvents, kMostEvents));
  TRY_ASSIGN(std::vector<tasks::Event> events, parts.service.events(task.id, kMostEvents, 0));
  std::erase_if(events, [&filter](const tasks::Event& event) {
    return !api::matches(filter, api::row_of(event));
  });
  const std::uint64_t total = events.size();
  json::array data;
  for (const tasks::Event& event : cut(std::move(events), window))
    data.push_back(api::event_document(event));
  return json_answer(
      api::offset_list("event_list", std::move(data), {window.limit, window.offset, total}));
}

Result<Response> task_successes_answer(const TransferParts& parts, const Call& call,
                                       const Task& task) {
  if (task.type != tasks::TaskType::kTransfer)
    return make_error(Code::kInvalid, "task '{}' is no transfer: it has moved nothing", task.id);
  TRY_ASSIGN(const std::uint64_t marker, query_number(call, "marker", 0));
  TRY_ASSIGN(const auto page, parts.service.successful_transfers(task.id, marker));
  json::array data;
  for (const auto& row : page.rows) data.push_back(api::successful_transfer_document(row));
  return json_answer(api::marker_list("successful_transfers", std::move(data), marker, page.next));
}

Result<Response> task_skipped_answer(const TransferParts& parts, const Call& call,
                                     const Task& task) {
  TRY_ASSIGN(const std::uint64_t marker, query_number(call, "marker", 0));
  TRY_ASSIGN(const auto page, parts.service.item_errors(task.id, marker));
  json::array data;
  for (const auto& row : page.rows)
    if (row.skipped) data.push_back(api::skipped_error_document(row));
  return json_answer(api::marker_list("skipped_errors", std::move(data), marker, page.next));
}

std::vector<Route> task_routes(const TransferParts& parts) {
  const auto bound = [&parts](auto function) {
    return [parts, function](const Call& call) { return function(parts, call); };
  };
  const auto of_task = [&parts](const RouteHead& head, auto function) {
    return task_route(parts, head, [parts, function](const Call& call, const Task& task) {
      return function(parts, call, task);
    });
  };
  return {
      transfer_route({Method::kGet, "/v0.10/submission_id", "A new submission id."},
                     [parts](const Call&) -> Result<Response> {
                       TRY_ASSIGN(const auto id, parts.service.new_submission_id());
                       return json_answer(api::submission_id_document(id));
                     }),
      transfer_route({Method::kPost, "/v0.10/transfer", "Submits a transfer.", Situation::kGeneral,
                      Work::kSubmission},
                     [parts](const Call& call) {
                       return submit(parts, call, tasks::TaskType::kTransfer, api::read_transfer);
                     }),
      transfer_route({Method::kPost, "/v0.10/delete", "Submits a deletion.", Situation::kGeneral,
                      Work::kSubmission},
                     [parts](const Call& call) {
                       return submit(parts, call, tasks::TaskType::kDelete, api::read_delete);
                     }),
      transfer_route({Method::kGet, "/v0.10/task_list", "The caller's tasks."}, bound(list_tasks)),
      of_task({Method::kGet, "/v0.10/task/{task_id}", "One task."}, show_task),
      of_task({Method::kPut, "/v0.10/task/{task_id}", "Changes its label or deadline."},
              change_task),
      of_task({Method::kPost, "/v0.10/task/{task_id}/cancel", "Cancels it."}, cancel_task),
      of_task({Method::kGet, "/v0.10/task/{task_id}/event_list", "Its events, newest first."},
              task_events_answer),
      of_task({Method::kGet, "/v0.10/task/{task_id}/successful_transfers", "Files that it moved."},
              task_successes_answer),
      of_task({Method::kGet, "/v0.10/task/{task_id}/skipped_errors", "Errors that it skipped."},
              task_skipped_answer),
  };
}

}  // namespace wherry::server
