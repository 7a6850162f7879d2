// SPDX-License-Identifier: Apache-2.0
// What the handle of a transfer or removal shares with the thread that sees to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <variant>
#include <vector>

#include "base/path.h"
#include "base/thread_annotations.h"
#include "flow/data_tasks.h"

namespace wherry::flow {

using Lines = std::vector<engine::TransferItem>;

// The way from handles to the DataTasks they came from, as long as that is there.
class DataLink {
 public:
  using Cancel = std::function<void(std::shared_ptr<DataTask::Entry>)>;
  DataLink(tasks::TransferService& service, Cancel cancel)
      : service_(&service), cancel_(std::move(cancel)) {}

  // Waits for calls that are under way.
  void close() {
    const std::unique_lock lock(mutex_);
    service_ = nullptr;
    cancel_ = nullptr;
  }
  template <class Call>
  auto ask(const Call& call) -> decltype(call(std::declval<tasks::TransferService&>())) {
    const std::shared_lock lock(mutex_);
    if (service_ == nullptr)
      return make_error(Code::kCancelled, "what this task came from has ended");
    return call(*service_);
  }
  void cancel(std::shared_ptr<DataTask::Entry> entry) {
    const std::shared_lock lock(mutex_);
    if (cancel_) cancel_(std::move(entry));
  }

 private:
  std::shared_mutex mutex_;
  tasks::TransferService* service_ GUARDED_BY(mutex_);  // null: closed
  Cancel cancel_ GUARDED_BY(mutex_);
};

struct Submission;

class DataTask::Entry {
 public:
  Entry(std::variant<Transfer, Removal> asked, std::shared_ptr<DataLink> way)
      : request(std::move(asked)), link(std::move(way)), future(promise.future()) {}

  // Where it travels, once the service has accepted it.
  struct Place {
    tasks::TaskId task_id;
    std::shared_ptr<const Lines> lines;  // of the whole task; empty for a removal
    std::uint64_t line = 0;
  };
  std::optional<Place> place() const {
    const std::lock_guard lock(mutex_);
    return place_;
  }
  void set_place(Place place) {
    const std::lock_guard lock(mutex_);
    place_ = std::move(place);
    trouble_.clear();
  }
  // Why it is not submitted, or its task not looked at, for now; empty if nothing is in the way.
  std::string trouble() const {
    const std::lock_guard lock(mutex_);
    return trouble_;
  }
  void set_trouble(std::string trouble) {
    const std::lock_guard lock(mutex_);
    trouble_ = std::move(trouble);
  }

  bool is_transfer() const { return request.index() == 0; }
  const Transfer& transfer() const { return std::get<Transfer>(request); }
  const Removal& removal() const { return std::get<Removal>(request); }

  const std::variant<Transfer, Removal> request;
  const std::shared_ptr<DataLink> link;

  // ---- For the one thread that sees to it.
  Promise<Done> promise;
  const Future<Done> future;
  std::uint64_t number = 0;  // in the order of coming
  Duration deadline{0};      // monotonic
  bool has_ended = false;
  int submissions = 0;  // that carried it
  tasks::EndpointId source;
  tasks::EndpointId target;
  RelPath source_path;  // of a removal, what is removed
  RelPath target_path;
  Submission* submission = nullptr;  // that carries it

 private:
  mutable std::mutex mutex_;
  std::optional<Place> place_ GUARDED_BY(mutex_);
  std::string trouble_ GUARDED_BY(mutex_);
};

using EntryPointer = std::shared_ptr<DataTask::Entry>;

}  // namespace wherry::flow
