// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "base/options.h"
#include "base/path.h"
#include "jobs/app_file.h"
#include "jobs/job_removal.h"
#include "jobs/job_row.h"
#include "jobs/json_text.h"
#include "jobs/site_store.h"

namespace wherry::jobs {
namespace {

using soci::use;

Result<std::vector<App>> select_apps(soci::session& sql, const Conditions& conditions) {
  std::vector<App> apps;
  RowQuery<AppRow> query(
      sql, fmt::format("{}{} order by a.site, a.name", AppRow::kSelect, conditions.where()),
      conditions);
  while (const AppRow* row = query.next()) {
    TRY_ASSIGN(App app, row->app());
    apps.push_back(std::move(app));
  }
  return apps;
}

Result<void> refuse_unknown_site(soci::session& sql, SiteId site) {
  if (select_number(sql, fmt::format("select count(*) from site where id = {}", site)) == 1)
    return {};
  return make_error(Code::kNotFound, "there is no site {}; `wherry site ls` shows those that exist",
                    site);
}

void write_app(soci::session& sql, const App& app) {
  const std::string parameters = to_json(app.parameters), transfers = to_json(app.transfers),
                    environment = to_json(app.environment), files = to_json(app.cleanup_files),
                    resources = to_json(app.resources);
  sql << "insert into app (site, name, description, command, parameters, transfers, preamble,"
         " environment, cleanup_files, resources, error_retries, timeout_retries) values (:site,"
         " :name, :description, :command, :parameters, :transfers, :preamble, :environment, :files,"
         " :resources, :errors, :timeouts) on conflict (site, name) do update set"
         " description = excluded.description, command = excluded.command,"
         " parameters = excluded.parameters, transfers = excluded.transfers,"
         " preamble = excluded.preamble, environment = excluded.environment,"
         " cleanup_files = excluded.cleanup_files, resources = excluded.resources,"
         " error_retries = excluded.error_retries, timeout_retries = excluded.timeout_retries",
      use(app.site), use(app.name), use(app.description), use(app.command), use(parameters),
      use(transfers), use(app.preamble), use(environment), use(files), use(resources),
      use(app.error_retries), use(app.timeout_retries);
}

Result<App> named_app(soci::session& sql, SiteId site, std::string_view name) {
  Conditions conditions;
  conditions.add(fmt::format("a.site = {}", site));
  conditions.add("a.name = :text", name);
  TRY_ASSIGN(auto found, select_apps(sql, conditions));
  if (found.empty()) return make_error(Code::kNotFound, "there is no app '{}'", escape_bytes(name));
  return std::move(found.front());
}

}  // namespace

Result<App> app_of_site(const std::vector<App>& apps, std::string_view name_or_id) {
  std::vector<std::string> names;
  for (const App& app : apps) {
    if (app.name == name_or_id) return app;
    names.push_back(app.name);
  }
  AppId id = 0;
  const char* end = name_or_id.data() + name_or_id.size();
  const auto parsed = std::from_chars(name_or_id.data(), end, id);
  for (const App& app : apps) {
    if (parsed.ec == std::errc() && parsed.ptr == end && app.id == id) return app;
  }
  const auto close = nearest(name_or_id, names);
  return make_error(Code::kNotFound, "the site has no app '{}'{}", escape_bytes(name_or_id),
                    close ? fmt::format("; did you mean '{}'?", *close)
                          : std::string("; `wherry app ls` shows those that exist"));
}

Result<App> Apps::put(const App& app) {
  TRY(validate(app));
  return database_.write([&](soci::session& sql) -> Result<App> {
    TRY(refuse_unknown_site(sql, app.site));
    write_app(sql, app);
    return named_app(sql, app.site, app.name);
  });
}

Result<App> Apps::get(AppId id) {
  return database_.read([&](soci::session& sql) { return load_app(sql, id); });
}

Result<App> Apps::find(SiteId site, std::string_view name_or_id) {
  TRY_ASSIGN(const auto apps, list({&site, 1}));
  return app_of_site(apps, name_or_id);
}

Result<std::vector<App>> Apps::list(std::span<const SiteId> sites) {
  return database_.read([&](soci::session& sql) {
    Conditions conditions;
    conditions.among("a.site", sites);
    return select_apps(sql, conditions);
  });
}

Result<void> Apps::remove(AppId id, Jobs jobs) {
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const App app, load_app(sql, id));
    JobFilter its_jobs;
    its_jobs.apps = {id};
    const auto count =
        select_number(sql, fmt::format("select count(*) from job where app = {}", id));
    if (count > 0 && jobs == Jobs::kMustBeNone) {
      return make_error(Code::kConflict,
                        "the app '{}' has {} job(s); remove them first, or with it", app.name,
                        count);
    }
    TRY(remove_jobs(sql, its_jobs, clock_.now()));
    sql << "delete from app where id = :id", use(id);
    return {};
  });
}

}  // namespace wherry::jobs
