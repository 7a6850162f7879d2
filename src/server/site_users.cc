// SPDX-License-Identifier: Apache-2.0
#include "server/site_users.h"

#include <soci/soci.h>

#include "base/check.h"
#include "base/path.h"

namespace wherry::server {
namespace {

constexpr Migration kSiteUserMigrations[] = {
    {"site_user", 1,
     "create table site_user ("
     " site integer not null, identity text not null, may_manage integer not null,"
     " created integer not null,"
     " primary key (site, identity)) strict, without rowid;"
     "create index site_user_identity on site_user (identity);"},
};

SiteRight right_of(int may_manage) {
  return may_manage != 0 ? SiteRight::kManage : SiteRight::kUse;
}

}  // namespace

std::string_view to_string(SiteRight right) {
  constexpr std::string_view kNames[] = {"use", "manage", "own"};
  return kNames[static_cast<std::size_t>(right)];
}

Result<SiteRight> parse_site_right(std::string_view text) {
  for (const SiteRight right : {SiteRight::kUse, SiteRight::kManage})
    if (text == to_string(right)) return right;
  return make_error(Code::kInvalid, "'{}' is not use or manage", escape_bytes(text));
}

std::span<const Migration> site_user_migrations() { return kSiteUserMigrations; }

Result<void> SiteUsers::put(const SiteUser& user) {
  CHECK(user.right != SiteRight::kOwn);  // the owner stands in the site itself
  const long long now = clock_.now().time_since_epoch().count();
  const long long site = user.site;
  const int may_manage = user.right == SiteRight::kManage ? 1 : 0;
  return database_.write([&](soci::session& sql) -> Result<void> {
    sql << "insert into site_user (site, identity, may_manage, created)"
           " values (:site, :identity, :may_manage, :now)"
           " on conflict (site, identity) do update set may_manage = excluded.may_manage",
        soci::use(site, "site"), soci::use(user.identity, "identity"),
        soci::use(may_manage, "may_manage"), soci::use(now, "now");
    return {};
  });
}

Result<void> SiteUsers::remove(jobs::SiteId site, const std::string& identity) {
  const long long key = site;
  return database_.write([&](soci::session& sql) -> Result<void> {
    soci::statement statement =
        (sql.prepare << "delete from site_user where site = :site and identity = :identity",
         soci::use(key, "site"), soci::use(identity, "identity"));
    statement.execute(true);
    if (statement.get_affected_rows() > 0) return {};
    return make_error(Code::kNotFound, "site {} is not shared with '{}'", site,
                      escape_bytes(identity));
  });
}

Result<void> SiteUsers::remove_all(jobs::SiteId site) {
  const long long key = site;
  return database_.write([&](soci::session& sql) -> Result<void> {
    sql << "delete from site_user where site = :site", soci::use(key, "site");
    return {};
  });
}

Result<std::vector<SiteUser>> SiteUsers::of_site(jobs::SiteId site) {
  const long long key = site;
  return database_.read([&](soci::session& sql) -> Result<std::vector<SiteUser>> {
    std::string identity;
    int may_manage = 0;
    soci::statement statement =
        (sql.prepare << "select identity, may_manage from site_user where site = :site"
                        " order by identity",
         soci::use(key, "site"), soci::into(identity), soci::into(may_manage));
    std::vector<SiteUser> users;
    statement.execute();
    while (statement.fetch()) users.push_back({site, identity, right_of(may_manage)});
    return users;
  });
}

Result<std::vector<SiteUser>> SiteUsers::of_identity(const std::string& identity) {
  return database_.read([&](soci::session& sql) -> Result<std::vector<SiteUser>> {
    long long site = 0;
    int may_manage = 0;
    soci::statement statement =
        (sql.prepare << "select site, may_manage from site_user where identity = :identity"
                        " order by site",
         soci::use(identity, "identity"), soci::into(site), soci::into(may_manage));
    std::vector<SiteUser> users;
    statement.execute();
    while (statement.fetch()) users.push_back({site, identity, right_of(may_manage)});
    return users;
  });
}

}  // namespace wherry::server
