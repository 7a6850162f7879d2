// SPDX-License-Identifier: Apache-2.0
// The control plane of jobs, durable, on a disk: how long bulk creation, bulk changes and filtered
// lists take. wherry_jobs_bench FOLDER create|update|list prints lines "what: NUMBER unit".
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "jobs/jobs.h"
#include "tasks/local_service.h"

namespace wherry::jobs {
namespace {

constexpr std::size_t kJobs = 100'000;
constexpr std::size_t kInputsOfWide = 9;  // with the one of the narrow jobs a million items
constexpr std::size_t kActive = 100'000;
constexpr std::size_t kRounds = 5;
constexpr std::string_view kSettings =
    "transfers:\n"
    "  transfer_locations:\n"
    "    lab: wherry://lab\n"
    "    archive: wherry://archive\n";

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class Call>
double seconds_of(const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return seconds_since(start);
}

template <class Call>
double median_seconds_of(const Call& call) {
  std::vector<double> seconds;
  for (std::size_t round = 0; round < kRounds; ++round) seconds.push_back(seconds_of(call));
  std::sort(seconds.begin(), seconds.end());
  return seconds[kRounds / 2];
}

class World {
 public:
  explicit World(const std::string& folder)
      : database_(Database::open({.path = folder + "/jobs.db"}).value()),
        stores_(*database_, system_clock()) {
    database_->migrate(tasks::task_migrations()).value();
    database_->migrate(job_migrations()).value();
    site_ = stores_.sites.create("bench", "/bench", "bench", kSettings).value().id;
    put_app("narrow", 1);
    put_app("wide", kInputsOfWide);
  }

  Stores& stores() { return stores_; }
  SiteId site() const { return site_; }

  std::vector<NewJob> jobs_of(const std::string& app, std::size_t inputs, std::size_t count) {
    std::vector<NewJob> jobs(count);
    for (std::size_t i = 0; i < count; ++i) {
      jobs[i].app = app;
      jobs[i].workdir = fmt::format("{}/{:06}", app, made_++);
      jobs[i].tags = {{"run", fmt::format("{}", i / 1'000)}};
      for (std::size_t slot = 0; slot < inputs; ++slot) {
        jobs[i].transfers[fmt::format("in{}", slot)] = {
            slot % 2 == 0 ? "lab" : "archive",
            fmt::format("/experiment/sample{:04}/frame_{:06}.tif", slot, i)};
      }
    }
    return jobs;
  }

  void create(std::span<const NewJob> jobs) {
    for (std::size_t done = 0; done < jobs.size(); done += kMaxBulk) {
      const auto some = jobs.subspan(done, std::min(kMaxBulk, jobs.size() - done));
      stores_.jobs.create(site_, some).value();
    }
  }

 private:
  void put_app(const std::string& name, std::size_t inputs) {
    App app;
    app.site = site_;
    app.name = name;
    app.command = "true";
    for (std::size_t slot = 0; slot < inputs; ++slot) {
      const std::string file = fmt::format("in{}", slot);
      app.transfers[file] = {Direction::kIn, true, file, false, ""};
    }
    stores_.apps.put(app).value();
  }

  const std::unique_ptr<Database> database_;
  Stores stores_;
  SiteId site_ = 0;
  std::size_t made_ = 0;
};

void bench_create(World& world) {
  const auto jobs = world.jobs_of("narrow", 1, kJobs);
  fmt::print("100,000 jobs created: {:.3f} s\n", seconds_of([&] { world.create(jobs); }));
}

void bench_update(World& world) {
  world.create(world.jobs_of("narrow", 1, 4 * kMaxBulk));
  std::vector<Jobs::Numbered> changes(kMaxBulk);
  int round = 0;
  const auto change = [&](auto set) {
    for (std::size_t i = 0; i < changes.size(); ++i) {
      changes[i] = {static_cast<JobId>(i + 1), {}};
      set(changes[i].change);
    }
    world.stores().jobs.modify(changes).value();
  };
  const double of_fields = median_seconds_of([&] {
    ++round;
    change([&](JobChange& one) {
      one.tags = TextMap{{"run", fmt::format("{}", round)}};
      one.data = fmt::format("{{\"round\": {}}}", round);
    });
  });
  fmt::print("5,000 jobs changed: {:.3f} s\n", of_fields);
  // Back and forth between two states that a person may set.
  const double of_states = median_seconds_of([&] {
    const bool fails = ++round % 2 == 0;
    change([&](JobChange& one) { one.state = fails ? JobState::kFailed : JobState::kReady; });
  });
  fmt::print("5,000 states of jobs changed: {:.3f} s\n", of_states);
}

// A million items, of which some are active.
void fill(World& world) {
  const auto narrow = world.jobs_of("narrow", 1, kJobs);
  world.stores().jobs.create_many(world.site(), narrow).value();
  const auto wide = world.jobs_of("wide", kInputsOfWide, kJobs);
  world.stores().jobs.create_many(world.site(), wide).value();
  for (std::size_t done = 0; done < kActive; done += kMaxBulk) {
    std::vector<Items::Change> changes(kMaxBulk);
    for (std::size_t i = 0; i < kMaxBulk; ++i) {
      changes[i].id = static_cast<ItemId>(10 * (done + i) + 1);
      changes[i].state = ItemState::kActive;
    }
    world.stores().items.modify(changes).value();
  }
}

struct NamedFilter {
  std::string_view name;
  ItemFilter filter;
};

std::vector<NamedFilter> item_filters(SiteId site) {
  ItemFilter all;
  all.sites = {site};
  all.limit = 1'000;
  std::vector<NamedFilter> filters;
  const auto add = [&](std::string_view name) -> ItemFilter& {
    filters.push_back({name, all});
    return filters.back().filter;
  };
  add("none");
  ItemFilter& active_in = add("direction and state");
  active_in.direction = Direction::kIn;
  active_in.states = {ItemState::kActive};
  add("several states").states = {ItemState::kActive, ItemState::kInactive, ItemState::kPending};
  add("a state that none has").states = {ItemState::kError};
  ItemFilter& of_location = add("location and state");
  of_location.location_aliases = {"archive"};
  of_location.states = {ItemState::kPending};
  ItemFilter& newest = add("newest changes of a state");
  newest.states = {ItemState::kPending};
  newest.order = ItemFilter::Order::kLastUpdate;
  newest.sorting = Sorting::kDescending;
  add("tag").tags = {{"run", "7"}};
  add("state of the job").job_states = {JobState::kStagedIn, JobState::kFailed};
  add("jobs").jobs = {5, 50, 500, 5'000, 50'000};
  add("far page").offset = 500'000;
  return filters;
}

void bench_list(World& world) {
  fill(world);
  double worst = 0;
  for (const NamedFilter& named : item_filters(world.site())) {
    const double seconds =
        median_seconds_of([&] { world.stores().items.list(named.filter).value(); });
    fmt::print("  items by {}: {:.1f} ms\n", named.name, seconds * 1'000);
    worst = std::max(worst, seconds);
  }
  JobFilter jobs;
  jobs.sites = {world.site()};
  jobs.states = {JobState::kStagedIn, JobState::kRunDone, JobState::kRunError,
                 JobState::kRunTimeout, JobState::kReady};
  jobs.limit = 1'000;
  const double of_jobs = median_seconds_of([&] { world.stores().jobs.list(jobs).value(); });
  fmt::print("  jobs by states: {:.1f} ms\n", of_jobs * 1'000);
  EventFilter events;
  events.sites = {world.site()};
  events.limit = 1'000;
  const double of_events = median_seconds_of([&] { world.stores().jobs.events(events).value(); });
  fmt::print("  newest events: {:.1f} ms\n", of_events * 1'000);
  const double of_pending = median_seconds_of(
      [&] { world.stores().items.pending(world.site(), 2'000, system_clock().now()).value(); });
  fmt::print("  pending items for the stager: {:.1f} ms\n", of_pending * 1'000);
  worst = std::max({worst, of_jobs, of_events, of_pending});
  fmt::print("worst filtered list over 1,000,000 items: {:.1f} ms\n", worst * 1'000);
}

}  // namespace
}  // namespace wherry::jobs

int main(int argc, char** argv) {
  using namespace wherry;
  const std::string what = argc == 3 ? argv[2] : "";
  if (what != "create" && what != "update" && what != "list") {
    fmt::print(stderr, "usage: wherry_jobs_bench FOLDER create|update|list\n");
    return 2;
  }
  const std::string folder = std::filesystem::absolute(argv[1]).string();
  {
    jobs::World world(folder);
    if (what == "create") jobs::bench_create(world);
    if (what == "update") jobs::bench_update(world);
    if (what == "list") jobs::bench_list(world);
  }
  for (const char* name : {"/jobs.db", "/jobs.db-wal", "/jobs.db-shm"})
    ::unlink((folder + name).c_str());
}
