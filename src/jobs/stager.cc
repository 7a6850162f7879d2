// SPDX-License-Identifier: Apache-2.0
#include "jobs/stager.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "jobs/stager_state.h"

namespace wherry::jobs {
namespace {

using Outcomes = std::vector<ItemOutcome>;
using OutcomeKind = ItemOutcome::Kind;

// Between two looks at a service elsewhere: a twentieth of the age of the youngest task, within
// these bounds. Of what the embedded service does, the database tells at once.
constexpr Duration kShortestLook = std::chrono::milliseconds(250);
constexpr Duration kShortestLookAtGlobus = std::chrono::milliseconds(500);
constexpr std::size_t kMaxLabel = 100;

// Services allow letters, digits and little else.
std::string label_of(const Site& site, const BatchKey& key) {
  std::string label =
      fmt::format("site {} stage-{} {}", site.name, to_string(key.direction), key.location_alias);
  for (char& c : label) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == ' ';
    if (!is_plain) c = '_';
  }
  if (label.size() > kMaxLabel) label.resize(kMaxLabel);
  return label;
}

}  // namespace

Stager::Stager(const StagerParts& parts, const Site& site, const SiteSettings& settings)
    : state_(std::make_unique<State>(parts, site, settings)) {}

Stager::~Stager() = default;

void Stager::set_settings(const SiteSettings& settings) {
  state_->settings = settings;
  // Whoever changed them has perhaps mended what was wrong.
  state_->trouble.clear_all();
  state_->endpoints.clear();
  state_->batch_sizes.clear();
}

Result<Stager::Step> Stager::step(std::stop_token stop) {
  State& state = *state_;
  state.progressed = false;
  state.waiting.clear();
  state.pending.clear();
  state.next.reset();
  TRY(state.step(std::move(stop)), "stage the data of site '{}'", state.site.name);
  Step step;
  step.progressed = state.progressed;
  step.alerts = state.trouble.alerts();
  for (const auto& [location, message] : state.waiting) step.alerts.push_back({location, message});
  for (Alert& alert : state.quotas.alerts()) step.alerts.push_back(std::move(alert));
  step.until = state.next;
  return step;
}

// ---- The step -----------------------------------------------------------------------------------

Result<void> Stager::State::step(std::stop_token stop_of_step) {
  stop = std::move(stop_of_step);
  bounded = parts.service.until(stop);
  TRY_ASSIGN(std::vector<StageTask> open, items.open_tasks(site.id));
  std::erase_if(followed, [&](const auto& entry) {
    return std::none_of(open.begin(), open.end(),
                        [&](const StageTask& stage) { return stage.id == entry.first; });
  });
  if (!trouble.is_held("")) {
    for (StageTask& stage : open) {
      if (stage.task_id.empty() && !is_stopped()) TRY(send(stage));
    }
    TRY(follow(open));
  }
  if (!trouble.is_held("") && !is_stopped()) {
    // What has ended meanwhile has made room.
    TRY_ASSIGN(open, items.open_tasks(site.id));
    TRY(send_new(open));
    TRY_ASSIGN(open, items.open_tasks(site.id));
  }
  TRY_ASSIGN(const auto wait, until(open));
  add_until(wait);
  trouble.forget_unless([&](const std::string& alias) {
    const auto carries = [&](const StageTask& one) { return one.key.location_alias == alias; };
    return alias.empty() || std::any_of(open.begin(), open.end(), carries) || is_wanted(alias);
  });
  bounded.reset();
  return {};
}

// Whether an item is to go there, now or later.
bool Stager::State::is_wanted(const std::string& alias) {
  ItemFilter filter;
  filter.sites = {site.id};
  filter.states = {ItemState::kPending};
  filter.location_aliases = {alias};
  filter.limit = 1;
  const auto found = items.list(filter);
  return !found || !found->rows.empty();
}

Result<std::optional<Duration>> Stager::State::until(const std::vector<StageTask>& open) {
  const TimePoint now = parts.clock.now();
  add_until(trouble.next_try());
  add_until(quotas.next_look());
  add_until(next_batch(pending, limits(open), now));
  TRY_ASSIGN(const auto next_try, items.next_try(site.id));
  if (next_try && *next_try > now) add_until(*next_try - now);
  if (open.empty()) return std::optional<Duration>();
  Duration look = settings.transfers.service_period;
  if (settings.transfers.service != "local") {
    TimePoint youngest = open.front().created;
    for (const StageTask& stage : open) youngest = std::max(youngest, stage.created);
    const Duration shortest =
        settings.transfers.service == "globus" ? kShortestLookAtGlobus : kShortestLook;
    look = std::min(look, std::max<Duration>((now - youngest) / 20, shortest));
  }
  return std::optional(look);
}

const Location* Stager::State::location(const std::string& alias) const {
  const auto found = settings.transfers.transfer_locations.find(alias);
  return found == settings.transfers.transfer_locations.end() ? nullptr : &found->second;
}

Result<tasks::EndpointId> Stager::State::endpoint(const std::string& name_or_id) {
  if (is_uuid(name_or_id)) return name_or_id;
  const auto known = endpoints.find(name_or_id);
  if (known != endpoints.end()) return known->second;
  TRY_ASSIGN(const endpoints::Endpoint found, service().endpoint(name_or_id));
  endpoints[name_or_id] = found.id;
  return found.id;
}

// What is not mounted is not filled below its mount point: trouble says that its directory is not
// there.
bool Stager::State::is_mounted(const std::string& alias) {
  const Location* place = location(alias);
  if (place == nullptr || place->base.is_root()) return true;
  const auto there = endpoint(place->endpoint);
  if (!there) {
    trouble.add(alias, there.error().message);
    return false;
  }
  const auto base = service().stat(*there, place->base);
  if (!base)
    trouble.add(alias, fmt::format("its directory is not there now: {}", base.error().message));
  return base.has_value();
}

Result<void> Stager::State::apply(const StageTask& stage, const Outcomes& outcomes,
                                  Items::Task end) {
  if (outcomes.empty() && end == Items::Task::kGoesOn) return {};
  TRY(reach("before apply"));
  TRY(items.apply(stage.id, outcomes, end), "record the outcomes of task {}", stage.task_id);
  if (!outcomes.empty()) progressed = true;
  return reach("applied");
}

// ---- Sending ------------------------------------------------------------------------------------

BatchLimits Stager::State::limits(const std::vector<StageTask>& open) {
  const TransferSettings& transfers = settings.transfers;
  BatchLimits limits;
  limits.batch_size = std::min(transfers.transfer_batch_size, tasks::kMaxItems);
  limits.max_wait = transfers.max_batch_wait;
  std::size_t active = 0;
  std::map<std::string, std::size_t> active_at;
  std::set<std::string> unsent_at;
  for (const StageTask& stage : open) {
    const auto known = followed.find(stage.id);
    const bool is_inactive = known != followed.end() && known->second.is_inactive;
    if (stage.task_id.empty()) unsent_at.insert(stage.key.location_alias);
    // What waits takes no room of what can go on.
    if (stage.task_id.empty() || is_inactive) continue;
    ++active;
    ++active_at[stage.key.location_alias];
  }
  const std::size_t most = transfers.max_concurrent_transfers;
  limits.free_tasks = most > active ? most - active : 0;
  for (const auto& [alias, place] : transfers.transfer_locations) {
    BatchLimits::OfLocation& of = limits.locations[alias];
    if (place.max_concurrent_transfers) {
      const std::size_t there = active_at[alias];
      const std::size_t bound = *place.max_concurrent_transfers;
      of.free_tasks = bound > there ? bound - there : 0;
    }
    of.batch_size = std::min(place.transfer_batch_size.value_or(0), tasks::kMaxItems);
    if (const auto smaller = batch_sizes.find(alias); smaller != batch_sizes.end())
      of.batch_size = smaller->second;
    of.is_held = trouble.is_held(alias) || waiting.contains(alias) || unsent_at.contains(alias) ||
                 quotas.is_used_up(alias);
  }
  // Aliases that the settings do not have: their items stay until they have them again.
  for (const PendingItem& item : pending) {
    if (!transfers.transfer_locations.contains(item.location_alias))
      limits.locations[item.location_alias].is_held = true;
  }
  return limits;
}

Result<void> Stager::State::send_new(const std::vector<StageTask>& open) {
  if (!settings.transfers.is_on) return {};
  TRY_ASSIGN(pending,
             items.pending(site.id, settings.transfers.num_items_query_limit, parts.clock.now()));
  if (pending.empty()) return {};
  if (parts.is_up_to_date) {
    TRY_ASSIGN(const bool is_up_to_date, parts.is_up_to_date());
    if (!is_up_to_date) return {};
  }
  for (const auto& entry : settings.transfers.transfer_locations) {
    const Location& place = entry.second;
    quotas.look(service(), entry.first, place, [&] { return endpoint(place.endpoint); });
  }
  for (const PendingItem& item : pending) {
    if (location(item.location_alias) == nullptr) {
      waiting[item.location_alias] = fmt::format(
          "jobs want data of location '{}', which settings.yml does not have; add it below "
          "transfer_locations and run `wherry site sync`",
          escape_bytes(item.location_alias));
    }
  }
  TRY_ASSIGN(const auto last_served, items.last_served(site.id));
  std::set<ItemId> sent;
  for (const Batch& batch : make_batches(pending, limits(open), last_served, parts.clock.now())) {
    const std::string& alias = batch.key.location_alias;
    if (is_stopped()) return {};
    if (trouble.is_held(alias)) continue;
    const auto submission = service().new_submission_id();
    if (!submission) {
      if (!is_stopped()) trouble.add(alias, submission.error().message);
      continue;
    }
    TRY_ASSIGN(auto stage, items.assign(site.id, batch, *submission));
    TRY(reach("assigned"));
    if (stage) TRY(send(*stage));
    sent.insert(batch.items.begin(), batch.items.end());
  }
  std::erase_if(pending, [&](const PendingItem& item) { return sent.contains(item.id); });
  return {};
}

// Sends a stored task, perhaps once more: the same submission id makes it one task at the service.
Result<void> Stager::State::send(StageTask& stage) {
  if (trouble.is_held(stage.key.location_alias)) return {};
  if (stage.request.empty()) {
    TRY_ASSIGN(const bool is_ready, prepare(stage));
    if (!is_ready) return {};
  } else if (!is_mounted(stage.key.location_alias)) {
    return {};
  }
  auto request = decode_stage_request(stage.request);
  if (!request) {
    log_error("site {}: {}", site.name, request.error().message);
    return apply(stage, {}, Items::Task::kSettled);
  }
  TRY(reach("before submit"));
  const auto submitted = submit(stage, *request);
  if (!submitted) return not_submitted(stage, submitted.error());
  TRY(reach("submitted"));
  TRY(items.accepted(stage.id, submitted->task_id), "record task {}", submitted->task_id);
  TRY(reach("accepted"));
  stage.task_id = submitted->task_id;
  progressed = true;
  trouble.clear(stage.key.location_alias);
  followed.emplace(stage.id, Followed(std::move(*request)));
  return {};
}

// Makes and stores the request; false if there is none to be sent now.
Result<bool> Stager::State::prepare(StageTask& stage) {
  TRY_ASSIGN(std::vector<StageItem> carried, items.carried(stage.id));
  std::erase_if(carried,
                [](const StageItem& one) { return one.item.state != ItemState::kPending; });
  TRY_ASSIGN(auto built, build(stage, carried));
  if (!built) {
    // It was never sent, so its items are simply free again.
    TRY(apply(stage, {}, Items::Task::kSettled));
    return false;
  }
  for (ItemOutcome& outcome : built->outcomes) {
    if (outcome.kind != OutcomeKind::kError) continue;
    outcome.job = settings.transfers.on_error == OnError::kFail ? ItemOutcome::OfJob::kFails
                                                                : ItemOutcome::OfJob::kStays;
  }
  const bool is_empty = built->request.lines.empty();
  TRY(apply(stage, built->outcomes, is_empty ? Items::Task::kSettled : Items::Task::kGoesOn));
  if (is_empty) return false;
  stage.request = encode(built->request);
  TRY(items.record(stage.id, stage.request), "record what is to be sent");
  TRY(reach("recorded"));
  return true;
}

// Nothing if it cannot be made now: trouble says why.
Result<std::optional<BuiltRequest>> Stager::State::build(const StageTask& stage,
                                                         const std::vector<StageItem>& carried) {
  const std::string& alias = stage.key.location_alias;
  const auto none = std::optional<BuiltRequest>();
  const Location* place = location(alias);
  if (place == nullptr) return none;  // send_new() tells of it
  const std::string& own = settings.transfers.globus_endpoint_id;
  const auto at_site = endpoint(own.empty() ? "local" : own);
  if (!at_site) {
    trouble.add(alias, fmt::format("the endpoint of the site: {}", at_site.error().message));
    return none;
  }
  const auto there = endpoint(place->endpoint);
  if (!there) {
    trouble.add(alias, there.error().message);
    return none;
  }
  if (!is_mounted(alias)) return none;
  auto built = build_request(site, settings.transfers, *place, {*at_site, *there}, carried);
  if (!built) {
    trouble.add(alias, built.error().message);
    return none;
  }
  return std::optional(std::move(*built));
}

Result<tasks::Submitted> Stager::State::submit(const StageTask& stage,
                                               const StageRequest& request) {
  tasks::TransferRequest transfer;
  transfer.submission_id = stage.submission_id;
  transfer.owner = site.owner;
  transfer.source_endpoint = request.source_endpoint;
  transfer.target_endpoint = request.target_endpoint;
  transfer.label = label_of(site, stage.key);
  // What is there already with the same content is not moved again; equal size is no proof.
  transfer.options.sync_level = engine::SyncLevel::kChecksum;
  transfer.options.verify = engine::Verify::kChecksum;
  transfer.options.symlinks = engine::SymlinkPolicy::kCopy;
  transfer.options.skip_source_errors = true;    // one missing file holds back no other
  transfer.options.fail_on_quota_errors = true;  // its items wait here, where they take no room
  transfer.items = request.lines;
  return service().submit(transfer);
}

Result<void> Stager::State::not_submitted(const StageTask& stage, const Error& error) {
  if (is_stopped()) return {};
  const std::string& alias = stage.key.location_alias;
  const bool is_refused = error.retry == Retry::kNever || error.code == Code::kDenied;
  if (!is_refused || error.code == Code::kConflict || error.code == Code::kCancelled ||
      error.code == Code::kLoginNeeded || error.code == Code::kNotFound) {
    endpoints.clear();  // an endpoint may have been made anew
    trouble.add(alias, error.message);
    return {};
  }
  // Something in the request is wrong for good, so that this request was never accepted. Halves
  // of it are sent until it is known what.
  TRY_ASSIGN(const auto carried, items.carried(stage.id));
  const std::size_t count = carried.size();
  if (count > 1) {
    log_warning("site {}: a batch of {} items is sent in smaller ones: {}", site.name, count,
                error.message);
    batch_sizes[alias] = (count + 1) / 2;
    return apply(stage, {}, Items::Task::kSettled);
  }
  const std::string code = error.code == Code::kDenied ? "PERMISSION_DENIED" : "REFUSED";
  Outcomes outcomes;
  for (const StageItem& one : carried) {
    if (one.item.state != ItemState::kPending) continue;
    ItemOutcome outcome;
    outcome.item = one.item.id;
    outcome.kind = OutcomeKind::kError;
    outcome.error = tasks::TaskError{code, error.message};
    outcome.message = error.message;
    outcome.job = settings.transfers.on_error == OnError::kFail ? ItemOutcome::OfJob::kFails
                                                                : ItemOutcome::OfJob::kStays;
    outcomes.push_back(std::move(outcome));
  }
  return apply(stage, outcomes, Items::Task::kSettled);
}

}  // namespace wherry::jobs
