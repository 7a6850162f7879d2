// SPDX-License-Identifier: Apache-2.0
#include "api/pause_documents.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/golden.h"
#include "api/json.h"
#include "base/units.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using endpoints::Pausable;
using endpoints::PauseRule;

json::object text(std::string_view document) { return parse_object(document).value(); }

PauseRule maintenance() {
  PauseRule rule{.id = "11111111-0000-4000-8000-000000000004",
                 .endpoint = "aaaaaaaa-0000-4000-8000-000000000001",
                 .message = "the disk is replaced",
                 .identity = {},
                 .start = parse_time("2021-09-02T18:04:47Z").value(),
                 .holds = {},
                 .modified_by = "0e0e0e0e-0000-4000-8000-000000000003"};
  rule.holds.set(static_cast<std::size_t>(Pausable::kRename));
  rule.holds.set(static_cast<std::size_t>(Pausable::kWrite));
  return rule;
}

TEST(PauseDocuments, ARuleHasEveryKeyOfTheContract) {
  EXPECT_EQ(sent(pause_rule_document(maintenance(), {"lab", true, false})), golden("pause_rule"));
}

TEST(PauseDocuments, ThoseWhoAreHeldBackAreNotToldWhoElse) {
  const json::object limited = limited_pause_rule_document(maintenance(), {"lab", false, true});
  EXPECT_EQ(limited.at("DATA_TYPE").as_string(), "pause_rule_limited");
  EXPECT_TRUE(limited.at("created_by_host_manager").as_bool());
  EXPECT_FALSE(limited.contains("identity_id"));
  EXPECT_FALSE(limited.contains("modified_by_id"));
}

TEST(PauseDocuments, PauseInfoTellsTheMessageOfWhoPausedTheTask) {
  tasks::Task task;
  EXPECT_TRUE(pause_info_document(task, {}).at("source_pause_message").is_null());
  task.is_paused = true;
  task.admin_message = "too much";
  EXPECT_EQ(pause_info_document(task, {}).at("source_pause_message").as_string(), "too much");
}

TEST(PauseDocuments, ARuleIsRead) {
  const PauseRule rule =
      read_pause_rule(text(R"({"endpoint_id": "AB", "message": "m", "identity_id": null,
                               "start_time": "2021-09-02T18:04:47Z", "pause_ls": true})"))
          .value();
  EXPECT_EQ(rule.endpoint, "ab");
  EXPECT_EQ(rule.start, maintenance().start);
  EXPECT_TRUE(rule.identity.empty());
  EXPECT_TRUE(rule.holds_back(Pausable::kList));
  EXPECT_EQ(rule.holds.count(), 1u);
}

TEST(PauseDocuments, AChangeKnowsWhatItNames) {
  const endpoints::PauseRuleChange change =
      read_pause_rule_change(
          text(R"({"pause_ls": false, "pause_rename": true, "start_time": null})"))
          .value();
  EXPECT_EQ(change.known.count(), 2u);
  EXPECT_EQ(change.holds.count(), 1u);
  EXPECT_TRUE(change.start && !*change.start);
  EXPECT_FALSE(change.message);
}

TEST(PauseDocuments, WhatIsWrongIsNamed) {
  EXPECT_EQ(read_pause_rule(text("{}")).error().message, "endpoint_id is missing");
  EXPECT_EQ(read_pause_rule(text(R"({"endpoint_id": "a"})")).error().message, "message is missing");
  EXPECT_EQ(read_pause_rule_change(text(R"({"pause_ls": 3})")).error().message,
            "pause_ls must be true or false");
  EXPECT_EQ(read_admin_request(text(R"({"message": "m"})")).error().message,
            "task_id_list must be an array of 1 to 1000 task ids");
  EXPECT_EQ(read_admin_request(text(R"({"task_id_list": [1]})")).error().message,
            "task_id_list must hold strings");
}

TEST(PauseDocuments, ARequestOfAManagerIsRead) {
  const AdminRequest request =
      read_admin_request(text(R"({"message": "m", "task_id_list": ["A", "b"]})")).value();
  EXPECT_EQ(request.tasks, (std::vector<tasks::TaskId>{"a", "b"}));
  EXPECT_EQ(request.message, "m");
}

}  // namespace
}  // namespace wherry::api
