// SPDX-License-Identifier: Apache-2.0
#include "tasks/outcome_store.h"

#include <gtest/gtest.h>

#include <set>

#include "tasks/test_world.h"

namespace wherry::tasks {
namespace {

using engine::OperationKind;
using engine::Outcome;

class OutcomeStoreTest : public testing::Test {
 protected:
  OutcomeStoreTest() {
    auto request = world_.transfer("run", "copy");
    // The second item is a file, so that nothing is below it.
    request.items.push_back({.source = RelPath::parse("one").value(),
                             .target = RelPath::parse("two").value(),
                             .checksum = {}});
    id_ = world_.submit(request);
    task_ = Store(*world_.database, world_.clock).key(id_).value();
  }

  Outcome moved(std::uint64_t item, const std::string& below) {
    Outcome outcome;
    outcome.item = item;
    outcome.below = RelPath::parse(below).value();
    outcome.bytes = 7;
    outcome.checksum = "0123";
    return outcome;
  }
  Outcome failed(const std::string& below, Outcome::Result result) {
    Outcome outcome = moved(0, below);
    outcome.result = result;
    outcome.source = RelPath::parse("run").value().join(outcome.below);
    outcome.target = RelPath::parse("copy").value().join(outcome.below);
    outcome.error = make_error(Code::kNotFound, "look at '{}': gone", below);
    return outcome;
  }
  void record(const std::vector<Outcome>& outcomes) {
    ASSERT_TRUE(store_.record(task_, {outcomes, {}}, {}));
  }
  void record_numbered(int first, int count) {
    std::vector<Outcome> outcomes;
    for (int i = first; i < first + count; ++i) outcomes.push_back(moved(0, std::to_string(i)));
    record(outcomes);
  }

  TestWorld world_;
  OutcomeStore store_{*world_.database, world_.clock};
  TaskId id_;
  TaskKey task_ = 0;
};

TEST_F(OutcomeStoreTest, PathsArePutTogetherFromTheItem) {
  record({moved(0, "deep/a"), moved(1, "")});
  const auto page = store_.successes(task_, 0).value();
  ASSERT_EQ(page.rows.size(), 2u);
  EXPECT_EQ(page.rows[0].source_path, "/run/deep/a");
  EXPECT_EQ(page.rows[0].target_path, "/copy/deep/a");
  EXPECT_EQ(page.rows[1].source_path, "/one");
  EXPECT_EQ(page.rows[1].target_path, "/two");
  EXPECT_EQ(page.rows[1].item, 1u);
  EXPECT_EQ(page.rows[1].size, 7u);
  EXPECT_EQ(page.rows[1].checksum, "0123");
}

TEST_F(OutcomeStoreTest, NamesAreBytes) {
  const std::string name = "\xff\n'\"\x01 name";
  record({moved(0, name)});
  EXPECT_EQ(store_.successes(task_, 0)->rows[0].source_path, "/run/" + name);
  ASSERT_TRUE(store_.begin_recovery(task_));
  EXPECT_TRUE(*store_.is_done(task_, 0, RelPath::parse(name).value()));
}

TEST_F(OutcomeStoreTest, PagesAreStableWhileMoreIsRecorded) {
  record_numbered(0, kOutcomePageRows + 5);
  const auto first = store_.successes(task_, 0).value();
  EXPECT_EQ(first.rows.size(), kOutcomePageRows);
  ASSERT_TRUE(first.next);
  record_numbered(kOutcomePageRows + 5, 3);
  EXPECT_EQ(store_.successes(task_, 0)->rows.size(), kOutcomePageRows);
  const auto second = store_.successes(task_, *first.next).value();
  EXPECT_EQ(second.rows.size(), 8u);
  EXPECT_FALSE(second.next);
  std::set<std::string> paths;
  for (const auto* page : {&first, &second})
    for (const auto& row : page->rows) EXPECT_TRUE(paths.insert(row.source_path).second);
  EXPECT_EQ(paths.size(), kOutcomePageRows + 8);
}

TEST_F(OutcomeStoreTest, AFullLastPageHasNoNext) {
  record_numbered(0, kOutcomePageRows);
  const auto page = store_.successes(task_, 0).value();
  EXPECT_EQ(page.rows.size(), kOutcomePageRows);
  EXPECT_FALSE(page.next);
}

TEST_F(OutcomeStoreTest, OnlyFilesAreListedAsTransferred) {
  std::vector<Outcome> outcomes = {moved(0, "d"), moved(0, "l"), moved(0, "u"), moved(0, "f")};
  outcomes[0].kind = OperationKind::kMakeDirectory;
  outcomes[1].kind = OperationKind::kMakeSymlink;
  outcomes[2].result = Outcome::Result::kUpToDate;
  record(outcomes);
  const auto page = store_.successes(task_, 0).value();
  ASSERT_EQ(page.rows.size(), 1u);
  EXPECT_EQ(page.rows[0].source_path, "/run/f");
}

TEST_F(OutcomeStoreTest, ErrorsSayWhichFileAndWhy) {
  Outcome directory = failed("d", Outcome::Result::kSkippedError);
  directory.kind = OperationKind::kMakeDirectory;
  record({failed("a", Outcome::Result::kFailed), moved(0, "b"), directory});
  const auto page = store_.errors(task_, 0).value();
  ASSERT_EQ(page.rows.size(), 2u);
  EXPECT_EQ(page.rows[0].source_path, "/run/a");
  EXPECT_EQ(page.rows[0].target_path, "/copy/a");
  EXPECT_EQ(page.rows[0].code, "FILE_NOT_FOUND");
  EXPECT_EQ(page.rows[0].details, "look at 'a': gone");
  EXPECT_EQ(page.rows[0].time, world_.clock.now());
  EXPECT_FALSE(page.rows[0].skipped);
  EXPECT_FALSE(page.rows[0].is_directory);
  EXPECT_TRUE(page.rows[1].skipped);
  EXPECT_TRUE(page.rows[1].is_directory);
}

TEST_F(OutcomeStoreTest, CountersAreStoredWithTheOutcomes) {
  const std::vector<Outcome> outcomes = {moved(0, "a")};
  Tally tally;
  tally.counts.files_transferred = 1;
  tally.counts.bytes_transferred = 7;
  tally.worked = std::chrono::seconds(2);
  ASSERT_TRUE(store_.record(task_, {outcomes, {}}, tally));
  const Task task = world_.service->task(id_).value();
  EXPECT_EQ(task.counts.files_transferred, 1u);
  EXPECT_DOUBLE_EQ(task.bytes_per_second, 3.5);
}

TEST_F(OutcomeStoreTest, ABatchIsStoredAsAWholeOrNotAtAll) {
  world_.fault = [](std::string_view point) -> Result<void> {
    if (point == "commit") return make_error(Code::kUnavailable, "killed");
    return {};
  };
  const std::vector<Outcome> outcomes = {moved(0, "a"), moved(0, "b")};
  EXPECT_FALSE(store_.record(task_, {outcomes, {}}, {}));
  world_.fault = nullptr;
  EXPECT_TRUE(store_.successes(task_, 0)->rows.empty());
}

TEST_F(OutcomeStoreTest, RecoveryKnowsExactlyWhatIsDone) {
  std::vector<Outcome> outcomes = {moved(0, "a"), moved(0, "link"), moved(1, "")};
  outcomes[1].kind = OperationKind::kMakeSymlink;
  outcomes.push_back(failed("bad", Outcome::Result::kFailed));
  record(outcomes);
  ASSERT_TRUE(store_.begin_recovery(task_));
  ASSERT_TRUE(store_.begin_recovery(task_));  // as after a crash of the recovery
  const auto is_done = [&](std::uint64_t item, const std::string& below) {
    return store_.is_done(task_, item, RelPath::parse(below).value()).value();
  };
  EXPECT_TRUE(is_done(0, "a"));
  EXPECT_TRUE(is_done(0, "link"));
  EXPECT_TRUE(is_done(1, ""));
  EXPECT_FALSE(is_done(0, ""));
  EXPECT_FALSE(is_done(1, "a"));
  EXPECT_FALSE(is_done(0, "bad"));
  ASSERT_TRUE(store_.end_recovery(task_));
  EXPECT_FALSE(is_done(0, "a"));
}

TEST_F(OutcomeStoreTest, FaultsAreListedUpToABoundNewestFirst) {
  std::vector<Event> faults(kMaxFaultEvents - 1);
  for (Event& event : faults) event.code = "TIMEOUT";
  ASSERT_TRUE(store_.record(task_, {{}, faults}, {}));
  std::vector<Event> more(2);
  more[0].code = "CONNECT_FAILED";
  more[1].code = "DROPPED";
  ASSERT_TRUE(store_.record(task_, {{}, more}, {}));
  ASSERT_TRUE(store_.record(task_, {{}, more}, {}));
  EXPECT_EQ(store_.events(task_, 10'000, 0)->size(), kMaxFaultEvents);
  EXPECT_EQ(store_.events(task_, 1, 0)->at(0).code, "CONNECT_FAILED");
  EXPECT_EQ(store_.events(task_, 1, 1)->at(0).code, "TIMEOUT");
}

}  // namespace
}  // namespace wherry::tasks
