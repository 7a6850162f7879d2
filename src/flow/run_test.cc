// SPDX-License-Identifier: Apache-2.0
#include "flow/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "flow/run_world.h"

namespace wherry::flow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// With the directories of the endpoints for commands.
std::string with_places(const RunWorld& world, const std::string& yaml) {
  return fmt::format("environment: {{LAB: '{}', SCRATCH: '{}'}}\n", world.scratch.file("lab"),
                     world.scratch.file("scratch")) +
         yaml;
}

class FlowRunTest : public testing::Test {
 protected:
  // Runs it to its end; answers its states.
  std::string states_of(const std::string& yaml, const std::vector<std::string>& parameters = {}) {
    id_ = world_.create(with_places(world_, yaml), parameters).id;
    const auto end = world_.run(id_);
    EXPECT_TRUE(end) << end.error().message;
    return world_.states(id_);
  }
  std::string reason_of(const std::string& node) { return world_.node(id_, node).reason; }

  RunWorld world_;
  RunId id_ = 0;
};

constexpr const char* kStageProcessClean = R"yaml(
tasks:
  stage:
    transfer: {source: lab:/in.txt, target: scratch:/in.txt}
  process:
    needs: stage
    command: |
      tr a-z A-Z < "$SCRATCH/in.txt" > "$SCRATCH/out.txt"
      echo "lines=$(wc -l < "$SCRATCH/out.txt")" >> "$WHERRY_OUTPUTS"
    outputs: [lines]
  keep:
    needs: process
    when: tasks.process.lines == 2
    transfer: {source: scratch:/out.txt, target: "lab:/kept-{{ tasks.process.lines }}.txt"}
  clean:
    needs: keep
    foreach: [in.txt, out.txt]
    delete: "scratch:/{{ item }}"
)yaml";

TEST_F(FlowRunTest, StagesProcessesKeepsAndCleans) {
  world_.write("lab", "in.txt", "one\ntwo\n");
  EXPECT_EQ(states_of(kStageProcessClean),
            "stage=SUCCEEDED process=SUCCEEDED keep=SUCCEEDED clean=SUCCEEDED"
            " clean[in.txt]=SUCCEEDED clean[out.txt]=SUCCEEDED");
  EXPECT_EQ(world_.read("lab", "kept-2.txt"), "ONE\nTWO\n");
  EXPECT_FALSE(world_.is_there("scratch", "in.txt"));
  EXPECT_FALSE(world_.is_there("scratch", "out.txt"));
  EXPECT_EQ(world_.store->run(id_)->state, RunState::kSucceeded);
  const Results stage = world_.node(id_, "stage").results;
  EXPECT_EQ(stage.at("files"), "1");
  EXPECT_EQ(stage.at("bytes"), "8");
  EXPECT_EQ(stage.at("target"), "scratch:/in.txt");
}

TEST_F(FlowRunTest, ADeletionAfterAFailedTransferNeverStarts) {
  world_.write("lab", "in.txt", "one");
  const std::string yaml = R"yaml(
tasks:
  stage: {transfer: {source: lab:/in.txt, target: scratch:/in.txt}}
  out: {needs: stage, transfer: {source: scratch:/missing, target: lab:/out}}
  clean: {needs: out, delete: lab:/in.txt}
  more: {needs: clean, command: touch "$SCRATCH/ran"}
)yaml";
  EXPECT_EQ(states_of(yaml), "stage=SUCCEEDED out=FAILED clean=BLOCKED more=BLOCKED");
  EXPECT_EQ(reason_of("clean"), "needs 'out', which failed");
  EXPECT_EQ(reason_of("more"), "needs 'clean', which is blocked");
  EXPECT_EQ(world_.read("lab", "in.txt"), "one");
  EXPECT_FALSE(world_.is_there("scratch", "ran"));
  for (const tasks::Task& task : world_.tasks()) EXPECT_EQ(task.type, tasks::TaskType::kTransfer);
  EXPECT_EQ(world_.store->run(id_)->state, RunState::kFailed);
}

TEST_F(FlowRunTest, OneBadItemHoldsUpOnlyWhatFollowsIt) {
  world_.write("lab", "a", "a");
  world_.write("lab", "c", "c");
  const std::string yaml = R"yaml(
params: {frames: [a, b, c]}
tasks:
  stage:
    foreach: {frame: frames}
    transfer: {source: "lab:/{{ frame }}", target: "scratch:/{{ frame }}"}
  process:
    needs: stage.each
    command: cp "$SCRATCH"/{{ frame }} "$SCRATCH"/{{ frame }}.done
  all: {needs: process, command: "true"}
)yaml";
  EXPECT_EQ(states_of(yaml),
            "stage=FAILED process=BLOCKED all=BLOCKED"
            " stage[a]=SUCCEEDED stage[b]=FAILED stage[c]=SUCCEEDED"
            " process[a]=SUCCEEDED process[b]=BLOCKED process[c]=SUCCEEDED");
  EXPECT_TRUE(world_.is_there("scratch", "c.done"));
}

TEST_F(FlowRunTest, WhatIsSkippedIsSkippedWithAllThatNeedsIt) {
  const std::string yaml = R"yaml(
params: {clean: no}
tasks:
  a: {command: "true", when: clean}
  b: {command: "true", needs: a}
  none: {command: "true", foreach: []}
  after: {command: "true", needs: none}
  bad: {command: "true", when: "'x' > 1"}
)yaml";
  // "no" is neither true nor false.
  EXPECT_EQ(states_of(yaml, {"clean=false"}),
            "a=SKIPPED b=SKIPPED none=SKIPPED after=SKIPPED bad=FAILED");
  EXPECT_EQ(reason_of("a"), "when: clean is false");
  EXPECT_EQ(reason_of("none"), "its list is empty");
  EXPECT_THAT(reason_of("bad"), HasSubstr("'x' is no whole number"));
}

TEST_F(FlowRunTest, ADeletionWantsEveryItemDone) {
  world_.write("lab", "a", "a");
  const std::string yaml = R"yaml(
tasks:
  out:
    foreach: [a, b]
    when: item == 'a'
    transfer: {source: "lab:/{{ item }}", target: "scratch:/{{ item }}"}
  use: {needs: out, command: "true"}
  clean: {needs: out, delete: lab:/a}
)yaml";
  EXPECT_EQ(states_of(yaml),
            "out=SUCCEEDED use=SUCCEEDED clean=SKIPPED out[a]=SUCCEEDED out[b]=SKIPPED");
  EXPECT_TRUE(world_.is_there("lab", "a"));
}

TEST_F(FlowRunTest, ItemsMayBeFoundByACommand) {
  const std::string yaml = R"yaml(
tasks:
  find: {command: "printf 'x y\\nz$(touch made)\\n'"}
  use:
    foreach: lines(tasks.find.stdout)
    command: echo {{ item }} >> "$SCRATCH/items"
  sum:
    needs: use
    command: echo {{ count(tasks.use.stdout) }} {{ tasks.find.stdout }} > "$SCRATCH/sum"
)yaml";
  EXPECT_EQ(states_of(yaml),
            "find=SUCCEEDED use=SUCCEEDED sum=SUCCEEDED use[x y]=SUCCEEDED"
            " use[z$(touch made)]=SUCCEEDED");
  EXPECT_EQ(world_.read("scratch", "sum"), "2 x y\nz$(touch made)\n");
  EXPECT_FALSE(world_.is_there("work", "made"));
}

TEST_F(FlowRunTest, AFailedCommandIsToldWithItsLastWords) {
  EXPECT_EQ(states_of("tasks: {a: {command: 'echo begin; echo no disk >&2; exit 3'}}"), "a=FAILED");
  EXPECT_THAT(reason_of("a"), HasSubstr("it exited with code 3: no disk"));
  EXPECT_EQ(states_of("tasks: {a: {command: 'true', outputs: [rows]}}"), "a=FAILED");
  EXPECT_THAT(reason_of("a"), HasSubstr("wrote no 'rows=…'"));
  EXPECT_EQ(
      states_of("tasks: {a: {command: 'echo row=1 >> \"$WHERRY_OUTPUTS\"', outputs: [rows]}}"),
      "a=FAILED");
  EXPECT_THAT(reason_of("a"), HasSubstr("none of its outputs (rows)"));
  EXPECT_EQ(states_of("tasks: {a: {command: 'true', executor: nowhere}}"), "a=FAILED");
  EXPECT_THAT(reason_of("a"), HasSubstr("nowhere"));
}

TEST_F(FlowRunTest, AttemptsAreRepeatedAsOftenAsWanted) {
  const std::string yaml = R"yaml(
tasks:
  third: {command: 'echo x >> "$SCRATCH/tries"; test $(wc -l < "$SCRATCH/tries") -eq 3', retries: 5,
          retry_delay: 0}
  never: {command: 'echo x >> "$SCRATCH/nevers"; false', retries: 2, retry_delay: 0}
)yaml";
  EXPECT_EQ(states_of(yaml), "third=SUCCEEDED never=FAILED");
  EXPECT_EQ(world_.read("scratch", "tries"), "x\nx\nx\n");
  EXPECT_EQ(world_.read("scratch", "nevers"), "x\nx\nx\n");
  EXPECT_EQ(world_.node(id_, "third").attempt, 3);
}

TEST_F(FlowRunTest, ATimeThatIsUpEndsTheAttempt) {
  EXPECT_EQ(states_of("tasks: {a: {command: 'sleep 60', timeout: 1s}, b: {command: 'sleep 60', "
                      "walltime: 1s}}"),
            "a=FAILED b=FAILED");
  EXPECT_THAT(reason_of("a"), HasSubstr("its timeout of 1"));
  EXPECT_THAT(reason_of("b"), HasSubstr("walltime"));
}

constexpr const char* kCleanup = R"yaml(
tasks:
  out:
    transfer: {source: scratch:/run, target: lab:/run, recursive: true, cleanup: verified}
  meddle:
    needs: out
    command: "true"
)yaml";

TEST_F(FlowRunTest, CleanupDeletesWhatIsProvenAtTheTarget) {
  world_.write("scratch", "run/a", "a");
  world_.write("scratch", "run/sub/b", "bb");
  EXPECT_EQ(states_of(kCleanup), "out=SUCCEEDED out.cleanup=SUCCEEDED meddle=SUCCEEDED");
  EXPECT_FALSE(world_.is_there("scratch", "run"));
  EXPECT_EQ(world_.read("lab", "run/sub/b"), "bb");
}

TEST_F(FlowRunTest, CleanupLeavesAllWhenOneFileIsNotProven) {
  for (const std::string change :
       {"echo new > \"$SCRATCH/run/new\"", "echo more >> \"$SCRATCH/run/a\"",
        "touch -d '+1 hour' \"$SCRATCH/run/a\"", "ln -s a \"$SCRATCH/run/link\""}) {
    std::filesystem::remove_all(world_.at("scratch", "run"));
    world_.write("scratch", "run/a", "a");
    world_.write("scratch", "run/sub/b", "bb");
    const std::string yaml = fmt::format(R"yaml(
tasks:
  out: {{transfer: {{source: scratch:/run, target: lab:/run, recursive: true}}}}
  meddle:
    needs: out
    command: |
      {}
  clean: {{needs: [out, meddle], delete: {{path: scratch:/run, recursive: true, cleanup: verified}}}}
)yaml",
                                         change);
    EXPECT_EQ(states_of(yaml), "out=SUCCEEDED meddle=SUCCEEDED clean=FAILED") << change;
    EXPECT_THAT(reason_of("clean"), HasSubstr("nothing was deleted: '/run/")) << change;
    EXPECT_TRUE(world_.is_there("scratch", "run/sub/b")) << change;
  }
}

TEST_F(FlowRunTest, AServiceThatIsAwayWhileFilesAreProvenIsWaitedFor) {
  world_.write("scratch", "run/a", "a");
  std::atomic<int> calls_to_lose = 0;
  world_.on_change = [&](const Node& node) {
    if (node.name() == "out" && node.state == NodeState::kSucceeded) calls_to_lose = 1;
  };
  world_.service_fault = [&](std::string_view, const std::string&) -> Result<void> {
    if (calls_to_lose.exchange(0) == 0) return {};
    return make_error(Code::kUnavailable, "nobody answers");
  };
  EXPECT_EQ(states_of(kCleanup), "out=SUCCEEDED out.cleanup=SUCCEEDED meddle=SUCCEEDED");
  EXPECT_EQ(calls_to_lose, 0);
  EXPECT_FALSE(world_.is_there("scratch", "run"));
}

TEST_F(FlowRunTest, ACancelledRunDoesNotWaitForTheProofsOfWhatItWillNotDelete) {
  world_.write("scratch", "run/a", "a");
  id_ = world_.create(kCleanup).id;
  std::atomic<bool> is_away = false;
  world_.on_change = [&](const Node& node) {
    if (node.name() != "out.cleanup" || node.state != NodeState::kRunning) return;
    is_away = true;
    EXPECT_TRUE(world_.store->request_cancel(id_));
  };
  world_.service_fault = [&](std::string_view, const std::string&) -> Result<void> {
    if (!is_away) return {};
    return make_error(Code::kUnavailable, "nobody answers");
  };
  EXPECT_EQ(world_.run(id_).value(), RunEnd::kCancelled);
  EXPECT_THAT(world_.states(id_), StartsWith("out=SUCCEEDED out.cleanup=CANCELLED meddle="));
  EXPECT_EQ(reason_of("out.cleanup"), "the run was cancelled");
  EXPECT_TRUE(world_.is_there("scratch", "run/a"));
}

TEST_F(FlowRunTest, WhatIsNotHeardToEndIsToldWhenARunIsCancelled) {
  world_.write("lab", "in.txt", "one");
  world_.cancel_patience = std::chrono::milliseconds(1);
  id_ = world_.create("tasks: {stage: {transfer: {source: lab:/in.txt, target: scratch:/in.txt}}}")
            .id;
  std::atomic<bool> is_away = false;
  world_.service_fault = [&](std::string_view call, const std::string&) -> Result<void> {
    const bool is_look = call == "task" || call == "tasks";
    if (is_look && !is_away.exchange(true)) {
      EXPECT_TRUE(world_.store->request_cancel(id_));
    }
    if (!is_away) return {};
    return make_error(Code::kUnavailable, "nobody answers");
  };
  const auto end = world_.run(id_);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::kUnavailable);
  EXPECT_THAT(end.error().message, HasSubstr("1 of its tasks may go on"));
  EXPECT_EQ(world_.states(id_), "stage=CANCELLED");
  EXPECT_THAT(reason_of("stage"), HasSubstr("may go on"));
  EXPECT_EQ(world_.store->run(id_)->state, RunState::kCancelled);
}

TEST_F(FlowRunTest, ACancelledRunStartsNothingMore) {
  const RunRecord run = world_.create(
      with_places(world_, "tasks: {a: {command: 'sleep 60'}, b: {command: 'true', needs: a}}"));
  world_.on_change = [&](const Node& node) {
    if (node.name() == "a" && node.state == NodeState::kRunning) {
      EXPECT_TRUE(world_.store->request_cancel(run.id));
    }
  };
  EXPECT_EQ(world_.run(run.id).value(), RunEnd::kCancelled);
  EXPECT_EQ(world_.states(run.id), "a=CANCELLED b=CANCELLED");
  EXPECT_EQ(world_.store->run(run.id)->state, RunState::kCancelled);
  EXPECT_EQ(world_.store->request_cancel(run.id).error().code, Code::kConflict);
}

TEST_F(FlowRunTest, AnInterruptedRunIsCancelledWithoutAProcess) {
  const RunRecord run =
      world_.create("tasks: {a: {command: 'sleep 60'}, b: {command: x, needs: a}}");
  std::stop_source stop;
  world_.on_change = [&](const Node&) { stop.request_stop(); };
  Death never;
  EXPECT_EQ(world_.run(run.id, never, {}, stop.get_token()).value(), RunEnd::kInterrupted);
  EXPECT_EQ(world_.states(run.id), "a=RUNNING b=WAITING");
  EXPECT_EQ(world_.cancel(run.id).value(), RunEnd::kCancelled);
  EXPECT_EQ(world_.states(run.id), "a=CANCELLED b=CANCELLED");
}

TEST_F(FlowRunTest, ARunThatSucceededIsNotRunAgain) {
  EXPECT_EQ(states_of("tasks: {a: {command: 'true'}}"), "a=SUCCEEDED");
  EXPECT_EQ(world_.run(id_).error().code, Code::kConflict);
}

TEST_F(FlowRunTest, AResumedRunTakesTheFileAsItIsNow) {
  world_.write("lab", "in.txt", "one");
  const std::string bad = with_places(world_, R"yaml(
tasks:
  stage: {transfer: {source: lab:/in.txt, target: scratch:/in.txt}}
  gone: {command: "true"}
  process: {needs: stage, command: 'wrong "$SCRATCH/in.txt"'}
)yaml");
  const std::string good = with_places(world_, R"yaml(
tasks:
  stage: {transfer: {source: lab:/in.txt, target: scratch:/in.txt}}
  process: {needs: stage, command: 'cat "$SCRATCH/in.txt"'}
  new: {command: 'echo {{ tasks.process.stdout }} > "$SCRATCH/new"'}
)yaml");
  id_ = world_.create(bad).id;
  EXPECT_EQ(world_.run(id_).value(), RunEnd::kFailed);
  Death never;
  EXPECT_EQ(world_.run(id_, never, good).value(), RunEnd::kSucceeded);
  EXPECT_EQ(world_.states(id_), "stage=SUCCEEDED process=SUCCEEDED new=SUCCEEDED");
  EXPECT_EQ(world_.read("scratch", "new"), "one\n");
  EXPECT_EQ(world_.tasks().size(), 1u);  // the transfer was not repeated
}

TEST_F(FlowRunTest, ParametersAreThoseWithWhichTheRunBegan) {
  EXPECT_EQ(
      states_of("params: {x: 1, y: }\ntasks: {a: {command: 'echo {{ x }}-{{ y }}'}}", {"y=it's"}),
      "a=SUCCEEDED");
  EXPECT_EQ(world_.node(id_, "a").results.at("stdout"), "1-it's");
}

TEST_F(FlowRunTest, TransfersBetweenTheSamePlacesTravelTogether) {
  std::string frames;
  for (int i = 0; i < 50; ++i) {
    world_.write("lab", fmt::format("f{}", i), "x");
    frames += fmt::format("{}f{}", i == 0 ? "" : ", ", i);
  }
  const std::string yaml = fmt::format(
      "tasks: {{stage: {{foreach: [{}], transfer: {{source: 'lab:/{{{{ item }}}}', target: "
      "'scratch:/{{{{ item }}}}'}}}}}}",
      frames);
  EXPECT_THAT(states_of(yaml), HasSubstr("stage[f49]=SUCCEEDED"));
  EXPECT_LE(world_.tasks().size(), 3u);
}

}  // namespace
}  // namespace wherry::flow
