// SPDX-License-Identifier: Apache-2.0
#include "jobs/site_store.h"

#include <algorithm>
#include <charconv>

#include "base/options.h"
#include "base/path.h"
#include "jobs/query.h"
#include "jobs/site_settings.h"
#include "tasks/claim.h"

namespace wherry::jobs {
namespace {

using soci::use;

constexpr std::size_t kMaxNameBytesOfSite = 100;
constexpr std::string_view kSelect =
    "select s.id, s.name, s.path, s.owner, s.created, s.settings, s.last_refresh, s.last_progress,"
    " s.alert from site s";

struct SiteRow {
  void define(soci::statement& statement) {
    using soci::into;
    statement.exchange(into(id));
    for (std::string* field : {&name, &path, &owner}) statement.exchange(into(*field));
    statement.exchange(into(created));
    statement.exchange(into(settings));
    for (long long* field : {&last_refresh, &last_progress}) statement.exchange(into(*field));
    statement.exchange(into(alert));
  }
  Site site() const {
    Site site;
    site.id = id;
    site.name = name;
    site.path = path;
    site.owner = owner;
    site.created = from_stored(created);
    site.settings = settings;
    site.last_refresh = optional_time(last_refresh);
    site.last_progress = optional_time(last_progress);
    site.alert = alert;
    return site;
  }

  long long id = 0, created = 0, last_refresh = 0, last_progress = 0;
  std::string name, path, owner, settings, alert;
};

struct TaskIdRow {
  void define(soci::statement& statement) { statement.exchange(soci::into(id)); }
  std::string id;
};

std::vector<Site> select_sites(soci::session& sql, const Conditions& conditions) {
  std::vector<Site> sites;
  RowQuery<SiteRow> query(sql, std::string(kSelect) + conditions.where() + " order by s.id",
                          conditions);
  while (const SiteRow* row = query.next()) sites.push_back(row->site());
  return sites;
}

std::vector<Site> sites_of(soci::session& sql, std::string_view owner) {
  Conditions conditions;
  if (!owner.empty()) conditions.add("s.owner = :text", owner);
  return select_sites(sql, conditions);
}

Result<Site> load_site(soci::session& sql, SiteId id) {
  Conditions conditions;
  conditions.add(fmt::format("s.id = {}", id));
  auto found = select_sites(sql, conditions);
  if (found.empty()) {
    return make_error(Code::kNotFound,
                      "there is no site {}; `wherry site ls` shows those that exist", id);
  }
  return std::move(found.front());
}

Result<void> check_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytesOfSite || escape_bytes(name) != name) {
    return make_error(Code::kInvalid,
                      "'{}' cannot be the name of a site: it takes 1 to {} bytes of printable text",
                      escape_bytes(name), kMaxNameBytesOfSite);
  }
  return {};
}

// The path without what is superfluous in it; nothing is resolved.
Result<std::string> normal_path(std::string_view path) {
  if (!path.starts_with('/')) {
    return make_error(Code::kInvalid, "the path '{}' of a site is not absolute",
                      escape_bytes(path));
  }
  TRY_ASSIGN(const RelPath below_root, RelPath::parse(path), "path of the site");
  return "/" + below_root.text();
}

Result<void> refuse_same_name(soci::session& sql, std::string_view name, std::string_view owner,
                              SiteId but) {
  Conditions conditions;
  conditions.add("s.name = :text", name);
  conditions.add("s.owner = :text", owner);
  conditions.add(fmt::format("s.id <> {}", but));
  if (select_sites(sql, conditions).empty()) return {};
  return make_error(Code::kAlreadyExists, "there is a site '{}' already; choose another name",
                    name);
}

Result<void> refuse_same_path(soci::session& sql, std::string_view path, SiteId but) {
  Conditions conditions;
  conditions.add("s.path = :text", path);
  conditions.add(fmt::format("s.id <> {}", but));
  const auto found = select_sites(sql, conditions);
  if (found.empty()) return {};
  return make_error(Code::kAlreadyExists, "'{}' is the path of the site '{}' already",
                    escape_bytes(path), found.front().name);
}

// Of several that fit.
Error ambiguous(std::string_view selector, const std::vector<Site>& fitting) {
  std::string list;
  for (const Site& site : fitting) {
    list += fmt::format("{}{} '{}' ({})", list.empty() ? "" : ", ", site.id, site.name,
                        escape_bytes(site.path));
  }
  return make_error(Code::kConflict, "'{}' fits several sites: {}; say which by its number",
                    escape_bytes(selector), list);
}

Error unknown_site(std::string_view selector, const std::vector<Site>& sites) {
  std::vector<std::string> names;
  for (const Site& site : sites) names.push_back(site.name);
  const auto close = nearest(selector, names);
  return make_error(Code::kNotFound, "there is no site '{}'{}", escape_bytes(selector),
                    close ? fmt::format("; did you mean '{}'?", *close)
                          : std::string("; `wherry site ls` shows those that exist"));
}

template <class Fits>
std::vector<Site> those(const std::vector<Site>& sites, const Fits& fits) {
  std::vector<Site> fitting;
  std::copy_if(sites.begin(), sites.end(), std::back_inserter(fitting), fits);
  return fitting;
}

Result<void> refuse_if_used(soci::session& sql, const Site& site) {
  const auto sessions = select_number(
      sql, fmt::format("select count(*) from launcher_session where site = {}", site.id));
  if (sessions == 0) return {};
  return make_error(Code::kConflict,
                    "the site '{}' cannot be removed while {} launcher(s) run its jobs; end them "
                    "first (`wherry queue term`)",
                    site.name, sessions);
}

// Stage tasks whose request was never made were not sent either.
Result<void> refuse_if_tasks(soci::session& sql, const Site& site) {
  constexpr std::size_t kNamed = 3;
  Conditions conditions;
  conditions.add(fmt::format("t.site = {}", site.id));
  conditions.add("(t.task_id <> '' or t.request <> '')");
  RowQuery<TaskIdRow> query(
      sql, "select t.task_id from stage_task t" + conditions.where() + " order by t.id",
      conditions);
  std::size_t count = 0;
  std::string names;
  while (const TaskIdRow* row = query.next()) {
    if (++count <= kNamed && !row->id.empty())
      names += fmt::format("{}{}", names.empty() ? "" : ", ", row->id);
  }
  if (count == 0) return {};
  return make_error(Code::kConflict,
                    "the site '{}' cannot be removed while transfer tasks may be under way for it:"
                    " {}{}; let it settle them (`wherry site start`), or have them cancelled"
                    " (`wherry site rm --force`)",
                    site.name, count, names.empty() ? "" : fmt::format(" ({})", names));
}

}  // namespace

std::string site_claim_id(SiteId id) { return std::to_string(id); }

Result<Site> Sites::create(std::string_view name, std::string_view path, std::string_view owner,
                           std::string_view settings) {
  TRY(check_name(name));
  TRY_ASSIGN(const std::string normal, normal_path(path));
  TRY(parse_site_settings(settings));
  const std::string name_text(name), owner_text(owner), settings_text(settings);
  const long long now = to_stored(clock_.now());
  return database_.write([&](soci::session& sql) -> Result<Site> {
    TRY(refuse_same_name(sql, name, owner, 0));
    TRY(refuse_same_path(sql, normal, 0));
    sql << "insert into site (name, path, owner, created, settings)"
           " values (:name, :path, :owner, :created, :settings)",
        use(name_text), use(normal), use(owner_text), use(now), use(settings_text);
    return load_site(sql, inserted_id(sql));
  });
}

Result<Site> Sites::get(SiteId id) {
  return database_.read([&](soci::session& sql) { return load_site(sql, id); });
}

Result<Site> Sites::resolve(std::string_view selector, std::string_view owner) {
  TRY_ASSIGN(const auto sites, list(owner));
  SiteId number = 0;
  const char* end = selector.data() + selector.size();
  const auto parsed = std::from_chars(selector.data(), end, number);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == end;
  auto fitting = those(sites, [&](const Site& site) { return is_number && site.id == number; });
  if (fitting.empty())
    fitting = those(sites, [&](const Site& site) { return site.name == selector; });
  if (fitting.empty() && !selector.empty()) {
    fitting = those(
        sites, [&](const Site& site) { return site.path.find(selector) != std::string::npos; });
  }
  if (fitting.empty()) return unknown_site(selector, sites);
  if (fitting.size() > 1) return ambiguous(selector, fitting);
  return std::move(fitting.front());
}

Result<Site> Sites::enclosing(std::string_view directory) {
  TRY_ASSIGN(const std::string normal, normal_path(directory));
  TRY_ASSIGN(const auto sites, list());
  const Site* found = nullptr;
  for (const Site& site : sites) {
    const bool is_within =
        normal == site.path || site.path == "/" || normal.starts_with(site.path + "/");
    if (is_within && (found == nullptr || site.path.size() > found->path.size())) found = &site;
  }
  if (found == nullptr) {
    return make_error(Code::kNotFound,
                      "'{}' is not in the directory of a site; `wherry site init` makes one",
                      escape_bytes(directory));
  }
  return *found;
}

Result<std::vector<Site>> Sites::list(std::string_view owner) {
  return database_.read(
      [&](soci::session& sql) -> Result<std::vector<Site>> { return sites_of(sql, owner); });
}

Result<Site> Sites::rename(SiteId id, std::string_view name) {
  TRY(check_name(name));
  const std::string text(name);
  return database_.write([&](soci::session& sql) -> Result<Site> {
    TRY_ASSIGN(const Site site, load_site(sql, id));
    TRY(refuse_same_name(sql, name, site.owner, id));
    sql << "update site set name = :name where id = :id", use(text), use(site.id);
    return load_site(sql, id);
  });
}

Result<Site> Sites::move(SiteId id, std::string_view path) {
  TRY_ASSIGN(const std::string normal, normal_path(path));
  return database_.write([&](soci::session& sql) -> Result<Site> {
    TRY_ASSIGN(const Site site, load_site(sql, id));
    TRY(refuse_same_path(sql, normal, id));
    sql << "update site set path = :path where id = :id", use(normal), use(site.id);
    return load_site(sql, id);
  });
}

Result<Site> Sites::set_settings(SiteId id, std::string_view settings) {
  TRY(parse_site_settings(settings));
  const std::string text(settings);
  return database_.write([&](soci::session& sql) -> Result<Site> {
    TRY_ASSIGN(const Site site, load_site(sql, id));
    sql << "update site set settings = :settings where id = :id", use(text), use(site.id);
    return load_site(sql, id);
  });
}

Result<void> Sites::remove(SiteId id, Tasks tasks) {
  TRY_ASSIGN(const auto holder,
             tasks::Claims(database_, clock_).holder(kSiteClaim, site_claim_id(id)));
  return database_.write([&](soci::session& sql) -> Result<void> {
    TRY_ASSIGN(const Site site, load_site(sql, id));
    if (holder) {
      return make_error(Code::kConflict,
                        "the site '{}' cannot be removed while {} runs it; stop it first (`wherry "
                        "site stop`)",
                        site.name, tasks::describe(*holder));
    }
    TRY(refuse_if_used(sql, site));
    if (tasks == Tasks::kMustBeNone) TRY(refuse_if_tasks(sql, site));
    sql << "delete from site where id = :id", use(site.id);
    for (const char* table : {"job_count", "item_count", "job_event_count"})
      sql << "delete from " << table << " where site = :id", use(site.id);
    return {};
  });
}

Result<void> Sites::refresh(SiteId id, bool progressed, std::string_view alert) {
  const long long now = to_stored(clock_.now());
  const std::string text(alert);
  const int has_progressed = progressed ? 1 : 0;
  return database_.write([&](soci::session& sql) -> Result<void> {
    sql << "update site set last_refresh = :now, last_progress = case :progressed when 1 then "
           ":too else last_progress end, alert = :alert where id = :id",
        use(now), use(has_progressed), use(now), use(text), use(id);
    return {};
  });
}

}  // namespace wherry::jobs
