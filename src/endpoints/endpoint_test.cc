// SPDX-License-Identifier: Apache-2.0
#include "endpoints/endpoint.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/scratch_directory.h"
#include "endpoints/endpoint_fixture.h"
#include "storage/backends.h"

namespace wherry::endpoints {
namespace {

class EndpointsTest : public EndpointFixture {
 protected:
  NewEndpoint request(std::string name, std::string owner = "det") {
    NewEndpoint request;
    request.display_name = std::move(name);
    request.location = "/tmp";
    request.owner = std::move(owner);
    return request;
  }
};

TEST_F(EndpointsTest, StoredEndpointIsFoundByNameAndById) {
  NewEndpoint wanted = request("lab");
  wanted.access = Access::kRead;
  wanted.keywords = {"detector", "beamline 12"};
  wanted.daily_quota = 750'000'000'000;
  const Endpoint created = endpoints_->create(wanted).value();
  EXPECT_EQ(endpoints_->resolve("lab").value(), created);
  EXPECT_EQ(endpoints_->resolve(created.id).value(), created);
  EXPECT_EQ(created.storage_url, "posix:///tmp");
  EXPECT_EQ(created.created, clock_.now());
}

TEST_F(EndpointsTest, UnknownNameIsAnsweredWithTheNearestOne) {
  ASSERT_TRUE(endpoints_->create(request("scratch")));
  const auto found = endpoints_->resolve("scrtach");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::kNotFound);
  EXPECT_NE(found.error().message.find("did you mean 'scratch'?"), std::string::npos)
      << found.error().message;
}

TEST_F(EndpointsTest, AmbiguousNameListsTheIds) {
  const Endpoint first = endpoints_->create(request("lab", "ann")).value();
  const Endpoint second = endpoints_->create(request("lab", "ben")).value();
  const auto found = endpoints_->resolve("lab");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::kConflict);
  EXPECT_NE(found.error().message.find(first.id), std::string::npos);
  EXPECT_NE(found.error().message.find(second.id), std::string::npos);
}

TEST_F(EndpointsTest, OneOwnerCannotUseANameTwice) {
  ASSERT_TRUE(endpoints_->create(request("lab")));
  EXPECT_EQ(endpoints_->create(request("lab")).error().code, Code::kAlreadyExists);
}

TEST_F(EndpointsTest, BadNamesAndLocationsAreRefusedAndNothingIsStored) {
  for (const std::string name :
       {"", "a/b", "a:b", "local", "\xff", "line\nbreak", "6d6a6f7e-0000-4000-8000-000000000000"}) {
    EXPECT_EQ(endpoints_->create(request(name)).error().code, Code::kInvalid) << name;
  }
  EXPECT_EQ(endpoints_->create(request(std::string(129, 'x'))).error().code, Code::kInvalid);
  for (const std::string location :
       {"relative/dir", "", "warp:///data", "/does/not/exist", "/etc/passwd"}) {
    NewEndpoint bad = request("lab");
    bad.location = location;
    EXPECT_FALSE(endpoints_->create(bad)) << location;
  }
  EXPECT_EQ(endpoints_->search("", 100, 0).value().size(), 1u);  // the built-in one
}

TEST_F(EndpointsTest, LocalIsAlwaysThereAndCannotBeChanged) {
  EXPECT_EQ(endpoints_->resolve("local").value().id, kLocalId);
  EXPECT_EQ(endpoints_->remove(EndpointId(kLocalId)).error().code, Code::kDenied);
  EXPECT_EQ(endpoints_->update(EndpointId(kLocalId), {}).error().code, Code::kDenied);
}

TEST_F(EndpointsTest, UpdateChangesOnlyWhatIsSet) {
  const Endpoint created = endpoints_->create(request("lab")).value();
  EndpointChange change;
  change.access = Access::kRead;
  const Endpoint changed = endpoints_->update(created.id, change).value();
  EXPECT_EQ(changed.access, Access::kRead);
  EXPECT_EQ(changed.display_name, "lab");
  EXPECT_EQ(endpoints_->get(created.id).value(), changed);
}

TEST_F(EndpointsTest, WhatItTellsOfItselfIsKeptTextByText) {
  NewEndpoint wanted = request("lab");
  wanted.info.department = "Physics";
  wanted.info.user_message_link = "https://example.org/";
  const Endpoint created = endpoints_->create(wanted).value();
  EXPECT_EQ(endpoints_->get(created.id).value().info, wanted.info);
  EndpointChange change;
  change.info = {{&EndpointInfo::department, ""},
                 {&EndpointInfo::contact_email, "ada@example.org"}};
  ASSERT_TRUE(endpoints_->update(created.id, change));
  EndpointInfo expected;
  expected.contact_email = "ada@example.org";
  expected.user_message_link = "https://example.org/";
  EXPECT_EQ(endpoints_->get(created.id).value().info, expected);
  change.info = {{&EndpointInfo::contact_info, "two\nlines"}};
  EXPECT_EQ(endpoints_->update(created.id, change).error().code, Code::kInvalid);
}

TEST_F(EndpointsTest, AMappedCollectionMayRequireAConsentAndAGuestNot) {
  NewEndpoint wanted = request("lab");
  wanted.requires_data_access = true;
  const Endpoint host = endpoints_->create(wanted).value();
  EXPECT_TRUE(endpoints_->get(host.id).value().requires_data_access);
  NewEndpoint guest;
  guest.display_name = "part";
  guest.owner = "det";
  guest.host_endpoint = host.id;
  guest.requires_data_access = true;
  EXPECT_EQ(endpoints_->create(guest).error().code, Code::kInvalid);
  guest.requires_data_access = false;
  const Endpoint made = endpoints_->create(guest).value();
  EXPECT_FALSE(made.requires_data_access);
  EndpointChange change;
  change.requires_data_access = true;
  EXPECT_EQ(endpoints_->update(made.id, change).error().code, Code::kInvalid);
  change.requires_data_access = false;
  EXPECT_FALSE(endpoints_->update(host.id, change).value().requires_data_access);
}

TEST_F(EndpointsTest, UpdateCannotTakeAnotherEndpointsName) {
  ASSERT_TRUE(endpoints_->create(request("lab")));
  const Endpoint other = endpoints_->create(request("scratch")).value();
  EndpointChange change;
  change.display_name = "lab";
  EXPECT_EQ(endpoints_->update(other.id, change).error().code, Code::kAlreadyExists);
}

TEST_F(EndpointsTest, RemovedEndpointIsGone) {
  const Endpoint created = endpoints_->create(request("lab")).value();
  ASSERT_TRUE(endpoints_->remove(created.id));
  EXPECT_EQ(endpoints_->get(created.id).error().code, Code::kNotFound);
  EXPECT_EQ(endpoints_->remove(created.id).error().code, Code::kNotFound);
}

TEST_F(EndpointsTest, SearchLooksInAllTextsWithoutRegardToCaseAndPages) {
  NewEndpoint described = request("b");
  described.description = "Pilatus DETECTOR";
  ASSERT_TRUE(endpoints_->create(described));
  NewEndpoint keyed = request("a");
  keyed.keywords = {"detector"};
  ASSERT_TRUE(endpoints_->create(keyed));
  const auto found = endpoints_->search("detector", 10, 0).value();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].display_name, "a");
  EXPECT_EQ(endpoints_->search("detector", 1, 1).value().at(0).display_name, "b");
}

TEST_F(EndpointsTest, OpenGivesTheSameStorageUntilTheRecordChanges) {
  const Endpoint created = endpoints_->create(request("lab")).value();
  const auto first = endpoints_->open(created).value();
  EXPECT_EQ(endpoints_->open(created).value(), first);
  EndpointChange change;
  change.bytes_per_second = 1'000'000;
  const Endpoint changed = endpoints_->update(created.id, change).value();
  EXPECT_NE(endpoints_->open(changed).value(), first);
}

TEST_F(EndpointsTest, WhoeverOpensAThrottledEndpointSharesItsBound) {
  FakeClock clock(FakeClock().now(), FakeClock::Sleepers::kAdvance);
  Endpoints endpoints(*database_, clock, random_);
  NewEndpoint slow = request("slow");
  slow.operations_per_second = 10;
  const Endpoint created = endpoints.create(slow).value();
  const auto first = endpoints.open(created).value();
  const auto second = endpoints.open(created).value();
  const Duration start = clock.monotonic();
  for (int i = 0; i < 26; ++i) {
    for (const auto& storage : {first, second})
      ASSERT_TRUE(storage->stat(RelPath(), storage::Storage::Follow::kNo));
  }
  EXPECT_GE(clock.monotonic() - start, std::chrono::seconds(5));
}

TEST_F(EndpointsTest, WhoseDirectoryIsAwayIsNotConnectedAndDoesNotSayWhereItWas) {
  const ScratchDirectory scratch;
  NewEndpoint placed = request("lab");
  placed.location = scratch.file("data");
  std::filesystem::create_directory(placed.location);
  const Endpoint created = endpoints_->create(placed).value();
  ASSERT_TRUE(endpoints_->open(created));
  std::filesystem::remove(placed.location);
  Endpoints fresh(*database_, clock_, random_);
  for (Endpoints* endpoints : {endpoints_.get(), &fresh}) {
    const auto opened = endpoints->open(created);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::kUnavailable);
    EXPECT_EQ(opened.error().retry, Retry::kLater);
    EXPECT_NE(opened.error().message.find("'lab' is not connected"), std::string::npos);
    EXPECT_EQ(opened.error().message.find(scratch.path()), std::string::npos);
  }
  EXPECT_NE(place_of(created).find(placed.location), std::string::npos) << "for local users";
}

TEST_F(EndpointsTest, ADirectoryThatTookThePlaceOfTheOldOneIsOpenedAnew) {
  const ScratchDirectory scratch;
  NewEndpoint placed = request("lab");
  placed.location = scratch.file("data");
  std::filesystem::create_directory(placed.location);
  const Endpoint created = endpoints_->create(placed).value();
  const auto before = endpoints_->open(created).value();
  std::filesystem::rename(placed.location, scratch.file("aside"));
  std::filesystem::create_directories(placed.location + "/new");
  const auto after = endpoints_->open(created).value();
  EXPECT_TRUE(after->stat(RelPath::parse("new").value(), storage::Storage::Follow::kNo));
  EXPECT_FALSE(before->is_in_place());
  EXPECT_EQ(endpoints_->open(created).value(), after);
}

TEST_F(EndpointsTest, AGuestCollectionWhoseDirectoryIsAwayIsNotConnected) {
  const ScratchDirectory scratch;
  NewEndpoint placed = request("lab");
  placed.location = scratch.path();
  const Endpoint host = endpoints_->create(placed).value();
  std::filesystem::create_directory(scratch.file("share"));
  NewEndpoint shared = request("share");
  shared.location = "";
  shared.host_endpoint = host.id;
  shared.host_path = RelPath::parse("share").value();
  const Endpoint guest = endpoints_->create(shared).value();
  ASSERT_TRUE(endpoints_->open(guest));
  std::filesystem::remove(scratch.file("share"));
  EXPECT_EQ(endpoints_->open(guest).error().code, Code::kUnavailable);
}

TEST_F(EndpointsTest, SubstituteStandsInForTheStorage) {
  const Endpoint created = endpoints_->create(request("lab")).value();
  const std::shared_ptr<storage::Storage> memory = storage::open_memory();
  endpoints_->substitute(created.id, memory);
  EXPECT_EQ(endpoints_->open(created).value(), memory);
}

}  // namespace
}  // namespace wherry::endpoints
