// SPDX-License-Identifier: Apache-2.0
#include "tasks/test_world.h"

#include <algorithm>

namespace wherry::tasks {
namespace {

RelPath path_of(const std::string& text) { return RelPath::parse(text).value(); }

void make_directories(storage::Storage& storage, const RelPath& path) {
  if (path.is_root()) return;
  make_directories(storage, path.parent());
  const auto made = storage.make_directory(path, 0755);
  CHECK(made || made.error().code == Code::kAlreadyExists);
}

}  // namespace

void write_file(storage::Storage& storage, const std::string& path, const std::string& content) {
  const RelPath target = path_of(path);
  make_directories(storage, target.parent());
  auto file = storage.create_temporary(
      {.target = target, .temporary_name = storage::temporary_name("test", target), .mode = 0644});
  CHECK(file.has_value());
  CHECK((*file)->write(0, content).has_value());
  CHECK((*file)->finish({.size = content.size(), .mode = {}, .mtime = {}}).has_value());
  CHECK(storage.commit(**file).has_value());
}

std::optional<std::string> read_file_of(storage::Storage& storage, const std::string& path) {
  auto file = storage.open_read(path_of(path));
  if (!file) return std::nullopt;
  std::string content((*file)->attributes().value().size, '\0');
  CHECK((*file)->read(0, content).value() == content.size());
  return content;
}

TestWorld::TestWorld(FakeClock::Sleepers sleepers)
    : clock(TimePoint(std::chrono::seconds(1'539'601'563)), sleepers) {
  database = open_database();
  endpoints = std::make_unique<endpoints::Endpoints>(*database, clock, random);
  source_memory = storage::open_memory({.clock = &clock});
  target_memory = storage::open_memory({.clock = &clock});
  source = add_endpoint("lab", storage::make_faulty(*source_memory, source_faults, clock));
  target = add_endpoint("scratch", storage::make_faulty(*target_memory, target_faults, clock));
  options.limits.retry_base = std::chrono::milliseconds(1);
  restart();
}

std::unique_ptr<Database> TestWorld::open_database() {
  auto opened = Database::open(
      {.path = scratch.file("wherry.db"),
       .sessions = 4,
       .busy_timeout_ms = 30'000,
       .fault = [this](std::string_view point) { return fault ? fault(point) : Result<void>(); }});
  CHECK(opened.has_value());
  CHECK((*opened)->migrate(endpoints::endpoint_migrations()).has_value());
  CHECK((*opened)->migrate(task_migrations()).has_value());
  return std::move(opened).value();
}

void TestWorld::restart(Execution execution) {
  service.reset();
  service = LocalService::create({*database, *endpoints, clock, random}, options, execution);
}

EndpointId TestWorld::add_endpoint(const std::string& name,
                                   std::shared_ptr<storage::Storage> storage, ByteCount daily_quota,
                                   endpoints::Access access) {
  const auto made = endpoints->create({.display_name = name,
                                       .location = "memory:",
                                       .access = access,
                                       .owner = "ada",
                                       .description = {},
                                       .organization = {},
                                       .keywords = {},
                                       .default_directory = {},
                                       .daily_quota = daily_quota});
  CHECK(made.has_value());
  endpoints->substitute(made->id, std::move(storage));
  return made->id;
}

void TestWorld::add_source_file(const std::string& path, const std::string& content) {
  write_file(*source_memory, path, content);
}

std::optional<std::string> TestWorld::target_file(const std::string& path) {
  return read_file_of(*target_memory, path);
}

TransferRequest TestWorld::transfer(const std::string& from, const std::string& to) {
  TransferRequest request;
  request.submission_id = new_uuid(random);
  request.owner = "ada";
  request.source_endpoint = source;
  request.target_endpoint = target;
  request.label = "a label";
  request.items.push_back({.source = path_of(from), .target = path_of(to), .checksum = {}});
  return request;
}

TaskId TestWorld::submit(const TransferRequest& request) {
  const auto submitted = service->submit(request);
  EXPECT_TRUE(submitted) << submitted.error().message;
  return submitted ? submitted->task_id : TaskId();
}

Task TestWorld::run(const TaskId& id) {
  const auto ended = service->run(id, {});
  EXPECT_TRUE(ended) << ended.error().message;
  return ended ? *ended : Task();
}

Task TestWorld::run(const TransferRequest& request) { return run(submit(request)); }

std::vector<std::string> TestWorld::event_codes(const TaskId& id) {
  std::vector<std::string> codes;
  const auto events = service->events(id, 10'000, 0).value();
  for (const Event& event : events) codes.push_back(event.code);
  std::reverse(codes.begin(), codes.end());
  return codes;
}

}  // namespace wherry::tasks
