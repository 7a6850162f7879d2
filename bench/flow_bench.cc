// SPDX-License-Identifier: Apache-2.0
// Transfers as futures. wherry_flow_bench FOLDER together|waiting|one prints lines "what: NUMBER
// unit".
//
// together: 100 futures of 1 MiB each, submitted one right after another to a service whose tasks
// take two seconds; how long until all are done, and in how many tasks.
// waiting: 10,000 futures on a service where nothing gets on, one in ten with a task of its own;
// the memory of the process, and the requests that the waiting takes.
// one: a file of 16 KiB, again and again; how long one takes. python_overhead.py does the same.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "endpoints/endpoint.h"
#include "flow/data_tasks.h"
#include "peak_memory.h"
#include "tasks/local_service.h"
#include "tasks/testing/distant_service.h"

namespace wherry::flow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kTogether = 100;
constexpr std::size_t kFileBytes = 1 << 20;
constexpr Duration kTaskTime = std::chrono::seconds(2);
constexpr std::size_t kWaiting = 10'000;
constexpr std::size_t kOneInSoManyIsAlone = 10;
constexpr Duration kWatched = std::chrono::seconds(20);
constexpr std::size_t kOneAfterAnother = 200;
constexpr std::size_t kSmallBytes = 16 << 10;
constexpr Duration kLook = std::chrono::milliseconds(20);

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Shows a task as ACTIVE until its time is over, and counts what it is asked.
class SlowService : public tasks::DistantService {
 public:
  explicit SlowService(tasks::TransferService& real) : DistantService(real) {
    fault = [this](std::string_view, const std::string&) -> Result<void> {
      ++calls;
      return {};
    };
    tells_while_active = false;
  }
  Result<tasks::Task> task(const tasks::TaskId& id) override {
    TRY_ASSIGN(tasks::Task task, DistantService::task(id));
    return shown(std::move(task));
  }
  Result<std::vector<tasks::Task>> tasks(const tasks::TaskFilter& filter) override {
    TRY_ASSIGN(auto found, DistantService::tasks(filter));
    for (tasks::Task& task : found) task = shown(std::move(task));
    return found;
  }
  std::atomic<std::size_t> calls = 0;

 private:
  static tasks::Task shown(tasks::Task task) {
    if (system_clock().now() < task.requested + kTaskTime) task.state = tasks::TaskState::kActive;
    return task;
  }
};

class Bench {
 public:
  enum class Service { kSlow, kReal };
  Bench(const std::string& folder, tasks::Execution execution, Service which = Service::kSlow)
      : folder_(folder), database_(Database::open({.path = folder + "/flow.db"}).value()) {
    database_->migrate(endpoints::endpoint_migrations()).value();
    database_->migrate(tasks::task_migrations()).value();
    endpoints_ =
        std::make_unique<endpoints::Endpoints>(*database_, system_clock(), system_random());
    for (const char* place : {"lab", "scratch"}) {
      fs::create_directories(folder + "/" + place);
      endpoints::NewEndpoint request;
      request.display_name = place;
      request.location = folder + "/" + place;
      request.owner = "bench";
      endpoints_->create(request).value();
    }
    real_ = tasks::LocalService::create({*database_, *endpoints_, system_clock(), system_random()},
                                        {}, execution);
    service_ = std::make_unique<SlowService>(*real_);
    tasks::TransferService* used = real_.get();
    DataTasks::Options options;
    if (which == Service::kSlow) {
      used = service_.get();
    } else {
      options.looks_per_second = 0;
    }
    tasks_ = DataTasks::create({*used, system_clock(), system_random(), "bench", {}}, options);
  }

  void write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ + "/lab/" + name, std::ios::binary) << content;
  }
  Future<Done> transfer(const std::string& source, const std::string& target, bool alone) {
    Transfer transfer;
    transfer.source_endpoint = "lab";
    transfer.target_endpoint = "scratch";
    transfer.source_path = "/" + source;
    transfer.target_path = "/" + target;
    transfer.alone = alone;
    return tasks_->transfer(transfer).future();
  }
  std::size_t task_count() { return real_->count_tasks({}).value(); }
  std::size_t calls() const { return service_->calls; }

 private:
  const std::string folder_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<endpoints::Endpoints> endpoints_;
  std::unique_ptr<tasks::LocalService> real_;
  std::unique_ptr<SlowService> service_;
  std::unique_ptr<DataTasks> tasks_;  // ends first
};

void together(const std::string& folder) {
  Bench bench(folder, tasks::Execution::kAll);
  for (std::size_t i = 0; i < kTogether; ++i)
    bench.write(fmt::format("{}", i), std::string(kFileBytes, static_cast<char>('a' + i % 26)));
  const Duration begin = system_clock().monotonic();
  std::vector<Future<Done>> futures;
  for (std::size_t i = 0; i < kTogether; ++i)
    futures.push_back(bench.transfer(fmt::format("{}", i), fmt::format("{}", i), false));
  ByteCount bytes = 0;
  for (const Done& done : when_all(futures).wait().value()) bytes += done.bytes;
  const double time = seconds(system_clock().monotonic() - begin);
  CHECK(bytes == kTogether * kFileBytes);
  fmt::print("100 futures of 1 MiB, tasks: {} tasks\n", bench.task_count());
  fmt::print("100 futures of 1 MiB, time: {:.3f} s\n", time);
}

void waiting(const std::string& folder) {
  Bench bench(folder, tasks::Execution::kNone);
  bench.write("0", "content");
  std::vector<Future<Done>> futures;
  for (std::size_t i = 0; i < kWaiting; ++i)
    futures.push_back(bench.transfer("0", fmt::format("{}", i), i % kOneInSoManyIsAlone == 0));
  // Until all are submitted.
  while (bench.task_count() < kWaiting / kOneInSoManyIsAlone + 1) system_clock().sleep(kLook, {});
  system_clock().sleep(kWatched / 4, {});
  const std::size_t before = bench.calls();
  const Duration begin = system_clock().monotonic();
  system_clock().sleep(kWatched, {});
  const auto asked = static_cast<double>(bench.calls() - before);
  const double watched = seconds(system_clock().monotonic() - begin);
  for (const auto& future : futures) CHECK(!future.is_ready());
  fmt::print("10,000 waiting futures, tasks: {} tasks\n", bench.task_count());
  fmt::print("10,000 waiting futures, requests: {:.2f} per second\n", asked / watched);
  fmt::print("10,000 waiting futures, peak memory: {:.1f} MiB\n",
             static_cast<double>(peak_kib()) / 1024);
}

void one(const std::string& folder) {
  Bench bench(folder, tasks::Execution::kAll, Bench::Service::kReal);
  bench.write("0", std::string(kSmallBytes, 'x'));
  std::vector<double> times;
  for (std::size_t i = 0; i < kOneAfterAnother; ++i) {
    const Duration begin = system_clock().monotonic();
    CHECK(bench.transfer("0", fmt::format("{}", i), true).wait().has_value());
    times.push_back(seconds(system_clock().monotonic() - begin) * 1000);
  }
  const auto middle = times.begin() + kOneAfterAnother / 2;
  std::nth_element(times.begin(), middle, times.end());
  fmt::print("one transfer of 16 KiB: {:.3f} ms\n", *middle);
}

}  // namespace
}  // namespace wherry::flow

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() != 2 || (words[1] != "together" && words[1] != "waiting" && words[1] != "one")) {
    fmt::print(stderr, "usage: wherry_flow_bench FOLDER together|waiting|one\n");
    return 2;
  }
  if (words[1] == "together")
    wherry::flow::together(words[0]);
  else if (words[1] == "one")
    wherry::flow::one(words[0]);
  else
    wherry::flow::waiting(words[0]);
  return 0;
}
