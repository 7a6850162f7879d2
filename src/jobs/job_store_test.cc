// SPDX-License-Identifier: Apache-2.0
// Names of defects (B1 to B22) are those of the system whose words these are.
#include "jobs/job_store.h"

#include <algorithm>
#include <set>

#include "jobs/store_fixture.h"

namespace wherry::jobs {
namespace {

using J = JobState;

class JobStoreTest : public StoreTest {
 protected:
  // What is wrong with a call of a good job and this one.
  Error refusal(const NewJob& job) {
    const NewJob jobs[] = {work("good"), job};
    const auto made = stores_->jobs.create(site_, jobs);
    EXPECT_FALSE(made);
    EXPECT_EQ(stores_->jobs.list({}).value().count, 0u) << "nothing may be stored";
    EXPECT_EQ(stores_->items.list({}).value().count, 0u);
    return made ? Error() : made.error();
  }
  void expect_refused(const NewJob& job, std::string_view words) {
    const Error error = refusal(job);
    EXPECT_EQ(error.code, Code::kInvalid) << error.message;
    EXPECT_TRUE(error.message.starts_with("new job 2: ")) << error.message;
    EXPECT_NE(error.message.find(words), std::string::npos) << error.message;
  }
  std::vector<JobId> ids(const JobFilter& filter) {
    std::vector<JobId> found;
    const auto rows = stores_->jobs.list(filter).value().rows;
    for (const Job& job : rows) found.push_back(job.id);
    return found;
  }
};

TEST_F(JobStoreTest, JobsComeBackWholeAndInOrder) {
  NewJob full = work("deep/down");
  full.tags = {{"run", "42"}, {"\xff", "a\\b\n\"'"}};
  full.parameters = {{"file", "a b\xfe"}};
  Resources resources;
  resources.num_nodes = 3;
  resources.gpus_per_rank = 0.25;
  resources.launch_params = {{"key", "value"}};
  full.resources = resources;
  const JobId parent = make(bare("parent")).id;
  full.parents = {parent};
  full.data = R"({"a": [1, 2]})";
  const NewJob jobs[] = {full, bare("second")};
  const auto made = stores_->jobs.create(site_, jobs).value();
  ASSERT_EQ(made.size(), 2u);
  EXPECT_EQ(made[0].workdir, "deep/down");
  EXPECT_EQ(made[0].tags, full.tags);
  EXPECT_EQ(made[0].parameters, full.parameters);
  EXPECT_EQ(made[0].resources, resources);
  EXPECT_EQ(made[0].parents, full.parents);
  EXPECT_EQ(made[0].data, full.data);
  EXPECT_EQ(made[0].app, app_);
  EXPECT_EQ(made[0].created, clock_.now());
  EXPECT_EQ(made[1].workdir, "second");
  EXPECT_EQ(made[1].data, "{}");
  EXPECT_FALSE(made[1].return_code);
}

TEST_F(JobStoreTest, AnAppCanBeNamedByItsNumber) {
  NewJob job = work("a");
  job.app = std::to_string(app_);
  EXPECT_EQ(make(job).app, app_);
}

TEST_F(JobStoreTest, B9RequiredSlotsAreAskedOfEveryWriter) {
  NewJob job = work("a");
  job.transfers.erase("image");
  expect_refused(job, "image");
  EXPECT_EQ(stores_->jobs.create_many(site_, {&job, 1}).error().code, Code::kInvalid);
}

// Scenario 7.
TEST_F(JobStoreTest, BadFieldsAreNamedAndNothingIsStored) {
  NewJob job = work("a");
  job.app = "wrok";
  expect_refused(job, "did you mean 'work'?");
  job = work("a");
  job.transfers["imagine"] = {"lab", "/x"};
  expect_refused(job, "imagine");
  job = work("a");
  job.transfers["image"].location_alias = "lap";
  expect_refused(job, "archive, lab");
  job = work("a");
  job.transfers["image"].path = "relative/path";
  expect_refused(job, "image");
  job = work("a");
  job.parameters["colour"] = "red";
  expect_refused(job, "colour");
  job = work("a");
  job.parents = {77};
  expect_refused(job, "parents: there is no job 77");
  job = work("a");
  job.resources = Resources();
  job.resources->num_nodes = 0;
  expect_refused(job, "num_nodes");
  job = work("a");
  job.data = "[1]";
  expect_refused(job, "not an object");
  job.data = "{\"a\": \"" + std::string(kMaxDataBytes, 'x') + "\"}";
  expect_refused(job, "at most 512000");
  expect_refused(work("good"), "is that of new job 1 too");
}

TEST_F(JobStoreTest, B11WorkDirectoriesStayBelowTheSite) {
  for (const char* workdir : {"../out", "a/../../out", "/etc", "..", "", ".", "a/.."})
    expect_refused(work(workdir), "workdir");
}

TEST_F(JobStoreTest, B11WorkDirectoriesStayBelowTheSiteWhenTheyAreChanged) {
  const JobId id = make(work("a")).id;
  JobChange change;
  change.workdir = "../../out";
  EXPECT_EQ(stores_->jobs.modify(id, change).error().code, Code::kInvalid);
  EXPECT_EQ(job(id).workdir, "a");
}

TEST_F(JobStoreTest, B10B12B20AnyPathThatAFileCanHaveIsKept) {
  std::string deep;
  while (deep.size() < 4'000) deep += "/" + std::string(199, 'x');
  const std::string paths[] = {
      "/with:colon/and space", "/quote'\"",   "/trailing/",   "/double//slash",
      "/bytes\xff\xfe\n\t",    "/percent%20", "/back\\slash", deep};
  int number = 0;
  for (const std::string& path : paths) {
    NewJob job = work(fmt::format("{}", number++));
    job.transfers["image"].path = path;
    EXPECT_EQ(input(make(job).id).remote_path, path);
  }
  NewJob job = work(std::string("names:\xff with\nall"));
  EXPECT_EQ(make(job).workdir, job.workdir);
}

// Scenario 7.
TEST_F(JobStoreTest, MoreThanFiveThousandInOneCallAreRefused) {
  std::vector<NewJob> jobs(kMaxBulk + 1);
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i] = bare(fmt::format("{}", i));
  EXPECT_EQ(stores_->jobs.create(site_, jobs).error().code, Code::kInvalid);
  EXPECT_EQ(stores_->jobs.create_many(site_, jobs).value(), jobs.size());
  EXPECT_EQ(stores_->jobs.list({}).value().count, jobs.size());
}

TEST_F(JobStoreTest, ParentsOfAnotherOwnerAreUnknown) {
  const auto other = stores_->sites.create("theirs", "/theirs", "bob", kTestSettings).value();
  App app = stores_->apps.find(site_, "bare").value();
  app.site = other.id;
  ASSERT_TRUE(stores_->apps.put(app));
  const NewJob theirs = bare("a");
  const JobId parent = stores_->jobs.create(other.id, {&theirs, 1}).value().front().id;
  const NewJob mine = bare("b", {parent});
  EXPECT_EQ(stores_->jobs.create(site_, {&mine, 1}).error().code, Code::kInvalid);
}

TEST_F(JobStoreTest, EachFilterLetsPassWhatItSays) {
  const JobId a = make(work("one/a")).id;
  clock_.advance(std::chrono::hours(1));
  NewJob tagged = bare("one/b", {a});
  tagged.tags = {{"run", "7"}, {"kind", "test"}};
  const JobId b = make(tagged).id;
  const JobId c = make(bare("two/c")).id;
  using Ids = std::vector<JobId>;
  JobFilter filter;
  EXPECT_EQ(ids(filter), (Ids{a, b, c}));
  filter.states = {J::kReady, J::kStagedIn};
  EXPECT_EQ(ids(filter), (Ids{a, c}));
  filter = {};
  filter.excluded_states = {J::kReady, J::kStagedIn};
  EXPECT_EQ(ids(filter), (Ids{b}));
  filter = {};
  filter.apps = {app_};
  EXPECT_EQ(ids(filter), (Ids{a}));
  filter = {};
  filter.ids = {c, a};
  EXPECT_EQ(ids(filter), (Ids{a, c}));
  filter = {};
  filter.parents = {a};
  EXPECT_EQ(ids(filter), (Ids{b}));
  filter = {};
  filter.tags = {{"run", "7"}, {"kind", "test"}};
  EXPECT_EQ(ids(filter), (Ids{b}));
  filter.tags["kind"] = "other";
  EXPECT_EQ(ids(filter), Ids{});
  filter = {};
  filter.workdir_contains = "one/";
  EXPECT_EQ(ids(filter), (Ids{a, b}));
  filter = {};
  filter.updated_after = clock_.now();
  EXPECT_EQ(ids(filter), (Ids{b, c}));
  filter = {};
  filter.updated_before = clock_.now() - std::chrono::minutes(1);
  EXPECT_EQ(ids(filter), (Ids{a}));
  filter = {};
  filter.sites = {site_ + 1};
  EXPECT_EQ(ids(filter), Ids{});
  filter = {};
  filter.order = JobFilter::Order::kWorkdir;
  filter.sorting = Sorting::kDescending;
  EXPECT_EQ(ids(filter), (Ids{c, b, a}));
}

// The numbers that the database keeps beside the rows are those of the rows.
TEST_F(JobStoreTest, CountsAreTrueAfterEveryKindOfChange) {
  make_many(20);
  const auto all = ids({});
  for (std::size_t i = 0; i < all.size(); i += 3) ASSERT_TRUE(stores_->jobs.cancel(all[i]));
  for (std::size_t i = 0; i < all.size(); i += 6) ASSERT_TRUE(stores_->jobs.retry(all[i]));
  bring(input(all[1]));
  JobFilter some;
  some.ids = {all[2], all[3], all[4]};
  ASSERT_EQ(stores_->jobs.remove(some).value(), 3u);
  std::uint64_t sum = 0;
  for (const J state : all_job_states()) {
    JobFilter filter;
    filter.states = {state};
    const auto listing = stores_->jobs.list(filter).value();
    EXPECT_EQ(listing.count, listing.rows.size()) << to_string(state);
    const auto counts = stores_->jobs.count_by_state({}).value();
    EXPECT_EQ(counts.contains(state) ? counts.at(state) : 0, listing.count);
    sum += listing.count;
  }
  EXPECT_EQ(sum, 17u);
  for (const ItemState state : all_item_states()) {
    ItemFilter filter;
    filter.states = {state};
    filter.direction = Direction::kIn;
    filter.location_aliases = {"lab"};
    const auto listing = stores_->items.list(filter).value();
    EXPECT_EQ(listing.count, listing.rows.size()) << to_string(state);
  }
  const auto events = stores_->jobs.events({}).value();
  EXPECT_EQ(events.count, events.rows.size());
}

TEST_F(JobStoreTest, PagesFollowOneAnotherWhileJobsAreAdded) {
  make_many(30);
  for (const auto order : {JobFilter::Order::kId, JobFilter::Order::kLastUpdate,
                           JobFilter::Order::kState, JobFilter::Order::kWorkdir}) {
    JobFilter filter;
    filter.order = order;
    filter.updated_before = clock_.now();
    const std::size_t before = ids(filter).size();
    clock_.advance(std::chrono::seconds(1));
    std::set<JobId> seen;
    filter.limit = 7;
    for (filter.offset = 0; filter.offset < before; filter.offset += filter.limit) {
      for (const JobId id : ids(filter)) EXPECT_TRUE(seen.insert(id).second) << id;
      make(bare(fmt::format("new/{}/{}", static_cast<int>(order), filter.offset)));
    }
    EXPECT_EQ(seen.size(), before);
  }
}

TEST_F(JobStoreTest, OfAJobThatALauncherHoldsOnlyTagsAndDataCanBeChanged) {
  const JobId id = make(bare("a")).id;
  advance(id, {J::kPreprocessed, J::kRunning});
  JobChange change;
  change.tags = TextMap{{"a", "b"}};
  change.data = "{\"x\": 1}";
  ASSERT_TRUE(stores_->jobs.modify(id, change));
  EXPECT_EQ(job(id).tags, *change.tags);
  EXPECT_EQ(job(id).data, *change.data);
  change.parameters = TextMap{{"file", "b"}};
  EXPECT_EQ(stores_->jobs.modify(id, change).error().code, Code::kConflict);
}

TEST_F(JobStoreTest, WhatAFinishedJobWasRunWithIsNotChanged) {
  const JobId id = make(bare("a")).id;
  advance(id, {J::kPreprocessed, J::kRunning, J::kRunDone, J::kPostprocessed});
  ASSERT_EQ(job(id).state, J::kJobFinished);
  JobChange change;
  change.tags = TextMap{{"a", "b"}};
  EXPECT_TRUE(stores_->jobs.modify(id, change));
  change.parameters = TextMap{{"file", "b"}};
  EXPECT_EQ(stores_->jobs.modify(id, change).error().code, Code::kConflict);
}

TEST_F(JobStoreTest, ChangedTagsAreFoundAndOldOnesAreNot) {
  NewJob tagged = bare("a");
  tagged.tags = {{"run", "1"}};
  const JobId id = make(tagged).id;
  JobChange change;
  change.tags = TextMap{{"run", "2"}};
  ASSERT_TRUE(stores_->jobs.modify(id, change));
  JobFilter filter;
  filter.tags = {{"run", "2"}};
  EXPECT_EQ(ids(filter), std::vector<JobId>{id});
  filter.tags = {{"run", "1"}};
  EXPECT_TRUE(ids(filter).empty());
}

TEST_F(JobStoreTest, TheWorkDirectoryStaysOnceAnInputIsOnItsWay) {
  const JobId id = make(work("a")).id;
  JobChange change;
  change.workdir = "b";
  ASSERT_TRUE(stores_->jobs.modify(id, change));
  carry({input(id).id}, "1");
  change.workdir = "c";
  EXPECT_EQ(stores_->jobs.modify(id, change).error().code, Code::kConflict);
  EXPECT_EQ(job(id).workdir, "b");
}

TEST_F(JobStoreTest, StatesAreSetByHandOnlyWhereThatMakesSense) {
  const JobId id = make(bare("a")).id;
  for (const J from : {J::kStagedIn, J::kPreprocessed}) {
    for (const J to : all_job_states()) {
      const auto allowed = settable_by_hand(from);
      if (std::find(allowed.begin(), allowed.end(), to) != allowed.end()) continue;
      JobChange change;
      change.state = to;
      const auto changed = stores_->jobs.modify(id, change);
      ASSERT_FALSE(changed) << to_string(from) << " to " << to_string(to);
      EXPECT_EQ(changed.error().code, Code::kConflict);
    }
    if (from == J::kStagedIn) advance(id, {J::kPreprocessed});
  }
  EXPECT_EQ(state(id), J::kPreprocessed);
}

TEST_F(JobStoreTest, BulkChangesAreMadeAllOrNone) {
  const auto jobs = make_many(3);
  std::vector<Jobs::Numbered> changes(3);
  for (std::size_t i = 0; i < 3; ++i) {
    changes[i].id = jobs[i].id;
    changes[i].change.tags = TextMap{{"a", "b"}};
  }
  changes[2].id = 12345;
  EXPECT_EQ(stores_->jobs.modify(changes).error().code, Code::kNotFound);
  EXPECT_TRUE(job(jobs[0].id).tags.empty());
  changes[2].id = jobs[2].id;
  ASSERT_TRUE(stores_->jobs.modify(changes));
  EXPECT_EQ(job(jobs[2].id).tags.size(), 1u);
}

TEST_F(JobStoreTest, OneChangeForAllThatAFilterLetsPass) {
  make_many(5);
  make(bare("b"));
  JobFilter ready;
  ready.states = {J::kReady};
  JobChange change;
  change.state = J::kFailed;
  EXPECT_EQ(stores_->jobs.modify_all(ready, change).value(), 5u);
  EXPECT_EQ(stores_->jobs.count_by_state({}).value().at(J::kFailed), 5u);
}

TEST_F(JobStoreTest, ACancelledJobIsFailedWithItsItemsAndOnlyOnce) {
  const JobId id = make(work("a")).id;
  EXPECT_EQ(stores_->jobs.cancel(id)->state, J::kFailed);
  for (const TransferItem& item : items(id)) EXPECT_EQ(item.state, ItemState::kError);
  EXPECT_EQ(stores_->jobs.cancel(id).error().code, Code::kConflict);
}

TEST_F(JobStoreTest, RemovedJobsTakeItemsTagsAndEventsWithThem) {
  NewJob job = work("a");
  job.tags = {{"run", "1"}};
  const JobId id = make(job).id, kept = make(work("b")).id;
  JobFilter filter;
  filter.ids = {id};
  EXPECT_EQ(stores_->jobs.remove(filter).value(), 1u);
  EXPECT_EQ(stores_->jobs.get(id).error().code, Code::kNotFound);
  EXPECT_TRUE(items(id).empty());
  EventFilter of_job;
  of_job.jobs = {id};
  EXPECT_EQ(stores_->jobs.events(of_job).value().count, 0u);
  JobFilter tagged;
  tagged.tags = {{"run", "1"}};
  EXPECT_TRUE(ids(tagged).empty());
  EXPECT_EQ(items(kept).size(), 2u);
}

TEST_F(JobStoreTest, ChildrenOfARemovedParentDoNotWaitForEver) {
  const JobId gone = make(bare("gone")).id, finished = make(bare("finished")).id,
              open = make(bare("open")).id;
  const JobId child = make(bare("child", {gone})).id;
  const JobId other = make(bare("other", {finished, open})).id;
  run(finished);
  JobFilter filter;
  filter.ids = {gone, finished};
  EXPECT_EQ(stores_->jobs.remove(filter).value(), 2u);
  EXPECT_EQ(state(child), J::kFailed);
  EXPECT_EQ(state(other), J::kAwaitingParents) << "it did not wait for the finished one";
  run(open);
  EXPECT_EQ(state(other), J::kStagedIn);
  EXPECT_EQ(stores_->jobs.retry(child)->state, J::kStagedIn) << "nothing is left to wait for";
}

TEST_F(JobStoreTest, ANumberIsNeverUsedAgain) {
  const JobId id = make(bare("a")).id;
  ASSERT_TRUE(stores_->jobs.remove({}));
  EXPECT_GT(make(bare("b")).id, id);
}

TEST_F(JobStoreTest, APageThatHoldsTooMuchIsRefusedWithHowManyRowsItMayHave) {
  for (int i = 0; i < 4; ++i) {
    NewJob one = bare(fmt::format("large/{}", i));
    one.data = fmt::format(R"({{"text":"{}"}})", std::string(10'000, 'x'));
    make(one);
  }
  JobFilter filter;
  filter.max_bytes = 35'000;
  for (const JobFilter::Order order : {JobFilter::Order::kId, JobFilter::Order::kWorkdir}) {
    filter.order = order;
    filter.limit = kMaxPage;
    const auto refused = stores_->jobs.list(filter);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kInvalid);
    EXPECT_NE(refused.error().message.find("ask for 3 rows at once"), std::string::npos)
        << refused.error().message;
    filter.limit = 3;
    EXPECT_EQ(stores_->jobs.list(filter)->rows.size(), 3u);
  }
  filter.max_bytes = 1;
  filter.limit = 1;
  EXPECT_EQ(stores_->jobs.list(filter)->rows.size(), 1u) << "a single one is always told";
  EventFilter events;
  events.max_bytes = 1;
  EXPECT_EQ(stores_->jobs.events(events).error().code, Code::kInvalid);
  events.limit = 1;
  EXPECT_TRUE(stores_->jobs.events(events));
}

TEST_F(JobStoreTest, EventsAreFoundByWhatTheySay) {
  const JobId a = make(work("a")).id;
  clock_.advance(std::chrono::hours(1));
  const JobId b = make(bare("b")).id;
  EventFilter filter;
  filter.to = "READY";
  const auto ready = stores_->jobs.events(filter).value();
  ASSERT_EQ(ready.count, 1u);
  EXPECT_EQ(ready.rows[0].job, a);
  EXPECT_EQ(ready.rows[0].from, "CREATED");
  filter = {};
  filter.after = clock_.now();
  const auto rows = stores_->jobs.events(filter).value().rows;
  for (const JobEvent& event : rows) EXPECT_EQ(event.job, b);
  filter = {};
  const auto all = stores_->jobs.events(filter).value().rows;
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& x, const auto& y) {
    return x.id > y.id;
  })) << "newest first";
  filter.limit = 2;
  EXPECT_EQ(stores_->jobs.events(filter).value().rows.size(), 2u);
  EXPECT_EQ(stores_->jobs.events(filter).value().count, all.size());
}

}  // namespace
}  // namespace wherry::jobs
