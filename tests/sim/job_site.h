// SPDX-License-Identifier: Apache-2.0
// The site of a world: a real directory in which jobs run, and the parts of its process that die
// with the world's. The service moves its files through a storage that can be made to fail, and
// hears and answers it over a line on which calls get lost.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "endpoints/endpoint.h"
#include "jobs/jobs.h"
#include "jobs/site_process.h"
#include "jobs/site_settings.h"
#include "tasks/testing/distant_service.h"
#include "trouble.h"

namespace wherry::sim {

inline constexpr std::string_view kSiteOwner = "dora";   // of the site, and of its tasks
inline constexpr std::string_view kShelfName = "shelf";  // where inputs come from and results go
// The apps: both read the input "input"; kWork has to make "result", too. Both leave a file behind
// that is to be cleaned up.
inline constexpr std::string_view kLook = "look";
inline constexpr std::string_view kWork = "work";
inline constexpr std::string_view kLitter = "scratch";
inline constexpr int kErrorRetries = 2;
inline constexpr int kTimeoutRetries = 3;

class JobSite {
 public:
  // Chosen once for a run: how the site stages, and how its service answers.
  struct Manner {
    std::size_t batch_size = 4;
    jobs::TransferSettings::Share share_inputs = jobs::TransferSettings::Share::kNo;
    bool tells_items = true;
    bool tells_while_active = true;
  };
  // Clock and trouble outlive it.
  JobSite(const Manner& manner, FakeClock& clock, Trouble& trouble);
  ~JobSite();

  // Makes the site, once. `observed` is the state as another process sees it that nothing happens
  // to: commands, launchers.
  void settle_down(Database& observed, const std::string& directory);
  // What a process of the site is made of.
  struct Process {
    tasks::TransferService& service;
    Database& database;
    endpoints::Endpoints& endpoints;
    Random& random;
  };
  void start(const Process& process);
  void stop();

  // The process that may be killed.
  Result<jobs::Stager::Step> stage() { return stager_->step(trouble_.stop()); }
  Result<std::size_t> process_jobs(std::size_t limit);
  Result<std::size_t> clean_up();
  jobs::Stores& stores() { return *stores_; }
  void set_batch_size(std::size_t size);  // also of processes to come

  // Another one.
  jobs::Stores& observer() { return *observer_; }
  const jobs::Site& site() const { return site_; }

  // The file of that name in a work directory; its path, as transfers name it.
  std::string file(const std::string& workdir, std::string_view name) const;
  // Every request that the service accepted.
  using Requests = std::map<tasks::SubmissionId, tasks::TransferRequest>;
  const Requests& requests() const { return requests_; }
  // The requests that were sent again with other items than before.
  const std::vector<tasks::SubmissionId>& changed_requests() const { return changed_; }
  bool shares_inputs() const { return manner_.share_inputs != jobs::TransferSettings::Share::kNo; }
  // Files, as file() names them, that came to their final name since the last call.
  std::vector<std::string> take_commits();

 private:
  class Line;

  const Manner manner_;
  FakeClock& clock_;
  Trouble& trouble_;
  std::shared_ptr<WatchedStorage> storage_;
  std::unique_ptr<jobs::Stores> observer_;
  jobs::Site site_;
  jobs::SiteSettings settings_;
  Requests requests_;
  std::vector<tasks::SubmissionId> changed_;

  Database* database_ = nullptr;
  std::unique_ptr<jobs::Stores> stores_;
  std::unique_ptr<Line> line_;
  std::unique_ptr<jobs::Stager> stager_;
};

}  // namespace wherry::sim
