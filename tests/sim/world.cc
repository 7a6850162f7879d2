// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include "storage/backends.h"

namespace wherry::sim {
namespace {

constexpr int kBusyTimeoutMs = 30'000;

}  // namespace

std::string_view to_string(Place place) {
  switch (place) {
    case Place::kLab:
      return "lab";
    case Place::kScratch:
      return "scratch";
    case Place::kArchive:
      return "archive";
    case Place::kShelf:
      return kShelfName;
  }
  return "nowhere";
}

World::World(std::uint64_t seed, const Character& character)
    : job_site(character.staging, clock, trouble), character_(character), random_(seed) {
  open_observer();
  for (const Place place : {Place::kLab, Place::kScratch, Place::kArchive, Place::kShelf})
    add_place(place);
  job_site.settle_down(*observed_database_, directory_.file("site"));
  start();
}

void World::open_observer() {
  observed_database_ =
      Database::open(
          {.path = directory_.file("wherry.db"), .sessions = 2, .busy_timeout_ms = kBusyTimeoutMs})
          .value();
  observed_database_->migrate(endpoints::endpoint_migrations()).value();
  observed_database_->migrate(tasks::task_migrations()).value();
  observed_database_->migrate(sync::sync_migrations()).value();
  observed_database_->migrate(jobs::job_migrations()).value();
  observed_endpoints_ = std::make_unique<endpoints::Endpoints>(*observed_database_, clock, random_);
  observer_ = tasks::LocalService::create(
      {*observed_database_, *observed_endpoints_, clock, random_}, {}, tasks::Execution::kNone);
  sync_observer_ = std::make_unique<sync::SyncService>(sync::SyncService::Parts{
      *observer_, *observed_database_, clock, directory_.path(), std::string(kSyncOwner), {}});
}

void World::add_place(Place place) {
  Parts& made = parts(place);
  made.memory = storage::open_memory({.clock = &clock});
  made.used = std::make_shared<WatchedStorage>(
      storage::make_faulty(*made.memory, trouble.storages, clock), trouble);
  endpoints::NewEndpoint request;
  request.display_name = to_string(place);
  request.location = "memory:";
  request.owner = kOwner;
  made.endpoint = observed_endpoints_->create(request).value().id;
  observed_endpoints_->substitute(made.endpoint, made.memory);
}

void World::start() {
  database_ = Database::open(
                  {.path = directory_.file("wherry.db"),
                   .sessions = 2,
                   .busy_timeout_ms = kBusyTimeoutMs,
                   .fault = [this](std::string_view point) { return trouble.at_database(point); }})
                  .value();
  endpoints_ = std::make_unique<endpoints::Endpoints>(*database_, clock, random_);
  for (const Parts& each : places_) endpoints_->substitute(each.endpoint, each.used);
  tasks::LocalServiceOptions options;
  options.limits = character_.limits;
  options.history = Duration(0);
  service_ = tasks::LocalService::create({*database_, *endpoints_, clock, random_}, options,
                                         tasks::Execution::kOnlyNamed);
  awaited_ = std::make_unique<AwaitedService>(*service_,
                                              [this](const tasks::TaskId& id) { return run(id); });
  syncs_ = std::make_unique<sync::SyncService>(sync::SyncService::Parts{
      *awaited_, *database_, clock, directory_.path(), std::string(kSyncOwner),
      [this](std::string_view point) { return trouble.at_point(point); }});
  job_site.start({*service_, *database_, *endpoints_, random_});
}

void World::stop() {
  job_site.stop();
  syncs_.reset();
  awaited_.reset();
  service_.reset();
  endpoints_.reset();
  database_.reset();
}

void World::restart(Power power) {
  trouble.kill();
  stop();
  if (power == Power::kCut) {
    for (const Place place : {Place::kScratch, Place::kArchive, Place::kShelf})
      storage::lose_power(memory(place));
  }
  trouble.clear();
  start();
}

Result<tasks::Task> World::run(const tasks::TaskId& id) {
  if (listener != nullptr) listener->before_run(id);
  auto ended = service_->run(id, trouble.stop());
  if (listener != nullptr) listener->after_run(id);
  return ended;
}

Result<sync::PassReport> World::run_sync(const sync::PassOptions& options) {
  return syncs_->run(kSync, options, trouble.stop());
}

}  // namespace wherry::sim
