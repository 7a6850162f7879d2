// SPDX-License-Identifier: Apache-2.0
// A process that runs a flow is killed before each of its steps: each stage of each write of the
// state, each submission, each answer to one. Another process takes the run up. However it went,
// every transfer and deletion was submitted once, and what was done stayed done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "flow/run_world.h"

namespace wherry::flow {
namespace {

constexpr int kFrames = 3;

std::string crash_flow(const RunWorld& world) {
  return fmt::format(R"yaml(
environment: {{SCRATCH: '{}', LOG: '{}'}}
tasks:
  stage:
    foreach: [f0, f1, f2]
    transfer: {{source: "lab:/{{{{ item }}}}", target: "scratch:/{{{{ item }}}}"}}
  process:
    needs: stage.each
    command: |
      echo {{{{ item }}}} >> "$LOG"
      sed s/in/out/ "$SCRATCH"/{{{{ item }}}} > "$SCRATCH"/{{{{ item }}}}.out
      echo "size=$(wc -c < "$SCRATCH"/{{{{ item }}}}.out)" >> "$WHERRY_OUTPUTS"
    outputs: [size]
  keep:
    needs: process.each
    transfer: {{source: "scratch:/{{{{ item }}}}.out", target: "lab:/kept/{{{{ item }}}}", cleanup: verified}}
  clean:
    needs: [keep, keep.cleanup]
    delete: {{path: "scratch:/{{{{ item }}}}"}}
    foreach: [f0, f1, f2]
)yaml",
                     world.scratch.file("scratch"), world.scratch.file("work/log"));
}

// A run of its own for each way to die, all in one world: to make one takes as long as a run.
class FlowCrash : public testing::Test {
 protected:
  // With the files as they are before it, and nothing that an earlier one has left.
  RunId begin() {
    for (const char* place : {"lab", "scratch", "work"}) {
      std::filesystem::remove_all(world_.at(place, ""));
      std::filesystem::create_directories(world_.at(place, ""));
    }
    for (int i = 0; i < kFrames; ++i)
      world_.write("lab", fmt::format("f{}", i), fmt::format("in {}\n", i));
    began_ = system_clock().now();
    return world_.create(crash_flow(world_)).id;
  }
  int run_with_deaths(RunId id, const std::function<std::size_t()>& next_death);
  void check_all_was_done_once(RunId id, int deaths);

  RunWorld world_;

 private:
  std::map<std::string, int> log_lines() const;

  TimePoint began_;
};

// How often each line stands in the log of the commands.
std::map<std::string, int> FlowCrash::log_lines() const {
  std::map<std::string, int> lines;
  std::string text = world_.read("work", "log");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    ++lines[text.substr(at, end - at)];
    at = end + 1;
  }
  return lines;
}

void FlowCrash::check_all_was_done_once(RunId id, int deaths) {
  EXPECT_EQ(world_.store->run(id)->state, RunState::kSucceeded) << world_.states(id);
  for (int i = 0; i < kFrames; ++i) {
    const std::string frame = fmt::format("f{}", i);
    EXPECT_EQ(world_.read("lab", "kept/" + frame), fmt::format("out {}\n", i));
    EXPECT_FALSE(world_.is_there("scratch", frame));
    EXPECT_FALSE(world_.is_there("scratch", frame + ".out"));
    EXPECT_EQ(world_.read("lab", frame), fmt::format("in {}\n", i));
  }
  std::uint64_t transfers = 0, deletions = 0;
  std::set<std::string> submissions;
  tasks::TaskFilter since;
  since.requested_after = began_;
  for (const tasks::Task& task : world_.ended_tasks(since)) {
    (task.type == tasks::TaskType::kTransfer ? transfers : deletions) += task.item_count;
    EXPECT_TRUE(submissions.insert(task.submission_id).second);
    EXPECT_EQ(task.state, tasks::TaskState::kSucceeded) << task.label;
  }
  EXPECT_EQ(transfers, 2u * kFrames);
  EXPECT_EQ(deletions, 2u * kFrames);
  // A command that was under way is the only thing that begins again.
  for (const auto& [frame, times] : log_lines()) EXPECT_LE(times, 1 + deaths) << frame;
  EXPECT_EQ(log_lines().size(), static_cast<std::size_t>(kFrames));
}

// Until one process lives to the end of the run.
int FlowCrash::run_with_deaths(RunId id, const std::function<std::size_t()>& next_death) {
  int deaths = 0;
  while (true) {
    // It may have died after the last thing that there was to do.
    if (world_.store->run(id)->state == RunState::kSucceeded) return deaths;
    Death death(deaths < 20 ? next_death() : 0);
    const auto end = world_.run(id, death);
    if (end) return deaths;
    EXPECT_TRUE(death.has_come()) << end.error().message;
    if (!death.has_come()) return deaths;
    ++deaths;
  }
}

TEST_F(FlowCrash, ARunThatIsKilledBeforeAnyStepIsTakenUpAndNothingIsDoneTwice) {
  const RunId whole = begin();
  Death never;
  ASSERT_EQ(world_.run(whole, never).value(), RunEnd::kSucceeded);
  check_all_was_done_once(whole, 0);
  const std::size_t steps = never.steps();
  ASSERT_GT(steps, 20u);
  for (std::size_t at = 1; at <= steps; ++at) {
    SCOPED_TRACE(fmt::format("killed before step {} of {}", at, steps));
    const RunId id = begin();
    bool was_killed = false;
    const int deaths = run_with_deaths(
        id, [&]() -> std::size_t { return std::exchange(was_killed, true) ? 0 : at; });
    check_all_was_done_once(id, deaths);
    if (testing::Test::HasFailure()) return;
  }
}

TEST_F(FlowCrash, WhatChangedWhileNobodyLivedIsNotDeletedAlthoughItWasProvenBefore) {
  int changed_after_its_proof = 0;
  for (std::size_t at = 1;; ++at) {
    SCOPED_TRACE(fmt::format("killed before step {}", at));
    begin();
    const RunId id = world_
                         .create(R"yaml(
tasks:
  keep: {transfer: {source: "lab:/f0", target: "scratch:/f0", cleanup: verified}}
)yaml")
                         .id;
    Death death(at);
    const auto end = world_.run(id, death);
    if (end) break;        // it has fewer steps
    world_.ended_tasks();  // what was sent is done before anything changes
    if (!world_.is_there("lab", "f0")) continue;
    world_.write("lab", "f0", "a later frame\n");
    if (!world_.node(id, "keep.cleanup").submission_id.empty()) ++changed_after_its_proof;
    ASSERT_TRUE(world_.run(id));
    const std::string place = world_.is_there("lab", "f0") ? "lab" : "scratch";
    EXPECT_EQ(world_.read(place, "f0"), "a later frame\n");
  }
  EXPECT_GT(changed_after_its_proof, 0) << "no death between the record and the sending was tried";
}

TEST_F(FlowCrash, ARunThatIsKilledAgainAndAgainComesToItsEnd) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    SeededRandom random(seed);
    const RunId id = begin();
    const int deaths =
        run_with_deaths(id, [&] { return static_cast<std::size_t>(1 + random.below(25)); });
    check_all_was_done_once(id, deaths);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace wherry::flow
