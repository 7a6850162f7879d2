// SPDX-License-Identifier: Apache-2.0
// The process of a site at work. wherry_site_bench FOLDER latency|throughput [JOBS] prints lines
// "what: NUMBER unit".
//
// latency: a service elsewhere whose tasks take two seconds each; how long after a task's end its
// job is STAGED_IN, and how soon a lone new item is submitted.
// throughput: jobs with an input and an output of 16 KiB each, the embedded service and the local
// launcher; and the same files moved by two tasks alone.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/worker_pool.h"
#include "endpoints/endpoint.h"
#include "jobs/jobs.h"
#include "jobs/site_process.h"
#include "storage/backends.h"
#include "storage/decorator.h"
#include "tasks/local_service.h"

namespace wherry::jobs {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kJobsOfLatency = 30;
constexpr std::size_t kJobsOfThroughput = 5'000;
constexpr std::size_t kFileBytes = 16'384;
constexpr Duration kTaskTime = std::chrono::seconds(2);
constexpr Duration kLook = std::chrono::milliseconds(20);
constexpr std::string_view kLocations =
    "  transfer_locations:\n"
    "    lab: wherry://lab\n"
    "    far: wherry://far\n";

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Whose files take their time to be opened.
class SlowStorage : public storage::Decorator {
 public:
  using Decorator::Decorator;

 private:
  Result<void> around(Call& call, const std::function<Result<void>()>& body) override {
    if (call.operation == storage::Operation::kOpenRead) system_clock().sleep(kTaskTime, {});
    return body();
  }
};

// A service with its own database, and the places that it knows.
struct Service {
  Service(const std::string& folder, const std::string& path)
      : database(Database::open({.path = path}).value()) {
    database->migrate(endpoints::endpoint_migrations()).value();
    database->migrate(tasks::task_migrations()).value();
    endpoints = std::make_unique<endpoints::Endpoints>(*database, system_clock(), system_random());
    for (const char* place : {"lab", "far"}) {
      fs::create_directories(folder + "/" + place);
      endpoints::NewEndpoint request;
      request.display_name = place;
      request.location = folder + "/" + place;
      request.owner = "bench";
      ids.push_back(endpoints->create(request).value().id);
    }
  }
  void start() {
    tasks::LocalServiceOptions options;
    options.active_tasks_per_endpoint = options.active_tasks;
    service = tasks::LocalService::create({*database, *endpoints, system_clock(), system_random()},
                                          options, tasks::Execution::kAll);
  }

  std::unique_ptr<Database> database;
  std::unique_ptr<endpoints::Endpoints> endpoints;
  std::vector<tasks::EndpointId> ids;  // lab, far
  std::unique_ptr<tasks::LocalService> service;
};

class Bench {
 public:
  Bench(std::string folder, const std::string& settings, const std::string& service_database)
      : folder_(std::move(folder)),
        database_(Database::open({.path = folder_ + "/site.db"}).value()),
        stores_(*database_, system_clock()) {
    database_->migrate(endpoints::endpoint_migrations()).value();
    database_->migrate(tasks::task_migrations()).value();
    database_->migrate(job_migrations()).value();
    service_ = std::make_unique<Service>(folder_, folder_ + "/" + service_database);
    fs::create_directories(folder_ + "/site/data");
    site_ = stores_.sites.create("bench", folder_ + "/site", "bench", settings).value();
  }
  ~Bench() { stop_.request_stop(); }

  Service& service() { return *service_; }

  void add_app(const std::string& command, bool has_output) {
    App app;
    app.site = site_.id;
    app.name = "app";
    app.command = command;
    app.transfers["in"].local_path = "input";
    if (has_output) {
      app.transfers["out"].local_path = "result";
      app.transfers["out"].direction = Direction::kOut;
    }
    has_output_ = has_output;
    stores_.apps.put(app).value();
  }

  std::vector<NewJob> make_jobs(std::size_t count) {
    std::vector<NewJob> jobs;
    for (std::size_t i = 0; i < count; ++i, ++made_) {
      std::string content(kFileBytes, 'x');
      content.replace(0, 8, fmt::format("{:08}", made_));
      const std::string name = fmt::format("{:03}/{:06}", made_ / 1000, made_);
      fs::create_directories(fmt::format("{}/lab/{:03}", folder_, made_ / 1000));
      std::ofstream(folder_ + "/lab/" + name, std::ios::binary) << content;
      NewJob job;
      job.app = "app";
      job.workdir = name;
      job.transfers["in"] = {"lab", "/" + name};
      if (has_output_) job.transfers["out"] = {"far", "/" + name};
      jobs.push_back(std::move(job));
    }
    return jobs;
  }

  void run_site_beside() {
    parts_.emplace(SiteProcessParts{
        [this](const std::string&) -> Result<tasks::TransferService*> {
          return service_->service.get();
        },
        *database_,
        system_clock(),
        system_random(),
        [](const std::string&, const SiteSettings&) -> schedulers::Scheduler* { return nullptr; },
        "true",
        {}});
    pool_.submit([this] { run_site(*parts_, site_.id, stop_.get_token()).value(); });
  }

  // Until so many jobs have got at least that far.
  void wait_for(std::vector<JobState> states, std::size_t count) {
    for (;;) {
      const auto counts = stores_.jobs.count_by_state({}).value();
      std::size_t there = 0;
      for (const JobState state : states) {
        const auto found = counts.find(state);
        if (found != counts.end()) there += found->second;
      }
      if (there >= count) return;
      system_clock().sleep(kLook, {});
    }
  }

  Stores& stores() { return stores_; }
  const Site& site() const { return site_; }
  const std::string& folder() const { return folder_; }

 private:
  const std::string folder_;
  std::unique_ptr<Database> database_;
  Stores stores_;
  std::unique_ptr<Service> service_;
  Site site_;
  bool has_output_ = false;
  std::size_t made_ = 0;
  std::stop_source stop_;
  std::optional<SiteProcessParts> parts_;
  WorkerPool pool_{{1, 1}};  // ends first
};

void latency(const std::string& folder) {
  Bench bench(folder,
              "transfers:\n  service: https://127.0.0.1:1\n  globus_endpoint_id: local\n  "
              "transfer_batch_size: 1\n" +
                  std::string(kLocations) + "launcher:\n  run_locally: false\n",
              "service.db");
  const auto lab = storage::open_posix(folder + "/lab").value();
  bench.service().endpoints->substitute(bench.service().ids[0],
                                        std::make_shared<SlowStorage>(*lab));
  bench.service().start();
  bench.add_app("true", false);
  bench.run_site_beside();
  bench.stores().jobs.create(bench.site().id, bench.make_jobs(kJobsOfLatency)).value();
  bench.wait_for({JobState::kPreprocessed}, kJobsOfLatency);
  EventFilter filter;
  filter.to = "STAGED_IN";
  std::vector<double> late;
  const auto events = bench.stores().jobs.events(filter).value();
  for (const JobEvent& event : events.rows) {
    ItemFilter of_job;
    of_job.jobs = {event.job};
    const auto items = bench.stores().items.list(of_job).value();
    const auto task = bench.service().service->task(items.rows.at(0).task_id).value();
    late.push_back(seconds(event.time - task.completed.value()));
  }
  std::sort(late.begin(), late.end());
  fmt::print("from a task's end to STAGED_IN, median: {:.3f} s\n", late[late.size() / 2]);
  fmt::print("from a task's end to STAGED_IN, worst: {:.3f} s\n", late.back());
  const auto lone = bench.stores().jobs.create(bench.site().id, bench.make_jobs(1)).value();
  bench.wait_for({JobState::kPreprocessed}, kJobsOfLatency + 1);
  ItemFilter of_job;
  of_job.jobs = {lone[0].id};
  const auto item = bench.stores().items.list(of_job).value().rows.at(0);
  const auto task = bench.service().service->task(item.task_id).value();
  fmt::print("a lone item until it is submitted: {:.3f} s\n",
             seconds(task.requested - item.created));
}

// The same files, by one task in and one out.
double move_alone(Bench& bench, std::size_t count) {
  const Duration begin = system_clock().monotonic();
  const tasks::EndpointId local(endpoints::kLocalId);
  const std::string here = bench.folder() + "/alone";
  for (const bool is_in : {true, false}) {
    tasks::TransferRequest request;
    request.submission_id = new_uuid(system_random());
    request.owner = "bench";
    request.source_endpoint = is_in ? bench.service().ids[0] : local;
    request.target_endpoint = is_in ? local : bench.service().ids[1];
    request.options.sync_level = engine::SyncLevel::kChecksum;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = fmt::format("{:03}/{:06}", i / 1000, i);
      const RelPath host = RelPath::parse(here + "/" + name).value();
      const RelPath there = RelPath::parse((is_in ? "" : "alone/") + name).value();
      request.items.emplace_back();
      request.items.back().source = is_in ? there : host;
      request.items.back().target = is_in ? host : there;
      request.items.back().recursion = engine::TransferItem::Recursion::kNo;
    }
    const auto submitted = bench.service().service->submit(request).value();
    const auto ended =
        bench.service().service->wait(submitted.task_id, std::chrono::hours(1), {}).value();
    CHECK(ended.state == tasks::TaskState::kSucceeded);
  }
  return seconds(system_clock().monotonic() - begin);
}

void throughput(const std::string& folder, std::size_t count) {
  Bench bench(folder, "transfers:\n" + std::string(kLocations), "site.db");
  bench.service().start();
  bench.add_app("cp input result", true);
  const std::vector<NewJob> jobs = bench.make_jobs(count);
  const double alone = move_alone(bench, count);
  bench.run_site_beside();
  const Duration begin = system_clock().monotonic();
  bench.stores().jobs.create_many(bench.site().id, jobs).value();
  bench.wait_for({JobState::kJobFinished, JobState::kFailed}, count);
  const double all = seconds(system_clock().monotonic() - begin);
  CHECK(bench.stores().jobs.count_by_state({}).value()[JobState::kJobFinished] == count);
  const auto jobs_made = static_cast<double>(count);
  fmt::print("jobs from READY to JOB_FINISHED: {:.1f} per second\n", jobs_made / all);
  fmt::print("items moved: {:.1f} per second\n", 2 * jobs_made / all);
  fmt::print("their files moved by two tasks alone: {:.2f} s of {:.2f} s\n", alone, all);
  fmt::print("time that is not data movement: {:.1f} %\n", 100 * (1 - alone / all));
}

}  // namespace
}  // namespace wherry::jobs

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 2 || (words[1] != "latency" && words[1] != "throughput")) {
    fmt::print(stderr, "usage: wherry_site_bench FOLDER latency|throughput [JOBS]\n");
    return 2;
  }
  if (words[1] == "latency")
    wherry::jobs::latency(words[0]);
  else
    wherry::jobs::throughput(
        words[0], words.size() > 2 ? std::stoul(words[2]) : wherry::jobs::kJobsOfThroughput);
  return 0;
}
