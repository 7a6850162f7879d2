// SPDX-License-Identifier: Apache-2.0
// Making jobs in bulk: every field is looked at before it is stored, whoever asks.
#include <map>
#include <memory>
#include <optional>

#include "base/path.h"
#include "jobs/app_command.h"
#include "jobs/app_file.h"
#include "jobs/job_row.h"
#include "jobs/job_store.h"
#include "jobs/json_text.h"
#include "jobs/lifecycle.h"
#include "jobs/site_settings.h"
#include "jobs/site_store.h"

namespace wherry::jobs {
namespace {

using soci::use;

Result<void> check_place(const SiteSettings& settings, const RemotePath& remote) {
  const auto& locations = settings.transfers.transfer_locations;
  const auto location = locations.find(remote.location_alias);
  if (location == locations.end()) {
    std::vector<std::string> aliases;
    for (const auto& [alias, _] : locations) aliases.push_back(alias);
    return make_error(Code::kInvalid,
                      "the site's settings have no location '{}'; transfer_locations has {}",
                      escape_bytes(remote.location_alias),
                      aliases.empty() ? "none" : fmt::format("{}", fmt::join(aliases, ", ")));
  }
  TRY(remote_path(location->second, remote.path));
  return {};
}

// Makes jobs of one site in one transaction.
class Maker {
 public:
  static Result<std::unique_ptr<Maker>> open(soci::session& sql, SiteId site, TimePoint now) {
    std::string settings, owner;
    const long long id = site;
    sql << "select settings, owner from site where id = :id", use(id), soci::into(settings),
        soci::into(owner);
    if (!sql.got_data()) {
      return make_error(Code::kNotFound,
                        "there is no site {}; `wherry site ls` shows those that exist", site);
    }
    auto maker = std::make_unique<Maker>(sql, site, owner, now);
    TRY_ASSIGN(maker->settings_, parse_site_settings(settings), "settings of site {}", site);
    RowQuery<AppRow> query(sql, fmt::format("{} where a.site = {}", AppRow::kSelect, site));
    while (const AppRow* row = query.next()) {
      TRY_ASSIGN(App app, row->app());
      maker->apps_.push_back(std::move(app));
    }
    return maker;
  }

  Maker(soci::session& sql, SiteId site, std::string owner, TimePoint now)
      : sql_(sql),
        site_(site),
        owner_(std::move(owner)),
        now_(to_stored(now)),
        lifecycle_(sql, now),
        find_parent_((sql.prepare << "select count(*) from job j join site s on s.id = j.site"
                                     " where j.id = :parent and s.owner = :owner",
                      use(parent_), use(owner_), soci::into(found_))),
        insert_job_(
            (sql.prepare << "insert into job (site, app, state, created, last_update, workdir,"
                            " resources, parents, tags, parameters, data) values (:site, :app,"
                            " :state, :created, :updated, :workdir, :resources, :parents, :tags,"
                            " :parameters, :data)",
             use(site_), use(app_), use(state_), use(now_), use(now_), use(workdir_),
             use(resources_), use(parents_), use(tags_), use(parameters_), use(data_))),
        insert_item_(
            (sql.prepare << "insert into transfer_item (job, site, slot, direction,"
                            " location_alias, recursive, required, state, since, created,"
                            " last_update, local_path, remote_path) values (:job, :site, :slot,"
                            " :direction, :alias, :recursive, :required, :state, :since, :created,"
                            " :updated, :local, :remote)",
             use(job_), use(site_), use(slot_), use(direction_), use(alias_), use(recursive_),
             use(required_), use(state_), use(now_), use(now_), use(now_), use(local_),
             use(remote_))) {}

  // `number` counts from 1 within the call.
  Result<JobId> make(const NewJob& job, std::size_t number) {
    TRY_ASSIGN(const App* const app, find_app(job.app), "new job {}: app", number);
    TRY(check(job, *app, number), "new job {}", number);
    insert_job(job, *app);
    for (const auto& [name, remote] : job.transfers)
      insert_item(name, app->transfers.find(name)->second, remote);
    TRY(lifecycle_.enter(job_));
    return job_;
  }

 private:
  // The apps of most calls are few and named again and again.
  Result<const App*> find_app(const std::string& name) {
    const auto known = found_apps_.find(name);
    if (known != found_apps_.end()) return known->second;
    auto found = app_of_site(apps_, name);
    if (!found) return Error{Code::kInvalid, Retry::kNever, std::move(found).error().message};
    for (const App& app : apps_)
      if (app.id == found->id) found_apps_[name] = &app;
    return found_apps_[name];
  }

  Result<void> check(const NewJob& job, const App& app, std::size_t number) {
    TRY_ASSIGN(workdir_, normal_workdir(job.workdir));
    const auto [other, is_new] = workdirs_.emplace(workdir_, number);
    if (!is_new) {
      return make_error(Code::kInvalid, "workdir: '{}' is that of new job {} too",
                        escape_bytes(workdir_), other->second);
    }
    TRY(check_parameters(app, job.parameters), "parameters");
    TRY(check_transfers(app, job.transfers), "transfers");
    for (const auto& [slot, remote] : job.transfers)
      TRY(check_place(settings_, remote), "transfers: slot '{}'", slot);
    if (job.resources) TRY(validate(*job.resources), "resources");
    TRY(check_data(job.data));
    for (const JobId parent : job.parents) {
      parent_ = parent;
      CHECK(find_parent_.execute(true));
      if (found_ == 0) return make_error(Code::kInvalid, "parents: there is no job {}", parent);
    }
    return {};
  }

  void insert_job(const NewJob& job, const App& app) {
    app_ = app.id;
    state_ = to_string(JobState::kCreated);
    resources_ = to_json(job.resources ? *job.resources : app.resources);
    parents_ = to_json(job.parents);
    tags_ = to_json(job.tags);
    parameters_ = to_json(job.parameters);
    data_ = job.data.empty() ? "{}" : job.data;
    insert_job_.execute(true);
    job_ = inserted_id(sql_);
    lifecycle_.created(job_, site_, std::nullopt, state_);
    waits_ = !job.parents.empty() && lifecycle_.waits_for_parents(job_);
  }

  void insert_item(const std::string& name, const Slot& slot, const RemotePath& remote) {
    const bool is_wanted = slot.direction == Direction::kIn && !waits_;
    slot_ = name;
    direction_ = to_string(slot.direction);
    alias_ = remote.location_alias;
    recursive_ = slot.recursive ? 1 : 0;
    required_ = slot.required ? 1 : 0;
    state_ = to_string(is_wanted ? ItemState::kPending : ItemState::kAwaitingJob);
    local_ = slot.local_path;
    remote_ = remote.path;
    insert_item_.execute(true);
    lifecycle_.created(job_, site_, inserted_id(sql_), state_);
  }

  soci::session& sql_;
  const long long site_;
  const std::string owner_;
  const long long now_;
  Lifecycle lifecycle_;
  SiteSettings settings_;
  std::vector<App> apps_;
  std::map<std::string, const App*> found_apps_;
  std::map<std::string, std::size_t> workdirs_;
  bool waits_ = false;
  // Bound to the statements below.
  long long parent_ = 0, app_ = 0, job_ = 0;
  int found_ = 0, recursive_ = 0, required_ = 0;
  std::string state_, workdir_, resources_, parents_, tags_, parameters_, data_, slot_, direction_,
      alias_, local_, remote_;
  soci::statement find_parent_, insert_job_, insert_item_;
};

}  // namespace

Result<std::vector<Job>> Jobs::create(SiteId site, std::span<const NewJob> jobs) {
  if (jobs.size() > kMaxBulk) {
    return make_error(Code::kInvalid, "{} jobs in one call, at most {} are allowed", jobs.size(),
                      kMaxBulk);
  }
  return database_.write([&](soci::session& sql) -> Result<std::vector<Job>> {
    TRY_ASSIGN(const auto maker, Maker::open(sql, site, clock_.now()));
    std::vector<JobId> ids;
    for (const NewJob& job : jobs) {
      TRY_ASSIGN(const JobId id, maker->make(job, ids.size() + 1));
      ids.push_back(id);
    }
    if (ids.empty()) return std::vector<Job>();
    Conditions made;
    made.add(fmt::format("j.id between {} and {}", ids.front(), ids.back()));
    return select_jobs(
        sql, fmt::format("select {} from job j{} order by j.id", JobRow::kColumns, made.where()),
        made);
  });
}

Result<std::uint64_t> Jobs::create_many(SiteId site, std::span<const NewJob> jobs) {
  return database_.write([&](soci::session& sql) -> Result<std::uint64_t> {
    TRY_ASSIGN(const auto maker, Maker::open(sql, site, clock_.now()));
    std::size_t number = 0;
    for (const NewJob& job : jobs) TRY(maker->make(job, ++number));
    return number;
  });
}

}  // namespace wherry::jobs
