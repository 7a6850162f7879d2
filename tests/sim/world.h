// SPDX-License-Identifier: Apache-2.0
// The whole system under test: the real database, service, syncs and a site with jobs over storages
// in memory and the directory of the site, in a process that can be killed and started again.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "awaited_service.h"
#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "base/scratch_directory.h"
#include "endpoints/endpoint.h"
#include "job_site.h"
#include "source.h"
#include "sync/sync.h"
#include "tasks/local_service.h"
#include "trouble.h"

namespace wherry::sim {

inline constexpr std::string_view kOwner = "ada";         // of the tasks that the history submits
inline constexpr std::string_view kSyncOwner = "syncer";  // of those that a sync submits
inline constexpr std::string_view kSync = "mirror";  // the sync, and its directory at the target

enum class Place { kLab, kScratch, kArchive, kShelf };  // kShelf: inputs and results of jobs
inline constexpr std::size_t kPlaces = 4;
// Of the transfers and syncs that a history asks for.
inline constexpr std::array kTargets = {Place::kScratch, Place::kArchive};
std::string_view to_string(Place place);

// Chosen once for a run.
struct Character {
  bool power_cuts = true;  // else tasks may leave flushing to the operating system
  Links links = Links::kAsTheyAre;
  engine::RunLimits limits;
  sync::SyncDefinition sync;  // without its places
  JobSite::Manner staging;
};

// Told when a task begins and ends to run, whoever runs it.
class RunListener {
 public:
  virtual ~RunListener() = default;
  virtual void before_run(const tasks::TaskId& id) = 0;
  virtual void after_run(const tasks::TaskId& id) = 0;
};

class World {
 public:
  World(std::uint64_t seed, const Character& character);
  ~World() { stop(); }

  // Runs a task in this thread until it ends or the process is killed.
  Result<tasks::Task> run(const tasks::TaskId& id);
  // One pass of the sync, with the tasks that it submits.
  Result<sync::PassReport> run_sync(const sync::PassOptions& options);

  enum class Power { kStays, kCut };
  // Ends the process, if it was not killed before, and starts another one on what is left. A power
  // cut takes from the storages in memory what was not flushed.
  void restart(Power power);

  storage::Storage& memory(Place place) { return *parts(place).memory; }
  const endpoints::EndpointId& endpoint(Place place) { return parts(place).endpoint; }
  // What came to its final name at a place since the last call.
  std::vector<std::string> take_commits(Place place) { return parts(place).used->take_commits(); }
  std::string state_directory() const { return directory_.path(); }

  FakeClock clock{TimePoint(std::chrono::seconds(1'539'601'563)), FakeClock::Sleepers::kAdvance};
  Trouble trouble;
  RunListener* listener = nullptr;
  JobSite job_site;

  // The process that may be killed.
  tasks::LocalService& service() { return *service_; }
  sync::SyncService& syncs() { return *syncs_; }
  // Another process on the same state, which nothing happens to and which changes nothing.
  tasks::LocalService& observer() { return *observer_; }
  sync::SyncService& sync_observer() { return *sync_observer_; }

 private:
  struct Parts {
    std::shared_ptr<storage::Storage> memory;
    std::shared_ptr<WatchedStorage> used;
    endpoints::EndpointId endpoint;
  };
  Parts& parts(Place place) { return places_[static_cast<std::size_t>(place)]; }
  void open_observer();
  void add_place(Place place);
  void start();
  void stop();

  const Character character_;
  SeededRandom random_;  // the product's: how often it asks depends on threads
  ScratchDirectory directory_;
  std::array<Parts, kPlaces> places_;

  std::unique_ptr<Database> observed_database_;
  std::unique_ptr<endpoints::Endpoints> observed_endpoints_;
  std::unique_ptr<tasks::LocalService> observer_;
  std::unique_ptr<sync::SyncService> sync_observer_;

  std::unique_ptr<Database> database_;
  std::unique_ptr<endpoints::Endpoints> endpoints_;
  std::unique_ptr<tasks::LocalService> service_;
  std::unique_ptr<AwaitedService> awaited_;
  std::unique_ptr<sync::SyncService> syncs_;
};

}  // namespace wherry::sim
