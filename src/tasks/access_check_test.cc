// SPDX-License-Identifier: Apache-2.0
// Tasks of people who are not the owners of the endpoints: what they may submit, and what comes of
// it when rules change before or while they run.
#include "tasks/access_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tasks/test_world.h"

namespace wherry::tasks {
namespace {

namespace fs = std::filesystem;
using endpoints::Access;
using endpoints::AccessRule;
using testing::HasSubstr;

constexpr const char* kAda = "aaaaaaaa-0000-4000-8000-000000000001";
constexpr const char* kBen = "bbbbbbbb-0000-4000-8000-000000000002";

// Ada's endpoints "from" and "to" in directories of this host; Ben's tasks.
class AccessCheck : public testing::Test {
 protected:
  AccessCheck() {
    from_ = create("from");
    to_ = create("to");
    fs::create_directories(from("run/deep"));
    fs::create_directories(to("in"));
    for (const char* name : {"run/a", "run/deep/b", "secret"}) std::ofstream(from(name)) << name;
  }

  EndpointId create(const std::string& name) {
    fs::create_directory(world_.scratch.file(name));
    endpoints::NewEndpoint request;
    request.display_name = name;
    request.location = world_.scratch.file(name);
    request.owner = kAda;
    return world_.endpoints->create(request).value().id;
  }
  std::string from(const std::string& name) { return world_.scratch.file("from/" + name); }
  std::string to(const std::string& name) { return world_.scratch.file("to/" + name); }

  AccessRule grant(const EndpointId& endpoint, std::string_view path, Access access) {
    AccessRule rule;
    rule.endpoint = endpoint;
    rule.principal = kBen;
    rule.path = RelPath::parse(path).value();
    rule.access = access;
    return permissions_.create_rule(rule).value();
  }
  TransferRequest transfer(const std::string& source, const std::string& target,
                           const char* owner = kBen) {
    TransferRequest request = world_.transfer(source, target);
    request.owner = owner;
    request.source_endpoint = from_;
    request.target_endpoint = to_;
    return request;
  }
  DeleteRequest removal(const std::string& path) {
    DeleteRequest request;
    request.submission_id = new_uuid(world_.random);
    request.owner = kBen;
    request.endpoint = to_;
    request.items = {{RelPath::parse(path).value()}};
    request.options.recursive = true;
    return request;
  }
  template <class Request>
  Error refusal(const Request& request) {
    const auto submitted = world_.service->submit(request);
    return submitted ? make_error(Code::kBug, "accepted") : submitted.error();
  }

  TestWorld world_;
  endpoints::Permissions permissions_{*world_.database, *world_.endpoints, world_.clock,
                                      world_.random};
  EndpointId from_, to_;
};

TEST_F(AccessCheck, AStrangersEndpointIsRefusedLikeOneThatDoesNotExist) {
  const Error refused = refusal(transfer("run", "in/run"));
  EXPECT_EQ(refused.code, Code::kNotFound);
  TransferRequest missing = transfer("run", "in/run");
  missing.source_endpoint = "12345678-0000-4000-8000-000000000000";
  std::string expected = refusal(missing).message;
  expected.replace(expected.find(missing.source_endpoint), from_.size(), from_);
  EXPECT_EQ(refused.message, expected);
  EXPECT_EQ(refusal(removal("in/x")).code, Code::kNotFound);
  missing.source_endpoint = endpoints::kLocalId;
  EXPECT_EQ(refusal(missing).code, Code::kNotFound);
}

TEST_F(AccessCheck, EachItemNeedsItsRight) {
  grant(from_, "run", Access::kRead);
  const AccessRule rule = grant(to_, "in", Access::kRead);
  EXPECT_EQ(refusal(transfer("run", "in/run")).code, Code::kDenied);
  ASSERT_TRUE(permissions_.update_rule(to_, rule.id, {Access::kReadWrite, {}}));
  TransferRequest mixed = transfer("run/a", "in/a");
  mixed.items.push_back({.source = RelPath::parse("secret").value(),
                         .target = RelPath::parse("in/s").value(),
                         .checksum = {}});
  EXPECT_EQ(refusal(mixed).code, Code::kDenied);
  EXPECT_THAT(refusal(mixed).message, HasSubstr("item 2, source"));
  EXPECT_EQ(refusal(transfer("running", "in/x")).code, Code::kDenied);
  EXPECT_EQ(refusal(transfer("run", "inn")).code, Code::kDenied);
  EXPECT_TRUE(world_.service->tasks({})->empty());
}

TEST_F(AccessCheck, WhatIsGrantedArrives) {
  grant(from_, "run", Access::kRead);
  grant(to_, "in", Access::kReadWrite);
  const Task task = world_.run(transfer("run", "in/run"));
  EXPECT_EQ(task.state, TaskState::kSucceeded) << task.fatal_error->description;
  EXPECT_EQ(task.counts.files_transferred, 2u);
  EXPECT_EQ(fs::file_size(to("in/run/deep/b")), 10u);
}

TEST_F(AccessCheck, TreeArrivesInTheGrantedDirectoryItselfAlsoIfItIsMissing) {
  grant(from_, "run", Access::kRead);
  grant(to_, "fresh", Access::kReadWrite);
  const Task task = world_.run(transfer("run", "fresh"));
  EXPECT_EQ(task.state, TaskState::kSucceeded);
  EXPECT_TRUE(fs::exists(to("fresh/deep/b")));
}

TEST_F(AccessCheck, SymlinkOutOfTheGrantedDirectoryIsOneFailedFile) {
  fs::create_symlink("../secret", from("run/link"));
  grant(from_, "run", Access::kRead);
  grant(to_, "in", Access::kReadWrite);
  TransferRequest request = transfer("run", "in/run");
  request.options.symlinks = engine::SymlinkPolicy::kCopy;
  const Task task = world_.run(request);
  EXPECT_EQ(task.state, TaskState::kFailed);
  EXPECT_EQ(task.fatal_error->code, "PERMISSION_DENIED");
  EXPECT_EQ(task.counts.files_transferred, 2u);
  EXPECT_FALSE(fs::exists(to("in/run/link")));
}

TEST_F(AccessCheck, RuleThatIsRemovedWhileATaskWaitsStopsIt) {
  const AccessRule rule = grant(from_, "run", Access::kRead);
  grant(to_, "in", Access::kReadWrite);
  const TaskId id = world_.submit(transfer("run", "in/run"));
  ASSERT_TRUE(permissions_.remove_rule(from_, rule.id));
  const Task task = world_.run(id);
  EXPECT_EQ(task.state, TaskState::kFailed);
  ASSERT_TRUE(task.fatal_error);
  EXPECT_EQ(task.fatal_error->code, "PERMISSION_DENIED");
  EXPECT_EQ(task.counts.files_transferred, 0u);
  EXPECT_TRUE(fs::is_empty(to("in")));
}

TEST_F(AccessCheck, EndpointThatBecomesReadOnlyWhileATaskWaitsStaysAsItIs) {
  grant(from_, "run", Access::kRead);
  grant(to_, "in", Access::kReadWrite);
  const TaskId id = world_.submit(transfer("run", "in/run"));
  endpoints::EndpointChange change;
  change.access = Access::kRead;
  ASSERT_TRUE(world_.endpoints->update(to_, change));
  const Task task = world_.run(id);
  EXPECT_EQ(task.fatal_error->code, "PERMISSION_DENIED");
  EXPECT_TRUE(fs::is_empty(to("in")));
}

TEST_F(AccessCheck, RuleThatEndsWhileATaskRunsFailsTheItemsThatBeginThen) {
  AccessRule rule = grant(from_, "run", Access::kRead);
  grant(to_, "in", Access::kReadWrite);
  ASSERT_TRUE(
      permissions_.update_rule(from_, rule.id, {{}, world_.clock.now() + std::chrono::hours(1)}));
  constexpr int kFiles = 20;
  TransferRequest request = transfer("run/a", "in/a");
  request.items.clear();
  for (int i = 0; i < kFiles; ++i) {
    std::ofstream(from(fmt::format("run/{:02}", i))) << "whole";
    request.items.push_back({.source = RelPath::parse(fmt::format("run/{:02}", i)).value(),
                             .target = RelPath::parse(fmt::format("in/{:02}", i)).value(),
                             .checksum = {}});
  }
  world_.options.limits.workers = 1;
  world_.options.limits.group_files = 1;
  world_.restart();
  const TaskId id = world_.submit(request);
  // The rule expires when the first outcome is stored.
  bool ended = false;
  world_.fault = [&](std::string_view point) -> Result<void> {
    if (point == "committed" && !ended && fs::exists(to("in/00"))) {
      ended = true;
      world_.clock.advance(std::chrono::hours(2));
    }
    return {};
  };
  const Task task = world_.run(id);
  world_.fault = nullptr;
  EXPECT_EQ(task.state, TaskState::kFailed);
  EXPECT_EQ(task.fatal_error->code, "PERMISSION_DENIED");
  EXPECT_GT(task.counts.files_transferred, 0u);
  EXPECT_GT(task.counts.files_failed, 0u);
  EXPECT_EQ(task.counts.files_transferred + task.counts.files_failed, std::uint64_t{kFiles});
  std::uint64_t arrived = 0;
  for (const auto& entry : fs::directory_iterator(to("in"))) {
    EXPECT_EQ(entry.file_size(), 5u) << entry.path();
    ++arrived;
  }
  EXPECT_EQ(arrived, task.counts.files_transferred);
}

TEST_F(AccessCheck, DeleteEmptiesWhatIsGrantedAndKeepsTheDirectoryOfTheRule) {
  grant(to_, "in", Access::kReadWrite);
  std::ofstream(to("in/x")) << "x";
  std::ofstream(to("kept")) << "x";
  EXPECT_EQ(refusal(removal("in")).code, Code::kDenied);
  EXPECT_EQ(refusal(removal("kept")).code, Code::kDenied);
  const auto submitted = world_.service->submit(removal("in/x"));
  ASSERT_TRUE(submitted) << submitted.error().message;
  EXPECT_EQ(world_.run(submitted->task_id).state, TaskState::kSucceeded);
  EXPECT_FALSE(fs::exists(to("in/x")));
  EXPECT_TRUE(fs::exists(to("in")));
}

TEST_F(AccessCheck, OwnerAndLocalUserNeedNoRule) {
  EXPECT_EQ(world_.run(transfer("run", "in/ada", kAda)).state, TaskState::kSucceeded);
  EXPECT_EQ(world_.run(transfer("run", "in/det", "det")).state, TaskState::kSucceeded);
}

TEST_F(AccessCheck, CopyWithinOneEndpointOntoItselfIsStillNoticed) {
  grant(to_, "in", Access::kReadWrite);
  std::ofstream(to("in/x")) << "x";
  TransferRequest request = transfer("in/x", "in/x");
  request.source_endpoint = to_;
  EXPECT_EQ(refusal(request).code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::tasks
