// SPDX-License-Identifier: Apache-2.0
#include "flow/run_world.h"

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace wherry::flow {
namespace {

namespace fs = std::filesystem;

Error dead() { return make_error(Code::kUnavailable, "the process has died"); }

}  // namespace

Result<void> Death::step() {
  {
    const std::lock_guard lock(mutex_);
    if (!is_dead_ && ++steps_ == at_) is_dead_ = true;
    if (!is_dead_) return {};
  }
  stop_.request_stop();
  return dead();
}
bool Death::has_come() {
  const std::lock_guard lock(mutex_);
  return is_dead_;
}
std::size_t Death::steps() {
  const std::lock_guard lock(mutex_);
  return steps_;
}

RunWorld::RunWorld() {
  database = Database::open({.path = scratch.file("wherry.db")}).value();
  CHECK(database->migrate(endpoints::endpoint_migrations()));
  CHECK(database->migrate(tasks::task_migrations()));
  CHECK(database->migrate(flow_migrations()));
  endpoints = std::make_unique<endpoints::Endpoints>(*database, system_clock(), system_random());
  for (const char* place : {"lab", "scratch"}) {
    fs::create_directories(scratch.file(place));
    endpoints::NewEndpoint request;
    request.display_name = place;
    request.location = scratch.file(place);
    request.owner = "ada";
    CHECK(endpoints->create(request));
  }
  fs::create_directories(scratch.file("work"));
  tasks::LocalServiceOptions options;
  options.limits.retry_base = std::chrono::milliseconds(1);
  service = tasks::LocalService::create({*database, *endpoints, system_clock(), system_random()},
                                        options, tasks::Execution::kAll);
  store = std::make_unique<Store>(*database);
  executors = std::make_unique<Executors>(
      system_clock(), Executors::Options{.settings = parse_executors(nullptr).value(),
                                         .directory = scratch.path()});
}

RunWorld::~RunWorld() = default;

std::string RunWorld::at(const std::string& place, const std::string& path) const {
  return scratch.file(place) + "/" + path;
}

void RunWorld::write(const std::string& place, const std::string& path,
                     const std::string& content) {
  fs::create_directories(fs::path(at(place, path)).parent_path());
  std::ofstream(at(place, path), std::ios::binary) << content;
}

std::string RunWorld::read(const std::string& place, const std::string& path) const {
  return read_file(at(place, path), 10'000'000).value_or("<missing>");
}

bool RunWorld::is_there(const std::string& place, const std::string& path) const {
  return fs::exists(fs::symlink_status(at(place, path)));
}

RunRecord RunWorld::create(const std::string& yaml, const std::vector<std::string>& parameters) {
  NewRun wanted;
  wanted.text = yaml;
  wanted.file = scratch.file("work/test.yml");
  wanted.name = "test";
  wanted.directory = scratch.file("work");
  wanted.parameters = parameters;
  auto created = create_run(*store, system_clock(), system_random(), wanted);
  EXPECT_TRUE(created) << created.error().message;
  return std::move(created).value();
}

Result<RunEnd> RunWorld::run(RunId id, Death& death, const std::optional<std::string>& text,
                             std::stop_token stop) {
  const auto own = Database::open({.path = scratch.file("wherry.db"),
                                   .sessions = 1,
                                   .fault = [&](std::string_view) { return death.step(); }})
                       .value();
  tasks::DistantService distant(*service);
  distant.fault = [&](std::string_view call, const std::string&) {
    if (call == "submit") return death.step();
    return death.has_come() ? Result<void>(dead()) : Result<void>();
  };
  distant.answer_fault = distant.fault;
  if (service_fault) distant.fault = service_fault;
  RunParts parts{
      distant, *executors, *own, system_clock(), system_random(), "ada", scratch.file("flows"),
      {},      on_change};
  parts.cancel_patience = cancel_patience;
  parts.data.window = std::chrono::milliseconds(5);
  parts.data.looks_per_second = 50;
  FlowRun flow_run(std::move(parts), id);
  auto end = flow_run.run(text, stop.stop_possible() ? std::move(stop) : death.token());
  if (end && death.has_come()) return dead();
  return end;
}

Result<RunEnd> RunWorld::run(RunId id) {
  Death never;
  return run(id, never);
}

Result<RunEnd> RunWorld::cancel(RunId id) {
  FlowRun flow_run({*service, *executors, *database, system_clock(), system_random(), "ada",
                    scratch.file("flows")},
                   id);
  return flow_run.cancel({});
}

Node RunWorld::node(RunId id, const std::string& name) {
  const auto nodes = store->nodes(id).value();
  for (const Node& each : nodes)
    if (each.name() == name) return each;
  ADD_FAILURE() << "there is no node " << name;
  return {};
}

std::string RunWorld::states(RunId id) {
  std::string states;
  const auto nodes = store->nodes(id).value();
  for (const Node& each : nodes)
    states += fmt::format("{}{}={}", states.empty() ? "" : " ", each.name(), to_string(each.state));
  return states;
}

std::vector<tasks::Task> RunWorld::tasks() { return service->tasks({}).value(); }

std::vector<tasks::Task> RunWorld::ended_tasks(const tasks::TaskFilter& filter) {
  std::vector<tasks::Task> ended = service->tasks(filter).value();
  for (tasks::Task& task : ended) {
    task = service->wait(task.id, std::chrono::minutes(2), {}).value();
    EXPECT_TRUE(tasks::is_final(task.state)) << task.id;
  }
  return ended;
}

}  // namespace wherry::flow
