// SPDX-License-Identifier: Apache-2.0
// What somebody reaches through rules and guest collections, on a real file system.
#include "endpoints/confined.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/scratch_directory.h"
#include "endpoints/endpoint_fixture.h"
#include "endpoints/quota.h"
#include "endpoints/test_people.h"

namespace wherry::endpoints {
namespace {

namespace fs = std::filesystem;
using storage::Replace;
using storage::Storage;

constexpr const char* kCat = "cccccccc-0000-4000-8000-000000000003";

// An endpoint of Ada's with <root>/in/deep, <root>/other and a file in each.
class Confined : public EndpointFixture {
 protected:
  void SetUp() override {
    fs::create_directories(scratch_.file("root/in/deep"));
    fs::create_directories(scratch_.file("root/other"));
    for (const char* name : {"top", "in/a", "in/deep/b", "other/secret"}) put(name, name);
    NewEndpoint request;
    request.display_name = "lab";
    request.location = scratch_.file("root");
    request.owner = kAda;
    lab_ = endpoints_->create(request).value();
  }

  void put(const std::string& name, std::string_view content) {
    std::ofstream(scratch_.file("root/" + name)) << content;
  }
  std::string host(const std::string& name) { return scratch_.file("root/" + name); }

  AccessRule grant(const Endpoint& endpoint, std::string who, std::string_view directory,
                   Access access) {
    AccessRule rule;
    rule.endpoint = endpoint.id;
    rule.principal = std::move(who);
    rule.path = path(directory);
    rule.access = access;
    return permissions_->create_rule(rule).value();
  }
  NewEndpoint share(std::string owner, std::string_view directory) {
    NewEndpoint request;
    request.display_name = "share";
    request.owner = std::move(owner);
    request.host_endpoint = lab_.id;
    request.host_path = path(directory);
    return request;
  }
  std::shared_ptr<Storage> open(std::string who, const Endpoint& endpoint) {
    return permissions_->open({std::move(who), {}}, endpoint).value();
  }

  Result<void> write(Storage& storage, std::string_view name, std::string_view content) {
    storage::CreateTemporary request;
    request.target = path(name);
    request.temporary_name = storage::temporary_name("task", request.target);
    TRY_ASSIGN(const auto file, storage.create_temporary(request));
    TRY(file->write(0, content));
    TRY(file->finish({.size = content.size(), .mode = {}, .mtime = {}}));
    storage::TemporaryFile* const files[] = {file.get()};
    TRY(storage.flush(files));
    TRY(storage.commit(*file));
    const RelPath parent = request.target.parent();
    return storage.flush_directories({&parent, 1});
  }
  Result<std::string> read(Storage& storage, std::string_view name) {
    TRY_ASSIGN(const auto file, storage.open_read(path(name)));
    char buffer[256];
    TRY_ASSIGN(const std::size_t count, file->read(0, buffer));
    return std::string(buffer, count);
  }
  Code read_error(Storage& storage, std::string_view name) {
    const auto content = read(storage, name);
    return content ? Code::kBug : content.error().code;
  }
  static Code code_of(const Result<void>& result) {
    return result ? Code::kBug : result.error().code;
  }

  ScratchDirectory scratch_;
  Endpoint lab_;
};

TEST_F(Confined, RuleOpensItsDirectoryAndNothingElse) {
  grant(lab_, kBen, "in", Access::kReadWrite);
  const auto storage = open(kBen, lab_);
  EXPECT_EQ(read(*storage, "in/deep/b").value(), "in/deep/b");
  ASSERT_TRUE(write(*storage, "in/new", "fresh"));
  EXPECT_EQ(read(*storage, "in/new").value(), "fresh");
  EXPECT_EQ(fs::file_size(host("in/new")), 5u);
  EXPECT_EQ(storage->stat(path("in/a"), Storage::Follow::kNo)->name, "a");
  EXPECT_EQ(storage->stat(path("in"), Storage::Follow::kNo)->name, "in");

  for (const char* outside : {"top", "other/secret", "missing", "inn"})
    EXPECT_EQ(read_error(*storage, outside), Code::kDenied) << outside;
  EXPECT_EQ(code_of(write(*storage, "other/new", "x")), Code::kDenied);
  const auto nothing = [](const storage::Entry&) { return storage::Visit::kContinue; };
  EXPECT_EQ(code_of(storage->list(RelPath(), nothing)), Code::kDenied);
  EXPECT_TRUE(storage->list(path("in"), nothing));
}

TEST_F(Confined, SymlinkInAGrantedDirectoryLeadsNowhereElse) {
  grant(lab_, kBen, "in", Access::kReadWrite);
  const auto storage = open(kBen, lab_);
  ASSERT_TRUE(storage->make_symlink(path("in/up"), "../other", Replace::kNo));
  ASSERT_TRUE(storage->make_symlink(path("in/away"), host("other"), Replace::kNo));
  ASSERT_TRUE(storage->make_symlink(path("in/near"), "deep", Replace::kNo));
  EXPECT_EQ(read_error(*storage, "in/up/secret"), Code::kDenied);
  EXPECT_EQ(read_error(*storage, "in/away/secret"), Code::kDenied);
  EXPECT_EQ(code_of(write(*storage, "in/up/new", "x")), Code::kDenied);
  EXPECT_EQ(read(*storage, "in/near/b").value(), "in/deep/b");
  // Ada's own symlinks in her own endpoint are followed as ever.
  EXPECT_EQ(read(*open(kAda, lab_), "in/up/secret").value(), "other/secret");
}

TEST_F(Confined, ReadingIsNoWriting) {
  grant(lab_, kBen, "in", Access::kRead);
  grant(lab_, kBen, "in/deep", Access::kReadWrite);
  const auto storage = open(kBen, lab_);
  EXPECT_EQ(code_of(write(*storage, "in/new", "x")), Code::kDenied);
  EXPECT_EQ(code_of(storage->remove_file(path("in/a"))), Code::kDenied);
  EXPECT_EQ(code_of(storage->make_directory(path("in/d"), 0755)), Code::kDenied);
  EXPECT_EQ(code_of(storage->make_symlink(path("in/l"), "a", Replace::kYes)), Code::kDenied);
  EXPECT_EQ(code_of(storage->set_attributes(path("in/a"), {0600, {}})), Code::kDenied);
  EXPECT_EQ(code_of(storage->rename(path("in/deep/b"), path("in/b"), Replace::kNo)), Code::kDenied);
  EXPECT_TRUE(write(*storage, "in/deep/new", "x"));
  EXPECT_TRUE(storage->rename(path("in/deep/new"), path("in/deep/n"), Replace::kNo));
}

TEST_F(Confined, GrantedDirectoryIsMadeWhereItIsMissingAndStays) {
  grant(lab_, kBen, "fresh", Access::kReadWrite);
  const auto storage = open(kBen, lab_);
  EXPECT_EQ(read_error(*storage, "fresh/x"), Code::kNotFound);
  ASSERT_TRUE(storage->make_directory(path("fresh"), 0755));
  EXPECT_EQ(code_of(storage->make_directory(path("fresh"), 0755)), Code::kAlreadyExists);
  EXPECT_TRUE(write(*storage, "fresh/x", "y"));
  EXPECT_TRUE(storage->remove_file(path("fresh/x")));
  EXPECT_FALSE(storage->remove_directory(path("fresh")));
  EXPECT_FALSE(storage->rename(path("fresh"), path("fresh/er"), Replace::kNo));
  EXPECT_TRUE(fs::exists(host("fresh")));
}

TEST_F(Confined, RemovedRuleEndsAccessWithinASecondAndWhatWasBegunMayEnd) {
  const AccessRule rule = grant(lab_, kBen, "in", Access::kReadWrite);
  const auto storage = open(kBen, lab_);
  storage::CreateTemporary request;
  request.target = path("in/begun");
  request.temporary_name = storage::temporary_name("task", request.target);
  auto file = storage->create_temporary(request).value();
  ASSERT_TRUE(permissions_->remove_rule(lab_.id, rule.id));
  clock_.advance(std::chrono::seconds(1));

  EXPECT_EQ(read_error(*storage, "in/a"), Code::kDenied);
  EXPECT_EQ(code_of(write(*storage, "in/new", "x")), Code::kDenied);
  ASSERT_TRUE(file->write(0, std::string_view("whole")));
  ASSERT_TRUE(file->finish({.size = 5, .mode = {}, .mtime = {}}));
  storage::TemporaryFile* const files[] = {file.get()};
  EXPECT_TRUE(storage->flush(files));
  EXPECT_TRUE(storage->commit(*file));
  EXPECT_EQ(fs::file_size(host("in/begun")), 5u);
}

TEST_F(Confined, DirectoryThatWasReplacedMeanwhileIsNoticedBeforeAnythingCountsAsWritten) {
  grant(lab_, kBen, "in", Access::kReadWrite);
  const auto storage = open(kBen, lab_);
  storage::CreateTemporary request;
  request.target = path("in/lost");
  request.temporary_name = storage::temporary_name("task", request.target);
  auto file = storage->create_temporary(request).value();
  ASSERT_TRUE(file->finish({.size = 0, .mode = {}, .mtime = {}}));
  fs::rename(host("in"), host("aside"));
  fs::create_directory(host("in"));
  storage::TemporaryFile* const files[] = {file.get()};
  EXPECT_EQ(code_of(storage->flush(files)), Code::kConflict);
  ASSERT_TRUE(write(*storage, "in/again", "x"));
  EXPECT_TRUE(fs::exists(host("in/again")));
}

TEST_F(Confined, GuestCollectionIsItsDirectoryWithRulesOfItsOwn) {
  const Endpoint guest = permissions_->create_guest(share(kAda, "in")).value();
  EXPECT_EQ(guest.host_path, path("in"));
  EXPECT_EQ(read(*open(kAda, guest), "deep/b").value(), "in/deep/b");
  EXPECT_FALSE(permissions_->is_visible({kCat, {}}, guest).value());
  grant(guest, kCat, "deep", Access::kRead);
  const auto storage = open(kCat, guest);
  EXPECT_EQ(read(*storage, "deep/b").value(), "in/deep/b");
  EXPECT_EQ(read_error(*storage, "a"), Code::kDenied);
  EXPECT_FALSE(permissions_->is_visible({kCat, {}}, lab_).value());
}

TEST_F(Confined, SymlinkThatLeadsOutOfAGuestCollectionIsRefusedForItsOwnerToo) {
  const Endpoint guest = permissions_->create_guest(share(kAda, "in")).value();
  fs::create_symlink("../other", host("in/up"));
  for (const auto& storage : {open(kAda, guest), open("det", guest)})
    EXPECT_EQ(read_error(*storage, "up/secret"), Code::kDenied);
  EXPECT_EQ(read_error(*endpoints_->open(guest).value(), "up/secret"), Code::kDenied);
}

TEST_F(Confined, GuestCollectionNeedsReadingAndWritingAtTheHost) {
  EXPECT_EQ(permissions_->create_guest(share(kBen, "in")).error().code, Code::kNotFound);
  const AccessRule rule = grant(lab_, kBen, "in", Access::kRead);
  EXPECT_EQ(permissions_->create_guest(share(kBen, "in")).error().code, Code::kDenied);
  ASSERT_TRUE(permissions_->update_rule(lab_.id, rule.id, {Access::kReadWrite, {}}));
  EXPECT_EQ(permissions_->create_guest(share(kBen, "other")).error().code, Code::kDenied);
  EXPECT_EQ(permissions_->create_guest(share(kBen, "in/missing")).error().code, Code::kNotFound);
  EXPECT_FALSE(permissions_->create_guest(share(kBen, "in/a")));
  EXPECT_TRUE(permissions_->create_guest(share(kBen, "in/deep")));
}

TEST_F(Confined, GuestCollectionEndsWhereItsOwnersRightsEnd) {
  const AccessRule rule = grant(lab_, kBen, "in", Access::kReadWrite);
  const Endpoint guest = permissions_->create_guest(share(kBen, "in/deep")).value();
  grant(guest, kCat, "", Access::kReadWrite);
  ASSERT_TRUE(write(*open(kCat, guest), "new", "x"));

  ASSERT_TRUE(permissions_->update_rule(lab_.id, rule.id, {Access::kRead, {}}));
  EXPECT_EQ(code_of(write(*open(kCat, guest), "newer", "x")), Code::kDenied);
  EXPECT_TRUE(read(*open(kCat, guest), "b"));
  ASSERT_TRUE(permissions_->remove_rule(lab_.id, rule.id));
  EXPECT_EQ(read_error(*open(kCat, guest), "b"), Code::kDenied);
  EXPECT_EQ(read_error(*open(kBen, guest), "b"), Code::kDenied);
}

TEST_F(Confined, DirectoryOfAGuestCollectionThatBecomesASymlinkOpensNothing) {
  grant(lab_, kBen, "in", Access::kReadWrite);
  const Endpoint guest = permissions_->create_guest(share(kBen, "in/deep")).value();
  fs::remove_all(host("in/deep"));
  fs::create_symlink("../other", host("in/deep"));
  EXPECT_EQ(read_error(*open(kBen, guest), "secret"), Code::kDenied);
}

TEST_F(Confined, GuestCollectionObeysItsHost) {
  EndpointChange change;
  change.daily_quota = 100;
  change.bytes_per_second = 1'000'000;
  ASSERT_TRUE(endpoints_->update(lab_.id, change));
  const Endpoint guest = permissions_->create_guest(share(kAda, "in")).value();
  EXPECT_EQ(guest.daily_quota, 100u);
  EXPECT_EQ(endpoints_->search("share", 10, 0).value().at(0), guest);

  QuotaLedger quota(*database_, clock_);
  ASSERT_TRUE(quota.book(guest, {60, clock_.now(), "t1"})->granted);
  EXPECT_EQ(quota.used(endpoints_->get(lab_.id).value()).value(), 60u);
  EXPECT_FALSE(quota.book(endpoints_->get(lab_.id).value(), {60, clock_.now(), "t2"})->granted);

  change = {};
  change.access = Access::kRead;
  ASSERT_TRUE(endpoints_->update(lab_.id, change));
  EXPECT_EQ(endpoints_->get(guest.id)->access, Access::kRead);
  EXPECT_EQ(code_of(write(*open(kAda, endpoints_->get(guest.id).value()), "x", "y")),
            Code::kDenied);
  change = {};
  change.daily_quota = 1000;
  EXPECT_EQ(endpoints_->update(guest.id, change).error().code, Code::kInvalid);
  // A name may change, and does not make the host's limits the guest's own.
  change = {};
  change.display_name = "renamed";
  ASSERT_TRUE(endpoints_->update(guest.id, change));
  change = {};
  change.access = Access::kReadWrite;
  ASSERT_TRUE(endpoints_->update(lab_.id, change));
  EXPECT_EQ(endpoints_->get(guest.id)->access, Access::kReadWrite);
}

TEST_F(Confined, GuestCollectionGoesWithItsHost) {
  const Endpoint guest = permissions_->create_guest(share(kAda, "in")).value();
  const AccessRule rule = grant(guest, kCat, "", Access::kRead);
  const auto storage = open(kCat, guest);
  ASSERT_TRUE(endpoints_->remove(lab_.id));
  EXPECT_EQ(endpoints_->get(guest.id).error().code, Code::kNotFound);
  EXPECT_EQ(permissions_->rule(guest.id, rule.id).error().code, Code::kNotFound);
  EXPECT_EQ(endpoints_->open(guest).error().code, Code::kNotFound);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(read_error(*storage, "a"), Code::kDenied);
}

TEST_F(Confined, HostsThatCannotBeAreRefused) {
  const Endpoint guest = permissions_->create_guest(share(kAda, "in")).value();
  NewEndpoint nested = share(kAda, "deep");
  nested.display_name = "nested";
  nested.host_endpoint = guest.id;
  EXPECT_EQ(permissions_->create_guest(nested).error().code, Code::kInvalid);
  nested.host_endpoint = kLocalId;
  EXPECT_EQ(permissions_->create_guest(nested).error().code, Code::kNotFound);
  nested.owner = "det";
  nested.host_path = RelPath();
  EXPECT_EQ(permissions_->create_guest(nested).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace wherry::endpoints
