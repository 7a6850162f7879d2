// SPDX-License-Identifier: Apache-2.0
// What Prometheus reads at /metrics (text format 0.0.4).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/thread_annotations.h"
#include "server/router.h"
#include "tasks/local_service.h"

namespace wherry::server {

// Upper bounds of the buckets of request times, in seconds.
inline constexpr std::array kLatencyBuckets = {0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0};

// Counts requests. Safe for concurrent calls.
class RequestMetrics {
 public:
  void add(const Answered& answered);
  std::string text();

 private:
  struct Timed {
    std::array<std::uint64_t, kLatencyBuckets.size()> within{};
    std::uint64_t count = 0;
    double seconds = 0;
  };
  struct Counted {
    std::map<unsigned, std::uint64_t> answers;  // by status
    Timed timed;
  };
  std::mutex mutex_;
  // By method and pattern of the route, which lives as long as the process; both empty: none.
  std::map<std::pair<std::string_view, std::string_view>, Counted> routes_ GUARDED_BY(mutex_);
};

// Of tasks (by state: those that history keeps) and of what this process has moved.
Result<std::string> task_metrics(tasks::LocalService& service, endpoints::Endpoints& endpoints);
std::string queue_metrics(const RouterQueues& queues);

}  // namespace wherry::server
