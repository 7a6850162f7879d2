// SPDX-License-Identifier: Apache-2.0
#include "jobs/test_site.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "storage/backends.h"

namespace wherry::jobs {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSettings =
    "transfers:\n"
    "  transfer_locations:\n"
    "    lab: wherry://lab\n"
    "    far: wherry://far\n";
constexpr int kMostRounds = 100;

}  // namespace

// ---- The service --------------------------------------------------------------------------------

void TestService::run_tasks() {
  for (const tasks::Task& task : all_tasks()) {
    if (task.state != tasks::TaskState::kActive) continue;
    const auto ended = real_->run(task.id, {});
    EXPECT_TRUE(ended) << ended.error().message;
  }
}

std::vector<tasks::Task> TestService::all_tasks() {
  tasks::TaskFilter filter;
  filter.limit = 100'000;
  return real_->tasks(filter).value();
}

Result<tasks::Submitted> TestService::submit(const tasks::TransferRequest& request) {
  ++submits;
  if (refuses && refuses(request)) return make_error(Code::kInvalid, "an item is wrong");
  TRY_ASSIGN(const auto submitted, DistantService::submit(request));
  if (submitted.kind == tasks::Submitted::Kind::kDuplicate) ++duplicates;
  // The answer to the first one may have been lost.
  if (submissions_.insert(request.submission_id).second) accepted.push_back(request);
  return submitted;
}

tasks::Task TestService::as_seen(tasks::Task task) const {
  if (still_active.contains(task.id)) task.state = tasks::TaskState::kActive;
  if (fails_for_errors && task.counts.skipped_errors > 0 &&
      task.state == tasks::TaskState::kSucceeded) {
    task.state = tasks::TaskState::kFailed;
    task.fatal_error = tasks::TaskError{"FILE_NOT_FOUND", "something is missing"};
    task.cut_short = true;
  }
  const auto waits = inactive.find(task.id);
  if (waits != inactive.end()) {
    task.state = tasks::TaskState::kInactive;
    task.nice_status = waits->second;
  }
  const auto trouble = stuck.find(task.id);
  if (trouble != stuck.end() && !task.cancel_requested && task.state != tasks::TaskState::kFailed) {
    task.state = tasks::TaskState::kActive;
    task.nice_status = trouble->second;
  }
  return task;
}

Result<tasks::Task> TestService::task(const tasks::TaskId& id) {
  if (forgotten.contains(id)) return make_error(Code::kNotFound, "no task {}", id);
  TRY_ASSIGN(tasks::Task task, DistantService::task(id));
  return as_seen(std::move(task));
}

Result<std::vector<tasks::Task>> TestService::tasks(const tasks::TaskFilter& filter) {
  ++questions;
  TRY_ASSIGN(auto found, DistantService::tasks(filter));
  std::erase_if(found, [&](const tasks::Task& task) { return forgotten.contains(task.id); });
  for (tasks::Task& task : found) task = as_seen(std::move(task));
  return found;
}

Result<void> TestService::cancel(const tasks::TaskId& id) {
  TRY(DistantService::cancel(id));
  cancelled.push_back(id);
  return {};
}

Result<void> TestService::resume(const tasks::TaskId& id) {
  resumed.push_back(id);
  return DistantService::resume(id);
}

Result<std::vector<tasks::Event>> TestService::events(const tasks::TaskId& id, std::size_t limit,
                                                      std::size_t offset) {
  const auto shown = shown_events.find(id);
  if (shown != shown_events.end()) return shown->second;
  return DistantService::events(id, limit, offset);
}

Result<tasks::Page<tasks::ItemError>> TestService::item_errors(const tasks::TaskId& id,
                                                               std::uint64_t marker) {
  TRY_ASSIGN(auto page, DistantService::item_errors(id, marker));
  if (edit_error) {
    for (tasks::ItemError& row : page.rows) edit_error(row);
  }
  return page;
}

// ---- The fixture --------------------------------------------------------------------------------

bool is_full_size() { return std::getenv("WHERRY_FULL_SIZE") != nullptr; }

SiteFixture::SiteFixture() : clock_(system_clock().now()) {
  Database::Options options;
  options.path = scratch_.file("wherry.db");
  options.fault = [this](std::string_view point) {
    return database_fault_ ? database_fault_(point) : Result<void>();
  };
  database_ = Database::open(options).value();
  CHECK(database_->migrate(endpoints::endpoint_migrations()));
  CHECK(database_->migrate(tasks::task_migrations()));
  CHECK(database_->migrate(job_migrations()));
  endpoints_ = std::make_unique<endpoints::Endpoints>(*database_, clock_, random_);
  for (const char* place : {"lab", "far"}) {
    fs::create_directories(scratch_.file(place));
    endpoints::NewEndpoint request;
    request.display_name = place;
    request.location = scratch_.file(place);
    request.owner = "ada";
    endpoint_ids_[place] = endpoints_->create(request).value().id;
  }
  tasks::LocalServiceOptions limits;
  limits.limits.retry_base = std::chrono::milliseconds(1);
  service_ = std::make_unique<TestService>(tasks::LocalService::create(
      {*database_, *endpoints_, clock_, random_}, limits, tasks::Execution::kOnlyNamed));
  stores_ = std::make_unique<Stores>(*database_, clock_);
  fs::create_directories(scratch_.file("site/data"));
  const auto made = stores_->sites.create("here", scratch_.file("site"), "ada", kSettings);
  CHECK(made);
  site_ = *made;
  settings_ = parse_site_settings(kSettings).value();
  start_stager();
}

std::string SiteFixture::at(const std::string& place, const std::string& path) const {
  return scratch_.file(place == "site" ? "site/data" : place) + "/" + path;
}

void SiteFixture::write(const std::string& place, const std::string& path,
                        const std::string& content) {
  fs::create_directories(fs::path(at(place, path)).parent_path());
  std::ofstream(at(place, path), std::ios::binary) << content;
}

std::string SiteFixture::read(const std::string& place, const std::string& path) const {
  return read_file(at(place, path), 1'000'000).value_or("<missing>");
}

Slot SiteFixture::in(const std::string& local_path) {
  Slot slot;
  slot.local_path = local_path;
  return slot;
}

Slot SiteFixture::out(const std::string& local_path) {
  Slot slot = in(local_path);
  slot.direction = Direction::kOut;
  return slot;
}

App SiteFixture::app(const std::string& name, std::map<std::string, Slot, std::less<>> slots) {
  App made;
  made.site = site_.id;
  made.name = name;
  made.command = "true";
  made.transfers = std::move(slots);
  const auto put = stores_->apps.put(made);
  EXPECT_TRUE(put) << put.error().message;
  return *put;
}

NewJob SiteFixture::new_job(const std::string& app_name, const std::string& workdir,
                            std::map<std::string, RemotePath, std::less<>> transfers) {
  NewJob job;
  job.app = app_name;
  job.workdir = workdir;
  job.transfers = std::move(transfers);
  return job;
}

std::vector<JobId> SiteFixture::create(const std::vector<NewJob>& jobs) {
  const auto made = stores_->jobs.create(site_.id, jobs);
  EXPECT_TRUE(made) << made.error().message;
  std::vector<JobId> ids;
  for (const Job& job : *made) ids.push_back(job.id);
  return ids;
}

std::vector<JobId> SiteFixture::create_with_inputs(std::size_t count) {
  app("with-input", {{"data", in("input")}});
  std::vector<NewJob> jobs;
  for (std::size_t i = 0; i < count; ++i) {
    write("lab", fmt::format("in/{}", i), fmt::format("content {}", i));
    jobs.push_back(new_job("with-input", fmt::format("job{}", i),
                           {{"data", {"lab", fmt::format("/in/{}", i)}}}));
  }
  return create(jobs);
}

JobState SiteFixture::state(JobId job) { return stores_->jobs.get(job).value().state; }

std::map<JobState, std::uint64_t> SiteFixture::states() {
  auto counts = stores_->jobs.count_by_state({}).value();
  std::erase_if(counts, [](const auto& entry) { return entry.second == 0; });
  return counts;
}

std::map<ItemState, std::uint64_t> SiteFixture::item_states() {
  auto counts = stores_->items.count_by_state({}).value();
  std::erase_if(counts, [](const auto& entry) { return entry.second == 0; });
  return counts;
}

TransferItem SiteFixture::item_of(JobId job, const std::string& slot) {
  ItemFilter filter;
  filter.jobs = {job};
  const auto items = stores_->items.list(filter).value();
  const auto found = std::find_if(items.rows.begin(), items.rows.end(),
                                  [&](const TransferItem& item) { return item.slot == slot; });
  CHECK(found != items.rows.end());
  return *found;
}

std::vector<std::string> SiteFixture::history(JobId job) {
  EventFilter filter;
  filter.jobs = {job};
  filter.sorting = Sorting::kAscending;
  std::vector<std::string> states;
  const auto events = stores_->jobs.events(filter).value();
  for (const JobEvent& event : events.rows) {
    if (!event.item) states.push_back(event.to);
  }
  return states;
}

void SiteFixture::run_jobs(std::size_t count, JobState end) {
  const Session session = stores_->sessions.open(site_.id, std::nullopt, "a test").value();
  Acquire what;
  what.max_jobs = count;
  const auto jobs = stores_->sessions.acquire(session.id, what).value();
  ASSERT_EQ(jobs.size(), count);
  std::vector<JobId> ids;
  std::vector<RunEnd> ends;
  for (const AcquiredJob& one : jobs) {
    ids.push_back(one.job.id);
    ends.push_back({one.job.id, end, end == JobState::kRunDone ? 0 : 1, "made to end so"});
  }
  ASSERT_TRUE(stores_->sessions.started(session.id, ids));
  ASSERT_TRUE(stores_->sessions.ended(session.id, ends));
  ASSERT_TRUE(stores_->sessions.close(session.id));
}

storage::Faults& SiteFixture::site_faults() {
  site_storage_ = storage::open_posix("/").value();
  endpoints_->substitute(std::string(endpoints::kLocalId),
                         storage::make_faulty(*site_storage_, site_faults_, clock_));
  return site_faults_;
}

void SiteFixture::start_stager() {
  const auto reach = [this](std::string_view point) {
    return fault_ ? fault_(point) : Result<void>();
  };
  const auto is_up_to_date = [this]() -> Result<bool> { return !settings_are_old_; };
  stager_ = std::make_unique<Stager>(
      StagerParts{*service_, *database_, clock_, random_, reach, is_up_to_date}, site_, settings_);
}

Stager::Step SiteFixture::step() {
  auto made = stager_->step({});
  EXPECT_TRUE(made) << made.error().message;
  return made ? *made : Stager::Step();
}

void SiteFixture::settle() {
  for (int round = 0; round < kMostRounds; ++round) {
    const bool progressed = step().progressed;
    const std::size_t moved = process();
    service_->run_tasks();
    if (!progressed && moved == 0 && stores_->items.open_tasks(site_.id)->empty()) return;
  }
  ADD_FAILURE() << "it does not come to rest";
}

std::size_t SiteFixture::process() {
  const auto moved = process_jobs(*database_, clock_, site_, 10'000);
  EXPECT_TRUE(moved) << moved.error().message;
  return moved ? *moved : 0;
}

}  // namespace wherry::jobs
