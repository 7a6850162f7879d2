// SPDX-License-Identifier: Apache-2.0
#include "python/session.h"

#include <cmath>

#include "base/clock.h"
#include "base/random.h"

namespace wherry::python {
namespace py = pybind11;
namespace {

constexpr double kLongestWait = 365.0 * 24 * 3600;

Duration duration_of(double seconds) {
  if (!(seconds > 0)) return Duration(0);  // NaN as well
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, kLongestWait)));
}

flow::OnTimeout on_timeout(bool cancel) {
  return cancel ? flow::OnTimeout::kCancel : flow::OnTimeout::kLeave;
}

Result<engine::SyncLevel> sync_level_of(int level) {
  switch (level) {
    case -1:
      return engine::SyncLevel::kAlways;
    case 0:
      return engine::SyncLevel::kMissing;
    case 1:
      return engine::SyncLevel::kSize;
    case 2:
      return engine::SyncLevel::kNewer;
    case 3:
      return engine::SyncLevel::kChecksum;
    default:
      return make_error(Code::kInvalid, "there is no sync level {}", level);
  }
}

Result<engine::TransferOptions> options_of(const Service::TransferArguments& arguments) {
  using Rule = engine::FilterRule;
  engine::TransferOptions options;
  TRY_ASSIGN(options.sync_level, sync_level_of(arguments.sync_level));
  TRY_ASSIGN(options.symlinks, engine::parse_symlink_policy(arguments.symlinks));
  options.verify = arguments.verify_checksum ? engine::Verify::kChecksum : engine::Verify::kSize;
  options.preserve_mtime = arguments.preserve_mtime;
  for (const auto& [method, pattern, type] : arguments.filters) {
    options.filters.push_back(
        {.method = method == "include" ? Rule::Method::kInclude : Rule::Method::kExclude,
         .pattern = pattern,
         .applies = type == "file"  ? Rule::Applies::kFiles
                    : type == "dir" ? Rule::Applies::kDirectories
                                    : Rule::Applies::kAll});
  }
  return options;
}

template <class T>
py::object page_to_python(const tasks::Page<T>& page) {
  return py::make_tuple(to_python(page.rows),
                        page.next ? py::object(py::int_(*page.next)) : py::none());
}

}  // namespace

std::shared_ptr<Session> Session::open(const std::map<std::string, std::string>& settings) {
  const auto opened = [&]() -> Result<std::shared_ptr<Session>> {
    const py::gil_scoped_release released;
    const app::Environment environment = app::process_environment();
    TRY_ASSIGN(Options options,
               app::load_settings(environment, {settings.begin(), settings.end()}));
    std::string directory = app::state_directory(options, environment);
    auto session = std::make_shared<Session>();
    TRY_ASSIGN(session->wherry_, app::Wherry::open({.settings = std::move(options),
                                                    .directory = std::move(directory),
                                                    .execution = tasks::Execution::kAll,
                                                    .environment = environment}));
    session->dispatcher_ = std::make_shared<Dispatcher>();
    return session;
  }();
  return value_or_raise(opened);
}

Session::~Session() {
  if (wherry_) close();
  // The last that refers to it can be a callback, and a thread cannot wait for its own end.
  if (dispatcher_ && dispatcher_->is_calling())
    (void)new std::shared_ptr<Dispatcher>(std::move(dispatcher_));
}

void Session::close() {
  const py::gil_scoped_release released;
  std::unique_ptr<app::Wherry> wherry;
  std::map<Key, std::unique_ptr<flow::DataTasks>> data_tasks;
  {
    const std::unique_lock lock(mutex_);
    const std::lock_guard also(data_tasks_mutex_);
    wherry = std::move(wherry_);
    data_tasks.swap(data_tasks_);
  }
  // Without the lock: what ends here may call Python, and Python this.
  data_tasks.clear();
  wherry.reset();
  dispatcher_->flush();
}

void Session::abandon() {
  // One more owner, for ever.
  (void)new std::shared_ptr<Session>(shared_from_this());
}

void Session::post(std::function<void()> call) { dispatcher_->post(std::move(call)); }

Result<flow::DataTasks*> Session::data_tasks(app::Wherry& wherry, const Key& key) {
  const std::lock_guard lock(data_tasks_mutex_);
  std::unique_ptr<flow::DataTasks>& found = data_tasks_[key];
  if (!found) {
    TRY_ASSIGN(tasks::TransferService * service, wherry.service_of(key.first));
    flow::DataTasks::Options wanted{.window = key.second};
    if (app::Wherry::is_embedded(key.first)) wanted.looks_per_second = 0;
    found = flow::DataTasks::create({*service, system_clock(), system_random(), wherry.owner(), {}},
                                    wanted);
  }
  return found.get();
}

flow::DataTask Session::start(const std::string& service, Duration window,
                              const std::function<flow::DataTask(flow::DataTasks&)>& begin) {
  return with([&](app::Wherry& wherry) -> Result<flow::DataTask> {
    TRY_ASSIGN(flow::DataTasks * tasks, data_tasks(wherry, {service, window}));
    return begin(*tasks);
  });
}

void Handle::on_ready(const py::object& callback) const {
  const AnyThreadObject held(callback);
  const py::gil_scoped_release released;
  task_.future().on_ready([session = session_, held](const Result<flow::Done>& result) {
    session->post([held, result] {
      if (result) {
        held.get()(py::none(), to_python(result.value()));
      } else {
        held.get()(to_python(result.error()), py::none());
      }
    });
  });
}

py::object Handle::progress() const {
  return to_python(session_->with([&](app::Wherry&) { return task_.progress(); }));
}

py::object Handle::files() const {
  return to_python(session_->with([&](app::Wherry&) { return task_.files(); }));
}

void Handle::cancel() const {
  session_->with([&](app::Wherry&) -> Result<void> {
    task_.cancel();
    return {};
  });
}

// `function(service, place)`; `place(name_or_id)` answers the endpoint's id.
template <class F>
auto Service::with(F function) const {
  return session_->with([&](app::Wherry& wherry) -> decltype(function(wherry.service())) {
    TRY_ASSIGN(tasks::TransferService * service, wherry.service_of(name_));
    return function(*service);
  });
}

Handle Service::transfer(const TransferArguments& arguments, double window,
                         const py::object& on_progress) const {
  flow::Transfer transfer{.source_endpoint = arguments.source_endpoint,
                          .target_endpoint = arguments.target_endpoint,
                          .source_path = arguments.source_path,
                          .target_path = arguments.target_path,
                          .recursive = arguments.recursive,
                          .options = value_or_raise(options_of(arguments)),
                          .label = arguments.label,
                          .timeout = duration_of(arguments.timeout),
                          .on_timeout = on_timeout(arguments.cancel_on_timeout),
                          .on_progress = {},
                          .alone = arguments.alone,
                          .key = {}};
  if (!on_progress.is_none()) {
    transfer.on_progress = [session = session_,
                            held = AnyThreadObject(on_progress)](const tasks::Task& task) {
      session->post([held, task] { held.get()(to_python(task)); });
    };
  }
  return {session_, session_->start(name_, duration_of(window), [&](flow::DataTasks& tasks) {
            return tasks.transfer(transfer);
          })};
}

Handle Service::remove(const RemovalArguments& arguments, double window) const {
  const flow::Removal removal{.endpoint = arguments.endpoint,
                              .path = arguments.path,
                              .recursive = arguments.recursive,
                              .label = arguments.label,
                              .timeout = duration_of(arguments.timeout),
                              .on_timeout = on_timeout(arguments.cancel_on_timeout),
                              .key = {}};
  return {session_, session_->start(name_, duration_of(window),
                                    [&](flow::DataTasks& tasks) { return tasks.remove(removal); })};
}

py::object Service::endpoint(const std::string& name_or_id) const {
  return to_python(
      with([&](tasks::TransferService& service) { return service.endpoint(name_or_id); }));
}

py::object Service::endpoints(const std::string& text, std::size_t limit) const {
  return to_python(with(
      [&](tasks::TransferService& service) { return service.search_endpoints(text, limit, 0); }));
}

py::object Service::create_endpoint(const std::string& name, const std::string& directory,
                                    bool read_only, ByteCount bytes_per_second) const {
  return to_python(session_->with([&](app::Wherry& wherry) -> Result<endpoints::Endpoint> {
    if (!app::Wherry::is_embedded(name_)) {
      return make_error(Code::kUnsupported,
                        "endpoints of a service elsewhere are made there, not from here");
    }
    endpoints::NewEndpoint request;
    request.display_name = name;
    request.location = directory;
    request.access = read_only ? endpoints::Access::kRead : endpoints::Access::kReadWrite;
    request.owner = wherry.owner();
    request.bytes_per_second = bytes_per_second;
    return wherry.endpoints().create(request);
  }));
}

void Service::delete_endpoint(const std::string& name_or_id) const {
  session_->with([&](app::Wherry& wherry) -> Result<void> {
    if (!app::Wherry::is_embedded(name_)) {
      return make_error(Code::kUnsupported,
                        "endpoints of a service elsewhere are deleted there, not from here");
    }
    TRY_ASSIGN(const endpoints::Endpoint endpoint, wherry.endpoints().resolve(name_or_id));
    return wherry.endpoints().remove(endpoint.id);
  });
}

py::object Service::list(const std::string& endpoint, const std::string& path) const {
  return to_python(
      with([&](tasks::TransferService& service) -> Result<std::vector<tasks::FileInfo>> {
        TRY_ASSIGN(const RelPath parsed, RelPath::parse(path));
        TRY_ASSIGN(const endpoints::Endpoint found, service.endpoint(endpoint));
        return service.list(found.id, parsed);
      }));
}

py::object Service::stat(const std::string& endpoint, const std::string& path) const {
  return to_python(with([&](tasks::TransferService& service) -> Result<tasks::FileInfo> {
    TRY_ASSIGN(const RelPath parsed, RelPath::parse(path));
    TRY_ASSIGN(const endpoints::Endpoint found, service.endpoint(endpoint));
    return service.stat(found.id, parsed);
  }));
}

void Service::make_directory(const std::string& endpoint, const std::string& path) const {
  with([&](tasks::TransferService& service) -> Result<void> {
    TRY_ASSIGN(const RelPath parsed, RelPath::parse(path));
    TRY_ASSIGN(const endpoints::Endpoint found, service.endpoint(endpoint));
    return service.make_directory(found.id, parsed);
  });
}

void Service::rename(const std::string& endpoint, const std::string& from,
                     const std::string& to) const {
  with([&](tasks::TransferService& service) -> Result<void> {
    TRY_ASSIGN(const RelPath parsed_from, RelPath::parse(from));
    TRY_ASSIGN(const RelPath parsed_to, RelPath::parse(to));
    TRY_ASSIGN(const endpoints::Endpoint found, service.endpoint(endpoint));
    return service.rename(found.id, parsed_from, parsed_to);
  });
}

py::object Service::task(const std::string& id) const {
  return to_python(with([&](tasks::TransferService& service) { return service.task(id); }));
}

py::object Service::tasks(const std::vector<std::string>& statuses, const std::string& label,
                          std::size_t limit) const {
  return to_python(with([&](tasks::TransferService& service) -> Result<std::vector<tasks::Task>> {
    tasks::TaskFilter filter;
    filter.label_glob = label;
    filter.limit = limit;
    for (const std::string& status : statuses) {
      TRY_ASSIGN(const tasks::TaskState state, tasks::parse_task_state(status));
      filter.states.push_back(state);
    }
    return service.tasks(filter);
  }));
}

py::object Service::wait(const std::string& id, double seconds) const {
  const auto task =
      with([&](tasks::TransferService& service) -> Result<std::optional<tasks::Task>> {
        auto ended = service.wait(id, duration_of(seconds), {});
        if (!ended && ended.error().code == Code::kTimeout) return std::optional<tasks::Task>();
        TRY_ASSIGN(tasks::Task found, std::move(ended));
        return std::optional(std::move(found));
      });
  return task ? to_python(*task) : py::none();
}

void Service::cancel(const std::string& id) const {
  with([&](tasks::TransferService& service) { return service.cancel(id); });
}

py::object Service::events(const std::string& id, std::size_t limit) const {
  return to_python(
      with([&](tasks::TransferService& service) { return service.events(id, limit, 0); }));
}

py::object Service::successful_transfers(const std::string& id, std::uint64_t marker) const {
  return page_to_python(with(
      [&](tasks::TransferService& service) { return service.successful_transfers(id, marker); }));
}

py::object Service::item_errors(const std::string& id, std::uint64_t marker) const {
  return page_to_python(
      with([&](tasks::TransferService& service) { return service.item_errors(id, marker); }));
}

}  // namespace wherry::python
