// SPDX-License-Identifier: Apache-2.0
#include "tasks/scheduler.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

#include "base/random.h"

namespace wherry::tasks {
namespace {

// How much is under way, counting what has been chosen.
class Load {
 public:
  void add(const SchedulerTask& task) {
    ++total_;
    ++owners_[task.owner];
    ++kinds_[kind_of(task)];
    ++endpoints_[task.source_endpoint];
    if (has_second_endpoint(task)) ++endpoints_[task.target_endpoint];
  }

  bool is_full(const SchedulerLimits& limits) const { return total_ >= limits.tasks; }
  bool has_room(const SchedulerTask& task, const SchedulerLimits& limits) const {
    return is_owed(task, limits) &&
           count(endpoints_, task.source_endpoint) < limits.tasks_per_endpoint &&
           (!has_second_endpoint(task) ||
            count(endpoints_, task.target_endpoint) < limits.tasks_per_endpoint);
  }
  std::size_t of_owner(const std::string& owner) const { return count(owners_, owner); }

 private:
  using Counters = std::map<std::string, std::size_t>;

  static bool is_delete(const SchedulerTask& task) { return task.target_endpoint.empty(); }
  static std::string kind_of(const SchedulerTask& task) {
    return (is_delete(task) ? "delete " : "transfer ") + task.owner;
  }
  // Whether its owner may have one more of the kind under way.
  bool is_owed(const SchedulerTask& task, const SchedulerLimits& limits) const {
    const std::size_t most =
        is_delete(task) ? limits.deletes_per_identity : limits.transfers_per_identity;
    return most == 0 || !is_uuid(task.owner) || count(kinds_, kind_of(task)) < most;
  }
  static bool has_second_endpoint(const SchedulerTask& task) {
    return !task.target_endpoint.empty() && task.target_endpoint != task.source_endpoint;
  }
  static std::size_t count(const Counters& counters, const std::string& key) {
    const auto found = counters.find(key);
    return found == counters.end() ? 0 : found->second;
  }

  std::size_t total_ = 0;
  Counters owners_;
  Counters kinds_;  // transfers and deletes of each owner
  Counters endpoints_;
};

}  // namespace

SchedulerTask scheduler_task(const Task& task) {
  return {task.id, task.owner, task.source_endpoint, task.target_endpoint, task.requested};
}

std::vector<TaskId> choose_tasks(std::span<const SchedulerTask> waiting,
                                 std::span<const SchedulerTask> running,
                                 const SchedulerLimits& limits) {
  Load load;
  for (const SchedulerTask& task : running) load.add(task);
  std::vector<const SchedulerTask*> left;
  for (const SchedulerTask& task : waiting) left.push_back(&task);
  std::vector<TaskId> chosen;
  while (!load.is_full(limits)) {
    const auto rank = [&](const SchedulerTask* task) {
      return std::tuple(!load.has_room(*task, limits), load.of_owner(task->owner), task->requested,
                        std::string_view(task->id));
    };
    const auto next = std::min_element(
        left.begin(), left.end(),
        [&](const SchedulerTask* a, const SchedulerTask* b) { return rank(a) < rank(b); });
    if (next == left.end() || !load.has_room(**next, limits)) break;
    load.add(**next);
    chosen.push_back((*next)->id);
    left.erase(next);
  }
  return chosen;
}

SchedulerLoop::SchedulerLoop(std::function<Duration()> beat) : beat_(std::move(beat)) {}

void SchedulerLoop::wake() {
  const std::lock_guard lock(mutex_);
  if (stop_.stop_requested()) return;
  wake_ = true;
  if (!thread_.joinable()) thread_ = std::thread([this] { run(stop_.get_token()); });
  woken_.notify_all();
}

void SchedulerLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_.request_stop();
  }
  if (thread_.joinable()) thread_.join();
}

void SchedulerLoop::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const Duration pause = beat_();
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, stop, pause, [this] { return wake_; });
    wake_ = false;
  }
}

}  // namespace wherry::tasks
