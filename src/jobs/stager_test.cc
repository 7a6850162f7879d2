// SPDX-License-Identifier: Apache-2.0
#include "jobs/stager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "jobs/test_site.h"

namespace wherry::jobs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class StagerTest : public SiteFixture {
 protected:
  // Until what failed may be tried again.
  void pass(Duration time) { clock_.advance(time); }
};

// Scenario 2, B1: with `globus_endpoint_site_path` unset, tasks carried nothing at all.
TEST_F(StagerTest, WithoutAMappingOfPathsEveryItemIsInTheTask) {
  create_with_inputs(100);
  step();
  ASSERT_EQ(service_->accepted.size(), 1u);
  EXPECT_EQ(service_->accepted[0].items.size(), 100u);
  settle();
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kPreprocessed, 100u)));
  EXPECT_EQ(read("site", "job7/input"), "content 7");
  EXPECT_EQ(service_->accepted.size(), 1u);
}

// Scenario 2, B2: only the leading part of a path is that of the site.
TEST_F(StagerTest, OnlyTheLeadingSitePathIsReplaced) {
  settings_.transfers.globus_endpoint_site_path = "/there";
  start_stager();
  app("app", {{"data", in("input")}});
  write("lab", "x", "1");
  const std::string twice = scratch_.file("site").substr(1) + "/data/x";
  create({new_job("app", twice, {{"data", {"lab", "/x"}}})});
  step();
  ASSERT_EQ(service_->accepted.size(), 1u);
  EXPECT_EQ(service_->accepted[0].items.at(0).target.text(), "there/data/" + twice + "/input");
}

// Scenario 3, B3: a missing source held up the hundred items of its task for a day.
TEST_F(StagerTest, OneMissingFileHoldsBackNoneOfTheOtherNinetyNine) {
  const auto jobs = create_with_inputs(100);
  fs::remove(at("lab", "in/42"));
  settle();
  EXPECT_THAT(states(),
              ElementsAre(Pair(JobState::kPreprocessed, 99u), Pair(JobState::kFailed, 1u)));
  EXPECT_EQ(state(jobs[42]), JobState::kFailed);
  const TransferItem item = item_of(jobs[42], "data");
  EXPECT_EQ(item.state, ItemState::kError);
  ASSERT_TRUE(item.error);
  EXPECT_EQ(item.error->code, "FILE_NOT_FOUND");
  EXPECT_EQ(item.attempts, 1) << "what can never succeed is not repeated";
  EXPECT_EQ(service_->accepted.size(), 1u);
}

TEST_F(StagerTest, AJobIsStagedInWhenItsOwnDataIsThereThoughItsTaskGoesOn) {
  const auto jobs = create_with_inputs(10);
  fs::remove(at("lab", "in/3"));
  step();
  service_->run_tasks();
  const std::string task = service_->all_tasks().at(0).id;
  service_->still_active.insert(task);
  EXPECT_TRUE(step().progressed);
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kStagedIn, 9u), Pair(JobState::kFailed, 1u)));
  EXPECT_EQ(stores_->items.open_tasks(site_.id)->size(), 1u);
  EXPECT_THAT(service_->cancelled, IsEmpty()) << "it is about to end by itself";
  service_->still_active.clear();
  step();
  EXPECT_THAT(stores_->items.open_tasks(site_.id).value(), IsEmpty());
}

TEST_F(StagerTest, AServiceThatTellsPathsAndOnlyAtTheEndIsUnderstood) {
  service_->tells_items = false;
  service_->tells_while_active = false;
  app("shared", {{"data", in("input")}});
  write("lab", "common", "for all");
  std::vector<NewJob> more;
  for (int i = 0; i < 3; ++i)
    more.push_back(new_job("shared", fmt::format("s{}", i), {{"data", {"lab", "/common"}}}));
  more.push_back(new_job("shared", "s3", {{"data", {"lab", "/missing"}}}));
  const auto jobs = create(more);
  step();
  step();
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kReady, 4u)));
  settle();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read("site", fmt::format("s{}/input", i)), "for all");
  EXPECT_THAT(states(),
              ElementsAre(Pair(JobState::kPreprocessed, 3u), Pair(JobState::kFailed, 1u)));
  EXPECT_EQ(state(jobs[3]), JobState::kFailed);
}

// B19: equal size is no proof of equal content.
TEST_F(StagerTest, AFileOfTheSameSizeAndAnotherContentIsReplaced) {
  create_with_inputs(1);
  write("site", "job0/input", "CONTENT 0");
  settle();
  EXPECT_EQ(read("site", "job0/input"), "content 0");
}

TEST_F(StagerTest, WhatIsThereAlreadyWithTheSameContentIsDone) {
  const auto jobs = create_with_inputs(1);
  write("site", "job0/input", "content 0");
  settle();
  EXPECT_EQ(state(jobs[0]), JobState::kPreprocessed);
}

TEST_F(StagerTest, ManyItemsTravelInFewTasksAndNoMoreThanAllowedAtOnce) {
  settings_.transfers.transfer_batch_size = 10;
  start_stager();
  create_with_inputs(100);
  step();
  EXPECT_EQ(service_->accepted.size(), 3u);
  step();
  EXPECT_EQ(service_->accepted.size(), 3u) << "three run at once";
  settle();
  EXPECT_EQ(service_->accepted.size(), 10u);
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kPreprocessed, 100u)));
}

// ---- Results leave.

class StageOutTest : public StagerTest {
 protected:
  // A job that has run and made `files`, in PREPROCESSED before that.
  JobId ran(const std::map<std::string, Slot, std::less<>>& slots,
            const std::map<std::string, RemotePath, std::less<>>& transfers,
            const std::vector<std::string>& files) {
    app("makes", slots);
    const JobId job = create({new_job("makes", "work", transfers)}).at(0);
    process();
    for (const std::string& file : files) write("site", "work/" + file, "made " + file);
    run_jobs(1);
    return job;
  }
};

// Scenario 4, B5: children of a parent that finished by stage-out waited for ever.
TEST_F(StageOutTest, ChildrenAreReleasedWhenTheResultsOfTheirParentHaveArrived) {
  app("makes", {{"result", out("result")}});
  app("uses", {});
  const JobId parent = create({new_job("makes", "p", {{"result", {"far", "/r"}}})}).at(0);
  std::vector<NewJob> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(new_job("uses", fmt::format("c{}", i), {}));
    children.back().parents = {parent};
  }
  create(children);
  process();
  write("site", "p/result", "42");
  run_jobs(1);
  process();
  EXPECT_EQ(states()[JobState::kAwaitingParents], 3u);
  step();
  service_->run_tasks();
  step();
  EXPECT_EQ(read("far", "r"), "42");
  EXPECT_THAT(history(parent),
              ElementsAre("CREATED", "STAGED_IN", "PREPROCESSED", "RUNNING", "RUN_DONE",
                          "POSTPROCESSED", "STAGED_OUT", "JOB_FINISHED"));
  EXPECT_EQ(states()[JobState::kAwaitingParents], 0u);
  EXPECT_EQ(states()[JobState::kStagedIn], 3u);
}

// B22: an output was one file or directory, by its exact name.
TEST_F(StageOutTest, APatternBringsAllThatMatchesAndIsDoneWhenAllHasArrived) {
  const JobId job = ran({{"all", out("out/*.dat")}}, {{"all", {"far", "/results"}}},
                        {"out/a.dat", "out/b.dat", "out/c.txt"});
  settle();
  EXPECT_EQ(state(job), JobState::kJobFinished);
  EXPECT_EQ(read("far", "results/a.dat"), "made out/a.dat");
  EXPECT_EQ(read("far", "results/b.dat"), "made out/b.dat");
  EXPECT_EQ(read("far", "results/c.txt"), "<missing>");
}

TEST_F(StageOutTest, AnOptionalOutputThatIsMissingIsDoneWithANote) {
  Slot optional = out("log");
  optional.required = false;
  const JobId job = ran({{"log", optional}, {"result", out("result")}},
                        {{"log", {"far", "/log"}}, {"result", {"far", "/result"}}}, {"result"});
  settle();
  EXPECT_EQ(state(job), JobState::kJobFinished);
  EXPECT_EQ(item_of(job, "log").state, ItemState::kDone);
  EventFilter filter;
  filter.jobs = {job};
  filter.to = "done";
  const auto events = stores_->jobs.events(filter).value();
  EXPECT_TRUE(std::any_of(events.rows.begin(), events.rows.end(), [](const JobEvent& event) {
    return event.message.find("it is optional") != std::string::npos;
  }));
}

TEST_F(StageOutTest, ARequiredOutputThatIsMissingFailsItsJobBeforeAnythingIsSent) {
  const JobId job = ran({{"result", out("result")}}, {{"result", {"far", "/result"}}}, {});
  settle();
  EXPECT_EQ(state(job), JobState::kFailed);
  EXPECT_THAT(service_->accepted, IsEmpty());
}

TEST_F(StageOutTest, ADirectoryOfResultsArrivesWhole) {
  Slot tree = out("tree");
  tree.recursive = true;
  const JobId job =
      ran({{"tree", tree}}, {{"tree", {"far", "/trees/1"}}}, {"tree/a", "tree/deep/b"});
  settle();
  EXPECT_EQ(state(job), JobState::kJobFinished);
  EXPECT_EQ(read("far", "trees/1/deep/b"), "made tree/deep/b");
}

TEST_F(StagerTest, TheNameOfARemoteFileIsKeptWhereTheSlotSaysSo) {
  app("app", {{"data", in(".")}});
  write("lab", "deep/a: b.h5", "1");
  create({new_job("app", "w", {{"data", {"lab", "/deep/a: b.h5"}}})});
  settle();
  EXPECT_EQ(read("site", "w/a: b.h5"), "1");
}

// ---- Inputs that jobs have in common.

TEST_F(StagerTest, AnInputThatJobsShareMovesOnce) {
  for (const auto share : {TransferSettings::Share::kLink, TransferSettings::Share::kCopy}) {
    settings_.transfers.share_inputs = share;
    start_stager();
    const std::string name = share == TransferSettings::Share::kLink ? "link" : "copy";
    app(name, {{"data", in("input")}});
    write("lab", name, "common to all");
    std::vector<NewJob> jobs;
    for (int i = 0; i < 20; ++i)
      jobs.push_back(new_job(name, fmt::format("{}{}", name, i), {{"data", {"lab", "/" + name}}}));
    create(jobs);
    service_->accepted.clear();
    settle();
    ASSERT_EQ(service_->accepted.size(), 1u);
    EXPECT_EQ(service_->accepted[0].items.size(), 1u);
    struct stat status;
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(read("site", fmt::format("{}{}/input", name, i)), "common to all");
      ASSERT_EQ(::stat(at("site", fmt::format("{}{}/input", name, i)).c_str(), &status), 0);
      EXPECT_EQ(status.st_nlink, share == TransferSettings::Share::kLink ? 21u : 1u);
    }
  }
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kPreprocessed, 40u)));
}

// ---- Cancelling. B14: nothing ever cancelled a task.

// Scenario 18.
TEST_F(StagerTest, ATaskThatCarriesNobodysItemsAnyMoreIsCancelled) {
  const auto jobs = create_with_inputs(2);
  step();
  ASSERT_TRUE(stores_->jobs.cancel(jobs[0]));
  step();
  EXPECT_THAT(service_->cancelled, IsEmpty()) << "the other job wants its data";
  JobFilter filter;
  filter.ids = {jobs[1]};
  ASSERT_TRUE(stores_->jobs.remove(filter));
  step();
  EXPECT_EQ(service_->cancelled.size(), 1u);
  EXPECT_THAT(stores_->items.open_tasks(site_.id).value(), IsEmpty());
  settle();
  EXPECT_EQ(state(jobs[0]), JobState::kFailed);
}

TEST_F(StagerTest, AJobCancelledAndRetriedIsStagedOnceMore) {
  const auto jobs = create_with_inputs(1);
  step();
  ASSERT_TRUE(stores_->jobs.cancel(jobs[0]));
  ASSERT_TRUE(stores_->jobs.retry(jobs[0]));
  settle();
  EXPECT_EQ(state(jobs[0]), JobState::kPreprocessed);
  EXPECT_EQ(read("site", "job0/input"), "content 0");
}

TEST_F(StagerTest, WhatATaskDidNotMoveBeforeSomebodyCancelledItIsSentAgain) {
  create_with_inputs(3);
  step();
  ASSERT_TRUE(service_->cancel(service_->all_tasks().at(0).id));
  service_->run_tasks();
  step();
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kReady, 3u)));
  EXPECT_THAT(item_states(), ElementsAre(Pair(ItemState::kPending, 3u)));
  pass(1min);
  settle();
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kPreprocessed, 3u)));
}

TEST_F(StagerTest, WhatTheServiceHasForgottenIsSentAgain) {
  create_with_inputs(3);
  step();
  service_->forgotten.insert(service_->all_tasks().at(0).id);
  settle();
  EXPECT_EQ(service_->accepted.size(), 2u);
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kPreprocessed, 3u)));
}

// ---- Trouble.

class StagerTroubleTest : public StagerTest {
 protected:
  // One job with an input from each of lab and far.
  void create_two() {
    app("app", {{"data", in("input")}});
    write("lab", "x", "from lab");
    write("far", "x", "from far");
    jobs_ = create({new_job("app", "l", {{"data", {"lab", "/x"}}}),
                    new_job("app", "f", {{"data", {"far", "/x"}}})});
  }
  // A job that has run and left what goes to /results/r of the location far: file://`share`.
  JobId finish_job_with_result_for(const std::string& share) {
    Location& location = settings_.transfers.transfer_locations["far"];
    location.endpoint = "local";
    location.base = RelPath::parse(share).value();
    start_stager();
    app("keeps", {{"result", out("r")}});
    const JobId job = create({new_job("keeps", "a", {{"result", {"far", "/results/r"}}})}).front();
    settle();
    write("site", "a/r", "done");
    run_jobs(1);
    return job;
  }
  // Calls that concern `place` fail so.
  void break_place(const std::string& place, Error error) {
    const std::string id = endpoint_ids_[place];
    service_->fault = [this, id, place, error](std::string_view,
                                               const std::string& about) -> Result<void> {
      if (about != id && about != place) return {};
      ++failed_calls_;
      return error;
    };
  }
  std::vector<JobId> jobs_;
  int failed_calls_ = 0;
};

// Scenario 9.
TEST_F(StagerTroubleTest, AMissingConsentHoldsItsLocationAloneAndNamesTheCommand) {
  create_two();
  break_place("far", {Code::kLoginNeeded, Retry::kAfterUser,
                      "a consent is missing; give it with: wherry login"});
  settle();
  EXPECT_EQ(state(jobs_[0]), JobState::kPreprocessed);
  EXPECT_EQ(state(jobs_[1]), JobState::kReady);
  const Stager::Step held = step();
  ASSERT_EQ(held.alerts.size(), 1u);
  EXPECT_EQ(held.alerts[0].location, "far");
  EXPECT_THAT(held.alerts[0].message, HasSubstr("wherry login"));
  ASSERT_TRUE(held.until);
  EXPECT_LE(*held.until, 30s);
  service_->fault = nullptr;
  pass(30s);
  settle();
  EXPECT_EQ(state(jobs_[1]), JobState::kPreprocessed);
  EXPECT_THAT(step().alerts, IsEmpty());
}

// Scenario 8, B16: when nobody is logged in, all waits, and goes on without a restart.
TEST_F(StagerTroubleTest, AnExpiredLoginFailsNothingAndTheNextLoginIsEnough) {
  create_with_inputs(5);
  step();
  service_->fault = [](std::string_view, const std::string&) -> Result<void> {
    return make_error(Code::kLoginNeeded, "the login has expired; log in with: wherry login");
  };
  for (int i = 0; i < 20; ++i) {
    const Stager::Step held = step();
    ASSERT_EQ(held.alerts.size(), 1u);
    EXPECT_THAT(held.alerts[0].message, HasSubstr("wherry login"));
    pass(1min);
  }
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kReady, 5u)));
  service_->fault = nullptr;
  settle();
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kPreprocessed, 5u)));
  EXPECT_THAT(step().alerts, IsEmpty());
}

// Scenario 10.
TEST_F(StagerTroubleTest, AnEndpointThatIsAwayIsAskedEverLessOftenAndNoItemFails) {
  create_two();
  break_place("far", make_error(Code::kUnavailable, "the endpoint is not connected"));
  for (int second = 0; second < 600; ++second) {
    step();
    service_->run_tasks();
    pass(1s);
  }
  EXPECT_EQ(state(jobs_[0]), JobState::kStagedIn);
  EXPECT_EQ(state(jobs_[1]), JobState::kReady);
  EXPECT_GT(failed_calls_, 20);
  EXPECT_LT(failed_calls_, 80);
  service_->fault = nullptr;
  for (int second = 0; second < 30; ++second) {
    step();
    pass(1s);
  }
  service_->run_tasks();
  step();
  EXPECT_EQ(state(jobs_[1]), JobState::kStagedIn);
}

// B13: inactive tasks took up the room of all others.
TEST_F(StagerTroubleTest, TasksThatWaitForAPersonTakeUpNoRoom) {
  settings_.transfers.max_concurrent_transfers = 1;
  start_stager();
  app("app", {{"data", in("input")}});
  write("far", "x", "from far");
  write("lab", "x", "from lab");
  const auto far = create({new_job("app", "f", {{"data", {"far", "/x"}}})});
  step();
  const std::string task = service_->all_tasks().at(0).id;
  service_->inactive[task] = "CREDENTIAL_EXPIRED";
  service_->fault = [](std::string_view call, const std::string&) -> Result<void> {
    if (call == "resume") return make_error(Code::kUnsupported, "not from here");
    return {};
  };
  const auto lab = create({new_job("app", "l", {{"data", {"lab", "/x"}}}),
                           new_job("app", "g", {{"data", {"far", "/x"}}})});
  const Stager::Step held = step();
  EXPECT_EQ(item_of(far[0], "data").state, ItemState::kInactive);
  ASSERT_EQ(held.alerts.size(), 1u);
  EXPECT_THAT(held.alerts[0].message, HasSubstr("wherry task resume " + task));
  step();
  EXPECT_EQ(service_->accepted.size(), 2u) << "nothing more goes where one waits";
  service_->still_active.insert(task);
  service_->run_tasks();
  step();
  EXPECT_EQ(state(lab[0]), JobState::kStagedIn);
  service_->inactive.clear();
  service_->still_active.clear();
  settle();
  EXPECT_EQ(state(far[0]), JobState::kPreprocessed);
  EXPECT_EQ(state(lab[1]), JobState::kPreprocessed);
}

// Scenario 13.
TEST_F(StagerTroubleTest, AFullTargetKeepsWhatArrivedAndOnlyTheRestIsRepeated) {
  const auto jobs = create_with_inputs(20);
  site_faults().on(storage::Operation::kWrite, {.kind = storage::Fault::Kind::kNoSpace}, 1000, 12);
  step();
  service_->run_tasks();
  const Stager::Step full = step();
  const std::uint64_t arrived = states()[JobState::kStagedIn];
  EXPECT_GT(arrived, 0u);
  EXPECT_EQ(states()[JobState::kReady], 20 - arrived) << "no item is in error yet";
  ASSERT_EQ(full.alerts.size(), 1u);
  EXPECT_THAT(full.alerts[0].message, HasSubstr("NO_SPACE_LEFT"));
  site_faults_.clear();
  pass(14s);
  EXPECT_EQ(step().alerts.size(), 1u) << "until something has gone there again";
  pass(10min);
  service_->accepted.clear();
  settle();
  ASSERT_EQ(service_->accepted.size(), 1u);
  EXPECT_EQ(service_->accepted[0].items.size(), 20 - arrived);
  EXPECT_THAT(states(), ElementsAre(Pair(JobState::kPreprocessed, 20u)));
  EXPECT_THAT(step().alerts, IsEmpty());
}

// Scenario 11: services repeat for a day what will never work.
TEST_F(StagerTroubleTest, ATaskThatOnlyRepeatsWhatCannotSucceedIsCancelled) {
  create_with_inputs(1);
  step();
  const std::string task = service_->all_tasks().at(0).id;
  service_->stuck[task] = "PERMISSION_DENIED";
  tasks::Event event;
  event.code = "PERMISSION_DENIED";
  event.is_error = true;
  service_->shown_events[task] = {event};
  for (int second = 0; second < 10; ++second) {
    step();
    pass(1s);
  }
  EXPECT_THAT(service_->cancelled, ElementsAre(task));
}

TEST_F(StagerTroubleTest, ATaskInTroubleThatStillGetsOnIsLeftAlone) {
  create_with_inputs(3);
  step();
  const std::string task = service_->all_tasks().at(0).id;
  service_->stuck[task] = "CONNECT_FAILED";
  for (int i = 0; i < 5; ++i) {
    step();
    pass(4s);
  }
  EXPECT_THAT(service_->cancelled, IsEmpty()) << "that passes by itself";
}

TEST_F(StagerTroubleTest, AnErrorThatMayPassIsRepeatedAsOftenAsAllowedAndNotAtOnce) {
  settings_.transfers.max_attempts = 3;
  settings_.transfers.retry_delay = 60s;
  start_stager();
  const auto jobs = create_with_inputs(2);
  fs::remove(at("lab", "in/0"));
  service_->edit_error = [](tasks::ItemError& row) { row.code = "VERIFY_CHECKSUM"; };
  settle();
  EXPECT_EQ(state(jobs[1]), JobState::kPreprocessed);
  EXPECT_EQ(state(jobs[0]), JobState::kReady);
  EXPECT_EQ(item_of(jobs[0], "data").attempts, 1);
  pass(29s);
  settle();
  EXPECT_EQ(item_of(jobs[0], "data").attempts, 1) << "it waits at least half a minute";
  pass(61s);
  settle();
  EXPECT_EQ(item_of(jobs[0], "data").attempts, 2);
  pass(10min);
  settle();
  EXPECT_EQ(item_of(jobs[0], "data").attempts, 3);
  EXPECT_EQ(state(jobs[0]), JobState::kFailed);
}

TEST_F(StagerTroubleTest, ABatchThatIsRefusedForOneItemGoesWithoutIt) {
  app("app", {{"data", in("input")}});
  std::vector<NewJob> more;
  for (int i = 0; i < 9; ++i) {
    write("lab", fmt::format("{}", i), "1");
    more.push_back(
        new_job("app", fmt::format("w{}", i), {{"data", {"lab", fmt::format("/{}", i)}}}));
  }
  const auto jobs = create(more);
  // The service refuses whatever has /5 in it.
  service_->refuses = [](const tasks::TransferRequest& request) {
    return std::any_of(request.items.begin(), request.items.end(),
                       [](const auto& item) { return item.source.text() == "5"; });
  };
  for (int i = 0; i < 20; ++i) settle();
  EXPECT_THAT(states(),
              ElementsAre(Pair(JobState::kPreprocessed, 8u), Pair(JobState::kFailed, 1u)));
  EXPECT_EQ(state(jobs[5]), JobState::kFailed);
}

// A service that only says that something was missing.
TEST_F(StagerTroubleTest, AnErrorThatNamesNobodyIsFoundWithSmallerTasksAndFailsNobodyElse) {
  service_->tells_items = false;
  const auto jobs = create_with_inputs(8);
  fs::remove(at("lab", "in/5"));
  service_->edit_error = [](tasks::ItemError& row) { row.source_path = row.target_path = ""; };
  service_->fails_for_errors = true;
  for (int i = 0; i < 20; ++i) {
    settle();
    pass(1min);
  }
  EXPECT_THAT(states(),
              ElementsAre(Pair(JobState::kPreprocessed, 7u), Pair(JobState::kFailed, 1u)));
  EXPECT_EQ(state(jobs[5]), JobState::kFailed);
}

TEST_F(StagerTroubleTest, ItemsOfALocationThatTheSettingsHaveNoMoreWaitWithAnAlert) {
  create_two();
  settings_.transfers.transfer_locations.erase("far");
  stager_->set_settings(settings_);
  settle();
  EXPECT_EQ(state(jobs_[0]), JobState::kPreprocessed);
  EXPECT_EQ(state(jobs_[1]), JobState::kReady);
  const auto alerts = step().alerts;
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_THAT(alerts[0].message, HasSubstr("wherry site sync"));
}

TEST_F(StagerTroubleTest, WhatMayHaveBeenMadeAfterTheSettingsChangedIsNotSentByTheOldOnes) {
  create_two();
  settings_are_old_ = true;
  settle();
  EXPECT_EQ(service_->submits, 0u);
  settings_are_old_ = false;
  settle();
  EXPECT_EQ(state(jobs_[0]), JobState::kPreprocessed);
}

TEST_F(StagerTroubleTest, AnUnmountedDirectoryIsWaitedForAndNotFilledBelowItsMountPoint) {
  const std::string share = scratch_.file("share");
  const JobId job = finish_job_with_result_for(share);
  for (int round = 0; round < 3; ++round) {
    process();
    settle();
  }
  EXPECT_FALSE(fs::exists(share));
  EXPECT_EQ(item_of(job, "result").state, ItemState::kPending);
  const auto alerts = step().alerts;
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_THAT(alerts[0].message, HasSubstr("its directory is not there"));
  fs::create_directory(share);
  pass(1min);
  settle();
  EXPECT_EQ(item_of(job, "result").state, ItemState::kDone);
  EXPECT_TRUE(fs::exists(share + "/results/r"));
}

TEST_F(StagerTroubleTest, WhatWasToBeSentBeforeACrashWaitsForItsDirectoryToo) {
  const std::string share = scratch_.file("share");
  fs::create_directory(share);
  const JobId job = finish_job_with_result_for(share);
  process();
  fault_ = [](std::string_view point) -> Result<void> {
    if (point == "recorded") return make_error(Code::kUnavailable, "killed");
    return {};
  };
  EXPECT_FALSE(stager_->step({}));
  fault_ = nullptr;
  fs::remove(share);
  const auto alerts = step().alerts;
  service_->run_tasks();
  EXPECT_FALSE(fs::exists(share));
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_THAT(alerts[0].message, HasSubstr("its directory is not there"));
  fs::create_directory(share);
  pass(1min);
  settle();
  EXPECT_EQ(item_of(job, "result").state, ItemState::kDone);
  EXPECT_TRUE(fs::exists(share + "/results/r"));
}

// B4: an item in error stayed so for ever, and its job with it.
TEST_F(StagerTroubleTest, AnItemInErrorIsHeldForAPersonIfTheSettingsSaySo) {
  settings_.transfers.on_error = OnError::kHold;
  start_stager();
  const auto jobs = create_with_inputs(1);
  fs::remove(at("lab", "in/0"));
  settle();
  EXPECT_EQ(item_of(jobs[0], "data").state, ItemState::kError);
  EXPECT_EQ(state(jobs[0]), JobState::kReady);
  write("lab", "in/0", "late");
  ASSERT_EQ(stores_->items.retry({}).value(), 1u);
  settle();
  EXPECT_EQ(read("site", "job0/input"), "late");
  EXPECT_EQ(state(jobs[0]), JobState::kPreprocessed);
}

// B22: nothing bounded what went to a place.
TEST_F(StagerTest, ADailyQuotaHoldsItsLocationUntilADayHasPassed) {
  settings_.transfers.transfer_locations.at("lab").daily_quota = 10;
  start_stager();
  app("app", {{"data", in("input")}});
  write("lab", "a", "0123456789");
  write("lab", "b", "more");
  const auto first = create({new_job("app", "a", {{"data", {"lab", "/a"}}})});
  settle();
  EXPECT_EQ(state(first[0]), JobState::kPreprocessed);
  const auto second = create({new_job("app", "b", {{"data", {"lab", "/b"}}})});
  settle();
  EXPECT_EQ(state(second[0]), JobState::kReady);
  const auto alerts = step().alerts;
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_THAT(alerts[0].message, HasSubstr("daily quota"));
  pass(25h);
  settle();
  EXPECT_EQ(state(second[0]), JobState::kPreprocessed);
}

TEST_F(StagerTest, NothingIsSentWhileTransfersAreOff) {
  settings_.transfers.is_on = false;
  start_stager();
  create_with_inputs(1);
  step();
  EXPECT_THAT(service_->accepted, IsEmpty());
}

TEST_F(StagerTest, OneQuestionTellsHowAllTasksStand) {
  settings_.transfers.transfer_batch_size = 1;
  start_stager();
  create_with_inputs(3);
  step();
  service_->questions = 0;
  step();
  EXPECT_EQ(service_->questions, 1u);
}

}  // namespace
}  // namespace wherry::jobs
