// SPDX-License-Identifier: Apache-2.0
// Transfers and removals as futures, step by step.
#include "flow/data_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "flow/test_flow.h"

namespace wherry::flow {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class DataLoopTest : public FlowFixture {
 protected:
  std::vector<DataTask> transfer_files(std::size_t count) {
    std::vector<DataTask> tasks;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = fmt::format("in/{}", i);
      write("lab", name, fmt::format("content {}", i));
      Transfer transfer = from_lab("/" + name, fmt::format("/out/{}", i));
      transfer.key = fmt::format("key {}", i);
      tasks.push_back(loop_->transfer(transfer));
    }
    return tasks;
  }
  static std::vector<Future<Done>> futures(const std::vector<DataTask>& tasks) {
    std::vector<Future<Done>> all;
    for (const DataTask& task : tasks) all.push_back(task.future());
    return all;
  }
};

TEST_F(DataLoopTest, ATransferMovesItsFileAndTellsOfIt) {
  write("lab", "a", "hello");
  const DataTask task = loop_->transfer(from_lab("/a", "/new/b"));
  EXPECT_EQ(task.task_id(), std::nullopt);
  EXPECT_EQ(task.progress().error().code, Code::kConflict);
  const auto done = end_of(task);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->files, 1u);
  EXPECT_EQ(done->bytes, 5u);
  EXPECT_EQ(done->task_id, all_tasks().at(0).id);
  EXPECT_EQ(task.task_id(), done->task_id);
  EXPECT_EQ(task.progress()->state, tasks::TaskState::kSucceeded);
  EXPECT_EQ(read("scratch", "new/b"), "hello");
}

TEST_F(DataLoopTest, ADirectoryIsMovedWholeWhenItIsAskedFor) {
  write("lab", "tree/a", "1");
  write("lab", "tree/below/b", "22");
  Transfer transfer = from_lab("/tree", "/copy");
  EXPECT_EQ(end_of(loop_->transfer(transfer)).error().code, Code::kInvalid);
  EXPECT_FALSE(is_there("scratch", "copy"));
  transfer.recursive = true;
  const DataTask task = loop_->transfer(transfer);
  const auto done = end_of(task);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->files, 2u);
  EXPECT_EQ(done->bytes, 3u);
  EXPECT_EQ(read("scratch", "copy/below/b"), "22");
  EXPECT_THAT(task.files().value(), SizeIs(2));
}

TEST_F(DataLoopTest, InASharedTaskOneMissingFileFailsItsOwnFutureAlone) {
  auto tasks = transfer_files(20);
  fs::remove(at("lab", "in/7"));
  settle(futures(tasks));
  ASSERT_EQ(service_->accepted.size(), 1u);
  EXPECT_THAT(service_->accepted[0].items, SizeIs(20));
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const auto& result = tasks[i].future().wait();
    if (i == 7) {
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().code, Code::kNotFound);
      EXPECT_THAT(result.error().message, HasSubstr("transfer of 'lab:/in/7' to 'scratch:/out/7'"));
      EXPECT_THAT(result.error().message, HasSubstr(all_tasks().at(0).id));
      continue;
    }
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->files, 1u);
    EXPECT_EQ(result->bytes, fmt::format("content {}", i).size());
    EXPECT_EQ(read("scratch", fmt::format("out/{}", i)), fmt::format("content {}", i));
  }
  ASSERT_THAT(tasks[3].files().value(), SizeIs(1));
  EXPECT_EQ(tasks[3].files()->at(0).target_path, "/out/3");
  EXPECT_THAT(tasks[7].files().value(), IsEmpty());
}

TEST_F(DataLoopTest, NoMoreThanAHundredRemovalsFromAnEndpointWaitAtTheService) {
  runs_tasks_ = false;
  std::vector<DataTask> tasks;
  for (int i = 0; i < 230; ++i) {
    write("scratch", fmt::format("{}", i));
    tasks.push_back(loop_->remove(removal(fmt::format("/{}", i))));
  }
  submit_all();
  EXPECT_THAT(all_tasks(), SizeIs(100));
  EXPECT_GT(step(), Duration(0)) << "nothing can be done before one has ended";
  write("lab", "a");
  const DataTask elsewhere = loop_->remove(removal("/a", "lab"));
  submit_all();
  EXPECT_TRUE(elsewhere.task_id()) << "others need not wait";
  runs_tasks_ = true;
  settle(futures(tasks));
  for (const DataTask& task : tasks) EXPECT_TRUE(task.future().wait());
  EXPECT_THAT(all_tasks(), SizeIs(231));
}

TEST_F(DataLoopTest, AServiceThatTellsPathsAndOnlyAtTheEndIsUnderstood) {
  service_->tells_items = false;
  service_->tells_while_active = false;
  const auto tasks = transfer_files(5);
  fs::remove(at("lab", "in/2"));
  settle(futures(tasks));
  for (std::size_t i = 0; i < tasks.size(); ++i)
    EXPECT_EQ(tasks[i].future().wait().has_value(), i != 2) << i;
  EXPECT_EQ(tasks[2].future().wait().error().code, Code::kNotFound);
  ASSERT_THAT(tasks[3].files().value(), SizeIs(1));
  EXPECT_EQ(tasks[3].files()->at(0).target_path, "/out/3");
}

TEST_F(DataLoopTest, WhatHasArrivedIsToldThoughItsTaskGoesOn) {
  const auto tasks = transfer_files(3);
  fs::remove(at("lab", "in/1"));
  service_->edit = [](tasks::Task& task) {
    task.state = tasks::TaskState::kActive;
    task.completed.reset();
  };
  settle(futures(tasks));
  EXPECT_TRUE(tasks[0].future().wait());
  EXPECT_FALSE(tasks[1].future().wait());
  EXPECT_TRUE(tasks[2].future().wait());
}

TEST_F(DataLoopTest, SourceErrorsThatAreToBeSkippedFailNothing) {
  Transfer missing = from_lab("/nothing", "/x");
  missing.options.skip_source_errors = true;
  EXPECT_TRUE(end_of(loop_->transfer(missing)));
  missing.options.skip_source_errors = false;
  EXPECT_EQ(end_of(loop_->transfer(missing)).error().code, Code::kNotFound);
}

TEST_F(DataLoopTest, ARefusedRequestFailsWithoutTheOthersOfItsTask) {
  service_->refuse = [](const tasks::TransferRequest& request) -> Result<void> {
    for (const auto& item : request.items) {
      if (item.source.text() == "in/5") return make_error(Code::kInvalid, "in/5 is wrong");
    }
    return {};
  };
  const auto tasks = transfer_files(8);
  settle(futures(tasks));
  for (std::size_t i = 0; i < tasks.size(); ++i)
    EXPECT_EQ(tasks[i].future().wait().has_value(), i != 5) << i;
  EXPECT_EQ(tasks[5].future().wait().error().code, Code::kInvalid);
  EXPECT_LE(service_->accepted.size(), 3u) << "by halves";
}

TEST_F(DataLoopTest, WhatIsDeniedToAllIsNotAskedForEach) {
  std::size_t submits = 0;
  service_->refuse = [&](const tasks::TransferRequest&) -> Result<void> {
    ++submits;
    return make_error(Code::kDenied, "the endpoint is read-only");
  };
  const auto tasks = transfer_files(64);
  settle(futures(tasks));
  for (const auto& task : tasks) EXPECT_EQ(task.future().wait().error().code, Code::kDenied);
  EXPECT_LE(submits, 13u);
}

// As Globus does: a target that refuses is tried again until somebody cancels the task.
TEST_F(DataLoopTest, ATaskThatOnlyRepeatsWhatCannotSucceedIsEndedAndTheOthersGoAgain) {
  runs_tasks_ = false;
  service_->tells_while_active = false;
  service_->shown_events = [] {
    return std::vector<tasks::Event>{{TimePoint(), "PERMISSION_DENIED", "denied", "", true}};
  };
  const auto is_bad = [&](const std::string& submission) {
    for (const auto& request : service_->accepted) {
      if (request.submission_id != submission) continue;
      for (const auto& item : request.items) {
        if (item.source.text() == "in/3") return true;
      }
    }
    return false;
  };
  service_->edit = [&](tasks::Task& task) {
    if (!is_bad(task.submission_id) || task.state != tasks::TaskState::kActive) return;
    task.nice_status = "PERMISSION_DENIED";
  };
  const auto tasks = transfer_files(6);
  const auto all = futures(tasks);
  for (int round = 0; round < 1000; ++round) {
    clock_.advance(std::clamp<Duration>(step(), 1ms, 1s));
    for (const tasks::Task& task : all_tasks()) {
      const bool runs = task.state == tasks::TaskState::kActive &&
                        (task.cancel_requested || !is_bad(task.submission_id));
      if (!runs) continue;
      EXPECT_TRUE(real_->run(task.id, {}));
    }
  }
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const auto* result = all[i].wait_for(0s);
    ASSERT_NE(result, nullptr) << i;
    EXPECT_EQ(result->has_value(), i != 3) << i;
  }
  EXPECT_EQ(all[3].wait().error().code, Code::kDenied);
}

TEST_F(DataLoopTest, ProgressIsToldAsTheTaskGets) {
  write("lab", "a");
  std::vector<tasks::TaskState> states;
  Transfer transfer = from_lab("/a", "/b");
  transfer.on_progress = [&](const tasks::Task& task) { states.push_back(task.state); };
  const DataTask task = loop_->transfer(transfer);
  submit_all();
  clock_.advance(1s);
  step();
  clock_.advance(1s);
  step();
  EXPECT_THAT(states, ElementsAre(tasks::TaskState::kActive)) << "nothing has changed";
  EXPECT_TRUE(end_of(task));
  EXPECT_THAT(states, ElementsAre(tasks::TaskState::kActive, tasks::TaskState::kSucceeded));
}

TEST_F(DataLoopTest, AWindowOfNothingMakesEachItsOwnTask) {
  start_loop({.window = 0ms});
  settle(futures(transfer_files(5)));
  EXPECT_EQ(service_->accepted.size(), 5u);
}

TEST_F(DataLoopTest, WhoWantsToTravelAloneDoes) {
  write("lab", "a");
  Transfer lone = from_lab("/a", "/a");
  lone.alone = true;
  const DataTask task = loop_->transfer(lone);
  auto tasks = transfer_files(3);
  tasks.push_back(task);
  settle(futures(tasks));
  EXPECT_EQ(service_->accepted.size(), 2u);
}

TEST_F(DataLoopTest, ASharedTaskIsCalledAfterTheFirstAndHowManyMore) {
  write("lab", "a");
  std::vector<Future<Done>> all;
  for (const char* label : {"first", "second", "third"}) {
    Transfer transfer = from_lab("/a", fmt::format("/{}", label));
    transfer.label = label;
    all.push_back(loop_->transfer(transfer).future());
  }
  settle(all);
  Transfer same = from_lab("/a", "/same1");
  same.label = std::string(200, 'x').substr(0, 128);
  all = {loop_->transfer(same).future()};
  same.target_path = "/same2";
  all.push_back(loop_->transfer(same).future());
  same.target_path = "/other";
  same.label = std::string(126, 'y') + "\xc3\xa4";
  settle(all);
  all = {loop_->transfer(same).future()};
  same.target_path = "/other2";
  same.label = "z";
  all.push_back(loop_->transfer(same).future());
  settle(all);
  ASSERT_EQ(service_->accepted.size(), 3u);
  EXPECT_EQ(service_->accepted[0].label, "first and 2 more");
  EXPECT_EQ(service_->accepted[1].label, std::string(128, 'x'));
  EXPECT_THAT(service_->accepted[2].label, HasSubstr("y and 1 more"));
}

// ---- Ids, answers that are lost, crashes --------------------------------------------------------

TEST_F(DataLoopTest, AnIdIsRecordedForAllThatItCarriesBeforeItIsSent) {
  service_->lost = [&](std::string_view call, const std::string&) -> Result<void> {
    EXPECT_TRUE(call != "submit" || recorded_.size() == 1);
    return {};
  };
  settle(futures(transfer_files(3)));
  ASSERT_EQ(recorded_.size(), 1u);
  EXPECT_EQ(recorded_[0].first, service_->accepted.at(0).submission_id);
  EXPECT_THAT(recorded_[0].second, ElementsAre("key 0", "key 1", "key 2"));
}

TEST_F(DataLoopTest, WhatCannotBeRecordedIsNotSent) {
  record_fault_ = [] { return Result<void>(make_error(Code::kNoSpace, "the disk is full")); };
  const auto tasks = transfer_files(2);
  settle(futures(tasks));
  for (const auto& task : tasks) EXPECT_EQ(task.future().wait().error().code, Code::kNoSpace);
  EXPECT_THAT(all_tasks(), IsEmpty());
}

TEST_F(DataLoopTest, AServiceThatIsAwayIsTriedAgainUntilTheTimeIsUp) {
  bool is_away = true;
  service_->lost = [&](std::string_view, const std::string&) -> Result<void> {
    return is_away ? make_error(Code::kUnavailable, "nobody answers") : Result<void>();
  };
  write("lab", "a");
  Transfer brief = from_lab("/a", "/brief");
  brief.timeout = 5s;
  const DataTask early = loop_->transfer(brief);
  const DataTask late = loop_->transfer(from_lab("/a", "/late"));
  const auto result = end_of(early);
  EXPECT_EQ(result.error().code, Code::kTimeout);
  EXPECT_THAT(result.error().message, HasSubstr("before it could be submitted"));
  EXPECT_THAT(result.error().message, HasSubstr("nobody answers"));
  const std::size_t calls = service_->calls["endpoint"];
  EXPECT_LE(calls, 10u) << "it is not asked without a pause";
  EXPECT_THAT(late.trouble(), HasSubstr("nobody answers"));
  is_away = false;
  EXPECT_TRUE(end_of(late));
  EXPECT_EQ(late.trouble(), "");
  EXPECT_FALSE(is_there("scratch", "brief"));
}

TEST_F(DataLoopTest, AServiceWithoutRoomForAnotherTaskIsAskedAgain) {
  int refusals = 3;
  service_->refuse = [&](const tasks::TransferRequest&) -> Result<void> {
    return refusals-- > 0 ? make_error(Code::kConflict, "100 tasks are pending") : Result<void>();
  };
  write("lab", "a");
  EXPECT_TRUE(end_of(loop_->transfer(from_lab("/a", "/b"))));
}

// ---- Cancelling and time-outs -------------------------------------------------------------------

TEST_F(DataLoopTest, WhatIsCancelledBeforeItIsSubmittedNeverIs) {
  write("lab", "a");
  const DataTask first = loop_->transfer(from_lab("/a", "/1"));
  const DataTask second = loop_->transfer(from_lab("/a", "/2"));
  step();
  first.cancel();
  EXPECT_EQ(end_of(first).error().code, Code::kCancelled);
  EXPECT_TRUE(end_of(second));
  ASSERT_EQ(service_->accepted.size(), 1u);
  EXPECT_THAT(service_->accepted[0].items, SizeIs(1));
  EXPECT_FALSE(is_there("scratch", "1"));
}

TEST_F(DataLoopTest, CancellingATaskOfOnesOwnEndsTheTask) {
  write("lab", "a");
  const DataTask task = loop_->transfer(from_lab("/a", "/b"));
  submit_all();
  ASSERT_TRUE(task.task_id());
  task.cancel();
  const auto result = end_of(task);
  EXPECT_EQ(result.error().code, Code::kCancelled);
  EXPECT_EQ(all_tasks().at(0).state, tasks::TaskState::kFailed);
  EXPECT_FALSE(is_there("scratch", "b"));
}

TEST_F(DataLoopTest, OfASharedTaskTheLastWhoCancelsTakesItWithHim) {
  const auto tasks = transfer_files(3);
  submit_all();
  tasks[0].future().cancel();
  tasks[1].cancel();
  step();
  EXPECT_EQ(tasks[0].future().wait().error().code, Code::kCancelled);
  EXPECT_EQ(tasks[1].future().wait().error().code, Code::kCancelled);
  EXPECT_FALSE(tasks[2].future().is_ready());
  EXPECT_EQ(service_->calls["cancel"], 0u);
  tasks[2].cancel();
  EXPECT_EQ(end_of(tasks[2]).error().code, Code::kCancelled);
  EXPECT_EQ(service_->calls["cancel"], 1u);
  EXPECT_EQ(all_tasks().at(0).state, tasks::TaskState::kFailed);
}

TEST_F(DataLoopTest, ATaskThatEndedBeforeItCouldBeCancelledIsASuccess) {
  write("lab", "a");
  const DataTask task = loop_->transfer(from_lab("/a", "/b"));
  submit_all();
  run_tasks();
  task.cancel();
  EXPECT_TRUE(end_of(task));
}

TEST_F(DataLoopTest, ASharedTaskIsNotCancelledWhenTheTimeOfOneIsUp) {
  write("lab", "a");
  Transfer brief = from_lab("/a", "/1");
  brief.timeout = 5s;
  brief.on_timeout = OnTimeout::kCancel;
  const DataTask first = loop_->transfer(brief);
  const DataTask second = loop_->transfer(from_lab("/a", "/2"));
  runs_tasks_ = false;
  const auto result = end_of(first);
  EXPECT_EQ(result.error().code, Code::kTimeout);
  EXPECT_THAT(result.error().message, HasSubstr("goes on for the others"));
  runs_tasks_ = true;
  EXPECT_TRUE(end_of(second));
}

TEST_F(DataLoopTest, TheEndOfTheLoopEndsWhatWaitsAndNotTheTasks) {
  const auto tasks = transfer_files(2);
  submit_all();
  Transfer waiting = from_lab("/in/0", "/x");
  const DataTask unsent = loop_->transfer(waiting);
  loop_.reset();
  EXPECT_EQ(tasks[0].future().wait().error().code, Code::kCancelled);
  EXPECT_THAT(tasks[0].future().wait().error().message, HasSubstr("goes on"));
  EXPECT_EQ(unsent.future().wait().error().code, Code::kCancelled);
  EXPECT_EQ(tasks[0].progress().error().code, Code::kCancelled);
  tasks[0].cancel();
  run_tasks();
  EXPECT_EQ(read("scratch", "out/0"), "content 0");
}

// ---- Removals -----------------------------------------------------------------------------------

TEST_F(DataLoopTest, ARemovalRemovesAFileOrWithRecursiveADirectory) {
  write("scratch", "a");
  write("scratch", "tree/b");
  EXPECT_TRUE(end_of(loop_->remove(removal("/a"))));
  EXPECT_FALSE(is_there("scratch", "a"));
  Removal tree = removal("/tree");
  tree.recursive = true;
  EXPECT_TRUE(end_of(loop_->remove(tree)));
  EXPECT_FALSE(is_there("scratch", "tree"));
  EXPECT_EQ(end_of(loop_->remove(tree)).error().code, Code::kNotFound);
}

TEST_F(DataLoopTest, ALinkToADirectoryIsRemovedAsTheFileThatItIs) {
  write("scratch", "tree/b");
  fs::create_directory_symlink("tree", at("scratch", "link"));
  const auto done = end_of(loop_->remove(removal("/link")));
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_FALSE(is_there("scratch", "link"));
  EXPECT_TRUE(is_there("scratch", "tree/b"));
}

TEST_F(DataLoopTest, ARemovalThatIsCancelledOrTimesOutSaysSo) {
  write("scratch", "a");
  const DataTask cancelled = loop_->remove(removal("/a"));
  submit_all();
  cancelled.cancel();
  EXPECT_EQ(end_of(cancelled).error().code, Code::kCancelled);
  runs_tasks_ = false;
  Removal brief = removal("/a");
  brief.timeout = 5s;
  brief.on_timeout = OnTimeout::kCancel;
  const auto result = end_of(loop_->remove(brief));
  EXPECT_EQ(result.error().code, Code::kTimeout);
  EXPECT_THAT(result.error().message, HasSubstr("was cancelled"));
  run_tasks();
  EXPECT_TRUE(is_there("scratch", "a"));
}

}  // namespace
}  // namespace wherry::flow
