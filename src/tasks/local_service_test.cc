// SPDX-License-Identifier: Apache-2.0
#include "tasks/local_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <thread>

#include "tasks/endless_run.h"
#include "tasks/test_world.h"

namespace wherry::tasks {
namespace {

using namespace std::chrono_literals;
using storage::Fault;
using testing::ElementsAre;
using testing::HasSubstr;

void add_files(TestWorld& world, int count) {
  for (int i = 0; i < count; ++i)
    world.add_source_file(fmt::format("run/{:03}", i), fmt::format("content {}", i));
}

TEST(LocalService, ATreeArrivesAndEveryFileIsListed) {
  TestWorld world;
  world.add_source_file("run/a", "aaa");
  world.add_source_file("run/deep/b", "bbbb");
  const Task task = world.run(world.transfer("run", "copy"));
  EXPECT_EQ(task.state, TaskState::kSucceeded);
  EXPECT_EQ(task.counts.files_transferred, 2u);
  EXPECT_EQ(task.counts.bytes_transferred, 7u);
  EXPECT_EQ(task.completed, world.clock.now());
  EXPECT_EQ(task.nice_status, "");
  EXPECT_FALSE(task.holder);
  EXPECT_EQ(world.target_file("copy/deep/b"), "bbbb");
  const auto page = world.service->successful_transfers(task.id, 0).value();
  ASSERT_EQ(page.rows.size(), 2u);
  EXPECT_FALSE(page.next);
  // Workers finish in any order.
  const auto& row = page.rows[page.rows[0].source_path == "/run/a" ? 0 : 1];
  EXPECT_EQ(row.source_path, "/run/a");
  EXPECT_EQ(row.target_path, "/copy/a");
  EXPECT_EQ(row.size, 3u);
  EXPECT_EQ(row.checksum, hash_bytes(HashAlgorithm::kXxh3_128, std::string_view("aaa")));
  EXPECT_THAT(world.event_codes(task.id), ElementsAre("STARTED", "SUCCEEDED"));
}

TEST(LocalService, AStoredTaskIsQueuedUntilSomebodyRunsIt) {
  TestWorld world;
  auto request = world.transfer("run", "copy");
  request.label = "night run";
  request.options.filters = {{engine::FilterRule::Method::kInclude, "a \n*", {}}};
  request.options.sync_level = engine::SyncLevel::kChecksum;
  const Task task = world.service->task(world.submit(request)).value();
  EXPECT_EQ(task.state, TaskState::kActive);
  EXPECT_EQ(task.nice_status, "Queued");
  EXPECT_EQ(task.label, "night run");
  EXPECT_EQ(task.owner, "ada");
  EXPECT_EQ(task.submission_id, request.submission_id);
  EXPECT_EQ(task.transfer_options, request.options);
  EXPECT_EQ(task.deadline, world.clock.now() + 24h);
  EXPECT_EQ(task.item_count, 1u);
}

TEST(LocalService, TheSameSubmissionIsOneTask) {
  TestWorld world;
  auto request = world.transfer("run", "copy");
  const auto first = world.service->submit(request).value();
  request.deadline = world.clock.now() - 1h;  // no longer valid, and yet the same request
  const auto second = world.service->submit(request).value();
  EXPECT_EQ(first.kind, Submitted::Kind::kAccepted);
  EXPECT_EQ(second.kind, Submitted::Kind::kDuplicate);
  EXPECT_EQ(first.task_id, second.task_id);
  request.owner = "bob";
  request.deadline.reset();
  EXPECT_EQ(world.service->submit(request)->kind, Submitted::Kind::kAccepted);
}

TEST(LocalService, ASubmissionThatCrashedBeforeTheAnswerIsFoundAgain) {
  TestWorld world;
  const auto request = world.transfer("run", "copy");
  world.fault = [](std::string_view point) -> Result<void> {
    if (point == "committed") return make_error(Code::kUnavailable, "killed");
    return {};
  };
  EXPECT_FALSE(world.service->submit(request));
  world.fault = nullptr;
  world.restart();
  EXPECT_EQ(world.service->submit(request)->kind, Submitted::Kind::kDuplicate);
  EXPECT_EQ(world.service->tasks({})->size(), 1u);
}

TEST(LocalService, ASubmissionThatCrashedBeforeItWasStoredLeavesNothing) {
  TestWorld world;
  const auto request = world.transfer("run", "copy");
  world.fault = [](std::string_view point) -> Result<void> {
    if (point == "commit") return make_error(Code::kUnavailable, "killed");
    return {};
  };
  EXPECT_FALSE(world.service->submit(request));
  world.fault = nullptr;
  EXPECT_TRUE(world.service->tasks({})->empty());
  EXPECT_EQ(world.service->submit(request)->kind, Submitted::Kind::kAccepted);
}

TEST(LocalService, OneBadFileFailsTheTaskAndNoOtherFile) {
  TestWorld world;
  add_files(world, 100);
  world.source_faults.on(storage::Operation::kOpenRead,
                         {.kind = Fault::Kind::kFail, .code = Code::kDenied}, 1, 50);
  const Task task = world.run(world.transfer("run", "copy"));
  EXPECT_EQ(task.state, TaskState::kFailed);
  ASSERT_TRUE(task.fatal_error);
  EXPECT_EQ(task.fatal_error->code, "PERMISSION_DENIED");
  EXPECT_FALSE(task.cut_short);
  EXPECT_EQ(task.counts.files_transferred, 99u);
  EXPECT_EQ(task.counts.files_failed, 1u);
  EXPECT_EQ(world.service->successful_transfers(task.id, 0)->rows.size(), 99u);
  const auto errors = world.service->item_errors(task.id, 0).value();
  ASSERT_EQ(errors.rows.size(), 1u);
  EXPECT_EQ(errors.rows[0].code, "PERMISSION_DENIED");
  EXPECT_FALSE(errors.rows[0].skipped);
  EXPECT_THAT(errors.rows[0].source_path, HasSubstr("/run/"));
  EXPECT_THAT(world.event_codes(task.id), ElementsAre("STARTED", "PERMISSION_DENIED", "FAILED"));
}

TEST(LocalService, TheFilesThatFailedATaskAreFoundByItsEvents) {
  TestWorld world;
  auto request = world.transfer("a", "copy-a");
  for (const char* missing : {"b \"quoted\"", "c\xff"}) {
    request.items.push_back(request.items[0]);
    request.items.back().source = RelPath::parse(missing).value();
    request.items.back().target = RelPath::parse(fmt::format("copy-{}", missing)).value();
  }
  const Task task = world.run(request);
  EXPECT_EQ(task.counts.files_failed, 3u);
  std::set<std::string> details;
  const auto events = world.service->events(task.id, 100, 0).value();
  for (const Event& event : events) {
    if (event.code == "FILE_NOT_FOUND" && event.is_error) details.insert(event.details);
  }
  EXPECT_THAT(details, ElementsAre(R"({"context":[{"path":"/a"}]})",
                                   R"({"context":[{"path":"/b \"quoted\""}]})",
                                   R"({"context":[{"path":"/c\\xff"}]})"));
}

TEST(LocalService, ABadSourceThatIsToBeSkippedDoesNotFailTheTask) {
  TestWorld world;
  add_files(world, 100);
  world.source_faults.on(storage::Operation::kOpenRead,
                         {.kind = Fault::Kind::kFail, .code = Code::kDenied}, 1, 50);
  auto request = world.transfer("run", "copy");
  request.options.skip_source_errors = true;
  const Task task = world.run(request);
  EXPECT_EQ(task.state, TaskState::kSucceeded);
  EXPECT_EQ(task.counts.skipped_errors, 1u);
  EXPECT_EQ(task.counts.files_transferred, 99u);
  const auto errors = world.service->item_errors(task.id, 0).value();
  ASSERT_EQ(errors.rows.size(), 1u);
  EXPECT_TRUE(errors.rows[0].skipped);
}

TEST(LocalService, AFailedTaskResumedDoesOnlyWhatIsLeft) {
  TestWorld world;
  add_files(world, 100);
  world.source_faults.on(storage::Operation::kOpenRead,
                         {.kind = Fault::Kind::kFail, .code = Code::kDenied}, 1, 50);
  const Task failed = world.run(world.transfer("run", "copy"));
  ASSERT_EQ(failed.state, TaskState::kFailed);
  ASSERT_TRUE(world.service->resume(failed.id));
  const auto reads = world.source_faults.count(storage::Operation::kOpenRead);
  const Task task = world.run(failed.id);
  EXPECT_EQ(task.state, TaskState::kSucceeded);
  EXPECT_EQ(world.source_faults.count(storage::Operation::kOpenRead) - reads, 1u);
  EXPECT_EQ(task.counts.files, 100u);
  EXPECT_EQ(task.counts.files_transferred, 100u);
  EXPECT_EQ(task.counts.files_failed, 0u);
  EXPECT_FALSE(task.fatal_error);
  EXPECT_TRUE(world.service->item_errors(task.id, 0)->rows.empty());
  EXPECT_EQ(world.service->successful_transfers(task.id, 0)->rows.size(), 100u);
}

TEST(LocalService, AFullTargetWaitsForAPersonAndThenOnlyTheRestIsMoved) {
  TestWorld world;
  world.options.limits.group_files = 1;
  world.options.limits.workers = 1;
  world.restart();
  add_files(world, 20);
  world.target_faults.on(storage::Operation::kWrite, {.kind = Fault::Kind::kNoSpace}, 1000, 10);
  const Task stuck = world.run(world.transfer("run", "copy"));
  EXPECT_EQ(stuck.state, TaskState::kInactive);
  EXPECT_EQ(stuck.nice_status, "NO_SPACE_LEFT");
  EXPECT_FALSE(stuck.nice_status_details.empty());
  EXPECT_FALSE(stuck.completed);
  const std::uint64_t done = stuck.counts.files_transferred;
  EXPECT_EQ(done, 10u);
  EXPECT_THAT(world.event_codes(stuck.id), ElementsAre("STARTED", "NO_SPACE_LEFT"));

  world.target_faults.clear();
  ASSERT_TRUE(world.service->resume(stuck.id));
  const auto commits = world.target_faults.count(storage::Operation::kCommit);
  const Task task = world.run(stuck.id);
  EXPECT_EQ(task.state, TaskState::kSucceeded);
  EXPECT_EQ(world.target_faults.count(storage::Operation::kCommit) - commits, 20 - done);
  EXPECT_EQ(task.counts.files_transferred, 20u);
}

TEST(LocalService, AFullTargetFailsTheTaskAtOnceWhereThatIsWanted) {
  TestWorld world;
  add_files(world, 3);
  world.target_faults.on(storage::Operation::kWrite, {.kind = Fault::Kind::kNoSpace}, 1000);
  auto request = world.transfer("run", "copy");
  request.options.fail_on_quota_errors = true;
  const Task task = world.run(request);
  EXPECT_EQ(task.state, TaskState::kFailed);
  ASSERT_TRUE(task.fatal_error);
  EXPECT_EQ(task.fatal_error->code, "NO_SPACE_LEFT");
}

// The names in "copy" at the target.
std::vector<std::string> names_at_target(TestWorld& world) {
  std::vector<std::string> names;
  const auto listed =
      world.target_memory->list(RelPath::from_normal("copy"), [&](const auto& entry) {
        names.push_back(entry.name);
        return storage::Visit::kContinue;
      });
  EXPECT_TRUE(listed);
  return names;
}

TEST(LocalService, WhatALargeFileHasSoFarStaysForTheNextRunAndGoesWithTheTask) {
  TestWorld world;
  world.options.limits.range_bytes = 4;  // larger ones are resumed
  world.restart();
  world.add_source_file("run/large", "0123456789");
  world.target_faults.on(storage::Operation::kWrite, {.kind = Fault::Kind::kNoSpace}, 1000);
  const Task stuck = world.run(world.transfer("run", "copy"));
  EXPECT_EQ(stuck.state, TaskState::kInactive);
  EXPECT_EQ(names_at_target(world).size(), 1u);
  auto request = world.transfer("run", "copy");
  request.options.fail_on_quota_errors = true;
  EXPECT_EQ(world.run(request).state, TaskState::kFailed);
  EXPECT_EQ(names_at_target(world).size(), 1u);  // of the first task alone
  world.target_faults.clear();
  ASSERT_TRUE(world.service->resume(stuck.id));
  EXPECT_EQ(world.run(stuck.id).state, TaskState::kSucceeded);
  EXPECT_THAT(names_at_target(world), ElementsAre("large"));
}

TEST(LocalService, ADeleteRemovesWhatItNames) {
  TestWorld world;
  write_file(*world.target_memory, "old/a", "a");
  write_file(*world.target_memory, "old/b", "b");
  DeleteRequest request;
  request.submission_id = new_uuid(world.random);
  request.owner = "ada";
  request.endpoint = world.target;
  request.options.recursive = true;
  request.items.push_back({RelPath::parse("old").value()});
  const auto submitted = world.service->submit(request).value();
  const Task task = world.run(submitted.task_id);
  EXPECT_EQ(task.state, TaskState::kSucceeded) << task.fatal_error->description;
  EXPECT_EQ(task.type, TaskType::kDelete);
  EXPECT_EQ(task.delete_options, request.options);
  EXPECT_EQ(task.counts.removed, 3u);
  EXPECT_FALSE(world.target_file("old/a"));
}

TEST(LocalService, ACancelledTaskEndsAtOnceWhenNobodyRunsIt) {
  TestWorld world;
  const TaskId id = world.submit(world.transfer("run", "copy"));
  ASSERT_TRUE(world.service->cancel(id));
  const Task task = world.service->task(id).value();
  EXPECT_EQ(task.state, TaskState::kFailed);
  EXPECT_EQ(task.fatal_error->code, "CANCELED");
  EXPECT_TRUE(task.cut_short);
  EXPECT_THAT(world.event_codes(id), ElementsAre("CANCELED"));
  EXPECT_EQ(world.service->cancel(id).error().code, Code::kConflict);
  EXPECT_EQ(world.service->resume(id).error().code, Code::kConflict);
  EXPECT_EQ(world.run(id).state, TaskState::kFailed);  // to run what has ended changes nothing
}

TEST(LocalService, ARunningTaskIsCancelledAtOnce) {
  TestWorld world;
  EndlessRun run(world);
  EXPECT_TRUE(world.service->task(run.id)->holder);
  EXPECT_EQ(world.service->task(run.id)->nice_status, "OK");
  EXPECT_NE(world.service->progress(run.id), nullptr);
  ASSERT_TRUE(world.service->cancel(run.id));
  const Task task = run.join();
  EXPECT_EQ(task.state, TaskState::kFailed);
  EXPECT_EQ(task.fatal_error->code, "CANCELED");
  EXPECT_TRUE(task.cut_short);
  EXPECT_EQ(world.service->progress(run.id), nullptr);
}

TEST(LocalService, ARunningTaskSeesThatAnotherProcessCancelsIt) {
  TestWorld world;
  EndlessRun run(world);
  const auto other_database = world.open_database();
  const auto other =
      LocalService::create({*other_database, *world.endpoints, world.clock, world.random},
                           world.options, Execution::kNone);
  ASSERT_TRUE(other->cancel(run.id));
  EXPECT_EQ(run.join().fatal_error->code, "CANCELED");
}

TEST(LocalService, ATaskThatRunsCannotBeRunOrResumedTwice) {
  TestWorld world;
  EndlessRun run(world);
  const auto second = world.service->run(run.id, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(::getpid())));
  EXPECT_THAT(second.error().message, HasSubstr("since 2018-10-15"));
  EXPECT_EQ(world.service->resume(run.id).error().code, Code::kConflict);
}

TEST(LocalService, AnInterruptedTaskWaitsAndCanBeResumed) {
  TestWorld world;
  EndlessRun run(world);
  run.stop.request_stop();
  const Task stopped = run.join();
  EXPECT_EQ(stopped.state, TaskState::kInactive);
  EXPECT_EQ(stopped.nice_status, "PAUSED");
  EXPECT_FALSE(stopped.holder);
  world.source_faults.clear();
  ASSERT_TRUE(world.service->resume(run.id));
  EXPECT_EQ(world.run(run.id).state, TaskState::kSucceeded);
  EXPECT_EQ(world.target_file("copy/a"), "a");
}

TEST(LocalService, ATaskPastItsDeadlineExpires) {
  TestWorld world(FakeClock::Sleepers::kAdvance);
  world.add_source_file("run/a", "a");
  world.source_faults.on(storage::Operation::kOpenRead, {.code = Code::kUnavailable}, 1u << 30);
  auto request = world.transfer("run", "copy");
  request.deadline = world.clock.now() + 1h;
  const Task task = world.run(request);
  EXPECT_EQ(task.state, TaskState::kFailed);
  EXPECT_EQ(task.fatal_error->code, "EXPIRED");
  EXPECT_GT(task.counts.faults, 0u);
  const auto codes = world.event_codes(task.id);
  EXPECT_EQ(codes.front(), "STARTED");
  EXPECT_EQ(codes[1], "CONNECT_FAILED");
  EXPECT_EQ(codes.back(), "EXPIRED");
}

TEST(LocalService, AQueuedTaskExpiresWithoutBeingRun) {
  TestWorld world;
  const TaskId id = world.submit(world.transfer("run", "copy"));
  world.clock.advance(25h);
  EXPECT_EQ(world.service->step().value(), 0u);
  EXPECT_EQ(world.service->task(id)->fatal_error->code, "EXPIRED");
}

TEST(LocalService, WaitingEndsWithTheTask) {
  TestWorld world;
  world.add_source_file("run/a", "a");
  const TaskId id = world.submit(world.transfer("run", "copy"));
  std::optional<Result<Task>> waited;
  std::thread waiter([&] { waited = world.service->wait(id, 1h, {}); });
  world.run(id);
  waiter.join();
  EXPECT_EQ((*waited)->state, TaskState::kSucceeded);
}

TEST(LocalService, WaitingSeesWhatAnotherProcessDoes) {
  TestWorld world;
  const TaskId id = world.submit(world.transfer("run", "copy"));
  const auto other_database = world.open_database();
  const auto other =
      LocalService::create({*other_database, *world.endpoints, world.clock, world.random},
                           world.options, Execution::kNone);
  std::optional<Result<Task>> waited;
  std::thread waiter([&] { waited = other->wait(id, 1h, {}); });
  ASSERT_TRUE(world.service->cancel(id));
  waiter.join();
  EXPECT_EQ((*waited)->state, TaskState::kFailed);
}

TEST(LocalService, WaitingHasATimeLimitAndCanBeStopped) {
  TestWorld world;
  const TaskId id = world.submit(world.transfer("run", "copy"));
  EXPECT_EQ(world.service->wait(id, 0s, {}).error().code, Code::kTimeout);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(world.service->wait(id, 1h, stop.get_token()).error().code, Code::kCancelled);
}

TEST(LocalService, TheSchedulerRunsWhatIsSubmitted) {
  TestWorld world;
  world.restart(Execution::kAll);
  world.add_source_file("run/a", "a");
  const TaskId id = world.submit(world.transfer("run", "copy"));
  const auto task = world.service->wait(id, 24h, {});
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->state, TaskState::kSucceeded);
}

TEST(LocalService, ATaskOfAProcessThatEndsGoesOnInTheNext) {
  TestWorld world;
  world.add_source_file("run/a", "a");
  world.source_faults.on(storage::Operation::kOpenRead, {.code = Code::kUnavailable}, 1u << 30);
  const TaskId id = world.submit(world.transfer("run", "copy"));
  EXPECT_EQ(world.service->step().value(), 1u);
  world.restart();
  EXPECT_EQ(world.service->task(id)->state, TaskState::kActive);
  EXPECT_EQ(world.service->task(id)->nice_status, "Queued");
  world.source_faults.clear();
  EXPECT_EQ(world.run(id).state, TaskState::kSucceeded);
}

TEST(LocalService, WhatWasRecordedBeforeACrashIsNotDoneAgain) {
  TestWorld world;
  world.options.limits.group_files = 5;
  world.options.limits.workers = 1;
  world.restart();
  add_files(world, 200);
  const TaskId id = world.submit(world.transfer("run", "copy"));
  // Killed at the hundredth file, when at most a few groups of five are not recorded yet.
  world.target_faults.on(storage::Operation::kCreateTemporary, {.kind = Fault::Kind::kDie}, 1, 99);
  world.fault = [&](std::string_view) -> Result<void> {
    if (world.target_faults.dead()) return make_error(Code::kUnavailable, "killed");
    return {};
  };
  // A dead process does not wait for its storage to come back, which this clock would for ever.
  std::stop_source killed;
  std::thread death([&] {
    while (!world.target_faults.dead()) std::this_thread::yield();
    killed.request_stop();
  });
  EXPECT_FALSE(world.service->run(id, killed.get_token()));
  death.join();
  world.fault = nullptr;
  world.target_faults.clear();
  world.restart();
  const Task before = world.service->task(id).value();
  EXPECT_EQ(before.state, TaskState::kActive);
  EXPECT_GT(before.counts.files_transferred, 0u);
  EXPECT_LT(before.counts.files_transferred, 200u);
  const Task task = world.run(id);
  EXPECT_EQ(task.state, TaskState::kSucceeded);
  EXPECT_EQ(task.counts.files_transferred, 200u);
  std::set<std::string> paths;
  const auto page = world.service->successful_transfers(id, 0).value();
  for (const auto& row : page.rows) EXPECT_TRUE(paths.insert(row.target_path).second);
  EXPECT_EQ(paths.size(), 200u);
  EXPECT_EQ(world.target_file("copy/199"), "content 199");
}

TEST(LocalService, ATaskIsWholeWhereverItsProcessDies) {
  for (int death = 1; death < 40; ++death) {
    TestWorld world;
    world.options.limits.group_files = 3;
    world.restart();
    add_files(world, 10);
    const auto request = world.transfer("run", "copy");
    int points = 0;
    bool dead = false;
    world.fault = [&](std::string_view) -> Result<void> {
      if (++points == death) dead = true;
      if (dead) return make_error(Code::kUnavailable, "killed");
      return {};
    };
    if (const auto submitted = world.service->submit(request))
      (void)world.service->run(submitted->task_id, {});
    world.fault = nullptr;
    world.restart();
    const Task task = world.run(request);
    EXPECT_EQ(task.state, TaskState::kSucceeded) << "death at " << death;
    EXPECT_EQ(task.counts.files_transferred, 10u) << "death at " << death;
    EXPECT_EQ(world.service->successful_transfers(task.id, 0)->rows.size(), 10u);
    EXPECT_EQ(world.service->tasks({})->size(), 1u);
    if (!dead) return;  // every point has had its turn
  }
}

TEST(LocalService, WhatADailyQuotaHoldsBackGoesOnByItselfTheNextDay) {
  TestWorld world(FakeClock::Sleepers::kAdvance);
  const EndpointId small = world.add_endpoint("small", world.target_memory, 1000);
  for (int i = 0; i < 5; ++i)
    world.add_source_file(fmt::format("run/{}", i), std::string(400, 'x'));
  auto request = world.transfer("run", "copy");
  request.target_endpoint = small;
  const TimePoint began = world.clock.now();
  const Task task = world.run(request);
  EXPECT_EQ(task.state, TaskState::kSucceeded);
  EXPECT_EQ(task.counts.files_transferred, 5u);
  EXPECT_GE(*task.completed - began, 48h);  // 800 bytes a day: three days
  EXPECT_LE(*task.completed - began, 24h * 3);
  EXPECT_EQ(task.nice_status, "");
}

TEST(LocalService, WhatADailyQuotaRefusesFailsAtOnceWhereThatIsWanted) {
  TestWorld world(FakeClock::Sleepers::kAdvance);
  const EndpointId small = world.add_endpoint("small", world.target_memory, 1000);
  for (int i = 0; i < 5; ++i)
    world.add_source_file(fmt::format("run/{}", i), std::string(400, 'x'));
  auto request = world.transfer("run", "copy");
  request.target_endpoint = small;
  request.options.fail_on_quota_errors = true;
  const Task task = world.run(request);
  EXPECT_EQ(task.state, TaskState::kFailed);
  EXPECT_EQ(task.fatal_error->code, "QUOTA_EXCEEDED");
}

TEST(LocalService, LabelAndDeadlineCanBeChangedUntilTheEnd) {
  TestWorld world;
  const TaskId id = world.submit(world.transfer("run", "copy"));
  const TimePoint deadline = world.clock.now() + 48h;
  ASSERT_TRUE(world.service->update(id, {.label = "other", .deadline = deadline}));
  EXPECT_EQ(world.service->task(id)->label, "other");
  EXPECT_EQ(world.service->task(id)->deadline, deadline);
  const TaskChange past{.label = {}, .deadline = world.clock.now() - 1s};
  EXPECT_EQ(world.service->update(id, past).error().code, Code::kInvalid);
  ASSERT_TRUE(world.service->cancel(id));
  EXPECT_EQ(world.service->update(id, {.label = "late", .deadline = {}}).error().code,
            Code::kConflict);
}

TEST(LocalService, OldTasksArePurgedAndOthersAreNot) {
  TestWorld world;
  world.add_source_file("run/a", "a");
  const Task old = world.run(world.transfer("run", "copy"));
  world.clock.advance(24h * 29);
  const Task recent = world.run(world.transfer("run", "copy2"));
  const TaskId waiting = world.submit(world.transfer("run", "copy3"));
  world.clock.advance(24h * 2);
  EXPECT_EQ(world.service->purge_history().value(), 1u);
  EXPECT_EQ(world.service->task(old.id).error().code, Code::kNotFound);
  EXPECT_TRUE(world.service->task(recent.id));
  EXPECT_TRUE(world.service->task(waiting));
}

TEST(LocalService, TasksAreFoundByWhatTheFilterSays) {
  TestWorld world;
  auto first = world.transfer("run", "copy");
  first.label = "AUTO_1";
  auto second = world.transfer("run", "copy");
  second.owner = "bob";
  second.label = "AUTO_2";
  const TaskId a = world.submit(first);
  world.clock.advance(1s);
  const TaskId b = world.submit(second);
  ASSERT_TRUE(world.service->cancel(a));
  const auto ids = [&](const std::function<void(TaskFilter&)>& set) {
    TaskFilter filter;
    set(filter);
    std::vector<TaskId> found;
    const auto tasks = world.service->tasks(filter);
    EXPECT_TRUE(tasks) << tasks.error().message;
    for (const Task& task : *tasks) found.push_back(task.id);
    return found;
  };
  const TimePoint now = world.clock.now();
  EXPECT_THAT(ids([](TaskFilter&) {}), ElementsAre(b, a));  // newest first
  EXPECT_THAT(ids([](TaskFilter& filter) { filter.owner = "bob"; }), ElementsAre(b));
  EXPECT_THAT(ids([&](TaskFilter& filter) { filter.ids = {a, "no uuid"}; }), ElementsAre(a));
  EXPECT_THAT(ids([](TaskFilter& filter) { filter.ids = {"no uuid"}; }), ElementsAre());
  EXPECT_THAT(ids([](TaskFilter& filter) { filter.states = {TaskState::kFailed}; }),
              ElementsAre(a));
  EXPECT_THAT(ids([](TaskFilter& filter) { filter.types = {TaskType::kDelete}; }), ElementsAre());
  EXPECT_THAT(ids([](TaskFilter& filter) { filter.label_glob = "*_2"; }), ElementsAre(b));
  EXPECT_THAT(ids([](TaskFilter& filter) { filter.limit = filter.offset = 1; }), ElementsAre(a));
  EXPECT_THAT(ids([](TaskFilter& filter) {
                filter.label_glob = "AUTO*";
                filter.limit = filter.offset = 1;
              }),
              ElementsAre(a));
  EXPECT_THAT(ids([&](TaskFilter& filter) { filter.requested_after = now; }), ElementsAre(b));
  EXPECT_THAT(ids([&](TaskFilter& filter) { filter.completed_before = now; }), ElementsAre(a));
}

TEST(LocalService, FileOperationsActAtOnce) {
  TestWorld world;
  const RelPath directory = RelPath::parse("made").value();
  ASSERT_TRUE(world.service->make_directory(world.target, directory));
  write_file(*world.target_memory, "made/a", "abc");
  ASSERT_TRUE(world.service->make_symlink(world.target, directory.child("link"), "a"));
  ASSERT_TRUE(world.service->make_symlink(world.target, directory.child("void"), "nothing"));
  const auto files = world.service->list(world.target, directory).value();
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(files[0].name, "a");
  EXPECT_EQ(files[0].attributes.size, 3u);
  EXPECT_TRUE(files[1].is_link);
  EXPECT_EQ(files[1].link_target, "a");
  EXPECT_EQ(files[1].attributes.size, 3u);  // of what it points to
  EXPECT_TRUE(files[2].link_is_broken);
  ASSERT_TRUE(world.service->rename(world.target, directory.child("a"), directory.child("b")));
  EXPECT_EQ(world.service->stat(world.target, directory.child("b"))->name, "b");
  EXPECT_EQ(world.service->stat(world.target, directory.child("a")).error().code, Code::kNotFound);
  const auto taken =
      world.service->rename(world.target, directory.child("b"), directory.child("link"));
  EXPECT_EQ(taken.error().code, Code::kAlreadyExists);
}

TEST(LocalService, AReadOnlyEndpointTakesNoFileOperations) {
  TestWorld world;
  const EndpointId fixed =
      world.add_endpoint("fixed", world.target_memory, 0, endpoints::Access::kRead);
  EXPECT_EQ(world.service->make_directory(fixed, RelPath::parse("a").value()).error().code,
            Code::kDenied);
}

// A process may die between an operation and the flush of the names; the next one asks again.
TEST(LocalService, WhatIsDoneAlreadyIsMadeDurable) {
  TestWorld world;
  const RelPath directory = RelPath::parse("d").value();
  const RelPath renamed = RelPath::parse("e").value();
  world.target_memory->make_directory(directory, 0755).value();
  EXPECT_EQ(world.service->make_directory(world.target, directory).error().code,
            Code::kAlreadyExists);
  storage::lose_power(*world.target_memory);
  ASSERT_TRUE(world.service->stat(world.target, directory));
  world.target_memory->rename(directory, renamed, storage::Replace::kNo).value();
  EXPECT_EQ(world.service->rename(world.target, directory, renamed).error().code, Code::kNotFound);
  storage::lose_power(*world.target_memory);
  EXPECT_TRUE(world.service->stat(world.target, renamed));
  EXPECT_FALSE(world.service->stat(world.target, directory));
}

TEST(LocalService, AnUnknownTaskIsNotFound) {
  TestWorld world;
  const TaskId id = new_uuid(world.random);
  EXPECT_EQ(world.service->task(id).error().code, Code::kNotFound);
  EXPECT_EQ(world.service->run(id, {}).error().code, Code::kNotFound);
  EXPECT_EQ(world.service->cancel(id).error().code, Code::kNotFound);
  EXPECT_EQ(world.service->resume(id).error().code, Code::kNotFound);
  EXPECT_EQ(world.service->wait(id, 1s, {}).error().code, Code::kNotFound);
  EXPECT_EQ(world.service->events(id, 1, 0).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace wherry::tasks
