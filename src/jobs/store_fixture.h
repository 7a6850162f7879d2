// SPDX-License-Identifier: Apache-2.0
// A database in memory with a site and an app, for tests of the stores and of what uses them.
#pragma once

#include <gtest/gtest.h>
#include <soci/soci.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "jobs/jobs.h"
#include "jobs/lifecycle.h"
#include "tasks/local_service.h"

namespace wherry::jobs {

inline constexpr std::string_view kTestSettings =
    "transfers:\n"
    "  transfer_locations:\n"
    "    lab: wherry://lab\n"
    "    archive: wherry://archive\n";

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::vector<Migration> migrations;
    for (const auto& step : tasks::task_migrations()) migrations.push_back(step);
    for (const auto& step : job_migrations()) migrations.push_back(step);
    database_ = Database::open({.path = ":memory:"}).value();
    database_->migrate(migrations).value();
    stores_ = std::make_unique<Stores>(*database_, clock_);
    site_ = stores_->sites.create("here", "/sites/here", "alice", kTestSettings).value().id;
    app_ = put_app("work", {{"image", {Direction::kIn, true, "image.dat", false, ""}},
                            {"result", {Direction::kOut, true, "result.dat", false, ""}}});
    put_app("bare", {});
  }

  AppId put_app(const std::string& name,
                const std::map<std::string, Slot, std::less<>>& transfers) {
    App app;
    app.site = site_;
    app.name = name;
    app.command = "sort {{ file }}";
    app.parameters["file"] = {false, "image.dat", ""};
    app.transfers = transfers;
    const auto stored = stores_->apps.put(app);
    EXPECT_TRUE(stored) << stored.error().message;
    return stored->id;
  }

  // Of the app "work", which moves one file in and one out.
  NewJob work(const std::string& workdir) {
    NewJob job;
    job.app = "work";
    job.workdir = workdir;
    job.transfers["image"] = {"lab", "/images/" + workdir};
    job.transfers["result"] = {"archive", "/results/" + workdir};
    return job;
  }
  // Of the app "bare", which moves nothing.
  NewJob bare(const std::string& workdir, std::vector<JobId> parents = {}) {
    NewJob job;
    job.app = "bare";
    job.workdir = workdir;
    job.parents = std::move(parents);
    return job;
  }
  Job make(const NewJob& job) {
    auto made = stores_->jobs.create(site_, {&job, 1});
    EXPECT_TRUE(made) << made.error().message;
    return made->front();
  }
  std::vector<Job> make_many(std::size_t count) {
    std::vector<NewJob> jobs;
    for (std::size_t i = 0; i < count; ++i) jobs.push_back(work(fmt::format("many/{}", i)));
    return stores_->jobs.create(site_, jobs).value();
  }

  Job job(JobId id) { return stores_->jobs.get(id).value(); }
  JobState state(JobId id) { return job(id).state; }
  std::vector<TransferItem> items(JobId id) {
    ItemFilter filter;
    filter.jobs = {id};
    return stores_->items.list(filter).value().rows;
  }
  TransferItem item(JobId id, Direction direction) {
    for (const TransferItem& item : items(id))
      if (item.direction == direction) return item;
    ADD_FAILURE() << "job " << id << " has no such item";
    return {};
  }
  TransferItem input(JobId id) { return item(id, Direction::kIn); }
  TransferItem output(JobId id) { return item(id, Direction::kOut); }

  Result<void> move(JobId id, JobState to, std::string_view message = "") {
    return database_->write(
        [&](soci::session& sql) { return Lifecycle(sql, clock_.now()).move_job(id, to, message); });
  }
  Result<void> move_item(ItemId id, ItemState to,
                         const std::optional<tasks::TaskError>& error = std::nullopt,
                         OfJob of_job = OfJob::kFails) {
    return database_->write([&](soci::session& sql) {
      return Lifecycle(sql, clock_.now())
          .move_item(id, to, error ? error->code : "", error, of_job);
    });
  }
  // As the site and its launchers bring a job on its way.
  void advance(JobId id, std::initializer_list<JobState> states) {
    for (const JobState to : states) {
      const auto moved = move(id, to);
      EXPECT_TRUE(moved) << moved.error().message;
    }
  }
  void bring(const TransferItem& item) {
    EXPECT_TRUE(move_item(item.id, ItemState::kActive));
    EXPECT_TRUE(move_item(item.id, ItemState::kDone));
  }
  // Until it is POSTPROCESSED, with its inputs moved.
  void run(JobId id) {
    for (const TransferItem& item : items(id))
      if (item.direction == Direction::kIn && !is_final(item.state)) bring(item);
    advance(id, {JobState::kPreprocessed, JobState::kRunning, JobState::kRunDone,
                 JobState::kPostprocessed});
  }
  // As the states of a job's events follow each other: "CREATED READY …".
  std::string history(JobId id) {
    EventFilter filter;
    filter.jobs = {id};
    filter.sorting = Sorting::kAscending;
    std::string text;
    const auto rows = stores_->jobs.events(filter).value().rows;
    for (const JobEvent& event : rows)
      if (!event.item) text += (text.empty() ? "" : " ") + event.to;
    return text;
  }

  // A task that carries these items, accepted by the service.
  StageTask carry(const std::vector<ItemId>& ids, const std::string& name) {
    const TransferItem first = stores_->items.get(ids.front()).value();
    Batch batch;
    batch.key = {first.direction, first.location_alias, first.recursive};
    batch.items = ids;
    auto task = stores_->items.assign(site_, batch, "submission " + name).value();
    EXPECT_TRUE(task.has_value());
    stores_->items.accepted(task->id, "task " + name).value();
    return *task;
  }

  std::unique_ptr<Database> database_;
  FakeClock clock_;
  std::unique_ptr<Stores> stores_;
  SiteId site_ = 0;
  AppId app_ = 0;
};

}  // namespace wherry::jobs
