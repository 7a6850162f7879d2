// SPDX-License-Identifier: Apache-2.0
#include "api/replies.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "api/documents.h"
#include "api/golden.h"
#include "api/json.h"
#include "base/units.h"

namespace wherry::api {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

TEST(Replies, ATaskIsReadFromItsDocument) {
  const auto task = read_task(golden("task_active"));
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->state, tasks::TaskState::kActive);
  EXPECT_EQ(task->label, "nightly run");
  EXPECT_EQ(task->transfer_options.sync_level, engine::SyncLevel::kNewer);
  EXPECT_EQ(task->transfer_options.symlinks, engine::SymlinkPolicy::kKeep);
  EXPECT_EQ(task->counts.files_transferred, 4u);
  EXPECT_EQ(task->counts.skipped_errors, 1u);
  EXPECT_EQ(task->nice_status, "PERMISSION_DENIED");
  EXPECT_EQ(task->requested, parse_time("2021-09-02T18:04:47Z").value());
  EXPECT_FALSE(task->completed);
}

TEST(Replies, ACanceledTaskSaysWhy) {
  const auto task = read_task(golden("task_canceled_delete"));
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->type, tasks::TaskType::kDelete);
  EXPECT_EQ(task->fatal_error->code, "CANCELED");
  EXPECT_EQ(task->counts.removed, 6u);
  EXPECT_TRUE(task->cut_short);
  EXPECT_TRUE(task->target_endpoint.empty());
}

TEST(Replies, AListingComesBackAsItWasSent) {
  const auto list = read_file_list(golden("file_list"));
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->total, 9u);
  ASSERT_EQ(list->rows.size(), 5u);
  EXPECT_EQ(list->rows[0].attributes.mode, 0644u);
  EXPECT_EQ(list->rows[1].name, "caf\xe9\\");
  EXPECT_FALSE(list->rows[2].is_link);
  EXPECT_EQ(list->rows[2].attributes.type, EntryType::kOther);
  EXPECT_TRUE(list->rows[3].is_link && !list->rows[3].link_is_broken);
  EXPECT_TRUE(list->rows[4].is_link && list->rows[4].link_is_broken);
  for (std::size_t i = 0; i < list->rows.size(); ++i)
    EXPECT_EQ(to_text(file_document(list->rows[i])),
              to_text(file_document(read_file_info(file_document(list->rows[i])).value())));
}

TEST(Replies, AServiceCannotNameAFileOutsideOfTheDirectory) {
  for (const char* name : {"../x", "a/b", "..", ".", "", "/", "a\\\\x00"}) {
    const std::string text = fmt::format(R"({{"DATA":[{{"name":"{}","type":"file"}}]}})", name);
    const auto list = read_file_list(parse_object(text).value());
    ASSERT_FALSE(list) << name;
    EXPECT_EQ(list.error().code, Code::kCorrupt);
  }
}

TEST(Replies, OutcomesAndEventsAreReadByPage) {
  const auto moved = read_successful_transfers(golden("successful_transfers"));
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_EQ(moved->next, 7u);
  EXPECT_EQ(moved->rows.at(0).target_path, "/b\xff");
  EXPECT_EQ(moved->rows.at(0).checksum, "0123");
  const auto errors = read_skipped_errors(golden("skipped_errors"));
  ASSERT_TRUE(errors) << errors.error().message;
  EXPECT_FALSE(errors->next);
  EXPECT_TRUE(errors->rows.at(0).skipped && errors->rows.at(0).is_directory);
  const auto events = read_event_list(golden("event_list"));
  ASSERT_TRUE(events) << events.error().message;
  EXPECT_EQ(events->total, 2u);
  EXPECT_EQ(events->rows.at(0).code, "STARTED");
}

TEST(Replies, EndpointsAndSubmissionsAreRead) {
  const auto endpoint = read_endpoint(golden("endpoint"));
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(endpoint->display_name, "lab");
  EXPECT_EQ(endpoint->keywords, (std::vector<std::string>{"x-ray", "beam"}));
  const auto list =
      read_endpoint_list(endpoint_list_document(json::array{golden("endpoint")}, 100, 0, true));
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_TRUE(list->has_next_page);
  EXPECT_EQ(list->rows.size(), 1u);
  EXPECT_EQ(read_submission_id(submission_id_document("id")).value(), "id");
  const auto submitted = read_submitted(golden("transfer_result"));
  ASSERT_TRUE(submitted);
  EXPECT_EQ(submitted->kind, tasks::Submitted::Kind::kAccepted);
}

TEST(Replies, AWrongAnswerIsTheServicesFaultAndSaysWhere) {
  const auto list = read_task_list(parse_object(R"({"DATA":[{"task_id":"a"}]})").value());
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, Code::kCorrupt);
  EXPECT_THAT(list.error().message, HasSubstr("row 1: type is missing"));
  EXPECT_FALSE(read_submission_id({}));
  EXPECT_FALSE(
      read_file_info(parse_object(R"({"name":"a","type":"file","permissions":"rw"})").value()));
}

}  // namespace
}  // namespace wherry::api
