// SPDX-License-Identifier: Apache-2.0
#include "jobs/site_store.h"

#include "jobs/store_fixture.h"
#include "tasks/claim.h"

namespace wherry::jobs {
namespace {

class SiteStoreTest : public StoreTest {
 protected:
  Sites& sites() { return stores_->sites; }
  Site add(std::string_view name, std::string_view path, std::string_view owner = "alice") {
    return sites().create(name, path, owner, kTestSettings).value();
  }
};

TEST_F(SiteStoreTest, ASiteComesBackWhole) {
  const Site made = add("theta", "/lus//theta\xff/", "bob");
  EXPECT_EQ(made.path, "/lus/theta\xff");
  EXPECT_EQ(made.owner, "bob");
  EXPECT_EQ(made.created, clock_.now());
  EXPECT_EQ(made.settings, kTestSettings);
  EXPECT_EQ(made.data_directory(), "/lus/theta\xff/data");
  EXPECT_FALSE(made.last_refresh);
  EXPECT_EQ(sites().get(made.id)->name, "theta");
  EXPECT_EQ(sites().list("bob")->size(), 1u);
  EXPECT_EQ(sites().list()->size(), 2u);
}

TEST_F(SiteStoreTest, NamesAreUniqueForAnOwnerAndPathsForAll) {
  EXPECT_EQ(sites().create("here", "/x", "alice", "").error().code, Code::kAlreadyExists);
  EXPECT_EQ(sites().create("other", "/sites/here/", "bob", "").error().code, Code::kAlreadyExists);
  EXPECT_TRUE(sites().create("here", "/x", "bob", ""));
  EXPECT_EQ(sites().create("x", "relative", "bob", "").error().code, Code::kInvalid);
  EXPECT_EQ(sites().create("", "/y", "bob", "").error().code, Code::kInvalid);
  EXPECT_EQ(sites().create(std::string(101, 'x'), "/y", "bob", "").error().code, Code::kInvalid);
  EXPECT_EQ(sites().create("y", "/y", "bob", "transfers: 7\n").error().code, Code::kInvalid);
}

TEST_F(SiteStoreTest, ASelectorIsANumberANameOrAPartOfAPath) {
  const Site a = add("a", "/lus/projects/a"), b = add("b", "/lus/projects/b");
  EXPECT_EQ(sites().resolve(std::to_string(b.id))->id, b.id);
  EXPECT_EQ(sites().resolve("a")->id, a.id);
  EXPECT_EQ(sites().resolve("projects/b")->id, b.id);
  const auto both = sites().resolve("projects");
  EXPECT_EQ(both.error().code, Code::kConflict);
  EXPECT_NE(both.error().message.find("/lus/projects/a"), std::string::npos);
  const auto none = sites().resolve("hree");
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_NE(none.error().message.find("'here'"), std::string::npos) << none.error().message;
  EXPECT_EQ(sites().resolve("a", "bob").error().code, Code::kNotFound) << "somebody else's";
}

TEST_F(SiteStoreTest, TheInnermostSiteEnclosesADirectory) {
  const Site inner = add("inner", "/sites/here/data/inner");
  EXPECT_EQ(sites().enclosing("/sites/here/data")->id, site_);
  EXPECT_EQ(sites().enclosing("/sites/here/data/inner/x")->id, inner.id);
  EXPECT_EQ(sites().enclosing("/sites/hereabouts").error().code, Code::kNotFound);
}

TEST_F(SiteStoreTest, BadSettingsLeaveTheOldOnesInForce) {
  EXPECT_EQ(sites().set_settings(site_, "transfers: 7\n").error().code, Code::kInvalid);
  EXPECT_EQ(sites().get(site_)->settings, kTestSettings);
  ASSERT_TRUE(sites().set_settings(site_, "transfers:\n  transfer_batch_size: 7\n"));
  EXPECT_EQ(sites().get(site_)->settings, "transfers:\n  transfer_batch_size: 7\n");
}

TEST_F(SiteStoreTest, B7ProgressIsToldApartFromALifeSign) {
  ASSERT_TRUE(sites().refresh(site_, true, ""));
  const TimePoint progressed = clock_.now();
  clock_.advance(std::chrono::minutes(5));
  ASSERT_TRUE(sites().refresh(site_, false, "log in: wherry login"));
  const Site site = sites().get(site_).value();
  EXPECT_EQ(site.last_progress, progressed);
  EXPECT_EQ(site.last_refresh, clock_.now());
  EXPECT_EQ(site.alert, "log in: wherry login");
}

TEST_F(SiteStoreTest, ASiteIsRenamedAndMoved) {
  add("taken", "/taken");
  EXPECT_EQ(sites().rename(site_, "taken").error().code, Code::kAlreadyExists);
  EXPECT_EQ(sites().rename(site_, "new")->name, "new");
  EXPECT_EQ(sites().move(site_, "/taken").error().code, Code::kAlreadyExists);
  EXPECT_EQ(sites().move(site_, "/elsewhere")->path, "/elsewhere");
}

TEST_F(SiteStoreTest, ARemovedSiteTakesAllItsRowsWithIt) {
  const auto jobs = make_many(3);
  carry({input(jobs[0].id).id}, "1");
  ASSERT_TRUE(sites().remove(site_, Sites::Tasks::kAreLeft));
  EXPECT_EQ(stores_->jobs.list({}).value().count, 0u);
  EXPECT_EQ(stores_->items.list({}).value().count, 0u);
  EXPECT_EQ(stores_->jobs.events({}).value().count, 0u);
  EXPECT_TRUE(stores_->apps.list({})->empty());
  EXPECT_EQ(sites().remove(site_).error().code, Code::kNotFound);
}

TEST_F(SiteStoreTest, ASiteThatRunsIsNotRemoved) {
  {
    const auto claim =
        tasks::Claims(*database_, clock_).acquire(kSiteClaim, site_claim_id(site_)).value();
    EXPECT_EQ(sites().remove(site_).error().code, Code::kConflict);
  }
  const auto session = stores_->sessions.open(site_, std::nullopt, "launcher").value();
  EXPECT_EQ(sites().remove(site_).error().code, Code::kConflict);
  ASSERT_TRUE(stores_->sessions.close(session.id));
  EXPECT_TRUE(sites().remove(site_));
}

TEST_F(SiteStoreTest, AnAppComesBackWhole) {
  App app;
  app.site = site_;
  app.name = "full";
  app.description = "all\nof it\xff";
  app.command = "run {{ a }} {{ b }}";
  app.parameters["a"] = {true, "", "what a is"};
  app.parameters["b"] = {false, "b's \\ default", ""};
  app.transfers["in"] = {Direction::kIn, false, "dir/in\xff", true, "an input"};
  app.transfers["out"] = {Direction::kOut, true, "*.dat", false, ""};
  app.preamble = "module load x\n";
  app.environment = {{"A", "1"}};
  app.cleanup_files = {"*.tmp", "core"};
  app.resources.num_nodes = 2;
  app.resources.gpus_per_rank = 0.5;
  app.error_retries = 4;
  app.timeout_retries = 5;
  const App stored = stores_->apps.put(app).value();
  const App read = stores_->apps.get(stored.id).value();
  EXPECT_EQ(read.description, app.description);
  EXPECT_EQ(read.command, app.command);
  EXPECT_EQ(read.parameters, app.parameters);
  EXPECT_EQ(read.transfers, app.transfers);
  EXPECT_EQ(read.preamble, app.preamble);
  EXPECT_EQ(read.environment, app.environment);
  EXPECT_EQ(read.cleanup_files, app.cleanup_files);
  EXPECT_EQ(read.resources, app.resources);
  EXPECT_EQ(read.error_retries, 4);
  EXPECT_EQ(read.timeout_retries, 5);
}

TEST_F(SiteStoreTest, AnAppThatIsPutAgainKeepsItsNumberAndItsJobsTheirItems) {
  const JobId id = make(work("a")).id;
  EXPECT_EQ(put_app("work", {{"other", {Direction::kIn, false, "other", false, ""}}}), app_);
  EXPECT_EQ(items(id).size(), 2u);
  EXPECT_EQ(stores_->apps.get(app_)->transfers.size(), 1u);
}

TEST_F(SiteStoreTest, AnAppIsFoundByNameOrNumber) {
  EXPECT_EQ(stores_->apps.find(site_, "work")->id, app_);
  EXPECT_EQ(stores_->apps.find(site_, std::to_string(app_))->id, app_);
  const auto none = stores_->apps.find(site_, "wrok");
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_NE(none.error().message.find("'work'"), std::string::npos);
  App bad;
  bad.site = site_;
  bad.name = "bad name";
  EXPECT_EQ(stores_->apps.put(bad).error().code, Code::kInvalid);
}

TEST_F(SiteStoreTest, AnAppWithJobsGoesOnlyWithThem) {
  const JobId parent = make(work("a")).id;
  const JobId child = make(bare("child", {parent})).id;
  EXPECT_EQ(stores_->apps.remove(app_, Apps::Jobs::kMustBeNone).error().code, Code::kConflict);
  ASSERT_TRUE(stores_->apps.remove(app_, Apps::Jobs::kGoToo));
  EXPECT_EQ(stores_->jobs.get(parent).error().code, Code::kNotFound);
  EXPECT_EQ(state(child), JobState::kFailed);
  EXPECT_EQ(stores_->apps.get(app_).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace wherry::jobs
