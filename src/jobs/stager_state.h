// SPDX-License-Identifier: Apache-2.0
// What a stager knows and does, for its own files: stager.cc decides and sends, stage_follow.cc
// follows what was sent.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jobs/batch.h"
#include "jobs/location_trouble.h"
#include "jobs/quota_window.h"
#include "jobs/stage_fates.h"
#include "jobs/stage_request.h"
#include "jobs/stager.h"

namespace wherry::jobs {

// What is remembered of an open task while this process lives; all of it can be found out again.
struct Followed {
  explicit Followed(StageRequest request) : fates(std::move(request)) {}
  StageFates fates;
  std::optional<tasks::Counts> seen;  // when its rows were last read
  bool is_inactive = false;
  int resumes = 0;
  Duration next_resume{0};         // monotonic
  Duration next_hopeless_look{0};  // monotonic
  // Files and bytes that were moved when it was last seen in trouble.
  std::optional<std::pair<std::uint64_t, ByteCount>> stuck_at;
};

struct Stager::State {
  State(const StagerParts& lent, const Site& of_site, const SiteSettings& with)
      : parts(lent),
        site(of_site),
        settings(with),
        items(lent.database, lent.clock),
        trouble(lent.clock, lent.random),
        quotas(lent.clock) {}

  Result<void> step(std::stop_token stop);
  Result<void> reach(std::string_view point) {
    return parts.fault ? parts.fault(point) : Result<void>();
  }
  tasks::TransferService& service() { return bounded ? *bounded : parts.service; }
  bool is_stopped() const { return stop.stop_requested(); }
  const Location* location(const std::string& alias) const;
  bool is_wanted(const std::string& alias);
  Result<tasks::EndpointId> endpoint(const std::string& name_or_id);
  bool is_mounted(const std::string& alias);

  // Sending.
  Result<void> send(StageTask& stage);
  Result<bool> prepare(StageTask& stage);
  Result<std::optional<BuiltRequest>> build(const StageTask& stage,
                                            const std::vector<StageItem>& carried);
  Result<tasks::Submitted> submit(const StageTask& stage, const StageRequest& request);
  Result<void> not_submitted(const StageTask& stage, const Error& error);
  Result<void> send_new(const std::vector<StageTask>& open);
  BatchLimits limits(const std::vector<StageTask>& open);

  // Following.
  Result<void> follow(const std::vector<StageTask>& open);
  Result<void> follow_one(const StageTask& stage, const tasks::Task& task);
  Result<void> follow_unknown(const StageTask& stage);
  Result<void> send_again(const StageTask& stage, const std::string& why);
  Result<Followed*> followed_of(const StageTask& stage);
  Result<void> read_rows(const StageTask& stage, Followed& followed, const tasks::Task& task,
                         bool& known);
  void look_for_hopeless(Followed& of, const tasks::Task& task);
  Result<void> wait_for_person(const StageTask& stage, Followed& followed, const tasks::Task& task,
                               const std::vector<StageItem>& live,
                               std::vector<ItemOutcome>& outcomes);
  Result<void> abandon(const StageTask& stage, const tasks::Task& task);
  void judge(const StageItem& item, const StageFates& fates, const tasks::Task& task,
             std::vector<ItemOutcome>& outcomes);
  static bool is_one_of_many(const StageFates& fates, const tasks::TaskError& error);
  ItemOutcome arrived(const StageItem& item, const StageFates& fates);
  ItemOutcome failed(const TransferItem& item, const tasks::TaskError& error) const;
  ItemOutcome again(const TransferItem& item, const tasks::TaskError& error, Duration after) const;
  Result<void> apply(const StageTask& stage, const std::vector<ItemOutcome>& outcomes,
                     Items::Task end);
  void note_end(const StageTask& stage, const StageFates& fates, const tasks::Task& task);

  Result<std::optional<Duration>> until(const std::vector<StageTask>& open);
  void add_until(std::optional<Duration> wait) {
    if (wait && (!next || *wait < *next)) next = std::max(*wait, Duration(0));
  }

  const StagerParts parts;
  const Site site;
  SiteSettings settings;
  Items items;
  LocationTrouble trouble;
  QuotaWindow quotas;
  std::map<std::string, tasks::EndpointId> endpoints;  // by name or id
  std::map<std::string, std::size_t> batch_sizes;      // of locations that refused a batch
  std::map<StageTaskId, Followed> followed;

  // Of the step that runs.
  std::stop_token stop;
  std::unique_ptr<tasks::TransferService> bounded;
  bool progressed = false;
  std::map<std::string, std::string> waiting;  // location -> what an inactive task waits for
  std::vector<PendingItem> pending;
  std::optional<Duration> next;
};

}  // namespace wherry::jobs
