// SPDX-License-Identifier: Apache-2.0
// The front of the module: definitions, verification, rebuilding, watching.
#include "sync/sync.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <thread>

#include "base/file.h"
#include "base/worker_pool.h"
#include "sync/test_fixture.h"
#include "sync/tree_watch.h"

namespace wherry::sync {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class SyncTest : public SyncFixture {
 protected:
  SyncTest() : syncs_({service_, *database_, clock_, scratch_.path(), "user", {}}) {
    store_->remove("mirror").value();
  }
  SyncDefinition fresh(const std::string& name = "mirror") {
    SyncDefinition definition = definition_;
    definition.name = name;
    return definition;
  }
  void expect_refused(const SyncDefinition& definition, Code code, const std::string& part) {
    const auto added = syncs_.add(definition);
    ASSERT_FALSE(added) << part;
    EXPECT_EQ(added.error().code, code) << added.error().message;
    EXPECT_THAT(added.error().message, HasSubstr(part));
    EXPECT_TRUE(syncs_.list().value().empty());
  }
  SyncService syncs_;
};

TEST_F(SyncTest, ADefinitionComesBackAsItWasStored) {
  SyncDefinition definition = fresh();
  definition.source.path = RelPath::from_normal("sub/not\xffutf8");
  make_directory("sub/not\xffutf8");
  definition.cron = "*/15 * * * *";
  definition.settle = std::chrono::seconds(3);
  definition.deletions = Deletions::kArchive;
  definition.max_delete = 12.5;
  definition.symlinks = engine::SymlinkPolicy::kKeep;
  definition.filters = {
      {engine::FilterRule::Method::kInclude, "*.tif", engine::FilterRule::Applies::kFiles},
      {engine::FilterRule::Method::kExclude, "a b\n\xff", engine::FilterRule::Applies::kAll},
      {engine::FilterRule::Method::kExclude, "scratch", engine::FilterRule::Applies::kDirectories}};
  definition.label_pattern = "RUN_%d";
  definition.batch_size = 7;
  definition.verify = engine::Verify::kSize;
  definition.preserve_mtime = false;
  definition.renames = false;
  definition.trust_directories = true;
  definition.full_every = std::chrono::hours(3);
  const SyncDefinition added = syncs_.add(definition).value();
  EXPECT_EQ(added.created, clock_.now());
  EXPECT_EQ(syncs_.get("mirror").value(), added);
  EXPECT_THAT(syncs_.list().value(), ElementsAre(added));
}

TEST_F(SyncTest, BadDefinitionsAreRefusedAndNothingIsStored) {
  const auto with = [&](auto change) {
    SyncDefinition definition = fresh();
    change(definition);
    return definition;
  };
  for (const char* name : {"", "a b", "../x", ".hidden", "-x", "a/b", "n\n"})
    expect_refused(fresh(name), Code::kInvalid, "sync name");
  expect_refused(fresh(std::string(65, 'x')), Code::kInvalid, "sync name");
  expect_refused(with([](auto& d) { d.max_delete = 101; }), Code::kInvalid, "max-delete");
  expect_refused(with([](auto& d) { d.settle = -std::chrono::seconds(1); }), Code::kInvalid,
                 "settle");
  expect_refused(with([](auto& d) { d.batch_size = 100'001; }), Code::kInvalid, "batch size");
  expect_refused(with([](auto& d) { d.batch_size = 0; }), Code::kInvalid, "batch size");
  expect_refused(with([](auto& d) { d.cron = "0 0 31 2 *"; }), Code::kInvalid, "never fires");
  expect_refused(with([](auto& d) {
                   d.cron = "@daily";
                   d.every = std::chrono::hours(1);
                 }),
                 Code::kInvalid, "either");
  expect_refused(with([](auto& d) { d.filters = {{{}, "a/b", {}}}; }), Code::kInvalid, "filter");
  expect_refused(with([](auto& d) { d.source.endpoint = "nowhere"; }), Code::kNotFound, "nowhere");
  expect_refused(with([](auto& d) { d.source.path = RelPath::from_normal("missing"); }),
                 Code::kNotFound, "missing");
  write("file", "x");
  expect_refused(with([](auto& d) { d.source.path = RelPath::from_normal("file"); }),
                 Code::kInvalid, "no directory");
}

TEST_F(SyncTest, OverlappingPlacesAreRefusedHoweverTheyAreNamed) {
  service_.add_endpoint("all", scratch_.path());
  make_directory("sub");
  fs::create_symlink(source_, scratch_.file("alias"));
  const auto refuse = [&](const Place& source, const Place& target) {
    SyncDefinition definition = fresh();
    definition.source = source;
    definition.target = target;
    expect_refused(definition, Code::kInvalid, "overlap");
  };
  const auto path = [](const char* text) { return RelPath::from_normal(text); };
  refuse({"lab", {}}, {"lab", path("sub")});
  refuse({"lab", path("sub")}, {"lab", {}});
  refuse({"lab", path("sub")}, {"lab", path("sub")});
  refuse({"lab", {}}, {"all", path("source/sub/new")});
  refuse({"all", {}}, {"archive", {}});
  refuse({"lab", {}}, {"all", path("alias/new")});
}

TEST_F(SyncTest, NamesAreUniqueAndAnUnknownOneNamesTheNearest) {
  syncs_.add(fresh()).value();
  EXPECT_EQ(syncs_.add(fresh()).error().code, Code::kAlreadyExists);
  EXPECT_THAT(syncs_.get("miror").error().message, HasSubstr("did you mean 'mirror'"));
}

TEST_F(SyncTest, APausedSyncDoesNotRun) {
  write("a", "1");
  syncs_.add(fresh()).value();
  syncs_.pause("mirror").value();
  EXPECT_EQ(syncs_.run("mirror", {}, {}).error().code, Code::kConflict);
  syncs_.resume("mirror").value();
  EXPECT_EQ(syncs_.run("mirror", {}, {})->end, PassEnd::kDone);
  expect_mirrored();
}

TEST_F(SyncTest, RemovingASyncLeavesTheTarget) {
  write("a", "1");
  syncs_.add(fresh()).value();
  syncs_.run("mirror", {}, {}).value();
  EXPECT_EQ(syncs_.status("mirror")->known->files, 1u);
  syncs_.remove("mirror").value();
  EXPECT_FALSE(fs::exists(syncs_.catalog_file("mirror")));
  EXPECT_TRUE(fs::exists(at_target("a")));
  EXPECT_EQ(syncs_.remove("mirror").error().code, Code::kNotFound);
}

TEST_F(SyncTest, AnUpdateChangesWhatMayChange) {
  SyncDefinition definition = syncs_.add(fresh()).value();
  definition.deletions = Deletions::kPropagate;
  EXPECT_EQ(syncs_.update(definition).value(), definition);
  EXPECT_EQ(syncs_.get("mirror")->deletions, Deletions::kPropagate);
  make_directory("sub");
  definition.source.path = RelPath::from_normal("sub");
  EXPECT_EQ(syncs_.update(definition).error().code, Code::kInvalid);
}

// --- Verify and rebuild ---

TEST_F(SyncTest, VerifyFindsWhatTheTargetLost) {
  for (const char* name : {"good", "sub/flipped", "sub/missing", "short", "changed"})
    write(name, "content");
  syncs_.add(fresh()).value();
  EXPECT_EQ(syncs_.verify("mirror", 2, {}).error().code, Code::kNotFound);
  syncs_.run("mirror", {}, {}).value();
  const VerifyReport good = syncs_.verify("mirror", 2, {}).value();
  EXPECT_TRUE(good.is_good());
  EXPECT_TRUE(good.by_content);
  EXPECT_EQ(good.files, 5u);
  EXPECT_EQ(good.bytes, 35u);

  durable_write_file(at_target("sub/flipped"), "cOntent", 0600).value();
  fs::remove(at_target("sub/missing"));
  durable_write_file(at_target("short"), "cont", 0600).value();
  write("changed", "since");
  service_.forget();
  const VerifyReport bad = syncs_.verify("mirror", 2, {}).value();
  EXPECT_FALSE(bad.is_good());
  EXPECT_EQ(bad.differing, 2u);
  EXPECT_EQ(bad.missing, 1u);
  EXPECT_EQ(bad.changed, 1u);
  std::vector<std::string> paths;
  for (const Problem& problem : bad.problems) paths.push_back(problem.path);
  EXPECT_THAT(paths, UnorderedElementsAre("sub/flipped", "sub/missing", "short"));
  EXPECT_TRUE(service_.transfers.empty());
}

TEST_F(SyncTest, VerifyOfARemoteSideSaysThatItComparedSizesOnly) {
  write("a", "content");
  service_.is_remote = true;
  syncs_.add(fresh()).value();
  syncs_.run("mirror", {}, {}).value();
  const VerifyReport report = syncs_.verify("mirror", 1, {}).value();
  EXPECT_FALSE(report.by_content);
  EXPECT_TRUE(report.is_good());
  EXPECT_EQ(report.files, 1u);
  EXPECT_EQ(report.bytes, 0u);
}

TEST_F(SyncTest, ARebuiltCatalogSendsOnlyWhatTheTargetLacks) {
  SyncDefinition definition = fresh();
  definition.symlinks = engine::SymlinkPolicy::kKeep;
  for (const char* name : {"a", "sub/b", "sub/deep/c", "sub/lost", "stale"}) write(name, name);
  make_directory("empty");
  link("l", "a");
  syncs_.add(definition).value();
  syncs_.run("mirror", {}, {}).value();
  fs::remove(at_target("sub/lost"));
  write("stale", "newer");
  fs::remove(syncs_.catalog_file("mirror"));
  const RebuildReport report = syncs_.rebuild("mirror", {}).value();
  EXPECT_EQ(report.confirmed, 4u);
  EXPECT_EQ(report.due, 2u);
  EXPECT_TRUE(catalog()->check());
  service_.forget();
  EXPECT_EQ(syncs_.run("mirror", {}, {})->end, PassEnd::kDone);
  EXPECT_THAT(service_.copied, UnorderedElementsAre("stale", "sub/lost"));
  expect_mirrored();
}

TEST_F(SyncTest, ADamagedCatalogIsNamedAndCanBeRebuilt) {
  write("a", "1");
  write("sub/b", "2");
  syncs_.add(fresh()).value();
  syncs_.run("mirror", {}, {}).value();
  std::string bytes = catalog_bytes();
  bytes[0] ^= 1;
  durable_write_file(syncs_.catalog_file("mirror"), bytes, 0600).value();
  const auto refused = syncs_.run("mirror", {}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kCorrupt);
  syncs_.rebuild("mirror", {}).value();
  service_.forget();
  EXPECT_EQ(syncs_.run("mirror", {}, {})->end, PassEnd::kDone);
  EXPECT_TRUE(service_.copied.empty());
}

// --- Watching: real events, the real clock, and waiting for what must happen. ---

class WatchTest : public SyncFixture {
 protected:
  WatchTest() : syncs_({service_, *database_, system_clock(), scratch_.path(), "user", {}}) {
    store_->remove("mirror").value();
    definition_.settle = std::chrono::milliseconds(50);
  }
  ~WatchTest() override {
    stop_.request_stop();
    pool_.wait_idle();
  }
  void start() {
    WatchOptions options;
    options.on_pass = [this](std::string_view sync, const Result<PassReport>& report) {
      const std::lock_guard lock(mutex_);
      if (report) ++passes_[std::string(sync)];
      changed_.notify_all();
    };
    options.on_note = [this](std::string_view, std::string_view message) {
      const std::lock_guard lock(mutex_);
      notes_.emplace_back(message);
      changed_.notify_all();
    };
    options.refresh = std::chrono::milliseconds(50);
    pool_.submit([this, options] { syncs_.watch(options, stop_.get_token()).value(); });
  }
  // Waits until a pass or a note has made it true.
  bool eventually(const std::function<bool()>& is_true) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), is_true);
  }
  int passes(const std::string& sync) const {
    const auto found = passes_.find(sync);
    return found == passes_.end() ? 0 : found->second;
  }

  SyncService syncs_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> passes_;
  std::vector<std::string> notes_;
  WorkerPool pool_{{1, 4}};
};

TEST_F(WatchTest, AFileAppearsAtTheTargetSoonAfterItIsQuiet) {
  write("sub/old", "1");
  syncs_.add(definition_).value();
  start();
  ASSERT_TRUE(eventually([&] { return passes("mirror") >= 1; }));
  const Duration begin = system_clock().monotonic();
  write("sub/new", "2");
  write("fresh/deep/dir/file", "3");
  EXPECT_TRUE(eventually([&] {
    return fs::exists(at_target("sub/new")) && fs::exists(at_target("fresh/deep/dir/file"));
  }));
  EXPECT_LT(system_clock().monotonic() - begin, std::chrono::seconds(10));
  // In the new directory, too, events are heard.
  write("fresh/deep/dir/later", "4");
  EXPECT_TRUE(eventually([&] { return fs::exists(at_target("fresh/deep/dir/later")); }));
}

TEST_F(WatchTest, ManySyncsLiveInOneProcessAndOneBrokenSourceHarmsNoOther) {
  for (int i = 0; i < 8; ++i) {
    SyncDefinition definition = definition_;
    definition.name = fmt::format("s{}", i);
    definition.source.path = definition.target.path = RelPath::from_normal(definition.name);
    make_directory(definition.name);
    syncs_.add(definition).value();
  }
  remove("s3");
  start();
  ASSERT_TRUE(eventually([&] {
    for (const int i : {0, 1, 2, 4, 5, 6, 7}) {
      if (passes(fmt::format("s{}", i)) == 0) return false;
    }
    return true;
  }));
  for (const int i : {0, 1, 2, 4, 5, 6, 7}) write(fmt::format("s{}/file", i), "x");
  EXPECT_TRUE(eventually([&] {
    for (const int i : {0, 1, 2, 4, 5, 6, 7}) {
      if (!fs::exists(at_target(fmt::format("s{}/file", i)))) return false;
    }
    return true;
  }));
  EXPECT_EQ(passes("s3"), 0);
}

TEST_F(WatchTest, EventsNameTheDirectoriesAndFollowRenames) {
  make_directory("a/b");
  const auto watch = TreeWatch::open(source_, {}).value();
  EXPECT_EQ(watch->directory_count(), 3u);
  EXPECT_TRUE(watch->read()->dirty.empty());
  write("a/b/f", "x");
  EXPECT_THAT(watch->read()->dirty, ElementsAre("a/b"));
  rename("a", "z");
  EXPECT_THAT(watch->read()->dirty, ElementsAre("", "z", "z/b"));
  write("z/b/f", "y");
  EXPECT_THAT(watch->read()->dirty, ElementsAre("z/b"));
  remove("z");
  watch->read().value();
  EXPECT_EQ(watch->directory_count(), 1u);
}

TEST_F(WatchTest, ASymlinkAsRootIsWatchedAndThatItLeadsElsewhereIsSeen) {
  make_directory("a");
  make_directory("b");
  const std::string alias = scratch_.file("alias");
  fs::create_directory_symlink(at_source("a"), alias);
  const auto watch = TreeWatch::open(alias, {}).value();
  write("a/f", "x");
  EXPECT_THAT(watch->read()->dirty, ElementsAre(""));
  EXPECT_TRUE(watch->is_in_place());
  fs::remove(alias);
  EXPECT_FALSE(watch->is_in_place());
  fs::create_directory_symlink(at_source("b"), alias);
  EXPECT_FALSE(watch->is_in_place());
}

TEST_F(WatchTest, ASourceThatComesBackIsWatchedAgain) {
  write("sub/old", "1");
  syncs_.add(definition_).value();
  const std::string elsewhere = scratch_.file("elsewhere");
  fs::rename(source_, elsewhere);
  start();
  ASSERT_TRUE(eventually([&] { return !notes_.empty(); }));
  EXPECT_THAT(notes_.front(), HasSubstr("no such directory"));
  fs::rename(elsewhere, source_);
  EXPECT_TRUE(eventually([&] { return fs::exists(at_target("sub/old")); }));
  write("sub/new", "2");
  EXPECT_TRUE(eventually([&] { return fs::exists(at_target("sub/new")); }));
}

// No event tells of that, nor of what is mounted over a source.
TEST_F(WatchTest, ASourceThatIsReplacedIsWatchedAgain) {
  write("one/a", "1");
  write("two/b", "2");
  fs::create_directory_symlink("one", at_source("current"));
  definition_.source.path = RelPath::from_normal("current");
  syncs_.add(definition_).value();
  start();
  ASSERT_TRUE(eventually([&] { return fs::exists(at_target("a")); }));
  fs::remove(at_source("current"));
  fs::create_directory_symlink("two", at_source("current"));
  EXPECT_TRUE(eventually([&] { return fs::exists(at_target("b")); }));
  write("two/c", "3");
  EXPECT_TRUE(eventually([&] { return fs::exists(at_target("c")); }));
}

TEST_F(WatchTest, ExcludedNamesRaiseNoEvents) {
  make_directory("scratch");
  Rules rules;
  rules.filters = {
      {engine::FilterRule::Method::kExclude, "scratch", engine::FilterRule::Applies::kDirectories},
      {engine::FilterRule::Method::kExclude, "*.tmp", engine::FilterRule::Applies::kFiles}};
  const auto watch = TreeWatch::open(source_, rules).value();
  write("scratch/x", "1");
  write("y.tmp", "2");
  EXPECT_TRUE(watch->read()->dirty.empty());
}

TEST_F(WatchTest, MoreEventsThanTheQueueHoldsAreReportedAsLost) {
  std::string limit = read_file("/proc/sys/fs/inotify/max_queued_events", 100).value();
  const auto watch = TreeWatch::open(source_, {}).value();
  const long events = std::stol(limit) / 2 + 1000;  // two each
  if (events > 50'000) GTEST_SKIP() << "the queue is very long here";
  for (long i = 0; i < events; ++i) write(fmt::format("f{}", i), "");
  EXPECT_TRUE(watch->read()->lost);
}

}  // namespace
}  // namespace wherry::sync
