// SPDX-License-Identifier: Apache-2.0
// Sites, apps, jobs and transfer items as answers of commands, with Balsam's names for fields.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/output.h"
#include "jobs/types.h"
#include "tasks/claim.h"

namespace wherry::cli {

// A site with what is going on there.
struct SiteView {
  jobs::Site site;
  std::optional<tasks::Holder> holder;  // the process that runs it
  std::map<jobs::JobState, std::uint64_t> jobs;
  std::map<jobs::ItemState, std::uint64_t> items;
};
// "stopped", "running", or "running: needs you" with an alert.
std::string site_state(const SiteView& view);
Record site_record(const SiteView& view);
std::vector<Column> site_columns();
std::vector<Value> site_row(const SiteView& view);

// `app ls`: `site` is the name of its site.
enum class Detail { kShort, kLong };
std::vector<Column> app_columns(Detail detail);
std::vector<Value> app_row(const jobs::App& app, const std::string& site);
Record app_record(const jobs::App& app, const std::string& site);

// What a job is called by: names in place of numbers.
struct JobNames {
  std::map<jobs::AppId, std::string> apps;
  std::map<jobs::SiteId, std::string> sites;
};
std::vector<Column> job_columns(Detail detail);
std::vector<Value> job_row(const jobs::Job& job, const JobNames& names);
// `why`: the message of its last event.
Record job_record(const jobs::Job& job, const JobNames& names,
                  const std::vector<jobs::TransferItem>& items, const std::string& why);

std::vector<Column> item_columns(Detail detail);
std::vector<Value> item_row(const jobs::TransferItem& item);
Record item_record(const jobs::TransferItem& item);

std::vector<Column> job_event_columns();
std::vector<Value> job_event_row(const jobs::JobEvent& event);

// "1 job", "12 jobs"
std::string jobs_text(std::uint64_t count);

// 12 JOB_FINISHED, …, in the order of states; those with none are left out.
Tally counts_of(const std::map<jobs::JobState, std::uint64_t>& counts);
Tally counts_of(const std::map<jobs::ItemState, std::uint64_t>& counts);

}  // namespace wherry::cli
