// SPDX-License-Identifier: Apache-2.0
#include "job_site.h"

#include <filesystem>

#include "storage/backends.h"

namespace wherry::sim {
namespace {

constexpr std::size_t kMostJobs = 1'000;  // cleaned up behind in one go
// Two names of one place: the site cannot know.
constexpr std::string_view kSettings =
    "transfers:\n"
    "  transfer_locations:\n"
    "    shelf: wherry://shelf\n"
    "    mirror: wherry://shelf\n";

// Nobody cuts the power of the site's host, so that flushing would only take time.
class UnflushedStorage : public storage::Decorator {
 public:
  using Decorator::Decorator;

 protected:
  Result<void> around(Call& call, const std::function<Result<void>()>& body) override {
    const bool flushes = call.operation == storage::Operation::kFlush ||
                         call.operation == storage::Operation::kFlushDirectories;
    return flushes ? Result<void>() : body();
  }
};

jobs::App make_app(std::string_view name, jobs::SiteId site) {
  jobs::App app;
  app.site = site;
  app.name = name;
  app.command = "true";
  app.error_retries = kErrorRetries;
  app.timeout_retries = kTimeoutRetries;
  app.cleanup_files = {std::string(kLitter)};
  app.transfers["data"].local_path = "input";
  if (name == kWork) {
    app.transfers["result"].local_path = "result";
    app.transfers["result"].direction = jobs::Direction::kOut;
  }
  return app;
}

}  // namespace

// The service as the site sees it, which keeps what it was asked.
class JobSite::Line : public tasks::DistantService {
 public:
  Line(tasks::TransferService& real, JobSite& site) : DistantService(real), site_(site) {
    fault = [&trouble = site.trouble_](auto, const auto&) { return trouble.at_call(); };
    answer_fault = [&trouble = site.trouble_](auto, const auto&) { return trouble.at_answer(); };
    tells_items = site.manner_.tells_items;
    tells_while_active = site.manner_.tells_while_active;
  }
  using DistantService::submit;
  // What is kept was perhaps never accepted, when the call was lost: then it is sent again.
  Result<tasks::Submitted> submit(const tasks::TransferRequest& request) override {
    const auto [known, is_new] = site_.requests_.emplace(request.submission_id, request);
    if (!is_new && known->second.items != request.items)
      site_.changed_.push_back(request.submission_id);
    return DistantService::submit(request);
  }

 private:
  JobSite& site_;
};

JobSite::JobSite(const Manner& manner, FakeClock& clock, Trouble& trouble)
    : manner_(manner), clock_(clock), trouble_(trouble) {
  auto host = std::make_unique<UnflushedStorage>(storage::open_posix("/").value());
  storage_ = std::make_shared<WatchedStorage>(
      storage::make_faulty(std::move(host), trouble.storages, clock), trouble);
  settings_ = jobs::parse_site_settings(kSettings).value();
  settings_.transfers.transfer_batch_size = manner.batch_size;
  settings_.transfers.share_inputs = manner.share_inputs;
}

JobSite::~JobSite() = default;

void JobSite::settle_down(Database& observed, const std::string& directory) {
  std::filesystem::create_directories(directory + "/data");
  observer_ = std::make_unique<jobs::Stores>(observed, clock_);
  site_ = observer_->sites.create("here", directory, kSiteOwner, kSettings).value();
  for (const std::string_view name : {kLook, kWork})
    observer_->apps.put(make_app(name, site_.id)).value();
}

void JobSite::start(const Process& process) {
  process.endpoints.substitute(std::string(endpoints::kLocalId), storage_);
  database_ = &process.database;
  stores_ = std::make_unique<jobs::Stores>(process.database, clock_);
  line_ = std::make_unique<Line>(process.service, *this);
  const auto at_point = [this](std::string_view point) { return trouble_.at_point(point); };
  stager_ = std::make_unique<jobs::Stager>(
      jobs::StagerParts{*line_, process.database, clock_, process.random, at_point}, site_,
      settings_);
}

void JobSite::stop() {
  stager_.reset();
  line_.reset();
  stores_.reset();
}

Result<std::size_t> JobSite::process_jobs(std::size_t limit) {
  return jobs::process_jobs(*database_, clock_, site_, limit);
}

Result<std::size_t> JobSite::clean_up() {
  return jobs::clean_up(*database_, clock_, site_, kMostJobs);
}

void JobSite::set_batch_size(std::size_t size) {
  settings_.transfers.transfer_batch_size = size;
  stager_->set_settings(settings_);
}

std::string JobSite::file(const std::string& workdir, std::string_view name) const {
  return fmt::format("{}/{}/{}", site_.data_directory(), workdir, name);
}

std::vector<std::string> JobSite::take_commits() {
  std::vector<std::string> files;
  for (const std::string& path : storage_->take_commits()) files.push_back("/" + path);
  return files;
}

}  // namespace wherry::sim
