// SPDX-License-Identifier: Apache-2.0
#include "tasks/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tasks/test_world.h"

namespace wherry::tasks {
namespace {

using testing::HasSubstr;

class ValidateTest : public testing::Test {
 protected:
  void expect_refused(const TransferRequest& request, Code code, const std::string& why) {
    const auto submitted = world_.service->submit(request);
    ASSERT_FALSE(submitted) << "expected: " << why;
    EXPECT_EQ(submitted.error().code, code) << submitted.error().message;
    EXPECT_THAT(submitted.error().message, HasSubstr(why));
    EXPECT_TRUE(world_.service->tasks({})->empty());
  }
  void expect_accepted(const TransferRequest& request) {
    const auto submitted = world_.service->submit(request);
    EXPECT_TRUE(submitted) << submitted.error().message;
  }

  TestWorld world_;
  TransferRequest request_ = world_.transfer("run", "copy");
};

TEST_F(ValidateTest, ARequestWithoutItemsIsRefused) {
  request_.items.clear();
  expect_refused(request_, Code::kInvalid, "no items");
}

TEST_F(ValidateTest, OneItemTooManyIsRefused) {
  request_.items.resize(kMaxItems, request_.items[0]);
  request_.items.push_back(request_.items[0]);
  expect_refused(request_, Code::kInvalid, "100001 items");
  request_.items.pop_back();
  expect_accepted(request_);
}

TEST_F(ValidateTest, ALabelIsCountedInCharacters) {
  std::string label;
  for (int i = 0; i < 128; ++i) label += "ä";
  request_.label = label + "x";
  expect_refused(request_, Code::kInvalid, "129 characters");
  request_.label = label;
  expect_accepted(request_);
}

TEST_F(ValidateTest, ALabelIsPlainText) {
  for (const char* label : {"two\nlines", "bell\a", "\xff", "cut \xc3"}) {
    request_.label = label;
    expect_refused(request_, Code::kInvalid, "label");
  }
  request_.label = "back\\slash";
  expect_accepted(request_);
}

TEST_F(ValidateTest, ADeadlineIsInTheFuture) {
  request_.deadline = world_.clock.now();
  expect_refused(request_, Code::kInvalid, "in the past");
  request_.deadline = world_.clock.now() + Duration(1);
  expect_accepted(request_);
}

TEST_F(ValidateTest, ASubmissionIdIsAUuid) {
  request_.submission_id = "mine";
  expect_refused(request_, Code::kInvalid, "'mine' is not a UUID");
  request_.submission_id.clear();
  expect_refused(request_, Code::kInvalid, "not a UUID");
}

TEST_F(ValidateTest, SomebodyOwnsATask) {
  request_.owner.clear();
  expect_refused(request_, Code::kInvalid, "owner");
}

TEST_F(ValidateTest, EndpointsExist) {
  request_.source_endpoint = new_uuid(world_.random);
  expect_refused(request_, Code::kNotFound, request_.source_endpoint);
  request_.source_endpoint.clear();
  expect_refused(request_, Code::kInvalid, "source endpoint");
}

TEST_F(ValidateTest, AReadOnlyTargetIsRefused) {
  request_.target_endpoint =
      world_.add_endpoint("fixed", world_.target_memory, 0, endpoints::Access::kRead);
  expect_refused(request_, Code::kDenied, "'fixed' is read-only");
}

TEST_F(ValidateTest, FiltersMatchNames) {
  request_.options.filters = {{engine::FilterRule::Method::kExclude, "a/b", {}}};
  expect_refused(request_, Code::kInvalid, "slash");
  request_.options.filters[0].pattern.clear();
  expect_refused(request_, Code::kInvalid, "empty pattern");
}

TEST_F(ValidateTest, AChecksumIsOfAFileAndHasItsLength) {
  engine::TransferItem& item = request_.items[0];
  item.checksum = engine::ExternalChecksum{HashAlgorithm::kMd5, "abc"};
  expect_refused(request_, Code::kInvalid, "32 hexadecimal digits");
  item.checksum->digest = std::string(32, 'g');
  expect_refused(request_, Code::kInvalid, "32 hexadecimal digits");
  item.checksum->digest = std::string(32, 'A');
  item.recursion = engine::TransferItem::Recursion::kYes;
  expect_refused(request_, Code::kInvalid, "recursive");
  item.recursion = engine::TransferItem::Recursion::kNo;
  expect_accepted(request_);
}

TEST_F(ValidateTest, ATreeIsNotCopiedIntoItselfOrOntoItself) {
  request_.target_endpoint = request_.source_endpoint;
  const auto with = [&](const std::string& source, const std::string& target) {
    request_.items[0].source = RelPath::parse(source).value();
    request_.items[0].target = RelPath::parse(target).value();
    return request_;
  };
  expect_refused(with("run", "run"), Code::kInvalid, "the same");
  expect_refused(with("run", "run/copy"), Code::kInvalid, "within the source");
  expect_refused(with("/", "copy"), Code::kInvalid, "within the source");
  request_.options.delete_extra = true;
  expect_refused(with("run/part", "run"), Code::kInvalid, "source is within the target");
  request_.options.delete_extra = false;
  expect_accepted(with("run/part", "run"));
}

TEST_F(ValidateTest, ANameThatOnlyBeginsAlikeIsNoOverlap) {
  request_.target_endpoint = request_.source_endpoint;
  request_.items[0].source = RelPath::parse("run").value();
  request_.items[0].target = RelPath::parse("run2").value();
  expect_accepted(request_);
}

// Endpoints on directories of this host, which may overlap.
class HostOverlapTest : public ValidateTest {
 protected:
  EndpointId on_host(const std::string& name, const std::string& directory) {
    endpoints::NewEndpoint request;
    request.display_name = name;
    request.location = directory;
    request.owner = "ada";
    const auto made = world_.endpoints->create(request);
    CHECK(made.has_value());
    return made->id;
  }
  std::string directory(const std::string& name) {
    const std::string path = world_.scratch.file(name);
    CHECK(::mkdir(path.c_str(), 0755) == 0);
    return path;
  }
  TransferRequest with(const EndpointId& source, const std::string& from, const EndpointId& target,
                       const std::string& to) {
    TransferRequest request = world_.transfer(from, to);
    request.source_endpoint = source;
    request.target_endpoint = target;
    return request;
  }
};

TEST_F(HostOverlapTest, TwoEndpointsOnOneDirectoryAreSeenThrough) {
  const std::string data = directory("data");
  directory("data/run");
  const EndpointId whole = on_host("whole", data);
  const EndpointId part = on_host("part", data + "/run");
  expect_refused(with(whole, "run", part, "copy"), Code::kInvalid, "within the source");
  expect_refused(with(whole, "run/a", part, "a"), Code::kInvalid, "the same");
  expect_refused(with(whole, "/", part, "/"), Code::kInvalid, "within the source");
  expect_accepted(with(whole, "other", part, "copy"));
}

TEST_F(HostOverlapTest, ASymlinkDoesNotHideTheSource) {
  const std::string data = directory("data");
  directory("data/run");
  ASSERT_EQ(::symlink("run", (data + "/alias").c_str()), 0);
  const EndpointId whole = on_host("whole", data);
  expect_refused(with(whole, "run", whole, "alias"), Code::kInvalid, "the same");
  expect_refused(with(whole, "run", whole, "alias/deep/copy"), Code::kInvalid, "within the source");
  expect_refused(with(whole, "alias", whole, "run/copy"), Code::kInvalid, "within the source");
}

TEST_F(HostOverlapTest, ASymlinkThatIsCopiedItselfMayLeadWhereItLeads) {
  const std::string data = directory("data");
  for (const char* name : {"data/one", "data/two", "data/shared"}) directory(name);
  for (const char* name : {"/one/l", "/two/l"})
    ASSERT_EQ(::symlink((data + "/shared").c_str(), (data + name).c_str()), 0);
  const EndpointId whole = on_host("whole", data);
  TransferRequest request = with(whole, "one/l", whole, "two/l");
  expect_refused(request, Code::kInvalid, "the same");
  request.items[0].kind = engine::TransferItem::Kind::kSymlink;
  expect_accepted(request);
}

TEST_F(HostOverlapTest, DirectoriesApartDoNotOverlap) {
  const EndpointId one = on_host("one", directory("one"));
  const EndpointId two = on_host("two", directory("two"));
  expect_accepted(with(one, "run", two, "run"));
}

TEST_F(ValidateTest, ADeleteOfEverythingIsRefused) {
  for (const char* path : {"/", "", "~"}) {
    DeleteRequest request;
    request.submission_id = new_uuid(world_.random);
    request.owner = "ada";
    request.endpoint = world_.target;
    request.options.recursive = true;
    request.items.push_back({RelPath::parse(path).value()});
    const auto submitted = world_.service->submit(request);
    ASSERT_FALSE(submitted) << path;
    EXPECT_EQ(submitted.error().code, Code::kInvalid);
    EXPECT_THAT(submitted.error().message, HasSubstr("refused"));
  }
  EXPECT_TRUE(world_.service->tasks({})->empty());
}

TEST_F(HostOverlapTest, WhatHoldsTheStateOfTheServiceIsNotDeleted) {
  const std::string home = directory("home");
  std::filesystem::create_directories(home + "/ada/state");
  std::filesystem::create_directories(home + "/ada/data");
  std::filesystem::create_directory_symlink("ada", home + "/alias");
  const std::string database = home + "/ada/state/wherry.db";
  std::ofstream(database).close();
  const EndpointId whole = on_host("home", home);
  const auto check = [&](const auto& request) {
    return validate(request, *world_.endpoints, database, world_.clock.now());
  };
  bool with_globs = false;
  const auto removal = [&](const std::string& path) {
    DeleteRequest request;
    request.options.interpret_globs = with_globs;
    request.submission_id = new_uuid(world_.random);
    request.owner = "ada";
    request.endpoint = whole;
    request.options.recursive = true;
    request.items.push_back({RelPath::parse(path).value()});
    return check(request);
  };
  for (const char* path :
       {"ada", "ada/state", "alias/state", "ada/state/wherry.db", "ada/state/wherry.db-wal"}) {
    const auto submitted = removal(path);
    ASSERT_FALSE(submitted) << path;
    EXPECT_THAT(submitted.error().message, HasSubstr("the state of Wherry"));
  }
  for (const char* path : {"ada/data", "alias", "ada/state2", "ada/state/endpoints/one"})
    EXPECT_TRUE(removal(path)) << path;
  with_globs = true;
  for (const char* path : {"a*", "ada/st?te", "alias/*", "ada/state/*", "ada/state/*-wal",
                           "ada/[s]tate", "ada/s\\tate"})
    EXPECT_FALSE(removal(path)) << path;
  for (const char* path : {"b*", "ada/d*", "ada/data/*"}) EXPECT_TRUE(removal(path)) << path;
  for (const char* target : {"ada", "alias"}) {
    TransferRequest mirror = with(whole, "other", whole, target);
    EXPECT_TRUE(check(mirror));
    mirror.options.delete_extra = true;
    EXPECT_FALSE(check(mirror)) << target;
  }
}

}  // namespace
}  // namespace wherry::tasks
