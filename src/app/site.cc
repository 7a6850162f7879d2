// SPDX-License-Identifier: Apache-2.0
#include "app/site.h"

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/random.h"
#include "jobs/site_process.h"
#include "jobs/site_removal.h"
#include "jobs/site_settings.h"
#include "schedulers/scheduler.h"

namespace wherry::app {
namespace {

// The schedulers that settings have named so far. Safe for concurrent calls.
class KnownSchedulers {
 public:
  schedulers::Scheduler* find(const std::string& name, const jobs::SiteSettings& settings) {
    if (name != "slurm") return nullptr;
    const std::lock_guard lock(mutex_);
    auto& scheduler = known_[settings.launcher.submit_arguments];
    if (!scheduler) {
      schedulers::SlurmOptions options;
      options.submit_arguments = settings.launcher.submit_arguments;
      scheduler = schedulers::open_slurm(options);
    }
    return scheduler.get();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<schedulers::Scheduler>> known_;
};

}  // namespace

Result<void> run_site(Wherry& wherry, const SiteRun& run, std::stop_token stop) {
  KnownSchedulers known;
  const jobs::SiteProcessParts parts{
      [&wherry](const std::string& name) { return wherry.service_of(name); },
      wherry.database(),
      system_clock(),
      system_random(),
      [&known](const std::string& name, const jobs::SiteSettings& settings) {
        return known.find(name, settings);
      },
      run.launcher_command,
      run.on_note};
  return jobs::run_site(parts, run.site, std::move(stop));
}

Result<void> remove_site(Wherry& wherry, const jobs::Site& site) {
  TRY_ASSIGN(const jobs::SiteSettings settings, jobs::parse_site_settings(site.settings),
             "settings of site '{}'", site.name);
  TRY_ASSIGN(tasks::TransferService * service, wherry.service_of(settings.transfers.service));
  return jobs::remove_site({.service = *service,
                            .database = wherry.database(),
                            .clock = system_clock(),
                            .random = system_random()},
                           site, settings);
}

}  // namespace wherry::app
