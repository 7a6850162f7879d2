// SPDX-License-Identifier: Apache-2.0
// Prints how many items per second are submitted, and how many outcomes recorded, durably: the two
// rates that bound what the embedded service can move when the files are small. An argument names
// the folder to work in, default the current one.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/random.h"
#include "endpoints/endpoint.h"
#include "tasks/local_service.h"
#include "tasks/outcome_store.h"
#include "tasks/store.h"

namespace wherry {
namespace {

constexpr std::size_t kRounds = 5;
constexpr std::size_t kGroup = 4096;  // outcomes of a group commit

std::string file_path(std::size_t i) {
  return fmt::format("2018/experiment01/sample{:04}/sample{:04}_{:05}.tif", i / 1800, i / 1800,
                     i % 1800);
}

std::unique_ptr<Database> open_database(const std::string& folder) {
  auto database = Database::open({.path = folder + "/bench.db"}).value();
  for (const auto migrations : {endpoints::endpoint_migrations(), tasks::task_migrations()})
    database->migrate(migrations).value();
  return database;
}

tasks::TransferRequest make_request(tasks::LocalService& service, const std::string& endpoint) {
  tasks::TransferRequest request;
  request.submission_id = service.new_submission_id().value();
  request.owner = "bench";
  request.source_endpoint = endpoint;
  request.target_endpoint = endpoint;
  for (std::size_t i = 0; i < tasks::kMaxItems; ++i) {
    engine::TransferItem item;
    item.source = RelPath::from_normal("source/" + file_path(i));
    item.target = RelPath::from_normal("target/" + file_path(i));
    item.recursion = engine::TransferItem::Recursion::kNo;
    request.items.push_back(std::move(item));
  }
  return request;
}

std::vector<engine::Outcome> make_outcomes() {
  std::vector<engine::Outcome> outcomes;
  for (std::size_t i = 0; i < tasks::kMaxItems; ++i) {
    engine::Outcome outcome;
    outcome.item = i;
    outcome.source = RelPath::from_normal("source/" + file_path(i));
    outcome.target = RelPath::from_normal("target/" + file_path(i));
    outcome.bytes = 16384;
    outcome.checksum = fmt::format("{:032x}", i * 0x9e3779b97f4a7c15);
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double record_all(tasks::OutcomeStore& store, tasks::TaskKey task,
                  std::span<const engine::Outcome> outcomes) {
  tasks::Tally tally;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t done = 0; done < outcomes.size(); done += kGroup) {
    const auto group = outcomes.subspan(done, std::min(kGroup, outcomes.size() - done));
    tally.counts.files_transferred += group.size();
    store.record(task, {.outcomes = group, .faults = {}}, tally).value();
  }
  return seconds_since(start);
}

void print_median(const char* what, std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  fmt::print("{} per second: {:.0f}\n", what,
             static_cast<double>(tasks::kMaxItems) / seconds[seconds.size() / 2]);
}

void run(const std::string& folder) {
  const auto database = open_database(folder);
  endpoints::Endpoints endpoints(*database, system_clock(), system_random());
  endpoints::NewEndpoint place;
  place.display_name = "bench";
  place.location = folder;
  place.owner = "bench";
  const std::string endpoint = endpoints.create(place).value().id;
  const auto service = tasks::LocalService::create(
      {*database, endpoints, system_clock(), system_random()}, {}, tasks::Execution::kNone);
  tasks::Store store(*database, system_clock());
  tasks::OutcomeStore outcome_store(*database, system_clock());
  const auto outcomes = make_outcomes();
  std::vector<double> submit_seconds;
  std::vector<double> record_seconds;
  for (std::size_t round = 0; round < kRounds; ++round) {
    const auto request = make_request(*service, endpoint);
    const auto start = std::chrono::steady_clock::now();
    const auto submitted = service->submit(request).value();
    submit_seconds.push_back(seconds_since(start));
    const tasks::TaskKey task = store.key(submitted.task_id).value();
    record_seconds.push_back(record_all(outcome_store, task, outcomes));
  }
  print_median("items submitted", submit_seconds);
  print_median("outcomes recorded", record_seconds);
}

}  // namespace
}  // namespace wherry

int main(int argc, char** argv) {
  const std::string folder = std::filesystem::absolute(argc > 1 ? argv[1] : ".").string();
  wherry::run(folder);
  for (const char* name : {"/bench.db", "/bench.db-wal", "/bench.db-shm"})
    ::unlink((folder + name).c_str());
}
