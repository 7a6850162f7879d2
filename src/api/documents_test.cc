// SPDX-License-Identifier: Apache-2.0
// Documents against files of tests/data/api, which were written from the contract.
#include "api/documents.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "api/json.h"
#include "base/file.h"
#include "base/units.h"

namespace wherry::api {
namespace {

namespace json = boost::json;

const std::string kSource = "aaaaaaaa-0000-4000-8000-000000000001";
const std::string kTarget = "bbbbbbbb-0000-4000-8000-000000000002";
const std::string kOwner = "0e0e0e0e-0000-4000-8000-000000000003";
const std::string kTask = "11111111-0000-4000-8000-000000000004";
const TimePoint kRequested = parse_time("2021-09-02T18:04:47Z").value();

// Says which member differs; the order of members means nothing.
void expect_golden(const json::object& document, const std::string& name) {
  const std::string path = std::string(WHERRY_TEST_DATA) + "/api/" + name + ".json";
  const json::object expected = parse_object(read_file(path, 1 << 20).value()).value();
  const json::object actual = parse_object(to_text(document)).value();
  for (const auto& member : expected) {
    const json::value* value = actual.if_contains(member.key());
    ASSERT_NE(value, nullptr) << name << ": no " << member.key();
    EXPECT_EQ(*value, member.value()) << name << ": " << member.key();
  }
  for (const auto& member : actual)
    EXPECT_TRUE(expected.contains(member.key())) << name << ": " << member.key();
}

endpoints::Endpoint lab() {
  endpoints::Endpoint endpoint;
  endpoint.id = kSource;
  endpoint.display_name = "lab";
  endpoint.owner = kOwner;
  endpoint.organization = "Example Lab";
  endpoint.keywords = {"x-ray", "beam"};
  endpoint.default_directory = "/home/";
  return endpoint;
}

tasks::Task active_transfer() {
  tasks::Task task;
  task.id = kTask;
  task.owner = kOwner;
  task.label = "nightly run";
  task.source_endpoint = kSource;
  task.target_endpoint = kTarget;
  task.transfer_options.sync_level = engine::SyncLevel::kNewer;
  task.transfer_options.preserve_mtime = true;
  task.transfer_options.skip_source_errors = true;
  task.transfer_options.symlinks = engine::SymlinkPolicy::kKeep;
  task.transfer_options.filters = {
      {engine::FilterRule::Method::kExclude, "*.tmp", engine::FilterRule::Applies::kFiles}};
  task.requested = kRequested;
  task.deadline = kRequested + std::chrono::hours(24);
  task.counts.files = 10;
  task.counts.directories = 2;
  task.counts.symlinks = 1;
  task.counts.files_transferred = 4;
  task.counts.files_skipped = 1;
  task.counts.skipped_errors = 1;
  task.counts.files_failed = 1;
  task.counts.bytes_transferred = 4096;
  task.counts.bytes_checksummed = 8192;
  task.counts.faults = 3;
  task.bytes_per_second = 1024.7;
  task.nice_status = "PERMISSION_DENIED";
  task.nice_status_details = "why";
  return task;
}

TEST(Documents, AnActiveTransferHasEveryKeyOfTheContract) {
  const endpoints::Endpoint source = lab();
  TaskView view;
  view.source = &source;
  tasks::Task task = active_transfer();
  task.is_paused = true;
  expect_golden(task_document(task, view), "task_active");
}

TEST(Documents, ACanceledDeleteSaysHowMuchOfItHappened) {
  const endpoints::Endpoint source = lab();
  TaskView view;
  view.source = &source;
  tasks::Task task = active_transfer();
  task.is_paused = true;
  task.type = tasks::TaskType::kDelete;
  task.state = tasks::TaskState::kFailed;
  task.label.clear();
  task.target_endpoint.clear();
  task.completed = kRequested + std::chrono::hours(1);
  task.counts = {};
  task.counts.files = 10;
  task.counts.removed = 6;
  task.bytes_per_second = 0;
  task.cut_short = true;
  task.fatal_error = {"CANCELED", "canceled by its owner"};
  expect_golden(task_document(task, view), "task_canceled_delete");
}

TEST(Documents, AQueuedTaskIsWellAndHasOneSubtaskToCome) {
  tasks::Task task = active_transfer();
  task.counts = {};
  task.nice_status = "Queued";
  const json::object document = task_document(task, {});
  EXPECT_EQ(document.at("is_ok"), true);
  EXPECT_EQ(document.at("subtasks_pending"), 1);
  EXPECT_EQ(document.at("subtasks_total"), 1);
  EXPECT_EQ(document.at("files"), 0u);
}

TEST(Documents, SubtasksAddUpWhateverTheEnd) {
  for (const char* fatal : {"", "CANCELED", "EXPIRED", "PERMISSION_DENIED"}) {
    tasks::Task task = active_transfer();
    task.state = *fatal == '\0' ? tasks::TaskState::kSucceeded : tasks::TaskState::kFailed;
    task.cut_short = *fatal != '\0';
    if (task.cut_short) task.fatal_error = {fatal, "why"};
    const json::object document = task_document(task, {});
    std::uint64_t sum = 0;
    for (const char* part :
         {"pending", "retrying", "succeeded", "expired", "canceled", "failed", "skipped_errors"})
      sum += document.at(std::string("subtasks_") + part).to_number<std::uint64_t>();
    EXPECT_EQ(sum, document.at("subtasks_total").to_number<std::uint64_t>()) << fatal;
  }
}

TEST(Documents, AListingTellsLinksBrokenLinksAndNamesThatAreNotUtf8) {
  const auto file = [](const char* name, EntryType type) {
    tasks::FileInfo info;
    info.name = name;
    info.attributes.type = type;
    info.attributes.mode = 0644;
    info.attributes.size = 4;
    info.attributes.mtime = parse_time("2020-09-23T18:53:12Z").value();
    info.user = "ada";
    return info;
  };
  const auto link = [&](const char* name, EntryType type, const char* target) {
    tasks::FileInfo info = file(name, type);
    info.is_link = true;
    info.link_target = target;
    info.link_is_broken = type == EntryType::kSymlink;
    info.link_attributes.size = info.link_target.size();
    info.link_attributes.mtime = parse_time("2020-09-24T18:53:12Z").value();
    info.link_user = "root";
    return info;
  };
  const std::vector<tasks::FileInfo> files = {
      file("a.txt", EntryType::kFile), file("caf\xe9\\", EntryType::kDirectory),
      file("dev", EntryType::kOther), link("good", EntryType::kFile, "a.txt"),
      link("lost", EntryType::kSymlink, "gone")};
  expect_golden(file_list_document({kSource, RelPath::from_normal("share"), true, 9, files}),
                "file_list");
}

TEST(Documents, AnEndpointHasEveryKeyOfTheContract) {
  EndpointView view;
  view.owner_string = "ada@example.org";
  view.roles = {"administrator"};
  view.is_shareable = true;
  expect_golden(endpoint_document(lab(), view), "endpoint");
  view.is_shareable = false;
  view.has_access_rules = true;
  view.host = EndpointView::Host{kTarget, "store", "/d/"};
  endpoints::Endpoint share = lab();
  share.host_endpoint = kTarget;
  expect_golden(endpoint_document(share, view), "endpoint_share");
}

TEST(Documents, OutcomesAreListedByMarker) {
  json::array moved{successful_transfer_document({0, "/a", "/b\xff", 5, "0123"})};
  expect_golden(marker_list("successful_transfers", std::move(moved), 0, 7),
                "successful_transfers");
  json::array errors{skipped_error_document(
      {0, "/a", "/b", "PERMISSION_DENIED", "open: denied", kRequested, true, true})};
  expect_golden(marker_list("skipped_errors", std::move(errors), 7, std::nullopt),
                "skipped_errors");
}

TEST(Documents, EventsAreListedByOffset) {
  json::array events{event_document({kRequested, "STARTED", "started", R"({"files":1})", false})};
  expect_golden(offset_list("event_list", std::move(events), {10, 0, 2}), "event_list");
}

TEST(Documents, AnEmptyPageNeverKeepsAClientAskingForMore) {
  const json::object page = offset_list("task_list", {}, {10, 5, 100});
  EXPECT_EQ(page.at("total"), 5u);
}

TEST(Documents, ASubmissionIsAnsweredWithItsTask) {
  const tasks::Submitted accepted{kTask, tasks::Submitted::Kind::kAccepted};
  const RequestContext context{"7HgMVYazI", "/v0.10/transfer"};
  expect_golden(submitted_document(tasks::TaskType::kTransfer, accepted, kTarget, context),
                "transfer_result");
  const tasks::Submitted again{kTask, tasks::Submitted::Kind::kDuplicate};
  const json::object repeated =
      submitted_document(tasks::TaskType::kDelete, again, kTarget, context);
  EXPECT_EQ(repeated.at("DATA_TYPE"), "delete_result");
  EXPECT_EQ(repeated.at("code"), "Duplicate");
  EXPECT_EQ(repeated.at("task_id").as_string(), kTask);
}

}  // namespace
}  // namespace wherry::api
