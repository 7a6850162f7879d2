// SPDX-License-Identifier: Apache-2.0
// Tasks of endpoints that keep them waiting: that are not connected, or may be used slowly only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tasks/test_world.h"

namespace wherry::tasks {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

// An identity of the service with two directories of this host.
class DirectoriesWorld {
 public:
  explicit DirectoriesWorld(FakeClock::Sleepers sleepers) : world(sleepers) {
    fs::create_directories(source_directory);
    fs::create_directories(target_directory);
    std::ofstream(source_directory + "/a") << "a";
    request.owner = kAda;
    request.source_endpoint = add_endpoint("home", source_directory);
    request.target_endpoint = add_endpoint("archive", target_directory);
    request.items = {{.source = RelPath::parse("a").value(),
                      .target = RelPath::parse("a").value(),
                      .checksum = {}}};
    request.submission_id = new_uuid(world.random);
  }
  EndpointId add_endpoint(const std::string& name, const std::string& directory) {
    endpoints::NewEndpoint made;
    made.display_name = name;
    made.location = directory;
    made.owner = kAda;
    return world.endpoints->create(made).value().id;
  }
  // All that a client can read of it.
  std::string told(const Task& task) {
    std::string text = task.nice_status_details;
    if (task.fatal_error) text += task.fatal_error->description;
    const auto events = world.service->events(task.id, 100, 0).value();
    for (const Event& event : events) text += event.description + event.details;
    return text;
  }

  static constexpr const char* kAda = "5f8f0fbb-3a59-4a3c-9d5c-0d1f6b1f2a01";
  TestWorld world;
  std::string source_directory = world.scratch.file("source");
  std::string target_directory = world.scratch.file("target");
  TransferRequest request;
};

TEST(TaskRun, ATaskWaitsForAnEndpointThatIsAwayUntilItsDeadline) {
  DirectoriesWorld away(FakeClock::Sleepers::kAdvance);
  fs::remove_all(away.target_directory);
  away.request.deadline = away.world.clock.now() + 1h;
  const Task task = away.world.run(away.request);
  EXPECT_EQ(task.fatal_error->code, "EXPIRED");
  EXPECT_GT(task.counts.faults, 5u);
  std::vector<std::string> codes = away.world.event_codes(task.id);
  std::erase(codes, "PROGRESS");  // as often as the loop comes to look
  EXPECT_THAT(codes, ElementsAre("STARTED", "GC_NOT_CONNECTED", "EXPIRED"));
  EXPECT_THAT(away.told(task), HasSubstr("'archive' is not connected"));
  EXPECT_THAT(away.told(task), Not(HasSubstr(away.world.scratch.path())));
}

TEST(TaskRun, ATaskGoesOnWhenItsEndpointIsBack) {
  DirectoriesWorld away(FakeClock::Sleepers::kBlock);
  fs::rename(away.source_directory, away.world.scratch.file("aside"));
  const TaskId id = away.world.submit(away.request);
  std::optional<Result<Task>> ended;
  std::atomic<bool> done = false;
  std::thread runner([&] {
    ended = away.world.service->run(id, {});
    done = true;
  });
  while (away.world.service->task(id)->nice_status != "GC_NOT_CONNECTED") std::this_thread::yield();
  EXPECT_EQ(away.world.service->task(id)->state, TaskState::kActive);
  fs::rename(away.world.scratch.file("aside"), away.source_directory);
  while (!done) {
    if (away.world.service->task(id)->nice_status == "GC_NOT_CONNECTED")
      away.world.clock.advance(1s);
    std::this_thread::yield();
  }
  runner.join();
  EXPECT_EQ((*ended)->state, TaskState::kSucceeded);
  EXPECT_TRUE(fs::exists(away.target_directory + "/a"));
}

// At the submission nobody could see it.
TEST(TaskRun, WhatWouldDeleteItsOwnSourceIsRefusedWhenTheEndpointIsBack) {
  DirectoriesWorld away(FakeClock::Sleepers::kBlock);
  const std::string part = away.source_directory + "/part";
  fs::create_directory(part);
  std::ofstream(part + "/b") << "b";
  away.request.target_endpoint = away.request.source_endpoint;
  away.request.source_endpoint = away.add_endpoint("part", part);
  away.request.items = {{.source = RelPath(), .target = RelPath(), .checksum = {}}};
  away.request.options.delete_extra = true;
  fs::rename(away.source_directory, away.world.scratch.file("aside"));
  const TaskId id = away.world.submit(away.request);
  fs::rename(away.world.scratch.file("aside"), away.source_directory);
  const Task task = away.world.run(id);
  EXPECT_EQ(task.state, TaskState::kFailed);
  EXPECT_THAT(away.told(task), HasSubstr("choose a target outside of the source"));
  EXPECT_TRUE(fs::exists(part + "/b"));
  EXPECT_TRUE(fs::exists(away.source_directory + "/a"));
}

TEST(TaskRun, WhileAnEndpointIsAwayATaskCanBeStopped) {
  DirectoriesWorld away(FakeClock::Sleepers::kBlock);
  fs::remove_all(away.target_directory);
  const TaskId id = away.world.submit(away.request);
  std::stop_source stop;
  std::optional<Result<Task>> ended;
  std::thread runner([&] { ended = away.world.service->run(id, stop.get_token()); });
  while (away.world.service->task(id)->nice_status != "GC_NOT_CONNECTED") std::this_thread::yield();
  stop.request_stop();
  runner.join();
  EXPECT_EQ((*ended)->state, TaskState::kInactive);
}

TEST(TaskRun, ALocalUserIsToldAtOnceWhereTheEndpointWas) {
  DirectoriesWorld away(FakeClock::Sleepers::kBlock);
  fs::remove_all(away.target_directory);
  away.request.owner = "ada";
  const auto submitted = away.world.service->submit(away.request);
  ASSERT_FALSE(submitted);
  EXPECT_EQ(submitted.error().code, Code::kUnavailable);
  EXPECT_THAT(submitted.error().message, HasSubstr(away.target_directory));
}

// A megabyte takes days there.
TEST(TaskRun, ASlowEndpointKeepsNobodyFromCancelling) {
  DirectoriesWorld slow(FakeClock::Sleepers::kBlock);
  fs::resize_file(slow.source_directory + "/a", 1 << 20);
  std::ofstream(slow.source_directory + "/a", std::ios::app) << "not only a hole";
  // With a checksum to meet it is read, whatever the file system could do instead.
  slow.request.items[0].checksum = {HashAlgorithm::kMd5, std::string(32, '0')};
  endpoints::EndpointChange change;
  change.bytes_per_second = 1;
  ASSERT_TRUE(slow.world.endpoints->update(slow.request.target_endpoint, change));
  const TaskId id = slow.world.submit(slow.request);
  std::optional<Result<Task>> ended;
  std::thread runner([&] { ended = slow.world.service->run(id, {}); });
  while (fs::is_empty(slow.target_directory)) std::this_thread::yield();
  EXPECT_TRUE(slow.world.service->cancel(id));
  runner.join();
  EXPECT_EQ((*ended)->fatal_error->code, "CANCELED");
  EXPECT_TRUE(fs::is_empty(slow.target_directory));
}

}  // namespace
}  // namespace wherry::tasks
