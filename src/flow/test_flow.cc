// SPDX-License-Identifier: Apache-2.0
#include "flow/test_flow.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace wherry::flow {
namespace {

namespace fs = std::filesystem;

}  // namespace

// ---- The service --------------------------------------------------------------------------------

WatchedService::WatchedService(tasks::TransferService& real) : DistantService(real) {
  fault = [this](std::string_view call, const std::string& about) -> Result<void> {
    ++calls[std::string(call)];
    return lost ? lost(call, about) : Result<void>();
  };
}

Result<tasks::Submitted> WatchedService::submit(const tasks::TransferRequest& request) {
  if (refuse) TRY(refuse(request));
  TRY_ASSIGN(const auto submitted, DistantService::submit(request));
  if (submitted.kind == tasks::Submitted::Kind::kAccepted) accepted.push_back(request);
  return submitted;
}

Result<tasks::Task> WatchedService::task(const tasks::TaskId& id) {
  TRY_ASSIGN(tasks::Task task, DistantService::task(id));
  if (edit) edit(task);
  return task;
}

Result<std::vector<tasks::Task>> WatchedService::tasks(const tasks::TaskFilter& filter) {
  TRY_ASSIGN(auto found, DistantService::tasks(filter));
  if (edit) std::for_each(found.begin(), found.end(), edit);
  return found;
}

Result<std::vector<tasks::Event>> WatchedService::events(const tasks::TaskId& id, std::size_t limit,
                                                         std::size_t offset) {
  TRY_ASSIGN(auto events, DistantService::events(id, limit, offset));
  return shown_events ? shown_events() : events;
}

Result<std::vector<endpoints::Endpoint>> WatchedService::search_endpoints(std::string_view text,
                                                                          std::size_t limit,
                                                                          std::size_t offset) {
  ++calls["search_endpoints"];
  return DistantService::search_endpoints(text, limit, offset);
}

Result<tasks::FileInfo> WatchedService::stat(const tasks::EndpointId& endpoint,
                                             const RelPath& path) {
  ++calls["stat"];
  return DistantService::stat(endpoint, path);
}

// ---- The fixture --------------------------------------------------------------------------------

FlowFixture::FlowFixture(tasks::Execution execution, Clock* clock) : clock_(system_clock().now()) {
  Clock& time = clock != nullptr ? *clock : clock_;
  database_ = Database::open({.path = scratch_.file("wherry.db")}).value();
  CHECK(database_->migrate(endpoints::endpoint_migrations()));
  CHECK(database_->migrate(tasks::task_migrations()));
  endpoints_ = std::make_unique<endpoints::Endpoints>(*database_, time, random_);
  for (const char* place : {"lab", "scratch"}) ids_[place] = add_endpoint(place);
  tasks::LocalServiceOptions options;
  options.limits.retry_base = std::chrono::milliseconds(1);
  real_ = tasks::LocalService::create({*database_, *endpoints_, time, random_}, options, execution);
  service_ = std::make_unique<WatchedService>(*real_);
  start_loop();
}

FlowFixture::~FlowFixture() = default;

tasks::EndpointId FlowFixture::add_endpoint(const std::string& name, const std::string& owner) {
  fs::create_directories(scratch_.file(name));
  endpoints::NewEndpoint request;
  request.display_name = name;
  request.location = scratch_.file(name);
  request.owner = owner;
  return endpoints_->create(request).value().id;
}

std::string FlowFixture::at(const std::string& place, const std::string& path) const {
  return scratch_.file(place) + "/" + path;
}

void FlowFixture::write(const std::string& place, const std::string& path,
                        const std::string& content) {
  fs::create_directories(fs::path(at(place, path)).parent_path());
  std::ofstream(at(place, path), std::ios::binary) << content;
}

std::string FlowFixture::read(const std::string& place, const std::string& path) const {
  return read_file(at(place, path), 10'000'000).value_or("<missing>");
}

bool FlowFixture::is_there(const std::string& place, const std::string& path) const {
  return fs::exists(fs::symlink_status(at(place, path)));
}

Transfer FlowFixture::from_lab(const std::string& source, const std::string& target) {
  Transfer transfer;
  transfer.source_endpoint = "lab";
  transfer.target_endpoint = "scratch";
  transfer.source_path = source;
  transfer.target_path = target;
  return transfer;
}

Removal FlowFixture::removal(const std::string& path, const std::string& endpoint) {
  Removal removal;
  removal.endpoint = endpoint;
  removal.path = path;
  return removal;
}

DataTasks::Parts FlowFixture::parts() {
  return {*service_, clock_, random_, "ada",
          [this](const tasks::SubmissionId& id, const std::vector<std::string>& keys) {
            recorded_.emplace_back(id, keys);
            return record_fault_ ? record_fault_() : Result<void>();
          }};
}

void FlowFixture::start_loop(DataTasks::Options options) {
  loop_.reset();
  loop_ = std::make_unique<DataLoop>(parts(), options);
}

void FlowFixture::submit_all() {
  step();
  clock_.advance(std::chrono::milliseconds(50));
  step();
}

std::vector<tasks::Task> FlowFixture::all_tasks() {
  tasks::TaskFilter filter;
  filter.limit = 100'000;
  auto found = real_->tasks(filter).value();
  std::reverse(found.begin(), found.end());
  return found;
}

void FlowFixture::run_tasks() {
  for (const tasks::Task& task : all_tasks()) {
    if (task.state != tasks::TaskState::kActive) continue;
    const auto ended = real_->run(task.id, {});
    EXPECT_TRUE(ended) << ended.error().message;
  }
}

}  // namespace wherry::flow
