// SPDX-License-Identifier: Apache-2.0
// A site for tests: real directories, the embedded service, a clock that stands still, and a
// service in between that can be made to behave as services elsewhere do.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/scratch_directory.h"
#include "jobs/jobs.h"
#include "jobs/site_process.h"
#include "jobs/site_settings.h"
#include "jobs/stager.h"
#include "storage/testing/faulty.h"
#include "tasks/local_service.h"
#include "tasks/testing/distant_service.h"

namespace wherry::jobs {

// The embedded service, seen from afar. Tasks run when run_tasks() is called.
class TestService : public tasks::DistantService {
 public:
  explicit TestService(std::unique_ptr<tasks::LocalService> real)
      : DistantService(*real), real_(std::move(real)) {}

  // ---- What it does besides. Maps and sets are by task id.
  std::set<std::string> still_active;           // said to be ACTIVE, whatever they are
  std::map<std::string, std::string> inactive;  // said to be INACTIVE, with that status
  std::map<std::string, std::string> stuck;     // said to be ACTIVE in trouble, with that status
  std::map<std::string, std::vector<tasks::Event>> shown_events;
  std::function<bool(const tasks::TransferRequest&)> refuses;  // as invalid
  std::function<void(tasks::ItemError&)> edit_error;           // before it is told
  bool fails_for_errors = false;    // a task that skipped something is said to be FAILED for that
  std::set<std::string> forgotten;  // it knows nothing of them

  // ---- What it saw.
  std::vector<tasks::TransferRequest> accepted;
  std::size_t submits = 0;
  std::size_t duplicates = 0;
  std::size_t questions = 0;  // calls of tasks()
  std::vector<std::string> cancelled;
  std::vector<std::string> resumed;

  // Runs every task that is ACTIVE to its end.
  void run_tasks();
  std::vector<tasks::Task> all_tasks();

  using DistantService::submit;
  Result<tasks::Submitted> submit(const tasks::TransferRequest& request) override;
  Result<tasks::Task> task(const tasks::TaskId& id) override;
  Result<std::vector<tasks::Task>> tasks(const tasks::TaskFilter& filter) override;
  Result<void> cancel(const tasks::TaskId& id) override;
  Result<void> resume(const tasks::TaskId& id) override;
  Result<std::vector<tasks::Event>> events(const tasks::TaskId& id, std::size_t limit,
                                           std::size_t offset) override;
  Result<tasks::Page<tasks::ItemError>> item_errors(const tasks::TaskId& id,
                                                    std::uint64_t marker) override;

 private:
  tasks::Task as_seen(tasks::Task task) const;

  std::unique_ptr<tasks::LocalService> real_;
  std::set<tasks::SubmissionId> submissions_;
};

// Whether scenarios are to be tried with as many jobs as they name: WHERRY_FULL_SIZE in the
// environment.
bool is_full_size();

class SiteFixture : public testing::Test {
 protected:
  SiteFixture();

  // ---- Files. Places are "lab", "far" and "site" (the data directory).
  std::string at(const std::string& place, const std::string& path) const;
  void write(const std::string& place, const std::string& path, const std::string& content);
  std::string read(const std::string& place, const std::string& path) const;  // "<missing>"

  // ---- Jobs.
  App app(const std::string& name, std::map<std::string, Slot, std::less<>> slots);
  static Slot in(const std::string& local_path);
  static Slot out(const std::string& local_path);
  NewJob new_job(const std::string& app_name, const std::string& workdir,
                 std::map<std::string, RemotePath, std::less<>> transfers);
  std::vector<JobId> create(const std::vector<NewJob>& jobs);
  // Jobs job0, job1 … of an app with one input `input`, from lab:/in/N, which are written.
  std::vector<JobId> create_with_inputs(std::size_t count);
  JobState state(JobId job);
  std::map<JobState, std::uint64_t> states();
  std::map<ItemState, std::uint64_t> item_states();
  TransferItem item_of(JobId job, const std::string& slot);
  std::vector<std::string> history(JobId job);  // states of the job itself, oldest first
  // As a launcher does: from PREPROCESSED to RUN_DONE.
  void run_jobs(std::size_t count, JobState end = JobState::kRunDone);

  // From now on what is written below the site goes through this.
  storage::Faults& site_faults();

  // ---- The stager.
  void start_stager();  // or a new one, as after a restart of the process
  Stager::Step step();
  // Steps, and runs the tasks in between, until nothing changes any more.
  void settle();
  std::size_t process();  // process_jobs()

  ScratchDirectory scratch_;
  FakeClock clock_;
  SeededRandom random_{42};
  std::unique_ptr<Database> database_;
  std::unique_ptr<endpoints::Endpoints> endpoints_;
  std::map<std::string, endpoints::EndpointId> endpoint_ids_;
  std::unique_ptr<TestService> service_;
  std::unique_ptr<Stores> stores_;
  Site site_;
  SiteSettings settings_;
  FaultHook fault_;
  FaultHook database_fault_;
  bool settings_are_old_ = false;  // those of the stager
  storage::Faults site_faults_;
  std::unique_ptr<storage::Storage> site_storage_;
  std::unique_ptr<Stager> stager_;
};

}  // namespace wherry::jobs
