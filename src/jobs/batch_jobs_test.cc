// SPDX-License-Identifier: Apache-2.0
// What a site's process does with batch jobs, at a scheduler in memory.
#include <map>

#include "base/child_process.h"
#include "base/process.h"
#include "base/random.h"
#include "jobs/launch_fixture.h"
#include "jobs/site_process.h"
#include "tasks/claim.h"

namespace wherry::jobs {
namespace {

using schedulers::BatchScript;
using schedulers::Scheduler;
using schedulers::SchedulerState;

class MemoryScheduler : public Scheduler {
 public:
  struct Entry {
    std::string name;
    std::string script;
    SchedulerState state;
  };

  Result<std::string> submit(const BatchScript& script) override {
    if (trouble) return *trouble;
    const std::string id = std::to_string(100 + entries.size());
    entries[id] = {script.name, script.script, {}};
    entries[id].state.scheduler_id = id;
    if (is_mute) return make_error(Code::kUnavailable, "no answer in time");
    return id;
  }
  Result<std::optional<std::string>> find(std::string_view name) override {
    if (trouble && trouble->retry == Retry::kLater) return *trouble;
    for (const auto& [id, entry] : entries)
      if (entry.name == name) return std::optional(id);
    return std::optional<std::string>();
  }
  Result<std::vector<SchedulerState>> states(std::span<const std::string> ids) override {
    if (trouble && trouble->retry == Retry::kLater) return *trouble;
    std::vector<SchedulerState> found;
    for (const std::string& id : ids) found.push_back(entries.at(id).state);
    return found;
  }
  Result<void> cancel(std::string_view id) override {
    entries.at(std::string(id)).state.phase = SchedulerState::Phase::kEnded;
    entries.at(std::string(id)).state.info = "CANCELLED";
    return {};
  }

  void set(const std::string& id, SchedulerState::Phase phase, const std::string& info) {
    entries.at(id).state.phase = phase;
    entries.at(id).state.info = info;
  }

  std::map<std::string, Entry> entries;
  std::optional<Error> trouble;
  bool is_mute = false;  // takes what it is given, and says that it does not answer
};

using Phase = SchedulerState::Phase;

class BatchJobsTest : public LaunchTest {
 protected:
  BatchJobId submit(int nodes = 1) {
    BatchJob wanted;
    wanted.site = site_.id;
    wanted.num_nodes = nodes;
    return must(stores_.batch_jobs.create(wanted)).id;
  }
  Result<bool> follow() {
    const SiteProcessParts parts{
        [](const std::string&) -> Result<tasks::TransferService*> {
          return make_error(Code::kNotFound, "no service");
        },
        *database_,
        clock_,
        system_random(),
        [this](const std::string& name, const SiteSettings&) -> Scheduler* {
          return name == "slurm" ? &scheduler_ : nullptr;
        },
        launcher_command_,
        {}};
    return follow_batch_jobs(parts, site_, [this]() -> Result<SiteSettings> {
      if (on_settings_) on_settings_();
      return settings_;
    });
  }
  BatchJob now(BatchJobId id) { return must(stores_.batch_jobs.get(id)); }
  void request_deletion(BatchJobId id) {
    BatchJobs::Change change;
    change.state = BatchJobState::kPendingDeletion;
    must(stores_.batch_jobs.modify(id, change));
  }

  MemoryScheduler scheduler_;
  std::string launcher_command_ = "'wherry' 'queue' 'launch'";
  SiteSettings settings_;
  std::function<void()> on_settings_;  // asked for
};

TEST_F(BatchJobsTest, AreSubmittedWithTheLauncherAndFollowedToTheirEnd) {
  const BatchJobId id = submit();
  EXPECT_TRUE(must(follow()));
  EXPECT_EQ(now(id).state, BatchJobState::kQueued);
  EXPECT_EQ(now(id).scheduler_id, "100");
  EXPECT_NE(scheduler_.entries.at("100").script.find(fmt::format(
                "exec 'wherry' 'queue' 'launch' --site {} --batch-job {} --only-on '{}'\n",
                site_.id, id, this_process().host)),
            std::string::npos)
      << scheduler_.entries.at("100").script;
  scheduler_.set("100", Phase::kQueued, "PENDING (Resources)");
  must(follow());
  EXPECT_EQ(now(id).status_info, "PENDING (Resources)");
  EXPECT_FALSE(must(follow())) << "nothing has changed";
  scheduler_.set("100", Phase::kRunning, "RUNNING");
  must(follow());
  EXPECT_EQ(now(id).state, BatchJobState::kRunning);
  EXPECT_TRUE(now(id).started);
  scheduler_.set("100", Phase::kEnded, "TIMEOUT");
  must(follow());
  EXPECT_EQ(now(id).state, BatchJobState::kFinished);
  EXPECT_EQ(now(id).status_info, "TIMEOUT");
  EXPECT_TRUE(now(id).ended);
  EXPECT_FALSE(must(follow()));
}

TEST_F(BatchJobsTest, OneThatWasSubmittedJustBeforeACrashIsNotSubmittedAgain) {
  const BatchJobId id = submit();
  scheduler_.is_mute = true;
  EXPECT_FALSE(follow()) << "it may be there, or not";
  EXPECT_EQ(now(id).state, BatchJobState::kPendingSubmission);
  scheduler_.is_mute = false;
  must(follow());
  EXPECT_EQ(scheduler_.entries.size(), 1u);
  EXPECT_EQ(now(id).scheduler_id, "100");
  EXPECT_EQ(now(id).state, BatchJobState::kQueued);
}

TEST_F(BatchJobsTest, ARefusalIsFinalAndHoldsBackNoOther) {
  const BatchJobId first = submit();
  scheduler_.trouble = make_error(Code::kInvalid, "sbatch: invalid partition");
  must(follow());
  EXPECT_EQ(now(first).state, BatchJobState::kSubmitFailed);
  EXPECT_EQ(now(first).status_info, "sbatch: invalid partition");
  scheduler_.trouble.reset();
  const BatchJobId second = submit();
  must(follow());
  EXPECT_EQ(now(second).state, BatchJobState::kQueued);
}

TEST_F(BatchJobsTest, WaitWhileTheSchedulerIsAway) {
  const BatchJobId id = submit();
  scheduler_.trouble = make_error(Code::kUnavailable, "cannot contact the controller");
  const auto away = follow();
  EXPECT_EQ(away.error().code, Code::kUnavailable);
  EXPECT_EQ(now(id).state, BatchJobState::kPendingSubmission);
  EXPECT_EQ(now(id).status_info, "cannot contact the controller");
  scheduler_.trouble.reset();
  must(follow());
  EXPECT_EQ(now(id).state, BatchJobState::kQueued);
  scheduler_.trouble = make_error(Code::kUnavailable, "cannot contact the controller");
  EXPECT_FALSE(follow());
  EXPECT_EQ(now(id).state, BatchJobState::kQueued) << "nothing is known, so nothing is changed";
}

TEST_F(BatchJobsTest, AreCancelledAtTheScheduler) {
  const BatchJobId id = submit();
  must(follow());
  request_deletion(id);
  must(follow());
  EXPECT_EQ(now(id).state, BatchJobState::kFinished);
  EXPECT_EQ(now(id).status_info, "CANCELLED");
}

TEST_F(BatchJobsTest, CancelledBeforeTheyWereSubmittedAreNeverSubmitted) {
  const BatchJobId id = submit();
  request_deletion(id);
  must(follow());
  EXPECT_EQ(now(id).state, BatchJobState::kFinished);
  EXPECT_TRUE(scheduler_.entries.empty());
}

TEST_F(BatchJobsTest, CancelledAfterASubmissionThatNobodyRecordedAreFoundAndCancelled) {
  const BatchJobId id = submit();
  scheduler_.is_mute = true;
  EXPECT_FALSE(follow());
  request_deletion(id);
  must(follow());
  EXPECT_EQ(scheduler_.entries.at("100").state.info, "CANCELLED");
  EXPECT_EQ(now(id).state, BatchJobState::kFinished);
}

TEST_F(BatchJobsTest, WhatTheLauncherOfAnEndedOneHeldIsFreeAtOnce) {
  const BatchJobId id = submit();
  must(follow());
  const JobId held = job("true");
  const Session session = must(stores_.sessions.open(site_.id, id, "launcher"));
  must(stores_.sessions.acquire(session.id, {}));
  const std::vector<JobId> ids = {held};
  must(stores_.sessions.started(session.id, ids));
  scheduler_.set("100", Phase::kEnded, "NODE_FAIL");
  must(follow());
  EXPECT_EQ(state(held), JobState::kRunTimeout);
}

// The script, on a node and on the host of the site's process.
TEST_F(BatchJobsTest, TheLauncherRunsWhereTheDatabaseMayBeOpened) {
  launcher_command_ = "echo launched";
  const BatchJobId id = submit();
  must(follow());
  std::string script = scheduler_.entries.at("100").script;
  const auto here = must(run_command({.words = {"sh", "-c", script}}, {}));
  EXPECT_TRUE(here.output.starts_with("launched --site")) << here.output;

  const std::string held = fmt::format("{}/log/batch-job-{}.held", site_path(), id);
  // As if the node had another name, and time went faster.
  const std::string elsewhere =
      "uname() { echo n7; }; sleep() { cp \"$file\" \"$file.copy\"; rm \"$file\"; };\n" + script;
  const auto node = must(run_command({.words = {"sh", "-c", elsewhere}}, {}));
  EXPECT_EQ(node.output, "") << "it only holds the allocation";
  EXPECT_EQ(read_file(held + ".copy", 100).value_or(""), "held\n");
  // Nobody writes to the file: in the end it gives the allocation back.
  const std::string alone = "uname() { echo n7; }; sleep() { echo >&2; };\n" + script;
  const auto given_up = must(run_command({.words = {"sh", "-c", alone}}, {}));
  EXPECT_EQ(given_up.errors.size(), 37u);
}

TEST_F(BatchJobsTest, AnAllocationThatIsHeldForALauncherGetsOneFromHere) {
  launcher_command_ = "echo launched";
  const BatchJobId id = submit();
  must(follow());
  scheduler_.set("100", Phase::kRunning, "RUNNING");
  must(follow());
  const std::string out = site_path() + "/log/launcher-100.out";
  const std::string held = fmt::format("{}/log/batch-job-{}.held", site_path(), id);
  must(follow());
  EXPECT_FALSE(std::filesystem::exists(out)) << "nobody has asked for one";
  must(durable_write_file(held, "held\n", 0644));
  must(follow());
  wait_until([&] { return read_file(out, 1000).value_or("").ends_with('\n'); });
  EXPECT_EQ(read_file(out, 1000).value_or(""),
            fmt::format("launched --site {} --batch-job {} --only-on {} --outside-of 100"
                        " --sign-of-life {}\n",
                        site_.id, id, this_process().host, held));
  std::filesystem::remove(out);
  const auto claim =
      must(tasks::Claims(*database_, clock_).acquire("launcher", std::to_string(id)));
  must(follow());
  EXPECT_FALSE(std::filesystem::exists(out)) << "it has one";
  scheduler_.set("100", Phase::kEnded, "COMPLETED");
  must(follow());
  EXPECT_FALSE(std::filesystem::exists(held));
}

TEST_F(BatchJobsTest, OneThatIsMadeWhileTheSettingsAreReadWaitsForTheNext) {
  const BatchJobId first = submit();
  BatchJobId second = 0;
  on_settings_ = [&] { second = submit(); };
  must(follow());
  on_settings_ = nullptr;
  EXPECT_EQ(now(first).state, BatchJobState::kQueued);
  EXPECT_EQ(now(second).state, BatchJobState::kPendingSubmission);
}

TEST_F(BatchJobsTest, ASchedulerThatThereIsNotIsNamed) {
  const BatchJobId id = submit();
  settings_.launcher.scheduler = "pbs";
  must(follow());
  EXPECT_EQ(now(id).state, BatchJobState::kSubmitFailed);
  EXPECT_NE(now(id).status_info.find("'pbs'"), std::string::npos);
}

}  // namespace
}  // namespace wherry::jobs
