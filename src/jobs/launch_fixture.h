// SPDX-License-Identifier: Apache-2.0
// A site with an app and jobs in a real database and directory, for tests of what runs jobs.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/scratch_directory.h"
#include "jobs/jobs.h"
#include "jobs/lifecycle.h"
#include "tasks/local_service.h"

namespace wherry::jobs {

// What must have worked for a test to mean anything.
template <class T>
T must(Result<T> result) {
  return std::move(result).value();
}
inline void must(const Result<void>& result) { result.value(); }

class LaunchTest : public testing::Test {
 protected:
  LaunchTest() : LaunchTest(system_clock()) {}
  explicit LaunchTest(Clock& clock) : clock_(clock) {
    must(database_->migrate(tasks::task_migrations()));
    must(database_->migrate(job_migrations()));
    site_ = must(stores_.sites.create("lab", path_, "owner", ""));
    App app;
    app.site = site_.id;
    app.name = "shell";
    app.command = "eval {{ script }}";
    app.parameters["script"] = {};
    app_ = must(stores_.apps.put(app));
  }

  std::unique_ptr<Database> open_database() {
    return must(Database::open({.path = scratch_.file("wherry.db")}));
  }

  // A job that is ready to run the lines of sh.
  JobId job(const std::string& script, const Resources& resources = {}, const TextMap& tags = {}) {
    return jobs(1, script, resources, tags).front();
  }
  std::vector<JobId> jobs(std::size_t count, const std::string& script,
                          const Resources& resources = {}, const TextMap& tags = {}) {
    std::vector<NewJob> wanted;
    for (std::size_t i = 0; i < count; ++i) {
      NewJob one;
      one.app = app_.name;
      one.workdir = "job" + std::to_string(++made_);
      one.parameters["script"] = script;
      one.resources = resources;
      one.tags = tags;
      std::filesystem::create_directories(directory_of(one.workdir));
      wanted.push_back(one);
    }
    std::vector<JobId> ids;
    for (const Job& made : must(stores_.jobs.create(site_.id, wanted))) ids.push_back(made.id);
    must(database_->write([&](soci::session& sql) -> Result<void> {
      Lifecycle lifecycle(sql, clock_.now());
      for (const JobId id : ids) TRY(lifecycle.move_job(id, JobState::kPreprocessed, ""));
      return {};
    }));
    return ids;
  }

  std::string directory_of(const std::string& workdir) const {
    return site_path() + "/data/" + workdir;
  }
  std::string site_path() const { return path_; }
  Job now(JobId id) { return must(stores_.jobs.get(id)); }
  JobState state(JobId id) { return now(id).state; }
  std::string text(JobId id, const std::string& file) {
    return read_file(directory_of(now(id).workdir) + "/" + file, 1 << 20).value_or("(none)");
  }
  // Of the last change of state of a job.
  std::string why(JobId id) {
    EventFilter filter;
    filter.jobs = {id};
    return must(stores_.jobs.events(filter)).rows.front().message;
  }
  // Looks now and then.
  template <class Condition>
  void wait_until(const Condition& condition) {
    while (!condition()) system_clock().sleep(std::chrono::milliseconds(2), {});
  }

  Clock& clock_;
  ScratchDirectory scratch_;
  const std::string path_ = scratch_.file("site");
  std::unique_ptr<Database> database_ = open_database();
  Stores stores_{*database_, clock_};
  Site site_;
  App app_;
  int made_ = 0;
};

}  // namespace wherry::jobs
