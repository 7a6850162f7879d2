// SPDX-License-Identifier: Apache-2.0
// Random histories of a site: jobs come and go, tasks run or not, the process dies between any two
// writes, files vanish, launchers die. Whatever happens, no job advances before its data, no item
// is lost or sent in secret, no job is held by two launchers, and in the end all comes to rest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "jobs/test_site.h"

namespace wherry::jobs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 5;  // WHERRY_JOB_SEEDS: another number
constexpr int kSteps = 60;

// What a test knows of a job it made.
struct Known {
  std::uint64_t serial = 0;  // names its files
  bool has_output = false;
  bool is_untouched = true;  // nobody cancelled, retried or removed it, or its tasks
  bool is_removed = false;
};

class RandomSite : public SiteFixture {
 public:
  void TestBody() override {}
  void live(std::uint64_t seed);

 private:
  std::uint64_t pick(std::uint64_t bound) { return random_of_test_->below(bound); }
  bool chance(std::uint64_t percent) { return pick(100) < percent; }
  JobId any_job();

  void act();
  void make_jobs();
  void stage();
  void launch_some();
  void pass_time();
  void meddle();
  void restart();
  template <class Work>
  void maybe_killed(Work work);

  void check_data();
  void check_tasks();
  void check_histories();
  bool is_at_rest();
  void come_to_rest();

  std::string input(const Known& known) const { return fmt::format("in/{}", known.serial); }
  std::string result(const Known& known) const { return fmt::format("out/{}", known.serial); }
  std::string work(const Known& known) const { return fmt::format("w{}", known.serial); }

  std::unique_ptr<SeededRandom> random_of_test_;
  std::map<JobId, Known> known_;
  std::map<JobId, SessionId> held_;
  std::uint64_t next_serial_ = 0;
  bool is_dead_ = false;
};

JobId RandomSite::any_job() {
  if (known_.empty()) return 0;
  auto at = known_.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(pick(known_.size())));
  return at->second.is_removed ? 0 : at->first;
}

void RandomSite::make_jobs() {
  std::vector<NewJob> jobs;
  std::vector<Known> made;
  for (std::uint64_t i = 0; i <= pick(4); ++i) {
    Known known;
    known.serial = ++next_serial_;
    known.has_output = chance(60);
    if (!chance(8)) write("lab", input(known), fmt::format("content {}", known.serial));
    std::map<std::string, RemotePath, std::less<>> transfers = {
        {"data", {chance(50) ? "lab" : "mirror", "/" + input(known)}}};
    if (known.has_output) transfers["result"] = {"far", "/" + result(known)};
    jobs.push_back(new_job("work", work(known), transfers));
    if (const JobId parent = any_job(); parent != 0 && chance(25)) jobs.back().parents = {parent};
    made.push_back(known);
  }
  const auto ids = create(jobs);
  for (std::size_t i = 0; i < ids.size(); ++i) known_[ids[i]] = made[i];
}

// Runs `work`, in one of three cases with a process that dies at some write of it.
template <class Work>
void RandomSite::maybe_killed(Work work_to_do) {
  std::uint64_t left = chance(33) ? pick(20) : UINT64_MAX;
  const auto dies = [this, &left](std::string_view point) -> Result<void> {
    if (is_dead_ || left == 0) {
      is_dead_ = true;
      return make_error(Code::kUnavailable, "killed at {}", point);
    }
    --left;
    return {};
  };
  database_fault_ = dies;
  fault_ = dies;
  work_to_do();
  database_fault_ = nullptr;
  fault_ = nullptr;
  if (is_dead_) restart();
}

void RandomSite::restart() {
  is_dead_ = false;
  settings_.transfers.transfer_batch_size = 1 + pick(6);
  start_stager();
}

void RandomSite::stage() {
  maybe_killed([this] {
    const auto made = stager_->step({});
    EXPECT_TRUE(made || is_dead_) << made.error().message;
  });
}

void RandomSite::launch_some() {
  const auto session = stores_->sessions.open(site_.id, std::nullopt, "a test").value();
  Acquire what;
  what.max_jobs = 1 + pick(4);
  const auto jobs = stores_->sessions.acquire(session.id, what).value();
  std::vector<JobId> ids;
  std::vector<RunEnd> ends;
  for (const AcquiredJob& one : jobs) {
    EXPECT_FALSE(held_.contains(one.job.id)) << "job " << one.job.id << " has two launchers";
    held_[one.job.id] = session.id;
    ids.push_back(one.job.id);
    const Known& known = known_.at(one.job.id);
    EXPECT_EQ(read("site", work(known) + "/input"), fmt::format("content {}", known.serial));
    const bool is_good = chance(80);
    if (is_good && known.has_output && chance(95))
      write("site", work(known) + "/result", fmt::format("result {}", known.serial));
    ends.push_back({one.job.id, is_good ? JobState::kRunDone : JobState::kRunError, is_good ? 0 : 1,
                    "made to"});
  }
  ASSERT_TRUE(stores_->sessions.started(session.id, ids));
  if (chance(15)) return;  // it dies
  ASSERT_TRUE(stores_->sessions.ended(session.id, ends));
  ASSERT_TRUE(stores_->sessions.close(session.id));
  for (const JobId id : ids) held_.erase(id);
}

void RandomSite::pass_time() {
  const bool is_long = chance(30);
  clock_.advance(is_long ? 10min : Duration(1s) * static_cast<int>(1 + pick(40)));
  if (!is_long) return;
  ASSERT_TRUE(stores_->sessions.expire());
  held_.clear();
}

void RandomSite::meddle() {
  const JobId job = any_job();
  if (job == 0) return;
  Known& known = known_.at(job);
  switch (pick(5)) {
    case 0:
      known.is_untouched = false;
      if (stores_->jobs.cancel(job)) held_.erase(job);
      return;
    case 1:
      known.is_untouched = false;
      (void)stores_->jobs.retry(job);
      return;
    case 2: {
      if (!chance(30)) return;
      JobFilter filter;
      filter.ids = {job};
      ASSERT_TRUE(stores_->jobs.remove(filter));
      known.is_removed = true;
      held_.erase(job);
      return;
    }
    case 3:  // somebody mends what was missing
      write("lab", input(known), fmt::format("content {}", known.serial));
      return;
    case 4:
      for (const tasks::Task& task : service_->all_tasks()) {
        if (task.state != tasks::TaskState::kActive || !chance(40)) continue;
        ASSERT_TRUE(service_->cancel(task.id));
      }
      return;
  }
}

void RandomSite::act() {
  const std::uint64_t what = pick(20);
  if (what < 3) return make_jobs();
  if (what < 10) return stage();
  if (what < 13) return service_->run_tasks();
  if (what < 15) {
    return maybe_killed([this] {
      const auto moved = process_jobs(*database_, clock_, site_, 1 + pick(10));
      EXPECT_TRUE(moved || is_dead_) << moved.error().message;
    });
  }
  if (what < 17) return launch_some();
  if (what < 18) return pass_time();
  meddle();
}

// No job is ahead of its data.
void RandomSite::check_data() {
  const auto jobs = stores_->jobs.list({}).value();
  for (const Job& job : jobs.rows) {
    const Known& known = known_.at(job.id);
    const bool has_inputs = job.state != JobState::kAwaitingParents &&
                            job.state != JobState::kReady && job.state != JobState::kFailed;
    if (has_inputs) {
      EXPECT_EQ(read("site", work(known) + "/input"), fmt::format("content {}", known.serial))
          << "job " << job.id << " is " << to_string(job.state);
    }
    if (job.state == JobState::kJobFinished && known.has_output) {
      EXPECT_EQ(read("far", result(known)), read("site", work(known) + "/result"));
    }
  }
}

// Every task that ever carried an item is known as an attempt; nothing was sent behind its back.
void RandomSite::check_tasks() {
  std::map<std::string, int> sent;  // by target below the work directories or at far
  for (const auto& request : service_->accepted) {
    for (const auto& line : request.items) ++sent["/" + line.target.text()];
  }
  for (const auto& [id, known] : known_) {
    if (known.is_removed || !known.is_untouched) continue;
    EXPECT_EQ(sent[at("site", work(known) + "/input")], item_of(id, "data").attempts)
        << "job " << id;
  }
  std::set<tasks::SubmissionId> submissions;
  for (const auto& request : service_->accepted)
    EXPECT_TRUE(submissions.insert(request.submission_id).second);
}

// Each change begins where the one before ended, and the table has it.
void RandomSite::check_histories() {
  EventFilter filter;
  filter.sorting = Sorting::kAscending;
  std::map<JobId, std::string> last;
  const auto events = stores_->jobs.events(filter).value();
  for (const JobEvent& event : events.rows) {
    if (event.item) continue;
    if (!event.from.empty()) {
      EXPECT_EQ(event.from, last[event.job]) << "job " << event.job;
      EXPECT_TRUE(may_move(parse_job_state(event.from).value(), parse_job_state(event.to).value()));
    }
    last[event.job] = event.to;
  }
  for (const auto& [id, known] : known_) {
    if (known.is_removed) continue;
    EXPECT_EQ(last[id], to_string(state(id)));
  }
}

// Whether all jobs have ended, or wait for a parent that has failed.
bool RandomSite::is_at_rest() {
  for (const auto& [state_of_some, count] : states()) {
    if (!is_final(state_of_some) && state_of_some != JobState::kAwaitingParents) return false;
  }
  return true;
}

void RandomSite::come_to_rest() {
  for (int round = 0; round < 60 && !is_at_rest(); ++round) {
    step();
    service_->run_tasks();
    step();
    process();
    clock_.advance(10min);
    ASSERT_TRUE(stores_->sessions.expire());
    held_.clear();
    launch_some();
  }
  settle();
  EXPECT_TRUE(is_at_rest());
  EXPECT_TRUE(stores_->items.open_tasks(site_.id)->empty());
  for (const tasks::Task& task : service_->all_tasks())
    EXPECT_NE(task.state, tasks::TaskState::kActive) << "task " << task.id << " is nobody's";
}

void RandomSite::live(std::uint64_t seed) {
  random_of_test_ = std::make_unique<SeededRandom>(seed);
  settings_.transfers.transfer_locations["mirror"] = settings_.transfers.transfer_locations["lab"];
  ASSERT_TRUE(stores_->sites.set_settings(site_.id, site_.settings + "    mirror: wherry://lab\n"));
  service_->tells_items = chance(50);
  service_->tells_while_active = chance(50);
  App made = app("work", {{"data", in("input")}, {"result", out("result")}});
  made.transfers["result"].required = false;
  made.error_retries = 2;
  ASSERT_TRUE(stores_->apps.put(made));
  restart();
  for (int i = 0; i < kSteps && !HasFailure(); ++i) {
    act();
    check_data();
  }
  come_to_rest();
  check_data();
  check_tasks();
  check_histories();
}

TEST(RandomSiteTest, WhateverHappensNothingIsLostDoubledOrAheadOfItsData) {
  const char* wanted = std::getenv("WHERRY_JOB_SEEDS");
  const std::uint64_t seeds = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : kSeeds;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomSite().live(seed);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace wherry::jobs
