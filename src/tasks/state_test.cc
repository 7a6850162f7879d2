// SPDX-License-Identifier: Apache-2.0
#include "tasks/state.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace wherry::tasks {
namespace {

constexpr TaskState kStates[] = {TaskState::kActive, TaskState::kInactive, TaskState::kSucceeded,
                                 TaskState::kFailed};

TEST(TaskState, OnlyThePairsOfTheTableMayMove) {
  const std::set<std::pair<TaskState, TaskState>> allowed = {
      {TaskState::kActive, TaskState::kInactive}, {TaskState::kActive, TaskState::kSucceeded},
      {TaskState::kActive, TaskState::kFailed},   {TaskState::kInactive, TaskState::kActive},
      {TaskState::kInactive, TaskState::kFailed}, {TaskState::kFailed, TaskState::kActive}};
  for (const TaskState from : kStates) {
    for (const TaskState to : kStates) {
      EXPECT_EQ(may_move(from, to), allowed.count({from, to}) != 0)
          << to_string(from) << " to " << to_string(to);
    }
  }
  EXPECT_EQ(transitions().size(), allowed.size());
  for (const Transition& row : transitions()) EXPECT_FALSE(row.why.empty());
}

TEST(TaskState, NamesAreTheContractsAndReadBack) {
  std::set<std::string_view> names;
  for (const TaskState state : kStates) {
    names.insert(to_string(state));
    EXPECT_EQ(parse_task_state(to_string(state)).value(), state);
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"}));
}

TEST(TaskState, AnUnknownNameIsRefusedWithTheGoodOnes) {
  const auto parsed = parse_task_state("active");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, Code::kInvalid);
  EXPECT_NE(parsed.error().message.find("INACTIVE"), std::string::npos);
}

TEST(TaskState, SucceededIsForEver) {
  for (const TaskState to : kStates) EXPECT_FALSE(may_move(TaskState::kSucceeded, to));
}

TEST(TaskState, FinalAreThoseThatHaveEnded) {
  EXPECT_TRUE(is_final(TaskState::kSucceeded));
  EXPECT_TRUE(is_final(TaskState::kFailed));
  EXPECT_FALSE(is_final(TaskState::kActive));
  EXPECT_FALSE(is_final(TaskState::kInactive));
}

}  // namespace
}  // namespace wherry::tasks
