// SPDX-License-Identifier: Apache-2.0
// One open state directory, with what Python asks of it. What is bound here only passes on: what a
// call means stands in the headers of tasks and flow, and for users in python/wherry.
//
// The interpreter's lock is free while a call waits. A session is closed before the interpreter
// ends; what still refers to it then answers that it is closed. After a fork the child abandons it:
// its threads are the parent's alone.
#pragma once

#include <pybind11/pybind11.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "app/wherry.h"
#include "flow/data_tasks.h"
#include "python/convert.h"
#include "python/dispatcher.h"

namespace wherry::python {

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  // With the interpreter's lock, which it lets go of to close what is open.
  ~Session();
  // `settings` as --set of the command line takes them. Runs every task that can be run.
  static std::shared_ptr<Session> open(const std::map<std::string, std::string>& settings);

  // Ends every thread: futures that wait end with kCancelled, tasks are left to whoever comes next.
  void close();
  // In the child of a fork: nothing of this is ever touched or freed again.
  void abandon();

  // Calls `function(app::Wherry&)`, which answers a Result, with the interpreter's lock free.
  template <class F>
  auto with(F function) {
    auto result = [&]() -> decltype(function(*wherry_)) {
      const pybind11::gil_scoped_release released;
      const std::shared_lock lock(mutex_);
      if (!wherry_) return make_error(Code::kCancelled, "this Wherry is closed");
      return function(*wherry_);
    }();
    return value_or_raise(std::move(result));
  }
  // The same with the flow::DataTasks of a service, made at first use.
  flow::DataTask start(const std::string& service, Duration window,
                       const std::function<flow::DataTask(flow::DataTasks&)>& begin);

  // Called by Wherry's threads; posts to Python.
  void post(std::function<void()> call);

 private:
  using Key = std::pair<std::string, Duration>;
  Result<flow::DataTasks*> data_tasks(app::Wherry& wherry, const Key& key);

  std::shared_mutex mutex_;  // of wherry_: shared by calls, alone for close()
  std::unique_ptr<app::Wherry> wherry_;
  std::shared_ptr<Dispatcher> dispatcher_;
  std::mutex data_tasks_mutex_;
  std::map<Key, std::unique_ptr<flow::DataTasks>> data_tasks_ GUARDED_BY(data_tasks_mutex_);
};

// A transfer or removal under way.
class Handle {
 public:
  Handle(std::shared_ptr<Session> session, flow::DataTask task)
      : session_(std::move(session)), task_(std::move(task)) {}

  // `callback(error, done)` is called once, by the thread that calls Python.
  void on_ready(const pybind11::object& callback) const;
  std::optional<std::string> task_id() const { return task_.task_id(); }
  pybind11::object progress() const;
  pybind11::object files() const;
  void cancel() const;

 private:
  std::shared_ptr<Session> session_;
  flow::DataTask task_;
};

// A tasks::TransferService: "local", "globus" or the address of a Wherry.
class Service {
 public:
  Service(std::shared_ptr<Session> session, std::string name)
      : session_(std::move(session)), name_(std::move(name)) {}

  struct TransferArguments {
    std::string source_endpoint, target_endpoint, source_path, target_path;
    bool recursive = false;
    int sync_level = -1;  // as the Globus Transfer contract counts them; -1: always
    bool verify_checksum = true;
    std::vector<std::tuple<std::string, std::string, std::string>> filters;  // method, name, type
    bool preserve_mtime = false;
    std::string symlinks;
    std::string label;
    double timeout = 3600;
    bool cancel_on_timeout = false;
    bool alone = false;
  };
  struct RemovalArguments {
    std::string endpoint, path;
    bool recursive = false;
    std::string label;
    double timeout = 3600;
    bool cancel_on_timeout = false;
  };
  Handle transfer(const TransferArguments& arguments, double window,
                  const pybind11::object& on_progress) const;
  Handle remove(const RemovalArguments& arguments, double window) const;

  pybind11::object endpoint(const std::string& name_or_id) const;
  pybind11::object endpoints(const std::string& text, std::size_t limit) const;
  pybind11::object create_endpoint(const std::string& name, const std::string& directory,
                                   bool read_only, ByteCount bytes_per_second) const;
  void delete_endpoint(const std::string& name_or_id) const;
  pybind11::object list(const std::string& endpoint, const std::string& path) const;
  pybind11::object stat(const std::string& endpoint, const std::string& path) const;
  void make_directory(const std::string& endpoint, const std::string& path) const;
  void rename(const std::string& endpoint, const std::string& from, const std::string& to) const;

  pybind11::object task(const std::string& id) const;
  pybind11::object tasks(const std::vector<std::string>& statuses, const std::string& label,
                         std::size_t limit) const;
  pybind11::object wait(const std::string& id, double seconds) const;  // None: it is not over
  void cancel(const std::string& id) const;
  pybind11::object events(const std::string& id, std::size_t limit) const;
  // (rows, marker of the next page or None)
  pybind11::object successful_transfers(const std::string& id, std::uint64_t marker) const;
  pybind11::object item_errors(const std::string& id, std::uint64_t marker) const;

 private:
  template <class F>
  auto with(F function) const;

  std::shared_ptr<Session> session_;
  std::string name_;
};

}  // namespace wherry::python
