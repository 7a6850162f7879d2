// SPDX-License-Identifier: Apache-2.0
#include "globus/globus_service.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <mutex>

#include "api/filter.h"
#include "api/json.h"
#include "api/paths.h"
#include "api/replies.h"
#include "api/requests.h"
#include "base/random.h"
#include "base/thread_annotations.h"
#include "globus/event_faults.h"
#include "globus/rest_client.h"
#include "globus/task_watcher.h"

namespace wherry::globus {
namespace {

namespace json = boost::json;
using endpoints::Endpoint;
using tasks::EndpointId;
using tasks::TaskId;

constexpr std::size_t kRowsAtOnce = 1000;      // of tasks and events
constexpr std::size_t kFilesAtOnce = 25'000;   // of a directory: an answer of some 20 MB at most
constexpr std::size_t kEndpointsAtOnce = 100;  // what Globus allows, and
constexpr std::size_t kEndpointsInAll = 1000;  // how far it lets one page

std::string number(std::size_t value) { return fmt::format("{}", value); }

struct TaskRows {
  std::string filter;  // as api/filter.h writes it; empty: all
  std::size_t limit = 0;
  std::size_t offset = 0;
  bool once = false;  // as of a Call
};

Result<api::OffsetRows<tasks::Task>> task_list(RestClient& rest, const TaskRows& rows,
                                               std::stop_token stop) {
  Call call{"GET", "/v0.10/task_list"};
  call.query = {{"limit", number(rows.limit)},
                {"offset", number(rows.offset)},
                {"orderby", "request_time DESC"}};
  if (!rows.filter.empty()) call.query.emplace_back("filter", rows.filter);
  call.once = rows.once;
  TRY_ASSIGN(const json::object answer, rest.call(call, std::move(stop)));
  return api::read_task_list(answer);
}

// For the watcher, which asks again by itself.
Result<std::vector<tasks::Task>> look_at(RestClient& rest, const std::vector<TaskId>& ids,
                                         std::stop_token stop) {
  tasks::TaskFilter filter;
  filter.ids = ids;
  TaskRows rows;
  TRY_ASSIGN(rows.filter, api::task_filter_text(filter));
  rows.limit = ids.size();
  rows.once = true;
  TRY_ASSIGN(auto page, task_list(rest, rows, std::move(stop)));
  return std::move(page.rows);
}

// What a service and its views (until()) have in common.
struct Shared {
  Shared(TransferAddress address, Credentials& credentials, Clock& clock)
      : is_globus(address.is_globus),
        rest(std::move(address.url), credentials),
        watcher([this](const std::vector<TaskId>& ids,
                       std::stop_token stop) { return look_at(rest, ids, std::move(stop)); },
                clock,
                address.is_globus ? TaskWatcher::kShortestInterval
                                  : TaskWatcher::kShortestIntervalNearBy) {}

  const bool is_globus;
  RestClient rest;
  std::mutex mutex;
  std::map<EndpointId, std::string> homes GUARDED_BY(mutex);
  TaskWatcher watcher;  // ends first: it asks through the others
};

class GlobusService : public tasks::TransferService {
 public:
  explicit GlobusService(std::unique_ptr<Shared> shared)
      : own_(std::move(shared)), shared_(*own_), rest_(shared_.rest) {}
  GlobusService(Shared& shared, std::stop_token stop)
      : shared_(shared), rest_(shared_.rest), stop_(std::move(stop)) {}

  std::unique_ptr<tasks::TransferService> until(std::stop_token stop) override {
    return std::make_unique<GlobusService>(shared_, std::move(stop));
  }

  Result<tasks::SubmissionId> new_submission_id() override {
    TRY_ASSIGN(const json::object answer, get("/v0.10/submission_id"));
    return api::read_submission_id(answer);
  }

  Result<tasks::Submitted> submit(const tasks::TransferRequest& request) override {
    TRY_ASSIGN(const json::object answer, post("/v0.10/transfer", api::transfer_document(request)));
    return api::read_submitted(answer);
  }

  Result<tasks::Submitted> submit(const tasks::DeleteRequest& request) override {
    TRY_ASSIGN(const json::object answer, post("/v0.10/delete", api::delete_document(request)));
    return api::read_submitted(answer);
  }

  Result<tasks::Task> task(const TaskId& id) override {
    TRY_ASSIGN(const json::object answer, get(of_task(id)));
    return api::read_task(answer);
  }

  Result<std::vector<tasks::Task>> tasks(const tasks::TaskFilter& filter) override {
    TaskRows wanted;
    TRY_ASSIGN(wanted.filter, api::task_filter_text(filter));
    std::vector<tasks::Task> found;
    while (found.size() < filter.limit) {
      wanted.limit = std::min(kRowsAtOnce, filter.limit - found.size());
      wanted.offset = filter.offset + found.size();
      TRY_ASSIGN(auto page, task_list(rest_, wanted, stop_));
      const bool is_last = page.rows.empty();
      for (tasks::Task& task : page.rows) found.push_back(std::move(task));
      if (is_last || filter.offset + found.size() >= page.total) break;
    }
    return found;
  }

  Result<void> cancel(const TaskId& id) override {
    int times_sent = 0;
    TRY_ASSIGN(const json::object answer,
               rest_.call({"POST", of_task(id, "/cancel")}, stop_, &times_sent));
    std::string code;
    TRY(api::Members(answer).get("code", code));
    if (code != "TaskComplete") return {};
    // Perhaps it has ended because it was asked to, the first time.
    if (times_sent > 1) {
      TRY_ASSIGN(const tasks::Task ended, task(id));
      if (ended.fatal_error && ended.fatal_error->code == "CANCELED") return {};
    }
    return make_error(Code::kConflict, "task {} has ended already", id);
  }

  Result<void> resume(const TaskId& id) override {
    return make_error(Code::kUnsupported,
                      "task {} is not run here; see what it waits for at its service", id);
  }

  Result<void> update(const TaskId& id, const tasks::TaskChange& change) override {
    const json::object document = api::task_change_document(change);
    return done(rest_.call({"PUT", of_task(id), {}, &document}, stop_));
  }

  Result<std::vector<tasks::Event>> events(const TaskId& id, std::size_t limit,
                                           std::size_t offset) override {
    std::vector<tasks::Event> found;
    while (found.size() < limit) {
      const std::size_t wanted = std::min(kRowsAtOnce, limit - found.size());
      TRY_ASSIGN(const json::object answer,
                 get(of_task(id, "/event_list"),
                     {{"limit", number(wanted)}, {"offset", number(offset + found.size())}}));
      TRY_ASSIGN(auto page, api::read_event_list(answer));
      const bool is_last = page.rows.empty();
      for (tasks::Event& event : page.rows) found.push_back(std::move(event));
      if (is_last || offset + found.size() >= page.total) break;
    }
    return found;
  }

  Result<tasks::Page<tasks::SuccessfulTransfer>> successful_transfers(
      const TaskId& id, std::uint64_t marker) override {
    TRY_ASSIGN(const json::object answer,
               get(of_task(id, "/successful_transfers"), {{"marker", number(marker)}}));
    return api::read_successful_transfers(answer);
  }

  // Behind the errors that were skipped come those that events name: a failed task has not skipped
  // what it failed for.
  Result<tasks::Page<tasks::ItemError>> item_errors(const TaskId& id,
                                                    std::uint64_t marker) override {
    TRY_ASSIGN(const tasks::Task task, this->task(id));
    tasks::Page<tasks::ItemError> page;
    // Deletions have no list of skipped errors.
    if (task.type == tasks::TaskType::kTransfer) {
      TRY_ASSIGN(const json::object answer,
                 get(of_task(id, "/skipped_errors"), {{"marker", number(marker)}}));
      TRY_ASSIGN(page, api::read_skipped_errors(answer));
    }
    if (page.next || task.state != tasks::TaskState::kFailed) return page;
    TRY_ASSIGN(const auto seen, events(id, kRowsAtOnce, 0));
    for (tasks::ItemError& error : faults_in(seen)) page.rows.push_back(std::move(error));
    return page;
  }

  Result<tasks::Task> wait(const TaskId& id, Duration timeout, std::stop_token stop) override {
    return shared_.watcher.wait(id, timeout, std::move(stop));
  }

  Result<Endpoint> endpoint(std::string_view name_or_id) override {
    if (!is_uuid(name_or_id)) return endpoint_by_name(name_or_id);
    TRY_ASSIGN(const json::object answer, get(of_endpoint(EndpointId(name_or_id))));
    TRY_ASSIGN(Endpoint endpoint, api::read_endpoint(answer));
    return with_home(std::move(endpoint));
  }

  Result<std::vector<Endpoint>> search_endpoints(std::string_view text, std::size_t limit,
                                                 std::size_t offset) override {
    std::vector<Endpoint> found;
    while (found.size() < limit && offset + found.size() < kEndpointsInAll) {
      const std::size_t at = offset + found.size();
      const std::size_t wanted =
          std::min({kEndpointsAtOnce, limit - found.size(), kEndpointsInAll - at});
      Fields query = {{"limit", number(wanted)}, {"offset", number(at)}};
      // Without a text Globus tells only what is one's own; a Wherry, all that one may know of.
      if (text.empty()) {
        query.emplace_back("filter_scope",
                           shared_.is_globus ? "my-endpoints" : "hide-no-permissions");
      } else {
        query.emplace_back("filter_fulltext", std::string(text));
      }
      TRY_ASSIGN(const json::object answer, get("/v0.10/endpoint_search", std::move(query)));
      TRY_ASSIGN(auto page, api::read_endpoint_list(answer));
      const bool is_last = page.rows.empty() || !page.has_next_page;
      for (Endpoint& endpoint : page.rows) found.push_back(std::move(endpoint));
      if (is_last) break;
    }
    return found;
  }

  Result<std::vector<tasks::FileInfo>> list(const EndpointId& endpoint,
                                            const RelPath& path) override {
    std::vector<tasks::FileInfo> files;
    for (;;) {
      TRY_ASSIGN(const json::object answer,
                 get(of_files(endpoint, "/ls"), {{"path", api::directory_text(path)},
                                                 {"show_hidden", "1"},
                                                 {"orderby", "name"},
                                                 {"limit", number(kFilesAtOnce)},
                                                 {"offset", number(files.size())}}));
      TRY_ASSIGN(auto page, api::read_file_list(answer));
      const bool is_last = page.rows.empty();
      for (tasks::FileInfo& file : page.rows) files.push_back(std::move(file));
      if (is_last || files.size() >= page.total) break;
    }
    return files;
  }

  Result<tasks::FileInfo> stat(const EndpointId& endpoint, const RelPath& path) override {
    TRY_ASSIGN(const json::object answer,
               get(of_files(endpoint, "/stat"), {{"path", api::path_text(path)}}));
    return api::read_file_info(answer);
  }

  Result<void> make_directory(const EndpointId& endpoint, const RelPath& path) override {
    int times_sent = 0;
    auto made = operate(endpoint, "/mkdir", api::make_directory_document(path), times_sent);
    if (!made && times_sent > 1 && made.error().code == Code::kAlreadyExists) return {};
    return made;
  }

  Result<void> rename(const EndpointId& endpoint, const RelPath& from, const RelPath& to) override {
    int times_sent = 0;
    auto renamed = operate(endpoint, "/rename", api::rename_document({from, to}), times_sent);
    if (renamed || times_sent == 1) return renamed;
    const auto old_one = stat(endpoint, from);
    const bool is_gone = !old_one && old_one.error().code == Code::kNotFound;
    return is_gone && stat(endpoint, to) ? Result<void>() : renamed;
  }

  Result<void> make_symlink(const EndpointId& endpoint, const RelPath& path,
                            std::string_view target) override {
    int times_sent = 0;
    auto made = operate(endpoint, "/symlink", api::symlink_document({path, std::string(target)}),
                        times_sent);
    if (made || times_sent == 1 || made.error().code != Code::kAlreadyExists) return made;
    const auto there = stat(endpoint, path);
    return there && there->is_link && there->link_target == target ? Result<void>() : made;
  }

  Result<std::optional<std::string>> host_directory(const EndpointId& /*endpoint*/) override {
    return std::optional<std::string>();
  }

 private:
  static std::string of_task(const TaskId& id, std::string_view what = "") {
    return "/v0.10/task/" + percent_encode(id) + std::string(what);
  }
  static std::string of_endpoint(const EndpointId& id) {
    return "/v0.10/endpoint/" + percent_encode(id);
  }
  static std::string of_files(const EndpointId& id, std::string_view operation) {
    return "/v0.10/operation/endpoint/" + percent_encode(id) + std::string(operation);
  }

  Result<json::object> get(std::string path, Fields query = {}) {
    return rest_.call({"GET", std::move(path), std::move(query)}, stop_);
  }
  Result<json::object> post(std::string path, const json::object& document) {
    return rest_.call({"POST", std::move(path), {}, &document}, stop_);
  }
  static Result<void> done(Result<json::object> answer) {
    if (!answer) return std::move(answer).error();
    return {};
  }
  Result<void> operate(const EndpointId& endpoint, std::string_view operation,
                       const json::object& document, int& times_sent) {
    return done(
        rest_.call({"POST", of_files(endpoint, operation), {}, &document}, stop_, &times_sent));
  }

  Result<Endpoint> endpoint_by_name(std::string_view name) {
    TRY_ASSIGN(std::vector<Endpoint> found, search_endpoints(name, kEndpointsInAll, 0));
    const auto others = std::remove_if(
        found.begin(), found.end(), [&](const Endpoint& one) { return one.display_name != name; });
    found.erase(others, found.end());
    if (found.empty()) {
      return make_error(Code::kNotFound,
                        "no endpoint is called exactly '{}'; look for it with: wherry endpoint"
                        " search '{}'",
                        escape_bytes(name), escape_bytes(name));
    }
    if (found.size() == 1) return with_home(std::move(found.front()));
    std::string ids;
    for (const Endpoint& one : found) ids += (ids.empty() ? "" : ", ") + one.id;
    return make_error(Code::kInvalid, "{} endpoints are called '{}'; use one of their ids: {}",
                      found.size(), escape_bytes(name), ids);
  }

  // Paths are always sent from the root, so the default directory must be known as such: Globus
  // may say "/~/", or nothing. What cannot be found out stays empty.
  Result<Endpoint> with_home(Endpoint endpoint) {
    const std::string& said = endpoint.default_directory;
    if (said.starts_with('/') && !api::is_below_default_directory(said) &&
        said.find('{') == said.npos)
      return endpoint;
    const std::lock_guard lock(shared_.mutex);
    const auto known = shared_.homes.find(endpoint.id);
    if (known != shared_.homes.end()) {
      endpoint.default_directory = known->second;
      return endpoint;
    }
    const auto home = find_home(endpoint.id);
    endpoint.default_directory = home ? *home : std::string();
    // What could not be asked now can perhaps be later.
    const bool is_away =
        !home && (home.error().retry == Retry::kLater || home.error().code == Code::kCancelled);
    if (!is_away) shared_.homes.emplace(endpoint.id, endpoint.default_directory);
    return endpoint;
  }

  // Empty: the service does not tell.
  Result<std::string> find_home(const EndpointId& endpoint) {
    TRY_ASSIGN(const json::object answer, get(of_files(endpoint, "/ls"), {{"limit", "1"}}));
    for (const std::string_view name : {"absolute_path", "path"}) {
      std::string path;
      if (!api::Members(answer).get(name, path)) continue;
      path = api::decode_bytes(path);
      while (path.ends_with('/')) path.pop_back();
      if (path.starts_with('/') && !api::is_below_default_directory(path)) return path;
    }
    return std::string();
  }

  const std::unique_ptr<Shared> own_;  // null in a view, which the service outlives
  Shared& shared_;
  RestClient& rest_;
  const std::stop_token stop_;
};

}  // namespace

std::unique_ptr<tasks::TransferService> make_globus_service(TransferAddress address,
                                                            Credentials& credentials,
                                                            Clock& clock) {
  return std::make_unique<GlobusService>(
      std::make_unique<Shared>(std::move(address), credentials, clock));
}

}  // namespace wherry::globus
