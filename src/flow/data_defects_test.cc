// SPDX-License-Identifier: Apache-2.0
// What the transfer and delete tasks of Chiltepin get wrong (C1 to C8), and the scenarios about
// futures (15 to 18), one test each; scenario 16 also runs in data_tasks_test.cc and bench/.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "flow/test_flow.h"

namespace wherry::flow {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DataDefectsTest : public FlowFixture {
 protected:
  // A task that somebody has to see to: interrupted.
  void interrupt_tasks() {
    std::stop_source stopped;
    stopped.request_stop();
    for (const tasks::Task& task : all_tasks()) {
      if (task.state != tasks::TaskState::kActive) continue;
      EXPECT_EQ(real_->run(task.id, stopped.get_token())->state, tasks::TaskState::kInactive);
    }
  }
};

// C1: what merely was no longer ACTIVE counted as success, and the source was deleted.
TEST_F(DataDefectsTest, C1AFailedCancelledOrInactiveTaskIsNeverASuccess) {
  const DataTask failed = loop_->transfer(from_lab("/missing", "/x"));
  EXPECT_EQ(end_of(failed).error().code, Code::kNotFound);
  EXPECT_EQ(end_of(loop_->remove(removal("/missing"))).error().code, Code::kNotFound);

  runs_tasks_ = false;
  write("lab", "a");
  const DataTask cancelled = loop_->transfer(from_lab("/a", "/b"));
  submit_all();
  EXPECT_TRUE(real_->cancel(*cancelled.task_id())) << "by somebody else";
  run_tasks();
  const auto by_other = end_of(cancelled);
  ASSERT_FALSE(by_other);
  EXPECT_EQ(by_other.error().code, Code::kCancelled);

  const DataTask inactive = loop_->transfer(from_lab("/a", "/c"));
  submit_all();
  interrupt_tasks();
  const auto waits = end_of(inactive);
  ASSERT_FALSE(waits);
  EXPECT_THAT(waits.error().message,
              AllOf(HasSubstr("INACTIVE"), HasSubstr("wherry task resume " + *inactive.task_id())));
  write("scratch", "d");
  const DataTask removing = loop_->remove(removal("/d"));
  submit_all();
  interrupt_tasks();
  EXPECT_FALSE(end_of(removing));
  EXPECT_TRUE(is_there("scratch", "d"));
}

// C2: after a time-out nobody knew whether the task went on, and it could not be cancelled.
TEST_F(DataDefectsTest, C2ATimeOutSaysWhetherTheTaskGoesOnOrWasCancelled) {
  runs_tasks_ = false;
  write("lab", "a");
  Transfer transfer = from_lab("/a", "/left");
  transfer.timeout = 5s;
  const DataTask left = loop_->transfer(transfer);
  const Duration begin = clock_.monotonic();
  const auto goes_on = end_of(left);
  EXPECT_EQ(goes_on.error().code, Code::kTimeout);
  EXPECT_THAT(goes_on.error().message, HasSubstr("task " + *left.task_id() + " goes on"));
  EXPECT_LE(clock_.monotonic() - begin, 5100ms);
  EXPECT_EQ(left.progress()->state, tasks::TaskState::kActive);

  transfer.target_path = "/ended";
  transfer.on_timeout = OnTimeout::kCancel;
  const DataTask ended = loop_->transfer(transfer);
  const auto was_cancelled = end_of(ended);
  EXPECT_EQ(was_cancelled.error().code, Code::kTimeout);
  EXPECT_THAT(was_cancelled.error().message,
              HasSubstr("task " + *ended.task_id() + " was cancelled"));
  run_tasks();
  EXPECT_TRUE(is_there("scratch", "left"));
  EXPECT_FALSE(is_there("scratch", "ended"));
}

TEST_F(DataDefectsTest, C2ACancelThatDoesNotReachTheServiceIsSaidAndTriedAgain) {
  runs_tasks_ = false;
  write("lab", "a");
  Transfer transfer = from_lab("/a", "/b");
  transfer.timeout = 5s;
  transfer.on_timeout = OnTimeout::kCancel;
  bool is_away = true;
  service_->lost = [&](std::string_view call, const std::string&) -> Result<void> {
    if (call == "cancel" && is_away) return make_error(Code::kUnavailable, "nobody answers");
    return {};
  };
  const DataTask task = loop_->transfer(transfer);
  EXPECT_THAT(end_of(task).error().message, HasSubstr("could not be cancelled yet"));
  is_away = false;
  clock_.advance(1min);
  step();
  run_tasks();
  EXPECT_FALSE(is_there("scratch", "b"));
}

// C3, scenario 16: a hundred transfers ran one after another, each in a worker of its own.
TEST_F(DataDefectsTest, C3AHundredFuturesSubmittedTogetherTravelInOneTask) {
  std::vector<Future<Done>> all;
  for (int i = 0; i < 100; ++i) {
    write("lab", fmt::format("{}", i));
    all.push_back(loop_->transfer(from_lab(fmt::format("/{}", i), fmt::format("/{}", i))).future());
  }
  settle(all);
  for (const auto& future : all) EXPECT_TRUE(future.wait());
  EXPECT_THAT(service_->accepted, SizeIs(1));
}

// C4: a transfer of two seconds was reported after thirty.
TEST_F(DataDefectsTest, C4AShortTransferIsReportedSoonAfterItsEnd) {
  for (const Duration takes : {Duration(20ms), Duration(2s), Duration(60s)}) {
    write("lab", "a");
    const DataTask task = loop_->transfer(from_lab("/a", "/b"));
    submit_all();
    const Duration end = clock_.monotonic() + takes;
    runs_tasks_ = false;
    while (clock_.monotonic() < end)
      clock_.advance(std::min(std::max<Duration>(step(), 1ms), end - clock_.monotonic()));
    run_tasks();
    EXPECT_TRUE(end_of(task));
    EXPECT_LE(clock_.monotonic() - end, std::max<Duration>(takes / 2, 10ms));
    EXPECT_LE(clock_.monotonic() - end, 510ms);
  }
}

// C5: whoever was killed between sending and knowing the answer sent again.
TEST_F(DataDefectsTest, C5WhatWasSubmittedOnceIsNotSubmittedAgain) {
  write("lab", "a");
  write("lab", "b");
  int lost_answers = 2;
  service_->answer_fault = [&](std::string_view call, const std::string&) -> Result<void> {
    if (call == "submit" && lost_answers-- > 0)
      return make_error(Code::kUnavailable, "the connection broke");
    return {};
  };
  EXPECT_TRUE(end_of(loop_->transfer(from_lab("/a", "/1"))));
  EXPECT_THAT(all_tasks(), SizeIs(1));

  // The program ends with the answer of the next one outstanding.
  service_->answer_fault = [&](std::string_view call, const std::string&) -> Result<void> {
    return call == "submit" ? make_error(Code::kUnavailable, "the connection broke")
                            : Result<void>();
  };
  const std::vector<Transfer> batch = {from_lab("/a", "/2"), from_lab("/b", "/3")};
  for (const Transfer& transfer : batch) (void)loop_->transfer(transfer);
  submit_all();
  EXPECT_THAT(all_tasks(), SizeIs(2));
  const auto id = recorded_.back().first;
  service_->answer_fault = nullptr;
  start_loop();
  const auto again = loop_->resubmit_transfers(id, batch);
  settle(std::vector{again[0].future(), again[1].future()});
  EXPECT_TRUE(again[0].future().wait());
  EXPECT_TRUE(again[1].future().wait());
  EXPECT_THAT(all_tasks(), SizeIs(2));
  EXPECT_EQ(again[0].task_id(), all_tasks().back().id);
  EXPECT_EQ(read("scratch", "3"), "data");
}

TEST_F(DataDefectsTest, C5ARemovalThatHappenedBeforeACrashIsASuccessAfterIt) {
  write("scratch", "a");
  const DataTask lost = loop_->remove(removal("/a"));
  submit_all();
  ASSERT_TRUE(lost.task_id());
  start_loop();
  run_tasks();
  EXPECT_FALSE(is_there("scratch", "a"));
  const auto done = end_of(loop_->resubmit_removal(recorded_.at(0).first, removal("/a")));
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_THAT(all_tasks(), SizeIs(1));

  // Recorded, and never sent.
  write("scratch", "b");
  EXPECT_TRUE(end_of(loop_->resubmit_removal(new_uuid(random_), removal("/b"))));
  EXPECT_FALSE(is_there("scratch", "b"));
}

// The n-th call to the service is the last of the program, whether it gets there or only its answer
// is lost; the next program goes on with what was recorded.
TEST_F(DataDefectsTest, C5KilledAtAnyCallAProgramGoesOnWithOneTaskForItsTransfers) {
  std::size_t survived = 0;
  std::size_t deaths = 0;
  for (std::size_t last = 1; survived < 2; ++last) {
    for (const bool is_answer_lost : {false, true}) {
      recorded_.clear();
      const std::size_t tasks_before = all_tasks().size();
      std::vector<Transfer> batch;
      for (int i = 0; i < 3; ++i) {
        write("lab", fmt::format("{}", i));
        batch.push_back(from_lab(fmt::format("/{}", i),
                                 fmt::format("/{}/{}{}", i, last, is_answer_lost ? "b" : "a")));
      }
      std::size_t calls = 0;
      bool is_dead = false;
      const auto count = [&](std::string_view, const std::string&) -> Result<void> {
        is_dead = is_dead || ++calls >= last;
        return is_dead ? make_error(Code::kUnavailable, "killed") : Result<void>();
      };
      service_->lost = is_answer_lost ? tasks::DistantService::Hook() : count;
      service_->answer_fault = is_answer_lost ? count : tasks::DistantService::Hook();
      start_loop();
      std::vector<Future<Done>> all;
      for (const Transfer& one : batch) all.push_back(loop_->transfer(one).future());
      while (!is_dead && !when_all(all).is_ready()) {
        clock_.advance(std::clamp<Duration>(step(), 1ms, 100ms));
        run_tasks();
      }
      is_dead ? ++deaths : ++survived;
      service_->lost = nullptr;
      service_->answer_fault = nullptr;
      start_loop();
      all.clear();
      if (recorded_.empty()) {
        for (const Transfer& one : batch) all.push_back(loop_->transfer(one).future());
      } else {
        const auto id = recorded_.back().first;
        for (const DataTask& one : loop_->resubmit_transfers(id, batch))
          all.push_back(one.future());
      }
      settle(all);
      for (const auto& future : all) EXPECT_TRUE(future.wait()) << last;
      EXPECT_EQ(all_tasks().size(), tasks_before + 1) << "call " << last << is_answer_lost;
      for (const Transfer& one : batch) EXPECT_TRUE(is_there("scratch", one.target_path.substr(1)));
    }
  }
  EXPECT_GE(deaths, 10u);
}

// C6: each future asked for itself, and the limit of requests was reached with 600.
TEST_F(DataDefectsTest, C6ThousandsOfWaitingFuturesLeadToTwoRequestsASecond) {
  runs_tasks_ = false;
  write("lab", "a");
  std::vector<Future<Done>> all;
  for (int i = 0; i < 1000; ++i) {
    Transfer transfer = from_lab("/a", fmt::format("/{}", i));
    transfer.alone = i % 10 == 0;
    all.push_back(loop_->transfer(transfer).future());
  }
  while (all_tasks().size() < 101) clock_.advance(std::clamp<Duration>(step(), 1ms, 10ms));
  const auto asked = [&] {
    return service_->calls["tasks"] + service_->calls["task"] +
           service_->calls["successful_transfers"] + service_->calls["item_errors"];
  };
  const std::size_t before = asked();
  const Duration end = clock_.monotonic() + 60s;
  while (clock_.monotonic() < end) clock_.advance(std::max<Duration>(step(), 1ms));
  EXPECT_LE(asked() - before, 60 * 2 + 20u);
  EXPECT_GE(asked() - before, 60u);
  run_tasks();
  settle(all);
  for (const auto& future : all) EXPECT_TRUE(future.wait());
}

// C7: there was no progress, no error that says anything, no choice of how, no cancel.
TEST_F(DataDefectsTest, C7ATransferTellsItsProgressItsFilesAndItsError) {
  write("lab", "a", "new");
  write("scratch", "a", "old");
  Transfer transfer = from_lab("/a", "/a");
  transfer.options.sync_level = engine::SyncLevel::kMissing;
  transfer.label = "nightly";
  bool was_told = false;
  transfer.on_progress = [&](const tasks::Task& task) { was_told = task.label == "nightly"; };
  const DataTask kept = loop_->transfer(transfer);
  EXPECT_TRUE(end_of(kept));
  EXPECT_TRUE(was_told);
  EXPECT_EQ(read("scratch", "a"), "old") << "it was there";
  EXPECT_THAT(kept.files().value(), IsEmpty());
  transfer.options.sync_level = engine::SyncLevel::kChecksum;
  const DataTask moved = loop_->transfer(transfer);
  EXPECT_TRUE(end_of(moved));
  ASSERT_THAT(moved.files().value(), SizeIs(1));
  EXPECT_THAT(moved.files()->at(0).checksum, SizeIs(32)) << "it was verified";
  const auto error = end_of(loop_->transfer(from_lab("/nowhere/x", "/x"))).error();
  EXPECT_THAT(error.message, AllOf(HasSubstr("'lab:/nowhere/x'"), HasSubstr("FILE_NOT_FOUND"),
                                   HasSubstr("task ")));
}

// C8: each transfer searched for both of its endpoints.
TEST_F(DataDefectsTest, C8NamesOfEndpointsAreAskedForOnceAndKept) {
  write("lab", "a");
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(end_of(loop_->transfer(from_lab("/a", fmt::format("/{}", i)))));
  EXPECT_EQ(service_->calls["endpoint"], 2u);
  clock_.advance(EndpointNames::kKept);
  EXPECT_TRUE(end_of(loop_->transfer(from_lab("/a", "/b"))));
  EXPECT_EQ(service_->calls["endpoint"], 4u) << "a name can come to mean another endpoint";
}

// Scenario 15, but for what C1 and C2 show.
TEST_F(DataDefectsTest, Scenario15EndpointsAreKnownByNameOrIdAndUnknownOnesAreNamed) {
  write("lab", "a");
  Transfer by_id = from_lab("/a", "/b");
  by_id.source_endpoint = ids_["lab"];
  by_id.target_endpoint = ids_["scratch"];
  EXPECT_TRUE(end_of(loop_->transfer(by_id)));
  EXPECT_EQ(service_->calls["search_endpoints"], 0u);

  Transfer unknown = from_lab("/a", "/b");
  unknown.source_endpoint = "nope";
  auto error = end_of(loop_->transfer(unknown)).error();
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_EQ(error.message, "Source endpoint 'nope' could not be found");
  unknown = from_lab("/a", "/b");
  unknown.target_endpoint = new_uuid(random_);
  error = end_of(loop_->transfer(unknown)).error();
  EXPECT_EQ(error.message,
            fmt::format("Destination endpoint '{}' could not be found", unknown.target_endpoint));
  error = end_of(loop_->remove(removal("/x", "nope"))).error();
  EXPECT_EQ(error.message, "Source endpoint 'nope' could not be found");

  const auto one = add_endpoint("twin", "ada");
  const auto other = add_endpoint("twin", "bob");
  Transfer ambiguous = from_lab("/a", "/b");
  ambiguous.target_endpoint = "twin";
  error = end_of(loop_->transfer(ambiguous)).error();
  EXPECT_EQ(error.code, Code::kConflict);
  EXPECT_THAT(error.message, AllOf(HasSubstr(one), HasSubstr(other)));
}

// Scenario 17: stage, process, delete, where the stage fails.
TEST_F(DataDefectsTest, Scenario17ADeleteAfterAFailedTransferNeverStarts) {
  write("lab", "kept");
  const auto cleanup = [&](const Future<Done>& stage) {
    return stage.then([](const Done&) { return 1; }).then([&](int) {
      return loop_->remove(removal("/kept", "lab")).future();
    });
  };
  const auto after_failure = cleanup(loop_->transfer(from_lab("/missing", "/x")).future());
  settle(std::vector{after_failure});
  EXPECT_EQ(after_failure.wait().error().code, Code::kNotFound);
  EXPECT_EQ(service_->calls["stat"], 0u);
  EXPECT_THAT(all_tasks(), SizeIs(1));
  EXPECT_TRUE(is_there("lab", "kept"));
  const auto after_success = cleanup(loop_->transfer(from_lab("/kept", "/x")).future());
  settle(std::vector{after_success});
  EXPECT_TRUE(after_success.wait());
  EXPECT_FALSE(is_there("lab", "kept"));
  EXPECT_TRUE(is_there("scratch", "x"));
}

TEST_F(DataDefectsTest, Scenario17WhatHoldsEverythingAndUnaskedDirectoriesAreNotDeleted) {
  write("scratch", "tree/a");
  for (const char* path : {"/", "", "~", ".", "/tree/.."}) {
    Removal all = removal(path);
    all.recursive = true;
    const auto error = end_of(loop_->remove(all)).error();
    EXPECT_EQ(error.code, Code::kInvalid) << path;
  }
  const auto error = end_of(loop_->remove(removal("/tree"))).error();
  EXPECT_EQ(error.code, Code::kInvalid);
  EXPECT_THAT(error.message, HasSubstr("is a directory"));
  EXPECT_THAT(all_tasks(), IsEmpty()) << "nothing was submitted";
  EXPECT_TRUE(is_there("scratch", "tree/a"));
}

// Scenario 18: the program is killed while its transfer is under way.
TEST_F(DataDefectsTest, Scenario18ARestartedProgramTakesItsTransfersUpAgainAndLeavesNoOrphan) {
  std::vector<Transfer> batch;
  for (int i = 0; i < 10; ++i) {
    write("lab", fmt::format("{}", i));
    batch.push_back(from_lab(fmt::format("/{}", i), fmt::format("/{}", i)));
  }
  std::vector<DataTask> lost;
  for (const Transfer& transfer : batch) lost.push_back(loop_->transfer(transfer));
  submit_all();
  const auto task = lost[0].task_id();
  ASSERT_TRUE(task);
  start_loop();  // the first one is gone with all it knew
  const auto again = loop_->resubmit_transfers(recorded_.at(0).first, batch);
  step();
  for (const DataTask& one : again) EXPECT_EQ(one.task_id(), task);
  for (const DataTask& one : again) one.cancel();
  const Duration begin = clock_.monotonic();
  std::vector<Future<Done>> all;
  for (const DataTask& one : again) all.push_back(one.future());
  settle(all);
  EXPECT_LE(clock_.monotonic() - begin, 10s);
  EXPECT_EQ(real_->task(*task)->state, tasks::TaskState::kFailed) << "nobody wants it any more";
  EXPECT_THAT(all_tasks(), SizeIs(1));
}

}  // namespace
}  // namespace wherry::flow
