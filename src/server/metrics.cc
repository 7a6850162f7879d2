// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <fmt/format.h>

namespace wherry::server {
namespace {

using tasks::LocalService;
using tasks::TaskState;

std::string heading(std::string_view name, std::string_view type, std::string_view help) {
  return fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

// As the format wants the value of a label.
std::string label_text(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text;
}

std::string route_text(std::string_view method, std::string_view pattern) {
  if (pattern.empty()) return "none";
  return fmt::format("{} {}", method, pattern);
}

}  // namespace

void RequestMetrics::add(const Answered& answered) {
  const bool has_route = !answered.pattern.empty();
  const std::string_view method = has_route ? to_string(answered.method) : std::string_view();
  const double seconds = std::chrono::duration<double>(answered.took).count();
  const std::lock_guard lock(mutex_);
  Counted& counted = routes_[{method, answered.pattern}];
  ++counted.answers[answered.status];
  Timed& timed = counted.timed;
  for (std::size_t i = 0; i < kLatencyBuckets.size(); ++i)
    if (seconds <= kLatencyBuckets[i]) ++timed.within[i];
  ++timed.count;
  timed.seconds += seconds;
}

std::string RequestMetrics::text() {
  const std::lock_guard lock(mutex_);
  std::string text = heading("wherry_http_requests_total", "counter", "Requests answered.");
  for (const auto& [key, counted] : routes_) {
    for (const auto& [status, count] : counted.answers) {
      text += fmt::format("wherry_http_requests_total{{route=\"{}\",status=\"{}\"}} {}\n",
                          route_text(key.first, key.second), status, count);
    }
  }
  text += heading("wherry_http_request_seconds", "histogram",
                  "Time from a whole request to its answer.");
  for (const auto& entry : routes_) {
    const std::string route = route_text(entry.first.first, entry.first.second);
    const Timed& timed = entry.second.timed;
    const auto line = [&](std::string_view bound, std::uint64_t count) {
      text += fmt::format("wherry_http_request_seconds_bucket{{route=\"{}\",le=\"{}\"}} {}\n",
                          route, bound, count);
    };
    for (std::size_t i = 0; i < kLatencyBuckets.size(); ++i)
      line(fmt::format("{}", kLatencyBuckets[i]), timed.within[i]);
    line("+Inf", timed.count);
    text +=
        fmt::format("wherry_http_request_seconds_sum{{route=\"{}\"}} {}\n", route, timed.seconds);
    text +=
        fmt::format("wherry_http_request_seconds_count{{route=\"{}\"}} {}\n", route, timed.count);
  }
  return text;
}

Result<std::string> task_metrics(LocalService& service, endpoints::Endpoints& endpoints) {
  std::string text = heading("wherry_tasks", "gauge", "Tasks by state; ended ones leave in time.");
  for (const TaskState state :
       {TaskState::kActive, TaskState::kInactive, TaskState::kSucceeded, TaskState::kFailed}) {
    tasks::TaskFilter filter;
    filter.states = {state};
    TRY_ASSIGN(const std::uint64_t count, service.count_tasks(filter));
    text += fmt::format("wherry_tasks{{state=\"{}\"}} {}\n", to_string(state), count);
  }
  struct Family {
    std::string_view name, type, help;
    std::uint64_t (*value)(const LocalService::Moved&);
  };
  static constexpr Family kFamilies[] = {
      {"wherry_tasks_running", "gauge", "Tasks that this process runs.",
       [](const LocalService::Moved& moved) { return std::uint64_t{moved.running}; }},
      {"wherry_files_total", "counter", "Files moved or removed.",
       [](const LocalService::Moved& moved) { return moved.files; }},
      {"wherry_bytes_total", "counter", "Bytes moved, repeats counted again.",
       [](const LocalService::Moved& moved) { return moved.bytes; }},
      {"wherry_faults_total", "counter", "Faults of file operations.",
       [](const LocalService::Moved& moved) { return moved.faults; }},
  };
  const auto all = service.moved();
  std::map<endpoints::EndpointId, std::string> names;
  for (const auto& [id, moved] : all) {
    const auto endpoint = endpoints.get(id);
    names[id] = endpoint ? label_text(endpoint->display_name) : "";
  }
  for (const Family& family : kFamilies) {
    text += heading(family.name, family.type, family.help);
    for (const auto& [id, moved] : all) {
      text += fmt::format("{}{{endpoint=\"{}\",name=\"{}\"}} {}\n", family.name, id, names[id],
                          family.value(moved));
    }
  }
  return text;
}

std::string queue_metrics(const RouterQueues& queues) {
  std::string text =
      heading("wherry_http_queue", "gauge", "Requests that wait for a thread, by kind of work.");
  const auto line = [&text](std::string_view kind, std::size_t waiting) {
    text += fmt::format("wherry_http_queue{{work=\"{}\"}} {}\n", kind, waiting);
  };
  line("database", queues.database);
  line("storage", queues.storage);
  line("submissions", queues.submissions);
  line("secrets", queues.secrets);
  return text;
}

}  // namespace wherry::server
