// SPDX-License-Identifier: Apache-2.0
#include "jobs/site_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace wherry::jobs {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kUuid = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

SiteSettings settings(std::string_view yaml) {
  auto parsed = parse_site_settings(yaml);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return std::move(parsed).value_or(SiteSettings{});
}

std::string complaint_of_settings(std::string_view yaml) {
  const auto parsed = parse_site_settings(yaml);
  if (parsed) return "was read";
  EXPECT_EQ(parsed.error().code, Code::kInvalid);
  return parsed.error().message;
}

// As Balsam writes it, but for the sections that are of its own machinery.
TEST(SiteSettings, BalsamsTransfersSectionIsReadWithItsMeaning) {
  const TransferSettings read = settings(fmt::format(R"(transfers:
  transfer_locations:
    als_dtn: globus://{0}
    lab-2: globus://{0}/
  globus_endpoint_id: {0}
  globus_endpoint_site_path: /projects/site
  max_concurrent_transfers: 5
  transfer_batch_size: 50
  num_items_query_limit: 1000
  service_period: 7
)",
                                                     kUuid))
                                    .transfers;
  EXPECT_TRUE(read.is_on);
  EXPECT_EQ(read.transfer_locations.at("als_dtn").endpoint, kUuid);
  EXPECT_EQ(read.transfer_locations.at("lab-2").endpoint, kUuid);
  EXPECT_TRUE(read.transfer_locations.at("als_dtn").base.is_root());
  EXPECT_EQ(read.globus_endpoint_id, kUuid);
  EXPECT_EQ(read.globus_endpoint_site_path, "/projects/site");
  EXPECT_EQ(read.max_concurrent_transfers, 5U);
  EXPECT_EQ(read.transfer_batch_size, 50U);
  EXPECT_EQ(read.num_items_query_limit, 1000U);
  EXPECT_EQ(read.service_period, seconds(7));
}

TEST(SiteSettings, WhatIsLeftOutHasTheDefaultsOfBalsamAndThreeTasks) {
  const SiteSettings read = settings("");
  EXPECT_TRUE(read.transfers.is_on);
  EXPECT_EQ(read.transfers.max_concurrent_transfers, 3U);
  EXPECT_EQ(read.transfers.transfer_batch_size, 100U);
  EXPECT_EQ(read.transfers.num_items_query_limit, 2000U);
  EXPECT_EQ(read.transfers.service_period, seconds(5));
  EXPECT_EQ(read.cleanup_period, seconds(30));
  EXPECT_EQ(read.cleanup_batch_size, 180U);
}

TEST(SiteSettings, NullTurnsTransfersOff) {
  EXPECT_FALSE(settings("transfers: null").transfers.is_on);
  EXPECT_TRUE(settings("transfers: {}").transfers.is_on);
  EXPECT_EQ(
      settings("transfers: {globus_endpoint_site_path: null}").transfers.globus_endpoint_site_path,
      "");
}

TEST(SiteSettings, LocationsMayHaveBoundsOfTheirOwn) {
  const TransferSettings read = settings(R"(transfers:
  transfer_locations:
    shared: file:///srv/shared data
    drive:
      url: wherry://drive
      max_concurrent_transfers: 1
      transfer_batch_size: 1000
      daily_quota: 750GB
)")
                                    .transfers;
  const Location& shared = read.transfer_locations.at("shared");
  EXPECT_EQ(shared.url, "file:///srv/shared data");
  EXPECT_EQ(shared.endpoint, "local");
  EXPECT_EQ(shared.base.text(), "srv/shared data");
  EXPECT_EQ(shared.max_concurrent_transfers, std::nullopt);
  const Location& drive = read.transfer_locations.at("drive");
  EXPECT_EQ(drive.endpoint, "drive");
  EXPECT_EQ(drive.max_concurrent_transfers, 1U);
  EXPECT_EQ(drive.transfer_batch_size, 1000U);
  EXPECT_EQ(drive.daily_quota, 750'000'000'000U);
}

TEST(SiteSettings, TheRestIsRead) {
  const SiteSettings read = settings(R"(transfers:
  max_batch_wait: 2s
  on_error: hold
  max_attempts: 7
  retry_delay: 1m
  share_inputs: link
launcher:
  local_processes: 8
  run_locally: no
  scheduler: slurm
  submit_arguments: [--account=x, --constraint=knl]
  idle_time: 90
file_cleaner: {service_period: 10, cleanup_batch_size: 5}
)");
  EXPECT_EQ(read.transfers.max_batch_wait, seconds(2));
  EXPECT_EQ(read.transfers.on_error, OnError::kHold);
  EXPECT_EQ(read.transfers.max_attempts, 7);
  EXPECT_EQ(read.transfers.retry_delay, minutes(1));
  EXPECT_EQ(read.transfers.share_inputs, TransferSettings::Share::kLink);
  EXPECT_EQ(read.launcher.local_processes, 8U);
  EXPECT_FALSE(read.launcher.run_locally);
  EXPECT_EQ(read.launcher.gpus_per_node, std::nullopt) << "those that are found";
  EXPECT_EQ(settings("launcher: {gpus_per_node: 4}").launcher.gpus_per_node, 4U);
  EXPECT_EQ(read.launcher.submit_arguments, "--account=x\n--constraint=knl\n");
  EXPECT_EQ(read.launcher.idle_time, seconds(90));
  EXPECT_EQ(read.cleanup_period, seconds(10));
  EXPECT_EQ(read.cleanup_batch_size, 5U);
  EXPECT_EQ(settings("launcher: {submit_arguments: --exclusive}").launcher.submit_arguments,
            "--exclusive");
  EXPECT_EQ(settings("transfers: {share_inputs: no}").transfers.share_inputs,
            TransferSettings::Share::kNo);
}

// What it shows as the value of a key is the value that holds without it.
TEST(SiteSettings, TheSampleIsTheDefaults) {
  const SiteSettings sample = settings(sample_site_settings());
  const SiteSettings none = settings("");
  EXPECT_EQ(sample.transfers.service, none.transfers.service);
  EXPECT_TRUE(sample.transfers.transfer_locations.empty());
  EXPECT_EQ(sample.transfers.globus_endpoint_id, none.transfers.globus_endpoint_id);
  EXPECT_EQ(sample.transfers.globus_endpoint_site_path, none.transfers.globus_endpoint_site_path);
  EXPECT_EQ(sample.transfers.max_concurrent_transfers, none.transfers.max_concurrent_transfers);
  EXPECT_EQ(sample.transfers.transfer_batch_size, none.transfers.transfer_batch_size);
  EXPECT_EQ(sample.transfers.num_items_query_limit, none.transfers.num_items_query_limit);
  EXPECT_EQ(sample.transfers.service_period, none.transfers.service_period);
  EXPECT_EQ(sample.transfers.max_batch_wait, none.transfers.max_batch_wait);
  EXPECT_EQ(sample.transfers.on_error, none.transfers.on_error);
  EXPECT_EQ(sample.transfers.max_attempts, none.transfers.max_attempts);
  EXPECT_EQ(sample.transfers.retry_delay, none.transfers.retry_delay);
  EXPECT_EQ(sample.transfers.share_inputs, none.transfers.share_inputs);
  EXPECT_EQ(sample.launcher.local_processes, none.launcher.local_processes);
  EXPECT_EQ(sample.launcher.run_locally, none.launcher.run_locally);
  EXPECT_EQ(sample.launcher.gpus_per_node, none.launcher.gpus_per_node);
  EXPECT_EQ(sample.launcher.scheduler, none.launcher.scheduler);
  EXPECT_EQ(sample.launcher.submit_arguments, none.launcher.submit_arguments);
  EXPECT_EQ(sample.launcher.idle_time, none.launcher.idle_time);
  EXPECT_EQ(sample.cleanup_period, none.cleanup_period);
  EXPECT_EQ(sample.cleanup_batch_size, none.cleanup_batch_size);
}

TEST(SiteSettings, MistakesAreNamedByLineAndKey) {
  EXPECT_EQ(complaint_of_settings("transfers:\n  trasnfer_batch_size: 5\n"),
            "line 2: there is no 'trasnfer_batch_size' in 'transfers'; did you mean "
            "'transfer_batch_size'?");
  EXPECT_EQ(complaint_of_settings("transfers:\n  max_concurrent_transfers: 0\n"),
            "line 2: 'max_concurrent_transfers': 0 is less than the minimum, 1");
  EXPECT_EQ(complaint_of_settings("transfers:\n  on_error: explode\n"),
            "line 2: 'on_error': 'explode' is not one of fail, hold");
  EXPECT_THAT(complaint_of_settings("transfers: {service_period: 0}"),
              HasSubstr("'service_period': '0'"));
  EXPECT_THAT(complaint_of_settings("transfers: {retry_delay: -1s}"),
              StartsWith("line 1: 'retry_delay'"));
  EXPECT_THAT(complaint_of_settings("transfers: {service: ''}"), HasSubstr("'service' is empty"));
  EXPECT_THAT(complaint_of_settings("transfers: {globus_endpoint_site_path: data}"),
              HasSubstr("begin with"));
  EXPECT_THAT(complaint_of_settings("transfers: {globus_endpoint_site_path: /a/../b}"),
              StartsWith("line 1: "));
  EXPECT_THAT(complaint_of_settings("transfers: [a]"), StartsWith("line 1: 'transfers': wants"));
}

TEST(SiteSettings, SectionsOfBalsamThatAreNotOursSayWhatToWrite) {
  EXPECT_THAT(complaint_of_settings("site_id: 4"), StartsWith("line 1: 'site_id': leave it out"));
  EXPECT_THAT(complaint_of_settings("logging: {level: debug}"), HasSubstr("log.level"));
  EXPECT_THAT(complaint_of_settings("processing: {num_workers: 5}"), HasSubstr("leave it out"));
  EXPECT_THAT(complaint_of_settings("scheduler: {scheduler_class: x}"),
              HasSubstr("launcher: {scheduler"));
  EXPECT_THAT(complaint_of_settings("launcher: {idle_ttl_sec: 10}"),
              HasSubstr("write 'idle_time: 10s'"));
  EXPECT_THAT(complaint_of_settings("launcher:\n  mpi_app_launcher: x\n"), StartsWith("line 2: "));
}

// B22: data came from and went to one kind of place.
TEST(SiteSettings, ALocationIsOneOfThreeForms) {
  const auto with = [](std::string_view url) {
    return complaint_of_settings(
        fmt::format("transfers: {{transfer_locations: {{x: '{}'}}}}", url));
  };
  EXPECT_EQ(with("wherry://lab"), "was read");
  EXPECT_EQ(with("file:///"), "was read");
  for (const std::string_view bad :
       {"", "lab", "rsync://user@host", "globus://lab", "globus://", "wherry://",
        "wherry://lab/data", "wherry:lab", "file://host/data", "file://data", "file:///a/../b",
        "globus:", "://x"})
    EXPECT_THAT(with(bad), StartsWith("line 1: 'x': ")) << bad;
  EXPECT_THAT(complaint_of_settings("transfers: {transfer_locations: {x: {}}}"),
              HasSubstr("no 'url'"));
  EXPECT_THAT(complaint_of_settings("transfers: {transfer_locations: {'a:b': 'wherry://x'}}"),
              HasSubstr("letters, digits"));
}

TEST(SiteSettings, LocationsAreOnesThatTheServiceKnows) {
  const auto with = [](std::string_view service, std::string_view url,
                       std::string_view own = "here") {
    return complaint_of_settings(fmt::format(
        "transfers: {{service: '{}', globus_endpoint_id: '{}', transfer_locations: {{x: '{}'}}}}",
        service, own, url));
  };
  EXPECT_EQ(with("https://wherry.example.org", "wherry://lab"), "was read");
  EXPECT_THAT(with("globus", "file:///data"), HasSubstr("of this machine"));
  EXPECT_THAT(with("globus", "wherry://lab"), HasSubstr("globus://UUID"));
  EXPECT_THAT(with("globus", fmt::format("globus://{}", kUuid), ""),
              HasSubstr("set 'globus_endpoint_id'"));
}

// ---- paths

TEST(Defects, B2OnlyTheLeadingSitePathIsReplacedAndOnlyWholeNames) {
  TransferSettings transfers;
  transfers.globus_endpoint_site_path = "/ep";
  EXPECT_EQ(endpoint_path(transfers, "/a", "/a/data/a/apple/x").value().text(),
            "ep/data/a/apple/x");
  EXPECT_EQ(endpoint_path(transfers, "/a/", "/a/data").value().text(), "ep/data");
  EXPECT_FALSE(endpoint_path(transfers, "/a", "/apple/x"));
  EXPECT_FALSE(endpoint_path(transfers, "/a", "/b/a/x"));
  EXPECT_FALSE(endpoint_path(transfers, "/a", "/a/../b"));
  EXPECT_FALSE(endpoint_path(transfers, "/a", "a/x"));
}

// Nothing is looked up on disk: a symlink in the path stays one.
TEST(Defects, B2NothingOfThePathIsResolved) {
  TransferSettings transfers;
  transfers.globus_endpoint_site_path = "/";
  EXPECT_EQ(endpoint_path(transfers, "/proc/self", "/proc/self/cwd/x").value().text(), "cwd/x");
}

// B1 of the settings' side: the default moves what it should.
TEST(Defects, B1WithoutASitePathPathsAreTheSame) {
  EXPECT_EQ(endpoint_path({}, "/home/u/site", "/home/u/site/data/job1/in").value().text(),
            "home/u/site/data/job1/in");
}

TEST(Defects, B2HoldsForEverySiteAndPath) {
  SeededRandom random(5);
  const auto some_path = [&] {
    std::string path;
    for (std::size_t i = 1 + random.below(4); i > 0; --i)
      path += std::string("/") + static_cast<char>('a' + random.below(2));
    return path;
  };
  for (int round = 0; round < 2'000; ++round) {
    TransferSettings transfers;
    const std::string site = some_path();
    const std::string below = some_path();
    transfers.globus_endpoint_site_path = some_path();
    EXPECT_EQ("/" + endpoint_path(transfers, site, site + below).value().text(),
              transfers.globus_endpoint_site_path + below);
  }
}

// B11
TEST(Defects, B11NoPathOfAJobLeavesItsLocation) {
  Location location;
  location.base = RelPath::parse("/srv/shared").value();
  EXPECT_EQ(remote_path(location, "/a/b").value().text(), "srv/shared/a/b");
  EXPECT_EQ(remote_path(location, "/").value().text(), "srv/shared");
  EXPECT_FALSE(remote_path(location, "/../etc/passwd"));
  EXPECT_FALSE(remote_path(location, "/a/../../b"));
  EXPECT_FALSE(remote_path(location, "a/b"));
  EXPECT_FALSE(remote_path(location, ""));
}

// B12
TEST(Defects, B12LongPathsAreTakenUpToWhatTheFileSystemTakes) {
  std::string path;
  while (path.size() < 4'000) path += "/0123456789";
  Location location;
  EXPECT_EQ(remote_path(location, path).value().text().size(), path.size() - 1);
  location.base = RelPath::parse(std::string(200, 'b')).value();
  EXPECT_EQ(remote_path(location, path).error().code, Code::kInvalid);
}

// Each job has its own directory, so that names never meet.
TEST(EndpointPaths, TwoJobsInputsOfOneNameHaveTwoTargets) {
  EXPECT_NE(endpoint_path({}, "/site", "/site/data/job1/in.dat").value(),
            endpoint_path({}, "/site", "/site/data/job2/in.dat").value());
}

}  // namespace
}  // namespace wherry::jobs
